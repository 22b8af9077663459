package integration_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redeliver/redeliver/breaker"
	"github.com/redeliver/redeliver/consumer"
)

// A member that is an operating system's process of its own is this test binary, started again with envMember set to
// the JSON of a memberConfig. Its handler works for a while, ends as the record's value says, and writes a line about it
// to a log that outlives the process however that ends.

const envMember = "REDELIVER_INTEGRATION_MEMBER"

// memberConfig is what a member's process is told.
type memberConfig struct {
	Brokers []string
	Group   string
	Topic   string
	Name    string
	Log     string        // the file that its handler's calls are written to
	Window  int           // records
	Work    time.Duration // that a call takes
	Fixed   bool          // the handler has been mended: nothing fails any more
	HoldKey bool
}

// logged is a line of the log: one call that has ended.
type logged struct {
	Member  string
	ID      string
	Value   string
	Attempt int
	Replays int
	Began   time.Time
	Due     time.Time
	Failed  bool
}

// What the values of the crash test's records begin with, which says how their handler ends.
const (
	fine      = "fine"  // well
	failsOnce = "once"  // badly on the first attempt
	failsEver = "never" // badly until the handler is mended
)

// outcome is how the handler ends.
func (c *memberConfig) outcome(value string, attempt int) error {
	switch kind, _, _ := strings.Cut(value, "-"); {
	case c.Fixed, kind == fine, kind == failsOnce && attempt > 1:
		return nil
	case kind == failsOnce:
		return errors.New("fails once")
	default:
		return errors.New("fails for ever")
	}
}

// memberProcess is the main function of a member's process. SIGTERM ends it cleanly.
func memberProcess() (status int) {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	if err := runMember(ctx, os.Getenv(envMember)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func runMember(ctx context.Context, config string) error {
	var c memberConfig
	if err := json.Unmarshal([]byte(config), &c); err != nil {
		return err
	}
	log, err := os.OpenFile(c.Log, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	cfg := consumer.Config{
		Delivery: delivery,
		Brokers:  c.Brokers, Group: c.Group, Topics: []string{c.Topic}, Name: c.Name,
		Handler:        consumer.HandlerFunc(func(ctx context.Context, r *consumer.Record) error { return c.handle(ctx, log, r) }),
		Retry:          quick,
		SessionTimeout: 6 * time.Second,
		// A member that dies in the middle of a rebalance may be waited for for the time of a rebalance.
		HandlerTimeout:   5 * time.Second,
		Drain:            8 * time.Second,
		RebalanceTimeout: 10 * time.Second,
		Window:           consumer.Window{Records: c.Window},
		// Towards the end only those are left that fail for ever, and nothing that succeeds would tell them from an outage,
		// through which they would be kept.
		Breaker: breaker.Config{Disabled: true},
		Logger:  slog.New(slog.NewTextHandler(os.Stderr, nil)),
	}
	speaking(protocol)(&cfg)
	if c.HoldKey {
		holdingKeys(&cfg)
		withoutBreaker(&cfg) // in the end only what fails is left, for what would succeed waits behind it
		cfg.SessionTimeout = 6 * time.Second
	}
	p, err := consumer.New(cfg)
	if err != nil {
		return err
	}
	return p.Run(ctx)
}

// handle works, and writes its line with one write to the end of the file: it is there whole, or the work was not done.
func (c *memberConfig) handle(ctx context.Context, log *os.File, r *consumer.Record) error {
	began := time.Now()
	done := time.NewTimer(c.Work)
	defer done.Stop()
	select {
	case <-done.C:
	case <-ctx.Done():
		return ctx.Err()
	}
	outcome := c.outcome(string(r.Value), r.Attempt())
	line := logged{
		Member: c.Name, ID: r.ID(), Value: string(r.Value), Attempt: r.Attempt(), Replays: r.Replays(),
		Began: began, Failed: outcome != nil,
	}
	if raw := r.Raw(); raw.Topic != r.Topic {
		line.Due = dueOf(raw)
	}
	text, err := json.Marshal(line)
	if err != nil {
		return err
	}
	if _, err := log.Write(append(text, '\n')); err != nil {
		return err
	}
	return outcome
}

// process is a member's process.
type process struct {
	t      *testing.T
	config memberConfig
	cmd    *exec.Cmd
	stderr string // a file
	ended  chan error
}

// startProcess starts a member. It is killed after the test if it still runs.
func startProcess(t *testing.T, c memberConfig) *process {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	stderr, err := os.Create(filepath.Join(t.TempDir(), c.Name+".stderr"))
	if err != nil {
		t.Fatal(err)
	}
	defer stderr.Close()
	p := &process{t: t, config: c, cmd: exec.Command(self), stderr: stderr.Name(), ended: make(chan error, 1)}
	p.cmd.Env = append(os.Environ(), envMember+"="+string(text))
	p.cmd.Stdout, p.cmd.Stderr = stderr, stderr
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { p.ended <- p.cmd.Wait() }()
	t.Cleanup(p.cleanup)
	return p
}

// kill ends the process as kill -9 does.
func (p *process) kill() {
	p.t.Helper()
	if err := p.cmd.Process.Kill(); err != nil {
		p.t.Fatal(err)
	}
	within(p.t, "end of a killed process", p.ended)
	close(p.ended)
}

// stop ends the process as a deployment does, and expects that it ends well.
func (p *process) stop() {
	p.t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		p.t.Fatal(err)
	}
	if err := within(p.t, "end of "+p.config.Name+" after SIGTERM", p.ended); err != nil {
		p.t.Errorf("%s ended with %v after SIGTERM, want status 0", p.config.Name, err)
	}
	close(p.ended)
}

func (p *process) cleanup() {
	select {
	case err, running := <-p.ended:
		if running {
			p.t.Errorf("%s ended by itself: %v", p.config.Name, err)
		}
	default:
		end := os.Signal(syscall.SIGKILL)
		if p.t.Failed() {
			end = syscall.SIGQUIT // to see what it was doing
		}
		_ = p.cmd.Process.Signal(end) // it may be ending right now
		resume(p)
		<-p.ended
	}
	if p.t.Failed() {
		if text, err := os.ReadFile(p.stderr); err == nil {
			p.t.Logf("%s said:\n%s", p.config.Name, text)
		}
	}
}

// readLog reads the calls that the processes have written down so far.
func readLog(t *testing.T, files ...string) (calls []logged) {
	t.Helper()
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
		for line := range bytes.Lines(text) {
			if !bytes.HasSuffix(line, []byte("\n")) {
				break // it is being written
			}
			var x logged
			if err := json.Unmarshal(line, &x); err != nil {
				t.Fatalf("%s: line %q: %v", file, line, err)
			}
			calls = append(calls, x)
		}
	}
	return calls
}
