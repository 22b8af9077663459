package breaker_test

import (
	"errors"
	"fmt"
	"time"

	"github.com/redeliver/redeliver/breaker"
)

// charge stands for a call to a dependency that is down.
func charge() error { return errors.New("503") }

func Example() {
	b, err := breaker.New(breaker.Config{Dependency: "payments-api", MinimumCalls: 5})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer b.Close()

	calls := 0
	for range 100 {
		permit, ok := b.Acquire()
		if !ok {
			continue // not now: the dependency is not well
		}
		calls++
		start := time.Now()
		outcome := breaker.Success
		if err := charge(); err != nil {
			outcome = breaker.Failure
		}
		b.Record(permit, outcome, time.Since(start))
	}
	fmt.Println(calls, "calls, then", b.State())
	fmt.Println(b.Snapshot().Why)
	// Output:
	// 5 calls, then open
	// failure rate 100% of 5 calls, the limit is 50%
}

func ExampleBreaker_Subscribe() {
	b, err := breaker.New(breaker.Config{Dependency: "payments-api"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer b.Close()

	cancel := b.Subscribe(func(e breaker.Event) { fmt.Println(e) })
	defer cancel()

	b.Force(breaker.ForcedOpen)
	b.Auto()
	// Output:
	// breaker "payments-api": closed to forced_open: forced open by an operator
	// breaker "payments-api": forced_open to closed: given back to measuring by an operator
}

// Everybody who calls one dependency shares its breaker, and with it the
// configuration.
func ExampleRegistry() {
	r := breaker.NewRegistry()
	defer r.Close()

	orders, _ := r.Get(breaker.Config{Dependency: "payments-api"})
	refunds, _ := r.Get(breaker.Config{Dependency: "payments-api"})
	fmt.Println(orders == refunds)

	_, err := r.Get(breaker.Config{Dependency: "payments-api", FailureRate: 0.9})
	fmt.Println(err)
	// Output:
	// true
	// breaker: dependency "payments-api" has FailureRate 0.5 already and cannot have 0.9 too: configure it alike everywhere, or give it another name
}
