package deploy

import (
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

var (
	building sync.Once
	binary   string
	built    error
	output   []byte
)

// build returns a redeliver binary of the code as it stands.
func build(t *testing.T) string {
	t.Helper()
	building.Do(func() {
		binary = filepath.Join(directory, "redeliver")
		command := exec.Command("go", "build", "-o", binary, "./cmd/redeliver")
		command.Dir = ".."
		output, built = command.CombinedOutput()
	})
	if built != nil {
		t.Fatalf("go build: %v\n%s", built, output)
	}
	return binary
}
