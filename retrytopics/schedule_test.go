package retrytopics_test

import (
	"testing"
	"time"

	"github.com/redeliver/redeliver/classify"
	"github.com/redeliver/redeliver/retrytopics"
	"pgregory.net/rapid"
)

var noon = time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC)

func TestNext(t *testing.T) {
	plain := retrytopics.Policy{NoJitter: true}
	quota := retrytopics.Policy{NoJitter: true, Overrides: []retrytopics.Override{
		{Class: classify.RateLimited, Strategy: retrytopics.Fixed{Wait: 10 * time.Second}, MaxRetries: 20},
		{Status: classify.StatusesOf(404), MaxRetries: 1},
		{Class: classify.Permanent, MaxRetries: retrytopics.NoRetries},
		{Topic: "clicks", MaxRetries: 1},
	}}
	onTheSpot := retrytopics.Policy{NoJitter: true, InPlace: retrytopics.InPlace{Max: 2}}
	failed := func(c classify.Class) retrytopics.Failed { return retrytopics.Failed{Class: c} }
	for _, tt := range []struct {
		name   string
		policy retrytopics.Policy
		q      retrytopics.Question
		want   retrytopics.Verdict
		delay  time.Duration
		counts string
	}{
		{
			name: "the first failure waits the first tier", policy: plain,
			q: retrytopics.Question{Failed: failed(classify.Network), Attempts: 1}, delay: time.Second,
		},
		{
			name: "the attempt of Failed will do", policy: plain,
			q: retrytopics.Question{Failed: retrytopics.Failed{Class: classify.System, Attempt: 2}}, delay: 10 * time.Second,
		},
		{
			name: "what nobody classified is transient", policy: plain,
			q: retrytopics.Question{Attempts: 1}, delay: time.Second,
		},
		{
			name: "three retries are four attempts", policy: plain,
			q: retrytopics.Question{Failed: failed(classify.Transient), Attempts: 3}, delay: time.Minute,
		},
		{
			name: "and no fifth", policy: plain,
			q: retrytopics.Question{Failed: failed(classify.Transient), Attempts: 4}, want: retrytopics.Exhausted,
		},
		{
			name: "a class that is not retried", policy: plain,
			q: retrytopics.Question{Failed: failed(classify.Validation), Attempts: 1}, want: retrytopics.NotRetriable,
		},
		{
			name: "unless an override names the status", policy: quota,
			q:     retrytopics.Question{Failed: retrytopics.Failed{Class: classify.Permanent, Status: 404}, Attempts: 1},
			delay: time.Second, counts: "404=1",
		},
		{
			name: "an override without retries for it does not", policy: quota,
			q:    retrytopics.Question{Failed: failed(classify.Permanent), Attempts: 1},
			want: retrytopics.NotRetriable, counts: "permanent=1",
		},
		{
			name: "and neither does one that only names the topic", policy: quota,
			q:    retrytopics.Question{Failed: failed(classify.Validation), Topic: "clicks", Attempts: 1},
			want: retrytopics.NotRetriable, counts: "topic:clicks=1",
		},
		{
			name: "the topic's own count", policy: quota,
			q:    retrytopics.Question{Failed: failed(classify.Network), Topic: "clicks", Attempts: 2, Counts: retrytopics.Counts{{Name: "topic:clicks", N: 1}}},
			want: retrytopics.Exhausted, counts: "topic:clicks=2",
		},
		{
			name: "each override has its own count: others do not use it up", policy: quota,
			q:     retrytopics.Question{Failed: failed(classify.RateLimited), Attempts: 4},
			delay: 10 * time.Second, counts: "rate_limited=1",
		},
		{
			name: "nor does it use up theirs", policy: quota,
			q:     retrytopics.Question{Failed: failed(classify.Network), Attempts: 19, Counts: retrytopics.Counts{{Name: "rate_limited", N: 18}}},
			delay: time.Second, counts: "rate_limited=18",
		},
		{
			name: "until it is used up", policy: quota,
			q:    retrytopics.Question{Failed: failed(classify.RateLimited), Attempts: 21, Counts: retrytopics.Counts{{Name: "rate_limited", N: 20}}},
			want: retrytopics.Exhausted, counts: "rate_limited=21",
		},
		{
			name: "counts of an override that left the configuration are nobody's", policy: plain,
			q:     retrytopics.Question{Failed: failed(classify.Network), Attempts: 8, Counts: retrytopics.Counts{{Name: "500", N: 7}}},
			delay: time.Second, counts: "500=7",
		},
		{
			name: "Retry-After sets the delay", policy: plain,
			q: retrytopics.Question{Failed: retrytopics.Failed{Class: classify.RateLimited, RetryAfter: 7 * time.Second}, Attempts: 3}, delay: 7 * time.Second,
		},
		{
			name: "beyond the longest delay", policy: plain,
			q: retrytopics.Question{Failed: retrytopics.Failed{Class: classify.RateLimited, RetryAfter: 20 * time.Minute}, Attempts: 1}, delay: 20 * time.Minute,
		},
		{
			name: "but not beyond an hour", policy: plain,
			q: retrytopics.Question{Failed: retrytopics.Failed{Class: classify.RateLimited, RetryAfter: 20 * time.Hour}, Attempts: 1}, delay: time.Hour,
		},
		{
			name: "nor below the shortest delay", policy: plain,
			q: retrytopics.Question{Failed: retrytopics.Failed{Class: classify.RateLimited, RetryAfter: 1}, Attempts: 1}, delay: 100 * time.Millisecond,
		},
		{
			name: "what the handler asks for is taken as it is", policy: retrytopics.Policy{},
			q: retrytopics.Question{Failed: retrytopics.Failed{RetryAfter: time.Second}, Asked: 30 * time.Hour, Attempts: 1, U: 0.9}, delay: 30 * time.Hour,
		},
		{
			name: "on the spot first", policy: onTheSpot,
			q: retrytopics.Question{Attempts: 1}, want: retrytopics.TryInPlace, delay: 50 * time.Millisecond,
		},
		{
			name: "on the spot again", policy: onTheSpot,
			q: retrytopics.Question{Attempts: 2, InPlaceTries: 1}, want: retrytopics.TryInPlace, delay: 50 * time.Millisecond,
		},
		{
			name: "then on the first tier", policy: onTheSpot,
			q: retrytopics.Question{Attempts: 3, InPlaceTries: 2}, delay: time.Second, counts: "in_place=2",
		},
		{
			name: "then on the second", policy: onTheSpot,
			q:     retrytopics.Question{Attempts: 4, Counts: retrytopics.Counts{{Name: "in_place", N: 2}}},
			delay: 10 * time.Second, counts: "in_place=2",
		},
		{
			name: "and they are attempts", policy: onTheSpot,
			q:    retrytopics.Question{Attempts: 6, Counts: retrytopics.Counts{{Name: "in_place", N: 2}}},
			want: retrytopics.Exhausted, counts: "in_place=2",
		},
		{
			name: "not on the spot where more patience was asked for", policy: onTheSpot,
			q: retrytopics.Question{Failed: retrytopics.Failed{RetryAfter: 5 * time.Second}, Attempts: 1}, delay: 5 * time.Second,
		},
		{
			name: "nor where the record has travelled", policy: onTheSpot,
			q: retrytopics.Question{Attempts: 2}, delay: 10 * time.Second,
		},
		{
			name: "nor for what is not retried", policy: onTheSpot,
			q: retrytopics.Question{Failed: failed(classify.Validation), Attempts: 1}, want: retrytopics.NotRetriable,
		},
		{
			name: "exhausted on the spot", policy: retrytopics.Policy{MaxRetries: 1, InPlace: retrytopics.InPlace{Max: 5}},
			q: retrytopics.Question{Attempts: 2, InPlaceTries: 1}, want: retrytopics.Exhausted,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before := tt.q.Counts.String()
			got := schedule(t, tt.policy).Next(tt.q)
			equal(t, got.Verdict.String(), tt.want.String())
			equal(t, got.Delay, tt.delay)
			equal(t, got.Counts.String(), tt.counts)
			equal(t, tt.q.Counts.String(), before) // pure
		})
	}
}

