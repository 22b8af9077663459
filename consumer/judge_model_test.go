package consumer

import (
	"errors"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/redeliver/redeliver/classify"
	"github.com/redeliver/redeliver/retrytopics"
)

// failedOnce is a failure as the model of the judge sees it: what the handler, the treatment of the class, and the policy say.
type failedOnce struct {
	asks        string // of the handler: nothing, snooze, dead, drop, retry, or retriable, which is a retry at the policy's delay
	after       time.Duration
	undecodable bool
	class       classify.Class
	handling    classify.Handling
	retryAfter  time.Duration // of the service
	attempt     int           // that has failed
	age         time.Duration // since the first failure
	held        time.Duration // of that, what a breaker held it
	total       time.Duration // of the policy; 0: none
	kept        string        // what becomes of the exhausted: dead letters, held, or dropped
}

// outcome is what is to become of it: where to and when, or why not.
type outcome struct {
	verb   verb
	delay  time.Duration
	tier   time.Duration // 0: it waits in its lane
	reason retrytopics.Reason
}

// model is the contract read aloud: who may decide, in what order, and over which tiers of 1 s, 10 s and 60 s a delay travels.
func (f failedOnce) model() outcome {
	bury := func(reason retrytopics.Reason) outcome {
		return outcome{verb: map[string]verb{"dead letters": verbDead, "held": verbHoldHere, "dropped": verbDrop}[f.kept], reason: reason}
	}
	wait := func(v verb, delay time.Duration) outcome {
		o := outcome{verb: v, delay: delay}
		for _, tier := range []time.Duration{time.Second, 10 * time.Second, time.Minute} {
			if tier <= delay {
				o.tier = tier
			}
		}
		return o
	}
	why := retrytopics.ReasonNotRetriable
	if f.undecodable {
		why = retrytopics.ReasonUndecodable
	}
	if f.undecodable || f.asks == "" {
		switch f.handling {
		case classify.DeadLetter:
			return bury(why)
		case classify.Hold:
			return outcome{verb: verbHoldHere, reason: why}
		case classify.Drop:
			return outcome{verb: verbDrop}
		}
	}
	switch {
	case f.undecodable:
		return bury(why)
	case f.asks == "snooze":
		return wait(verbSnooze, f.after)
	case f.asks == "dead":
		return bury(retrytopics.ReasonRequested)
	case f.asks == "drop":
		return outcome{verb: verbDrop}
	}
	retriable := []classify.Class{classify.Transient, classify.Network, classify.RateLimited, classify.System}
	switch {
	case f.asks == "" && f.handling != classify.Retry && !slices.Contains(retriable, f.class):
		return bury(retrytopics.ReasonNotRetriable)
	case f.attempt > 3:
		return bury(retrytopics.ReasonExhausted)
	case f.total > 0 && f.age-f.held > f.total:
		return bury(retrytopics.ReasonTimeout)
	case f.asks == "retry":
		return wait(verbRetry, max(f.after, time.Millisecond))
	case f.retryAfter > 0:
		return wait(verbRetry, min(f.retryAfter, retrytopics.MaxRetryAfter))
	}
	return wait(verbRetry, []time.Duration{time.Second, 10 * time.Second, time.Minute}[f.attempt-1])
}

// TestJudgeModel draws failures, and holds what the judge makes of them to the model.
func TestJudgeModel(t *testing.T) {
	schedules := make(map[time.Duration]*retrytopics.Schedule)
	for _, total := range []time.Duration{0, time.Minute, time.Hour} {
		schedules[total] = mustCompile(t, retrytopics.Policy{NoJitter: true, TotalTimeout: total})
	}
	now, cause := time.Unix(1_700_000_000, 0), errors.New("boom")
	rapid.Check(t, func(t *rapid.T) {
		whole := func(label string, most time.Duration) time.Duration { // delays are of milliseconds
			return time.Duration(rapid.Int64Range(0, most.Milliseconds()).Draw(t, label)) * time.Millisecond
		}
		f := failedOnce{
			asks:        rapid.SampledFrom([]string{"", "", "", "snooze", "dead", "drop", "retry", "retriable"}).Draw(t, "asks"),
			after:       whole("after", 5*time.Minute),
			undecodable: rapid.IntRange(0, 5).Draw(t, "undecodable") == 0,
			class:       rapid.SampledFrom(classify.Classes()).Draw(t, "class"),
			handling:    rapid.SampledFrom(append(classify.Handlings(), classify.ByClass, classify.ByClass)).Draw(t, "handling"),
			attempt:     rapid.IntRange(1, 5).Draw(t, "attempt"),
			age:         whole("age", 2*time.Hour),
			total:       rapid.SampledFrom([]time.Duration{0, time.Minute, time.Hour}).Draw(t, "total"),
			kept:        rapid.SampledFrom([]string{"dead letters", "held", "dropped"}).Draw(t, "kept"),
		}
		f.held = whole("held", f.age)
		if rapid.IntRange(0, 3).Draw(t, "service asks") == 0 {
			f.retryAfter = time.Second + whole("retry after", 2*retrytopics.MaxRetryAfter)
		}
		err := map[string]error{
			"": cause, "snooze": Snooze(f.after), "dead": DeadLetter(cause), "drop": Drop("old"), "retry": RetryAfter(f.after, cause), "retriable": Retriable(cause),
		}[f.asks]
		if f.undecodable {
			err = &UndecodableError{"a/0/1", err}
		}
		d := judge(situation{
			failedCall: ended(err, classify.Failure{Class: f.class, RetryAfter: f.retryAfter, Treatment: classify.Treatment{Handling: f.handling}}),
			state:      &retrytopics.State{Topic: "a", Attempt: f.attempt, FirstFailed: now.Add(-f.age), Held: f.held},
			now:        now,
			schedule:   schedules[f.total],
			dead:       DeadLetters{Disabled: f.kept != "dead letters", Drop: f.kept == "dropped"},
		})
		want := f.model()
		got := outcome{verb: d.verb, reason: d.reason}
		if d.verb == verbRetry || d.verb == verbSnooze {
			if got.delay = d.due.Sub(now); d.tier != retrytopics.Lane {
				got.tier = schedules[f.total].Tiers()[d.tier]
				equalTo(t, "end of the first hop", d.hopDue.Sub(now), got.tier)
			}
		}
		if got != want {
			t.Fatalf("%+v becomes %+v, want %+v", f, got, want)
		}
		equalTo(t, "needs no admission", d.admitted, want.reason == retrytopics.ReasonRequested)
	})
}
