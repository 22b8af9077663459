package consumer

import (
	"errors"
	"testing"
	"time"

	"github.com/redeliver/redeliver/classify"
	"github.com/redeliver/redeliver/retrytopics"
)

// TestJudge holds the decision after a failed call to its table: one row a rule.
func TestJudge(t *testing.T) {
	schedule := mustCompile(t, retrytopics.Policy{NoJitter: true})
	inPlace := mustCompile(t, retrytopics.Policy{NoJitter: true, InPlace: retrytopics.InPlace{Max: 2, Delay: 50 * time.Millisecond}})
	bounded := mustCompile(t, retrytopics.Policy{NoJitter: true, TotalTimeout: time.Minute})
	cause := errors.New("boom")
	now := time.Unix(1_700_000_000, 0)
	const none = retrytopics.Lane

	for _, tt := range []struct {
		name     string
		err      error
		class    classify.Class
		asked    time.Duration // Retry-After
		attempt  int
		first    time.Time
		held     time.Duration
		inPlace  int
		schedule *retrytopics.Schedule
		dead     DeadLetters
		handling classify.Handling

		verb   verb
		tier   int
		delay  time.Duration
		hop    time.Duration
		reason retrytopics.Reason
	}{
		{name: "first failure goes to the first tier", err: cause, class: classify.Transient, attempt: 1, verb: verbRetry, tier: 0, delay: time.Second, hop: time.Second},
		{name: "third failure goes to the third tier", err: cause, class: classify.Network, attempt: 3, verb: verbRetry, tier: 2, delay: time.Minute, hop: time.Minute},
		{name: "the fourth failure exhausts three retries", err: cause, class: classify.Network, attempt: 4, verb: verbDead, reason: retrytopics.ReasonExhausted},
		{name: "validation is not retried", err: cause, class: classify.Validation, attempt: 1, verb: verbDead, reason: retrytopics.ReasonNotRetriable},
		{name: "undecodable is a dead letter of its own reason", err: &UndecodableError{"a/0/1", cause}, class: classify.Validation, attempt: 1, verb: verbDead, reason: retrytopics.ReasonUndecodable},
		{name: "dead letter asked for", err: DeadLetter(cause), class: classify.Transient, attempt: 1, verb: verbDead, reason: retrytopics.ReasonRequested},
		{name: "drop", err: Drop("old"), class: classify.Transient, attempt: 1, verb: verbDrop},
		{name: "a snooze of a delay that a tier has", err: Snooze(10 * time.Second), attempt: 0, verb: verbSnooze, tier: 1, delay: 10 * time.Second, hop: 10 * time.Second},
		{name: "a snooze beyond the tiers begins with the longest", err: Snooze(5 * time.Minute), verb: verbSnooze, tier: 2, delay: 5 * time.Minute, hop: time.Minute},
		{name: "a snooze below the shortest tier waits in the lane", err: Snooze(200 * time.Millisecond), verb: verbSnooze, tier: none, delay: 200 * time.Millisecond},
		{name: "retry after a delay", err: RetryAfter(12*time.Second, cause), class: classify.Transient, attempt: 1, verb: verbRetry, tier: 1, delay: 12 * time.Second, hop: 10 * time.Second},
		{name: "retry at once", err: RetryAfter(0, cause), class: classify.Transient, attempt: 1, verb: verbRetry, tier: none, delay: time.Millisecond},
		{name: "retry asked for beats a class that is not retried", err: RetryAfter(time.Second, cause), class: classify.Permanent, attempt: 1, verb: verbRetry, tier: 0, delay: time.Second, hop: time.Second},
		{name: "retry asked for ends with the attempts", err: RetryAfter(time.Second, cause), class: classify.Permanent, attempt: 4, verb: verbDead, reason: retrytopics.ReasonExhausted},
		{name: "retriable at the policy's delay", err: Retriable(cause), class: classify.Validation, attempt: 2, verb: verbRetry, tier: 1, delay: 10 * time.Second, hop: 10 * time.Second},
		{name: "Retry-After sets the delay", err: cause, class: classify.RateLimited, asked: 2 * time.Minute, attempt: 1, verb: verbRetry, tier: 2, delay: 2 * time.Minute, hop: time.Minute},
		{name: "tries on the spot come first", err: cause, class: classify.Transient, attempt: 1, inPlace: 0, schedule: inPlace, verb: verbInPlace, tier: none, delay: 50 * time.Millisecond},
		{name: "after them the first tier", err: cause, class: classify.Transient, attempt: 3, inPlace: 2, schedule: inPlace, verb: verbRetry, tier: 0, delay: time.Second, hop: time.Second},
		{name: "the total time-out is judged at a failure", err: cause, class: classify.Transient, attempt: 2, first: now.Add(-2 * time.Minute), schedule: bounded, verb: verbDead, reason: retrytopics.ReasonTimeout},
		{name: "and leaves out the time held", err: cause, class: classify.Transient, attempt: 2, first: now.Add(-2 * time.Minute), held: 90 * time.Second, schedule: bounded, verb: verbRetry, tier: 1, delay: 10 * time.Second, hop: 10 * time.Second},
		{name: "without dead letters the exhausted are held", err: cause, class: classify.Network, attempt: 4, dead: DeadLetters{Disabled: true}, verb: verbHoldHere, reason: retrytopics.ReasonExhausted},
		{name: "or dropped where that is said", err: cause, class: classify.Network, attempt: 4, dead: DeadLetters{Disabled: true, Drop: true}, verb: verbDrop, reason: retrytopics.ReasonExhausted},
		{name: "a class that is to be retried is", err: cause, class: classify.Authentication, attempt: 1, handling: classify.Retry, verb: verbRetry, tier: 0, delay: time.Second, hop: time.Second},
		{name: "as often as any other", err: cause, class: classify.Authentication, attempt: 4, handling: classify.Retry, verb: verbDead, reason: retrytopics.ReasonExhausted},
		{name: "a class that is to be a dead letter is one at once", err: cause, class: classify.Network, attempt: 1, handling: classify.DeadLetter, verb: verbDead, reason: retrytopics.ReasonNotRetriable},
		{name: "or held, without dead letters", err: cause, class: classify.Network, attempt: 1, handling: classify.DeadLetter, dead: DeadLetters{Disabled: true}, verb: verbHoldHere, reason: retrytopics.ReasonNotRetriable},
		{name: "a class that is to be held is", err: cause, class: classify.Network, attempt: 1, handling: classify.Hold, verb: verbHoldHere, reason: retrytopics.ReasonNotRetriable},
		{name: "and not dropped where the exhausted are", err: cause, class: classify.Network, attempt: 1, handling: classify.Hold, dead: DeadLetters{Disabled: true, Drop: true}, verb: verbHoldHere, reason: retrytopics.ReasonNotRetriable},
		{name: "a class that is to be dropped is", err: cause, class: classify.Network, attempt: 1, handling: classify.Drop, verb: verbDrop},
		{name: "what cannot be decoded is held as its class is", err: &UndecodableError{"a/0/1", cause}, class: classify.Validation, attempt: 1, handling: classify.Hold, verb: verbHoldHere, reason: retrytopics.ReasonUndecodable},
		{name: "and not retried", err: &UndecodableError{"a/0/1", cause}, class: classify.Validation, attempt: 1, handling: classify.Retry, verb: verbDead, reason: retrytopics.ReasonUndecodable},
		{name: "what the handler asks for is above the treatment", err: RetryAfter(time.Second, cause), class: classify.Network, attempt: 1, handling: classify.Drop, verb: verbRetry, tier: 0, delay: time.Second, hop: time.Second},
		{name: "so is a dead letter", err: DeadLetter(cause), class: classify.Network, attempt: 1, handling: classify.Hold, verb: verbDead, reason: retrytopics.ReasonRequested},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := schedule
			if tt.schedule != nil {
				s = tt.schedule
			}
			state := &retrytopics.State{Topic: "a", Attempt: tt.attempt, FirstFailed: tt.first, Held: tt.held}
			if tt.inPlace > 0 { // what the judge said of the tries before
				for i := range tt.inPlace {
					d := judge(situation{failedCall: ended(cause, classify.Failure{Class: tt.class}), state: &retrytopics.State{Topic: "a", Attempt: i + 1, Counts: state.Counts}, inPlace: i, now: now, schedule: s})
					state.Counts = d.counts
				}
			}
			d := judge(situation{failedCall: ended(tt.err, classify.Failure{Class: tt.class, RetryAfter: tt.asked, Treatment: classify.Treatment{Handling: tt.handling}}), state: state, inPlace: tt.inPlace, now: now, schedule: s, dead: tt.dead})
			if d.verb != tt.verb || d.reason != tt.reason {
				t.Fatalf("got verb %d reason %q, want %d %q", d.verb, d.reason, tt.verb, tt.reason)
			}
			if tt.verb > verbSnooze {
				return
			}
			if d.tier != tt.tier || d.due.Sub(now) != tt.delay {
				t.Errorf("got tier %d after %v, want %d after %v", d.tier, d.due.Sub(now), tt.tier, tt.delay)
			}
			if tt.hop != 0 && d.hopDue.Sub(now) != tt.hop {
				t.Errorf("got hop due after %v, want %v", d.hopDue.Sub(now), tt.hop)
			}
		})
	}
}

func mustCompile(t *testing.T, p retrytopics.Policy) *retrytopics.Schedule {
	t.Helper()
	s, err := p.Compile()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// ended is a call that ended with an error of which the classifier says f.
func ended(err error, f classify.Failure) failedCall {
	call := readError(classify.New(nil), classify.Context{}, err)
	call.failure = f
	return call
}
