package demo

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
)

func newTestTerminal(out *bytes.Buffer, width, height int) *terminal {
	return &terminal{out: out, size: func() (int, int, error) { return width, height, nil }}
}

func TestTerminalIsGivenBackOnce(t *testing.T) {
	var out bytes.Buffer
	term := newTestTerminal(&out, 80, 24)
	term.leave()
	if out.Len() > 0 {
		t.Errorf("a terminal that was not entered is left: %q", out.String())
	}
	if err := term.enter(); err != nil {
		t.Fatal(err)
	}
	term.leave()
	term.leave()
	if want := enterScreen + leaveScreen; out.String() != want {
		t.Errorf("got %q, want %q", out.String(), want)
	}
	if err := term.paint([]line{text(plain, "late")}, 80, 24, false); err != nil || strings.Contains(out.String(), "late") {
		t.Errorf("painted after it was left: %q, %v", out.String(), err)
	}
}

func TestTerminalIsEmptiedOnlyWhenItsSizeChanges(t *testing.T) {
	var out bytes.Buffer
	term := newTestTerminal(&out, 80, 24)
	if err := term.enter(); err != nil {
		t.Fatal(err)
	}
	for _, paint := range []struct {
		width int
		clear bool
	}{{80, true}, {80, false}, {100, true}, {100, false}} {
		out.Reset()
		if err := term.paint([]line{text(plain, "a"), text(plain, "b")}, paint.width, 24, false); err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(out.String(), "\x1b[2J"); got != paint.clear {
			t.Errorf("%d columns: emptied %v, want %v", paint.width, got, paint.clear)
		}
		if want := "a" + endOfLine + "b" + endPaint; !strings.HasSuffix(out.String(), want) {
			t.Errorf("got %q, want %q at its end", out.String(), want)
		}
	}
}

func TestTerminalOfUnknownSize(t *testing.T) {
	term := &terminal{size: func() (int, int, error) { return 0, 0, errors.New("no terminal") }}
	if width, height := term.dimensions(); width != 80 || height != 24 {
		t.Errorf("got %d x %d, want 80 x 24", width, height)
	}
}

// panicking is set in the process that is to panic.
const panicking = "REDELIVER_TEST_PANIC"

// TestTerminalIsGivenBackOnAPanic runs itself in a process of its own, whose task panics.
func TestTerminalIsGivenBackOnAPanic(t *testing.T) {
	if os.Getenv(panicking) != "" {
		term := &terminal{out: os.Stdout}
		if err := term.enter(); err != nil {
			t.Fatal(err)
		}
		task := begin(context.Background(), term.leave, func(context.Context) error { panic("on purpose") })
		<-task.done
		select {} // until the process ends by the panic
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), panicking+"=1")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err == nil || !strings.Contains(stderr.String(), "on purpose") {
		t.Fatalf("got %v and %q, want the panic", err, stderr.String())
	}
	if !strings.Contains(string(out), enterScreen+leaveScreen) {
		t.Errorf("got %q, want the terminal given back", out)
	}
}
