package retrytopics_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redeliver/redeliver/classify"
	"github.com/redeliver/redeliver/retrytopics"
)

func TestTimetable(t *testing.T) {
	s := schedule(t, retrytopics.Policy{Strategy: retrytopics.Exponential{}, MaxRetries: 3, InPlace: retrytopics.InPlace{Max: 1}})
	ms := time.Millisecond
	equal(t, s.Timetable(classify.Network), []retrytopics.Step{
		{Attempt: 1},
		{Attempt: 2, Delay: 50 * ms, Latest: 63 * ms, InPlace: true, Rest: 50 * ms, Sum: 50 * ms},
		{Attempt: 3, Delay: time.Second, Latest: 1250 * ms, Hops: durations(t, "1s"), Copies: 1, Sum: 1050 * ms},
		{Attempt: 4, Delay: 3 * time.Second, Latest: 3750 * ms, Hops: durations(t, "1s 1s"), Rest: time.Second, Copies: 3, Sum: 4050 * ms, End: "exhausted"},
	})
	equal(t, s.Timetable(classify.Validation), []retrytopics.Step{{Attempt: 1, End: "not_retriable"}})
	s = schedule(t, retrytopics.Policy{TotalTimeout: 1050 * ms})
	equal(t, s.Timetable(classify.System), []retrytopics.Step{
		{Attempt: 1},
		{Attempt: 2, Delay: time.Second, Latest: 1250 * ms, Hops: durations(t, "1s"), Copies: 1, Sum: time.Second},
		{Attempt: 3, Delay: 10 * time.Second, Latest: 12500 * ms, Hops: durations(t, "10s"), Copies: 2, Sum: 11 * time.Second, End: "timeout"},
	})
}

// An attempt that is due when the total timeout ends fails after that, for a call takes time: there is none behind it.
func TestTimetableOfATotalTimeoutThatAnAttemptIsDueAt(t *testing.T) {
	s := schedule(t, retrytopics.Policy{Strategy: retrytopics.Fixed{}, MaxRetries: 20, TotalTimeout: 4 * time.Second})
	steps := s.Timetable(classify.Network)
	last := steps[len(steps)-1]
	equal(t, last.Attempt, 5)
	equal(t, last.Sum, 4*time.Second)
	equal(t, last.End, retrytopics.ReasonTimeout)
}

// What is always to be retried is, whatever its class.
func TestTimetableOfWhatIsAlwaysRetried(t *testing.T) {
	s := schedule(t, retrytopics.Policy{})
	failed := retrytopics.Failed{Class: classify.Validation}
	equal(t, s.TimetableOf(retrytopics.Question{Failed: failed, Always: true}), s.Timetable(classify.Network))
	equal(t, len(s.TimetableOf(retrytopics.Question{Failed: failed})), 1)
}

// Example finds a failure that no earlier override takes.
func TestExample(t *testing.T) {
	s := schedule(t, retrytopics.Policy{Overrides: []retrytopics.Override{
		{Class: classify.Network, Topic: "orders"},
		{Status: classify.StatusesOf(409, 503)},
		{Status: classify.StatusesOf(409, 503, 504), Job: classify.Job{Tenant: "acme"}},
		{Class: classify.Transient},
	}})
	for i, want := range []retrytopics.Failed{
		{Class: classify.Network},
		{Class: classify.Transient, Status: 409},
		{Class: classify.Transient, Status: 504, Job: classify.Job{Tenant: "acme"}},
		{Class: classify.Transient},
	} {
		got, ok := s.Example(i)
		equal(t, ok, true)
		equal(t, got, want)
	}
	// Two that together take what the third wants, which none of them takes alone.
	s = schedule(t, retrytopics.Policy{Overrides: []retrytopics.Override{
		{Status: classify.StatusesOf(500)}, {Status: classify.StatusesOf(501)}, {Status: classify.StatusesOf(500, 501)},
	}})
	if got, ok := s.Example(2); ok {
		t.Errorf("got %v, which an earlier override takes", got)
	}
}

func ExampleSchedule_Timetable() {
	s, err := retrytopics.Policy{Strategy: retrytopics.Linear{}, Tiers: []time.Duration{time.Second, 4 * time.Second}}.Compile()
	if err != nil {
		panic(err)
	}
	for _, step := range s.Timetable(classify.Network) {
		var hops []string
		for _, hop := range step.Hops {
			hops = append(hops, retrytopics.Canonical(hop))
		}
		fmt.Printf("attempt %d after %v over %q\n", step.Attempt, step.Sum, strings.Join(hops, "+"))
	}
	// Output:
	// attempt 1 after 0s over ""
	// attempt 2 after 1s over "1s"
	// attempt 3 after 3.5s over "1s+1s"
	// attempt 4 after 7.5s over "4s"
	// attempt 5 after 13s over "4s+1s"
	// attempt 6 after 20s over "4s+1s+1s"
}

func ExampleSchedule_Next() {
	s, err := retrytopics.Policy{Overrides: []retrytopics.Override{
		{Class: classify.RateLimited, Strategy: retrytopics.Fixed{Wait: 10 * time.Second}, MaxRetries: 20},
	}}.Compile()
	if err != nil {
		panic(err)
	}
	state := retrytopics.State{ID: "orders/3/1042", Topic: "orders"}
	state.Attempt++ // it failed
	answer := s.Next(retrytopics.Question{
		Failed:   retrytopics.Failed{Class: classify.RateLimited, Status: 429},
		Topic:    state.Topic,
		Attempts: state.Attempt,
		Counts:   state.Counts,
	})
	state.Counts = answer.Counts
	fmt.Println(answer.Verdict, answer.Delay, state.Counts)
	// Output: retry 10s rate_limited=1
}
