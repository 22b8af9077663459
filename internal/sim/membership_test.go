//go:build synctests

package sim

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/redeliver/redeliver/breaker"
	"github.com/redeliver/redeliver/consumer"
	"github.com/redeliver/redeliver/internal/logbook"
	"github.com/redeliver/redeliver/retrytopics"
)

// TestGivenUpMemberStopsByItself cuts a member off from the coordinator of its group, and from nothing else: it could read and
// write copies on for as long as it does not know that others have its partitions. Copies that hop would be read by two, and
// double with every hop.
func TestGivenUpMemberStopsByItself(t *testing.T) {
	const session = 12 * time.Second
	s := Setup{
		Brokers: 3,
		Sources: map[string]int32{"orders": 6},
		Config: consumer.Config{
			SessionTimeout: session, HandlerTimeout: 5 * time.Second, Drain: 7 * time.Second, Breaker: breaker.Config{Disabled: true},
			Retry: retrytopics.Policy{Strategy: retrytopics.Fixed{Wait: 9 * time.Second}, Tiers: []time.Duration{time.Second}, MaxRetries: 8, NoJitter: true},
		},
	}
	const silence = 2 * time.Minute
	var silent Moment
	run(t, s, func(w *World) {
		m := w.Join()
		w.Join()
		w.Sleep(time.Minute)
		for i := range 30 {
			w.Produce(&Record{Partition: int32(i % 6), Key: fmt.Append(nil, i), Fate: Fate{Kind: Fail, Times: 7}})
		}
		w.Sleep(2 * time.Second)
		silent = w.rec.now()
		w.SilenceCoordinator(m, silence)
		w.Sleep(session + time.Second)
		m.mustMeasure(t, "redeliver_paused", "reason=membership")
		w.mustTell(t, "level=ERROR", "the group's coordinator does not answer", "member=m1")
		w.Sleep(silence - session + time.Minute)
		if n := m.metric(t, "redeliver_paused", "reason=membership"); n > 0 {
			t.Errorf("%v partitions are paused when the coordinator answers again", n)
		}
	}, func(h *History, _ *Report) {
		givenUp := slices.IndexFunc(h.Assignments, func(a Assignment) bool { return silent.Before(a.When) })
		if givenUp < 0 {
			t.Fatal("the group has not given the member up")
		}
		since := h.Assignments[givenUp].When
		for _, c := range h.Calls {
			if c.Member == "m1" && since.Before(c.Start) && c.Start.At.Before(silent.At.Add(silence)) {
				t.Errorf("the member began a call with %s at %s, after the group had given it up at %s and before it could hear that", c.From, clock(c.Start), clock(since))
			}
		}
		copies := make(map[string]int)
		for _, records := range h.Log {
			for i := range records {
				copies[readCopy(&records[i]).id]++
			}
		}
		const clean = 7 * 9 // hops of a second in seven waits of nine
		for id, n := range copies {
			if id != "" && n > clean+9 {
				t.Errorf("%d copies of %s were written, its retries take %d, and what was under way may come twice", n, id, clean)
			}
		}
	})
}

// TestWhoStopsBesideAMissingMemberMayRepeat stops a member while its group waits for another whose network is away: its last commit waits
// with the group, for longer than it may, and the next owner repeats what it did meanwhile.
func TestWhoStopsBesideAMissingMemberMayRepeat(t *testing.T) {
	s := Setup{Brokers: 3, Config: consumer.Config{HandlerTimeout: 15 * time.Second, Drain: 20 * time.Second}}
	calls := 0
	run(t, s, func(w *World) {
		missing, stops := w.Join(), w.Join()
		w.Sleep(time.Minute)
		for partition := range int32(4) {
			w.Produce(&Record{Partition: partition, Key: fmt.Append(nil, partition), Fate: Fate{Work: 10 * time.Second}})
		}
		w.Sleep(time.Second)
		w.CutOff(missing, 5*time.Minute)
		w.Join()
		stops.Stop()
		w.mustTell(t, "level=WARN", "last commit failed: what was handled since the one before is handled again", "member=m2")
		w.Sleep(10 * time.Minute)
	}, func(h *History, _ *Report) {
		for _, c := range h.Calls {
			if c.Result == Succeeded && c.Member != "m1" {
				calls++
			}
		}
	})
	if calls <= 4 {
		t.Errorf("%d calls of those that were not away succeeded: nothing was repeated, and this shows nothing", calls)
	}
}

