package harness

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/bench/contract"
)

// keys is how many keys the records have.
const keys = 1000

// Embedded is the name of the cluster that a run brings along.
const Embedded = "embedded"

// Cluster is the brokers that a run measures on.
type Cluster struct {
	Name    string // for people
	Brokers []string

	client *kgo.Client
	admin  *kadm.Client
}

// Connect returns the cluster at the addresses.
func Connect(ctx context.Context, name string, brokers []string) (*Cluster, error) {
	c, err := newCluster(name, brokers)
	if err != nil {
		return nil, err
	}
	if err := c.client.Ping(ctx); err != nil {
		c.Close()
		return nil, fmt.Errorf("no broker answers at %s: %w", strings.Join(brokers, ","), err)
	}
	return c, nil
}

func newCluster(name string, brokers []string, more ...kgo.Opt) (*Cluster, error) {
	client, err := kgo.NewClient(append([]kgo.Opt{
		kgo.SeedBrokers(brokers...), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.MaxBufferedRecords(100_000), kgo.ProducerBatchMaxBytes(1<<20 - 1<<10),
	}, more...)...)
	if err != nil {
		return nil, err
	}
	return &Cluster{name, brokers, client, kadm.NewClient(client)}, nil
}

// Close closes the connections.
func (c *Cluster) Close() { c.client.Close() }

// pause is between two looks at a topic that is being made or deleted.
const pause = 50 * time.Millisecond

// Create makes a topic anew, and returns when each of its partitions has a leader: brokers of Apache Kafka answer before that, and contenders that find
// no topic yet wait as long as their libraries have it.
func (c *Cluster) Create(ctx context.Context, topic string, partitions int) error {
	for {
		_, err := c.admin.CreateTopic(ctx, int32(partitions), 1, nil, topic)
		if err == nil {
			return c.led(ctx, topic, partitions)
		}
		if !errors.Is(err, kerr.TopicAlreadyExists) {
			return fmt.Errorf("create topic %s: %w", topic, err)
		}
		if err := c.Delete(ctx, func(name string) bool { return name == topic }); err != nil {
			return err
		}
		if err := wait(ctx, pause); err != nil { // it is being deleted
			return err
		}
	}
}

// led waits until each partition of a topic has a leader.
func (c *Cluster) led(ctx context.Context, topic string, partitions int) error {
	for {
		known, err := c.admin.Metadata(ctx, topic)
		if err != nil {
			return fmt.Errorf("the leaders of topic %s: %w", topic, err)
		}
		leaders := 0
		for _, p := range known.Topics[topic].Partitions {
			if p.Err == nil && p.Leader >= 0 {
				leaders++
			}
		}
		if leaders == partitions {
			return nil
		}
		if err := wait(ctx, pause); err != nil {
			return fmt.Errorf("%d of %d partitions of topic %s have a leader: %w", leaders, partitions, topic, err)
		}
	}
}