// The total timeout counts from the first failure, is judged at a failure and
// leaves out what a pause took.
func TestNextTotalTimeout(t *testing.T) {
	s := schedule(t, retrytopics.Policy{MaxRetries: 100, TotalTimeout: 5 * time.Minute})
	for _, tt := range []struct {
		name  string
		since time.Duration // first failure
		held  time.Duration
		want  retrytopics.Verdict
	}{
		{"in time", 5 * time.Minute, 0, retrytopics.Retry},
		{"too late", 5*time.Minute + 1, 0, retrytopics.TimedOut},
		{"paused for a day", 24 * time.Hour, 24 * time.Hour, retrytopics.Retry},
		{"paused, and too late all the same", 24 * time.Hour, 23 * time.Hour, retrytopics.TimedOut},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := s.Next(retrytopics.Question{Attempts: 2, FirstFailed: noon, Now: noon.Add(tt.since), Held: tt.held})
			equal(t, got.Verdict.String(), tt.want.String())
		})
	}
	first := s.Next(retrytopics.Question{Attempts: 1, Now: noon})
	equal(t, first.Verdict, retrytopics.Retry)

	none := schedule(t, retrytopics.Policy{MaxRetries: 100, TotalTimeout: time.Minute, Overrides: []retrytopics.Override{{Class: classify.Network, TotalTimeout: -1}}})
	late := retrytopics.Question{Attempts: 2, FirstFailed: noon, Now: noon.Add(time.Hour)}
	equal(t, none.Next(late).Verdict, retrytopics.TimedOut)
	late.Class = classify.Network
	equal(t, none.Next(late).Verdict, retrytopics.Retry)
}

