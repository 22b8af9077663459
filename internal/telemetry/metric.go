package telemetry

import "github.com/prometheus/client_golang/prometheus"

// Metric describes a metric.
type Metric struct {
	Name   string
	Kind   Kind
	Help   string
	Labels []string
}

// Kind is the type of a metric.
type Kind string

const (
	Counter   Kind = "counter"
	Gauge     Kind = "gauge"
	Histogram Kind = "histogram"
)

// Metrics returns all metrics of ours: of pipelines, of a fleet, and of Kafka clients.
func Metrics() []Metric {
	return append(append(append([]Metric(nil), ofPipelines.described...), ofFleet.described...), clientMetrics()...)
}

// metrics are what one collector sends.
type metrics struct {
	described    []Metric
	descriptions []*prometheus.Desc
}

func (m *metrics) counter(name, help string, labels ...string) *prometheus.Desc {
	return m.describe(Metric{name, Counter, help, labels})
}

func (m *metrics) gauge(name, help string, labels ...string) *prometheus.Desc {
	return m.describe(Metric{name, Gauge, help, labels})
}

func (m *metrics) histogram(name, help string, labels ...string) *prometheus.Desc {
	return m.describe(Metric{name, Histogram, help, labels})
}

func (m *metrics) describe(one Metric) *prometheus.Desc {
	d := prometheus.NewDesc(one.Name, one.Help, one.Labels, nil)
	m.described, m.descriptions = append(m.described, one), append(m.descriptions, d)
	return d
}
