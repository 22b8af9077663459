package breaker_test

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/redeliver/redeliver/breaker"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

// Many goroutines call a dependency that is up and down by turns, while
// operators meddle. Whatever the schedule: events form one chain, probes are
// never more than allowed, and no success is lost.
func TestManyCallers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const callers, probes = 16, 3
		b, err := breaker.New(breaker.Config{HalfOpenCalls: probes, OpenFor: 300 * time.Millisecond, MinimumCalls: 10, Window: time.Second})
		if err != nil {
			t.Fatal(err)
		}
		defer b.Close()

		var chain []breaker.Event // told one at a time: no lock
		b.Subscribe(func(e breaker.Event) {
			if !e.Would { // which changes nothing
				chain = append(chain, e)
			}
			b.Snapshot()
		})
		start := time.Now()
		up := func() bool { return time.Since(start)/time.Second%2 == 0 }
		var succeeded atomic.Int64
		var mu sync.Mutex
		probing := map[time.Time]int{} // by when the breaker became half-open: an operator may make it so anew while probes are out
		count := func(since time.Time, by int) int {
			mu.Lock()
			defer mu.Unlock()
			probing[since] += by
			return probing[since]
		}

		var wg sync.WaitGroup
		for seed := range uint64(callers) {
			wg.Go(func() {
				random := rand.New(rand.NewPCG(seed, 1))
				for time.Since(start) < 20*time.Second {
					before := b.Snapshot()
					p, ok := b.Acquire()
					if !ok {
						<-time.After(time.Millisecond)
						continue
					}
					// A probe for certain if the breaker was half-open before
					// and after, and no state came in between.
					after := b.Snapshot()
					probe := before.State == breaker.HalfOpen && after.State == breaker.HalfOpen && before.Since.Equal(after.Since)
					if probe && count(after.Since, 1) > probes {
						t.Error("more probes than allowed")
					}
					took := time.Duration(random.Int64N(int64(20 * time.Millisecond)))
					well := up()
					<-time.After(took)
					if probe {
						count(after.Since, -1)
					}
					switch {
					case random.IntN(20) == 0:
						b.Cancel(p)
					case well:
						succeeded.Add(1)
						b.Record(p, breaker.Success, took)
					default:
						b.Record(p, breaker.Failure, took)
					}
					if random.IntN(50) == 0 {
						succeeded.Add(7)
						b.Successes(7, 1)
					}
				}
			})
		}
		wg.Go(func() {
			random := rand.New(rand.NewPCG(9, 9))
			for time.Since(start) < 20*time.Second {
				<-time.After(time.Duration(random.Int64N(int64(2 * time.Second))))
				b.Force(breaker.States()[random.IntN(len(breaker.States()))])
				<-time.After(100 * time.Millisecond)
				b.Auto()
			}
		})
		wg.Wait()
		synctest.Wait()

		if got := b.Succeeded(); got != uint64(succeeded.Load()) {
			t.Errorf("%d successes counted, %d recorded", got, succeeded.Load())
		}
		state := breaker.Closed
		seen := map[breaker.State]int{}
		for i, e := range chain {
			if e.From != state {
				t.Fatalf("event %d comes from %v, the one before went to %v", i, e.From, state)
			}
			if i > 0 && e.At.Before(chain[i-1].At) {
				t.Fatalf("event %d is older than the one before", i)
			}
			state = e.To
			seen[state]++
		}
		if state != b.State() {
			t.Errorf("the last event went to %v, the breaker is %v", state, b.State())
		}
		for _, s := range breaker.States() {
			if seen[s] == 0 {
				t.Errorf("the breaker was never %v: the test sees too little", s)
			}
		}
	})
}

// A subscriber that is slow, in one goroutine, holds up nobody: others change the
// state meanwhile, and their events follow in order.
func TestSlowSubscriberHoldsNobodyUp(t *testing.T) {
	b, err := breaker.New(breaker.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	entered, release := make(chan struct{}), make(chan struct{})
	var told []breaker.State
	b.Subscribe(func(e breaker.Event) {
		told = append(told, e.To)
		if e.To == breaker.ForcedOpen {
			close(entered)
			<-release
		}
	})
	done := make(chan struct{})
	go func() {
		defer close(done)
		b.Force(breaker.ForcedOpen)
	}()
	<-entered
	b.Auto()
	b.Force(breaker.Disabled)
	p, ok := b.Acquire()
	if !ok || b.Record(p, breaker.Success, 0) != breaker.Disabled {
		t.Error("a call did not go through")
	}
	close(release)
	<-done
	if len(told) != 3 || told[1] != breaker.Closed || told[2] != breaker.Disabled {
		t.Errorf("got %v", told)
	}
}
