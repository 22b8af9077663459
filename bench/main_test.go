package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redeliver/redeliver/bench/harness"
	"github.com/redeliver/redeliver/bench/report"
	"github.com/redeliver/redeliver/bench/scenarios"
)

// The test is also the processes that a run starts.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		first := os.Args[1]
		if os.Getenv("BENCH_COMMAND") != "" {
			first = "contend"
		}
		switch first {
		case "broker", "service", "contend":
			if err := command(os.Args[1:]); err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
			return
		}
	}
	os.Exit(m.Run())
}

func setup(t *testing.T) *harness.Cluster {
	t.Helper()
	address, stop, err := harness.Serve("broker")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	cluster, err := harness.Connect(t.Context(), "embedded", strings.Split(address, ","))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	return cluster
}

func runs(t *testing.T, scale float64, rounds int) harness.Options {
	none, err := buildPeers(t.Context(), "none")
	if err != nil {
		t.Fatal(err)
	}
	return harness.Options{
		Rounds: rounds, Scale: scale, Patience: 2 * time.Minute, Command: none.command(""),
		Tell: func(format string, arguments ...any) { t.Logf(format, arguments...) },
	}
}

// Every scenario runs, small, and what was measured can be told.
func TestEveryScenarioRuns(t *testing.T) {
	cluster := setup(t)
	results := make(chan []harness.Measured, len(scenarios.All()))
	t.Run("scenarios", func(t *testing.T) {
		for _, s := range scenarios.All() {
			t.Run(s.Name, func(t *testing.T) {
				t.Parallel() // they wait more than they work
				measured, err := harness.Run(t.Context(), cluster, s, runs(t, 0.001, 0))
				if err != nil {
					t.Fatal(err)
				}
				for _, m := range measured {
					if len(m.Rounds) != 1 || m.Rounds[0].Records <= 0 || m.Rounds[0].Seconds <= 0 || m.Rounds[0].PeakBytes <= 0 {
						t.Errorf("%s, %s: got %+v, want one round with records, time and memory", m.Case, m.Contender, m.Rounds)
					}
				}
				results <- measured
			})
		}
	})
	close(results)
	all := report.New(1, 0.001, "a test")
	for measured := range results {
		all.Measured = append(all.Measured, measured...)
	}
	told(t, report.Runs{all})
}

