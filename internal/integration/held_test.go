package integration_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/classify"
	"github.com/redeliver/redeliver/consumer"
	"github.com/redeliver/redeliver/internal/kafkatest"
	"github.com/redeliver/redeliver/retrytopics"
)

// holdingKeys makes a member hold the keys of records that are retried.
func holdingKeys(c *consumer.Config) {
	c.HoldKey, c.Delivery, c.GroupProtocol = true, consumer.ExactlyOnceRouting, consumer.Classic
}

// park names the group's park topic, by the contract.
func (b *bundle) park() string { return b.tier("park") }

// A record is retried three times while others of its key and of another come: those of its key wait in the park topic, in
// their order and untried, and run when it is dead; the other key does not notice.
func TestLaterRecordsOfAKeyWaitBehindARetry(t *testing.T) {
	t.Parallel()
	b := setup(t, 1)
	written := make(routes, 100)
	b.start(func(_ context.Context, r *consumer.Record) error {
		if string(r.Value) == "fails" {
			return errors.New("as the test says")
		}
		return nil
	}, holdingKeys, func(c *consumer.Config) { c.Hooks = []consumer.Hook{written} })
	first := record("a", "fails")
	b.produce(first)
	b.calls.await(t, "first call", func(all []call) bool { return len(all) == 1 })
	behind := []*kgo.Record{record("a", "1"), record("a", "2"), record("a", "3")}
	other := record("b", "1")
	b.produce(behind[0], other, behind[1], behind[2])
	all := b.calls.await(t, "call for everything", func(all []call) bool { return len(all) == 3+3+1 })
	var order []string
	for _, x := range all {
		if x.id != id(other) {
			order = append(order, x.id)
		} else if len(order) == 6 {
			t.Error("the record of the other key was called last, want it not to wait")
		}
	}
	want := []string{id(first), id(first), id(first), id(behind[0]), id(behind[1]), id(behind[2])}
	if !slices.Equal(order, want) {
		t.Errorf("ordered: the key's calls were for %v, want %v", order, want)
	}
	for _, x := range all[1:] {
		if x.id != id(first) && x.id != id(other) && (x.raw.Topic != b.park() || x.attempt != 1) {
			t.Errorf("%s was attempt %d from %s, want the first from %s", x.id, x.attempt, x.raw.Topic, b.park())
		}
	}
	var parked []string
	for _, r := range kafkatest.ReadAll(t, b.park()) {
		parked = append(parked, header(r.Headers, retrytopics.HeaderID)...)
	}
	if want := ids(behind); !slices.Equal(parked, want) && len(parked) > 0 { // what is done is trimmed
		t.Errorf("the park topic holds %v, want %v", parked, want)
	}
}

// A record is given up and held where it is, as its class says or since no dead letters are kept: those of its key wait behind it, also
// when another member has the partition by then, and another key does not notice. They go on, in their order, when an operator releases
// the record or skips it.
func TestKeyWaitsBehindARecordThatIsHeld(t *testing.T) {
	t.Parallel()
	for name, held := range map[string]func(*consumer.Config){
		"by its class": func(c *consumer.Config) {
			c.Classes = classify.Treatments{classify.Permanent: {Handling: classify.Hold}}
		},
		"without dead letters": func(c *consumer.Config) { c.DeadLetters.Disabled = true },
	} {
		for _, skip := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, skipped=%t", name, skip), func(t *testing.T) {
				t.Parallel()
				b := setup(t, 1)
				var p poisoned
				m := b.start(p.handle, holdingKeys, held)
				first := record("a", "poison")
				b.produce(first)
				b.awaitHeld(m, first)
				behind := []*kgo.Record{record("a", "1"), record("a", "2")}
				b.produce(behind[0], record("b", "1"), behind[1], record("b", "2"))
				b.calls.awaitCount(t, 3)
				kafkatest.AwaitTopics(t, 1, b.park())
				eventually(t, func() error {
					if n := len(kafkatest.ReadAll(t, b.park())); n != 2 {
						return fmt.Errorf("%d records are parked, want two", n)
					}
					return nil
				})
				m.stop()
				m = b.start(p.handle, holdingKeys, held)
				b.awaitHeld(m, first)
				calls := len(b.calls.soFar())
				p.cured.Store(true)
				if skip {
					if err := m.Skip(b.source, 0, first.Offset, "as the test says"); err != nil {
						t.Fatal(err)
					}
				} else if err := m.Release(b.source, 0, first.Offset); err != nil {
					t.Fatal(err)
				}
				want := ids(behind)
				if !skip {
					want = append([]string{id(first)}, want...)
				}
				var order []string
				for _, x := range b.calls.awaitCount(t, calls+len(want))[calls:] {
					order = append(order, x.id)
				}
				if !slices.Equal(order, want) {
					t.Errorf("ordered: the calls since are for %v, want %v", order, want)
				}
				b.settled(append(b.tiers(), b.park())...)
			})
		}
	}
}

