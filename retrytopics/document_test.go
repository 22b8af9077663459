package retrytopics_test

import (
	"strings"
	"testing"
	"time"

	"github.com/redeliver/redeliver/classify"
	"github.com/redeliver/redeliver/retrytopics"
)

// TestTheDocument holds the policies to the sequences and defaults of the retry
// handler that the product grew from, through everything that shapes a delay:
// bounds, counts and the timetable. Where the contract differs on purpose, a row
// says so.
func TestTheDocument(t *testing.T) {
	ms := time.Millisecond
	for _, tt := range []struct {
		name   string
		policy retrytopics.Policy
		want   string // the delays before each retry; as many as there are retries
	}{
		{"exponential, by default: 1s by 3, at most 60s, 5 retries", retrytopics.Policy{Strategy: retrytopics.Exponential{}}, "1s 3s 9s 27s 60s"},
		{"linear, by default: 1s plus 1.5 times 1s", retrytopics.Policy{Strategy: retrytopics.Linear{}}, "1s 2.5s 4s 5.5s 7s"},
		{"fixed, by default 1s", retrytopics.Policy{Strategy: retrytopics.Fixed{}}, "1s 1s 1s 1s 1s"},
		{"immediate: no delay, min_delay does not hold", retrytopics.Policy{Strategy: retrytopics.Immediate{}}, "0s 0s 0s 0s 0s"},
		{"custom logic", retrytopics.Policy{Strategy: retrytopics.Custom(func(retry int, f retrytopics.Failed) time.Duration {
			return time.Duration(retry*retry) * time.Second
		})}, "1s 4s 9s 16s 25s"},
		{"the quick start: max_retries 3, max_delay 10s", retrytopics.Policy{Strategy: retrytopics.Exponential{}, MaxRetries: 3, MaxDelay: 10 * time.Second}, "1s 3s 9s"},
		{"the advanced configuration: 2s by 3", retrytopics.Policy{Strategy: retrytopics.Exponential{Initial: 2 * time.Second}, MaxRetries: 5}, "2s 6s 18s 54s 60s"},
		{"min_delay, by default 0.1s", retrytopics.Policy{Strategy: retrytopics.Fixed{Wait: ms}}, "100ms 100ms 100ms 100ms 100ms"},
		{"the contract's own default: max_retries follow the tiers", retrytopics.Policy{}, "1s 10s 60s"},
		{"beyond the tiers the last one repeats", retrytopics.Policy{MaxRetries: 5}, "1s 10s 60s 60s 60s"},
		{"registered by name", retrytopics.Policy{Strategy: registered(t, "fibonacci", retrytopics.Parameters{})}, "1s 1s 2s 3s 5s"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			steps := schedule(t, tt.policy).Timetable(classify.Transient)
			var delays []string
			for _, s := range steps[1:] {
				delays = append(delays, s.Delay.String())
				if most := s.Delay + s.Delay/4; s.Latest < s.Delay || s.Latest > most+ms {
					t.Errorf("jitter makes %v of %v, want it between that and %v", s.Latest, s.Delay, most)
				}
			}
			if got := strings.Join(delays, " "); got != strings.ReplaceAll(tt.want, "60s", "1m0s") {
				t.Errorf("got %s, want %s", got, tt.want)
			}
			// A difference from the document: a log that was paused for an hour must not lose its backlog, so that nothing times out
			// unless it is asked for.
			if end := steps[len(steps)-1].End; end != retrytopics.ReasonExhausted {
				t.Errorf("ends for %q, want %q", end, retrytopics.ReasonExhausted)
			}
		})
	}
}

// The document's total_timeout of 300s, where it is asked for, ends the retries.
func TestTheDocumentsTotalTimeout(t *testing.T) {
	steps := schedule(t, retrytopics.Policy{Strategy: retrytopics.Exponential{}, MaxRetries: 10, TotalTimeout: 300 * time.Second}).Timetable(classify.Network)
	last := steps[len(steps)-1]
	if last.End != retrytopics.ReasonTimeout || last.Sum <= 300*time.Second || steps[len(steps)-2].Sum > 300*time.Second {
		t.Errorf("ends for %q after %v", last.End, last.Sum)
	}
}

// Classes are retried as the document's table of failure types says.
func TestTheDocumentsRetriability(t *testing.T) {
	s := schedule(t, retrytopics.Policy{Strategy: retrytopics.Exponential{}})
	for class, retries := range map[classify.Class]int{
		classify.Transient: 5, classify.RateLimited: 5, classify.Network: 5, classify.System: 5,
		classify.Permanent: 0, classify.Validation: 0, classify.Authentication: 0,
	} {
		if got := len(s.Timetable(class)) - 1; got != retries {
			t.Errorf("%v is retried %d times, want %d", class, got, retries)
		}
	}
}
