package config

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/redeliver/redeliver/retrytopics"
)

// Experiment has some records retried by other policies.
type Experiment struct {
	Name     string // "": there is none
	By       string // key, job_type
	Variants []Variant
}

// Variant is one of the policies of an experiment. What it does not say is the pipeline's.
type Variant struct {
	Name      string
	Weight    float64
	JobTypes  []string
	Tiers     []time.Duration
	AutoTiers bool
	Delays
	TotalTimeout time.Duration
	InPlace      InPlace
	Adaptive     bool
}

func experimentKeys(x *Experiment) []key {
	return []key{
		text("name", &x.Name).required().accepting("letters, digits and '-'").like("slower-start").matching(namePattern).
			means("Names the experiment in headers, metrics and reports. Another name is another experiment: it assigns and counts anew."),
		choice("by", &x.By, "key", "job_type").byDefault("key").
			means("How a record comes to its variant, when it first fails: key gives each key one by a hash, so that variants can be compared; job_type gives it the one that names its redeliver-job-type."),
		sections("variants", &x.Variants, Variant{}, variantKeys).required().like("[{name: now}, {name: slower, initial_delay: 5s}]").
			means("The policies, 2 to 8; the others are compared with the first. What a variant does not say is the pipeline's. The overrides of the pipeline hold in all of them."),
	}
}

// variantKeys have no defaults but the weight: what is not said is the pipeline's.
func variantKeys(v *Variant) []key {
	keys := []key{
		text("name", &v.Name).required().accepting("letters, digits and '-'").like("slower").matching(namePattern).
			means("Names the variant, as that of the experiment does it."),
		factor("weight", &v.Weight, 0.001, 1_000_000).byDefault("1").like("1").
			means("Which part of the keys it gets, of the sum of all weights. With by: key."),
		words("job_types", &v.JobTypes).accepting("a list of job types").like("[invoice, refund]").
			means("The values of redeliver-job-type that it is for. With by: job_type; records of no variant's job type are not in the experiment."),
	}
	own := append([]key{tiers("tiers", &v.Tiers, &v.AutoTiers).
		means("The delays of tiered. There are retry topics for the tiers of all variants, and every delay travels over all of them.")}, delayKeys(&v.Delays)...)
	own = append(own, duration("total_timeout", &v.TotalTimeout, 0, 3650*day).like("1h").
		means("No retry later than this after the first failure; 0 is no limit."))
	for _, k := range own {
		k.def, k.otherwise = "", thePipelines
		keys = append(keys, k)
	}
	return append(keys,
		section("in_place",
			number("max", &v.InPlace.Max, 0, 10).computed(thePipelines).means("Quick tries on the spot before the first hop."),
			duration("delay", &v.InPlace.Delay, time.Millisecond, time.Minute).like("50ms").computed(thePipelines).means("The wait between them."),
		).means("Tries on the spot."),
		section("adaptive",
			toggle("enabled", &v.Adaptive).computed(thePipelines).means("Learn the delays. What is learned is shared with the other variants."),
		).means("Delays that are learned."),
	)
}

// experiment returns what the section says; nil: there is none.
func (p *Pipeline) experiment() *retrytopics.Experiment {
	x := p.Retry.Experiment
	if x.Name == "" && len(x.Variants) == 0 {
		return nil
	}
	out := &retrytopics.Experiment{Name: x.Name}
	if x.By == "job_type" {
		out.By = retrytopics.AssignByJobType
	}
	for i, v := range x.Variants {
		one := retrytopics.Variant{Name: v.Name, Weight: v.Weight, JobTypes: v.JobTypes, Policy: p.variantPolicy(i)}
		if out.By == retrytopics.AssignByJobType && v.Weight == 1 {
			one.Weight = 0 // nobody asked for it
		}
		out.Variants = append(out.Variants, one)
	}
	return out
}

// variantPolicy is the pipeline's policy with what the variant says instead.
func (p *Pipeline) variantPolicy(i int) retrytopics.Policy {
	r, v, at := p.Retry, p.Retry.Experiment.Variants[i], fmt.Sprintf("retry.experiment.variants[%d].", i)
	given := func(key string) bool { return p.given(at + key) }
	take(&r.Strategy, v.Strategy, given("strategy"))
	take(&r.Custom, v.Custom, given("custom"))
	take(&r.MaxRetries, v.MaxRetries, given("max_retries"))
	take(&r.InitialDelay, v.InitialDelay, given("initial_delay"))
	take(&r.Multiplier, v.Multiplier, given("multiplier"))
	take(&r.BackoffFactor, v.BackoffFactor, given("backoff_factor"))
	take(&r.MinDelay, v.MinDelay, given("min_delay"))
	take(&r.MaxDelay, v.MaxDelay, given("max_delay"))
	take(&r.Jitter, v.Jitter, given("jitter"))
	take(&r.TotalTimeout, v.TotalTimeout, given("total_timeout"))
	take(&r.InPlace.Max, v.InPlace.Max, given("in_place.max"))
	take(&r.InPlace.Delay, v.InPlace.Delay, given("in_place.delay"))
	take(&r.Adaptive.Enabled, v.Adaptive, given("adaptive.enabled"))
	if given("tiers") {
		r.Tiers, r.AutoTiers = v.Tiers, v.AutoTiers
	}
	return r.policy(func(key string) bool { return given(key) || p.given("retry."+key) })
}

func take[T any](p *T, v T, given bool) {
	if given {
		*p = v
	}
}

// experimentRules judge the variants' strategies; the rest is for the policy to say.
func (r *reader) experimentRules(p *Pipeline, retry string) (ok bool) {
	ok = true
	for i, v := range p.Retry.Experiment.Variants {
		at := fmt.Sprintf("%s.experiment.variants[%d]", retry, i)
		strategy := or(v.Strategy, p.Retry.Strategy)
		ok = r.notOfStrategy(strategy, v.Strategy == "", at) && ok
		if v.Strategy != "" || v.Custom != "" {
			ok = r.customRules(strategy, or(v.Custom, p.Retry.Custom), at) && ok
		}
	}
	return ok
}

// notOfStrategy reports keys of an override or a variant that its strategy does not have; inherited: it is the pipeline's.
func (r *reader) notOfStrategy(strategy string, inherited bool, at string) (ok bool) {
	ok = true
	if !r.sound(at + ".strategy") {
		return ok
	}
	for _, name := range slices.Sorted(maps.Keys(notOf[strategy])) {
		if path := at + "." + name; r.given(path) {
			ok = false
			whose := ""
			if inherited {
				whose = " (the pipeline's)"
			}
			r.wrong(path, "%s does not apply to the strategy %s%s: %s; remove it, or choose %s", short(path), strategy, whose, notOf[strategy][name], withKey(name))
		}
	}
	return ok
}