func TestVerdictReasons(t *testing.T) {
	for verdict, want := range map[retrytopics.Verdict]retrytopics.Reason{
		retrytopics.Retry: "", retrytopics.TryInPlace: "", retrytopics.Exhausted: "exhausted",
		retrytopics.NotRetriable: "not_retriable", retrytopics.TimedOut: "timeout",
	} {
		equal(t, verdict.Reason(), want)
	}
}

func TestOverrideThatMatches(t *testing.T) {
	s := schedule(t, retrytopics.Policy{Overrides: []retrytopics.Override{
		{Class: classify.Network, Topic: "orders"},
		{Status: classify.StatusesOf(503)},
		{Class: classify.Transient},
	}})
	for _, tt := range []struct {
		f     retrytopics.Failed
		topic string
		want  int
	}{
		{retrytopics.Failed{Class: classify.Network}, "orders", 0},
		{retrytopics.Failed{Class: classify.Network}, "clicks", -1},
		{retrytopics.Failed{Class: classify.Transient, Status: 503}, "orders", 1},
		{retrytopics.Failed{Class: classify.Transient, Status: 504}, "orders", 2},
		{retrytopics.Failed{}, "orders", 2},
	} {
		equal(t, s.Override(tt.f, tt.topic), tt.want)
		equal(t, s.Next(retrytopics.Question{Failed: tt.f, Topic: tt.topic, Attempts: 1}).Override, tt.want)
	}
}

// Jitter lengthens by up to a quarter and never shortens; the same chance
// gives the same answer.
func TestJitterOnlyLengthens(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		policy := retrytopics.Policy{
			Strategy:   rapid.SampledFrom([]retrytopics.Strategy{retrytopics.Tiered{}, retrytopics.Exponential{}, retrytopics.Linear{}, retrytopics.Fixed{}, retrytopics.Immediate{}}).Draw(t, "strategy"),
			MaxRetries: 10,
		}
		calm := policy
		calm.NoJitter = true
		with, err := policy.Compile()
		noError(t, err)
		without, err := calm.Compile()
		noError(t, err)
		q := retrytopics.Question{
			Failed:   retrytopics.Failed{RetryAfter: time.Duration(rapid.Int64Range(0, int64(2*time.Hour)).Draw(t, "retry after"))},
			Attempts: rapid.IntRange(1, 10).Draw(t, "attempts"),
			U:        rapid.Float64Range(0, 0.999999).Draw(t, "u"),
		}
		got, base := with.Next(q).Delay, without.Next(q).Delay
		if most := base + base/4 + time.Millisecond; got < base || got > most {
			t.Fatalf("got %v, want %v to %v", got, base, most)
		}
		if got < min(q.RetryAfter, time.Hour) {
			t.Fatalf("got %v, earlier than the %v asked for", got, q.RetryAfter)
		}
		equal(t, with.Next(q), with.Next(q))
	})
}
