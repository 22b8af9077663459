package config

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/redeliver/redeliver/retrytopics"
)

// notOf are the keys that say nothing to a strategy, and why.
var notOf = map[string]map[string]string{
	"tiered": {
		"custom":         notRegistered,
		"initial_delay":  "its delays are the tiers",
		"multiplier":     "its delays are the tiers",
		"backoff_factor": "its delays are the tiers",
	},
	"exponential": {"custom": notRegistered, "backoff_factor": "it grows by multiplier"},
	"linear":      {"custom": notRegistered, "multiplier": "it grows by backoff_factor"},
	"fixed": {
		"custom":         notRegistered,
		"multiplier":     "its delay does not grow",
		"backoff_factor": "its delay does not grow",
	},
	"immediate": {
		"custom":         notRegistered,
		"initial_delay":  "it has no delay",
		"multiplier":     "it has no delay",
		"backoff_factor": "it has no delay",
		"min_delay":      "it has no delay",
		"max_delay":      "it has no delay",
	},
}

const notRegistered = "it is not one that is registered by name"

// retryRules judge the policy: what does not go together in the file, and then what the policy itself says.
func (r *reader) retryRules(p *Pipeline, at string) {
	retry := at + ".retry"
	ok := r.strategyRules(p.Retry.Strategy, retry)
	ok = r.customRules(p.Retry.Strategy, p.Retry.Custom, retry) && ok
	if p.Retry.AutoTiers && p.Retry.Strategy == "tiered" && r.sound(retry+".tiers", retry+".strategy") {
		r.wrong(retry+".tiers", "retry.tiers: auto makes tiers of a strategy's delays, and the delays of tiered are the tiers; name them: [1s, 10s, 60s], or choose strategy: exponential")
		ok = false
	}
	for i, o := range p.Retry.Overrides {
		ok = r.overrideRules(p, o, fmt.Sprintf("%s.overrides[%d]", retry, i)) && ok
	}
	ok = r.experimentRules(p, retry) && ok
	r.templateRules(p, at)
	r.holdKeyRules(p, at)
	r.onDeadLetterRules(p, at)
	defaulted := r.anyBad(retry) // keys that cannot be read are their defaults, which nobody wrote
	policy := p.Policy()
	_, err := policy.Compile()
	for _, wrong := range fieldErrors(err) {
		if defaulted && (!strings.HasPrefix(wrong.Field, "tiers") || !r.sound(retry+".tiers")) {
			continue
		}
		r.wrong(retry+"."+wrong.Field, "retry.%s: %s", wrong.Field, wrong.Problem)
		ok = false
	}
	if ok && !defaulted {
		if own, err := policy.OwnTiers(); err == nil {
			r.effective(&p.Retry, retry, own)
		}
	}
}

// holdKeyRules refuse to hold keys where their order could not be kept.
func (r *reader) holdKeyRules(p *Pipeline, at string) {
	path := at + ".retry.hold_key"
	if !p.Retry.HoldKey || !r.sound(path, at+".delivery", at+".ordering", at+".group_protocol") {
		return
	}
	if p.Delivery != "exactly_once_routing" {
		r.wrong(path, "retry.hold_key needs delivery: exactly_once_routing, for else a record could be both put off and handled where it was, after others of its key; set that, or write hold_key: false")
	}
	if p.Ordering != "key" {
		r.wrong(path, "retry.hold_key keeps the order of a key across retries, and ordering is %s; write ordering: key, or hold_key: false", p.Ordering)
	}
	if p.GroupProtocol == "consumer" {
		r.wrong(path, "retry.hold_key needs a source partition and its retry partitions on one member, which nothing sees to with group_protocol: consumer; write group_protocol: classic, or hold_key: false")
	}
}

// onDeadLetterRules refuse to keep keys closed where nothing could open them, or nothing is held.
func (r *reader) onDeadLetterRules(p *Pipeline, at string) {
	path := at + ".retry.on_dead_letter"
	if p.Retry.OnDeadLetter != "hold" || !r.sound(path, at+".retry.hold_key", at+".dlq.enabled", at+".dlq.retention") {
		return
	}
	if !p.Retry.HoldKey {
		needs := ""
		for _, need := range []struct {
			lacks bool
			text  string
		}{{p.Delivery != "exactly_once_routing", "delivery: exactly_once_routing"}, {p.Ordering != "key", "ordering: key"}, {p.GroupProtocol == "consumer", "group_protocol: classic"}} {
			if need.lacks && r.sound(at+".delivery", at+".ordering", at+".group_protocol") {
				needs += ", with " + need.text
			}
		}
		r.wrong(path, "retry.on_dead_letter: hold needs hold_key: true, for without it nothing waits behind a record; set that%s, or write on_dead_letter: release", needs)
	}
	if !p.DLQ.Enabled {
		r.wrong(path, "retry.on_dead_letter: hold sends records into the dead letters, and dlq.enabled is false; enable them, or write on_dead_letter: release")
	}
	if p.DLQ.Retention > 0 {
		r.wrong(path, "retry.on_dead_letter: hold keeps a key closed until its dead letters are replayed or discarded, and dlq.retention deletes them before; write retention: -1, or on_dead_letter: release")
	}
}

// effective writes down what the policy makes of keys that are not in the file and depend on others.
func (r *reader) effective(p *Retry, at string, tiers []time.Duration) {
	tiered := p.Strategy == "tiered"
	if !r.given(at + ".max_retries") {
		p.MaxRetries = retrytopics.DefaultMaxRetries
		if tiered {
			p.MaxRetries = len(tiers)
		}
		p.MaxRetries += p.InPlace.Max
	}
	if !r.given(at + ".min_delay") {
		p.MinDelay = min(p.MinDelay, tiers[0])
	}
	if !r.given(at+".max_delay") && tiered {
		p.MaxDelay = max(p.MaxDelay, tiers[len(tiers)-1])
	}
}

