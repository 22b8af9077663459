package telemetry

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What is described in another way than by metrics is missing from the page.
func TestEveryMetricIsDescribedForThePage(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), "prometheus.NewDesc(") && f != "metric.go" && f != "client.go" && f != "document_test.go" {
			t.Errorf("%s calls prometheus.NewDesc: use metrics.gauge, counter or histogram, so that docs/metrics.md has it", f)
		}
	}
}

func TestTheDocumentationIsThatOfTheCode(t *testing.T) {
	page, err := os.ReadFile("../../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(Document(), string(page)); diff != "" {
		t.Errorf("docs/metrics.md is not what the code says; `make docs` writes it anew\n-code +page\n%s", diff)
	}
}

// Whoever writes a query looks up what a label may hold.
func TestEveryLabelIsExplained(t *testing.T) {
	var explained strings.Builder
	for _, l := range labelValues() {
		explained.WriteString(l.label)
	}
	for _, m := range Metrics() {
		for _, label := range m.Labels {
			if !strings.Contains(explained.String(), "`"+label+"`") {
				t.Errorf("%s: docs/metrics.md does not say what its label %s may hold", m.Name, label)
			}
		}
	}
}
