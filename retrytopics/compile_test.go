package retrytopics_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redeliver/redeliver/classify"
	"github.com/redeliver/redeliver/retrytopics"
)

// delays that a class gets, in order, without jitter.
func delays(s *retrytopics.Schedule, f retrytopics.Failed, topic string) []time.Duration {
	var out []time.Duration
	for _, step := range s.TimetableFor(f, topic)[1:] {
		out = append(out, step.Delay)
	}
	return out
}

func TestPolicyDefaults(t *testing.T) {
	quota := retrytopics.Override{Class: classify.RateLimited, Strategy: retrytopics.Fixed{Wait: 10 * time.Second}, MaxRetries: 3}
	for _, tt := range []struct {
		name   string
		policy retrytopics.Policy
		failed retrytopics.Failed
		topic  string
		tiers  string
		delays string
	}{
		{name: "the zero policy is three tiers", tiers: "1s 10s 60s", delays: "1s 10s 60s"},
		{
			name:   "as many retries as tiers",
			policy: retrytopics.Policy{Tiers: durations(t, "500ms 5s 60s 10m 1h")},
			tiers:  "500ms 5s 60s 10m 1h", delays: "500ms 5s 60s 10m 1h",
		},
		{
			name:   "beyond the tiers the last one repeats",
			policy: retrytopics.Policy{MaxRetries: 5},
			tiers:  "1s 10s 60s", delays: "1s 10s 60s 60s 60s",
		},
		{
			name:   "five retries for every other strategy, up to a minute",
			policy: retrytopics.Policy{Strategy: retrytopics.Exponential{}},
			tiers:  "1s 10s 60s", delays: "1s 3s 9s 27s 60s",
		},
		{
			name:   "linear",
			policy: retrytopics.Policy{Strategy: retrytopics.Linear{}, MaxRetries: 4},
			tiers:  "1s 10s 60s", delays: "1s 2.5s 4s 5.5s",
		},
		{name: "no retries", policy: retrytopics.Policy{MaxRetries: retrytopics.NoRetries}, tiers: "1s 10s 60s"},
		{
			name:   "immediate has no shortest delay",
			policy: retrytopics.Policy{Strategy: retrytopics.Immediate{}, MaxRetries: 2},
			tiers:  "1s 10s 60s", delays: "0s 0s",
		},
		{
			name:   "every other strategy has",
			policy: retrytopics.Policy{Strategy: retrytopics.Custom(func(int, retrytopics.Failed) time.Duration { return -time.Second }), MaxRetries: 1},
			tiers:  "1s 10s 60s", delays: "100ms",
		},
		{
			name:   "a strategy's own bound",
			policy: retrytopics.Policy{Strategy: retrytopics.Exponential{Max: 5 * time.Second}, MaxRetries: 3},
			tiers:  "1s 10s 60s", delays: "1s 3s 5s",
		},
		{
			name:   "tiers shorter than the shortest delay lower it",
			policy: retrytopics.Policy{Tiers: durations(t, "20ms 1s")},
			tiers:  "20ms 1s", delays: "20ms 1s",
		},
		{
			name:   "tries on the spot come on top of the default",
			policy: retrytopics.Policy{InPlace: retrytopics.InPlace{Max: 2}},
			tiers:  "1s 10s 60s", delays: "50ms 50ms 1s 10s 60s",
		},
		{
			name:   "but within what is asked for",
			policy: retrytopics.Policy{InPlace: retrytopics.InPlace{Max: 2, Delay: 10 * time.Millisecond}, MaxRetries: 3},
			tiers:  "1s 10s 60s", delays: "10ms 10ms 1s",
		},
		{
			name:   "the total timeout ends it at the first failure after it",
			policy: retrytopics.Policy{MaxRetries: 10, TotalTimeout: 2 * time.Minute},
			tiers:  "1s 10s 60s", delays: "1s 10s 60s 60s",
		},
		{
			name:   "an override's strategy",
			policy: retrytopics.Policy{Overrides: []retrytopics.Override{quota}},
			failed: retrytopics.Failed{Class: classify.RateLimited},
			tiers:  "1s 10s 60s", delays: "10s 10s 10s",
		},
		{
			name:   "does not concern the others",
			policy: retrytopics.Policy{Overrides: []retrytopics.Override{quota}},
			failed: retrytopics.Failed{Class: classify.Network},
			tiers:  "1s 10s 60s", delays: "1s 10s 60s",
		},
		{
			name:   "an override without a strategy has the policy's retries",
			policy: retrytopics.Policy{MaxRetries: 2, Overrides: []retrytopics.Override{{Topic: "clicks", NoJitter: true}}},
			topic:  "clicks",
			tiers:  "1s 10s 60s", delays: "1s 10s",
		},
		{
			name:   "with one it has the strategy's",
			policy: retrytopics.Policy{MaxRetries: 2, Overrides: []retrytopics.Override{{Topic: "clicks", Strategy: retrytopics.Tiered{}}}},
			topic:  "clicks",
			tiers:  "1s 10s 60s", delays: "1s 10s 60s",
		},
		{
			name:   "one tier for each delay",
			policy: retrytopics.Policy{Strategy: retrytopics.Exponential{}, AutoTiers: true, Overrides: []retrytopics.Override{quota}},
			tiers:  "1s 3s 9s 10s 27s 60s", delays: "1s 3s 9s 27s 60s",
		},
		{
			name:   "a replay needs a tier even where no retry does",
			policy: retrytopics.Policy{Strategy: retrytopics.Immediate{}, AutoTiers: true, MaxRetries: 1},
			tiers:  "1s", delays: "0s",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := schedule(t, tt.policy)
			equal(t, s.Tiers(), durations(t, tt.tiers))
			equal(t, delays(s, tt.failed, tt.topic), durations(t, tt.delays))
		})
	}
}

