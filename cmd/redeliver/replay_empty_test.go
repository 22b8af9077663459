package main

import (
	"strings"
	"testing"
)

// TestReplayRefusesFlagsWithoutAValue: a variable that is not set replays nothing unedited, without a limit, or without an end to it.
func TestReplayRefusesFlagsWithoutAValue(t *testing.T) {
	path := configFile(t, pipelineOn([]string{"127.0.0.1:1"}, ""))
	for _, flag := range []string{"--jq", "--rate", "--stop-at", "--to", "--canary-rate", "--class"} {
		_, errs, exit := command(t, "replay", "-c", path, "--dry-run", flag, "")
		if exit != exitUsage || !strings.Contains(errs, flag+" is empty: say which, or leave it out") {
			t.Errorf("%s: exit status %d, %q", flag, exit, errs)
		}
	}
}
