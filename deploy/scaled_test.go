package deploy

import (
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
	"go.yaml.in/yaml/v3"
)

// quicker is by how much the copy of the rules that the outage is watched with is faster: what takes an hour takes 28 seconds. It is a
// power of two, so that the bounds of buckets divided by it are bounds too.
const quicker = 128

// quickRules writes a copy of the alerts in which every time is shorter: ranges, `for`, the numbers that a metric in seconds is held
// against, and the bounds of buckets.
func quickRules(t *testing.T) (path string) {
	t.Helper()
	var file ruleFile
	readYAML(t, alertsFile, &file)
	for _, g := range file.Groups {
		for i := range g.Rules {
			r := &g.Rules[i]
			r.Expr = quickened(t, r.Alert, r.Expr)
			if r.For != "" {
				d, err := model.ParseDuration(r.For)
				if err != nil {
					t.Fatalf("%s: for: %v", r.Alert, err)
				}
				r.For = model.Duration(shorter(time.Duration(d))).String()
			}
		}
	}
	text, err := yaml.Marshal(file)
	if err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(t.TempDir(), "alerts.yaml")
	// yaml would write the names of Go's fields in lower case, which are those of Prometheus.
	if err := os.WriteFile(path, text, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func shorter(d time.Duration) time.Duration {
	return (d / quicker).Round(time.Millisecond)
}

// quickened returns the expression with every time in it shortened.
func quickened(t *testing.T, where, text string) string {
	t.Helper()
	expr := parsed(t, where, text)
	parser.Inspect(expr, func(node parser.Node, _ []parser.Node) error {
		switch n := node.(type) {
		case *parser.MatrixSelector:
			n.Range = shorter(n.Range)
		case *parser.VectorSelector:
			for i, m := range n.LabelMatchers {
				if m.Name == labels.BucketLabel {
					n.LabelMatchers[i] = quickBound(t, where, m)
				}
			}
		case *parser.Call:
			if n.Func.Name == "histogram_fraction" {
				n.Args[1].(*parser.NumberLiteral).Val /= quicker
			}
		case *parser.BinaryExpr:
			if number, ok := n.RHS.(*parser.NumberLiteral); ok && n.Op.IsComparisonOperator() && inSeconds(n.LHS) {
				number.Val /= quicker
			}
		}
		return nil
	})
	return expr.String()
}

// quickBound matches the bound that is so much lower.
func quickBound(t *testing.T, where string, m *labels.Matcher) *labels.Matcher {
	t.Helper()
	bound, err := strconv.ParseFloat(strings.TrimSuffix(m.Value, `(\.0)?`), 64)
	if err != nil {
		t.Fatalf("%s: le=%q: %v", where, m.Value, err)
	}
	if mantissa, _ := math.Frexp(bound); mantissa != 0.5 {
		t.Fatalf("%s: le=%q is no bound of a bucket, which are powers of two", where, m.Value)
	}
	return labels.MustNewMatcher(labels.MatchRegexp, labels.BucketLabel, regexp.QuoteMeta(strconv.FormatFloat(bound/quicker, 'g', -1, 64)))
}

// inSeconds reports whether the expression is a metric in seconds, as it is or aggregated.
func inSeconds(expr parser.Expr) bool {
	seconds := true
	parser.Inspect(expr, func(node parser.Node, _ []parser.Node) error {
		switch n := node.(type) {
		case *parser.Call, *parser.BinaryExpr:
			seconds = false // a rate or a ratio
		case *parser.VectorSelector:
			seconds = seconds && strings.HasSuffix(n.Name, "_seconds")
		}
		return nil
	})
	return seconds
}

func TestTheQuickCopyOfTheRulesIsTheSameButForTime(t *testing.T) {
	for text, want := range map[string]string{
		`max(redeliver_oldest_due_seconds) > 64`:                                "max(redeliver_oldest_due_seconds) > 0.5",
		`deriv(redeliver_oldest_due_seconds[64m]) > 0.5`:                        "deriv(redeliver_oldest_due_seconds[30s]) > 0.5",
		`rate(redeliver_lateness_seconds_bucket{le=~"8(\\.0)?"}[128s]) > 10`:    `rate(redeliver_lateness_seconds_bucket{le=~"0\\.0625"}[1s]) > 10`,
		`sum(increase(redeliver_dead_letters_total[32m])) > 10`:                 "sum(increase(redeliver_dead_letters_total[15s])) > 10",
		`min(redeliver_retention_left_seconds) < 128 and up == 0`:               "min(redeliver_retention_left_seconds) < 1 and up == 0",
		`histogram_fraction(0, 8, rate(redeliver_handler_seconds[64m])) < 0.9`:  "histogram_fraction(0, 0.0625, rate(redeliver_handler_seconds[30s])) < 0.9",
		`histogram_quantile(0.99, rate(redeliver_handler_seconds[1h4m])) > 128`: "histogram_quantile(0.99, rate(redeliver_handler_seconds[30s])) > 128",
	} {
		if got := quickened(t, "test", text); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}
