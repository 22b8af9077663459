package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/redeliver/redeliver/dlq"
	"github.com/redeliver/redeliver/internal/config"
)

type fruit struct {
	Name  string `json:"name"`
	Count int    `json:"count"`
}

func fruits(t *testing.T, format outputFormat, values ...fruit) string {
	t.Helper()
	var b bytes.Buffer
	r := newRows(&b, format,
		column[fruit]{title: "NAME", cell: func(f fruit) string { return f.Name }},
		column[fruit]{title: "COUNT", right: true, cell: func(f fruit) string { return fmt.Sprint(f.Count) }},
		column[fruit]{title: "NOTE", cell: func(fruit) string { return "" }},
	)
	for _, v := range values {
		if err := r.add(v); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestRowsAreATableAnArrayOrLines(t *testing.T) {
	some := []fruit{{"plum", 7}, {"äpfel", 1200}}
	for format, want := range map[outputFormat]string{
		asTable: "NAME   COUNT  NOTE\nplum       7\näpfel   1200\n",
		asJSON:  "[\n  {\n    \"name\": \"plum\",\n    \"count\": 7\n  },\n  {\n    \"name\": \"äpfel\",\n    \"count\": 1200\n  }\n]\n",
		asJSONL: "{\"name\":\"plum\",\"count\":7}\n{\"name\":\"äpfel\",\"count\":1200}\n",
	} {
		if got := fruits(t, format, some...); got != want {
			t.Errorf("%s:\n%s\nwant:\n%s", format, got, want)
		}
	}
	if got := fruits(t, asJSON); got != "[]\n" {
		t.Errorf("no rows as JSON: %q", got)
	}
	if got := fruits(t, asTable); got != "" {
		t.Errorf("no rows as a table: %q", got)
	}
}

// What stands in a record must not move the cursor of whoever looks at it.
func TestTextOfRecordsCannotControlTheTerminal(t *testing.T) {
	for text, want := range map[string]string{
		"plain ä 日本":     "plain ä 日本",
		"a\nb\tc":        `a\nb\tc`,
		"\x1b[2Jx":       `\u001b[2Jx`,
		"bad \xff utf-8": `bad \xff utf-8`,
		"\u202eright":    `\u202eright`,
	} {
		if got := printable(text); got != want {
			t.Errorf("%q is printed %q, want %q", text, got, want)
		}
	}
	if got := clip("äöüß", 3); got != "äö…" {
		t.Errorf("clipped to %q", got)
	}
}

func TestAChangeIsAskedForUnlessItIsSaid(t *testing.T) {
	for _, test := range []struct {
		name        string
		flags       changeFlags
		interactive bool
		answer      string
		ok          bool
		status      int
	}{
		{"yes typed", changeFlags{}, true, "y\n", true, exitDone},
		{"yes in full", changeFlags{}, true, " YES \n", true, exitDone},
		{"only return", changeFlags{}, true, "\n", false, exitFailed},
		{"end of input", changeFlags{}, true, "", false, exitFailed},
		{"no", changeFlags{}, true, "n\n", false, exitFailed},
		{"no terminal", changeFlags{}, false, "y\n", false, exitUsage},
		{"--yes", changeFlags{yes: true}, false, "", true, exitDone},
		{"--dry-run never asks", changeFlags{dryRun: true}, true, "y\n", false, exitDone},
		{"--dry-run wins over --yes", changeFlags{dryRun: true, yes: true}, false, "", false, exitDone},
	} {
		t.Run(test.name, func(t *testing.T) {
			var errs bytes.Buffer
			p := &program{in: strings.NewReader(test.answer), err: &errs, interactive: test.interactive}
			ok, err := p.confirm(&test.flags, "Eat 3 plums")
			if ok != test.ok || exitStatus(err) != test.status {
				t.Errorf("got %v with status %d (%v), want %v with %d", ok, exitStatus(err), err, test.ok, test.status)
			}
			if asked := strings.Contains(errs.String(), "Eat 3 plums? [y/N]"); asked != (test.interactive && !test.flags.dryRun && !test.flags.yes) {
				t.Errorf("asked: %v", asked)
			}
		})
	}
}

// A question is no place to be caught in: Ctrl-C answers it, although nothing is typed.
func TestAQuestionCanBeInterrupted(t *testing.T) {
	ctx, interrupt := context.WithCancel(t.Context())
	nothing, typing := io.Pipe()
	defer typing.Close()
	var errs bytes.Buffer
	p := &program{in: interruptible{ctx, nothing}, err: &errs, interactive: true}
	time.AfterFunc(time.Millisecond, interrupt)
	ok, err := p.confirm(&changeFlags{}, "Eat 3 plums")
	if ok || !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, %v", ok, err)
	}
	if status := p.report(err); status != exitFailed || !strings.HasSuffix(errs.String(), "? [y/N] \nredeliver: interrupted\n") {
		t.Errorf("status %d, printed %q", status, errs.String())
	}
}

func TestErrorsHaveTheStatusOfTheContract(t *testing.T) {
	for want, err := range map[int]error{
		exitDone:   nil,
		exitFailed: errors.New("broken"),
		exitUsage:  fmt.Errorf("load: %w", config.Problems{{File: "f", Line: 1, Column: 1}}),
		exitPart:   fmt.Errorf("replay: %w", partlyf("3 entries were left out")),
	} {
		if got := exitStatus(err); got != want {
			t.Errorf("%v ends with %d, want %d", err, got, want)
		}
	}
	if got := exitStatus(&config.FileError{Path: "x", Err: errors.New("y")}); got != exitUsage {
		t.Errorf("an unreadable configuration ends with %d", got)
	}
	var errs bytes.Buffer
	p := &program{err: &errs}
	if status := p.report(&exitError{status: exitPart}); status != exitPart || errs.Len() > 0 {
		t.Errorf("an error without text ends with %d and prints %q", status, errs.String())
	}
}

func TestProgressIsOneLineOnATerminal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var errs bytes.Buffer
		g := (&program{err: &errs, terminal: true}).newProgress("replaying", 200)
		for n := range int64(200) {
			g.set(n+1, "")
			time.Sleep(10 * time.Millisecond)
		}
		g.end()
		if n := strings.Count(errs.String(), "\r"); n < 15 || n > 25 {
			t.Errorf("painted %d times in two seconds, want about ten a second", n)
		}
		if strings.Contains(errs.String(), "\n") {
			t.Error("it is not one line")
		}
		if !strings.Contains(errs.String(), "replaying [============            ] 101 of 200 (50 %), 100/s, 1s left") &&
			!strings.Contains(errs.String(), "[============") {
			t.Errorf("no bar half way:\n%q", errs.String())
		}
		if !strings.HasSuffix(errs.String(), "\r") {
			t.Error("the line is not cleared at the end")
		}
	})
}

