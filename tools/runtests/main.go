// Runtests runs `go test`, tells what a person wants to see of it, and counts: tests that passed, failed and were skipped,
// by package and by the broker that they ran on.
//
//	go run ./tools/runtests -label unit -o unit.json -- ./...         run, and write the counts
//	go run ./tools/runtests -sum unit.json race.json                  one line for all, and the brokers
//	go run ./tools/runtests -compare embedded.json real.json          fail if the second ran fewer tests of a package
//
// Everything behind "--" goes to go test. A test is a top-level one; subtests are its parts.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"
)

func main() {
	label := flag.String("label", "tests", "what to call this run")
	output := flag.String("o", "", "file to write the counts to, as JSON")
	sum := flag.Bool("sum", false, "sum up files of counts")
	compare := flag.Bool("compare", false, "compare two files of counts: the embedded suite's and the real broker's")
	flag.Parse()

	var err error
	switch {
	case *sum:
		err = sumUp(os.Stdout, flag.Args())
	case *compare:
		err = compareFiles(os.Stdout, flag.Args())
	default:
		err = run(os.Stdout, *label, *output, flag.Args())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "runtests:", err)
		os.Exit(1)
	}
}

// run runs go test with the arguments.
func run(w io.Writer, label, output string, args []string) error {
	began := time.Now()
	cmd := exec.Command("go", append([]string{"test", "-json"}, args...)...)
	cmd.Stderr = os.Stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	counts, readErr := read(stdout, w)
	err = errors.Join(readErr, cmd.Wait())
	counts.Label = label

	t := counts.total()
	fmt.Fprintf(w, "%s: %s in %s\n", label, t, time.Since(began).Round(time.Second))
	if output != "" {
		err = errors.Join(err, write(output, counts))
	}
	if err == nil && t.Passed+t.Failed == 0 {
		err = errors.New("no test ran: no packages, or none with tests")
	}
	return err
}

func write(path string, c *counts) error {
	raw, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, raw, 0o644)
}
