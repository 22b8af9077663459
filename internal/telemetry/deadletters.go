package telemetry

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// ofDeadLetters are the metrics of dead-letter topics.
var ofDeadLetters metrics

var (
	lettersExpiring = ofDeadLetters.gauge("redeliver_dlq_expiring",
		"Dead letters that are still to be dealt with, parked ones too, and that the retention of their topic may take within a day, or half of it where that is less.", "pipeline", "topic")
	lettersExpire = ofDeadLetters.gauge("redeliver_dlq_expires_seconds",
		"Time until the retention of their topic may take the first of them, in seconds. Absent when none expires soon.", "pipeline", "topic")
)

// Expiring is what the retention of a dead-letter topic may take soon.
type Expiring struct {
	Pipeline, Topic string
	Entries         int64
	First           time.Time // when it may take the first; zero without one
}

// ExpiringCollector is a [prometheus.Collector] over the dead-letter topics of a process. It may be used concurrently.
type ExpiringCollector struct {
	all    func() []Expiring
	topics known // by pipeline
}

// NewExpiringCollector returns a collector over what all returns, which is asked at each scrape.
func NewExpiringCollector(all func() []Expiring) *ExpiringCollector {
	return &ExpiringCollector{all: all, topics: known{most: maxTopics}}
}

// Describe sends the descriptions of all metrics.
func (c *ExpiringCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range ofDeadLetters.descriptions {
		ch <- d
	}
}

// Collect reads what expires.
func (c *ExpiringCollector) Collect(ch chan<- prometheus.Metric) {
	type subject struct{ pipeline, topic string }
	sums := make(map[subject]Expiring)
	for _, x := range c.all() {
		at := subject{x.Pipeline, c.topics.label(x.Pipeline, x.Topic)}
		sum := sums[at]
		sum.Entries += x.Entries
		if sum.First.IsZero() || !x.First.IsZero() && x.First.Before(sum.First) {
			sum.First = x.First
		}
		sums[at] = sum
	}
	for at, x := range sums {
		ch <- prometheus.MustNewConstMetric(lettersExpiring, prometheus.GaugeValue, float64(x.Entries), at.pipeline, at.topic)
		if !x.First.IsZero() {
			ch <- prometheus.MustNewConstMetric(lettersExpire, prometheus.GaugeValue, max(time.Until(x.First).Seconds(), 0), at.pipeline, at.topic)
		}
	}
}