func TestProgressKeepsToTheTerminal(t *testing.T) {
	for columns, want := range map[int]string{
		200: "replay orders.orders.dlq [============            ] 500 of 1000 (50 %), 250/s, 2s left, 490 replayed",
		90:  "replay orders.orders.dlq [======       ] 500 of 1000 (50 %), 250/s, 2s left, 490 replayed",
		80:  "replay orders.orders.dlq 500 of 1000 (50 %), 250/s, 2s left, 490 replayed",
		40:  "replay orders.orders.dlq 500 of 1000 (…",
	} {
		synctest.Test(t, func(t *testing.T) {
			var errs bytes.Buffer
			g := (&program{err: &errs, terminal: true, columns: func() int { return columns }}).newProgress("replay orders.orders.dlq", 1000)
			time.Sleep(2 * time.Second)
			g.set(500, "490 replayed")
			if got := strings.Trim(errs.String(), "\r "); got != want || utf8.RuneCountInString(got) >= columns {
				t.Errorf("on %d columns\n%q, want\n%q", columns, got, want)
			}
		})
	}
}

// Who waits for brokers sees that the work is alive, and that nothing is new, until something is.
func TestProgressSaysThatNothingIsNew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var errs bytes.Buffer
		g := (&program{err: &errs}).newProgress("replay orders.dlq", 1000)
		time.Sleep(6 * time.Second)
		g.set(300, "")
		time.Sleep(31 * time.Second)
		g.set(600, "")
		time.Sleep(6 * time.Second)
		g.set(600, "")
		g.end()
		time.Sleep(time.Hour)
		want := []string{
			"replay orders.dlq 300 of 1000 (30 %), 50/s, 14s left",
			"replay orders.dlq 300 of 1000 (30 %), nothing new for 15s",
			"replay orders.dlq 300 of 1000 (30 %), nothing new for 30s",
			"replay orders.dlq 600 of 1000 (60 %), 14/s, 28s left",
		}
		if got := strings.Split(strings.TrimSpace(errs.String()), "\n"); !slices.Equal(got, want) {
			t.Errorf("lines\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	})
}

// Who goes on with a work of which most is done sees at what rate it goes now, and so when it will be through.
func TestProgressTellsTheRateOfLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var errs bytes.Buffer
		g := (&program{err: &errs}).newProgress("replay orders.dlq", 1_000_000)
		defer g.end()
		for done := int64(800_000); done < 803_000; done += 100 {
			g.set(done, "")
			time.Sleep(time.Second)
		}
		if first, _, _ := strings.Cut(errs.String(), "\n"); first != "replay orders.dlq 800500 of 1000000 (80 %), 100/s, 33m15s left" {
			t.Errorf("at first: %s", first)
		}
		lines := strings.Split(strings.TrimSpace(errs.String()), "\n")
		if got, want := lines[len(lines)-1], "replay orders.dlq 802500 of 1000000 (80 %), 100/s, 32m55s left"; got != want {
			t.Errorf("%s, want %s", got, want)
		}

		g.set(0, "") // the index is built anew
		time.Sleep(5 * time.Second)
		g.set(1000, "")
		lines = strings.Split(strings.TrimSpace(errs.String()), "\n")
		if got, want := lines[len(lines)-1], "replay orders.dlq 1000 of 1000000 (0 %), 200/s, 1h23m15s left"; got != want {
			t.Errorf("begun anew: %s, want %s", got, want)
		}
	})
}

