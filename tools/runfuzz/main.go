// Runfuzz runs every fuzz target below the working directory for a time, one after the other, and prints a line for each.
//
//	go run ./tools/runfuzz -for 10s              all of them
//	go run ./tools/runfuzz -for 5m -run State    those whose names match
//
// It goes on after a target that fails, and fails at the end. An input that failed is kept where the fuzzer puts it, in
// testdata/fuzz of the target's package, so that plain `go test` fails on it until it is mended; it is named with the
// command that runs it alone.
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"time"
)

func main() {
	lasts := flag.Duration("for", 10*time.Second, "how long each target runs")
	pattern := flag.String("run", "", "a regular expression: run only targets whose names match")
	flag.Parse()
	if err := runAll(os.Stdout, ".", *lasts, *pattern); err != nil {
		fmt.Fprintln(os.Stderr, "runfuzz:", err)
		os.Exit(1)
	}
}

// runAll runs the targets below a directory.
func runAll(w io.Writer, root string, lasts time.Duration, pattern string) error {
	wanted, err := regexp.Compile(pattern)
	if err != nil {
		return fmt.Errorf("-run: %w", err)
	}
	all, err := find(root)
	if err != nil {
		return err
	}
	ran, failed := 0, 0
	for _, t := range all {
		if !wanted.MatchString(t.name) {
			continue
		}
		ran++
		fmt.Fprintf(w, "%-18s %-28s ", t.name, t.dir)
		output, err := t.fuzz(root, lasts)
		o := read(output)
		if err == nil || o.late {
			fmt.Fprintf(w, "ok      %s\n", o.progress)
			continue
		}
		failed++
		fmt.Fprintf(w, "FAILED  %s\n", t.told(o))
		_, _ = w.Write(indent(output)) // it is printed for a person; the count below is what decides
	}
	switch {
	case ran == 0:
		return errors.New("no fuzz target is found, or none that matches")
	case failed > 0:
		return fmt.Errorf("%d of %d targets failed", failed, ran)
	}
	fmt.Fprintf(w, "fuzz: %d targets ran for %s each\n", ran, lasts)
	return nil
}

// minimize bounds the time in which an input is made smaller. By default that is a minute, in which nothing else is tried.
const minimize = "1s"

// fuzz runs the target and returns what go test printed.
func (t target) fuzz(root string, lasts time.Duration) ([]byte, error) {
	cmd := exec.Command("go", "test", "-run", "^$", "-fuzz", "^"+t.name+"$", "-fuzztime", lasts.String(), "-fuzzminimizetime", minimize, "./"+t.dir)
	cmd.Dir = root
	return cmd.CombinedOutput()
}

// outcome is what there is to say about a run.
type outcome struct {
	progress string // how many inputs were tried
	input    string // the file of the one that failed, in the package's directory
	late     bool   // no input failed: a worker was still busy when the time was up, which go test calls a failure
}

var (
	progressLine = regexp.MustCompile(`execs: (\d+).*total: (\d+)`)
	inputLine    = regexp.MustCompile(`testdata/fuzz/\S+`)
	lateLine     = regexp.MustCompile(`(?m)^\s+context deadline exceeded$`)
	seedLine     = regexp.MustCompile(`failure while testing seed corpus entry: \w+/(\S+)`)
)

// read takes the output of go test -fuzz apart.
func read(output []byte) (o outcome) {
	for line := range strings.Lines(string(output)) {
		if m := progressLine.FindStringSubmatch(line); m != nil {
			o.progress = fmt.Sprintf("%s inputs, %s of them in the corpus", m[1], m[2])
		}
	}
	if m := inputLine.Find(output); m != nil {
		o.input = string(m)
	} else if m := seedLine.FindSubmatch(output); m != nil {
		o.input = string(m[1])
	}
	o.late = o.input == "" && lateLine.Match(output)
	return o
}

// told names the failing input, and how to run it again.
func (t target) told(o outcome) string {
	if o.input == "" {
		return "before any input, see below"
	}
	name := o.input[strings.LastIndexByte(o.input, '/')+1:]
	return fmt.Sprintf("on %s; again: go test -run '^%s$/^%s$' ./%s", o.input, t.name, name, t.dir)
}

func indent(text []byte) []byte {
	return append([]byte("    "), append(bytes.ReplaceAll(bytes.TrimSpace(text), []byte("\n"), []byte("\n    ")), '\n')...)
}
