package consumer

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// TestMembershipLapsesWithoutAnswers lets the group fall silent and answer again: nothing is started in between, whatever is
// fetched. An answer that waited to be read while this process slept says nothing.
func TestMembershipLapsesWithoutAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		w := onBench(t, countCalls(&calls), func(c *Config) {
			c.SessionTimeout, c.Drain, c.HandlerTimeout = 10*time.Second, 8*time.Second, time.Second
		})
		answer := func(key kmsg.Key, waited time.Duration) {
			w.p.membership.OnBrokerE2E(kgo.BrokerMetadata{}, key.Int16(), kgo.BrokerE2E{ReadWait: waited})
			synctest.Wait()
		}
		l := w.lane(0, 0)
		next := func(want int, when string) {
			t.Helper()
			w.feed(l, "a")
			synctest.Wait()
			equal(t, "calls "+when, calls, want)
		}
		next(1, "before the group has ever answered")
		answer(kmsg.JoinGroup, time.Minute)
		pass(9 * time.Second)
		answer(kmsg.Heartbeat, 100*time.Millisecond)
		pass(9 * time.Second)
		next(2, "while heartbeats are answered")
		pass(time.Second)
		next(2, "when there was no answer for the session time-out")
		if s := w.p.Stats(); s.Paused[PauseMembership] != 1 || len(s.Reasons) == 0 {
			t.Errorf("it is not told: paused %v, reasons %q", s.Paused, s.Reasons)
		}
		answer(kmsg.Metadata, 0)
		answer(kmsg.Heartbeat, time.Hour)
		next(2, "after an answer that is no longer true")
		answer(kmsg.Heartbeat, 0)
		equal(t, "calls when it is answered again", calls, 4)
		w.p.membership.end()
		pass(time.Hour)
		next(5, "after the end")
	})
}

// TestNoCallBeginsBeforeALateTimer has the claim be over while the timer that says so has not run, as when a stopped process goes on: nothing is begun
// then, and all goes on with the next answer.
func TestNoCallBeginsBeforeALateTimer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		w := onBench(t, countCalls(&calls), func(c *Config) {
			c.SessionTimeout, c.Drain, c.HandlerTimeout = 10*time.Second, 8*time.Second, time.Second
		})
		m := w.p.membership
		told, change := 0, m.change
		m.change = func(lapsed bool) {
			if lapsed {
				told++
			}
			change(lapsed)
		}
		m.answered(time.Now())
		m.timer.Stop()
		pass(10*time.Second + time.Millisecond)
		w.feed(w.lane(0, 0), "a")
		synctest.Wait()
		equal(t, "calls when the claim is over", calls, 0)
		for range 3 { // as many workers ask
			equal(t, "it holds", m.holds(), false)
		}
		m.lapse()
		equal(t, "times that it is told", told, 1)
		m.answered(time.Now())
		synctest.Wait()
		equal(t, "calls when it is answered again", calls, 1)
	})
}

// countCalls is a handler that counts its calls and succeeds.
func countCalls(n *int) Handler {
	return HandlerFunc(func(context.Context, *Record) error {
		*n++
		return nil
	})
}

// TestACallThatSleptIsNoOutcome has a call run into its time-out while the group does not answer, as after the process was
// suspended: its failure uses no attempt and writes no copy, and it is called again once the group answers.
func TestACallThatSleptIsNoOutcome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var attempts []int
		w := onBench(t, HandlerFunc(func(ctx context.Context, r *Record) error {
			attempts = append(attempts, r.Attempt())
			if len(attempts) == 1 {
				<-ctx.Done()
			}
			return ctx.Err()
		}), func(c *Config) {
			c.SessionTimeout, c.Drain, c.HandlerTimeout = 6*time.Second, 30*time.Second, 29*time.Second
		})
		w.p.membership.lasts = 20 * time.Second
		w.p.membership.answered(time.Now())
		l := w.lane(0, 0)
		w.feed(l, "a")
		pass(40 * time.Second)
		equal(t, "copies", len(w.produced()), 0)
		equal(t, "watermark", w.watermark(l), 0)
		w.p.membership.answered(time.Now())
		synctest.Wait()
		if len(attempts) != 2 || attempts[1] != 1 {
			t.Errorf("attempts %v, want the first one again", attempts)
		}
		equal(t, "watermark after it was called again", w.watermark(l), 1)
	})
}

// TestAnAnswerThatSleptIsOld has the answers to what keeps a member in its group be read long after they were sent, as by a process that
// was suspended meanwhile.
func TestAnAnswerThatSleptIsOld(t *testing.T) {
	for _, key := range []kmsg.Key{kmsg.JoinGroup, kmsg.SyncGroup, kmsg.Heartbeat, kmsg.ConsumerGroupHeartbeat} {
		t.Run(key.Name(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := onBench(t, succeed, func(c *Config) {
					c.SessionTimeout, c.Drain, c.HandlerTimeout = 10*time.Second, 8*time.Second, time.Second
				})
				m := w.p.membership
				comes := func(after time.Duration) {
					m.OnBrokerE2E(kgo.BrokerMetadata{}, key.Int16(), kgo.BrokerE2E{ReadWait: after})
				}
				comes(0)
				pass(11 * time.Second)
				comes(14 * time.Second)
				equal(t, "it holds after an answer of 14 seconds ago", m.holds(), false)
				comes(3 * time.Second)
				equal(t, "it holds after one of three seconds ago", m.holds(), true)
				pass(8 * time.Second)
				equal(t, "it holds eleven seconds after that was asked", m.holds(), false)
			})
		})
	}
}
