package demo

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// quick is a pace too fast for people.
func quick() pace {
	p := normal()
	p.tiers = []time.Duration{150 * time.Millisecond, 600 * time.Millisecond}
	p.openFor = 400 * time.Millisecond
	p.rate = 200
	p.latency = 8 * time.Millisecond
	p.read = 100 * time.Millisecond
	p.story = 2 * time.Second
	p.closing = 100 * time.Millisecond
	p.repaint = 20 * time.Millisecond
	p.status = 100 * time.Millisecond
	return p
}

// output is where a demo writes to. It tells when a text appears for the first time.
type output struct {
	mu   sync.Mutex
	text strings.Builder
	on   map[string]func()
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.text.Write(p)
	for text, f := range o.on {
		if strings.Contains(o.text.String(), text) {
			delete(o.on, text)
			f()
		}
	}
	return len(p), nil
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// TestDemo lets the whole demo run: everything that it promises to show is told, and all who count agree.
func TestDemo(t *testing.T) {
	t.Parallel()
	out := &output{}
	s := newShow(Config{For: 3 * time.Second, Out: out}, quick())
	if err := s.run(t.Context()); err != nil {
		t.Fatalf("got %v after\n%s", err, out)
	}
	told := out.String()
	for _, want := range []string{
		`it waits in retry-150ms`,
		`is paid on attempt 2`,
		`it waits in retry-600ms`,
		`is paid on attempt 3`,
		`is a dead letter: validation failure, which is not retried`,
		`is a dead letter: transient failure, out of retries after 3 attempts`,
		`breaker open: `,
		`breaker half-open: `,
		`breaker closed: `,
		`replay: \d+ dead letters put back into retry-150ms`,
		`in \d+ \(\d+/s\), waiting \d+, in flight \d+, done \d+ \(\d+/s\), retry-150ms \d+, retry-600ms \d+, dead letters \d+, breaker (open|closed)`,
		`in (\d+) = done (\d+) \+ dead letters 0 \+ waiting 0`,
		`done (\d+) = at once [1-9]\d* \+ retry-150ms [1-9]\d* \+ retry-600ms [1-9]\d* \+ replay [1-9]\d*`,
		`Every figure is the same`,
	} {
		if !regexp.MustCompile(want).MatchString(told) {
			t.Errorf("nothing matches %q", want)
		}
	}
	if s.story.told == 0 || len(s.story.missed) > 0 || s.cut != "" {
		t.Errorf("told %d times, missed %q, cut %q", s.story.told, s.story.missed, s.cut)
	}
	for _, e := range s.feed.events {
		if lines := wrap(e.text, 76); e.loud && len(lines) > 2 {
			t.Errorf("takes %d lines of the screen: %q", len(lines), e.text)
		}
	}
	if kept := len(s.accountant.reader.lives); kept > 0 {
		t.Errorf("%d orders are still remembered after the books were closed", kept)
	}
	if t.Failed() {
		t.Log(told)
	}
}

// TestDemoInterrupted: Ctrl-C at every stage ends it cleanly, with figures that add up.
func TestDemoInterrupted(t *testing.T) {
	t.Parallel()
	for _, stage := range []string{"starts in this process", "Orders come in", "it waits in retry-150ms", "dead letter:", "breaker open:",
		"breaker half-open:", "get their last attempt", "The bug is fixed", "redeliver replay", "The load rests"} {
		t.Run(stage, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			out := &output{on: map[string]func(){stage: cancel}}
			if err := newShow(Config{Out: out}, quick()).run(ctx); err != nil {
				t.Fatalf("got %v after\n%s", err, out)
			}
			for _, want := range []string{"Interrupted:", "interrupted in the middle of the story", "Every figure is the same"} {
				if !strings.Contains(out.String(), want) {
					t.Errorf("%q is not in\n%s", want, out)
				}
			}
		})
	}
}

func TestDemoInterruptedBeforeItBegan(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	out := &output{}
	if err := newShow(Config{Out: out}, quick()).run(ctx); err != nil {
		t.Fatalf("got %v after\n%s", err, out)
	}
}

