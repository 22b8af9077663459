package retrytopics_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redeliver/redeliver/classify"
	"github.com/redeliver/redeliver/retrytopics"
)

func registered(t *testing.T, name string, p retrytopics.Parameters) retrytopics.Strategy {
	t.Helper()
	s, ok := retrytopics.Registered(name, p)
	if !ok {
		t.Fatalf("there is no strategy %q; there are %q", name, retrytopics.RegisteredNames())
	}
	return s
}

// testStrategies counts the strategies that tests have registered: each is there for as long as the process.
var testStrategies atomic.Int64

func TestRegister(t *testing.T) {
	name := fmt.Sprintf("of-a-test-%d", testStrategies.Add(1))
	var got retrytopics.Parameters
	retrytopics.Register(name, func(p retrytopics.Parameters) retrytopics.Strategy {
		got = p
		return retrytopics.Fixed{Wait: 2 * p.Initial}
	})
	s := registered(t, name, retrytopics.Parameters{Initial: 3 * time.Second})
	equal(t, s.Delay(1, retrytopics.Failed{}), 6*time.Second)
	equal(t, got, retrytopics.Parameters{Initial: 3 * time.Second, Multiplier: 3, BackoffFactor: 1.5})
	if names := retrytopics.RegisteredNames(); !slices.IsSorted(names) || !slices.Contains(names, name) || !slices.Contains(names, "fibonacci") {
		t.Errorf("got the names %q", names)
	}
	if s, ok := retrytopics.Registered("nobody", retrytopics.Parameters{}); ok {
		t.Errorf("got %v for a name that nobody registered", s)
	}
}

func TestRegisterRefuses(t *testing.T) {
	fixed := func(retrytopics.Parameters) retrytopics.Strategy { return retrytopics.Fixed{} }
	for want, register := range map[string]func(){
		"there is a strategy fibonacci already": func() { retrytopics.Register("fibonacci", fixed) },
		`"Two words" is no name`:                func() { retrytopics.Register("Two words", fixed) },
		"the function of nil is nil":            func() { retrytopics.Register("nil", nil) },
	} {
		t.Run(want, func(t *testing.T) {
			defer func() {
				if p, _ := recover().(string); !strings.Contains(p, want) {
					t.Errorf("got the panic %q", p)
				}
			}()
			register()
		})
	}
}

func TestFibonacci(t *testing.T) {
	f := retrytopics.Fibonacci{Initial: 2 * time.Second}
	equal(t, f.String(), "fibonacci from 2s")
	was := time.Duration(0)
	for i, want := range durations(t, "2s 2s 4s 6s 10s 16s") {
		equal(t, f.Delay(i+1, retrytopics.Failed{}), want)
	}
	for _, retry := range []int{-1, 0, 50, 100, math.MaxInt} {
		got := f.Delay(retry, retrytopics.Failed{})
		if got < was || got > math.MaxInt64/4 {
			t.Errorf("retry %d: got %v after %v", retry, got, was)
		}
		was = got
	}
}

// A strategy may look at the failure: its class, its status, whose it is.
func TestAStrategyKnowsTheFailure(t *testing.T) {
	s := schedule(t, retrytopics.Policy{NoJitter: true, MaxDelay: time.Hour, Strategy: retrytopics.Custom(func(retry int, f retrytopics.Failed) time.Duration {
		switch {
		case f.Job.Tenant == "free":
			return time.Duration(f.Attempt) * time.Minute
		case f.Status == 503:
			return 7 * time.Second
		}
		return time.Second
	})})
	for _, tt := range []struct {
		failed retrytopics.Failed
		want   time.Duration
	}{
		{retrytopics.Failed{Class: classify.Transient}, time.Second},
		{retrytopics.Failed{Class: classify.Transient, Status: 503}, 7 * time.Second},
		{retrytopics.Failed{Class: classify.Transient, Status: 503, Attempt: 2, Job: classify.Job{Tenant: "free"}}, 2 * time.Minute},
		{retrytopics.Failed{Class: classify.Transient, Status: 503, RetryAfter: 40 * time.Second}, 40 * time.Second},
	} {
		equal(t, s.Next(retrytopics.Question{Failed: tt.failed}).Delay, tt.want)
	}
}
