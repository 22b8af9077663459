package dlq_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/classify"
	"github.com/redeliver/redeliver/dlq"
	"github.com/redeliver/redeliver/dlq/indexfile"
	"github.com/redeliver/redeliver/retrytopics"
)

// An index answers without reading the topics whole. It is a cache: without its file it is built anew.
func ExampleIndexed() {
	client, end := deadLetters()
	defer end()
	dir, err := os.MkdirTemp("", "index")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	file := indexfile.At(filepath.Join(dir, "orders"), indexfile.Options{})
	defer file.Close()
	var read int64
	q, err := dlq.Open(client, "orders.orders.dlq", dlq.Indexed(dlq.Index{Store: file, Progress: func(n, _ int64) { read = n }}))
	if err != nil {
		log.Fatal(err)
	}
	for range 2 {
		read = 0
		stats, err := q.Stats(context.Background(), dlq.Filter{Class: classify.Network})
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(stats.Entries, "entries,", read, "records read")
	}
	// Output:
	// 2 entries, 3 records read
	// 2 entries, 0 records read
}

// A replay that is started waits for who attends the queue, or for Resume.
func ExampleQueue_Start() {
	client, end := deadLetters()
	defer end()
	q, err := dlq.Open(client, "orders.orders.dlq")
	if err != nil {
		log.Fatal(err)
	}
	task, err := q.Start(context.Background(), dlq.Replay{Filter: dlq.Filter{Class: classify.Network}, Rate: 100, By: "ann"})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(task.State, task.By, task.Replay.Filter.Class, task.Replay.Rate)
	// Output:
	// waiting ann network 100
}

// A replay that is paused can be gone on with.
func ExampleQueue_Pause() {
	client, end := deadLetters()
	defer end()
	q, err := dlq.Open(client, "orders.orders.dlq")
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	task, err := q.Start(ctx, dlq.Replay{})
	if err != nil {
		log.Fatal(err)
	}
	if task, err = q.Pause(ctx, task.ID); err != nil {
		log.Fatal(err)
	}
	fmt.Println(task.State, task.State.Ended())
	summary, err := q.Resume(ctx, task.ID, dlq.Work{})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(summary.Done, "replayed")
	// Output:
	// paused false
	// 3 replayed
}

// One that is cancelled has ended: what it replayed stays replayed, the rest is open.
func ExampleQueue_Cancel() {
	client, end := deadLetters()
	defer end()
	q, err := dlq.Open(client, "orders.orders.dlq")
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	task, err := q.Start(ctx, dlq.Replay{})
	if err != nil {
		log.Fatal(err)
	}
	if task, err = q.Cancel(ctx, task.ID); err != nil {
		log.Fatal(err)
	}
	stats, err := q.Stats(ctx, dlq.Filter{})
	if err != nil {
		log.Fatal(err)
	}
	_, err = q.Pause(ctx, task.ID)
	fmt.Println(task.State, stats.ByStatus[dlq.StatusOpen], errors.Is(err, dlq.ErrTaskEnded))
	// Output:
	// cancelled 3 true
}

// What goes to another cluster is there at least once: no transaction spans two.
func ExampleCluster() {
	client, end := deadLetters()
	defer end()
	west, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "orders"))
	if err != nil {
		log.Fatal(err)
	}
	defer west.Close()
	q, err := dlq.Open(client, "orders.orders.dlq", dlq.Cluster("west", kgo.SeedBrokers(west.ListenAddrs()...)))
	if err != nil {
		log.Fatal(err)
	}
	summary, err := q.Replay(context.Background(), dlq.Replay{To: dlq.Source.On("west")})
	if err != nil {
		log.Fatal(err) // run it again: what is Unmarked is written there once more
	}
	fmt.Println(summary.To, summary.Unmarked)
	_, err = q.Replay(context.Background(), dlq.Replay{To: dlq.Source.On("east")})
	fmt.Println(errors.Is(err, dlq.ErrNoCluster))
	// Output:
	// map[orders@west:3] 0
	// true
}

