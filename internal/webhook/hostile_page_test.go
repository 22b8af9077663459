package webhook

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Each row of docs/hostile.md names a test that there is.
func TestTheTableOfHostileServicesNamesTests(t *testing.T) {
	page, err := os.ReadFile("../../docs/hostile.md")
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	var code strings.Builder
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		code.Write(text)
	}
	_, table, _ := strings.Cut(string(page), "## From the service behind a webhook")
	rows := regexp.MustCompile("(?m)^\\| .* \\| .* \\| `(Test\\w+)(?:/([^`]+))?` \\|$").FindAllStringSubmatch(table, -1)
	for _, row := range rows {
		if !strings.Contains(code.String(), "func "+row[1]+"(") || row[2] != "" && !strings.Contains(code.String(), `"`+row[2]+`"`) {
			t.Errorf("there is no test %s/%s", row[1], row[2])
		}
	}
	if len(rows) < 21 {
		t.Errorf("%d rows, there were 21", len(rows))
	}
}
