// Package load is what the peers in Go have in common: the handler whose calls are measured, and the end of a round.
package load

import (
	"context"
	"time"

	"github.com/redeliver/redeliver/bench/contract"
)

// Load is the work of one round. Its methods may be called concurrently.
type Load struct {
	Task contract.Task
	// Delays are waited between attempts, on the spot. With none a record that fails goes to Task.Copies at once.
	Delays []time.Duration

	meter   *contract.Meter
	first   contract.Tally  // first attempts, after which a record is done where nothing fails
	settled contract.Tally  // where something fails
	rate    *contract.Tally // one of these: what is measured
	done    *contract.Tally // and what ends the round
}

// New returns the work of a task. Records whose retries are measured wait for as long as the tiers of the pipeline: 1 s and 10 s.
func New(t contract.Task, m *contract.Meter) *Load {
	l := &Load{Task: t, meter: m, Delays: []time.Duration{time.Second, 10 * time.Second}}
	switch t.Scenario {
	case "b":
		l.Delays, l.rate, l.done = nil, &l.settled, &l.settled
	case "c":
		l.rate, l.done = &l.first, &l.settled
	default:
		l.rate, l.done = &l.first, &l.first
	}
	return l
}

// Attempt is one call of the handler for a record of a partition, which counts its attempts for each record from 1.
func (l *Load) Attempt(partition int32, value []byte, attempt int) error {
	l.meter.Begin()
	if err := contract.Wait(l.Task.Work); err != nil {
		return err
	}
	if attempt == 1 && l.rate == &l.first {
		l.first.Add(partition, int(value[0]))
	}
	if attempt <= contract.Failures(value) {
		return contract.ErrFails
	}
	return nil
}

// Try is the usual retry that is written by hand: attempts on the spot, with a wait in between. It returns the last error.
func (l *Load) Try(ctx context.Context, partition int32, value []byte) error {
	for attempt := 1; ; attempt++ {
		err := l.Attempt(partition, value, attempt)
		if err == nil || attempt > len(l.Delays) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(l.Delays[attempt-1]):
		}
	}
}

// Settled says that n records of a partition are done: handled, or copied elsewhere and acknowledged.
func (l *Load) Settled(partition int32, n int) {
	if l.done == &l.settled {
		l.settled.Add(partition, n)
	}
}

// Until runs consume until all is settled or the limit is over. consume returns when its context ends, with its error if it failed.
func (l *Load) Until(ctx context.Context, consume func(context.Context) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- consume(ctx) }()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	counted := false
	for {
		select {
		case err := <-ended:
			return err
		case <-tick.C:
		}
		count := l.rate.Total()
		l.meter.Saw(count, l.Task.Records)
		over, done := l.meter.Over(l.Task.LimitOf(count)), l.done.Total() >= l.Task.Records
		if !counted && (over || count >= l.Task.Records) {
			l.meter.End(count)
			counted = true
		}
		if !over && !done {
			continue
		}
		if l.Task.Scenario == "c" && done {
			l.meter.Figure("all done s", l.meter.Elapsed().Seconds())
		}
		cancel()
		<-ended // it was told to end, and says no more than that
		return nil
	}
}

// Settings are what is the same for the consumers and producers of all peers: how they are told to keep what they read.
const (
	// CommitInterval is how often offsets are committed, as the raw loop does.
	CommitInterval = time.Second
	// BatchSize is how many copies are written at once where everything fails.
	BatchSize = 1000
)