// Everything that is wrong is told at once, each by the name of its setting.
func TestPolicyMistakes(t *testing.T) {
	over := func(o ...retrytopics.Override) retrytopics.Policy { return retrytopics.Policy{Overrides: o} }
	network := retrytopics.Override{Class: classify.Network}
	fivexx, _ := classify.ParseStatuses("5xx")
	every := fivexx.Without(classify.StatusesOf(500, 510, 520, 530, 540, 550, 560, 570, 580, 590))
	for _, tt := range []struct {
		field string // what comes first
		says  string
		p     retrytopics.Policy
	}{
		{"tiers", "not both", retrytopics.Policy{AutoTiers: true, Tiers: durations(t, "1s")}},
		{"tiers", "at most 32", retrytopics.Policy{Tiers: slices.Repeat(durations(t, "1s"), 33)}},
		{"tiers", "auto would make 100 tiers, at most 32", retrytopics.Policy{AutoTiers: true, MaxRetries: 100, MaxDelay: time.Hour, Strategy: retrytopics.Linear{}}},
		{"tiers[1]", "tiers ascend: 1s comes after 10s", retrytopics.Policy{Tiers: durations(t, "10s 1s")}},
		{"tiers[1]", "tiers ascend: 1s comes after 1s", retrytopics.Policy{Tiers: durations(t, "1s 1s")}},
		{"tiers[0]", "at least 1ms", retrytopics.Policy{Tiers: durations(t, "0s 1s")}},
		{"tiers[0]", "-1s is no tier", retrytopics.Policy{Tiers: durations(t, "-1s 1s")}},
		{"tiers[0]", "whole number of milliseconds", retrytopics.Policy{Tiers: durations(t, "1500us")}},
		{"tiers[0]", "at most 30 days", retrytopics.Policy{Tiers: durations(t, "721h")}},
		{"min_delay", "is negative", retrytopics.Policy{MinDelay: -1}},
		{"min_delay", "2s is above the shortest tier, 1s", retrytopics.Policy{MinDelay: 2 * time.Second}},
		{"min_delay", "2m is above max_delay, 60s", retrytopics.Policy{Strategy: retrytopics.Immediate{}, MinDelay: 2 * time.Minute}},
		{"max_delay", "is negative", retrytopics.Policy{MaxDelay: -1}},
		{"max_delay", "30s is below the longest tier, 60s", retrytopics.Policy{MaxDelay: 30 * time.Second}},
		{"max_delay", "at most 30 days", retrytopics.Policy{MaxDelay: 10000 * time.Hour}},
		{"max_delay", "is negative", retrytopics.Policy{Strategy: retrytopics.Linear{Max: -1}}},
		{"max_retries", "-2 is out of range, 0 to 10000", retrytopics.Policy{MaxRetries: -2}},
		{"max_retries", "10001 is out of range", retrytopics.Policy{MaxRetries: 10001}},
		{"total_timeout", "is negative", retrytopics.Policy{TotalTimeout: -1}},
		{"in_place.max", "0 to 100", retrytopics.Policy{InPlace: retrytopics.InPlace{Max: 101}}},
		{"in_place.max", "0 to 100", retrytopics.Policy{InPlace: retrytopics.InPlace{Max: -1}}},
		{"in_place.max", "max_retries allows none", retrytopics.Policy{MaxRetries: retrytopics.NoRetries, InPlace: retrytopics.InPlace{Max: 1}}},
		{"in_place.delay", "belongs on a tier", retrytopics.Policy{InPlace: retrytopics.InPlace{Max: 1, Delay: time.Hour}}},
		{"initial_delay", "2m is above max_delay, 60s", retrytopics.Policy{Strategy: retrytopics.Fixed{Wait: 2 * time.Minute}}},
		{"initial_delay", "2s is above max_delay, 1s", retrytopics.Policy{Strategy: retrytopics.Exponential{Initial: 2 * time.Second, Max: time.Second}}},
		{"initial_delay", "use the strategy immediate", retrytopics.Policy{Strategy: retrytopics.Fixed{Wait: -1}}},
		{"multiplier", "0.5 is out of range, 1 to 1000", retrytopics.Policy{Strategy: retrytopics.Exponential{Multiplier: 0.5}}},
		{"backoff_factor", "-1 is out of range", retrytopics.Policy{Strategy: retrytopics.Linear{Factor: -1}}},
		{"strategy", "Custom needs a function", retrytopics.Policy{Strategy: retrytopics.Custom(nil)}},
		{"overrides[0]", "set class, status, topic, or job_type, user, project or tenant", over(retrytopics.Override{MaxRetries: 1})},
		{"overrides[1]", "overrides[0] matches the same (network)", over(network, network)},
		{"overrides[1]", "put the narrower one first", over(network, retrytopics.Override{Class: classify.Network, Topic: "clicks"})},
		{"overrides[0].class", "99 is no class", over(retrytopics.Override{Class: 99})},
		{"overrides[1]", "put the narrower one first", over(retrytopics.Override{Status: fivexx}, retrytopics.Override{Status: classify.StatusesOf(503), Job: classify.Job{Tenant: "acme"}})},
		{"overrides[0]", "name fewer statuses", over(retrytopics.Override{Status: every, Topic: strings.Repeat("x", 249)})},
		{"overrides[0].job_type", "without ',' and '='", over(retrytopics.Override{Job: classify.Job{Type: "a,b"}})},
		{"overrides[0].tenant", "at most 64 printable bytes", over(retrytopics.Override{Job: classify.Job{Tenant: "a\nb"}})},
		{"overrides[0].max_retries", "-3 is out of range", over(retrytopics.Override{Status: classify.StatusesOf(409), MaxRetries: -3})},
		{"overrides[0].min_delay", "is negative", over(retrytopics.Override{Status: classify.StatusesOf(409), MinDelay: -3})},
		{"overrides[0].min_delay", "90s is above max_delay, 60s", over(retrytopics.Override{Status: classify.StatusesOf(409), MinDelay: 90 * time.Second})},
		{"overrides[0].max_delay", "out of range", over(retrytopics.Override{Status: classify.StatusesOf(409), MaxDelay: -3})},
		{"overrides[0].initial_delay", "5m is above max_delay, 60s", over(retrytopics.Override{Status: classify.StatusesOf(409), Strategy: retrytopics.Fixed{Wait: 5 * time.Minute}})},
		{"overrides[1].multiplier", "1 to 1000", over(network, retrytopics.Override{Status: classify.StatusesOf(409), Strategy: retrytopics.Exponential{Multiplier: -1}})},
	} {
		t.Run(tt.field+" "+tt.says, func(t *testing.T) {
			_, err := tt.p.Compile()
			got := errorAs[*retrytopics.FieldError](t, err)
			equal(t, got.Field, tt.field)
			fails(t, got, "retry."+tt.field, tt.says)
		})
	}
}

