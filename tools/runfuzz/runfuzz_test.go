package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// Targets are found where go test finds them, and nowhere else.
func TestFind(t *testing.T) {
	root := tree(t, map[string]string{
		"a/b/x_test.go":        "package b\nimport \"testing\"\nfunc FuzzOne(f *testing.F) {}\nfunc TestFuzz(t *testing.T) {}\n",
		"y_test.go":            "package y\nimport \"testing\"\nfunc FuzzTwo(f *testing.F) {}\n",
		"a/x.go":               "package a\nfunc FuzzNoTest() {}\n",
		"other/go.mod":         "module other\n",
		"other/x_test.go":      "package other\nfunc FuzzOther() {}\n",
		".hidden/x_test.go":    "package hidden\nfunc FuzzHidden() {}\n",
		"a/testdata/x_test.go": "no go",
	})
	got, err := find(root)
	if err != nil {
		t.Fatal(err)
	}
	if want := []target{{"FuzzOne", "a/b"}, {"FuzzTwo", "."}}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// A run tells how far each target came, fails when one of them does, and names the input.
func TestRunAll(t *testing.T) {
	if testing.Short() {
		t.Skip("it compiles and fuzzes")
	}
	root := tree(t, map[string]string{
		"go.mod":          "module fuzzed\n\ngo 1.24\n",
		"good/x_test.go":  "package good\nimport \"testing\"\nfunc FuzzGood(f *testing.F) { f.Add(1); f.Fuzz(func(t *testing.T, n int) {}) }\n",
		"bad/x_test.go":   "package bad\nimport \"testing\"\nfunc FuzzBad(f *testing.F) { f.Add(1); f.Fuzz(func(t *testing.T, n int) { if n == 1 { t.Fatal(\"it is one\") } }) }\n",
		"worse/x_test.go": "package worse\nimport \"testing\"\nfunc FuzzWorse(f *testing.F) { f.Add(\"\"); f.Fuzz(func(t *testing.T, s string) { if len(s) > 1 { t.Fatal(\"it is long\") } }) }\n",
	})
	var out bytes.Buffer
	err := runAll(&out, root, 2*time.Second, "Bad|Worse|Good")
	if err == nil || err.Error() != "2 of 3 targets failed" {
		t.Errorf("got %v\n%s", err, &out)
	}
	for _, want := range []string{
		"go test -run '^FuzzBad$/^seed#0$' ./bad", "it is one", "go test -run '^FuzzWorse$/^", "on testdata/fuzz/FuzzWorse/", "it is long", "FuzzGood           good                         ok      ",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is missing in\n%s", want, &out)
		}
	}
	out.Reset()
	if err := runAll(&out, root, 50*time.Millisecond, "Good"); err != nil || !strings.Contains(out.String(), " inputs, ") || strings.Contains(out.String(), "Bad") {
		t.Errorf("got %v\n%s", err, &out)
	}
	if err := runAll(&out, root, time.Second, "Nothing"); err == nil {
		t.Error("nothing ran, and that is told as success")
	}
}

// A busy machine lets go test end a run without a failing input as a failure; a failing input is one whatever else is told.
func TestLate(t *testing.T) {
	const late = "fuzz: elapsed: 2s, execs: 99 (48/sec), new interesting: 0 (total: 1)\n--- FAIL: FuzzGood (2.04s)\n    context deadline exceeded\nFAIL\n"
	if o := read([]byte(late)); !o.late || o.progress != "99 inputs, 1 of them in the corpus" {
		t.Errorf("got %+v", o)
	}
	if o := read([]byte(late + "    Failing input written to testdata/fuzz/FuzzGood/582528ddfad69eb5\n")); o.late || o.input == "" {
		t.Errorf("got %+v", o)
	}
	if o := read([]byte("--- FAIL: FuzzGood (2.04s)\n    fuzzing process hung or terminated unexpectedly\nFAIL\n")); o.late {
		t.Errorf("got %+v", o)
	}
}

func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}
