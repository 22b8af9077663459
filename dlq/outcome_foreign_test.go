package dlq_test

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/dlq"
	"github.com/redeliver/redeliver/retrytopics"
)

// withoutTopics is a dead letter of a program that has no retry topics.
func withoutTopics(r *kgo.Record) *kgo.Record {
	r.Headers = slices.DeleteFunc(r.Headers, func(h kgo.RecordHeader) bool { return h.Key == "retry_topic-attempts" })
	return r
}

// foreignLetters writes dead letters of another program, and returns its queue.
func (b *bundle) foreignLetters(d retrytopics.Dialect, n int) *dlq.Queue {
	b.t.Helper()
	if _, err := b.admin.CreateTopic(b.ctx(), 3, 1, nil, springDLT); err != nil {
		b.t.Fatal(err)
	}
	for i := range n {
		b.produce(withoutTopics(foreignLetter(d, 0, int64(i), "closed")))
	}
	return b.openForeign()
}

// worksAs runs another program's member of a group, which reads the source, writes what it fails on to its dead letters, with the headers that it had, and
// commits, until the test ends.
func (b *bundle) worksAs(d retrytopics.Dialect, of string, fails func(*kgo.Record) bool) {
	b.t.Helper()
	b.reads(of, []string{origin}, func(r *kgo.Record) (next *kgo.Record, done bool) {
		if !fails(r) {
			return nil, true
		}
		letter := withoutTopics(foreignLetter(d, r.Partition, r.Offset, "closed"))
		letter.Headers = append(slices.Clone(r.Headers), letter.Headers...)
		return letter, true
	})
	for b.ctx().Err() == nil { // until it is there, as a program is whose dead letters are replayed
		if described, err := b.admin.DescribeGroups(b.ctx(), of); err == nil {
			if one := described[of]; one.AssignedPartitions()[origin] != nil {
				return
			}
		}
	}
}

// TestOutcomesOfForeignDeadLetters: what another program fails on again is known by the headers that it writes, and is no success.
func TestOutcomesOfForeignDeadLetters(t *testing.T) {
	t.Parallel()
	for dialect, of := range map[retrytopics.Dialect]string{retrytopics.Spring: group, retrytopics.SmallRye: group, retrytopics.ShareGroup: group, retrytopics.Connect: "connect-s3"} {
		t.Run(string(dialect), func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			q := b.foreignLetters(dialect, 12)
			b.worksAs(dialect, of, func(r *kgo.Record) bool {
				id := header(r, retrytopics.HeaderID)
				return slices.Contains([]string{"orders/0/1", "orders/0/2", "orders/0/3", "orders/0/4"}, id)
			})
			s, err := q.Replay(b.ctx(), dlq.Replay{To: dlq.Source, Canary: 5, CanaryRate: 0.5})
			if !errors.Is(err, dlq.ErrStopped) {
				t.Fatalf("canaries that fail: %v", err)
			}
			equal(t, "replayed, succeeded, failed", []int64{s.Done, s.Succeeded, s.Failed}, []int64{5, 1, 4})
			s = b.replay(q, dlq.Replay{To: dlq.Source, Wait: true})
			if want := map[retrytopics.Dialect]int64{retrytopics.SmallRye: s.Done}[dialect]; s.NoGroup != want {
				t.Errorf("%d name no group, want %d", s.NoGroup, want)
			}
			equal(t, "of the rest: replayed, succeeded, failed", []int64{s.Done, s.Succeeded, s.Failed}, []int64{11, 7, 4})
		})
	}
}