// TestDemoQuit: whoever does not want to wait for the recount gets the terminal back at once, and the temporary directory
// is gone with it. What still plays ends when it finds the broker gone.
func TestDemoQuit(t *testing.T) {
	t.Parallel()
	for _, stage := range []string{"▸normal", "● OPEN"} {
		t.Run(stage, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			quit := make(chan struct{})
			out := &output{on: map[string]func(){stage: cancel, "Interrupted:": func() { close(quit) }}}
			size := func() (int, int, error) { return 80, 24, nil }
			s := newShow(Config{Out: out, Size: size, Quit: quit}, quick())
			if err := s.run(ctx); !errors.Is(err, ErrQuit) {
				t.Fatalf("got %v, want %v, after\n%s", err, ErrQuit, out)
			}
			if shown := out.String(); strings.Count(shown, enterScreen) != strings.Count(shown, leaveScreen) {
				t.Errorf("the terminal was not given back: %q", shown[max(0, len(shown)-2000):])
			}
			if _, err := os.Stat(s.stage.broker.Dir()); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("the temporary directory %s is still there: %v", s.stage.broker.Dir(), err)
			}
			<-s.playing.done
		})
	}
}

// TestDemoQuitTooLate: when the figures are told, a wish to leave without them comes too late to hide how it ended.
func TestDemoQuitTooLate(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	quit := make(chan struct{})
	out := &output{on: map[string]func(){"Orders come in": cancel, "Every figure is the same": func() { close(quit) }}}
	if err := newShow(Config{Out: out, Quit: quit}, quick()).run(ctx); err != nil {
		t.Fatalf("got %v after\n%s", err, out)
	}
}

// TestDemoOnATerminal: the screen is shown and given back, and the summary stands below.
func TestDemoOnATerminal(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out := &output{on: map[string]func(){"● OPEN": cancel}}
	size := func() (int, int, error) { return 80, 24, nil }
	if err := newShow(Config{Out: out, Size: size}, quick()).run(ctx); err != nil {
		t.Fatalf("got %v after\n%s", err, out)
	}
	shown, summary, left := strings.Cut(out.String(), leaveScreen)
	if !left || !strings.HasPrefix(shown, enterScreen) || !strings.Contains(shown, "▸outage") {
		t.Errorf("got %q", shown[max(0, len(shown)-3000):])
	}
	if !strings.Contains(summary, "Interrupted:") || strings.ContainsRune(summary, '\x1b') {
		t.Errorf("got %q after the screen", summary)
	}
}

// TestDemoCutShort: a time too short for the story ends it in the middle, with what waits still waiting.
func TestDemoCutShort(t *testing.T) {
	t.Parallel()
	out := &output{}
	s := newShow(Config{For: time.Second, Out: out}, quick())
	if err := s.run(t.Context()); err != nil {
		t.Fatalf("got %v after\n%s", err, out)
	}
	if want := "its time was over in the middle of the story"; !strings.Contains(out.String(), want) {
		t.Errorf("%q is not in\n%s", want, out)
	}
}

// TestDemoNoticesACallThatNobodyMade is the whole demo with a call to the service that the pipeline did not make.
func TestDemoNoticesACallThatNobodyMade(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out := &output{}
	s := newShow(Config{Out: out}, quick())
	called := make(chan error, 1)
	out.on = map[string]func(){"Orders come in": func() {
		go func() {
			response, err := http.Post(s.stage.service.url(), "application/json", strings.NewReader("{}"))
			if err == nil {
				err = response.Body.Close()
			}
			called <- err
			cancel()
		}()
	}}
	err := s.run(ctx)
	if !errors.Is(err, ErrDiffers) {
		t.Errorf("got %v, want %v", err, ErrDiffers)
	}
	if err := <-called; err != nil {
		t.Fatal(err)
	}
	if want := "1 id that the service was called for and no topic has"; !strings.Contains(out.String(), want) {
		t.Errorf("%q is not in\n%s", want, out)
	}
}

// TestDemoEndsWhenNobodyReads: an output that cannot be written, as after head(1), ends the demo and leaves nothing.
func TestDemoEndsWhenNobodyReads(t *testing.T) {
	t.Parallel()
	if err := newShow(Config{Out: brokenPipe{}}, quick()).run(t.Context()); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("got %v, want %v", err, io.ErrClosedPipe)
	}
}

type brokenPipe struct{}

func (brokenPipe) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }
