package config

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/redeliver/redeliver/internal/webhook"
	"github.com/redeliver/redeliver/retrytopics"
)

var (
	legalName  = regexp.MustCompile(namePattern)
	legalTopic = regexp.MustCompile(`^[a-zA-Z0-9._-]{1,249}$`)
)

// pipelineRules judge one pipeline by itself; at is its path.
func (r *reader) pipelineRules(p *Pipeline, at string) {
	r.identityRules(p, at)
	r.topicRules(p, at)
	r.timeRules(p, at)
	r.handlerRules(p, at)
	r.retryRules(p, at)
	r.classifyRules(p, at)
	r.breakerRules(p, &p.Breaker, at+".breaker")
	r.breakersRules(p, at)
	r.limitRules(p, at)
	r.flowRules(p, at)
	r.dlqRules(p, at)
}

// identityRules also fill in what a pipeline is called by default.
func (r *reader) identityRules(p *Pipeline, at string) {
	name, group := at+".name", at+".group"
	if r.sound(name) && !legalName.MatchString(p.Name) {
		r.wrong(name, "name: %s has other characters than letters, digits and '-'; write for example %s", quote(p.Name), legalised(p.Name))
	}
	switch {
	case !r.given(group):
		p.Group = p.Name
	case r.sound(group) && strings.TrimSpace(p.Group) == "":
		r.wrong(group, "group is empty; name the consumer group, or remove the key: then it is the pipeline's name")
	case len(p.Group) > 249:
		r.wrong(group, "group is longer than 249 characters")
	}
	if p.Breaker.Dependency == "" {
		p.Breaker.Dependency = p.Name
		if path := at + ".breaker.dependency"; r.given(path) && r.sound(path) {
			r.wrong(path, "breaker.dependency is empty; name what the handler calls, or remove the key: then it is the pipeline's name")
		}
	}
	if err := retrytopics.ValidNamespace(p.IDNamespace); p.IDNamespace != "" && err != nil {
		r.wrong(at+".id_namespace", "id_namespace: %v", err)
	}
}

// legalised is the name that somebody probably wanted.
func legalised(name string) string {
	legal := strings.Trim(regexp.MustCompile(`[^A-Za-z0-9]+`).ReplaceAllString(name, "-"), "-")
	if legal == "" {
		return "orders"
	}
	return legal
}

func (r *reader) topicRules(p *Pipeline, at string) {
	path := at + ".topics"
	if !r.sound(path) {
		return
	}
	if len(p.Topics) == 0 {
		r.wrong(path, "topics is empty; name at least one: topics: [orders]")
	}
	for i, topic := range p.Topics {
		item := fmt.Sprintf("%s[%d]", path, i)
		pattern, isPattern := patternOf(topic)
		switch {
		case isPattern:
			if _, err := regexp.Compile(pattern); err != nil {
				r.wrong(item, "topics: /%s/ is no regular expression: %s", pattern, regexpCause(err))
			} else if pattern == "" {
				r.wrong(item, "topics: // matches no topic; write a regular expression between the slashes, like /orders-.*/")
			}
		case !legalTopic.MatchString(topic) || topic == "." || topic == "..":
			r.wrong(item, "topics: %s is no legal topic name (letters, digits, '.', '_', '-', at most 249); write a regular expression between slashes: /orders-.*/", quote(topic))
		case retrytopics.IsInternal(topic):
			r.wrong(item, "topics: %s is Kafka's own topic, which holds no records for a handler; name the source topic", topic)
		case retrytopics.IsOurs(topic):
			r.wrong(item, "topics: %s looks like a retry or dead-letter topic, which no pipeline reads as a source; name the source topic, and put dead letters back with: redeliver replay", topic)
		}
		if first := slices.Index(p.Topics, topic); first < i {
			r.wrong(item, "topics: %s stands here a second time; remove one", topic)
		}
	}
	if wrong := startOf(p.Start); wrong != "" && r.sound(at+".start") {
		r.wrong(at+".start", "start: %s", wrong)
	}
}

// patternOf returns the regular expression between slashes, and whether it is one.
func patternOf(topic string) (string, bool) {
	if len(topic) >= 2 && strings.HasPrefix(topic, "/") && strings.HasSuffix(topic, "/") {
		return topic[1 : len(topic)-1], true
	}
	return "", false
}

// regexpCause leaves out what every message of package regexp begins with.
func regexpCause(err error) string {
	return strings.TrimPrefix(err.Error(), "error parsing regexp: ")
}

