package dlq_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"regexp"
	"sync"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/dlq"
	"github.com/redeliver/redeliver/dlq/indexredis"
)

// handles stands for the pipeline of the example: whatever comes to the retry topic is handled, and committed.
func handles(ctx context.Context, client *kgo.Client) {
	admin := kadm.NewClient(client)
	for ctx.Err() == nil {
		if ends, err := admin.ListEndOffsets(ctx, "orders.orders.retry-1s"); err == nil {
			_ = admin.CommitAllOffsets(ctx, "orders", ends.Offsets())
		}
		select {
		case <-ctx.Done():
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// A replay may try a few entries first, and goes on only if they succeed; it stops where too many die again.
func ExampleReplay_outcomes() {
	client, end := deadLetters()
	defer end()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go handles(ctx, client)
	q, err := dlq.Open(client, "orders.orders.dlq")
	if err != nil {
		log.Fatal(err)
	}
	s, err := q.Replay(ctx, dlq.Replay{Canary: 1, StopAt: 0.2, Wait: true})
	if errors.Is(err, dlq.ErrStopped) {
		log.Fatalf("%d of %d died again, the rest is still open: %v", s.Failed, s.Done, err)
	}
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(s.Done, "replayed,", s.Succeeded, "succeeded,", s.Failed, "failed")
	// Output:
	// 3 replayed, 3 succeeded, 0 failed
}

// An index in Redis is shared by machines, and may keep what the topic has lost: it can still be shown and replayed.
func ExampleIndex_keep() {
	client, end := deadLetters()
	defer end()
	redis, err := miniredis.Run()
	if err != nil {
		log.Fatal(err)
	}
	defer redis.Close()
	ctx, stores := context.Background(), indexredis.New(indexredis.Options{Address: redis.Addr()})
	defer stores.Close()
	index := dlq.Index{Store: stores.Store("dead letters of orders"), Keep: 90 * 24 * time.Hour}
	q, err := dlq.Open(client, "orders.orders.dlq", dlq.Indexed(index))
	if err != nil {
		log.Fatal(err)
	}
	if err := q.CatchUp(ctx); err != nil { // as whoever keeps should, more often than the topic loses something
		log.Fatal(err)
	}
	lost := kadm.Offsets{}
	lost.AddOffset("orders.orders.dlq", 0, 2, -1)
	if _, err := kadm.NewClient(client).DeleteRecords(ctx, lost); err != nil {
		log.Fatal(err)
	}
	s, err := q.Replay(ctx, dlq.Replay{})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(s.Done, "replayed")
	// Output:
	// 3 replayed
}

// Entries are looked for by what their errors say, and by any text in error or payload.
func ExampleFilter() {
	client, end := deadLetters()
	defer end()
	q, err := dlq.Open(client, "orders.orders.dlq")
	if err != nil {
		log.Fatal(err)
	}
	for _, f := range []dlq.Filter{
		{Error: regexp.MustCompile(`(?i)did not \w+`), Limit: 2},
		{Text: "{}", Since: time.Now().Add(-time.Hour)},
		{Text: "order 4711"},
	} {
		n := 0
		for _, err := range q.Entries(context.Background(), f) {
			if err != nil {
				log.Fatal(err)
			}
			n++
		}
		fmt.Println(n)
	}
	// Output:
	// 2
	// 3
	// 0
}

// A dry run says what a purge would delete, also of what is still to be dealt with.
func ExamplePurge_dryRun() {
	client, end := deadLetters()
	defer end()
	q, err := dlq.Open(client, "orders.orders.dlq")
	if err != nil {
		log.Fatal(err)
	}
	would, err := q.Purge(context.Background(), dlq.Purge{Before: time.Now().Add(time.Second), IncludeOpen: true, DryRun: true})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(would.Records, "would be deleted, of which", would.Open, "are still to be dealt with")
	// Output:
	// 3 would be deleted, of which 3 are still to be dealt with
}

// An id that is typed is looked at before anything is asked of the cluster.
func ExampleCheckID() {
	for _, id := range []string{"0-1", "orders/0/1", "1042"} {
		fmt.Println(id, dlq.CheckID(id) == nil)
	}
	// Output:
	// 0-1 true
	// orders/0/1 true
	// 1042 false
}

// Another call that changes entries keeps this one out; taking over ends it. It is told that, and who it was.
func ExampleReplay_takeOver() {
	client, end := deadLetters()
	defer end()
	q, err := dlq.Open(client, "orders.orders.dlq")
	if err != nil {
		log.Fatal(err)
	}
	ctx, first := context.Background(), make(chan error)
	begun, once := make(chan struct{}), sync.Once{}
	go func() { // waits for outcomes, which nobody makes here
		_, err := q.Replay(ctx, dlq.Replay{Wait: true, By: "ann", Progress: func(p dlq.Progress) {
			if p.Pending == 3 {
				once.Do(func() { close(begun) })
			}
		}})
		first <- err
	}()
	<-begun
	_, err = q.Discard(ctx, dlq.Discard{Reason: "of a test", By: "ben"})
	fmt.Println("busy:", errors.Is(err, dlq.ErrBusy))
	if _, err := q.Discard(ctx, dlq.Discard{Reason: "of a test", By: "ben", TakeOver: true}); err != nil {
		log.Fatal(err)
	}
	var fenced *dlq.FencedError
	if errors.As(<-first, &fenced) {
		fmt.Println("ended by", fenced.By.By, "for a", fenced.By.Doing)
	}
	// Output:
	// busy: true
	// ended by ben for a discard
}
