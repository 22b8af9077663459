//go:build synctests

package consumer_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/consumer"
)

// cluster is a fake Kafka cluster inside a synctest bubble.
type cluster struct {
	t      *testing.T
	net    *kfake.VirtualNetwork
	fake   *kfake.Cluster
	addrs  []string
	client *kgo.Client
}

func newCluster(t *testing.T, topic string, partitions int32) *cluster {
	t.Helper()
	net := new(kfake.VirtualNetwork)
	fake, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.Ports(9092), kfake.ListenFn(net.Listen), kfake.SeedTopics(partitions, topic))
	if err != nil {
		t.Fatal(err)
	}
	c := &cluster{t: t, net: net, fake: fake, addrs: fake.ListenAddrs()}
	c.client = c.newClient()
	return c
}

func (c *cluster) newClient(opts ...kgo.Opt) *kgo.Client {
	cl, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(c.addrs...), kgo.Dialer(c.net.DialContext), kgo.RecordPartitioner(kgo.ManualPartitioner())}, opts...)...)
	if err != nil {
		c.t.Fatal(err)
	}
	return cl
}

func (c *cluster) close() { c.client.Close(); c.fake.Close() }

func (c *cluster) produce(topic string, partition int32, key, value string) {
	c.t.Helper()
	if err := c.client.ProduceSync(context.Background(), &kgo.Record{Topic: topic, Partition: partition, Key: []byte(key), Value: []byte(value)}).FirstErr(); err != nil {
		c.t.Fatal(err)
	}
}

type call struct {
	id      string
	value   string
	attempt int
	at      time.Time
}

type calls struct {
	mu  sync.Mutex
	all []call
}

func (c *calls) add(r *consumer.Record) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all = append(c.all, call{r.ID(), string(r.Value), r.Attempt(), time.Now()})
}

func (c *calls) of(value string) (out []call) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, x := range c.all {
		if x.value == value {
			out = append(out, x)
		}
	}
	return out
}

func TestFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, "orders", 3)
		defer c.close()
		var seen calls
		p, err := consumer.New(consumer.Config{
			Brokers: c.addrs, Group: "g", Topics: []string{"orders"},
			ClientOptions: []kgo.Opt{kgo.Dialer(c.net.DialContext)},
			Logger:        slog.New(slog.NewTextHandler(t.Output(), nil)),
			Handler: consumer.HandlerFunc(func(ctx context.Context, r *consumer.Record) error {
				seen.add(r)
				if string(r.Value) == "bad" {
					return errors.New("always")
				}
				if string(r.Value) == "once" && r.Attempt() == 1 {
					return errors.New("once")
				}
				return nil
			}),
		})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- p.Run(ctx) }()
		for i := range 10 {
			c.produce("orders", int32(i%3), fmt.Sprint("k", i), fmt.Sprint("v", i))
		}
		c.produce("orders", 0, "a", "once")
		c.produce("orders", 1, "b", "bad")
		time.Sleep(3 * time.Minute)
		cancel()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		for _, x := range seen.all {
			t.Log(x.value, x.attempt, x.at.Format("05.000"))
		}
		s := p.Stats()
		t.Logf("%+v", s)
	})
}
