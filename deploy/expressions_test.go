package deploy

import (
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/promql/parser"

	"github.com/redeliver/redeliver/internal/telemetry"
)

// parsed returns an expression, read as Prometheus reads it.
func parsed(t *testing.T, where, text string) parser.Expr {
	t.Helper()
	expr, err := parser.NewParser(parser.Options{}).ParseExpr(text)
	if err != nil {
		t.Fatalf("%s: %v\n%s", where, err, text)
	}
	return expr
}

// byOthers are the metrics that Prometheus, or the library that serves ours, exports.
var byOthers = []string{"up", "process_resident_memory_bytes", "process_cpu_seconds_total"}

// ofTheTarget are the labels that Prometheus puts on what it scrapes.
var ofTheTarget = []string{"namespace", "job", "instance", "le", "__name__"}

// exported fails the test unless the expression speaks of metrics that a process exports, with labels that they have.
func exported(t *testing.T, where string, expr parser.Expr) {
	t.Helper()
	metrics := make(map[string]telemetry.Metric)
	for _, m := range telemetry.Metrics() {
		if m.Kind == telemetry.Histogram {
			for _, suffix := range []string{"", "_bucket", "_count", "_sum"} {
				metrics[m.Name+suffix] = m
			}
			continue
		}
		metrics[m.Name] = m
	}
	known := ofTheTarget
	parser.Inspect(expr, func(node parser.Node, _ []parser.Node) error {
		selector, ok := node.(*parser.VectorSelector)
		if !ok || slices.Contains(byOthers, selector.Name) {
			return nil
		}
		m, ok := metrics[selector.Name]
		if !ok {
			t.Errorf("%s: no process exports %s", where, selector.Name)
			return nil
		}
		known = slices.Concat(known, m.Labels)
		for _, matcher := range selector.LabelMatchers {
			if !slices.Contains(m.Labels, matcher.Name) && !slices.Contains(ofTheTarget, matcher.Name) {
				t.Errorf("%s: %s has no label %s; it has %s", where, selector.Name, matcher.Name, strings.Join(m.Labels, ", "))
			}
		}
		return nil
	})
	parser.Inspect(expr, func(node parser.Node, _ []parser.Node) error {
		var grouping []string
		switch n := node.(type) {
		case *parser.AggregateExpr:
			grouping = n.Grouping
		case *parser.BinaryExpr:
			if n.VectorMatching != nil {
				grouping = n.VectorMatching.MatchingLabels
			}
		}
		for _, label := range grouping {
			if !slices.Contains(known, label) {
				t.Errorf("%s: it groups by %s, which none of its metrics has", where, label)
			}
		}
		return nil
	})
}
