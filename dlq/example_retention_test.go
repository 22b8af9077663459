package dlq_test

import (
	"context"
	"fmt"
	"log"
	"regexp"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/classify"
	"github.com/redeliver/redeliver/dlq"
)

// Before the topic's retention takes them, entries that are still to be dealt with are carried forward.
func ExampleQueue_Renew() {
	client, end := deadLetters()
	defer end()
	ctx, twoHours := context.Background(), "7200000"
	if _, err := kadm.NewClient(client).AlterTopicConfigs(ctx, []kadm.AlterConfig{{Op: kadm.SetConfig, Name: "retention.ms", Value: &twoHours}}, "orders.orders.dlq"); err != nil {
		log.Fatal(err)
	}
	q, err := dlq.Open(client, "orders.orders.dlq")
	if err != nil {
		log.Fatal(err)
	}
	expiry, err := q.Expiry(ctx, 3*time.Hour)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(expiry.Entries, "expire")
	s, err := q.Renew(ctx, dlq.Renew{Filter: dlq.Filter{Class: classify.Network}})
	if err != nil {
		log.Fatal(err)
	}
	stats, err := q.Stats(ctx, dlq.Filter{})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(s.Done, "renewed,", stats.Entries, "entries,", stats.Duplicates, "copies")
	// Output:
	// 3 expire
	// 2 renewed, 3 entries, 2 copies
}

// What was dealt with is deleted up to the first entry that is not.
func ExampleQueue_Purge() {
	client, end := deadLetters()
	defer end()
	q, err := dlq.Open(client, "orders.orders.dlq")
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	if _, err := q.Replay(ctx, dlq.Replay{Filter: dlq.Filter{Class: classify.Network}}); err != nil {
		log.Fatal(err)
	}
	done, err := q.Purge(ctx, dlq.Purge{Before: time.Now().Add(time.Second)}) // of any age, here
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(done.Records, "record and", done.Marks, "mark deleted,", done.Kept[0].Records, "records kept")
	// Output:
	// 1 record and 1 mark deleted, 2 records kept
}

// The dead letters of Spring, SmallRye, Kafka Connect and share groups are worked on by their headers.
func ExampleAnyGroup() {
	client, end := deadLetters()
	defer end()
	ctx := context.Background()
	spring := []kgo.RecordHeader{
		{Key: "kafka_original-topic", Value: []byte("orders")},
		{Key: "kafka_original-partition", Value: []byte{0, 0, 0, 0}},
		{Key: "kafka_original-offset", Value: []byte{0, 0, 0, 0, 0, 0, 4, 18}},
		{Key: "kafka_dlt-original-consumer-group", Value: []byte("billing")},
		{Key: "kafka_exception-cause-fqcn", Value: []byte("java.net.ConnectException")},
		{Key: "kafka_exception-message", Value: []byte("Connection refused")},
	}
	if err := client.ProduceSync(ctx, &kgo.Record{Topic: "orders-dlt", Headers: spring}).FirstErr(); err != nil {
		log.Fatal(err)
	}
	q, err := dlq.Open(client, "orders-dlt", dlq.ForGroup("orders"), dlq.AnyGroup())
	if err != nil {
		log.Fatal(err)
	}
	for e, err := range q.Entries(ctx, dlq.Filter{}) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(e.Dialect, e.State.ID, e.State.Group, e.State.Error)
	}
	// Output:
	// spring orders/0/1042 billing java.net.ConnectException: Connection refused
}

// What is not everybody's to see is hidden in what is shown.
func ExampleRedaction() {
	client, end := deadLetters()
	defer end()
	q, err := dlq.Open(client, "orders.orders.dlq")
	if err != nil {
		log.Fatal(err)
	}
	hide := &dlq.Redaction{
		Headers: []*regexp.Regexp{regexp.MustCompile(`(?i)^authorization$`)},
		Text:    []*regexp.Regexp{regexp.MustCompile(`customer-(\d+)`)},
	}
	e, err := q.Entry(context.Background(), "orders/0/1")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s\n", hide.Entry(e).Record.Key)
	// Output:
	// customer-[redacted]
}

// What is older than the topic keeps it would be taken as soon as it is imported.
func ExampleQueue_ImportRetention() {
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
	retention, err := q.ImportRetention(ctx)
	if err != nil {
		log.Fatal(err)
	}
	for _, age := range []time.Duration{24 * time.Hour, 30 * 24 * time.Hour} {
		x := dlq.Exported{Topic: "orders.orders.dlq", Timestamp: time.Now().Add(-age).UnixMilli()}
		fmt.Printf("%v old: to be imported %v\n", age, x.Expires(retention).After(time.Now()))
	}
	// Output:
	// 24h0m0s old: to be imported true
	// 720h0m0s old: to be imported false
}
