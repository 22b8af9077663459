package breaker_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/redeliver/redeliver/breaker"
)

// TestAFollowedBreakerAsksBeforeItProbes stays open until somebody else moves it.
func TestAFollowedBreakerAsksBeforeItProbes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, err := breaker.New(breaker.Config{OpenFor: time.Second, Failures: 1})
		if err != nil {
			t.Fatal(err)
		}
		defer b.Close()
		asked := 0
		cancel := b.Follow(func(early bool) {
			if early {
				t.Error("asked early, though it is open for certain")
			}
			asked++
		})
		p, _ := b.Acquire()
		b.Record(p, breaker.Failure, 0)
		time.Sleep(time.Hour)
		synctest.Wait()
		if b.State() != breaker.Open || asked != 1 {
			t.Errorf("%v, and asked %d times", b.State(), asked)
		}
		b.Adopt(breaker.Adoption{State: breaker.HalfOpen, Why: "it is its turn"})
		if s := b.Snapshot(); s.State != breaker.HalfOpen || s.Why != "it is its turn" {
			t.Errorf("%v: %s", s.State, s.Why)
		}
		b.Adopt(breaker.Adoption{State: breaker.Open, Wait: time.Minute})
		b.Adopt(breaker.Adoption{State: breaker.Open, Wait: time.Hour})
		if left := time.Until(b.Snapshot().OpenUntil); left != time.Hour {
			t.Errorf("it probes in %v, want in an hour", left)
		}
		cancel()
		time.Sleep(time.Hour - time.Second)
		if b.State() != breaker.Open {
			t.Errorf("%v before its time is over", b.State())
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if b.State() != breaker.HalfOpen {
			t.Errorf("%v, though nobody is followed any more and its time is over", b.State())
		}
	})
}

// TestASuspectedBreakerAsksEarly passes on that there is a call whose like has not failed.
func TestASuspectedBreakerAsksEarly(t *testing.T) {
	b, err := breaker.New(breaker.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	early := 0
	b.Follow(func(is bool) {
		if is {
			early++
		}
	})
	b.Adopt(breaker.Adoption{State: breaker.Open, Wait: time.Hour})
	b.Probe()
	if early != 0 || b.State() != breaker.Open {
		t.Errorf("asked %d times for one that is open for certain", early)
	}
	b.Adopt(breaker.Adoption{State: breaker.Open, Wait: time.Hour, Suspected: true})
	b.Probe()
	if early != 1 || !b.Suspected() {
		t.Errorf("asked %d times for one that is suspected: %v", early, b.Suspected())
	}
	b.Adopt(breaker.Adoption{State: breaker.Closed})
	if b.State() != breaker.Closed {
		t.Errorf("%v after it was closed by others", b.State())
	}
}
