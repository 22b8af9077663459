package telemetry

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

var (
	lettersExpiring = prometheus.NewDesc("redeliver_dlq_expiring",
		"Dead letters that are still to be dealt with, parked ones too, and that the retention of their topic may take within a day, or half of it where that is less.", []string{"pipeline", "topic"}, nil)
	lettersExpire = prometheus.NewDesc("redeliver_dlq_expires_seconds",
		"Time until the retention of their topic may take the first of them, in seconds. Absent when none expires soon.", []string{"pipeline", "topic"}, nil)
)

// Expiring is what the retention of a dead-letter topic may take soon.
type Expiring struct {
	Pipeline, Topic string
	Entries         int64
	First           time.Time // when it may take the first; zero without one
}

// ExpiringCollector is a [prometheus.Collector] over the dead-letter topics of a process. It may be used concurrently.
type ExpiringCollector struct {
	all func() []Expiring
}

// NewExpiringCollector returns a collector over what all returns, which is asked at each scrape.
func NewExpiringCollector(all func() []Expiring) *ExpiringCollector { return &ExpiringCollector{all} }

// Describe sends the descriptions of all metrics.
func (c *ExpiringCollector) Describe(ch chan<- *prometheus.Desc) {
	ch <- lettersExpiring
	ch <- lettersExpire
}

// Collect reads what expires.
func (c *ExpiringCollector) Collect(ch chan<- prometheus.Metric) {
	for _, x := range c.all() {
		ch <- prometheus.MustNewConstMetric(lettersExpiring, prometheus.GaugeValue, float64(x.Entries), x.Pipeline, x.Topic)
		if !x.First.IsZero() {
			ch <- prometheus.MustNewConstMetric(lettersExpire, prometheus.GaugeValue, max(time.Until(x.First).Seconds(), 0), x.Pipeline, x.Topic)
		}
	}
}