func TestPolicyMistakesAreToldTogether(t *testing.T) {
	_, err := retrytopics.Policy{
		Tiers:        durations(t, "10s 1s"),
		MaxRetries:   -7,
		TotalTimeout: -1,
		Overrides:    []retrytopics.Override{{}},
	}.Compile()
	var fields []string
	var joined interface{ Unwrap() []error }
	if !errors.As(err, &joined) {
		t.Fatalf("got %T, want a joined error", err)
	}
	for _, e := range joined.Unwrap() {
		fields = append(fields, errorAs[*retrytopics.FieldError](t, e).Field)
	}
	equal(t, strings.Join(fields, " "), "tiers[1] total_timeout max_retries overrides[0]")
}

func TestOverrideNames(t *testing.T) {
	for want, o := range map[string]retrytopics.Override{
		"":                          {MaxRetries: 1},
		"rate_limited":              {Class: classify.RateLimited},
		"409":                       {Status: classify.StatusesOf(409)},
		"topic:orders":              {Topic: "orders"},
		"409/503":                   {Status: classify.StatusesOf(503, 409)},
		"job:invoice+tenant:acme":   {Job: classify.Job{Type: "invoice", Tenant: "acme"}},
		"user:u+project:p":          {Job: classify.Job{User: "u", Project: "p"}},
		"network+409+topic:a.b_c-d": {Class: classify.Network, Status: classify.StatusesOf(409), Topic: "a.b_c-d"},
	} {
		equal(t, o.Name(), want)
	}
}
