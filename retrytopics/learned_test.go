package retrytopics

import (
	"slices"
	"testing"
	"time"

	"github.com/redeliver/redeliver/classify"
)

// learned is a policy whose delays are learned, but for rate limits.
func learned(t *testing.T) *Schedule {
	t.Helper()
	s, err := Policy{
		Strategy: Exponential{}, Adaptive: true, MaxRetries: 4, NoJitter: true,
		Overrides: []Override{{Class: classify.RateLimited, Strategy: Fixed{Wait: 5 * time.Second}}, {Class: classify.Network, MaxRetries: 7}},
	}.Compile()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestALearnedDelayTakesThePlaceOfTheStrategys(t *testing.T) {
	s := learned(t)
	for _, tt := range []struct {
		name  string
		class classify.Class
		learn time.Duration
		after time.Duration // Retry-After
		asked time.Duration
		want  time.Duration
		left  int // 0: nobody is asked
	}{
		{"learned", classify.Transient, 7 * time.Second, 0, 0, 7 * time.Second, 3},
		{"nothing known", classify.Transient, 0, 0, 0, 3 * time.Second, 3},
		{"below min_delay", classify.Transient, time.Millisecond, 0, 0, 100 * time.Millisecond, 3},
		{"above max_delay", classify.Transient, time.Hour, 0, 0, time.Minute, 3},
		{"an override without a strategy", classify.Network, 7 * time.Second, 0, 0, 7 * time.Second, 6},
		{"an override with a strategy", classify.RateLimited, 7 * time.Second, 0, 0, 5 * time.Second, 0},
		{"Retry-After", classify.Transient, 7 * time.Second, 20 * time.Second, 0, 20 * time.Second, 0},
		{"the handler's", classify.Transient, 7 * time.Second, 0, 9 * time.Second, 9 * time.Second, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			left := 0
			f := Failed{Class: tt.class, Attempt: 2, RetryAfter: tt.after}
			counts := Counts(nil)
			if o := s.Override(f, "orders"); o >= 0 {
				counts = counts.Add(s.Overrides()[o].Name(), 1) // the first of the two attempts
			}
			a := s.Next(Question{Failed: f, Counts: counts, Asked: tt.asked, Learned: func(w Wait) time.Duration {
				left = w.Left
				return tt.learn
			}})
			if a.Verdict != Retry || a.Delay != tt.want || left != tt.left {
				t.Errorf("got %v after %v with %d retries left, want %v with %d", a.Verdict, a.Delay, left, tt.want, tt.left)
			}
		})
	}
}

func TestALearnedDelayIsLengthenedByJitter(t *testing.T) {
	s, err := Policy{Adaptive: true}.Compile()
	if err != nil {
		t.Fatal(err)
	}
	a := s.Next(Question{Failed: Failed{Attempt: 1}, U: 1, Learned: func(Wait) time.Duration { return 8 * time.Second }})
	if a.Delay != 8800*time.Millisecond {
		t.Errorf("got %v, want 8s and a tenth", a.Delay)
	}
}

func TestTermsSayWhatALearnedDelayIsHeldTo(t *testing.T) {
	s := learned(t)
	got, ok := s.Terms(-1, 6)
	want := []time.Duration{time.Second, 3 * time.Second, 9 * time.Second, 27 * time.Second, time.Minute, time.Minute}
	if !ok || got.Min != DefaultMinDelay || got.Max != time.Minute || got.Jitter || !slices.Equal(got.Configured, want) {
		t.Errorf("got %+v, %v; want the bounds and %v", got, ok, want)
	}
	if _, ok := s.Terms(0, 6); ok {
		t.Error("an override with a strategy of its own learns")
	}
	if _, ok := s.Terms(1, 6); !ok {
		t.Error("an override without a strategy does not learn")
	}
}
