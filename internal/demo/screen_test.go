package demo

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/redeliver/redeliver/breaker"
)

var update = flag.Bool("update", false, "write the golden files anew")

// outage is the view of a moment at which there is something to see everywhere.
func outage() view {
	return view{
		elapsed: 7800 * time.Millisecond, asked: 30 * time.Second,
		step:  outageStep,
		words: "The breaker is open: the service is left alone, no order loses an attempt, and new ones wait in Kafka.",
		events: []event{
			{at: 2200 * time.Millisecond, text: "orders/3/23 failed (transient), attempt 1: it waits in retry-1s"},
			{at: 3300 * time.Millisecond, text: "order 84 is paid on attempt 2"},
			{at: 4300 * time.Millisecond, text: "orders/3/41 is a dead letter: validation failure, which is not retried, after 1 attempt"},
			{at: 5300 * time.Millisecond, text: "orders/2/33 failed (transient), attempt 2: it waits in retry-10s"},
			{at: 6300 * time.Millisecond, text: "orders/2/34 with a bell \a and a colour \x1b[31m"},
			{at: 6500 * time.Millisecond, text: "breaker open: 10 failures in a row"},
		},
		in: 308, waiting: 56, inFlight: 2, slots: 16, done: 230, dead: 3, inRate: 39.6, doneRate: 8.2,
		history: []float64{20, 19, 22, 14, 40, 90, 1, 0, 0}, usual: 20,
		tiers:   []tierView{{name: "retry-1s", count: 9, known: true, due: -time.Second}, {name: "retry-10s", count: 10, known: true, due: 8840 * time.Millisecond}},
		breaker: breakerView{name: dependency, state: breaker.Open, left: 1600 * time.Millisecond},
		broker:  "127.0.0.1:33901", admin: "127.0.0.1:40617",
	}
}

func drawn(s screen) []string {
	var out []string
	for _, l := range s.draw() {
		out = append(out, l.render(false))
	}
	return out
}

func TestScreen(t *testing.T) {
	calm := view{step: starting, words: "Starting.", slots: 16, usual: 20, tiers: []tierView{{name: "retry-1s"}}, breaker: breakerView{name: dependency}}
	closing := outage()
	closing.step, closing.asked, closing.breaker = settleStep, 0, breakerView{name: dependency, state: breaker.HalfOpen, calls: 2}
	for _, test := range []struct {
		name string
		screen
	}{
		{"80x24", screen{outage(), 80, 24, unicodeGlyphs}},
		{"80x24-ascii", screen{closing, 80, 24, asciiGlyphs}},
		{"80x24-start", screen{calm, 80, 24, unicodeGlyphs}},
		{"120x40", screen{outage(), 120, 40, unicodeGlyphs}},
		{"44x16", screen{outage(), 44, 16, unicodeGlyphs}},
		{"20x5", screen{outage(), 20, 5, unicodeGlyphs}},
	} {
		t.Run(test.name, func(t *testing.T) {
			lines := drawn(test.screen)
			if len(lines) > test.height {
				t.Errorf("got %d lines, want at most %d", len(lines), test.height)
			}
			for _, l := range lines {
				if n := utf8.RuneCountInString(l); n > test.width {
					t.Errorf("got %d columns, want at most %d: %q", n, test.width, l)
				}
			}
			golden(t, test.name, strings.Join(lines, "\n")+"\n")
		})
	}
}

// golden compares with a file of testdata, or writes it.
func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name+".txt")
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("differs from %s (-want +got):\n%s", file, diff)
	}
}

// TestScreenStaysInPlace: what is below the words does not jump when they change.
func TestScreenStaysInPlace(t *testing.T) {
	short, long := outage(), outage()
	short.words, short.events = "Short.", nil
	at := func(v view) (row int) {
		for i, l := range drawn(screen{v, 80, 24, unicodeGlyphs}) {
			if strings.HasPrefix(l, " orders in") {
				row = i
			}
		}
		return row
	}
	if a, b := at(short), at(long); a != b || a == 0 {
		t.Errorf("orders stand on row %d with short words and on %d with long ones", a, b)
	}
}

func TestColour(t *testing.T) {
	s := screen{outage(), 80, 24, unicodeGlyphs}
	l := s.breakerLine()
	if got := l.render(true); !strings.Contains(got, "\x1b[1;31m ● OPEN\x1b[0m") {
		t.Errorf("got %q", got)
	}
	for _, l := range s.draw() {
		if got := l.render(false); strings.ContainsRune(got, '\x1b') {
			t.Errorf("without colour: got %q", got)
		}
	}
}

func TestFiguresLine(t *testing.T) {
	want := "   7.8s   in 308 (40/s), waiting 56, in flight 2, done 230 (8/s), retry-1s 9, retry-10s 10, dead letters 3, breaker open"
	if got := figuresLine(outage()); got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}
