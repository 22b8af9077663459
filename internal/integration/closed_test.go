package integration_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/classify"
	"github.com/redeliver/redeliver/consumer"
	"github.com/redeliver/redeliver/dlq"
	"github.com/redeliver/redeliver/internal/kafkatest"
	"github.com/redeliver/redeliver/retrytopics"
)

// closingKeys makes a member keep keys closed behind their dead letters.
func closingKeys(c *consumer.Config) {
	holdingKeys(c)
	c.OnDeadLetter = consumer.HoldOnDeadLetter
}

// poisoned handles everything but records with the value poison, which die until it is cured.
type poisoned struct{ cured atomic.Bool }

func (p *poisoned) handle(_ context.Context, r *consumer.Record) error {
	if string(r.Value) == "poison" && !p.cured.Load() {
		return classify.Mark(errors.New("as the test says"), classify.Permanent)
	}
	return nil
}

// heldQueue opens the dead letters as an operator's command does where keys are held.
func (b *bundle) heldQueue() *dlq.Queue {
	b.t.Helper()
	q, err := dlq.Open(kafkatest.Client(b.t, kgo.RecordPartitioner(kgo.ManualPartitioner())), b.dlq(), dlq.ForGroup(b.group), dlq.KeysAreHeld(),
		dlq.FirstTier(func(string) string { return b.tier("200ms") }))
	if err != nil {
		b.t.Fatal(err)
	}
	return q
}

// openLetters are the entries that are still to be dealt with.
func (b *bundle) openLetters() (open []dlq.Entry) {
	b.t.Helper()
	for e, err := range b.heldQueue().Entries(b.t.Context(), dlq.Filter{}) {
		if err != nil {
			b.t.Fatal(err)
		}
		open = append(open, e)
	}
	return open
}

// awaitLetters waits until the dead letters are those of these records, in their order.
func (b *bundle) awaitLetters(want ...*kgo.Record) {
	b.t.Helper()
	kafkatest.AwaitTopics(b.t, 1, b.dlq())
	eventually(b.t, func() error {
		var got []string
		for _, r := range b.letters() {
			got = append(got, header(r.Headers, retrytopics.HeaderID)...)
		}
		if !slices.Equal(got, ids(want)) {
			return fmt.Errorf("the dead letters are %v, want %v", got, ids(want))
		}
		return nil
	})
}

// awaitClosed waits until the members keep so many keys closed.
func (m *member) awaitClosed(t testing.TB, keys int) {
	t.Helper()
	eventually(t, func() error {
		if s := m.Stats().HeldKeys; s.Closed != keys || s.Reading > 0 {
			return fmt.Errorf("%d keys are closed and %d partitions are read, want %d and none", s.Closed, s.Reading, keys)
		}
		return nil
	})
}

// A record dies: those behind it and those that come later follow it, untried and in their order, also when another member has the
// partition by then; another key does not notice. When all are replayed they run in the order of their origin, and the key is open.
func TestKeyIsClosedBehindItsDeadLetters(t *testing.T) {
	t.Parallel()
	b := setup(t, 1)
	var p poisoned
	m := b.start(p.handle, closingKeys)
	all := []*kgo.Record{record("a", "poison"), record("a", "1"), record("a", "2"), record("a", "3")}
	other := record("b", "1")
	b.produce(all[0], all[1], other, all[2])
	b.awaitLetters(all[:3]...)
	m.awaitClosed(t, 1)
	m.awaitMetric(t, "redeliver_held_keys", "state=closed")
	m.stop()

	m = b.start(p.handle, closingKeys)
	b.produce(all[3])
	b.awaitLetters(all...)
	letters := b.letters()
	var reasons []string
	for _, r := range letters {
		reasons = append(reasons, header(r.Headers, retrytopics.HeaderReason)...)
	}
	if want := []string{"not_retriable", "behind", "behind", "behind"}; !slices.Equal(reasons, want) {
		t.Errorf("the reasons are %v, want %v", reasons, want)
	}
	if calls := b.calls.soFar(); len(calls) != 2 {
		t.Errorf("honest-attempts: %d calls were made, want one each for %s and %s", len(calls), id(all[0]), id(other))
	}

	p.cured.Store(true)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if summary, err := b.heldQueue().Replay(ctx, dlq.Replay{}); err != nil || summary.Done != 4 || summary.Partly() {
		t.Fatalf("replay: %v, %+v", err, summary)
	}
	m.awaitClosed(t, 0)
	last := record("a", "last")
	b.produce(last)
	var order []string
	for _, x := range b.calls.awaitCount(t, 7)[2:] {
		order = append(order, x.id)
	}
	if want := append(ids(all), id(last)); !slices.Equal(order, want) {
		t.Errorf("ordered: the calls after the replay were for %v, want %v", order, want)
	}
	b.settled(append(b.tiers(), b.park())...)
}

