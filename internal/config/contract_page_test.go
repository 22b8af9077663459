package config

import (
	"os"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"
)

// page is the configuration that docs/contract.md shows.
func page(t *testing.T) string {
	t.Helper()
	contract, err := os.ReadFile("../../docs/contract.md")
	if err != nil {
		t.Fatal(err)
	}
	_, after, found := strings.Cut(string(contract), "## 3. Configuration")
	_, after, opened := strings.Cut(after, "```yaml\n")
	text, _, closed := strings.Cut(after, "```")
	if !found || !opened || !closed {
		t.Fatal("docs/contract.md shows no configuration")
	}
	return text
}

// The contract shows every key of the file, in its YAML or in a comment there, and none that there is not.
func TestTheContractShowsTheKeys(t *testing.T) {
	text := page(t)
	var file any
	if err := yaml.Unmarshal([]byte(text), &file); err != nil {
		t.Fatalf("what docs/contract.md shows is no YAML: %v", err)
	}
	shown, known := map[string]bool{}, map[string]bool{}
	collect("", file, shown)
	walk(fileKeys(new(Config)), "", func(path string, k key) {
		known[path] = true
		if strings.HasPrefix(path, "defaults.") || strings.HasPrefix(path, "pipelines[].breakers[].") {
			return
		}
		if !shown[path] && !strings.Contains(text, path[strings.LastIndexByte(path, '.')+1:]) {
			t.Errorf("docs/contract.md does not show %s", path)
		}
	})
	for path := range shown {
		if !known[path] {
			t.Errorf("docs/contract.md shows %s, and there is no such key", path)
		}
	}
	if !shown["pipelines[].retry.experiment.variants[].weight"] {
		t.Error("docs/contract.md shows no experiment")
	}
}
