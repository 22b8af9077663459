package dlq_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/classify"
	"github.com/redeliver/redeliver/dlq"
)

func ExampleQueue_Entry() {
	client, end := deadLetters()
	defer end()
	q, err := dlq.Open(client, "orders.orders.dlq")
	if err != nil {
		log.Fatal(err)
	}
	e, err := q.Entry(context.Background(), "orders/0/1") // by the id of the origin, or by its own
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s died of %s: %s\n", e.Record.Key, e.State.Class, e.State.Error)
	_, err = q.Entry(context.Background(), "orders/0/77")
	fmt.Println(errors.Is(err, dlq.ErrNoEntry))
	// Output:
	// customer-7 died of validation: it did not work
	// true
}

// What is edited is the record that is written; the dead letter stays as it was, and the ledger says what was changed.
func ExampleReplay_edits() {
	client, end := deadLetters()
	defer end()
	// Any program of jq will do, from a library such as gojq; this one knows one program.
	jq := dlq.JQ(func(program string) (func([]byte) ([]byte, error), error) {
		return func(document []byte) ([]byte, error) { return []byte(`{"amount":1}`), nil }, nil
	})
	q, err := dlq.Open(client, "orders.orders.dlq", jq)
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	_, err = q.Replay(ctx, dlq.Replay{
		Filter:     dlq.Filter{Class: classify.Validation},
		SetHeaders: []kgo.RecordHeader{{Key: "fixed-by", Value: []byte("ann")}},
		JQ:         ".amount = 1",
	})
	if err != nil {
		log.Fatal(err)
	}
	e, err := q.Entry(ctx, "orders/0/1")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s, %s; the dead letter is %s\n", e.Status, e.Mark.Edit, e.Record.Value)
	// Output:
	// replayed, set header fixed-by="ann", jq .amount = 1; the dead letter is {}
}

// What the edits of a replay make of an entry can be looked at before.
func ExampleQueue_Edited() {
	client, end := deadLetters()
	defer end()
	q, err := dlq.Open(client, "orders.orders.dlq")
	if err != nil {
		log.Fatal(err)
	}
	e, err := q.Entry(context.Background(), "orders/0/1")
	if err != nil {
		log.Fatal(err)
	}
	record, err := q.Edited(dlq.Replay{SetKey: []byte("customer-8")}, e)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s becomes %s\n", e.Record.Key, record.Key)
	// Output:
	// customer-7 becomes customer-8
}

// What a replay left out stands with its task, whoever worked on it.
func ExampleTask_skipped() {
	client, end := deadLetters()
	defer end()
	q, err := dlq.Open(client, "orders.orders.dlq")
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	if _, err := q.Park(ctx, dlq.Discard{Filter: dlq.Filter{IDs: []string{"orders/0/1"}}, Reason: "waits for the bank"}); err != nil {
		log.Fatal(err)
	}
	s, err := q.Replay(ctx, dlq.Replay{})
	if err != nil {
		log.Fatal(err)
	}
	t, err := q.Task(ctx, s.Task)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s: %d parked, %d to be looked at\n", t.State, t.Skipped.Parked, t.Skipped.Left())
	// Output:
	// done: 1 parked, 0 to be looked at
}

// A dry run does everything but write.
func ExampleReplay_dryRun() {
	client, end := deadLetters()
	defer end()
	q, err := dlq.Open(client, "orders.orders.dlq")
	if err != nil {
		log.Fatal(err)
	}
	s, err := q.Replay(context.Background(), dlq.Replay{DryRun: true, Entry: func(e dlq.Entry, topic string) { fmt.Println(e.State.ID, "would go to", topic) }})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(s.Done, "would be replayed")
	// Output:
	// orders/0/0 would go to orders.orders.retry-1s
	// orders/0/1 would go to orders.orders.retry-1s
	// orders/0/2 would go to orders.orders.retry-1s
	// 3 would be replayed
}

