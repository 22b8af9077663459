package kafkatest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Client returns a client of the broker that is closed after the test. Options come after ours, which are the address,
// no linger, quick retries and young metadata.
func Client(t testing.TB, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	ours := []kgo.Opt{
		kgo.SeedBrokers(Brokers(t)...),
		kgo.ProducerLinger(0),
		// A topic that a broker does not know yet is asked for again soon, not in 5 s out of the client's cache.
		kgo.MetadataMinAge(20 * time.Millisecond),
		kgo.RetryBackoffFn(func(int) time.Duration { return 50 * time.Millisecond }),
		// One of several brokers may hear of a topic long after the one that was asked whether it is there.
		kgo.UnknownTopicRetries(100),
	}
	client, err := kgo.NewClient(append(ours, opts...)...)
	if err != nil {
		t.Fatalf("kafkatest: %v", err)
	}
	t.Cleanup(client.Close)
	return client
}

// Admin returns a client for administration that is closed after the test.
func Admin(t testing.TB) *kadm.Client {
	t.Helper()
	return kadm.NewClient(Client(t))
}

// Produce writes the records, with acknowledgement of all replicas, and fills in their partitions and offsets. Keys say
// the partition as they do everywhere in Kafka.
func Produce(t testing.TB, records ...*kgo.Record) {
	t.Helper()
	produce(t, Client(t), records)
}

// ProduceTo writes the records to the partitions that they name.
func ProduceTo(t testing.TB, records ...*kgo.Record) {
	t.Helper()
	produce(t, Client(t, kgo.RecordPartitioner(kgo.ManualPartitioner())), records)
}

func produce(t testing.TB, client *kgo.Client, records []*kgo.Record) {
	t.Helper()
	defer client.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	if err := client.ProduceSync(ctx, records...).FirstErr(); err != nil {
		t.Fatalf("kafkatest: producing: %v", err)
	}
}

// readWithin is how long ReadAll waits for a next record, all of which are there already.
const readWithin = 30 * time.Second

// ReadAll returns what the topics hold now, by topic, partition and offset, as a consumer with isolation read_committed
// sees it: it waits for transactions that are not ended yet. Topics must exist.
func ReadAll(t testing.TB, topics ...string) []*kgo.Record {
	t.Helper()
	from, until := bounds(t, topics)
	if len(from) == 0 {
		return nil
	}
	// Control records show how far a partition is read whose last offsets are a transaction's end.
	client := Client(t, kgo.ConsumePartitions(from), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords())
	defer client.Close()

	var records []*kgo.Record
	for len(until) > 0 {
		ctx, cancel := context.WithTimeout(t.Context(), readWithin)
		fetches := client.PollFetches(ctx)
		cancel()
		if err := fetches.Err(); err != nil {
			t.Fatalf("kafkatest: reading %v, with %v still to reach after %d records: %v", topics, until, len(records), err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			at := place{r.Topic, r.Partition}
			end, reading := until[at]
			if reading && r.Offset < end && !r.Attrs.IsControl() {
				records = append(records, r)
			}
			if r.Offset >= end-1 {
				delete(until, at)
			}
		})
	}
	slices.SortFunc(records, func(a, b *kgo.Record) int {
		return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition), cmp.Compare(a.Offset, b.Offset))
	})
	return records
}

// place is a partition of a topic.
type place struct {
	topic     string
	partition int32
}

func (p place) String() string { return fmt.Sprintf("%s/%d", p.topic, p.partition) }

// bounds returns where each partition that holds something begins and ends.
func bounds(t testing.TB, topics []string) (map[string]map[int32]kgo.Offset, map[place]int64) {
	t.Helper()
	admin := Admin(t)
	defer admin.Close()
	starts, err := admin.ListStartOffsets(t.Context(), topics...)
	if err == nil {
		err = starts.Error()
	}
	if err != nil {
		t.Fatalf("kafkatest: start offsets of %v: %v", topics, err)
	}
	ends, err := admin.ListEndOffsets(t.Context(), topics...)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		t.Fatalf("kafkatest: end offsets of %v: %v", topics, err)
	}
	from, until := make(map[string]map[int32]kgo.Offset), make(map[place]int64)
	ends.Each(func(end kadm.ListedOffset) {
		start, ok := starts.Lookup(end.Topic, end.Partition)
		if !ok || start.Offset >= end.Offset {
			return
		}
		if from[end.Topic] == nil {
			from[end.Topic] = make(map[int32]kgo.Offset)
		}
		from[end.Topic][end.Partition] = kgo.NewOffset().At(start.Offset)
		until[place{end.Topic, end.Partition}] = end.Offset
	})
	return from, until
}

// Committed returns what the group has committed, by topic and partition: the next offset to read. A group that has
// committed nothing, or is not there, has none.
func Committed(t testing.TB, group string) map[string]map[int32]int64 {
	t.Helper()
	admin := Admin(t)
	defer admin.Close()
	offsets, err := admin.FetchOffsets(t.Context(), group)
	if err == nil {
		err = offsets.Error()
	}
	if err != nil && !errors.Is(err, kerr.GroupIDNotFound) {
		t.Fatalf("kafkatest: commits of group %s: %v", group, err)
	}
	committed := make(map[string]map[int32]int64)
	offsets.Each(func(o kadm.OffsetResponse) {
		if o.At < 0 {
			return
		}
		if committed[o.Topic] == nil {
			committed[o.Topic] = make(map[int32]int64)
		}
		committed[o.Topic][o.Partition] = o.At
	})
	return committed
}

// Eventually asks check until it returns nil, and ends the test with its last error when it has not within the time
// given, or shortly before the test's own deadline. It is for states that a broker comes to by itself and tells nobody
// of; what the code under test does should be waited for by a signal.
func Eventually(t testing.TB, within time.Duration, check func() error) {
	t.Helper()
	if own, ok := t.(interface{ Deadline() (time.Time, bool) }); ok {
		if at, has := own.Deadline(); has {
			within = min(within, time.Until(at)-3*time.Second)
		}
	}
	timeout := time.NewTimer(within)
	defer timeout.Stop()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := check()
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-timeout.C:
			t.Fatalf("kafkatest: still not so after %s: %v", within, err)
		}
	}
}