// A dead letter was replayed, and so was what had died of it. It is replayed again, and dies: that is another dead letter, which everybody
// sees, also whoever has the partition next, and its key opens when it is dealt with.
func TestKeyIsClosedBehindALetterThatWasReplayedAgain(t *testing.T) {
	t.Parallel()
	b := setup(t, 1)
	var p poisoned
	m := b.start(p.handle, closingKeys)
	dead := record("a", "poison")
	b.produce(dead)
	b.awaitLetters(dead)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	replay := func(r dlq.Replay) {
		t.Helper()
		if summary, err := b.heldQueue().Replay(ctx, r); err != nil || summary.Done != 1 || summary.Partly() {
			t.Fatalf("replay: %v, %+v", err, summary)
		}
	}
	first := dlq.Filter{IDs: []string{b.openLetters()[0].ID()}}
	replay(dlq.Replay{})
	b.awaitLetters(dead, dead)
	p.cured.Store(true)
	replay(dlq.Replay{})
	m.awaitClosed(t, 0)
	b.calls.awaitCount(t, 3)
	p.cured.Store(false)

	replay(dlq.Replay{Again: true, Filter: first})
	b.awaitLetters(dead, dead, dead)
	m.awaitClosed(t, 1)
	m.stop()
	m = b.start(p.handle, closingKeys)
	m.awaitClosed(t, 1)
	later := record("a", "later")
	b.produce(later)
	b.awaitLetters(dead, dead, dead, later)
	p.cured.Store(true)
	if summary, err := b.heldQueue().Replay(ctx, dlq.Replay{}); err != nil || summary.Done != 2 || summary.Partly() {
		t.Fatalf("replay: %v, %+v", err, summary)
	}
	m.awaitClosed(t, 0)
	all := b.calls.awaitCount(t, 6)
	if got, want := []string{all[4].id, all[5].id}, ids([]*kgo.Record{dead, later}); !slices.Equal(got, want) {
		t.Errorf("ordered: the last calls were for %v, want %v", got, want)
	}
}

// A dead letter is discarded, by somebody whose clock is an hour behind, and its record dies once more since the offsets of its group are reset: it is open again
// and closes its key, as whoever looks sees, and whoever has the partition next.
func TestKeyIsClosedBehindWhatFailsAnew(t *testing.T) {
	t.Parallel()
	b := setup(t, 1)
	var p poisoned
	m := b.start(p.handle, closingKeys)
	dead := record("a", "poison")
	b.produce(dead)
	b.awaitLetters(dead)
	m.awaitClosed(t, 1)
	of := b.openLetters()[0]
	mark := &kgo.Record{
		Topic: dlq.LedgerTopic(b.dlq()), Key: []byte(base64.RawURLEncoding.EncodeToString(of.TopicID[:]) + "/0/0"),
		Value: fmt.Appendf(nil, `{"v":1,"status":"discarded","at":%d,"by":"ann","run":"a-run","id":%q,"group":%q,"born":%d,"seen":1,"until":%d}`,
			time.Now().Add(-time.Hour).UnixMilli(), of.State.ID, b.group, dlq.BirthOf(&of.State), of.State.FirstFailed.UnixMilli()),
	}
	kafkatest.ProduceTo(t, mark)
	m.awaitClosed(t, 0)
	m.stop()

	offsets := kadm.Offsets{}
	offsets.AddOffset(b.source, 0, 0, -1)
	if err := kafkatest.Admin(t).CommitAllOffsets(t.Context(), b.group, offsets); err != nil {
		t.Fatal(err)
	}
	m = b.start(p.handle, closingKeys)
	b.awaitLetters(dead, dead)
	m.awaitClosed(t, 1)
	other := record("z", "poison")
	b.produce(other)
	b.awaitLetters(dead, dead, other)
	m.awaitClosed(t, 2)
	again := &kgo.Record{Topic: mark.Topic, Key: mark.Key, Value: mark.Value}
	kafkatest.ProduceTo(t, again) // it is of before, whenever it is read
	if _, err := b.heldQueue().Discard(t.Context(), dlq.Discard{Filter: dlq.Filter{Key: other.Key}, Reason: "as the test says"}); err != nil {
		t.Fatal(err)
	}
	m.awaitClosed(t, 1)
	m.stop()
	m = b.start(p.handle, closingKeys)
	m.awaitClosed(t, 1)
	later := record("a", "later")
	b.produce(later)
	b.awaitLetters(dead, dead, other, later)
	if all := b.openLetters(); len(all) != 2 || !all[0].FailedAnew() || all[0].Mark.By != "ann" || all[1].FailedAnew() {
		t.Errorf("to be dealt with are %+v, want what failed anew and what is behind it", all)
	}
	b.discardAll()
	m.awaitClosed(t, 0)
	last := record("a", "last")
	b.produce(last)
	if got := b.calls.awaitCount(t, 4)[3].id; got != id(last) {
		t.Errorf("the last call was for %s, want %s", got, id(last))
	}
}

