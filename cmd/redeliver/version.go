package main

import (
	"cmp"
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"
)

// What a release build says of itself: -ldflags "-X main.release=v1.2.3 -X main.revision=HASH -X main.date=RFC3339". A build by `go install`
// knows its version, one in a clone its revision.
var release, revision, date string

type versionInfo struct {
	Version  string `json:"version"`
	Revision string `json:"revision,omitempty"` // of the source, with + when it was changed since
	Date     string `json:"date,omitempty"`     // of that revision, RFC 3339; not of the build, so that a build can be repeated
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

func newVersionCommand(p *program) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  noArguments,
	}
	format := addOutput(cmd)
	cmd.RunE = func(*cobra.Command, []string) error {
		if *format != asTable {
			return printOne(p.out, *format, version())
		}
		_, err := fmt.Fprintln(p.out, versionLine())
		return err
	}
	return cmd
}

func versionLine() string {
	v := version()
	return strings.Join(strings.Fields(fmt.Sprintf("redeliver %s %s %s (%s, %s)", v.Version, v.Revision, v.Date, v.Go, v.Platform)), " ")
}

// version reads what the Go tool wrote into the binary.
func version() versionInfo {
	v := versionInfo{Version: release, Revision: short(revision), Date: date, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		v.Version = cmp.Or(v.Version, "unknown")
		return v
	}
	v.Version = cmp.Or(v.Version, info.Main.Version, "(devel)")
	if v.Revision != "" {
		return v // what built it knows better than the tree that it was built in
	}
	changed := ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			v.Revision = short(s.Value)
		case s.Key == "vcs.time":
			v.Date = s.Value
		case s.Key == "vcs.modified" && s.Value == "true":
			changed = "+"
		}
	}
	if v.Revision != "" {
		v.Revision += changed
	}
	return v
}

// short is as much of a revision as tells it from all others.
func short(revision string) string { return revision[:min(12, len(revision))] }
