package harness

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/redeliver/redeliver/bench/contract"
)

// Serve starts this program again, as something that serves until its standard input ends and prints its address first.
func Serve(command ...string) (address string, stop func(), err error) {
	self, err := os.Executable()
	if err != nil {
		return "", nil, err
	}
	cmd := exec.Command(self, command...)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return "", nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return "", nil, err
	}
	if err := cmd.Start(); err != nil {
		return "", nil, err
	}
	stop = func() {
		_ = in.Close() // tells it to end
		_ = cmd.Wait() // its figures are not ours
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		stop()
		return "", nil, fmt.Errorf("%s did not start: %w", strings.Join(command, " "), err)
	}
	return strings.TrimSpace(line), stop, nil
}

// contend runs a contender once, as a process of its own, and returns the end of what it wrote to its standard error, too.
func contend(ctx context.Context, command []string, t contract.Task, patience time.Duration) (r contract.Result, said string, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, command[0], append(command[1:len(command):len(command)], t.Flags()...)...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 5 * time.Second
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err = cmd.Run()
	said = last(strings.TrimSpace(errs.String()), 2000)
	if err != nil {
		if ctx.Err() != nil {
			err = fmt.Errorf("it did not end within %v: %w", patience, err)
		}
		return r, said, fmt.Errorf("%s %s: %w\n%s", strings.Join(command, " "), strings.Join(t.Flags(), " "), err, said)
	}
	// A JVM's libraries may write to the standard output too: the result is its last line.
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &r); err != nil {
		return r, said, fmt.Errorf("%s printed no result but %q: %w", strings.Join(command, " "), last(out.String(), 200), err)
	}
	return r, said, nil
}

func last(text string, n int) string { return text[max(0, len(text)-n):] }