func wait(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// Delete deletes topics.
func (c *Cluster) Delete(ctx context.Context, which func(topic string) bool) error {
	all, err := c.admin.ListTopics(ctx)
	if err != nil {
		return err
	}
	var gone []string
	for name := range all {
		if which(name) {
			gone = append(gone, name)
		}
	}
	if len(gone) == 0 {
		return nil
	}
	_, err = c.admin.DeleteTopics(ctx, gone...)
	return err
}

// Trim deletes all records of a topic, which a broker may have in memory.
func (c *Cluster) Trim(ctx context.Context, topic string) error {
	ends, err := c.admin.ListEndOffsets(ctx, topic)
	if err != nil {
		return err
	}
	deleted, err := c.admin.DeleteRecords(ctx, ends.Offsets())
	if err != nil {
		return err
	}
	return deleted.Error()
}

// CommitEnds commits, for a group without members, that it has read a topic to its present end.
func (c *Cluster) CommitEnds(ctx context.Context, group, topic string) error {
	ends, err := c.admin.ListEndOffsets(ctx, topic)
	if err != nil {
		return err
	}
	if err := ends.Error(); err != nil {
		return err
	}
	return c.admin.CommitAllOffsets(ctx, group, ends.Offsets())
}

// AwaitLag waits until a group has something to read in each partition of a topic that it has a position in.
func (c *Cluster) AwaitLag(ctx context.Context, group, topic string) error {
	committed, err := c.admin.FetchOffsets(ctx, group)
	if err != nil {
		return err
	}
	for {
		ends, err := c.admin.ListEndOffsets(ctx, topic)
		if err == nil {
			err = ends.Error()
		}
		if err != nil {
			return err
		}
		read := 0
		ends.Each(func(end kadm.ListedOffset) {
			if at, ok := committed.Lookup(end.Topic, end.Partition); ok && at.At >= end.Offset {
				read++
			}
		})
		if read == 0 {
			return nil
		}
		if err := wait(ctx, pause); err != nil {
			return err
		}
	}
}

// Fill produces n records, evenly over the partitions, with a thousand keys.
func (c *Cluster) Fill(ctx context.Context, topic string, partitions, n, size int, failures func(i int) int) error {
	var failed atomic.Pointer[error]
	for i := range n {
		c.client.Produce(ctx, record(topic, partitions, i, size, failures), func(_ *kgo.Record, err error) {
			if err != nil {
				failed.Store(&err)
			}
		})
	}
	if err := c.client.Flush(ctx); err != nil {
		return err
	}
	if err := failed.Load(); err != nil {
		return fmt.Errorf("fill topic %s: %w", topic, *err)
	}
	return nil
}

// KeyOf is the key of the i-th record, the same in every run: as if it were drawn by lot, for records whose keys come in turns never meet one of their own key
// among those that are worked on. It has nothing to do with which records fail.
func KeyOf(i int) uint64 { return contract.Scattered(-1-i) % keys }

func record(topic string, partitions, i, size int, failures func(i int) int) *kgo.Record {
	fails := 0
	if failures != nil {
		fails = failures(i)
	}
	return &kgo.Record{Topic: topic, Partition: int32(i % partitions), Key: fmt.Appendf(nil, "key-%d", KeyOf(i)), Value: contract.Value(size, fails)}
}

// Feed produces records at a steady rate until stop is called, which says how it went.
func (c *Cluster) Feed(ctx context.Context, topic string, partitions, size int, perSecond float64, failures func(i int) int) (stop func() error) {
	feeding, cancel := context.WithCancel(ctx)
	var failed atomic.Pointer[error]
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		began := time.Now()
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for i := 0; ; {
			select {
			case <-feeding.Done():
				return
			case now := <-tick.C:
				for due := int(now.Sub(began).Seconds() * perSecond); i < due; i++ {
					// Not with the context that stop ends: the client fails a batch with that of its first record, the next feed's records too.
					c.client.Produce(ctx, record(topic, partitions, i, size, failures), func(_ *kgo.Record, err error) {
						if err != nil && feeding.Err() == nil {
							failed.Store(&err)
						}
					})
				}
			}
		}
	}()
	return func() error {
		cancel()
		<-ended
		if err := failed.Load(); err != nil {
			return fmt.Errorf("feed topic %s: %w", topic, *err)
		}
		return nil
	}
}

// told are the settings of a broker that say how it was started, and that figures depend on.
var told = []string{"num.io.threads", "num.network.threads", "group.initial.rebalance.delay.ms"}

// Describe asks the brokers which version they speak, how many of them there are, and how the first one is set up.
func (c *Cluster) Describe(ctx context.Context) (string, error) {
	versions, err := c.admin.ApiVersions(ctx)
	if err != nil {
		return "", fmt.Errorf("the versions of the brokers: %w", err)
	}
	var guesses []string
	for _, v := range versions {
		if v.Err != nil {
			return "", fmt.Errorf("the version of broker %d: %w", v.NodeID, v.Err)
		}
		if guess := v.VersionGuess(); !slices.Contains(guesses, guess) {
			guesses = append(guesses, guess)
		}
	}
	slices.Sort(guesses)
	nodes := "1 node"
	if n := len(versions); n != 1 {
		nodes = fmt.Sprintf("%d nodes", n)
	}
	all := []string{"speaks " + strings.Join(guesses, " and "), nodes}
	configs, err := c.admin.DescribeBrokerConfigs(ctx, slices.Sorted(maps.Keys(versions))[0])
	if err != nil {
		return "", fmt.Errorf("the settings of the brokers: %w", err)
	}
	for _, of := range configs {
		for _, config := range of.Configs {
			if slices.Contains(told, config.Key) {
				all = append(all, config.Key+"="+config.MaybeValue())
			}
		}
	}
	return strings.Join(all, ", "), nil
}