// A member finds more open dead letters than it has memory for. Those of few keys it need not know one by one: other keys are handled by
// and by, and all that are replayed run in the order of their origin. Of more keys than it may know it starts nothing, and says so, until
// enough of them were dealt with.
func TestMoreDeadLettersThanFitIntoMemory(t *testing.T) {
	t.Parallel()
	const window, letters = 10, 400 // and 16 windows of keys are remembered
	small := func(c *consumer.Config) { c.Window.Records = window }
	for name, keys := range map[string]int{"few keys": 3, "many keys": letters} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, 1)
			var p poisoned
			m := b.start(p.handle, holdingKeys)
			var dead []*kgo.Record
			for i := range letters {
				dead = append(dead, record(fmt.Sprint("key-", i%keys), "poison"))
			}
			b.produce(dead...)
			kafkatest.AwaitTopics(t, 1, b.dlq())
			eventually(t, func() error {
				if n := len(b.letters()); n != letters {
					return fmt.Errorf("%d are dead, want %d", n, letters)
				}
				return nil
			})
			m.stop()
			m = b.start(p.handle, closingKeys, small)
			eventually(t, func() error {
				if s := m.Stats(); s.HeldKeys.Reading > 0 || s.HeldKeys.Dead != letters || s.Paused[consumer.PauseHoldKeyFull] == 0 {
					return fmt.Errorf("%+v, and paused %v, want %d dead letters and a pause for them", s.HeldKeys, s.Paused, letters)
				}
				return nil
			})
			if closed := m.Stats().HeldKeys.Closed; closed > 16*window || keys <= 16*window && closed != keys {
				t.Errorf("bounded: %d keys are remembered of %d", closed, keys)
			}
			if keys > 16*window {
				b.awaitLog("level=ERROR", "more keys are closed behind dead letters than there is memory for")
			}
			m.awaitMetric(t, "redeliver_paused", "reason=hold_key_full")
			other := record("other", "1")
			b.produce(other)
			p.cured.Store(true)
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			if summary, err := b.heldQueue().Replay(ctx, dlq.Replay{}); err != nil || summary.Done != letters || summary.Partly() {
				t.Fatalf("replay: %v, %+v", err, summary)
			}
			m.awaitClosed(t, 0)
			last := make(map[string]int64)
			for _, x := range b.calls.awaitCount(t, 2*letters+1)[letters:] {
				if offset := x.record.Offset; offset < last[string(x.record.Key)] {
					t.Errorf("ordered: %s of the key %s was called after %d", x.id, x.record.Key, last[string(x.record.Key)])
				} else {
					last[string(x.record.Key)] = offset
				}
			}
			b.settled(append(b.tiers(), b.park())...)
		})
	}
}

// An operator discards the dead letters of a key while its member runs: what comes next is handled.
func TestKeyOpensWhenItsDeadLettersAreDiscarded(t *testing.T) {
	t.Parallel()
	b := setup(t, 1)
	var p poisoned
	m := b.start(p.handle, closingKeys)
	dead := []*kgo.Record{record("a", "poison"), record("a", "1")}
	b.produce(dead...)
	b.awaitLetters(dead...)
	b.discardAll()
	m.awaitClosed(t, 0)
	b.produce(record("a", "2"))
	b.calls.await(t, "call for the next", func(all []call) bool { return len(all) == 2 })
}

func (b *bundle) discardAll() {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), patience)
	defer cancel()
	if _, err := b.heldQueue().Discard(ctx, dlq.Discard{Reason: "as the test says"}); err != nil {
		b.t.Fatal(err)
	}
}

