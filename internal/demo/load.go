package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// loadHeader marks the orders of the load, so that what somebody else writes into the topic is told from them.
const loadHeader = "demo-load"

// customers is how many keys the orders have.
const customers = 500

// load writes orders to the source topic at a steady rate. Its methods may be called concurrently.
type load struct {
	client *kgo.Client
	rate   int
	failed func(error)

	acked   atomic.Int64
	resting atomic.Bool

	mu     sync.Mutex
	queue  []trouble // to be sent, one in so many orders
	sent   int       // orders, for their numbers
	flight sync.WaitGroup
}

// newLoad returns a load that rests.
func newLoad(client *kgo.Client, rate int, failed func(error)) *load {
	l := &load{client: client, rate: rate, failed: failed}
	l.rest(true)
	return l
}

// run sends orders, unless it rests, until ctx ends, and returns when the last one is acknowledged.
func (l *load) run(ctx context.Context) error {
	tick := time.NewTicker(time.Second / time.Duration(l.rate))
	defer tick.Stop()
	defer l.flight.Wait()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			if !l.resting.Load() {
				l.send()
			}
		}
	}
}

// mix puts troubled orders among the good ones.
func (l *load) mix(kinds ...trouble) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.queue = append(l.queue, kinds...)
}

// mixed reports whether all troubled orders were sent.
func (l *load) mixed() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.queue) == 0
}

// rest stops sending, or goes on with it.
func (l *load) rest(resting bool) { l.resting.Store(resting) }

func (l *load) next() order {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sent++
	o := order{Number: l.sent, Cents: 100 + rand.IntN(9900)}
	if len(l.queue) > 0 && l.sent%troubleGap == 0 {
		o.Demo, l.queue = l.queue[0], l.queue[1:]
	}
	return o
}

func (l *load) send() {
	o := l.next()
	value, err := json.Marshal(o)
	if err != nil {
		l.failed(err)
		return
	}
	r := &kgo.Record{
		Topic:   sourceTopic,
		Key:     []byte("customer-" + strconv.Itoa(rand.IntN(customers))),
		Value:   value,
		Headers: []kgo.RecordHeader{{Key: loadHeader, Value: []byte("1")}},
	}
	l.flight.Add(1)
	// Without a bound: an order in doubt would make the count of those that came in a guess.
	l.client.Produce(context.Background(), r, func(_ *kgo.Record, err error) {
		defer l.flight.Done()
		if err != nil {
			l.failed(fmt.Errorf("write an order: %w", err))
			return
		}
		l.acked.Add(1)
	})
}
