package logpage

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What is logged is read where it is written, and what is put together elsewhere is found there.
func TestTheSourceIsRead(t *testing.T) {
	for _, tt := range []struct{ name, code, want string }{
		{"fields", `s.log.Warn("gone", "topic", t, "offset", 1)`, "[{gone warn  [topic offset]}]"},
		{"a level that varies", `log.Log(ctx, level, "gone", "why", w)`, "[{gone as severe as it is  [why]}]"},
		{"texts of a map", `log.Info("cannot "+doings[x]+": again")`, "[{cannot read: again info  []} {cannot write: again info  []}]"},
		{"a list", `args := []any{"a", 1}; if y { args = append(args, "b", 2) }; log.Info("gone", append(args, "c", 3)...)`, "[{gone info  [a b c]}]"},
		{"what callers give", `log.Info("gone", many...) }; func (s T) other() { s.f(1, "x", 1, "y", 2) }; func (s T) third() { s.f(1, "z", 1)`, "[{gone info  [x y z]}]"},
		{"what a logger has anyway", `log := s.log.With("pipeline", p); log.Info("gone", "a", 1)`, "[{gone info  [pipeline a]}]"},
		{"no logger", `s.other.Info(x); fmt.Println("gone")`, "[]"},
		{"a text that varies", `log.Info("gone: " + why)`, "what is logged is not written there"},
		{"a formatted text", `log.Info(fmt.Sprintf("%s is gone", x))`, "what is logged is not written there"},
		{"a name that varies", `log.Info("gone", name, 1)`, `the fields of "gone" are not written there`},
		{"a list of who knows what", `log.Info("gone", attrs()...)`, `the fields of "gone" are not written there`},
		{"a method that is not read", `log.InfoContext(ctx, "gone")`, "InfoContext of a logger is not read"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			code := "package p\nvar doings = map[string]string{\"r\": \"read\", \"w\": \"write\"}\nfunc (s T) f(n int, many ...any) {" + tt.code + "\n}\n"
			if err := os.WriteFile(filepath.Join(dir, "p.go"), []byte(code), 0o600); err != nil {
				t.Fatal(err)
			}
			events, err := read(dir)
			got := fmt.Sprint(events)
			if err != nil {
				got = err.Error()
			}
			if !strings.Contains(got, tt.want) {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}
