package dlq_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/redeliver/redeliver/dlq"
	"github.com/redeliver/redeliver/retrytopics"
)

// largeLetters writes n dead letters of a partition that no compression makes small, in batches of fifty, and returns them by id.
func (b *bundle) largeLetters(partition int32, n int) map[string]*kgo.Record {
	b.t.Helper()
	random := rand.New(rand.NewPCG(uint64(partition), 0))
	written := make(map[string]*kgo.Record)
	var batch []*kgo.Record
	for i := range n {
		s := death(partition, int64(i))
		s.Error = fmt.Sprintf("failure %d of %d", random.Uint64(), i)
		value := make([]byte, 400+random.IntN(1200))
		for at := range value {
			value[at] = byte(random.Uint32())
		}
		r := letter(s)
		r.Value = value
		written[s.ID], batch = r, append(batch, r)
		if len(batch) == 50 || i == n-1 {
			b.produce(batch...)
			batch = nil
		}
	}
	return written
}

// A replay reads into the memory that it has written from: whatever it is that stands there next, each copy is that of its letter.
func TestReplayReadsIntoTheSameMemory(t *testing.T) {
	t.Parallel()
	b := setup(t)
	const each = 1200
	letters := make(map[string]*kgo.Record)
	for partition := range int32(3) {
		for id, r := range b.largeLetters(partition, each) {
			letters[id] = r
		}
	}
	s := b.replay(b.open(dlq.SmallBatches(40)), dlq.Replay{})
	equal(t, "replayed", s.Done, 3*each)
	for _, r := range b.records(tier1) {
		id := header(r, retrytopics.HeaderID)
		want := letters[id]
		if want == nil {
			t.Fatalf("%s was replayed twice, or never died", id)
		}
		delete(letters, id)
		sameBytes(t, id+": key", r.Key, want.Key)
		sameBytes(t, id+": value", r.Value, want.Value)
		for _, h := range want.Headers {
			if slices.Contains([]string{"trace", retrytopics.HeaderError, retrytopics.HeaderOriginOffset, retrytopics.HeaderHistory}, h.Key) {
				equal(t, id+": "+h.Key, header(r, h.Key), string(h.Value))
			}
		}
	}
	equal(t, "letters that were not replayed", len(letters), 0)
	equal(t, "marks", len(b.entries(b.open(), dlq.Filter{Status: []dlq.Status{dlq.StatusReplayed}})), 3*each)
}

// What is written ahead waits for more a moment only: while the dead letters are not to be read its transaction would keep those up who read the tier.
func TestTransactionDoesNotWaitForDeadLettersThatAreNotToBeRead(t *testing.T) {
	t.Parallel()
	b := setup(t)
	const letters = 600
	b.largeLetters(0, letters)
	released := make(chan struct{})
	b.cluster.ControlKey(kmsg.Fetch.Int16(), func(req kmsg.Request) (kmsg.Response, error, bool) {
		b.cluster.KeepControl()
		asked := req.(*kmsg.FetchRequest)
		if len(asked.Topics) == 1 && len(asked.Topics[0].Partitions) == 1 && asked.Topics[0].Partitions[0].FetchOffset > 0 {
			b.cluster.SleepControl(func() { <-released })
		}
		return nil, nil, false
	})
	ended := make(chan dlq.Summary, 1)
	go func() {
		s, err := b.open(dlq.SmallBatches(letters)).Replay(b.ctx(), dlq.Replay{})
		if err != nil {
			t.Error(err)
		}
		ended <- s
	}()
	release := sync.OnceFunc(func() { close(released) })
	defer release()
	ctx, ticks := b.ctx(), time.NewTicker(10*time.Millisecond)
	defer ticks.Stop()
	for committed := int64(0); committed == 0; <-ticks.C {
		ends, err := b.admin.ListCommittedOffsets(ctx, tier1)
		if err != nil {
			t.Fatal(err)
		}
		committed = ends[tier1][0].Offset
	}
	release()
	equal(t, "replayed", (<-ended).Done, letters)
	equal(t, "in the tier", len(b.records(tier1)), letters)
}
