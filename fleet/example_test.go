package fleet_test

import (
	"context"
	"log"

	"github.com/redeliver/redeliver/breaker"
	"github.com/redeliver/redeliver/consumer"
	"github.com/redeliver/redeliver/fleet"
)

// A pipeline whose breaker opens and closes together with those of all processes that call the same service.
func Example() {
	ctx := context.Background()
	brokers := []string{"localhost:9092"}
	pipeline, err := consumer.New(consumer.Config{
		Brokers: brokers,
		Group:   "orders",
		Topics:  []string{"orders"},
		Breaker: breaker.Config{Dependency: "payments-api"},
		Handler: consumer.HandlerFunc(func(context.Context, *consumer.Record) error { return nil }),
	})
	if err != nil {
		log.Fatal(err)
	}
	member, err := fleet.New(fleet.Config{Brokers: brokers})
	if err != nil {
		log.Fatal(err)
	}
	member.Share(pipeline.Breaker(), pipeline.Waiting) // only who has something to probe with probes for the others
	member.Steer(pipeline)
	go member.Run(ctx)
	<-member.Ready() // what is open, or paused, is it now
	if err := pipeline.Run(ctx); err != nil {
		log.Fatal(err)
	}
}

// Keep the breakers of a fleet open from anywhere.
func ExampleMember_Give() {
	var member *fleet.Member // see Example
	order := fleet.Order{Wish: fleet.KeepOpen, Dependency: "payments-api", By: "ann@desk"}
	if err := member.Give(context.Background(), order); err != nil {
		log.Print(err)
	}
}
