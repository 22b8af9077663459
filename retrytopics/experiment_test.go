package retrytopics

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"pgregory.net/rapid"

	"github.com/redeliver/redeliver/classify"
)

// weighed is a policy with an experiment of variants with these weights.
func weighed(name string, weights ...float64) Policy {
	x := &Experiment{Name: name}
	for i, w := range weights {
		x.Variants = append(x.Variants, Variant{Name: string(rune('a' + i)), Weight: w})
	}
	return Policy{Experiment: x}
}

func compiled(t interface {
	Helper()
	Fatal(...any)
}, p Policy) *Schedule {
	t.Helper()
	s, err := p.Compile()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Another assignment would give keys that wait another variant: these stand for ever.
func TestTheAssignmentIsTheSameInEveryRelease(t *testing.T) {
	s := compiled(t, weighed("slower", 1, 1, 2))
	var got []string
	for i := range 8 {
		got = append(got, s.Assign(fmt.Appendf(nil, "key-%d", i), "orders/0/1", classify.Job{}))
	}
	got = append(got, s.Assign(nil, "orders/0/1", classify.Job{}), s.Assign([]byte("orders/0/1"), "", classify.Job{}), s.Assign([]byte{}, "orders/0/1", classify.Job{}))
	want := "slower/c slower/c slower/b slower/b slower/c slower/a slower/a slower/c slower/c slower/c slower/c"
	if text := strings.Join(got, " "); text != want {
		t.Errorf("got  %s\nwant %s", text, want)
	}
	if got := s.Cluster([]byte("key-1"), "", 64); got != 17 {
		t.Errorf("cluster: got %d", got)
	}
}

func TestVariantsGetTheKeysOfTheirWeights(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		weights := rapid.SliceOfN(rapid.Float64Range(0.5, 10), 2, 5).Draw(t, "weights")
		s := compiled(t, weighed(rapid.StringMatching("[a-z]{1,8}").Draw(t, "name"), weights...))
		const keys = 4000
		counts := map[string]float64{}
		for i := range keys {
			counts[s.Assign(fmt.Appendf(nil, "customer-%d", i), "", classify.Job{})]++
		}
		sum := 0.0
		for _, w := range weights {
			sum += w
		}
		for i, v := range s.Variants() {
			p := weights[i] / sum
			if off := math.Abs(counts[v.Label]-keys*p) / math.Sqrt(keys*p*(1-p)); off > 5 {
				t.Errorf("%s of %v: %v of %d keys, %.1f standard deviations off", v.Label, weights, counts[v.Label], keys, off)
			}
		}
	})
}

// A key has one variant in every process, whatever the order of the variants and their policies are; its records without a key go by their ids.
func TestAKeyKeepsItsVariant(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		weights := rapid.SliceOfN(rapid.Float64Range(0.5, 10), 2, 5).Draw(t, "weights")
		p := weighed("e", weights...)
		s := compiled(t, p)
		other := *p.Experiment
		other.Variants = rapid.Permutation(other.Variants).Draw(t, "order")
		for i := range other.Variants {
			other.Variants[i].Policy.Strategy = Fixed{Wait: time.Duration(i+1) * time.Second}
		}
		again := compiled(t, Policy{Experiment: &other})
		key := rapid.SliceOfN(rapid.Byte(), 0, 20).Draw(t, "key")
		id := rapid.StringMatching("[a-z]{1,8}/[0-9]/[0-9]{1,9}").Draw(t, "id")
		first := s.Assign(key, id, classify.Job{})
		if got := again.Assign(key, "another/0/1", classify.Job{Type: "x"}); got != first {
			t.Errorf("key %q: %s and %s", key, first, got)
		}
		if a, b := s.Assign(nil, id, classify.Job{}), again.Assign(nil, id, classify.Job{}); a != b {
			t.Errorf("id %q: %s and %s", id, a, b)
		}
	})
}

