package dlq_test

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/classify"
	"github.com/redeliver/redeliver/dlq"
	"github.com/redeliver/redeliver/retrytopics"
)

// The names of every test: group shop reads topic orders.
const (
	group  = "shop"
	origin = "orders"
	dead   = "shop.orders.dlq"
	tier1  = "shop.orders.retry-1s"
)

// bundle is a cluster with the topics of a group that reads orders.
type bundle struct {
	t       testing.TB
	cluster *kfake.Cluster
	client  *kgo.Client
	admin   *kadm.Client
}

func setup(t testing.TB, options ...kfake.Opt) *bundle {
	t.Helper()
	const partitions = 3
	cluster, err := kfake.NewCluster(append([]kfake.Opt{
		kfake.NumBrokers(3),
		kfake.SeedTopics(partitions, origin, dead, tier1, "shop.orders.retry-10s"),
	}, options...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	b := &bundle{t: t, cluster: cluster}
	b.client = b.connect()
	b.admin = kadm.NewClient(b.client)
	return b
}

func (b *bundle) connect() *kgo.Client {
	b.t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(b.cluster.ListenAddrs()...), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerLinger(0), kgo.MetadataMinAge(50*time.Millisecond))
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(client.Close)
	return client
}

func (b *bundle) ctx() context.Context {
	ctx, cancel := context.WithTimeout(b.t.Context(), time.Minute)
	b.t.Cleanup(cancel)
	return ctx
}

// open opens the queue through a client of its own, as another process would.
func (b *bundle) open(options ...dlq.Option) *dlq.Queue {
	b.t.Helper()
	q, err := dlq.Open(b.connect(), dead, append([]dlq.Option{dlq.ForGroup(group)}, options...)...)
	if err != nil {
		b.t.Fatal(err)
	}
	return q
}

func (b *bundle) produce(records ...*kgo.Record) {
	b.t.Helper()
	if err := b.client.ProduceSync(b.ctx(), records...).FirstErr(); err != nil {
		b.t.Fatal(err)
	}
}

// death is the state of a record that died.
func death(partition int32, offset int64) retrytopics.State {
	return retrytopics.State{
		ID:        retrytopics.FormatID("", origin, partition, offset),
		Topic:     origin,
		Partition: partition,
		Offset:    offset,
		Timestamp: time.UnixMilli(1_700_000_000_000 + offset),
		Group:     group,
		Attempt:   4,
		Class:     classify.Network,
		Error:     "syscall.Errno: connection refused",
		History:   []retrytopics.Try{{N: 1, At: 1_700_000_000_000, Ms: 3, Class: "network", Error: "connection refused"}},
		Reason:    retrytopics.ReasonExhausted,
	}
}

// letter is the dead letter of a state, with a payload that says which one it is.
func letter(s retrytopics.State) *kgo.Record {
	return dlq.Letter(&kgo.Record{
		Key:     []byte(fmt.Sprintf("key-%d", s.Offset)),
		Value:   []byte("payload of " + s.ID),
		Headers: []kgo.RecordHeader{{Key: "trace", Value: []byte(s.ID)}},
	}, s, dead, 0)
}

// letters writes n dead letters, spread over the partitions.
func (b *bundle) letters(n int) {
	b.t.Helper()
	records := make([]*kgo.Record, n)
	for i := range records {
		records[i] = letter(death(int32(i%3), int64(i/3)))
	}
	b.produce(records...)
}

// records reads a topic as an independent reader with read_committed, up to its end.
func (b *bundle) records(topic string) []*kgo.Record {
	b.t.Helper()
	ends, err := b.admin.ListCommittedOffsets(b.ctx(), topic)
	if err != nil {
		b.t.Fatal(err)
	}
	starts, err := b.admin.ListStartOffsets(b.ctx(), topic)
	if err != nil {
		b.t.Fatal(err)
	}
	left := make(map[int32]int64)
	offsets := make(map[int32]kgo.Offset)
	for p, end := range ends[topic] {
		if start := starts[topic][p].Offset; start < end.Offset {
			left[p], offsets[p] = end.Offset, kgo.NewOffset().At(start)
		}
	}
	reader, err := kgo.NewClient(kgo.SeedBrokers(b.cluster.ListenAddrs()...), kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: offsets}), kgo.KeepControlRecords(), kgo.FetchMaxWait(100*time.Millisecond))
	if err != nil {
		b.t.Fatal(err)
	}
	defer reader.Close()
	var records []*kgo.Record
	for len(left) > 0 {
		fetches := reader.PollFetches(b.ctx())
		if err := fetches.Err(); err != nil {
			b.t.Fatal(err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			if r.Offset+1 >= left[r.Partition] {
				delete(left, r.Partition)
			}
			if !r.Attrs.IsControl() {
				records = append(records, r)
			}
		})
	}
	return records
}

// ids are the ids that the records of a topic carry, sorted.
func (b *bundle) ids(topic string) []string {
	b.t.Helper()
	var ids []string
	for _, r := range b.records(topic) {
		ids = append(ids, header(r, retrytopics.HeaderID))
	}
	slices.Sort(ids)
	return ids
}

func header(r *kgo.Record, key string) string {
	for _, h := range r.Headers {
		if h.Key == key {
			return string(h.Value)
		}
	}
	return ""
}

// originIDs are the ids of the first n letters, sorted.
func originIDs(n int) []string {
	ids := make([]string, n)
	for i := range ids {
		ids[i] = death(int32(i%3), int64(i/3)).ID
	}
	slices.Sort(ids)
	return ids
}

func (b *bundle) entries(q *dlq.Queue, f dlq.Filter) []dlq.Entry {
	b.t.Helper()
	var entries []dlq.Entry
	for e, err := range q.Entries(b.ctx(), f) {
		if err != nil {
			b.t.Fatal(err)
		}
		entries = append(entries, e)
	}
	return entries
}

func (b *bundle) replay(q *dlq.Queue, r dlq.Replay) dlq.Summary {
	b.t.Helper()
	summary, err := q.Replay(b.ctx(), r)
	if err != nil {
		b.t.Fatalf("replay: %v (after %+v)", err, summary)
	}
	return summary
}

func equal[T any](t testing.TB, what string, got, want T) {
	t.Helper()
	if g, w := fmt.Sprintf("%v", got), fmt.Sprintf("%v", want); g != w {
		t.Errorf("%s: got %s, want %s", what, g, w)
	}
}

func sameBytes(t testing.TB, what string, got, want []byte) {
	t.Helper()
	if !bytes.Equal(got, want) || (got == nil) != (want == nil) {
		t.Errorf("%s: got %q, want %q", what, got, want)
	}
}