// What a change did to each entry only a dry run tells: without anybody who may keep the entries a replay reads into the same memory again and again.
func TestNobodyKeepsTheEntriesOfAChange(t *testing.T) {
	r := &changeReport{program: &program{err: io.Discard}, chore: chore{doing: "replay", done: "replayed"}}
	q := queue{Queue: &dlq.Queue{}, config: &config.Config{}, pipeline: &config.Pipeline{Group: "orders"}}
	if tell := r.doing(q); tell.entry != nil || tell.placeless() != nil {
		t.Error("a change tells its entries")
	}
	if tell := r.counting(q, true); tell.entry == nil || tell.placeless() == nil {
		t.Error("a dry run does not tell its entries")
	}
}

// That nothing is new is told also of a replay that has said its name, as while brokers are away.
func TestProgressOfWhatStandsStill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var errs bytes.Buffer
		r := &changeReport{program: &program{err: &errs}, chore: chore{doing: "replay", done: "replayed"}}
		tell := r.doing(queue{Queue: &dlq.Queue{}, config: &config.Config{}, pipeline: &config.Pipeline{Group: "orders"}})
		r.bar.label = "replay orders.orders.dlq"
		tell.progress(dlq.Progress{Scanned: 500, Total: 1000, Done: 500, Task: "20260101-000000-abcdef"})
		time.Sleep(16 * time.Second)
		r.endProgress()
		want := []string{"This is replay 20260101-000000-abcdef: `redeliver replay show 20260101-000000-abcdef -c ''` shows it.", "replay orders.orders.dlq 500 of 1000 (50 %), 500 replayed, nothing new for 15s"}
		if got := strings.Split(strings.TrimSpace(errs.String()), "\n"); !slices.Equal(got, want) {
			t.Errorf("lines\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	})
}

// While outcomes are waited for the line says first what is waited for, with no rate that falls, and after a while why that may be in vain.
func TestProgressOfWhatIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var errs bytes.Buffer
		r := &changeReport{program: &program{err: &errs}, chore: chore{doing: "replay", done: "replayed"}}
		tell := r.doing(queue{Queue: &dlq.Queue{}, config: &config.Config{}, pipeline: &config.Pipeline{Group: "orders"}})
		r.bar.label = "replay orders.orders.dlq"
		at := dlq.Progress{Scanned: 500, Total: 1256, Done: 500, Pending: 500}
		time.Sleep(5 * time.Second)
		tell.progress(at)
		time.Sleep(16 * time.Second)
		at.Scanned, at.Done, at.Pending, at.Failed = 1256, 1000, 999, 1
		tell.progress(at)
		time.Sleep(31 * time.Second)
		r.endProgress()
		want := []string{
			"replay orders.orders.dlq 500 of 1256 (40 %), 100/s, 7s left, 500 replayed (0 succeeded, 0 failed, 500 not known yet)",
			"replay orders.orders.dlq: nothing new for 15s, does group orders run? 500 outcomes awaited, 0 succeeded, 0 failed, 500 replayed",
			"replay orders.orders.dlq: nothing new for 15s, does group orders run? 999 outcomes awaited, 0 succeeded, 1 failed, 1000 replayed",
			"replay orders.orders.dlq: nothing new for 30s, does group orders run? 999 outcomes awaited, 0 succeeded, 1 failed, 1000 replayed",
		}
		if got := strings.Split(strings.TrimSpace(errs.String()), "\n"); !slices.Equal(got, want) {
			t.Errorf("lines\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}

		errs.Reset()
		g := (&program{err: &errs, terminal: true}).newProgress("replay orders.orders.dlq", 1256)
		defer g.end()
		g.await("979 outcomes awaited, 20 succeeded, 1 failed, 1000 replayed", "does group orders run?")
		time.Sleep(time.Second)
		g.set(1256, "")
		if got, want := strings.Trim(errs.String(), "\r "), "replay orders.orders.dlq: 979 outcomes awaited, 20 succeeded, 1 failed, 1000 r…"; got != want {
			t.Errorf("on a terminal\n%q, want\n%q", got, want)
		}
	})
}