// A variant whose weight grows takes keys from the others, and none goes from one of the others to another.
func TestAnotherWeightMovesNoOtherKeys(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		weights := rapid.SliceOfN(rapid.Float64Range(0.5, 10), 2, 5).Draw(t, "weights")
		grown := slices.Clone(weights)
		i := rapid.IntRange(0, len(weights)-1).Draw(t, "which")
		grown[i] *= rapid.Float64Range(1, 5).Draw(t, "by")
		before, after := compiled(t, weighed("e", weights...)), compiled(t, weighed("e", grown...))
		for n := range 200 {
			key := fmt.Appendf(nil, "%d", n)
			a, b := before.Assign(key, "", classify.Job{}), after.Assign(key, "", classify.Job{})
			if a != b && b != after.Variants()[i].Label {
				t.Errorf("key %s went from %s to %s, and %s grew", key, a, b, after.Variants()[i].Label)
			}
		}
	})
}

func TestAJobTypeHasTheVariantThatNamesIt(t *testing.T) {
	s := compiled(t, Policy{Experiment: &Experiment{Name: "e", By: AssignByJobType, Variants: []Variant{
		{Name: "a", JobTypes: []string{"invoice", "refund"}}, {Name: "b", JobTypes: []string{"email"}},
	}}})
	for job, want := range map[string]string{"invoice": "e/a", "refund": "e/a", "email": "e/b", "report": "", "": ""} {
		if got := s.Assign([]byte("k"), "orders/0/1", classify.Job{Type: job}); got != want {
			t.Errorf("%q: got %q, want %q", job, got, want)
		}
	}
}

// A record keeps the policy of its variant, and has the pipeline's when its experiment or its variant is gone.
func TestUnderAVariant(t *testing.T) {
	p := weighed("e", 1, 1)
	p.NoJitter = true
	p.Experiment.Variants[1].Policy = Policy{Strategy: Fixed{Wait: 5 * time.Second}, MaxRetries: 1, NoJitter: true}
	s := compiled(t, p)
	q := Question{Failed: Failed{Class: classify.Transient, Attempt: 1}, Now: time.Unix(1, 0)}
	for variant, want := range map[string]time.Duration{"": time.Second, "e/a": time.Second, "e/b": 5 * time.Second, "e/c": time.Second, "old/b": time.Second} {
		if got := s.Under(variant).Next(q).Delay; got != want {
			t.Errorf("%q: got %v, want %v", variant, got, want)
		}
	}
	q.Attempt = 2
	if got := s.Under("e/b").Next(q).Verdict; got != Exhausted {
		t.Errorf("after the variant's only retry: got %v", got)
	}
}

// Every copy can travel over the tiers of all variants; the delays of tiered are those of its own.
func TestVariantsShareTheirTiers(t *testing.T) {
	p := weighed("e", 1, 1, 1)
	p.Experiment.Variants[1].Policy.Tiers = []time.Duration{5 * time.Second, time.Minute}
	p.Experiment.Variants[2].Policy = Policy{Strategy: Fixed{Wait: 7 * time.Second}, AutoTiers: true}
	s := compiled(t, p)
	want := []time.Duration{time.Second, 5 * time.Second, 7 * time.Second, 10 * time.Second, time.Minute}
	all := []*Schedule{s}
	for _, v := range s.Variants() {
		all = append(all, v.Schedule)
	}
	for i, one := range all {
		if !slices.Equal(one.Tiers(), want) {
			t.Errorf("schedule %d: tiers %v", i, one.Tiers())
		}
	}
	var delays []time.Duration
	for _, step := range s.Under("e/b").Timetable(classify.Network) {
		delays = append(delays, step.Delay)
	}
	if want := []time.Duration{0, 5 * time.Second, time.Minute}; !slices.Equal(delays, want) {
		t.Errorf("delays of b: %v, want %v", delays, want)
	}
	own, err := p.OwnTiers()
	if err != nil || !slices.Equal(own, DefaultTiers()) {
		t.Errorf("own tiers: %v, %v", own, err)
	}
}

