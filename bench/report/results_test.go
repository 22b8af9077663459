package report

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"testing"
)

// Who reads a commit on the page takes it for what was measured: that there was more is said.
func TestTheCommitTellsOfChanges(t *testing.T) {
	revision := debug.BuildSetting{Key: "vcs.revision", Value: "0123456789abcdef0123"}
	modified := func(value string) debug.BuildSetting { return debug.BuildSetting{Key: "vcs.modified", Value: value} }
	for _, test := range []struct {
		want     string
		settings []debug.BuildSetting
	}{
		{"0123456789ab", []debug.BuildSetting{revision, modified("false")}},
		{"0123456789ab+changes", []debug.BuildSetting{revision, modified("true")}},
		{"0123456789ab+changes", []debug.BuildSetting{modified("true"), revision}},
		{"", []debug.BuildSetting{modified("true")}},
	} {
		if got := commit(test.settings); got != test.want {
			t.Errorf("%v: %q, want %q", test.settings, got, test.want)
		}
	}
}

func TestTheMachineIsDescribed(t *testing.T) {
	on := fmt.Sprintf("%s/%s, %d cores, ", runtime.GOOS, runtime.GOARCH, runtime.NumCPU())
	got := describe("processor\t: 0\nmodel name\t: AMD EPYC\nprocessor\t: 1\nmodel name\t: other\n", "MemTotal:       24669332 kB\nMemFree: 1 kB\n", "6.1.0-40-cloud\n")
	if want := on + "AMD EPYC, 23.5 GiB, kernel 6.1.0-40-cloud"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := describe("", "", ""), on+"unknown processor"; got != want {
		t.Errorf("got %q where nothing is told, want %q", got, want)
	}
}
