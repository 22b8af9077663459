package scenarios

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redeliver/redeliver/bench/contract"
	"github.com/redeliver/redeliver/bench/harness"
	"github.com/redeliver/redeliver/breaker"
	"github.com/redeliver/redeliver/consumer"
	"github.com/redeliver/redeliver/retrytopics"
)

const (
	latenessWork  = 10 * time.Millisecond
	latenessPulse = 50 // records a second that fail once

	// fallenBehind is how old a fresh record is when its call starts, as long as there is something to do of what was produced while the program
	// started, and caughtUp for how long none is that old once there is not. A machine that does not keep up is measured as it is after slowStart.
	fallenBehind = 100 * time.Millisecond
	caughtUp     = time.Second
	slowStart    = 10 * time.Second
	// rests is after what time then the retries of that are done, too.
	rests = 3 * time.Second
)

// Percentiles are the shares of the lateness distribution that a result carries, as "p50 ms" and so on.
var Percentiles = []float64{1, 5, 10, 25, 50, 75, 90, 95, 99, 100}

// PercentileFigure names the figure of a percentile. That of all is the latest one: of several rounds it is that of the worst.
func PercentileFigure(p float64) string {
	if p == 100 {
		return "most ms"
	}
	return "p" + strconv.FormatFloat(p, 'g', -1, 64) + " ms"
}

var lateness = harness.Scenario{
	Letter: "f",
	Name:   "lateness under load",
	About: "50 records a second fail once and wait in a tier of 1 s, while fresh records of 10 ms each keep 0, 50 and 90 % of the 64 slots busy. Lateness is the start of the second attempt minus the due time in its header; " +
		"that time is a whole millisecond, rounded up, the lateness is not rounded; \"most early\" counts those that started before, and \"most ms\" is how late the latest was, both in the worst of the rounds. What was produced while the process started is done with before anything counts.",
	Contenders: []harness.Contender{{Name: redeliver, Run: beLate}},
	Cases: func(scale float64) (all []harness.Case) {
		capacity := consumer.DefaultConcurrency / latenessWork.Seconds()
		for _, load := range []float64{0, 0.5, 0.9} {
			// A record that fails once is two calls.
			rate := max(load*capacity-latenessPulse, latenessPulse)
			every := uint64(rate / latenessPulse)
			all = append(all, harness.Case{
				Name: fmt.Sprintf("%.0f %% of the slots busy", 100*load), Size: 100,
				Task: contract.Task{Records: harness.Scaled(20*latenessPulse, scale, 2*latenessPulse), Parts: 12, Work: latenessWork}, // retries
				Prepare: func(context.Context, *harness.Cluster, *harness.Case) error {
					return nil // each round has a topic of its own
				},
				Round: func(ctx context.Context, c *harness.Cluster, _ string, t *contract.Task) (func() error, error) {
					t.Topic = t.Group + "-source"
					if err := c.Create(ctx, t.Topic, t.Parts); err != nil {
						return nil, err
					}
					return c.Feed(ctx, t.Topic, t.Parts, 100, rate, func(i int) int {
						return latenessFailures(i, every)
					}), nil
				},
			})
		}
		return all
	},
}

// latenessFailures is how often the i-th record fails when one of so many fails once.
func latenessFailures(i int, every uint64) int {
	if contract.Scattered(i)%every == 0 {
		return 1
	}
	return 0
}

func beLate(ctx context.Context, t contract.Task, m *contract.Meter) error {
	var fresh contract.Tally
	var mu sync.Mutex
	var late []float64 // milliseconds
	early := 0
	var upToDate atomic.Int64 // since when, in Unix nanoseconds
	var behind atomic.Int64   // when it was known last not to be
	began := time.Now()
	behind.Store(began.UnixNano())
	c := member(t, consumer.HandlerFunc(func(_ context.Context, r *consumer.Record) error {
		if r.Attempt() > 1 {
			if now, since := time.Now(), upToDate.Load(); since > 0 && now.Sub(time.Unix(0, since)) > rests {
				due, err := dueOf(r)
				if err != nil {
					return consumer.DeadLetter(err)
				}
				mu.Lock()
				late = append(late, now.Sub(due).Seconds()*1000)
				if now.Before(due) {
					early++
				}
				mu.Unlock()
			}
		} else if upToDate.Load() > 0 {
			fresh.Add(r.Partition, 1)
		} else if now := time.Now(); now.Sub(r.Raw().Timestamp) >= fallenBehind && now.Sub(began) < slowStart {
			behind.Store(now.UnixNano())
		} else if now.Sub(time.Unix(0, behind.Load())) >= caughtUp && upToDate.CompareAndSwap(0, now.UnixNano()) {
			m.Begin()
		}
		if err := contract.Wait(t.Work); err != nil {
			return err
		}
		if r.Attempt() <= contract.Failures(r.Value) {
			return contract.ErrFails
		}
		return nil
	}))
	c.Breaker = breaker.Config{Disabled: true}
	c.Retry = retrytopics.Policy{Tiers: []time.Duration{time.Second}}
	err := watch(ctx, c, func(*consumer.Pipeline) bool {
		mu.Lock()
		defer mu.Unlock()
		if len(late) < t.Records {
			return false
		}
		m.End(fresh.Total())
		return true
	})
	if err != nil {
		return err
	}
	slices.Sort(late)
	for _, p := range Percentiles {
		m.Figure(PercentileFigure(p), late[min(int(p/100*float64(len(late))), len(late)-1)])
	}
	m.Figure("most early", float64(early))
	m.Figure("retries", float64(len(late)))
	return nil
}

// dueOf returns when a copy was due.
func dueOf(r *consumer.Record) (time.Time, error) {
	for _, h := range r.Raw().Headers {
		if h.Key == retrytopics.HeaderDue {
			ms, err := strconv.ParseInt(string(h.Value), 10, 64)
			return time.UnixMilli(ms), err
		}
	}
	return time.Time{}, fmt.Errorf("record %s has no header %s", r.ID(), retrytopics.HeaderDue)
}