// awaitHeld waits until a member holds a record that is given up, and nothing else.
func (b *bundle) awaitHeld(m *member, r *kgo.Record) {
	b.t.Helper()
	eventually(b.t, func() error {
		if held := m.Stats().Exhausted; len(held) != 1 || held[0].ID != id(r) {
			return fmt.Errorf("%v is held, want %s", held, id(r))
		}
		return nil
	})
}

// Twice two thousand records of few keys, of which one in ten fails once and one in fifty for ever; two members, which are
// processes of their own, one of which is killed with SIGKILL in the middle of it and started again, then the other. No record is
// called after one of its key that stands behind it, whatever was retried, parked or taken over.
//
// It is not parallel: it wants the processors for itself.
func TestKeyOrderOutlivesMembersThatAreKilled(t *testing.T) {
	const partitions, records, keys, window = 6, 2000, 61, 1000
	c := &crash{bundle: setup(t, partitions), dir: t.TempDir(), window: window, fates: make(map[string]string)}
	given := make(map[string][]*kgo.Record)
	process := func(name string) *process {
		log := filepath.Join(c.dir, name+".log")
		c.logs = append(c.logs, log)
		return startProcess(t, memberConfig{
			Brokers: kafkatest.Brokers(t), Group: c.group, Topic: c.source, Name: name, Log: log, Window: window, Work: 5 * time.Millisecond, HoldKey: true,
		})
	}
	first, second := process("first"), process("second")
	c.balanced(2, partitions, c.source)
	c.loadKeys(given, records, keys)
	c.awaitCalls(second, records/10)
	second.kill()
	third := process("second-again")
	c.balanced(2, partitions, c.source)
	c.loadKeys(given, records, keys)
	c.awaitCalls(third, records/10)
	first.kill()
	fourth := process("first-again")
	c.settled(append(c.tiers(), c.park())...)
	c.verifyHeld(given)
	third.stop()
	fourth.stop()
}

// loadKeys produces records of few keys, and adds them to those of each key, in their order.
func (c *crash) loadKeys(given map[string][]*kgo.Record, n, keys int) {
	c.t.Helper()
	records := make([]*kgo.Record, n)
	for i := range records {
		fate := fine
		switch {
		case i%50 == 7:
			fate = failsEver
		case i%10 == 3:
			fate = failsOnce
		}
		records[i] = record(fmt.Sprintf("key-%d", i%keys), fmt.Sprintf("%s-%d", fate, i))
	}
	c.produce(records...)
	for _, r := range records {
		fate, _, _ := strings.Cut(string(r.Value), "-")
		c.fates[id(r)] = fate
		given[string(r.Key)] = append(given[string(r.Key)], r)
	}
}

// verifyHeld holds the calls of each key to the order of its records, and all of them to their fates.
func (c *crash) verifyHeld(given map[string][]*kgo.Record) {
	t := c.t
	t.Helper()
	byID := make(map[string][]logged)
	for _, x := range c.log() {
		byID[x.ID] = append(byID[x.ID], x)
	}
	for _, key := range slices.Sorted(maps.Keys(given)) {
		var behind time.Time // when a record that stands further back was first called
		var which string
		for _, r := range slices.Backward(given[key]) {
			calls := byID[id(r)]
			if _, problem := judged(calls, c.fates[id(r)]); problem != "" {
				t.Errorf("%s (%s): %s", id(r), c.fates[id(r)], problem)
			}
			done := time.Time{} // by when it was handled the first time
			for _, x := range calls {
				if !x.Failed && (done.IsZero() || x.Began.Before(done)) {
					done = x.Began
				}
			}
			for _, x := range calls {
				repeats := !done.IsZero() && done.Before(behind)
				if !behind.IsZero() && x.Began.After(behind) && !repeats {
					t.Errorf("ordered: attempt %d of %s began %v after %s of the same key, which stands behind it", x.Attempt, x.ID, x.Began.Sub(behind), which)
				}
			}
			for _, x := range calls {
				if behind.IsZero() || x.Began.Before(behind) {
					behind, which = x.Began, x.ID
				}
			}
		}
	}
	dead := make(map[string]int)
	for _, r := range c.letters() {
		dead[header(r.Headers, retrytopics.HeaderID)[0]]++
	}
	if got, want := slices.Sorted(maps.Keys(dead)), c.ids(failsEver); !slices.Equal(got, want) {
		t.Errorf("no-loss: %d records are dead, want the %d that fail for ever", len(got), len(want))
	}
}
