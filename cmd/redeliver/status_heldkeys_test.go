package main

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redeliver/redeliver/internal/admin"
)

// status says which keys are held, which are closed, and how many partitions are not started before that is known; nothing where nothing is.
func TestStatusShowsHeldKeys(t *testing.T) {
	now := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	oldest := now.Add(-90 * time.Second)
	print := func(held *admin.HeldKeysStatus) string {
		var out bytes.Buffer
		s := status{At: now, Pipelines: []pipelineStatus{{Pipeline: "orders", Process: &admin.PipelineStatus{Pipeline: "orders", HeldKeys: held}}}}
		if err := printHeldKeys(&out, s); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	if got := print(nil); strings.Contains(got, "orders") {
		t.Errorf("there is nothing to show:\n%s", got)
	}
	lines := strings.Split(strings.TrimSpace(print(&admin.HeldKeysStatus{Keys: 3, Records: 40, Parked: 37, Closed: 2, Dead: 9, Oldest: &oldest, Reading: 4})), "\n")
	want := []string{"orders", "3", "40", "37", "2", "9", "1m30s", "4", "partitions"}
	if got := strings.Fields(lines[len(lines)-1]); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