func ExampleQueue_Tasks() {
	client, end := deadLetters()
	defer end()
	q, err := dlq.Open(client, "orders.orders.dlq")
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	task, err := q.Start(ctx, dlq.Replay{By: "ann"})
	if err != nil {
		log.Fatal(err)
	}
	if _, err := q.Pause(ctx, task.ID); err != nil { // from any machine
		log.Fatal(err)
	}
	if _, err := q.Cancel(ctx, task.ID); err != nil {
		log.Fatal(err)
	}
	tasks, err := q.Tasks(ctx)
	if err != nil {
		log.Fatal(err)
	}
	for _, t := range tasks {
		fmt.Println(t.By, t.State)
	}
	_, err = q.Resume(ctx, task.ID, dlq.Work{})
	fmt.Println(errors.Is(err, dlq.ErrTaskEnded))
	_, err = q.Task(ctx, "20251123-121320-5f1c")
	fmt.Println(errors.Is(err, dlq.ErrNoTask))
	// Output:
	// ann cancelled
	// true
	// true
}

// A process that runs all the time works on replays that others have started.
func ExampleQueue_Attend() {
	client, end := deadLetters()
	defer end()
	q, err := dlq.Open(client, "orders.orders.dlq")
	if err != nil {
		log.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	if _, err := q.Start(ctx, dlq.Replay{}); err != nil { // on another machine
		log.Fatal(err)
	}
	err = q.Attend(ctx, dlq.Attend{Left: func(t dlq.Task, s dlq.Summary, err error) {
		fmt.Println(s.Done, "replayed", err)
		stop()
	}})
	fmt.Println(errors.Is(err, context.Canceled))
	// Output:
	// 3 replayed <nil>
	// true
}

// One call writes to a queue at a time; who comes second is told who the first one is, and may take over.
func ExampleQueue_UnderWay() {
	client, end := deadLetters()
	defer end()
	q, err := dlq.Open(client, "orders.orders.dlq")
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	asked := false
	_, err = q.Replay(ctx, dlq.Replay{By: "ann", Entry: func(dlq.Entry, string) {
		if asked {
			return
		}
		asked = true
		by, err := q.UnderWay(ctx)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println("a", by.Doing, "by", by.By)
		_, err = q.Discard(ctx, dlq.Discard{})
		var busy *dlq.BusyError
		fmt.Println(errors.Is(err, dlq.ErrBusy), errors.As(err, &busy) && busy.By.By == "ann")
	}})
	if err != nil {
		log.Fatal(err)
	}
	// Output:
	// a replay by ann
	// true true
}

func ExampleQueue_Tail() {
	client, end := deadLetters()
	defer end()
	q, err := dlq.Open(client, "orders.orders.dlq")
	if err != nil {
		log.Fatal(err)
	}
	since := time.Now().Add(-time.Hour) // and then as they die
	for e, err := range q.Tail(context.Background(), dlq.Filter{Since: since, Limit: 2}) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(e.State.ID)
	}
	// Output:
	// orders/0/0
	// orders/0/1
}

func ExampleQueue_Reopen() {
	client, end := deadLetters()
	defer end()
	q, err := dlq.Open(client, "orders.orders.dlq")
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	for _, change := range []func(context.Context, dlq.Discard) (dlq.Summary, error){q.Park, q.Reopen} {
		if _, err := change(ctx, dlq.Discard{Filter: dlq.Filter{IDs: []string{"orders/0/1"}}}); err != nil {
			log.Fatal(err)
		}
	}
	e, err := q.Entry(ctx, "orders/0/1")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(e.Status)
	// Output:
	// open
}

// A topic that does not exist is told apart from one that is empty.
func ExampleOpen() {
	client, end := deadLetters()
	defer end()
	q, err := dlq.Open(client, "payments.payments.dlq")
	if err != nil {
		log.Fatal(err)
	}
	_, err = q.Stats(context.Background(), dlq.Filter{})
	fmt.Println(errors.Is(err, dlq.ErrNoTopic), strings.Contains(err.Error(), "payments.payments.dlq"))
	// Output:
	// true true
}
