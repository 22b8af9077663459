// Package telemetrytest reads metrics in tests as Prometheus would.
package telemetrytest

import (
	"slices"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/redeliver/redeliver/internal/telemetry"
)

// OfPipeline reads a gauge or a counter of a pipeline, see [Read].
func OfPipeline(t testing.TB, p telemetry.Source, name string, labels ...string) (sum float64) {
	t.Helper()
	return Read(t, telemetry.NewCollector(func() []telemetry.Source { return []telemetry.Source{p} }), name, labels...)
}

// Read reads a gauge or a counter of a collector, summed up over the series with the labels, each "name=value": 0
// where there are none.
func Read(t testing.TB, c prometheus.Collector, name string, labels ...string) (sum float64) {
	t.Helper()
	registry := prometheus.NewRegistry()
	registry.MustRegister(c)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, s := range f.GetMetric() {
			if hasLabels(s, labels) {
				sum += s.GetGauge().GetValue() + s.GetCounter().GetValue()
			}
		}
	}
	return sum
}

func hasLabels(s *dto.Metric, labels []string) bool {
	for _, want := range labels {
		if !slices.ContainsFunc(s.GetLabel(), func(l *dto.LabelPair) bool { return l.GetName()+"="+l.GetValue() == want }) {
			return false
		}
	}
	return true
}