// TestMemberLeavesSilentBrokers stops a member whose coordinator does not answer, or no broker: it has nothing more to commit than it
// could not commit, and its process ends in the time that its drain and its last requests have, not in that of a rebalance, or of what brokers
// are told at the end.
func TestMemberLeavesSilentBrokers(t *testing.T) {
	for name, silence := range map[string]func(*World, *Member, time.Duration){"coordinator": (*World).SilenceCoordinator, "all": (*World).CutOff} {
		for _, delivery := range []consumer.Delivery{consumer.AtLeastOnce, consumer.ExactlyOnceRouting} {
			t.Run(fmt.Sprint(name, " ", delivery), func(t *testing.T) {
				s := Setup{Brokers: 3, Config: consumer.Config{Delivery: delivery, HandlerTimeout: 5 * time.Second, Drain: 7 * time.Second}}
				var took time.Duration
				run(t, s, func(w *World) {
					// What is read while the coordinator is silent comes from another broker.
					if err := w.fake.MoveTopicPartition("orders", 0, (w.fake.CoordinatorFor(w.h.Terms.Group)+1)%3); err != nil {
						t.Error(err)
					}
					m := w.Join()
					failing(w, 10)
					w.Sleep(time.Minute)
					silence(w, m, 10*time.Minute)
					w.Produce(&Record{})
					failing(w, 10)
					w.Sleep(200 * time.Millisecond) // and have something to commit
					began := time.Now()
					m.Stop()
					took = time.Since(began)
					if name == "coordinator" { // where all are silent nothing more is read
						w.mustTell(t, "level=WARN", "last commit failed: what was handled since the one before is handled again", "member=m1")
					}
					w.mustTell(t, "level=WARN", "the group was not told that this member goes", "member=m1")
					w.Join()
					w.Sleep(20 * time.Minute)
				}, func(*History, *Report) {
					most := s.Config.Drain + 21*time.Second // for the last commit, its goroutines and clients, and the group
					if delivery == consumer.ExactlyOnceRouting {
						most += 10 * time.Second
					}
					if took > most {
						t.Errorf("the member took %v to end, want %v at most", took, most)
					}
				})
			})
		}
	}
}

// TestDeadMembersLeaveNothingBehind ends members whose network is gone: none may leave a goroutine behind, or the bubble that they
// ran in does not end.
func TestDeadMembersLeaveNothingBehind(t *testing.T) {
	run(t, Setup{Config: consumer.Config{SessionTimeout: 12 * time.Second, HandlerTimeout: 5 * time.Second, Drain: 7 * time.Second}}, func(w *World) {
		for range 300 { // one in some hundreds would
			m := w.Join()
			w.Sleep(time.Second)
			m.Crash()
		}
	})
}

// TestCopiesOfNewPartitionsAreWrittenSoon grows the source of a member that has written copies: the client that does so knows its topics as they were, until
// it is made to look, and refuses those of new partitions by itself.
func TestCopiesOfNewPartitionsAreWrittenSoon(t *testing.T) {
	for _, delivery := range []consumer.Delivery{consumer.AtLeastOnce, consumer.ExactlyOnceRouting} {
		t.Run(fmt.Sprint(delivery), func(t *testing.T) {
			run(t, Setup{Config: consumer.Config{Delivery: delivery, Breaker: breaker.Config{Disabled: true}}}, func(w *World) {
				m := w.Join()
				failing(w, 30)
				w.Sleep(time.Minute)
				w.Grow("orders", 5)
				r := &Record{Partition: 4, Key: []byte("new"), Fate: Fate{Kind: Fail, Times: 1}}
				w.Produce(r)
				m.mustMeasureWithin(t, time.Minute, "redeliver_paused", "reason=topic")
				w.Sleep(4 * time.Minute)
				if n := logbook.Of(w.Log()).Count("level=INFO", "topics made"); n < 2 {
					t.Errorf("it is told %d times that topics were made, want at the start and when the source had grown", n)
				}
				w.mustNotAlarm(t)
				calls := w.Calls(r)
				if len(calls) != 2 {
					t.Fatalf("%d calls, want 2", len(calls))
				}
				if waited := calls[1].Start.At.Sub(calls[0].End.At); waited > 5*time.Second {
					t.Errorf("the retry came %v after the failure, over a tier of a second", waited)
				}
			})
		})
	}
}

// TestWhatAnEndedMemberIsGivenNobodyHas has the recorder forget a member whose process has ended, and which the fake broker has forgotten at the
// same moment: nothing of what it was given could be prompt until then, whoever of the two was first.
func TestWhatAnEndedMemberIsGivenNobodyHas(t *testing.T) {
	var given, forgotten time.Time
	run(t, Setup{}, func(w *World) {
		w.Join()
		w.Sleep(10 * time.Minute) // after the join, which disturbs, too
		forgotten = time.Now()
		given = forgotten.Add(-w.session())
		w.rec.forget(&kfake.GroupMember{MemberID: "gone"}, false)
	}, func(h *History, _ *Report) {
		if !slices.ContainsFunc(h.Disturbed, func(s Span) bool { return !s.From.After(given) && !s.To.Before(forgotten) }) {
			t.Errorf("nothing is disturbed from %v to %v: %v", given, forgotten, h.Disturbed)
		}
	})
}
