package integration_test

import (
	"context"
	"fmt"
	"strconv"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/consumer"
	"github.com/redeliver/redeliver/internal/kafkatest"
)

// Transactional producers, whose transactions overlap and of which some are aborted, leave records that nobody may see
// and markers that are no records. The group handles what was committed, once, and settles to a lag of 0 although the
// partitions end with aborted records and markers.
func TestTransactionalSource(t *testing.T) {
	t.Parallel()
	const partitions, rounds = 3, 20
	b := setup(t, partitions)
	m := b.start(func(_ context.Context, r *consumer.Record) error {
		if n, _ := strconv.Atoi(string(r.Key)); n%5 == 1 && r.Attempt() == 1 {
			return errBroken
		}
		return nil
	})
	first, second := newTransactor(b, "a"), newTransactor(b, "b")
	var kept []*kgo.Record
	for round := range rounds {
		first.begin()
		second.begin()
		one := first.write(partitions, round)
		other := second.write(partitions, round)
		// Every other round each of them ends first; one in three transactions of each is aborted, the last one of both.
		ends := []func(){
			func() { kept = append(kept, first.end(one, round%3 != 1)...) },
			func() { kept = append(kept, second.end(other, round%3 == 0)...) },
		}
		ends[round%2]()
		ends[1-round%2]()
	}
	all := b.calls.awaitDone(t, len(kept))
	b.settled()
	onceEach(t, b.calls.soFar(), kept)
	neverEarly(t, all)
	eventually(t, func() error {
		for _, topic := range m.Stats().Topics {
			if topic.Backlog != 0 {
				return fmt.Errorf("Stats say that %s has a backlog of %d", topic.Topic, topic.Backlog)
			}
		}
		return nil
	})
}

// transactor is a transactional producer to the source.
type transactor struct {
	*bundle
	client *kgo.Client
	name   string
}

func newTransactor(b *bundle, name string) *transactor {
	return &transactor{b, kafkatest.Client(b.t, kgo.TransactionalID(b.source+"-"+name), kgo.RecordPartitioner(kgo.ManualPartitioner())), name}
}

func (x *transactor) begin() {
	x.t.Helper()
	if err := x.client.BeginTransaction(); err != nil {
		x.t.Fatal(err)
	}
}

// write writes two records to each partition, and waits until they are there.
func (x *transactor) write(partitions int32, round int) []*kgo.Record {
	x.t.Helper()
	var records []*kgo.Record
	for p := range partitions {
		for range 2 {
			r := record(strconv.Itoa(round), x.name)
			r.Topic, r.Partition = x.source, p
			records = append(records, r)
		}
	}
	if err := x.client.ProduceSync(x.t.Context(), records...).FirstErr(); err != nil {
		x.t.Fatal(err)
	}
	return records
}

// end ends the transaction, and returns what stays of its records.
func (x *transactor) end(records []*kgo.Record, commit bool) []*kgo.Record {
	x.t.Helper()
	how := kgo.TryAbort
	if commit {
		how = kgo.TryCommit
	}
	if err := x.client.EndTransaction(x.t.Context(), how); err != nil {
		x.t.Fatal(err)
	}
	if !commit {
		return nil
	}
	return records
}

// A compacted source has gaps where older records of a key were. They count as done.
func TestCompactedSource(t *testing.T) {
	kafkatest.RequireReal(t) // kfake compacts once an hour
	t.Parallel()
	const keys, rounds = 5, 40
	b := setup(t, 1, "cleanup.policy=compact", "segment.ms=100", "min.cleanable.dirty.ratio=0.01", "min.compaction.lag.ms=0", "max.compaction.lag.ms=100")
	produced := 0
	var kept []*kgo.Record
	for round := range rounds {
		for key := range keys {
			b.produce(record(strconv.Itoa(key), strconv.Itoa(round)))
			produced++
		}
	}
	eventually(t, func() error {
		// A new record closes the segment before it, which alone is compacted.
		b.produce(record("last", "of its segment"))
		produced++
		kept = kafkatest.ReadAll(t, b.source)
		if len(kept) > produced/2 {
			return fmt.Errorf("of %d records %d are left: the broker has not compacted yet", produced, len(kept))
		}
		return nil
	})
	b.start(func(_ context.Context, r *consumer.Record) error {
		if string(r.Key) == "1" && r.Attempt() == 1 {
			return errBroken
		}
		return nil
	})
	// What is compacted from here on is gone for good reasons: the newest record of each key is left, and is handled.
	b.settled()
	all := b.calls.soFar()
	done := doneIn(all)
	newest := make(map[string]*kgo.Record)
	for _, r := range kept {
		newest[string(r.Key)] = r
	}
	for key, r := range newest {
		if n := done[id(r)]; n != 1 {
			t.Errorf("no-loss: the newest record of key %s was handled %d times, want once", key, n)
		}
	}
	for origin, n := range done {
		if n != 1 {
			t.Errorf("bounded: %s was handled %d times, want once", origin, n)
		}
	}
	neverEarly(t, all)
	t.Logf("of %d records compaction left %d", produced, len(kept))
}
