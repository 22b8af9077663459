package integration_test

import (
	"flag"
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/redeliver/redeliver/internal/kafkatest"
	_ "github.com/redeliver/redeliver/internal/kafkatest/container"
)

// TestMain runs the tests, or, where the environment says so, a member of a group that a test has started as a process
// of its own. After the tests nothing of any pipeline may be running any more.
func TestMain(m *testing.M) {
	if os.Getenv(envMember) != "" {
		os.Exit(memberProcess())
	}
	flag.Parse()
	sideBySide()
	kafkatest.Main(m, func() error {
		if err := goleak.Find(); err != nil {
			return fmt.Errorf("something of a pipeline outlives it: %w", err)
		}
		return nil
	})
}

// sideBySide lets more tests run at a time than there are processors: nearly all they do is wait for delays and brokers.
func sideBySide() {
	const parallel = "test.parallel"
	asked := false
	flag.Visit(func(f *flag.Flag) { asked = asked || f.Name == parallel })
	if !asked {
		if err := flag.Set(parallel, "12"); err != nil {
			panic(err)
		}
	}
}