func TestWrongExperiments(t *testing.T) {
	many := weighed("e", 1, 1, 1, 1, 1, 1, 1, 1, 1)
	with := func(change func(*Experiment)) Policy {
		p := weighed("e", 1, 1)
		change(p.Experiment)
		return p
	}
	tiers := func(from int) (all []time.Duration) {
		for i := range 20 {
			all = append(all, time.Duration(from+2*i)*time.Second)
		}
		return all
	}
	for _, tt := range []struct {
		policy Policy
		want   string
	}{
		{weighed("", 1, 1), "retry.experiment.name: \"\" is no name"},
		{weighed("e/1", 1, 1), "retry.experiment.name: \"e/1\" is no name"},
		{weighed("e", 1), "retry.experiment.variants: there are 1; give 2 to 8"},
		{many, "retry.experiment.variants: there are 9"},
		{weighed("e", 1, -1), "retry.experiment.variants[1].weight: -1 is out of range"},
		{weighed("e", 1, math.NaN()), "retry.experiment.variants[1].weight"},
		{with(func(x *Experiment) { x.By = 7 }), "retry.experiment.by: 7 is none"},
		{with(func(x *Experiment) { x.Variants[1].Name = "a" }), "retry.experiment.variants[1].name: a is the name of variants[0] already"},
		{with(func(x *Experiment) { x.Variants[1].JobTypes = []string{"x"} }), "variants[1].job_types: is for an experiment by job_type"},
		{with(func(x *Experiment) { x.By = AssignByJobType }), "variants[0].weight: is for an experiment by key"},
		{with(func(x *Experiment) {
			x.By, x.Variants = AssignByJobType, []Variant{{Name: "a"}, {Name: "b", JobTypes: []string{"x"}}}
		}), "variants[0].job_types: names none"},
		{with(func(x *Experiment) {
			x.By, x.Variants = AssignByJobType, []Variant{{Name: "a", JobTypes: []string{"x"}}, {Name: "b", JobTypes: []string{"x", ""}}}
		}), "variants[1].job_types: \"x\" is one of the variant a already"},
		{with(func(x *Experiment) { x.Variants[1].Policy.Strategy = Exponential{Multiplier: 0.5} }), "retry.experiment.variants[1].multiplier: 0.5 is out of range"},
		{with(func(x *Experiment) { x.Variants[1].Policy.Experiment = &Experiment{} }), "variants[1].experiment: is in the policy of a variant"},
		{with(func(x *Experiment) { x.Variants[0].Policy.Tiers, x.Variants[1].Policy.Tiers = tiers(1), tiers(2) }), "the variants have 41 tiers together, at most 32"},
	} {
		_, err := tt.policy.Compile()
		var field *FieldError
		if !errors.As(err, &field) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("got %v\nwant %s", err, tt.want)
		}
	}
}

// The variant travels with every copy, nobody gives it to a record from outside, and a replay is assigned anew.
func TestTheVariantTravels(t *testing.T) {
	s := State{ID: "orders/0/1", Topic: "orders", Group: "g", Attempt: 1, Variant: strings.Repeat("e", 64) + "/" + strings.Repeat("v", 64)}
	r := &kgo.Record{Topic: "g.orders.retry-1s", Headers: s.AppendHeaders(nil, nil, 0)}
	got, err := Decode(r)
	if err != nil || got.Variant != s.Variant {
		t.Errorf("got %q, %v", got.Variant, err)
	}
	if fresh := Fresh(r, ""); fresh.Variant != "" {
		t.Errorf("believed from outside: %q", fresh.Variant)
	}
	if len(UserHeaders(r.Headers)) != 0 {
		t.Errorf("left in a copy: %v", UserHeaders(r.Headers))
	}
	if again := s.Replayed(time.Now(), "x"); again.Variant != "" {
		t.Errorf("after a replay: %q", again.Variant)
	}
}
