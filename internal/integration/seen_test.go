package integration_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/redeliver/redeliver/internal/telemetry"
)

// What an operator sees of a fault: log lines, metrics, and whether the pipeline says that it is ready.

// logbook keeps the lines that the pipelines of a test have logged.
type logbook struct {
	mu    sync.Mutex
	lines []string
}

// Write implements io.Writer; a handler writes a line at a time.
func (l *logbook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, string(p))
	return len(p), nil
}

// has reports whether one line has all the parts.
func (l *logbook) has(parts ...string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.ContainsFunc(l.lines, func(line string) bool {
		return !slices.ContainsFunc(parts, func(part string) bool { return !strings.Contains(line, part) })
	})
}

// awaitLog waits until a line with all the parts is logged.
func (b *bundle) awaitLog(parts ...string) {
	b.t.Helper()
	eventually(b.t, func() error {
		if !b.log.has(parts...) {
			return fmt.Errorf("nothing is logged with %q", parts)
		}
		return nil
	})
}

// metric reads a metric of the member as Prometheus would, summed up over the series with the labels, each "name=value".
func (m *member) metric(t testing.TB, name string, labels ...string) (sum float64) {
	t.Helper()
	registry := prometheus.NewRegistry()
	registry.MustRegister(telemetry.NewCollector(func() []telemetry.Source { return []telemetry.Source{m} }))
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

// awaitMetric waits until a metric is above 0.
func (m *member) awaitMetric(t testing.TB, name string, labels ...string) {
	t.Helper()
	eventually(t, func() error {
		if m.metric(t, name, labels...) <= 0 {
			return fmt.Errorf("%s%v is 0", name, labels)
		}
		return nil
	})
}

// awaitNotReady waits until the member says that it is not ready, for a reason with all the parts.
func (m *member) awaitNotReady(t testing.TB, parts ...string) {
	t.Helper()
	eventually(t, func() error {
		s := m.Stats()
		for _, part := range parts {
			if s.Ready || !strings.Contains(s.NotReady, part) {
				return fmt.Errorf("ready: %v (%q), want not, because of %q", s.Ready, s.NotReady, parts)
			}
		}
		return nil
	})
}

// awaitReason waits until one of the reasons why the member is not healthy has all the parts.
func (m *member) awaitReason(t testing.TB, parts ...string) {
	t.Helper()
	eventually(t, func() error {
		reasons := m.Stats().Reasons
		for _, r := range reasons {
			if !slices.ContainsFunc(parts, func(part string) bool { return !strings.Contains(r, part) }) {
				return nil
			}
		}
		return fmt.Errorf("no reason with %q: %q", parts, reasons)
	})
}
