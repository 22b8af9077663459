//go:build unix

package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redeliver/redeliver/dlq"
)

// envProcess makes this test's executable the command itself.
const envProcess = "REDELIVER_TEST_PROCESS"

func TestMain(m *testing.M) {
	if os.Getenv(envProcess) != "" {
		main()
	}
	os.Exit(m.Run())
}

// process is the command in a process of its own, which signals can be sent to.
type process struct {
	cmd   *exec.Cmd
	log   *lines
	ended chan error
}

func startCommand(t *testing.T, args ...string) *process {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p := &process{cmd: exec.Command(self, args...), log: newLines(), ended: make(chan error, 1)}
	p.cmd.Env = append(os.Environ(), envProcess+"=1")
	p.cmd.Stderr = p.log
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { p.ended <- p.cmd.Wait() }()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill() // it has ended, unless the test has failed
		if t.Failed() {
			t.Logf("the log of the process:\n%s", p.log)
		}
	})
	return p
}

func (p *process) signal(t *testing.T, s os.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
}

// end waits for the process and returns how it ended.
func (p *process) end(t *testing.T) error {
	t.Helper()
	select {
	case err := <-p.ended:
		return err
	case <-time.After(20 * time.Second): // below the handler's time-out
		t.Fatal("the process does not end")
		return nil
	}
}

func TestASignalDrains(t *testing.T) {
	address, listen, service := freeAddress(t), freeAddress(t), openShop(t)
	startBroker(t, address)
	p := startCommand(t, "run", "-c", writeConfig(t, listen, address, service.URL))
	awaitReady(t, listen)
	produce(t, address, "hold")
	service.expect(t, "hold 1")
	p.signal(t, syscall.SIGTERM)
	p.log.await(t, "msg=\"draining")
	close(service.hold)
	if err := p.end(t); err != nil {
		t.Errorf("it ended with %v", err)
	}
	p.log.await(t, "msg=drained")
}

// A terminal that is gone, as of an SSH connection that broke, ends a replay as any other signal does: it says how to go on, and keeps nobody out. The
// system and the shell tell of it each, which is no second signal.
func TestAReplayOutlivesItsTerminal(t *testing.T) {
	heard := make(chan os.Signal, 1)
	signal.Notify(heard, syscall.SIGHUP) // a process does not ignore what its parent hears, also where that was begun by nohup
	defer signal.Stop(heard)
	m := newMorgue(t)
	p := startCommand(t, "replay", "--yes", "--rate", "1/h", "-c", m.config)
	p.log.await(t, "This is replay ")
	p.signal(t, syscall.SIGHUP)
	p.signal(t, syscall.SIGHUP)
	err := p.end(t)
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != exitPart {
		t.Errorf("it ended with %v, want exit status %d", err, exitPart)
	}
	p.log.await(t, "interrupted; what was replayed is marked: `redeliver replay resume 20")
	var tasks []taskView
	m.decode(m.run("replay", "list", "-o", "json"), &tasks)
	if len(tasks) != 1 || tasks[0].State != dlq.TaskPaused {
		t.Fatalf("listed: %+v", tasks)
	}
	m.run("replay", "--dry-run").want(t, exitPart, "would have replayed 4 dead letters")
}

// A terminal that is gone is told of twice, and is no second signal.
func TestAHangupIsNoSecondSignal(t *testing.T) {
	p := &program{quit: make(chan struct{})}
	signals := make(chan os.Signal)
	heeded := make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		defer close(heeded)
		p.heed(signals, cancel)
	}()
	for range 3 {
		select {
		case signals <- syscall.SIGHUP:
		case <-heeded:
			t.Fatal("a hangup was a second signal")
		}
	}
	if ctx.Err() == nil {
		t.Error("the first one did not end the command")
	}
	signals <- os.Interrupt
	<-heeded
	<-p.quit
}

// A command that does not end at once when it is interrupted says what it does, and how it ends sooner.
func TestWhatTakesLongToEndIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var errs bytes.Buffer
		p := &program{err: &errs, quit: make(chan struct{})}
		signals := make(chan os.Signal)
		heeded := make(chan struct{})
		go func() {
			defer close(heeded)
			p.heed(signals, func() {})
		}()
		signals <- os.Interrupt
		time.Sleep(endingTold - time.Millisecond)
		if errs.Len() > 0 {
			t.Errorf("told at once: %s", errs.String())
		}
		time.Sleep(2 * time.Millisecond)
		if !strings.Contains(errs.String(), "a second signal leaves at once") {
			t.Errorf("told %q", errs.String())
		}
		signals <- os.Interrupt
		<-heeded
	})
}

// nohup has a command outlive its terminal.
func TestAHangupThatIsIgnoredEndsNothing(t *testing.T) {
	signal.Ignore(syscall.SIGHUP)
	defer signal.Reset(syscall.SIGHUP)
	if slices.Contains(endings(), os.Signal(syscall.SIGHUP)) {
		t.Error("it ends commands")
	}
}

func TestASecondSignalLeavesAtOnceAndCommitsNothingUnfinished(t *testing.T) {
	address, listen, service := freeAddress(t), freeAddress(t), openShop(t)
	startBroker(t, address)
	let := sync.OnceFunc(func() { close(service.hold) })
	t.Cleanup(let)                                                                // the service does not close before
	config := writeConfig(t, listen, address, service.URL, "session_timeout: 5m") // which nobody waits for
	p := startCommand(t, "run", "-c", config)
	awaitReady(t, listen)
	produce(t, address, "hold")
	service.expect(t, "hold 1")
	p.signal(t, os.Interrupt)
	p.log.await(t, "msg=\"draining")
	p.signal(t, os.Interrupt)
	err := p.end(t)
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != exitFailed {
		t.Errorf("it ended with %v, want exit status %d", err, exitFailed)
	}
	p.log.await(t, "a second signal: leaving at once")

	// What was under way is the next process's, as if it had not been begun.
	startRun(t, "-c", config)
	service.expect(t, "hold 1")
	let()
}
