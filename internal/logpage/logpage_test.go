package logpage

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// docs/logs.md names every event and its fields as the code has them.
func TestThePageIsWhatTheCodeLogs(t *testing.T) {
	want, err := Document("../..")
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(want, "\n| "); n < 60 {
		t.Errorf("%d events: is the source read right?", n)
	}
	page, err := os.ReadFile("../../docs/logs.md")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(page)); diff != "" {
		t.Errorf("docs/logs.md is not what the code says; `make docs` writes it anew\n-code +page\n%s", diff)
	}
}
