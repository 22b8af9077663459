package demo

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/redeliver/redeliver/breaker"
	"github.com/redeliver/redeliver/consumer"
	"github.com/redeliver/redeliver/dlq"
)

// story makes the trouble, step by step. A step ends when what it is to show was reached, and not before a person had
// the time to read; one that is not reached in a long time is given up and said so.
type story struct {
	*stage
	feed       *feed
	tally      *tally
	accountant *accountant

	missed []string // steps that were given up
	told   int      // tellings that came to their end
}

// tell tells the story again and again until ctx ends or, with a deadline, as often as it fits before that; until then
// the load goes on.
func (s *story) tell(ctx context.Context, deadline time.Time) error {
	ready := func() bool { st := s.stats(); return st.Ready && len(st.Partitions) > 0 }
	if err := s.await(ctx, 0, "the pipeline to have its partitions", ready); err != nil {
		return err
	}
	for s.told == 0 || deadline.IsZero() || time.Until(deadline) > s.pace.story {
		if err := s.once(ctx); err != nil {
			return err
		}
		s.told++
	}
	left := time.Until(deadline)
	if left <= 0 {
		return nil
	}
	s.load.rest(false)
	s.feed.now(steadyStep, "That was the whole story. Orders go on coming in, and all of them are paid.")
	return s.await(ctx, left, "", nil)
}

