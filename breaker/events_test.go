package breaker_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redeliver/redeliver/breaker"
)

func TestEventsInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, _ := setup(t, breaker.Config{Failures: 1, HalfOpenCalls: 1})
		var first, second []string
		cancel := b.Subscribe(func(e breaker.Event) { first = append(first, e.To.String()) })
		play(t, b, "f")
		stop := b.Subscribe(func(e breaker.Event) { second = append(second, e.To.String()) })
		advance(30 * time.Second)
		cancel()
		cancel()
		play(t, b, "s")
		stop()
		play(t, b, "f")
		if want := []string{"open", "half_open"}; !slices.Equal(first, want) {
			t.Errorf("the first: got %v, want %v", first, want)
		}
		if want := []string{"half_open", "closed"}; !slices.Equal(second, want) {
			t.Errorf("the second: got %v, want %v", second, want)
		}
	})
}

// A subscriber may do anything to the breaker that calls it, and hears what came
// of that after it has returned, like everybody else in order.
func TestSubscriberCallsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, e := setup(t, breaker.Config{Failures: 1, HalfOpenCalls: 1})
		var after []string
		b.Subscribe(func(event breaker.Event) {
			switch event.To {
			case breaker.Open:
				b.Force(breaker.HalfOpen)
			case breaker.HalfOpen:
				play(t, b, "s")
				b.Subscribe(func(event breaker.Event) { after = append(after, event.To.String()) })()
			case breaker.Closed:
				b.Snapshot()
				b.Auto()
			}
			after = append(after, "told of "+event.To.String())
		})
		play(t, b, "f")
		if got := e.take(); got != "closed>open open>half_open half_open>closed" {
			t.Errorf("got %q", got)
		}
		if want := []string{"told of open", "told of half_open", "told of closed"}; !slices.Equal(after, want) {
			t.Errorf("got %v, want %v", after, want)
		}
	})
}

// A subscriber that joins while an event is on its way does not get that one.
func TestSubscribeIsFromNowOn(t *testing.T) {
	b, _ := setup(t, breaker.Config{})
	var late []string
	b.Subscribe(func(e breaker.Event) {
		if e.To == breaker.ForcedOpen {
			b.Force(breaker.Disabled) // queued behind the event that is being told
			b.Subscribe(func(e breaker.Event) { late = append(late, e.To.String()) })
		}
	})
	b.Force(breaker.ForcedOpen)
	b.Auto()
	if want := []string{"closed"}; !slices.Equal(late, want) {
		t.Errorf("got %v, want %v", late, want)
	}
}

func TestSubscriberPanics(t *testing.T) {
	b, e := setup(t, breaker.Config{})
	cancel := b.Subscribe(func(breaker.Event) { panic("boom") })
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic was swallowed")
			}
		}()
		b.Force(breaker.ForcedOpen)
	}()
	cancel()
	b.Force(breaker.Disabled)
	if got := e.take(); got != "closed>forced_open forced_open>disabled" {
		t.Errorf("the others are still told: got %q", got)
	}
}