// Who imports dead letters sees how many of them are read.
func TestProgressOfLetters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var errs bytes.Buffer
		slow := func(yield func(dlq.Exported, error) bool) {
			for range 4 {
				time.Sleep(3 * time.Second)
				if !yield(dlq.Exported{}, nil) {
					return
				}
			}
		}
		read := 0
		for range (&program{err: &errs}).withProgress("importing orders.dlq", 4, slow) {
			read++
		}
		if want := "importing orders.dlq 2 of 4 (50 %), 0/s, 6s left\nimporting orders.dlq 4 of 4 (100 %), 0/s\n"; read != 4 || errs.String() != want {
			t.Errorf("%d are read, and told is\n%swant\n%s", read, errs.String(), want)
		}
	})
}

func TestProgressIsPlainLinesElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var errs bytes.Buffer
		g := (&program{err: &errs}).newProgress("replaying", 0)
		for n := range int64(120) {
			g.set(n+1, "2 left out")
			time.Sleep(100 * time.Millisecond)
		}
		g.grow(1000)
		time.Sleep(5 * time.Second)
		g.set(500, "")
		g.end()
		lines := strings.Split(strings.TrimSpace(errs.String()), "\n")
		if len(lines) != 3 {
			t.Fatalf("%d lines in 17 seconds, want one each five:\n%s", len(lines), errs.String())
		}
		if lines[0] != "replaying 51, 10/s, 2 left out" || lines[2] != "replaying 500 of 1000 (50 %), 31/s, 16s left" { // of the last 16 s
			t.Errorf("lines:\n%s", errs.String())
		}
	})
}