// What a replay cannot do is found before anything is asked of the cluster.
func ExampleQueue_Check() {
	client, end := deadLetters()
	defer end()
	q, err := dlq.Open(client, "orders.orders.dlq")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(q.Check(dlq.Replay{To: dlq.ToTopic("orders.orders.dlq")}))
	// Output:
	// orders.orders.dlq is not replayed into itself: name another topic than it and its ledger
}

func ExampleQueue_Expiry() {
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
	soon, err := q.Expiry(ctx, dlq.ExpiryNotice(7*24*time.Hour))
	if err != nil {
		log.Fatal(err)
	}
	late, err := q.Expiry(ctx, 8*24*time.Hour)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(soon.Entries, "within a day,", late.Entries, "within eight, of", late.Retention)
	// Output:
	// 0 within a day, 3 within eight, of 168h0m0s
}

// A dead letter is made of a record and what is known of its attempts.
func ExampleLetter() {
	record := &kgo.Record{Key: []byte("customer-7"), Value: []byte("{}"), Headers: []kgo.RecordHeader{{Key: "trace", Value: []byte("t-1")}}}
	state := retrytopics.State{
		ID: "orders/3/1042", Topic: "orders", Partition: 3, Offset: 1042, Group: "orders", Attempt: 4, Class: classify.Validation, Error: "no amount", Reason: retrytopics.ReasonExhausted,
	}
	letter := dlq.Letter(record, state, "orders.orders.dlq", 0)
	fmt.Printf("%s/%d %s %s, trace first: %t\n", letter.Topic, letter.Partition, letter.Key, letter.Value, letter.Headers[0].Key == "trace")
	// Output:
	// orders.orders.dlq/3 customer-7 {}, trace first: true
}

// Entries of one problem are found by its fingerprint, which is the same in every process.
func ExampleParseFingerprint() {
	client, end := deadLetters()
	defer end()
	q, err := dlq.Open(client, "orders.orders.dlq")
	if err != nil {
		log.Fatal(err)
	}
	problem, err := dlq.ParseFingerprint("5q3nye")
	if err != nil {
		log.Fatal(err)
	}
	for e, err := range q.Entries(context.Background(), dlq.Filter{Fingerprints: []dlq.Fingerprint{problem}, Limit: 1}) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(e.State.ID, e.Fingerprint() == problem)
	}
	// Output:
	// orders/0/0 true
}

// How many of a replay's entries are dead letters again is counted by its marks on what they were before.
func ExampleQueue_DiedAgain() {
	client, end := deadLetters()
	defer end()
	q, err := dlq.Open(client, "orders.orders.dlq")
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	summary, err := q.Replay(ctx, dlq.Replay{})
	if err != nil {
		log.Fatal(err)
	}
	died, err := q.DiedAgain(ctx, summary.Task)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(died, "of", summary.Done)
	// Output:
	// 0 of 3
}

// The dead letter of a share group has nothing of its record, as brokers write it by default: that is at its origin.
func ExampleQueue_Original() {
	client, end := deadLetters()
	defer end()
	ctx := context.Background()
	header := func(name, value string) kgo.RecordHeader {
		return kgo.RecordHeader{Key: "__dlq.errors." + name, Value: []byte(value)}
	}
	err := client.ProduceSync(ctx,
		&kgo.Record{Topic: "orders", Key: []byte("customer-7"), Value: []byte(`{"total":12}`)},
		&kgo.Record{Topic: "orders-dlt", Headers: []kgo.RecordHeader{header("topic", "orders"), header("partition", "0"), header("offset", "0"), header("group", "shares")}},
	).FirstErr()
	if err != nil {
		log.Fatal(err)
	}
	q, err := dlq.Open(client, "orders-dlt", dlq.AnyGroup())
	if err != nil {
		log.Fatal(err)
	}
	e, err := q.Entry(ctx, "orders/0/0")
	if err != nil {
		log.Fatal(err)
	}
	original, err := q.Original(ctx, e)
	if err != nil {
		log.Fatal(err) // a *dlq.NoOriginalError says why it cannot be had
	}
	fmt.Printf("%q of %q\n", original.Value, original.Key)
	// Output:
	// "{\"total\":12}" of "customer-7"
}