// once tells the story once.
func (s *story) once(ctx context.Context) error {
	s.tally.again()
	s.service.setFixed(false)
	s.load.rest(false)
	for _, part := range []func(context.Context) error{s.goWell, s.failOnce, s.failForEver, s.breakDown, s.die, s.fix, s.replay, s.settle} {
		if err := part(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (s *story) goWell(ctx context.Context) error {
	s.feed.now(normalStep, "Orders come in. The handler calls the payment service for each of them, and all goes well.")
	before := s.stats().Completed
	return s.await(ctx, s.pace.read, "orders to be done", func() bool { return s.stats().Completed > before })
}

func (s *story) failOnce(ctx context.Context) error {
	s.feed.now(onceStep, fmt.Sprintf("Some calls fail: 503. Such an order waits in %s, out of the way of the others, and is called again.",
		tierName(s.pace.tiers[0])))
	before := s.service.paid(once)
	s.load.mix(repeat(failOnce, once)...)
	return s.await(ctx, s.pace.read, "orders that failed once to be done", func() bool { return s.service.paid(once) >= before+failOnce })
}

func (s *story) failForEver(ctx context.Context) error {
	last := s.pace.tiers[len(s.pace.tiers)-1]
	s.feed.now(foreverStep, fmt.Sprintf("A bug: some orders fail every time and go on to %s. Those without an amount are refused (422), not retried, and dead letters at once.",
		tierName(last)))
	topic := names.RetryTopic(sourceTopic, last)
	before := s.tally.copies(topic)
	s.load.mix(mixed(repeat(failByBug, bug), repeat(failTwice, twice), repeat(failInvalid, invalid))...)
	return s.await(ctx, s.pace.read, "orders in "+tierName(last), func() bool {
		return s.load.mixed() && s.tally.copies(topic) >= before+failByBug+failTwice
	})
}

// breakDown is an outage of the service, from its begin until the breaker has closed again.
func (s *story) breakDown(ctx context.Context) error {
	s.feed.now(outageStep, "An outage: the payment service answers every call with 503.")
	opened := s.breaker().Opened
	s.service.setDown(true)
	defer s.service.setDown(false)
	if err := s.await(ctx, 0, "breaker to open", func() bool { return s.breaker().Opened > opened }); err != nil {
		return err
	}
	s.feed.now(outageStep, "The breaker is open: the service is left alone, no order loses an attempt, and new ones wait in Kafka.")
	if err := s.await(ctx, s.pace.openFor*2/3, "", nil); err != nil {
		return err
	}
	s.service.setDown(false)
	s.feed.now(outageStep, fmt.Sprintf("The service is well again. The breaker finds out with %d calls, and then everything goes on.", halfOpenCalls))
	return s.await(ctx, s.pace.read/2, "breaker to close", func() bool { return s.breaker().State == breaker.Closed })
}

// die waits for the orders that meet the bug to run out of retries.
func (s *story) die(ctx context.Context) error {
	last := s.pace.tiers[len(s.pace.tiers)-1]
	s.feed.now(deadStep, fmt.Sprintf("Orders in %s get their last attempt. Those that meet the bug again are dead letters, kept with their history.", tierName(last)))
	return s.await(ctx, s.pace.read/2, "orders to be dead letters", func() bool {
		return s.tally.open() >= failByBug+failInvalid && s.waitingIn(last) == 0
	})
}

func (s *story) fix(ctx context.Context) error {
	s.service.setFixed(true)
	s.feed.now(fixStep, "The bug is fixed. Nothing is lost: the dead letters are all there.")
	return s.await(ctx, s.pace.read*3/4, "", nil)
}

// replayRate is slow enough to be seen, in dead letters a second.
const replayRate = 8

func (s *story) replay(ctx context.Context) error {
	s.feed.now(replayStep, fmt.Sprintf("`redeliver replay` puts the dead letters back into %s, where they are due at once.", tierName(s.pace.tiers[0])))
	if err := s.replayOnce(ctx); err != nil {
		return err
	}
	return s.await(ctx, s.pace.read/2, "dead letters to be put back", func() bool { return s.tally.open() <= 0 })
}

func (s *story) replayOnce(ctx context.Context) error {
	shown := int64(0)
	summary, err := s.queue.Replay(ctx, dlq.Replay{
		Rate: replayRate * float64(2*time.Second) / float64(s.pace.read),
		By:   "demo",
		Progress: func(p dlq.Progress) {
			s.tally.putBack(int(p.Done - shown))
			shown = p.Done
		},
	})
	s.tally.putBack(int(summary.Done - shown))
	s.feed.tell("replay: %s put back into %s", plural(int(summary.Done), "dead letter"), tierName(s.pace.tiers[0]))
	if err != nil && ctx.Err() == nil {
		s.missed = append(s.missed, fmt.Sprintf("the replay failed: %v", err))
	}
	return over(ctx)
}

// settle rests the load until nothing waits any more.
func (s *story) settle(ctx context.Context) error {
	s.feed.now(settleStep, "The load rests, and everything settles: every order that came in is paid, on whichever attempt.")
	s.load.rest(true)
	if err := s.await(ctx, s.pace.read, "orders to settle", s.settled); err != nil {
		return err
	}
	if s.tally.open() > 0 { // one that met the outage with its last attempt
		if err := s.replayOnce(ctx); err != nil {
			return err
		}
		if err := s.await(ctx, 0, "orders to settle", s.settled); err != nil {
			return err
		}
	}
	if err := s.accountant.closeBooks(ctx); err != nil && ctx.Err() == nil {
		return fmt.Errorf("close the books: %w", err)
	}
	return over(ctx)
}

// settled reports whether nothing waits: every order is done or dead.
func (s *story) settled() bool {
	st := s.stats()
	return st.InFlight == 0 && int64(st.Completed)+int64(s.tally.open()) >= s.load.acked.Load()
}

// waitingIn counts the orders in a tier that are not settled.
func (s *story) waitingIn(d time.Duration) int {
	topic := names.RetryTopic(sourceTopic, d)
	settled := settledIn(s.stats(), topic)
	return s.tally.copies(topic) - settled
}

func (s *story) stats() consumer.Stats { return s.pipeline.Stats() }

func (s *story) breaker() breaker.Snapshot { return s.pipeline.Breaker().Snapshot() }

// errOver is why a story ended before its end.
var errOver = errors.New("the story was ended")

func over(ctx context.Context) error {
	if ctx.Err() != nil {
		return errOver
	}
	return nil
}

// await returns once reached says so, and not before the time to read is over. What is not reached within the patience is
// noted, and the story goes on. The error says that ctx ended.
func (s *story) await(ctx context.Context, read time.Duration, what string, reached func() bool) error {
	begun := time.Now()
	look := time.NewTicker(s.pace.repaint / 4)
	defer look.Stop()
	for {
		if (reached == nil || reached()) && time.Since(begun) >= read {
			return nil
		}
		if time.Since(begun) > max(read, s.pace.patience) {
			s.missed = append(s.missed, fmt.Sprintf("waited %v for %s in vain", s.pace.patience, what))
			s.feed.tell("gave up waiting for %s", what)
			return nil
		}
		select {
		case <-ctx.Done():
			return errOver
		case <-look.C:
		}
	}
}

func repeat(n int, t trouble) []trouble { return slices.Repeat([]trouble{t}, n) }

// mixed takes turns.
func mixed(kinds ...[]trouble) (all []trouble) {
	for i := 0; ; i++ {
		before := len(all)
		for _, k := range kinds {
			if i < len(k) {
				all = append(all, k[i])
			}
		}
		if len(all) == before {
			return all
		}
	}
}
