package telemetry

import (
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTheDocumentationIsThatOfTheCode(t *testing.T) {
	page, err := os.ReadFile("../../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(Document(), string(page)); diff != "" {
		t.Errorf("docs/metrics.md is not what the code says; `make docs` writes it anew\n-code +page\n%s", diff)
	}
}
