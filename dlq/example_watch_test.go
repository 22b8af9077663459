package dlq_test

import (
	"context"
	"fmt"
	"hash/fnv"
	"log"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/classify"
	"github.com/redeliver/redeliver/dlq"
	"github.com/redeliver/redeliver/retrytopics"
)

// Who keeps the records of a key back while one of them is dead learns which that are, and follows the ledger from there.
func ExampleQueue_Watch() {
	client, end := deadLetters()
	defer end()
	q, err := dlq.Open(client, "orders.orders.dlq")
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	if _, err := q.Discard(ctx, dlq.Discard{Filter: dlq.Filter{Class: classify.Validation}, Reason: "cancelled"}); err != nil {
		log.Fatal(err)
	}
	watch, err := q.Watch(ctx)
	if err != nil {
		log.Fatal(err) // dlq.ErrNoTopic: there is no ledger yet, and so nothing was dealt with
	}
	hash := func(key []byte) uint64 {
		sum := fnv.New64a()
		sum.Write(key)
		return sum.Sum64()
	}
	waits := make(map[dlq.Identity]dlq.Awaited)
	follow, damaged, err := watch.Read(ctx, 0, hash, func(dlq.Marked) {}, func(a dlq.Awaited) {
		waits[a.Identity] = a
		fmt.Println("to be dealt with: offset", a.Origin)
	})
	if err != nil || damaged != nil {
		log.Fatal(err, damaged)
	}

	if _, err := q.Replay(ctx, dlq.Replay{}); err != nil {
		log.Fatal(err)
	}
	reader, err := kgo.NewClient(append(client.Opts(), kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{q.Ledger(): {0: kgo.NewOffset().At(follow)}}))...)
	if err != nil {
		log.Fatal(err)
	}
	defer reader.Close()
	for marks := 0; marks < 2; {
		fetches := reader.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			log.Fatal(err)
		}
		for _, r := range fetches.Records() {
			m, ok, err := watch.Mark(r)
			if err != nil {
				log.Fatal(err)
			}
			if a, known := waits[m.Identity]; ok && known { // and not about who writes, or a replay as a whole
				fmt.Printf("offset %d is %s to %s, its key opens: %v\n", a.Origin, m.Status, m.To, m.Settles(a.Offset, a.Failed))
				marks++
			}
		}
	}
	// Output:
	// to be dealt with: offset 0
	// to be dealt with: offset 2
	// offset 0 is replayed to orders.orders.retry-1s, its key opens: true
	// offset 2 is replayed to orders.orders.retry-1s, its key opens: true
}

// oneTrace lets all that is replayed go on in one trace.
type oneTrace string

// Replayed implements [dlq.Tracer].
func (t oneTrace) Replayed(e *dlq.Entry, topic string) string {
	fmt.Println(e.State.ID, "to", topic)
	return string(t)
}

// A tracer is told of each entry before it is written, and says which span its record goes on from. That of OpenTelemetry is in consumer/tracing.
func ExampleTraced() {
	client, end := deadLetters()
	defer end()
	q, err := dlq.Open(client, "orders.orders.dlq", dlq.Traced(oneTrace("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")))
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	if _, err := q.Replay(ctx, dlq.Replay{Filter: dlq.Filter{Class: classify.Validation}}); err != nil {
		log.Fatal(err)
	}
	reader, err := kgo.NewClient(append(client.Opts(), kgo.ConsumeTopics("orders.orders.retry-1s"))...)
	if err != nil {
		log.Fatal(err)
	}
	defer reader.Close()
	for _, r := range reader.PollFetches(ctx).Records() {
		for _, h := range r.Headers {
			if h.Key == retrytopics.HeaderTraceparent {
				fmt.Printf("%s: %s\n", h.Key, h.Value)
			}
		}
	}
	// Output:
	// orders/0/1 to orders.orders.retry-1s
	// redeliver-traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01
}

// How long the topic keeps its records says until when an entry can be dealt with.
func ExampleQueue_Retention() {
	client, end := deadLetters()
	defer end()
	ctx, week := context.Background(), "604800000"
	if _, err := kadm.NewClient(client).AlterTopicConfigs(ctx, []kadm.AlterConfig{{Op: kadm.SetConfig, Name: "retention.ms", Value: &week}}, "orders.orders.dlq"); err != nil {
		log.Fatal(err)
	}
	q, err := dlq.Open(client, "orders.orders.dlq")
	if err != nil {
		log.Fatal(err)
	}
	retention, err := q.Retention(ctx)
	if err != nil {
		log.Fatal(err)
	}
	e, err := q.Entry(ctx, "orders/0/1")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("kept for", retention, "and to be dealt with until", e.Expires(retention).Sub(e.At), "after its death")
	// Output:
	// kept for 168h0m0s and to be dealt with until 168h0m0s after its death
}
