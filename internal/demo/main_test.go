package demo

import (
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"
)

// TestMain keeps the temporary directories of all demos in one place and looks, when all tests have passed, whether a
// demo has left anything behind there, or a goroutine.
func TestMain(m *testing.M) {
	if os.Getenv(panicking) != "" {
		os.Exit(m.Run())
	}
	dir, err := os.MkdirTemp("", "demo-test-")
	if err == nil {
		err = os.Setenv("TMPDIR", dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	status := m.Run()
	if left, err := os.ReadDir(dir); status == 0 && (err != nil || len(left) > 0) {
		fmt.Fprintf(os.Stderr, "left behind in the temporary directory: %v %v\n", left, err)
		status = 1
	}
	if err := goleak.Find(); status == 0 && err != nil {
		fmt.Fprintln(os.Stderr, err)
		status = 1
	}
	_ = os.RemoveAll(dir)
	os.Exit(status)
}
