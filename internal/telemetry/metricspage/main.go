// Command metricspage writes docs/metrics.md from the code.
package main

import (
	"fmt"
	"os"

	"github.com/redeliver/redeliver/internal/telemetry"
)

func main() {
	if err := os.WriteFile("docs/metrics.md", []byte(telemetry.Document()), 0o644); err != nil {
		fmt.Fprintln(os.Stderr, "metricspage:", err)
		os.Exit(1)
	}
}