// Who cannot be started, or fails, is left out and says why; the others are measured.
func TestWhoFailsIsLeftOut(t *testing.T) {
	cluster := setup(t)
	s := scenarios.All()[0]
	s.Cases = func(scale float64) []harness.Case { return scenarios.All()[0].Cases(scale)[:1] }
	o := runs(t, 0.001, 1)
	own := o.Command
	missing := errors.New("there is no java")
	s.Contenders = append(s.Contenders[:2:2], harness.Contender{Name: "missing"}, harness.Contender{Name: "failing"})
	o.Command = func(s harness.Scenario, c harness.Contender) ([]string, error) {
		switch c.Name {
		case "missing":
			return nil, missing
		case "failing":
			return []string{"sh", "-c", "echo at first >&2; echo the end >&2; exit 1"}, nil
		}
		return own(s, c)
	}
	measured, err := harness.Run(t.Context(), cluster, s, o)
	if err == nil || !strings.Contains(err.Error(), "the end") {
		t.Errorf("got %v, want the end of what the failing one said", err)
	}
	var got []string
	for _, m := range measured {
		got = append(got, fmt.Sprintf("%s %d %q", m.Contender, len(m.Rounds), m.Left))
	}
	want := []string{`franz-go 1 ""`, `Redeliver 1 ""`, `missing 0 "there is no java"`, `failing 0 "failed in round 0: the end"`}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// told checks that results survive JSON, and that the table and the page name every scenario.
func told(t *testing.T, all report.Runs) {
	directory := t.TempDir()
	page, file := filepath.Join(directory, "performance.md"), filepath.Join(directory, "results.json")
	if err := os.WriteFile(page, []byte("before\n<!-- targets: make bench -->\n<!-- end of targets -->\nbetween\n<!-- results: make bench -->\nold\n<!-- end of results -->\nafter\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := all.Write(file); err != nil {
		t.Fatal(err)
	}
	read, err := report.Read(file)
	if err != nil {
		t.Fatal(err)
	}
	var table bytes.Buffer
	if err := report.Table(&table, read, scenarios.All()); err != nil {
		t.Fatal(err)
	}
	if err := report.Page(directory, read, scenarios.All()); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	if got := string(text); !strings.HasPrefix(got, "before\n") || !strings.HasSuffix(got, "after\n") || strings.Contains(got, "\nold\n") {
		t.Errorf("the page is not what stood around the marks with results between them:\n%s", got)
	}
	// Of whom a target is about, all but the peers were measured: they are found by their names.
	if n := strings.Count(string(text), "not measured"); n != 3 {
		t.Errorf("%d targets were not measured, want the three that are about peers:\n%s", n, text[:strings.Index(string(text), "between")])
	}
	for _, s := range scenarios.All() {
		if want := fmt.Sprintf("(%s) %s", s.Letter, s.Name); !strings.Contains(table.String(), want) || !strings.Contains(string(text), want) {
			t.Errorf("%q is missing in the table or on the page", want)
		}
		plots, err := filepath.Glob(filepath.Join(directory, "performance-"+s.Letter+"*.svg"))
		if want := map[bool]int{false: 1, true: 2}[s.Apart]; err != nil || len(plots) != want {
			t.Errorf("scenario %s has plots %q, want %d of them", s.Letter, plots, want)
		}
		for _, file := range plots {
			if svg, err := os.ReadFile(file); err != nil || !bytes.Contains(svg, []byte("<svg")) {
				t.Errorf("%s is no plot: %v", file, err)
			}
		}
	}
}

// What the pipeline allocates for a record of which nothing fails, beside the client: allocations do not depend on the machine as
// times do. The least of some rounds, for a pipeline that is kept from the processor does other things meanwhile.
func TestARecordCostsAlmostNoAllocation(t *testing.T) {
	const most = 0.1
	cluster := setup(t)
	s := scenarios.All()[0]
	cases := s.Cases
	s.Cases = func(scale float64) []harness.Case { return cases(scale)[:3] } // 100 B; 1, 12, 128 partitions
	measured, err := harness.Run(context.Background(), cluster, s, runs(t, 0.1, 2))
	if err != nil {
		t.Fatal(err)
	}
	if len(measured) != 6 {
		t.Fatalf("got %d contenders, want the client and the pipeline in each of three cases", len(measured))
	}
	least := func(m harness.Measured) float64 {
		all := []float64{}
		for _, r := range m.Rounds {
			all = append(all, r.Allocations/float64(r.Records))
		}
		return slices.Min(all)
	}
	for i := 0; i < len(measured); i += 2 {
		raw, pipeline := least(measured[i]), least(measured[i+1])
		t.Logf("%s: %s %.4f, %s %.4f allocations a record", measured[i].Case, measured[i].Contender, raw, measured[i+1].Contender, pipeline)
		if pipeline-raw > most {
			t.Errorf("%s: the pipeline allocates %.3f times for a record above the client's own, want at most %v", measured[i].Case, pipeline-raw, most)
		}
	}
}

// The command that the page shows is run by whoever pastes it: a shell makes the same values of it, and what is the default anyway is not there.
func TestTheShownCommandCanBePasted(t *testing.T) {
	parse := func(args ...string) (f *flag.FlagSet, values string) {
		f = flag.NewFlagSet("bench", flag.ContinueOnError)
		letters, peers, out := f.String("scenarios", "", ""), f.String("peers", "auto", ""), f.String("out", "", "")
		rounds, embedded := f.Int("rounds", 5, ""), f.Bool("embedded", true, "")
		if err := f.Parse(args); err != nil || f.NArg() > 0 {
			t.Fatalf("%q: %v, %q left", args, err, f.Args())
		}
		return f, fmt.Sprintf("%q %q %q %d %t", *letters, *peers, *out, *rounds, *embedded)
	}
	for _, test := range []struct {
		args []string
		want string
	}{
		{[]string{"-rounds", "5", "-scenarios", "", "-peers", "auto"}, ""},
		{[]string{"-scenarios", "ad", "-out", "../docs/performance.json"}, "-out=../docs/performance.json -scenarios=ad"},
		{[]string{"-peers", "", "-embedded=false"}, "-embedded=false -peers="},
		{[]string{"-out", "it's $HOME"}, `-out='it'\''s $HOME'`},
	} {
		f, want := parse(test.args...)
		got := given(f)
		if got != test.want {
			t.Errorf("%q is shown as %s, want %s", test.args, got, test.want)
		}
		words, err := exec.Command("sh", "-c", `for word in `+got+`; do printf '%s\n' "$word"; done`).Output()
		if err != nil {
			t.Fatal(err)
		}
		if _, pasted := parse(strings.FieldsFunc(string(words), func(r rune) bool { return r == '\n' })...); pasted != want {
			t.Errorf("%q is %s, and pasted it is %s", test.args, want, pasted)
		}
	}
}

func TestARunWithoutABrokerFails(t *testing.T) {
	t.Setenv("REDELIVER_TEST_BROKERS", "")
	if err := command([]string{"-embedded=false", "-peers", "none"}); err == nil || !strings.Contains(err.Error(), "REDELIVER_TEST_BROKERS") {
		t.Errorf("got %v, want an error that names the variable", err)
	}
}

// A broker that is not there is told of before another one is measured.
func TestABrokerThatIsNotThereIsToldBefore(t *testing.T) {
	t.Setenv("REDELIVER_TEST_BROKERS", "127.0.0.1:1")
	results := filepath.Join(t.TempDir(), "results.json")
	err := command([]string{"-scenarios", "i", "-rounds", "0", "-scale", "0.0001", "-peers", "none", "-out", results})
	if err == nil || !strings.Contains(err.Error(), "REDELIVER_TEST_BROKERS") || !strings.Contains(err.Error(), "127.0.0.1:1") {
		t.Errorf("got %v, want an error that names the variable and the address", err)
	}
	if _, err := os.Stat(results); err == nil {
		t.Error("the embedded broker was measured before")
	}
}

// What cannot be measured is refused before anything is: the figures would take the place of those that are recorded.
func TestNonsenseIsRefused(t *testing.T) {
	for _, args := range [][]string{{"-rounds", "-1"}, {"-scale", "0"}, {"-scale", "-1"}, {"-scale", "NaN"}, {"-scale", "1e+300"}, {"-scale", "+Inf"}, {"-scenarios", "bz"}} {
		if err := command(append(args, "-embedded=false", "-peers", "none")); err == nil || !strings.Contains(err.Error(), args[0]+" "+args[1]) {
			t.Errorf("%q: got %v, want an error that names it", args, err)
		}
	}
}

// What was measured in hours is written after that: what could not be written is told of before.
func TestWhatCannotBeWrittenIsToldBefore(t *testing.T) {
	t.Setenv("REDELIVER_TEST_BROKERS", "")
	directory := t.TempDir()
	unmarked := filepath.Join(directory, "unmarked")
	if err := errors.Join(os.Mkdir(unmarked, 0o700), os.WriteFile(filepath.Join(unmarked, "performance.md"), nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ flag, value, want string }{
		{"-out", filepath.Join(directory, "not", "there.json"), "no such file"},
		{"-out", directory, "is a directory"},
		{"-docs", directory, "no such file"},
		{"-docs", unmarked, "marks"},
		{"-from", filepath.Join(directory, "nothere.json"), "no such file"},
	} {
		err := command([]string{"-embedded=false", "-peers", "none", test.flag, test.value})
		if err == nil || !strings.HasPrefix(err.Error(), test.flag) || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s %s: got %v, want an error that begins with the flag and says %q", test.flag, test.value, err, test.want)
		}
	}
	results := filepath.Join(directory, "results.json")
	if err := command([]string{"-embedded=false", "-peers", "none", "-out", results}); err == nil || strings.Contains(err.Error(), "-out") {
		t.Errorf("got %v, want an error of what is missing", err)
	}
	if _, err := os.Stat(results); err == nil {
		t.Error("a run that measured nothing has left a file")
	}
}

// A run that is ended, by a service manager too, tells what it has measured by then.
func TestARunThatIsEndedPrintsItsTable(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, "-scenarios", "a", "-rounds", "3", "-scale", "0.0001", "-peers", "none")
	cmd.Env = append(os.Environ(), "BENCH_COMMAND=1", "REDELIVER_TEST_BROKERS=")
	var out bytes.Buffer
	cmd.Stdout = &out
	said, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	cases := 0
	for lines := bufio.NewScanner(said); lines.Scan(); {
		if strings.HasPrefix(lines.Text(), "(a)") {
			if cases++; cases == 2 { // the first one is measured
				if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	var ended *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &ended) || ended.ExitCode() != 1 {
		t.Errorf("got %v, want it to end with 1", err)
	}
	if !strings.Contains(out.String(), "100 B, 1 partition, on the embedded broker") {
		t.Errorf("got %q, want a table of the first case", out.String())
	}
	if !strings.Contains(out.String(), "0.0001 of the full size") {
		t.Errorf("got %q, want a word on what such a small run says", out.String())
	}
}
