package dlq

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"sort"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

// A record is too large for a topic exactly where its broker refuses it, whatever the client compresses with: one byte more of a limit and it is taken.
func TestBatchSizesAreThoseThatBrokersMeasure(t *testing.T) {
	t.Parallel()
	noise := make([]byte, 3000)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(noise) // never fails
	records := map[string]*kgo.Record{
		"noise":     {Key: []byte("k"), Value: noise},
		"a text":    {Key: []byte("k"), Value: []byte(strings.Repeat("dead letters of Kafka consumers ", 300))},
		"a mixture": {Value: append(bytes.Repeat([]byte("x"), 2000), noise[:500]...)},
		"no value":  {Key: noise[:700]},
		"headers":   {Key: []byte{}, Value: []byte{}, Headers: []kgo.RecordHeader{{Key: "a", Value: noise[:900]}, {Key: "b"}, {Key: "b", Value: []byte{}}}},
	}
	for name, option := range map[string]kgo.Opt{
		"default": kgo.ProducerBatchCompression(kgo.SnappyCompression(), kgo.NoCompression()), "none": kgo.ProducerBatchCompression(kgo.NoCompression()), "gzip": kgo.ProducerBatchCompression(kgo.GzipCompression().WithLevel(9)),
		"lz4": kgo.ProducerBatchCompression(kgo.Lz4Compression()), "zstd": kgo.ProducerBatchCompression(kgo.ZstdCompression()),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cluster := oneBroker(t)
			client := clientOf(t, cluster, append(producing("", clientOf(t, cluster)), kgo.ProducerLinger(0), option)...)
			sizes := batchSizesOf(client)
			for what, r := range records {
				least := sort.Search(20_000, func(limit int) bool { return !sizes.tooLarge(r, limit) })
				for topic, limit := range map[string]int{"takes": least, "refuses": least - 1} {
					topic += strings.ReplaceAll(what, " ", "-")
					if err := cluster.CreateTopic(topic, 1, map[string]string{maxMessageBytes: strconv.Itoa(limit)}); err != nil {
						t.Fatal(err)
					}
					one := *r
					one.Topic = topic
					err := client.ProduceSync(t.Context(), &one).FirstErr()
					if refused := errors.Is(err, kerr.MessageTooLarge); refused != (limit < least) || err != nil && !refused {
						t.Errorf("%s with a limit of %d of %d: %v", what, limit, least, err)
					}
					if sizes.small(r, limit) && limit < least {
						t.Errorf("%s is small for a limit of %d of %d", what, limit, least)
					}
				}
			}
		})
	}
}

func oneBroker(t *testing.T) *kfake.Cluster {
	t.Helper()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	return cluster
}

func clientOf(t *testing.T, cluster *kfake.Cluster, options ...kgo.Opt) *kgo.Client {
	t.Helper()
	client, err := kgo.NewClient(append(options, kgo.SeedBrokers(cluster.ListenAddrs()...))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

// What the client itself does not send is too large for any topic, before compression.
func TestBatchSizesKeepToThoseOfTheClient(t *testing.T) {
	t.Parallel()
	cluster := oneBroker(t)
	small := clientOf(t, cluster, kgo.ProducerBatchMaxBytes(2000), kgo.BrokerMaxWriteBytes(5000))
	sizes := batchSizesOf(small)
	for size, want := range map[int]bool{4900: false, 5000: true} {
		if got := sizes.tooLarge(&kgo.Record{Value: make([]byte, size)}, anyLimit); got != want {
			t.Errorf("a value of %d bytes is too large: %v, want %v", size, got, want)
		}
	}
}

// A replay of hours asks again how large a record a topic takes before it leaves more out.
func TestLimitsAreAskedForAgain(t *testing.T) {
	t.Parallel()
	const topic = "dead"
	cluster := oneBroker(t)
	if err := cluster.CreateTopic(topic, 1, map[string]string{maxMessageBytes: "1000"}); err != nil {
		t.Fatal(err)
	}
	client := clientOf(t, cluster, kgo.ProducerBatchCompression(kgo.NoCompression()))
	q, err := Open(client, topic)
	if err != nil {
		t.Fatal(err)
	}
	r, began, raised := newRouter(q, ToTopic(topic), editor{}), time.Now(), "3000"
	record := &kgo.Record{Topic: topic, Value: make([]byte, 2000), Timestamp: began}
	tooLarge := func(after time.Duration, want bool) {
		t.Helper()
		record.Timestamp = began.Add(after)
		if got := r.tooLarge(t.Context(), new(Entry), record, r.takes(t.Context(), topic)); got != want {
			t.Errorf("it is too large after %v: %v, want %v", after, got, want)
		}
	}
	tooLarge(0, true)
	if _, err := q.admin.AlterTopicConfigs(t.Context(), []kadm.AlterConfig{{Op: kadm.SetConfig, Name: maxMessageBytes, Value: &raised}}, topic); err != nil {
		t.Fatal(err)
	}
	tooLarge(takesAgain/2, true)
	tooLarge(time.Hour, false)
}
