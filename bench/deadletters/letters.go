package main

import (
	"context"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/classify"
	"github.com/redeliver/redeliver/dlq"
	"github.com/redeliver/redeliver/retrytopics"
)

const payload = 300 // bytes of a value

// The dead letters died over a day.
var (
	first  = time.Now().Add(-24 * time.Hour).Truncate(time.Second)
	middle = first.Add(12 * time.Hour)
)

// services times shapes are forty faults.
var services = []string{"payments", "stock", "mail", "search", "billing"}

var shapes = []struct {
	class classify.Class
	text  func(r *rand.Rand, service string) string
}{
	{classify.Network, func(r *rand.Rand, service string) string {
		return fmt.Sprintf("*net.OpError: dial tcp 10.%d.%d.%d:8443: %s: connection refused", r.IntN(250), r.IntN(250), r.IntN(250), service)
	}},
	{classify.Network, func(r *rand.Rand, service string) string {
		return fmt.Sprintf("*url.Error: Post \"http://%s.internal/orders/%s\": EOF", service, id(r))
	}},
	{classify.Transient, func(r *rand.Rand, service string) string {
		return fmt.Sprintf("*webhook.AnswerError: %s: status 503 after %dms", service, r.IntN(25_000))
	}},
	{classify.Transient, func(r *rand.Rand, service string) string {
		return fmt.Sprintf("*errors.errorString: %s: attempt %d of request %s timed out", service, r.IntN(1_000_000), id(r))
	}},
	{classify.Validation, func(r *rand.Rand, service string) string {
		return fmt.Sprintf("*errors.errorString: %s refuses amount %d.%02d", service, r.IntN(10_000), r.IntN(100))
	}},
	{classify.Permanent, func(r *rand.Rand, service string) string {
		return fmt.Sprintf("*webhook.AnswerError: %s: customer %s: status 404", service, id(r))
	}},
	{classify.System, func(r *rand.Rand, service string) string {
		return fmt.Sprintf("*fs.PathError: open /var/spool/%s/%s: no space left on device", service, id(r))
	}},
	{classify.RateLimited, func(r *rand.Rand, service string) string {
		return fmt.Sprintf("*webhook.AnswerError: %s: status 429, at %s", service, first.Add(time.Duration(r.IntN(86_400))*time.Second).UTC().Format(time.RFC3339))
	}},
}

func id(r *rand.Rand) string {
	return fmt.Sprintf("%08x-%04x-4%03x-8%03x-%012x", r.Uint32(), r.IntN(1<<16), r.IntN(1<<12), r.IntN(1<<12), r.Int64N(1<<48))
}

// letter makes dead letter n of a topic.
func letter(r *rand.Rand, topic string, n, of int) *kgo.Record {
	const text = "the quick brown fox jumps over the lazy dog while nobody looks and then goes home "
	value := fmt.Appendf(nil, `{"order":%d,"customer":"%s","amount":%d,"note":"`, n, id(r), r.IntN(1_000_000))
	for len(value) < payload-2 {
		at := r.IntN(len(text))
		value = append(value, text[at:min(len(text), at+payload-2-len(value))]...)
	}
	value = append(value, `"}`...)
	partition, offset := int32(n%partitions), int64(n/partitions)
	service, shape := services[n%len(services)], shapes[n/len(services)%len(shapes)]
	died := first.Add(time.Duration(float64(n) / float64(of) * float64(24*time.Hour)))
	failed := died.Add(-71 * time.Second)
	s := retrytopics.State{
		ID: retrytopics.FormatID("", topic, partition, offset), Topic: topic, Partition: partition, Offset: offset, Timestamp: failed, Group: group,
		Attempt: 4, Class: shape.class, Error: shape.text(r, service), FirstFailed: failed, Reason: retrytopics.ReasonExhausted,
	}
	record := dlq.Letter(&kgo.Record{
		Key: fmt.Appendf(nil, "customer-%d", n%50_000), Value: value, Headers: []kgo.RecordHeader{{Key: "source", Value: fmt.Append(nil, n)}},
	}, s, deadTopic(topic), 4096)
	record.Timestamp = died
	return record
}

// sum stands for what of a record a replay must not change: its key, value and partition, and its headers but for ours.
func sum(r *kgo.Record) uint64 {
	h := fnv.New64a()
	fmt.Fprintf(h, "%d %q %q", r.Partition, r.Key, r.Value)
	for _, header := range r.Headers {
		if !strings.HasPrefix(header.Key, "redeliver-") {
			fmt.Fprintf(h, " %q=%q", header.Key, header.Value)
		}
	}
	return h.Sum64()
}

func header(r *kgo.Record, key string) string {
	for _, h := range r.Headers {
		if h.Key == key {
			return string(h.Value)
		}
	}
	return ""
}

// makeLetters writes both queues.
func (s *show) makeLetters(ctx context.Context) error {
	producer, err := kgo.NewClient(kgo.SeedBrokers(s.brokers...), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.MaxBufferedRecords(50_000))
	if err != nil {
		return err
	}
	defer producer.Close()
	began := time.Now()
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	for seed, topic := range []string{source, crashed} {
		r := rand.New(rand.NewPCG(uint64(seed), 0))
		for n := range s.records {
			producer.Produce(ctx, letter(r, topic, n, s.records), func(_ *kgo.Record, err error) {
				if err != nil {
					stop(err)
				}
			})
		}
	}
	if err := producer.Flush(ctx); err != nil {
		return context.Cause(ctx)
	}
	fmt.Printf("two queues of %d dead letters, %d bytes a value, %d faults, %d partitions, written in %s\n",
		s.records, payload, len(services)*len(shapes), partitions, seconds(time.Since(began)))
	return nil
}
