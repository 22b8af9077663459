package dlq_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/dlq"
	"github.com/redeliver/redeliver/retrytopics"
)

// A dead letter is discarded, and its record fails once more since the offsets of its group were reset: the entry is open again, until somebody deals with it.
func ExampleEntry_FailedAnew() {
	client, end := deadLetters()
	defer end()
	q, err := dlq.Open(client, "orders.orders.dlq")
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	if _, err := q.Discard(ctx, dlq.Discard{Reason: "cancelled"}); err != nil {
		log.Fatal(err)
	}
	state := retrytopics.State{ID: "orders/0/1", Topic: "orders", Offset: 1, Group: "orders", Attempt: 1, FirstFailed: time.Now(), Reason: retrytopics.ReasonExhausted}
	if err := client.ProduceSync(ctx, dlq.Letter(&kgo.Record{Key: []byte("customer-7"), Value: []byte("{}")}, state, "orders.orders.dlq", 0)).FirstErr(); err != nil {
		log.Fatal(err)
	}
	for e, err := range q.Entries(ctx, dlq.Filter{}) {
		if err != nil {
			log.Fatal(err)
		}
		if e.FailedAnew() {
			fmt.Printf("%s is %s and had been %s: %s\n", e.State.ID, e.Status, e.Mark.Status, e.Mark.Reason)
		}
	}
	// Output:
	// orders/0/1 is open and had been discarded: cancelled
}
