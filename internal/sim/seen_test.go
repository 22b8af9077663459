//go:build synctests

package sim

import (
	"strings"
	"testing"
	"time"

	"github.com/redeliver/redeliver/internal/logbook"
	"github.com/redeliver/redeliver/internal/telemetry/telemetrytest"
)

// What an operator sees of a fault: log lines, metrics, and whether a member says that it is ready. A scenario looks while the fault
// lasts.

// mustTell expects that a member has logged a line with all the parts.
func (w *World) mustTell(t *testing.T, parts ...string) {
	t.Helper()
	if logbook.Of(w.Log()).Count(parts...) == 0 {
		t.Errorf("nothing is logged with %q", parts)
	}
}

// alarms are the warnings and errors of the members so far, without those that have one of the texts, and without what a cluster of one
// node is worth.
func (w *World) alarms(but ...string) []string {
	return logbook.Of(w.Log()).Alarms(append(but, "topics work as they are, but not safely")...)
}

// mustNotAlarm expects none.
func (w *World) mustNotAlarm(t *testing.T, but ...string) {
	t.Helper()
	for _, line := range w.alarms(but...) {
		t.Errorf("an operator is told: %s", line)
	}
}

// metric reads a metric of the member as Prometheus would, summed up over the series with the labels, each "name=value".
func (m *Member) metric(t *testing.T, name string, labels ...string) float64 {
	t.Helper()
	return telemetrytest.OfPipeline(t, m.Pipeline, name, labels...)
}

// mustMeasure expects that a metric is above 0.
func (m *Member) mustMeasure(t *testing.T, name string, labels ...string) {
	t.Helper()
	if m.metric(t, name, labels...) <= 0 {
		t.Errorf("%s%v is 0", name, labels)
	}
}

// mustMeasureWithin expects that at some time from now on a metric is above 0, before so much has passed.
func (m *Member) mustMeasureWithin(t *testing.T, d time.Duration, name string, labels ...string) {
	t.Helper()
	for until := time.Now().Add(d); time.Now().Before(until); m.w.Sleep(10 * time.Millisecond) {
		if m.metric(t, name, labels...) > 0 {
			return
		}
	}
	t.Errorf("%s%v was 0 for %v", name, labels, d)
}

// mustNotBeReady expects that the member says so, for a reason with all the parts.
func (m *Member) mustNotBeReady(t *testing.T, parts ...string) {
	t.Helper()
	s := m.Pipeline.Stats()
	for _, part := range parts {
		if s.Ready || !strings.Contains(s.NotReady, part) {
			t.Errorf("ready: %v (%q), want not, because of %q", s.Ready, s.NotReady, parts)
			return
		}
	}
}

// mustHold expects that the member tells that it holds records whose copies cannot be written to a topic.
func (m *Member) mustHold(t *testing.T, topic, line string) {
	t.Helper()
	m.w.mustTell(t, "level=ERROR", line, "to="+topic)
	m.mustMeasure(t, "redeliver_held_records")
	m.mustNotBeReady(t, topic)
}