// startOf says what is wrong with a place to start, and what would be right.
func startOf(s string) string {
	if s == "earliest" || s == "latest" {
		return ""
	}
	if _, err := time.Parse(time.RFC3339, s); err == nil {
		return ""
	}
	if near := Nearest(s, []string{"earliest", "latest"}); near != "" {
		return fmt.Sprintf("%s is unknown; did you mean %s?", quote(s), near)
	}
	if t, err := time.Parse(time.DateOnly, s); err == nil {
		return fmt.Sprintf("%s has no time of day and zone; did you mean %s?", quote(s), t.Format(time.RFC3339))
	}
	return quote(s) + " is no place to start; want earliest, latest, or a time like 2026-01-31T00:00:00Z"
}

// timeRules hold the times together: a handler's call ends before the drain does, and the drain before the group takes
// the partitions away.
func (r *reader) timeRules(p *Pipeline, at string) {
	timeout, drain, rebalance := at+".handler.timeout", at+".drain", at+".rebalance_timeout"
	nearer := func(first, second string) string { // the one of the two to point at
		if r.given(first) || !r.given(second) {
			return first
		}
		return second
	}
	if r.sound(timeout, drain) && p.Handler.Timeout >= p.Drain {
		r.wrong(nearer(timeout, drain), "handler.timeout, %s, is not shorter than drain, %s: a call could outlive the drain and be repeated elsewhere; want handler.timeout < drain < rebalance_timeout",
			r.shown(timeout, formatDuration(p.Handler.Timeout)), r.shown(drain, formatDuration(p.Drain)))
	}
	if r.sound(drain, rebalance) && p.Drain >= p.RebalanceTimeout {
		r.wrong(nearer(drain, rebalance), "drain, %s, is not shorter than rebalance_timeout, %s: the group would go on without this member while it drains; want handler.timeout < drain < rebalance_timeout",
			r.shown(drain, formatDuration(p.Drain)), r.shown(rebalance, formatDuration(p.RebalanceTimeout)))
	}
	if session := at + ".session_timeout"; p.GroupProtocol == "consumer" && r.sound(at+".group_protocol", session) {
		if r.given(session) {
			r.wrong(session, "session_timeout is the brokers' with group_protocol: consumer; remove it here, and set group.consumer.session.timeout.ms there, or consumer.session.timeout.ms of the group")
		}
		p.SessionTimeout = 0
	}
	records, concurrency := at+".window.records", at+".concurrency"
	if r.sound(records, concurrency) && p.Window.Records < p.Concurrency {
		r.wrong(nearer(records, concurrency), "window.records, %s, is less than concurrency, %s: not all handler slots could be used; raise window.records or lower concurrency",
			r.shown(records, fmt.Sprint(p.Window.Records)), r.shown(concurrency, fmt.Sprint(p.Concurrency)))
	}
}

func (r *reader) handlerRules(p *Pipeline, at string) {
	http := at + ".handler.http"
	if path := http + ".url"; r.sound(path) && r.given(path) {
		if err := (webhook.Config{URL: p.Handler.HTTP.URL}).Validate(); err != nil {
			r.wrong(path, "handler.http.%v", err)
		}
	}
	if path := http + ".headers"; r.sound(path) && r.given(path) {
		for _, e := range r.values[path].entries {
			one := map[string]string{e.name: e.value.text}
			if err := (webhook.Config{URL: "http://localhost", Headers: one}).Validate(); err != nil {
				r.problem(e.at, fmt.Sprintf("handler.http.%v", err))
			}
		}
	}
	r.webhookRules(p.Handler.HTTP, http)
	batch, records := http+".batch.max", at+".window.records"
	if r.sound(batch, records) && p.Handler.HTTP.Batch.Max > p.Window.Records {
		r.wrong(batch, "handler.http.batch.max, %d, is more than window.records, %s: such a batch could never be full", p.Handler.HTTP.Batch.Max, r.shown(records, fmt.Sprint(p.Window.Records)))
	}
}

func (r *reader) dlqRules(p *Pipeline, at string) {
	d := p.DLQ
	enabled, exhausted, retention := at+".dlq.enabled", at+".dlq.exhausted", at+".dlq.retention"
	if d.Enabled && d.Exhausted == "drop" && r.sound(enabled, exhausted) {
		r.wrong(exhausted, "dlq.exhausted: drop has no effect while there is a dead-letter topic; write enabled: false beside it, or remove it")
	}
	if d.Retention > 0 && r.sound(retention) {
		r.notice(r.place(retention), fmt.Sprintf("dlq.retention: dead letters older than %s expire, whether they were replayed or not", formatDuration(d.Retention)))
	}
}
