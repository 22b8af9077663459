package dlq_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/classify"
	"github.com/redeliver/redeliver/dlq"
	"github.com/redeliver/redeliver/retrytopics"
)

// deadLetters is a cluster with three dead letters of group orders, for the examples.
func deadLetters() (client *kgo.Client, end func()) {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "orders", "orders.orders.retry-1s", "orders.orders.dlq", "orders-dlt"))
	if err != nil {
		log.Fatal(err)
	}
	client, err = kgo.NewClient(kgo.SeedBrokers(cluster.ListenAddrs()...))
	if err != nil {
		log.Fatal(err)
	}
	for offset, class := range []classify.Class{classify.Network, classify.Validation, classify.Network} {
		record := &kgo.Record{Key: []byte("customer-7"), Value: []byte("{}")}
		state := retrytopics.State{
			ID: retrytopics.FormatID("", "orders", 0, int64(offset)), Topic: "orders", Offset: int64(offset), Group: "orders",
			Attempt: 4, Class: class, Error: "it did not work", Reason: retrytopics.ReasonExhausted,
		}
		if err := client.ProduceSync(context.Background(), dlq.Letter(record, state, "orders.orders.dlq", 0)).FirstErr(); err != nil {
			log.Fatal(err)
		}
	}
	return client, func() { client.Close(); cluster.Close() }
}

func ExampleQueue_Entries() {
	client, end := deadLetters()
	defer end()
	q, err := dlq.Open(client, "orders.orders.dlq")
	if err != nil {
		log.Fatal(err)
	}
	yesterday := time.Now().Add(-24 * time.Hour)
	for e, err := range q.Entries(context.Background(), dlq.Filter{Class: classify.Network, Since: yesterday}) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(e.State.ID, e.State.Class, e.State.Reason, e.Status)
	}
	// Output:
	// orders/0/0 network exhausted open
	// orders/0/2 network exhausted open
}

func ExampleQueue_Stats() {
	client, end := deadLetters()
	defer end()
	q, err := dlq.Open(client, "orders.orders.dlq")
	if err != nil {
		log.Fatal(err)
	}
	stats, err := q.Stats(context.Background(), dlq.Filter{})
	if err != nil {
		log.Fatal(err)
	}
	for _, p := range stats.Problems {
		fmt.Println(p.Entries, p.Class, p.Error)
	}
	fmt.Println("filter of the first:", dlq.Filter{Fingerprints: []dlq.Fingerprint{stats.Problems[0].Fingerprint}}.Fingerprints)
	// Output:
	// 2 network it did not work
	// 1 validation it did not work
	// filter of the first: [5q3nye]
}

func ExampleQueue_Replay() {
	client, end := deadLetters()
	defer end()
	q, err := dlq.Open(client, "orders.orders.dlq")
	if err != nil {
		log.Fatal(err)
	}
	// Back to the group's own first retry topic, at most 1000 a second: no other group sees the records again.
	again := dlq.Replay{Filter: dlq.Filter{Class: classify.Network}, To: dlq.OwnTier, Rate: 1000}
	summary, err := q.Replay(context.Background(), again)
	if errors.Is(err, dlq.ErrFenced) {
		log.Fatal("somebody else replays this queue: ", err)
	}
	if err != nil {
		log.Fatal(err) // run it again: what was replayed is not replayed twice
	}
	fmt.Println(summary.Done, "replayed")

	summary, err = q.Replay(context.Background(), again)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(summary.Done, "replayed,", summary.Replayed, "had been replayed before")
	// Output:
	// 2 replayed
	// 0 replayed, 2 had been replayed before
}

func ExampleQueue_Resume() {
	client, end := deadLetters()
	defer end()
	q, err := dlq.Open(client, "orders.orders.dlq")
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	task, err := q.Start(ctx, dlq.Replay{Filter: dlq.Filter{Class: classify.Network}})
	if err != nil {
		log.Fatal(err)
	}
	// Here or on another machine, also after who worked on it was killed:
	summary, err := q.Resume(ctx, task.ID, dlq.Work{})
	if err != nil {
		log.Fatal(err)
	}
	task, err = q.Task(ctx, task.ID)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(summary.Done, "replayed, the task is", task.State)
	// Output:
	// 2 replayed, the task is done
}

func ExampleQueue_Park() {
	client, end := deadLetters()
	defer end()
	q, err := dlq.Open(client, "orders.orders.dlq")
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	if _, err := q.Park(ctx, dlq.Discard{Filter: dlq.Filter{Class: classify.Validation}, Reason: "waits for the partner"}); err != nil {
		log.Fatal(err)
	}
	summary, err := q.Replay(ctx, dlq.Replay{})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(summary.Done, "replayed,", summary.Parked, "parked")
	// Output:
	// 2 replayed, 1 parked
}

func ExampleQueue_Import() {
	client, end := deadLetters()
	defer end()
	q, err := dlq.Open(client, "orders.orders.dlq")
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	var kept []dlq.Exported // each is one line of JSON elsewhere
	for e, err := range q.Entries(ctx, dlq.Filter{}) {
		if err != nil {
			log.Fatal(err)
		}
		kept = append(kept, e.Export())
	}
	n, err := q.Import(ctx, func(yield func(dlq.Exported, error) bool) {
		for _, x := range kept {
			if !yield(x, nil) {
				return
			}
		}
	})
	if err != nil {
		log.Fatal(err)
	}
	stats, err := q.Stats(ctx, dlq.Filter{})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(n, "imported,", stats.Entries, "entries,", stats.Duplicates, "copies")
	// Output:
	// 3 imported, 3 entries, 3 copies
}

func ExampleQueue_Discard() {
	client, end := deadLetters()
	defer end()
	q, err := dlq.Open(client, "orders.orders.dlq")
	if err != nil {
		log.Fatal(err)
	}
	if _, err := q.Discard(context.Background(), dlq.Discard{
		Filter: dlq.Filter{IDs: []string{"orders/0/1"}},
		Reason: "a test order",
	}); err != nil {
		log.Fatal(err)
	}
	stats, err := q.Stats(context.Background(), dlq.Filter{})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(stats.ByStatus[dlq.StatusOpen], "open,", stats.ByStatus[dlq.StatusDiscarded], "discarded")
	// Output:
	// 2 open, 1 discarded
}