// Somebody deletes the ledger, or the dead letters, while keys are closed. The partition stands still until the topic is made again;
// without the ledger nobody knows of a mark, and the key is closed; without the dead letters there is nothing that it is closed behind.
func TestTopicOfClosedKeysIsDeleted(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		topic  func(*bundle) string
		closed int
	}{
		"ledger":       {func(b *bundle) string { return dlq.LedgerTopic(b.dlq()) }, 1},
		"dead letters": {(*bundle).dlq, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, 1)
			var p poisoned
			m := b.start(p.handle, closingKeys)
			dead := []*kgo.Record{record("a", "poison"), record("a", "1")}
			b.produce(dead...)
			b.awaitLetters(dead...)
			deleteTopic(t, test.topic(b))
			kafkatest.AwaitTopics(t, 1, test.topic(b))
			if test.closed == 0 {
				b.awaitLog("level=ERROR", "deleted and made again", test.topic(b))
			} else {
				b.awaitLog("level=WARN", "cannot read which keys are held", test.topic(b))
				m.awaitMetric(t, "redeliver_faults", "doing=held") // is told of for a while
			}
			m.awaitClosed(t, test.closed)
			follower := record("a", "2")
			b.produce(record("b", "1"), follower)
			b.calls.await(t, "calls for the others", func(all []call) bool { return len(all) == 3-test.closed })
			if test.closed > 0 {
				b.awaitLetters(append(dead, follower)...)
				b.discardAll()
				m.awaitClosed(t, 0)
				b.produce(record("a", "3"))
				b.calls.await(t, "call for the next", func(all []call) bool { return len(all) == 3 })
			}
		})
	}
}

// A member may not read the dead letters, or the ledger, when it is assigned its partitions: nothing is started, for it cannot know which keys
// are closed, and that is told. It goes on when it may.
func TestDeadLettersMayNotBeRead(t *testing.T) {
	t.Parallel()
	for name, topic := range map[string]func(*bundle) string{
		"ledger":       func(b *bundle) string { return dlq.LedgerTopic(b.dlq()) },
		"dead letters": (*bundle).dlq,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, 1)
			var p poisoned
			m, _, _ := b.closes(&p)
			m.stop()
			allow := kafkatest.Deny(t, kadm.OpRead, topic(b))
			m = b.start(p.handle, closingKeys)
			b.produce(record("b", "1"), record("a", "1"))
			b.awaitLog("level=WARN", "cannot read which keys are held", "TOPIC_AUTHORIZATION_FAILED")
			m.awaitMetric(t, "redeliver_unread_keys_partitions")
			m.awaitMetric(t, "redeliver_faults", "doing=held")
			if n := len(b.calls.soFar()); n != 2 {
				t.Errorf("ordered: %d calls were made, want the first two alone", n)
			}
			allow()
			b.calls.await(t, "call for the other key", func(all []call) bool { return len(all) == 3 })
			m.awaitClosed(t, 1)
		})
	}
}

// closes starts a member with a key that is closed behind a dead letter, and a ledger that is not empty, which would be known without
// reading it: another dead letter was discarded before.
func (b *bundle) closes(p *poisoned) (m *member, gone, dead *kgo.Record) {
	b.t.Helper()
	m = b.start(p.handle, closingKeys)
	gone, dead = record("z", "poison"), record("a", "poison")
	b.produce(gone)
	b.awaitLetters(gone)
	b.discardAll()
	b.produce(dead)
	b.awaitLetters(gone, dead)
	m.awaitClosed(b.t, 1)
	return m, gone, dead
}

// A mark comes to the ledger that nobody can read, as of a newer release: it is told, and the keys stay as they are.
func TestADamagedMarkIsTold(t *testing.T) {
	t.Parallel()
	b := setup(t, 1)
	var p poisoned
	m, gone, dead := b.closes(&p)
	ledger := dlq.LedgerTopic(b.dlq())
	key := kafkatest.ReadAll(t, ledger)[0].Key
	kafkatest.ProduceTo(t, &kgo.Record{Topic: ledger, Key: append(key, "0"...), Value: []byte(`{"v":1,"status":"mislaid"}`)})
	b.awaitLog("level=WARN", "a mark of the ledger cannot be read", "mislaid")
	m.awaitClosed(t, 1)
	behind := record("a", "1")
	b.produce(behind)
	b.awaitLetters(gone, dead, behind)
	m.mustBeReady(t)
}

// A member may not read the ledger any more while it has partitions: what it knows of closed keys stands, other keys go on, and it learns of
// what was discarded when it may read again.
func TestTheLedgerMayNotBeReadAnyMore(t *testing.T) {
	t.Parallel()
	b := setup(t, 1)
	var p poisoned
	m, gone, dead := b.closes(&p)
	allow := kafkatest.Deny(t, kadm.OpRead, dlq.LedgerTopic(b.dlq()))
	b.awaitLog("level=WARN", "cannot read which keys are held", "TOPIC_AUTHORIZATION_FAILED")
	m.awaitMetric(t, "redeliver_faults", "doing=held")
	behind := record("a", "1")
	b.produce(record("b", "1"), behind)
	b.calls.await(t, "call for the other key", func(all []call) bool { return len(all) == 3 })
	b.awaitLetters(gone, dead, behind)
	allow()
	b.discardAll()
	m.awaitClosed(t, 0)
	b.produce(record("a", "2"))
	b.calls.await(t, "call for the key that is open again", func(all []call) bool { return len(all) == 4 })
}
