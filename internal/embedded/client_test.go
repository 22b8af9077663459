package embedded

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// client is a Kafka client whose methods fail the test.
type client struct {
	*kgo.Client
	admin *kadm.Client
	t     *testing.T
}

type addressed interface{ Addr() string }

func connect(t *testing.T, b addressed, opts ...kgo.Opt) *client {
	t.Helper()
	opts = append(opts, kgo.SeedBrokers(b.Addr()), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerLinger(0),
		kgo.RetryBackoffFn(func(int) time.Duration { return 10 * time.Millisecond }))
	c, err := kgo.NewClient(opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return &client{c, kadm.NewClient(c), t}
}

func (c *client) close() { c.Close() }

func (c *client) createTopic(name string, partitions int32, configs map[string]*string) {
	c.t.Helper()
	if _, err := c.admin.CreateTopic(c.t.Context(), partitions, 1, configs, name); err != nil {
		c.t.Fatal(err)
	}
}

func (c *client) produce(topic string, partition int32, values ...string) {
	c.t.Helper()
	var rs []*kgo.Record
	for _, v := range values {
		rs = append(rs, &kgo.Record{Topic: topic, Partition: partition, Value: []byte(v)})
	}
	if err := c.ProduceSync(c.t.Context(), rs...).FirstErr(); err != nil {
		c.t.Fatal(err)
	}
}

func (c *client) transaction(id string, end kgo.TransactionEndTry, topic, value string) {
	c.t.Helper()
	p := connect(c.t, addr(c.OptValue(kgo.SeedBrokers).([]string)[0]), kgo.TransactionalID(id))
	p.open(topic, value)
	if err := p.EndTransaction(c.t.Context(), end); err != nil {
		c.t.Fatal(err)
	}
}

// open begins a transaction, writes a record and leaves the transaction open.
func (c *client) open(topic, value string) {
	c.t.Helper()
	if err := c.BeginTransaction(); err != nil {
		c.t.Fatal(err)
	}
	c.produce(topic, 0, value)
}

type addr string

func (a addr) Addr() string { return string(a) }

// read returns the values from the partition's start to its end, as the isolation level sees them.
func (c *client) read(topic string, partition int32, isolation ...kgo.IsolationLevel) []string {
	c.t.Helper()
	level := kgo.ReadUncommitted()
	if len(isolation) > 0 {
		level = isolation[0]
	}
	ends, err := c.admin.ListCommittedOffsets(c.t.Context(), topic)
	if len(isolation) == 0 {
		ends, err = c.admin.ListEndOffsets(c.t.Context(), topic)
	}
	if err != nil {
		c.t.Fatal(err)
	}
	end, _ := ends.Lookup(topic, partition)
	from := map[string]map[int32]kgo.Offset{topic: {partition: kgo.NewOffset().AtStart()}}
	r := connect(c.t, addr(c.OptValue(kgo.SeedBrokers).([]string)[0]), kgo.ConsumePartitions(from),
		kgo.FetchIsolationLevel(level), kgo.KeepControlRecords(),
		kgo.FetchMaxBytes(1)) // a batch an answer
	defer r.Close()
	ctx, cancel := context.WithTimeout(c.t.Context(), 20*time.Second)
	defer cancel()
	var values []string
	for at := c.ends(topic)[partition].start; at < end.Offset; {
		fetches := r.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			c.t.Fatalf("at %d of %d: %v", at, end.Offset, err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			at = r.Offset + 1
			if !r.Attrs.IsControl() {
				values = append(values, string(r.Value))
			}
		})
		if fetches.NumRecords() == 0 {
			break
		}
	}
	return values
}

func (c *client) ends(topic string) map[int32]span {
	c.t.Helper()
	starts, err := c.admin.ListStartOffsets(c.t.Context(), topic)
	if err != nil {
		c.t.Fatal(err)
	}
	ends, err := c.admin.ListEndOffsets(c.t.Context(), topic)
	if err != nil {
		c.t.Fatal(err)
	}
	spans := make(map[int32]span)
	ends.Each(func(o kadm.ListedOffset) {
		start, _ := starts.Lookup(topic, o.Partition)
		spans[o.Partition] = span{start.Offset, o.Offset}
	})
	return spans
}

func (c *client) deleteRecords(topic string, partition int32, to int64) {
	c.t.Helper()
	var offsets kadm.Offsets
	offsets.AddOffset(topic, partition, to, -1)
	if got, err := c.admin.DeleteRecords(c.t.Context(), offsets); err != nil || got.Error() != nil {
		c.t.Fatal(err, got.Error())
	}
}

func (c *client) commit(group, topic string, partition int32, at int64, metadata string) {
	c.t.Helper()
	offsets := make(kadm.Offsets)
	offsets.Add(kadm.Offset{Topic: topic, Partition: partition, At: at, LeaderEpoch: -1, Metadata: metadata})
	if err := c.admin.CommitAllOffsets(c.t.Context(), group, offsets); err != nil {
		c.t.Fatal(err)
	}
}

func (c *client) committed(group, topic string, partition int32) (int64, string) {
	c.t.Helper()
	offsets, err := c.admin.FetchOffsets(c.t.Context(), group)
	if err != nil {
		c.t.Fatal(err)
	}
	o, _ := offsets.Lookup(topic, partition)
	return o.At, o.Metadata
}

// describe lists topics with ids, partitions and settings of their own.
func (c *client) describe() []string {
	c.t.Helper()
	topics, err := c.admin.ListTopics(c.t.Context())
	if err != nil {
		c.t.Fatal(err)
	}
	configs, err := c.admin.DescribeTopicConfigs(c.t.Context(), topics.Names()...)
	if err != nil {
		c.t.Fatal(err)
	}
	var lines []string
	for _, d := range topics.Sorted() {
		line := fmt.Sprintf("%s %s %d", d.Topic, d.ID, len(d.Partitions))
		rc, _ := configs.On(d.Topic, nil)
		slices.SortFunc(rc.Configs, func(a, b kadm.Config) int { return strings.Compare(a.Key, b.Key) })
		for _, cfg := range rc.Configs {
			line += fmt.Sprintf(" %s=%s", cfg.Key, cfg.MaybeValue())
		}
		lines = append(lines, line)
	}
	return lines
}
