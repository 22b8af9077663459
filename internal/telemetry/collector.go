package telemetry

import (
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/redeliver/redeliver/breaker"
	"github.com/redeliver/redeliver/classify"
	"github.com/redeliver/redeliver/consumer"
	"github.com/redeliver/redeliver/retrytopics"
)

// sourceTier is the tier of what waits in source topics.
const sourceTier = "source"

// Source gives a pipeline's counts; a consumer.Pipeline is one. Stats may be called concurrently.
type Source interface{ Stats() consumer.Stats }

// Collector is a [prometheus.Collector] over the pipelines of a process. It may be used concurrently.
type Collector struct {
	sources func() []Source
	topics  known // by pipeline
	tenants known
}

// NewCollector returns a collector over the pipelines that sources returns, which is asked at each scrape.
func NewCollector(sources func() []Source) *Collector {
	return &Collector{sources: sources, topics: known{most: maxTopics}, tenants: known{most: maxTenants}}
}

// NewRegistry returns a registry with the collector, and the metrics of the Go runtime, the process and the build.
func NewRegistry(sources func() []Source) *prometheus.Registry {
	registry := prometheus.NewRegistry()
	registry.MustRegister(
		NewCollector(sources),
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		collectors.NewBuildInfoCollector(),
	)
	return registry
}

// Describe sends the descriptions of all metrics.
func (c *Collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range ofPipelines.descriptions {
		ch <- d
	}
}

// Collect reads the counts of every pipeline.
func (c *Collector) Collect(ch chan<- prometheus.Metric) {
	breakers := make(map[string]bool)
	for _, source := range c.sources() {
		s := source.Stats()
		w := writer{ch: ch, pipeline: s.Pipeline}
		w.attempts(s)
		w.topics(s, &c.topics)
		w.tiers(s)
		w.deadLetters(s)
		if s.Burst >= 0 {
			w.gauge(deadLetterCredit, s.Credit)
		}
		w.paused(s)
		w.gauge(inFlight, float64(s.InFlight))
		w.gauge(fetched, float64(s.Fetched))
		w.counter(routeFailures, float64(s.RouteFailures))
		w.gauge(heldRecords, float64(s.HeldRecords))
		w.gauge(heldKeys, float64(s.HeldKeys.Keys), "waiting")
		w.gauge(heldKeys, float64(s.HeldKeys.Closed), "closed")
		w.gauge(unreadKeys, float64(s.HeldKeys.Reading))
		for doing, n := range s.Faults {
			w.gauge(faults, float64(n), doing)
		}
		if s.Delivery == consumer.ExactlyOnceRouting {
			w.counter(transactions, float64(s.Transactions), "committed")
			w.counter(transactions, float64(s.Aborted), "aborted")
		}
		w.histogram(handlerSeconds, s.Handler)
		w.histogram(commitSeconds, s.Commit)
		for _, l := range s.Limits {
			w.counter(limitPutOff, float64(l.PutOff), l.Name)
			w.gauge(limitAhead, l.Ahead.Seconds(), l.Name)
			w.gauge(limitKeys, float64(l.Keys), l.Name)
		}
		w.lessons(s)
		w.experiment(s.Experiment)
		if s.TenantsKnown > 0 {
			w.gauge(tenants, float64(s.TenantsKnown))
			w.counter(tenantPutOff, float64(s.TenantsPutOff))
			w.tenants(s, &c.tenants)
		}
		w.health(s)
		// Pipelines may share a breaker, and a series may be sent only once.
		for _, b := range append([]breaker.Snapshot{s.Breaker}, s.Breakers...) {
			if name := b.Dependency; name != "" && !breakers[name] {
				breakers[name] = true
				w.breaker(b)
			}
		}
		for _, parts := range s.Parts {
			if name := parts.Dependency + "/"; !breakers[name] {
				breakers[name] = true
				w.parts(parts)
			}
		}
	}
}

// writer sends the metrics of one pipeline, whose name is the first label of all but the breaker's.
type writer struct {
	ch       chan<- prometheus.Metric
	pipeline string
}

