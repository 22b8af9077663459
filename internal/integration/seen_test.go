package integration_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/redeliver/redeliver/internal/telemetry/telemetrytest"
)

// What an operator sees of a fault: log lines, metrics, and whether the pipeline says that it is ready.

// awaitLog waits until a line with all the parts is logged.
func (b *bundle) awaitLog(parts ...string) {
	b.t.Helper()
	eventually(b.t, func() error {
		if b.log.Count(parts...) == 0 {
			return fmt.Errorf("nothing is logged with %q", parts)
		}
		return nil
	})
}

// metric reads a metric of the member as Prometheus would, summed up over the series with the labels, each "name=value".
func (m *member) metric(t testing.TB, name string, labels ...string) float64 {
	t.Helper()
	return telemetrytest.OfPipeline(t, m, name, labels...)
}

// mustHaveSeenNothing expects that no operator had to see what has happened: nothing was logged as a warning or an error but what
// has one of the texts, no fault of the cluster is told of, and the member is ready.
func (b *bundle) mustHaveSeenNothing(m *member, but ...string) {
	b.t.Helper()
	m.mustBeReady(b.t)
	for _, line := range b.log.Alarms(append(but, unsafeTopics)...) {
		b.t.Errorf("an operator is told: %s", line)
	}
	if n := m.metric(b.t, "redeliver_faults"); n > 0 && len(but) == 0 {
		b.t.Errorf("%v faults of the cluster are told of: %q", n, m.Stats().Reasons)
	}
}

// unsafeTopics is the warning that a cluster of fewer than three nodes is worth.
const unsafeTopics = "topics work as they are, but not safely"

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
