package report

import (
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