func (w writer) counter(d *prometheus.Desc, v float64, labels ...string) {
	w.ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, v, slices.Insert(labels, 0, w.pipeline)...)
}

func (w writer) gauge(d *prometheus.Desc, v float64, labels ...string) {
	w.ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, slices.Insert(labels, 0, w.pipeline)...)
}

func (w writer) histogram(d *prometheus.Desc, h consumer.Histogram, labels ...string) {
	w.ch <- newHistogram(d, h, slices.Insert(labels, 0, w.pipeline))
}

func (w writer) health(s consumer.Stats) {
	w.gauge(healthScore, s.Score)
	w.gauge(successRate, s.SuccessRate)
	w.gauge(ready, oneIf(s.Ready))
	for _, h := range []consumer.Health{consumer.Healthy, consumer.Degraded, consumer.Unhealthy} {
		w.gauge(healthStatus, oneIf(h == s.Health), h.String())
	}
}

func oneIf(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

func (w writer) attempts(s consumer.Stats) {
	w.counter(attempts, float64(s.Attempts[classify.None]), classify.None.String(), classify.SeverityNone.String())
	for _, f := range s.Failures {
		w.counter(attempts, float64(f.Count), f.Class.String(), f.Severity.String())
	}
}

// topics sends the outcomes and the retention of each topic.
func (w writer) topics(s consumer.Stats, known *known) {
	var sums = make(map[string]*consumer.TopicStats)
	var names []string
	for _, t := range s.Topics {
		name := known.label(w.pipeline, t.Topic)
		sum := sums[name]
		if sum == nil {
			sum = new(consumer.TopicStats)
			sums[name] = sum
			names = append(names, name)
		}
		for o, n := range t.Outcomes {
			sum.Outcomes[o] += n
		}
		sum.Lost += t.Lost
		sum.RetentionLeft = earlier(sum.RetentionLeft, t.RetentionLeft)
	}
	for _, name := range names {
		for o, n := range sums[name].Outcomes {
			w.counter(records, float64(n), name, consumer.Outcome(o).String())
		}
		w.counter(lostRecords, float64(sums[name].Lost), name)
		if left := sums[name].RetentionLeft; left != 0 {
			w.gauge(retentionLeft, left.Seconds(), name)
		}
	}
}

// tenants sends what the tenants have of the pipeline.
func (w writer) tenants(s consumer.Stats, known *known) {
	sums := make(map[string]*consumer.TenantStats)
	for _, t := range s.Tenants {
		name := known.label(w.pipeline, t.Tenant)
		if sums[name] == nil {
			sums[name] = new(consumer.TenantStats)
		}
		sums[name].InFlight += t.InFlight
		sums[name].Windowed += t.Windowed
	}
	for name, sum := range sums {
		w.gauge(tenantInFlight, float64(sum.InFlight), name)
		w.gauge(tenantWaiting, float64(sum.Windowed), name)
	}
}

// earlier returns the smaller of two times that are left, of which 0 says for ever.
func earlier(a, b time.Duration) time.Duration {
	if a == 0 || (b != 0 && b < a) {
		return b
	}
	return a
}

// tiers sends what waits in each tier, over all topics of the tier.
func (w writer) tiers(s consumer.Stats) {
	sums := make(map[time.Duration]*consumer.TopicStats)
	for _, t := range s.Topics {
		sum := sums[t.Tier]
		if sum == nil {
			sum = new(consumer.TopicStats)
			sums[t.Tier] = sum
		}
		sum.Backlog += t.Backlog
		if !t.OldestDue.IsZero() && (sum.OldestDue.IsZero() || t.OldestDue.Before(sum.OldestDue)) {
			sum.OldestDue = t.OldestDue
		}
		sum.Lateness = merged(sum.Lateness, t.Lateness)
	}
	for tier, sum := range sums {
		if tier == 0 {
			w.gauge(backlog, float64(sum.Backlog), sourceTier)
			continue
		}
		name := retrytopics.TierName(tier)
		w.gauge(backlog, float64(sum.Backlog), name)
		w.histogram(lateness, sum.Lateness, name)
		if !sum.OldestDue.IsZero() {
			w.gauge(oldestDue, s.At.Sub(sum.OldestDue).Seconds(), name)
		}
	}
}

// merged adds two histograms with the same bounds; one without bounds is empty.
func merged(a, b consumer.Histogram) consumer.Histogram {
	if len(a.Bounds) == 0 {
		return b
	}
	if len(b.Bounds) == 0 {
		return a
	}
	a.Counts = slices.Clone(a.Counts)
	for i, n := range b.Counts {
		a.Counts[i] += n
	}
	a.Sum += b.Sum
	a.Total += b.Total
	return a
}

// deadLetters sends the counts of dead letters, and 0 for the kinds of which none has died yet: a counter that appears with its first eight
// hundred is to Prometheus one that has not moved, and no alert would speak of them.
func (w writer) deadLetters(s consumer.Stats) {
	counts := map[consumer.DeadLetterCount]uint64{{Reason: retrytopics.ReasonBehind}: 0}
	for _, f := range s.Failures {
		for _, reason := range ofFailures {
			counts[consumer.DeadLetterCount{Class: f.Class, Severity: f.Severity, Reason: reason}] = 0
		}
	}
	for _, d := range s.DeadLetters {
		kind := d
		kind.Count = 0
		counts[kind] = d.Count
	}
	for kind, n := range counts {
		w.counter(deadLetters, float64(n), kind.Class.String(), kind.Severity.String(), string(kind.Reason))
	}
}

// ofFailures are the reasons for which a record dies at a failure of its own.
var ofFailures = []retrytopics.Reason{
	retrytopics.ReasonExhausted, retrytopics.ReasonNotRetriable, retrytopics.ReasonTimeout, retrytopics.ReasonRequested, retrytopics.ReasonUndecodable,
}

// lessons sends what was learned about delays.
func (w writer) lessons(s consumer.Stats) {
	for _, l := range s.Lessons {
		w.gauge(learnedObservations, l.Observations, l.Dependency, l.Class.String())
		if !l.Last.At.IsZero() {
			w.gauge(learnedDelay, l.Last.Delay.Seconds(), l.Dependency, l.Class.String())
		}
	}
}

// experiment sends the counts of each variant.
func (w writer) experiment(x *consumer.ExperimentStats) {
	if x == nil {
		return
	}
	for _, v := range x.Variants {
		var sum consumer.ClusterStats
		for _, c := range v.Clusters {
			sum.Succeeded, sum.Dead, sum.Other, sum.Attempts = sum.Succeeded+c.Succeeded, sum.Dead+c.Dead, sum.Other+c.Other, sum.Attempts+c.Attempts
		}
		w.counter(experimentRecords, float64(v.Failed), x.Name, v.Variant, "failed")
		w.counter(experimentRecords, float64(sum.Succeeded), x.Name, v.Variant, "done")
		w.counter(experimentRecords, float64(sum.Dead), x.Name, v.Variant, "dead")
		w.counter(experimentRecords, float64(sum.Other), x.Name, v.Variant, "other")
		w.counter(experimentAttempts, float64(sum.Attempts), x.Name, v.Variant)
		w.histogram(experimentRecovery, v.Recovery, x.Name, v.Variant)
	}
}

func (w writer) paused(s consumer.Stats) {
	for _, reason := range consumer.PauseReasons() {
		w.gauge(paused, float64(s.Paused[reason]), reason.String())
	}
}

// parts sends how many parts of a dependency are in each state: the parts themselves are too many for labels.
func (w writer) parts(s consumer.PartStats) {
	for _, state := range breaker.States() {
		w.ch <- prometheus.MustNewConstMetric(breakerParts, prometheus.GaugeValue, float64(s.States[state]), s.Dependency, state.String())
	}
}

// breaker sends 1 for the state that the breaker is in, and 0 for the others.
func (w writer) breaker(s breaker.Snapshot) {
	for _, state := range breaker.States() {
		var v float64
		if s.State == state {
			v = 1
		}
		w.ch <- prometheus.MustNewConstMetric(breakerState, prometheus.GaugeValue, v, s.Dependency, state.String())
	}
}