// TestOutcomesInThePipelinesDeadLetters: what goes from another program's dead letters to a tier of ours dies in our dead letters, also where their topic
// is made with the first one.
func TestOutcomesInThePipelinesDeadLetters(t *testing.T) {
	t.Parallel()
	for name, late := range map[string]bool{"there": false, "made with the first one": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			made := func() {}
			if late {
				if _, err := b.admin.DeleteTopics(b.ctx(), dead); err != nil {
					t.Fatal(err)
				}
				made = sync.OnceFunc(func() {
					if _, err := b.admin.CreateTopic(b.ctx(), 3, 1, nil, dead); err != nil {
						t.Error(err)
					}
				})
			}
			q := b.foreignLetters(retrytopics.Spring, 6)
			b.works(func(s retrytopics.State) verdict {
				if s.Offset < 2 {
					made()
					return diesLater
				}
				return succeeds
			})
			s := b.replay(q, dlq.Replay{Wait: true})
			equal(t, "replayed, succeeded, failed", []int64{s.Done, s.Succeeded, s.Failed}, []int64{6, 4, 2})
			equal(t, "in our dead letters", len(b.records(dead)), 2)
		})
	}
}

// TestWhatIsUntoldIsLeftOut: where nobody could say what becomes of an entry it is not replayed by who wants to know.
func TestWhatIsUntoldIsLeftOut(t *testing.T) {
	t.Parallel()
	b := setup(t)
	q := b.foreignLetters(retrytopics.ShareGroup, 2)
	b.produce(foreignLetter(retrytopics.Spring, 0, 5, "closed"))
	for _, dry := range []bool{true, false} {
		s := b.replay(q, dlq.Replay{To: dlq.Source, Canary: 1, DryRun: dry})
		equal(t, "replayed", s.Done, int64(0))
		equal(t, "left out for its reasons", len(s.LeftOut), 2)
		for i, says := range []string{"no member of it reads that", "retries over topics of its own"} {
			if !strings.Contains(s.LeftOut[i].Why, says) || !strings.Contains(s.LeftOut[i].Why, "without --canary") {
				t.Errorf("why: %s", s.LeftOut[i].Why)
			}
		}
	}
	equal(t, "replayed by who does not", b.replay(q, dlq.Replay{To: dlq.Source}).Done, int64(3))
}

// TestWhatDiedInThePipelinesDeadLettersIsKnown: what went from another program's dead letters to a tier of ours and died of that is counted, and stands in our
// dead letters for what it was: a replay again leaves it out, whether the headers named a group or not.
func TestWhatDiedInThePipelinesDeadLettersIsKnown(t *testing.T) {
	t.Parallel()
	for _, dialect := range []retrytopics.Dialect{retrytopics.Spring, retrytopics.SmallRye} {
		t.Run(string(dialect), func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			q := b.foreignLetters(dialect, 4)
			b.letters(2) // of our own
			var tasks []string
			dies := func(offsets ...int64) {
				for _, r := range b.records(tier1) {
					s, err := retrytopics.Decode(r)
					must(t, err)
					if slices.Contains(offsets, s.Offset) && s.Replays == len(tasks) {
						b.produce(dlq.Letter(r, s, dead, 0))
					}
				}
			}
			replay := func(r dlq.Replay, want, superseded int64) {
				t.Helper()
				r.MaxReplays = -1
				s := b.replay(q, r)
				equal(t, "replayed, superseded", []int64{s.Done, s.Superseded}, []int64{want, superseded})
				tasks = append(tasks, s.Task)
			}
			replay(dlq.Replay{}, 4, 0)
			dies(0, 1)
			died, err := q.DiedAgain(b.ctx(), tasks[0])
			must(t, err)
			equal(t, "died again", died, 2)
			equal(t, "would be replayed again", b.replay(q, dlq.Replay{Again: true, DryRun: true}).Done, 2)
			replay(dlq.Replay{Again: true}, 2, 2)
			replay(dlq.Replay{Again: true, Filter: dlq.Filter{IDs: []string{"0-1"}}}, 1, 0) // it is meant
			other := death(0, 3)                                                            // our own one of that record, which died of a replay of ours
			other.Replays, other.Replay = 1, "abcdefghijkl"
			b.produce(letter(other))
			if died, err = q.DiedAgain(b.ctx(), tasks[1]); err != nil || died != 0 {
				t.Errorf("%d died of the second one, %v", died, err)
			}
		})
	}
}
