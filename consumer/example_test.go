package consumer_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"regexp"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/breaker"
	"github.com/redeliver/redeliver/classify"
	"github.com/redeliver/redeliver/consumer"
	"github.com/redeliver/redeliver/retrytopics"
)

// Order is what the examples' topic carries.
type Order struct {
	ID    string `json:"id"`
	Cents int    `json:"cents"`
}

// Example handles orders, and tries again what fails. The payment service is away at the first call.
func Example() {
	brokers, done := exampleBroker("orders", `{"id":"A-1","cents":995}`)
	defer done()
	ctx, stop := context.WithCancel(context.Background())
	charge := func(_ context.Context, o Order, key string) error {
		if failedOnce(key) {
			return errors.New("payments: 503 service unavailable")
		}
		fmt.Println("charged", o.ID, o.Cents, "with key", key)
		stop() // one order is enough for an example
		return nil
	}

	p, err := consumer.New(consumer.Config{
		Brokers: brokers,
		Group:   "billing",
		Topics:  []string{"orders"},
		Handler: consumer.JSON(func(ctx context.Context, o consumer.Message[Order]) error {
			return charge(ctx, o.Value, o.ID()) // the id is the idempotency key
		}),
		Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
	if err != nil {
		log.Fatal(err)
	}
	if err := p.Run(ctx); err != nil { // until ctx ends: drains, commits, leaves
		log.Fatal(err)
	}
	// Output: charged A-1 995 with key orders/0/0
}

// ExampleMux serves two topics with one group, one of them in batches.
func ExampleMux() {
	mux := consumer.NewMux()
	mux.HandleFunc("orders", func(ctx context.Context, r *consumer.Record) error {
		return nil
	})
	mux.HandleBatch("clicks", func(ctx context.Context, b *consumer.Batch) error {
		for i, r := range b.Records {
			if len(r.Value) == 0 {
				b.Fail(i, consumer.Drop("empty click"))
			}
		}
		return nil // those that were not failed succeeded
	}, consumer.BatchOf(500, 50*time.Millisecond))
	fmt.Println(mux.Topics())
	// Output: [clicks orders]
}

// ExampleConfig shows the policy, the classes and the breaker of a pipeline.
func ExampleConfig() {
	errQuota := errors.New("quota exceeded")
	_, err := consumer.New(consumer.Config{
		Brokers: []string{"localhost:9092"},
		Group:   "billing",
		Topics:  []string{"orders"},
		Handler: consumer.HandlerFunc(func(context.Context, *consumer.Record) error { return nil }),
		Retry: retrytopics.Policy{
			Strategy:   retrytopics.Exponential{Initial: time.Second, Multiplier: 3, Max: time.Minute},
			MaxRetries: 5,
		},
		Classify: classify.Rules{
			classify.Is(errQuota, classify.RateLimited),
			classify.Match(`connection reset`, classify.Network),
		},
		Breaker: breaker.Config{Dependency: "payments-api", FailureRate: 0.5, Window: 30 * time.Second},
	})
	fmt.Println(err)
	// Output: <nil>
}

// ExampleRetrier gives a function outside Kafka what a handler has.
func ExampleRetrier() {
	r, err := consumer.NewRetrier("payments", consumer.RetrierConfig{
		Policy: retrytopics.Policy{Strategy: retrytopics.Immediate{}, MaxRetries: 2},
	})
	if err != nil {
		log.Fatal(err)
	}
	tries := 0
	err = r.Do(context.Background(), func(context.Context) error {
		tries++
		return errors.New("still away")
	})
	var gaveUp *consumer.GaveUpError
	fmt.Println(tries, errors.As(err, &gaveUp), gaveUp.Reason)
	// Output: 3 true exhausted
}

// Rules and classes say what becomes of a failure. Here what is stale is dropped, and somebody is told of a token that is over.
func ExampleRetrierConfig() {
	told := make(chan consumer.Notice, 1)
	r, err := consumer.NewRetrier("ledger", consumer.RetrierConfig{
		Classify: classify.Rules{
			classify.When(classify.Permanent, classify.Text(regexp.MustCompile("stale")), classify.Tenant("acme")).
				Treated(classify.Treatment{Handling: classify.Drop}),
		},
		Classes: classify.Treatments{classify.Authentication: {Notify: true}},
		Context: classify.Context{Job: classify.Job{Tenant: "acme"}},
		Notify:  func(_ context.Context, n consumer.Notice) { told <- n },
		Logger:  slog.New(slog.DiscardHandler),
	})
	if err != nil {
		log.Fatal(err)
	}
	err = r.Do(context.Background(), func(context.Context) error { return errors.New("stale order") })
	fmt.Println(err)
	err = r.Do(context.Background(), func(context.Context) error {
		return classify.Mark(errors.New("token is over"), classify.Authentication)
	})
	fmt.Println(err)
	n := <-told
	fmt.Println(n.Class, n.Severity, n.Count)
	// Output:
	// <nil>
	// ledger: gave up after 1 attempts (not_retriable): token is over
	// authentication critical 1
}

var seenOnce = make(map[string]bool)

// failedOnce is true the first time that it is asked about a key.
func failedOnce(key string) bool {
	first := !seenOnce[key]
	seenOnce[key] = true
	return first
}

// exampleBroker starts a broker in this process with a topic and one record in it.
func exampleBroker(topic, value string) (brokers []string, done func()) {
	fake, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, topic))
	if err != nil {
		log.Fatal(err)
	}
	cl, err := kgo.NewClient(kgo.SeedBrokers(fake.ListenAddrs()...), kgo.DefaultProduceTopic(topic))
	if err != nil {
		log.Fatal(err)
	}
	defer cl.Close()
	if err := cl.ProduceSync(context.Background(), kgo.StringRecord(value)).FirstErr(); err != nil {
		log.Fatal(err)
	}
	return fake.ListenAddrs(), fake.Close
}

// ExampleCall has a handler that books in a ledger, which is away at first. Its breaker opens, the record waits without using
// an attempt, and a probe finds that the ledger is back.
func ExampleCall() {
	brokers, done := exampleBroker("orders", `{"id":"A-1"}`)
	defer done()
	ctx, stop := context.WithCancel(context.Background())
	away := true
	book := func(context.Context) error {
		if away {
			away = false
			return errors.New("503 service unavailable")
		}
		return nil
	}

	p, err := consumer.New(consumer.Config{
		Brokers: brokers,
		Group:   "billing",
		Topics:  []string{"orders"},
		Breaker: breaker.Config{Dependency: "payments"},
		Dependencies: []consumer.Dependency{
			{Breaker: breaker.Config{Dependency: "ledger", Failures: 1, OpenFor: 50 * time.Millisecond, HalfOpenCalls: 1}},
		},
		Handler: consumer.HandlerFunc(func(ctx context.Context, r *consumer.Record) error {
			if err := consumer.Call(ctx, "ledger", book); err != nil {
				fmt.Println(err)
				return err
			}
			fmt.Println("booked", r.ID(), "on attempt", r.Attempt())
			stop()
			return nil
		}),
		Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
	if err != nil {
		log.Fatal(err)
	}
	if err := p.Run(ctx); err != nil {
		log.Fatal(err)
	}
	// Output:
	// ledger: 503 service unavailable
	// booked orders/0/0 on attempt 1
}
