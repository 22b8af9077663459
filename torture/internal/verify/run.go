package verify

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/torture/internal/upset"
)

// Config is what the verifier is told.
type Config struct {
	Brokers  []string
	Terms    Terms
	Produced string // the load's file
	Called   string // the service's file
	Diary    string // the chaos's file
	Verdict  string // where the verdict is written to
}

// The commands that the verifier takes, one a line. It answers each with a [Report] whose Done is the command.
const (
	ReadLetters = "read-letters" // read the dead letters to their end
	Finish      = "finish"       // everything has ended: read everything to its end and judge
)

// Report is a line of the verifier: how far the run is, each second, and the answers to commands.
type Report struct {
	Done string `json:"done,omitempty"`
	Kept bool   `json:"kept,omitempty"` // with Finish: every promise was

	Produced int            `json:"produced"`
	Settled  int            `json:"settled"` // of the produced
	Calls    int            `json:"calls"`
	Copies   int            `json:"copies"`
	Lag      int64          `json:"lag"` // -1: not known just now
	Behind   string         `json:"behind,omitempty"`
	Progress int64          `json:"progress"`          // grows with everything that happens
	Owed     int            `json:"owed,omitempty"`    // with ReadLetters: dead letters that calls have decided on and that are not there
	Working  map[string]int `json:"working,omitempty"` // calls of members that are alive
	Error    string         `json:"error,omitempty"`
}

type verifier struct {
	c      Config
	admin  *kadm.Client
	topics *reader

	mu        sync.Mutex
	h         *History
	committed map[Place]int64
	commitSum int64
	behind    string
	lagKnown  bool
	blind     error // why it is not known

	out sync.Mutex
	w   *json.Encoder
}

// Run watches a run until it is told to finish, or ctx ends.
func Run(ctx context.Context, c Config, commands io.Reader, reports io.Writer) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(c.Brokers...), kgo.RequestTimeoutOverhead(5*time.Second), kgo.MetadataMinAge(250*time.Millisecond))
	if err != nil {
		return err
	}
	defer client.Close()
	v := &verifier{c: c, admin: kadm.NewClient(client), h: NewHistory(c.Terms), committed: make(map[Place]int64), w: json.NewEncoder(reports)}
	if v.topics, err = v.newReader(); err != nil {
		return err
	}
	var watching, following sync.WaitGroup
	defer watching.Wait()
	defer following.Wait()
	watch, stopWatching := context.WithCancel(ctx)
	defer stopWatching()
	files, stopFiles := context.WithCancel(ctx)
	defer stopFiles()
	failed := make(chan error, 2)
	following.Go(func() { failed <- follow(files, c.Produced, v.producedLine) })
	following.Go(func() { failed <- follow(files, c.Called, v.calledLine) })
	watching.Go(func() { v.topics.run(watch) })
	watching.Go(func() { v.watchCommits(watch) })
	watching.Go(func() { v.report(watch) })

	lines := bufio.NewScanner(commands)
	for lines.Scan() {
		switch command := lines.Text(); command {
		case ReadLetters:
			err := v.toTheEnd(ctx, v.isLetters)
			v.mu.Lock()
			owed := v.h.owed()
			v.mu.Unlock()
			v.answer(Report{Done: command, Owed: owed, Error: text(err)})
		case Finish:
			stopFiles()
			for range cap(failed) {
				if err := <-failed; err != nil {
					return err
				}
			}
			unsettled := v.readAll(ctx)
			stopWatching()
			watching.Wait()
			v.h.unsettled = text(unsettled)
			return v.judge()
		default:
			return fmt.Errorf("unknown command %q", command)
		}
	}
	return lines.Err()
}

// readAll reads everything to its end, and looks at the commits a last time.
func (v *verifier) readAll(ctx context.Context) error {
	return errors.Join(v.toTheEnd(ctx, v.isRead), v.lookAtCommits(ctx))
}

// readByGroup reports whether the group reads a topic.
func (v *verifier) readByGroup(topic string) bool {
	return topic == v.c.Terms.Topic || strings.HasPrefix(topic, v.c.Terms.Group+"."+v.c.Terms.Topic+".retry-")
}

// isLetters reports whether a topic is the group's dead-letter topic.
func (v *verifier) isLetters(topic string) bool {
	return topic == v.c.Terms.Group+"."+v.c.Terms.Topic+".dlq"
}

func (v *verifier) isRead(topic string) bool { return v.readByGroup(topic) || v.isLetters(topic) }

// patience is for how long nothing at all may be read of a topic that has more.
const patience = 2 * time.Minute

// toTheEnd waits until topics are read to their ends of now.
func (v *verifier) toTheEnd(ctx context.Context, topics func(string) bool) error {
	last, since := "", time.Now()
	for {
		missing, err := v.topics.missing(ctx, v.admin, topics)
		if err == nil && missing == "" {
			return nil
		}
		if err != nil {
			missing = err.Error()
		}
		if missing != last {
			last, since = missing, time.Now()
		}
		if time.Since(since) > patience {
			return fmt.Errorf("topics cannot be read to their ends: %s", missing)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// report says how far the run is, each second.
func (v *verifier) report(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			v.answer(Report{})
		}
	}
}

func (v *verifier) answer(r Report) {
	v.mu.Lock()
	h := v.h
	r.Produced, r.Settled, r.Calls, r.Copies, r.Lag, r.Behind = h.Produced, h.Settled, len(h.Calls), len(h.Copies), h.Lag, v.behind
	r.Progress, r.Working = h.Progress()+v.commitSum, h.working()
	if !v.lagKnown {
		r.Lag = -1
		if r.Error == "" {
			r.Error = text(v.blind)
		}
	}
	v.mu.Unlock()
	v.out.Lock()
	defer v.out.Unlock()
	_ = v.w.Encode(r) // without a reader there is nobody to tell, and its commands have ended too
}

// judge writes the verdict.
func (v *verifier) judge() error {
	diary, err := os.Open(v.c.Diary)
	if err != nil {
		return err
	}
	defer func() { _ = diary.Close() }() // it was only read
	if v.h.Upsets, err = upset.Read(diary); err != nil {
		return err
	}
	f, err := os.Create(v.c.Verdict)
	if err != nil {
		return err
	}
	kept := Print(f, Judge(v.h))
	if err := f.Close(); err != nil {
		return err
	}
	v.answer(Report{Done: Finish, Kept: kept})
	return nil
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
