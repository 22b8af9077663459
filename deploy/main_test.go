package deploy

import (
	"fmt"
	"io"
	standardlog "log"
	"os"
	"testing"
)

// directory is where this run of the tests keeps what it makes.
var directory string

func TestMain(m *testing.M) {
	standardlog.SetOutput(io.Discard) // Helm says at each look that the alerts are linked
	var err error
	if directory, err = os.MkdirTemp("", "redeliver-deploy-"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	status := m.Run()
	if err := os.RemoveAll(directory); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	os.Exit(status)
}