// strategyRules report keys that a strategy does not have. One that comes from defaults: is for the pipelines whose
// strategy has it, unless the strategy comes from there too.
func (r *reader) strategyRules(strategy, at string) bool {
	if !r.sound(at + ".strategy") {
		return true
	}
	ok := true
	here := r.values[at+".strategy"]
	for _, name := range slices.Sorted(maps.Keys(notOf[strategy])) {
		v := r.values[at+"."+name]
		if v == nil || v.inherited && (here == nil || !here.inherited) {
			continue
		}
		ok = false
		r.wrong(at+"."+name, "%s does not apply to the strategy %s: %s; remove it, or choose %s", short(at+"."+name), r.shown(at+".strategy", strategy), notOf[strategy][name], withKey(name))
	}
	return ok
}

// customRules want a registered strategy where the strategy is custom.
func (r *reader) customRules(strategy, name, at string) bool {
	custom := at + ".custom"
	if strategy != "custom" || !r.sound(at+".strategy", custom) {
		return true
	}
	known := retrytopics.RegisteredNames()
	if slices.Contains(known, name) {
		return true
	}
	remedy := "the registered ones are " + strings.Join(known, ", ")
	if near := Nearest(name, known); near != "" {
		remedy = "did you mean " + near + "?"
	}
	if !r.given(custom) {
		r.wrong(at+".strategy", "%s: custom needs the name of a registered strategy beside it; add custom: %s, or another name: %s", short(at+".strategy"), known[0], remedy)
	} else {
		r.wrong(custom, "%s: no strategy is registered as %s (one of your own is built into the binary, by a file in cmd/redeliver that calls retrytopics.Register); %s", short(custom), quote(name), remedy)
	}
	return false
}

// withKey names the strategies that a key applies to.
func withKey(name string) string {
	var all []string
	for _, strategy := range strategies {
		if _, not := notOf[strategy][name]; !not {
			all = append(all, strategy)
		}
	}
	return "strategy: " + strings.Join(all, " or ")
}

func (r *reader) overrideRules(p *Pipeline, o Override, at string) bool {
	ok := r.notOfStrategy(or(o.Strategy, p.Retry.Strategy), o.Strategy == "", at)
	if o.Strategy != "" || o.Custom != "" {
		ok = r.customRules(or(o.Strategy, p.Retry.Strategy), or(o.Custom, p.Retry.Custom), at) && ok
	}
	if path := at + ".jitter"; r.given(path) && o.Jitter && !p.Retry.Jitter && r.sound(path, strings.TrimSuffix(at, at[strings.LastIndex(at, ".overrides"):])+".jitter") {
		ok = false
		r.wrong(path, "%s cannot turn on what retry.jitter turns off for the whole pipeline; remove jitter: false there, and write it in the overrides that want none", short(path))
	}
	if path := at + ".topic"; o.Topic != "" && r.given(path) && !slices.Contains(p.Topics, o.Topic) {
		isPattern := slices.ContainsFunc(p.Topics, func(t string) bool { _, is := patternOf(t); return is })
		if !isPattern && len(p.Topics) > 0 {
			ok = false
			remedy := "its topics are " + strings.Join(p.Topics, ", ")
			if near := Nearest(o.Topic, p.Topics); near != "" {
				remedy = "did you mean " + near + "?"
			}
			r.wrong(path, "%s: the pipeline does not read the topic %s; %s", short(path), quote(o.Topic), remedy)
		}
	}
	return ok
}

// templateRules judge the names of the topics.
func (r *reader) templateRules(p *Pipeline, at string) {
	retry, dlq := at+".retry.topic", at+".dlq.topic"
	if !r.sound(at+".topics", at+".name", at+".group", retry, dlq) || len(p.Topics) == 0 || p.Group == "" {
		return
	}
	sources := len(p.Topics)
	for _, topic := range p.Topics {
		if _, is := patternOf(topic); is {
			sources = max(sources, 2)
		}
	}
	for _, t := range []struct{ path, template, like string }{
		{retry, p.Retry.Topic, retrytopics.DefaultRetryTemplate},
		{dlq, p.DLQ.Topic, retrytopics.DefaultDLQTemplate},
	} {
		if t.template == "" {
			r.wrong(t.path, "%s is empty; write a template like %q, or remove the key", short(t.path), t.like)
			return
		}
	}
	for _, wrong := range fieldErrors(p.Names().Validate(sources)) {
		path := dlq
		switch wrong.Field {
		case "topic":
			path = retry
		case "group":
			path = at + ".group"
		}
		r.wrong(path, "%s: %s", short(path), wrong.Problem)
	}
}

// anyBad says whether anything at or below a path could not be read.
func (r *reader) anyBad(path string) bool {
	for bad := range r.bad {
		if bad == path || strings.HasPrefix(bad, path+".") || strings.HasPrefix(bad, path+"[") {
			return true
		}
	}
	return false
}

// fieldErrors takes joined errors apart.
func fieldErrors(err error) []*retrytopics.FieldError {
	if err == nil {
		return nil
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var all []*retrytopics.FieldError
		for _, e := range joined.Unwrap() {
			all = append(all, fieldErrors(e)...)
		}
		return all
	}
	var field *retrytopics.FieldError
	if errors.As(err, &field) {
		return []*retrytopics.FieldError{field}
	}
	return []*retrytopics.FieldError{{Problem: err.Error()}}
}
