package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Events count top-level tests by package, and show all of what fails and why something was skipped.
func TestRead(t *testing.T) {
	events := `
{"Action":"output","Package":"p","Test":"TestA","Output":"noise of A\n"}
{"Action":"pass","Package":"p","Test":"TestA/sub"}
{"Action":"pass","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Test":"TestB","Output":"why B failed\n"}
{"Action":"fail","Package":"p","Test":"TestB"}
{"Action":"output","Package":"p","Test":"TestC","Output":"=== RUN   TestC\n"}
{"Action":"output","Package":"p","Test":"TestC","Output":"    c_test.go:7: only on Sundays\n"}
{"Action":"skip","Package":"p","Test":"TestC"}
{"Action":"pass","Package":"p","Test":"ExampleD"}
{"Action":"output","Package":"p","Output":"kafkatest: ran on embedded kfake\n"}
{"Action":"fail","Package":"p","Elapsed":1.5}
{"Action":"output","Package":"crashed","Test":"TestX","Output":"panic: x\n"}
{"Action":"fail","Package":"crashed"}
{"ImportPath":"broken","Action":"build-output","Output":"broken.go:1: undefined: y\n"}
{"ImportPath":"broken","Action":"build-fail"}
{"Action":"fail","Package":"broken"}
{"Action":"skip","Package":"no tests"}
not JSON
`
	var out strings.Builder
	got, err := read(strings.NewReader(strings.TrimPrefix(events, "\n")), &out)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]result{
		"p":       {total{2, 1, 1}, "embedded kfake"},
		"crashed": {total{0, 1, 0}, ""},
		"broken":  {total{0, 1, 0}, ""},
	}
	if diff := cmp.Diff(want, got.Packages, cmp.AllowUnexported(result{})); diff != "" {
		t.Errorf("counts (-want +got):\n%s", diff)
	}
	for _, want := range []string{
		"why B failed", "fail p  2 passed, 1 failed, 1 skipped, 1.5 s, on embedded kfake", "skipped TestC: c_test.go:7: only on Sundays",
		"panic: x", "broken.go:1: undefined: y", "not JSON",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("it does not say %q:\n%s", want, out.String())
		}
	}
	if strings.Contains(out.String(), "noise") {
		t.Errorf("it says what a passing test said:\n%s", out.String())
	}
}

// The real broker must pass what the embedded one passes, package by package.
func TestCompare(t *testing.T) {
	run := func(passed int, broker string) result { return result{total{Passed: passed}, broker} }
	embedded := &counts{Packages: map[string]result{"unit": run(9, ""), "a": run(3, "embedded kfake"), "b": run(2, "embedded kfake")}}
	tests := map[string]struct {
		real map[string]result
		want string // the error, or empty
	}{
		"as many":         {map[string]result{"a": run(3, "Kafka"), "b": run(2, "Kafka")}, ""},
		"more":            {map[string]result{"a": run(4, "Kafka"), "b": run(2, "Kafka")}, ""},
		"fewer in one":    {map[string]result{"a": run(9, "Kafka"), "b": run(1, "Kafka")}, `b: 1 tests passed on "Kafka", fewer than the 2`},
		"a package fails": {map[string]result{"a": run(9, "Kafka")}, "b: 0 tests"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var out strings.Builder
			err := compare(&out, embedded, &counts{Packages: test.real})
			switch {
			case test.want == "" && err != nil:
				t.Errorf("got %v, want no error", err)
			case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
				t.Errorf("got %v, want %s", err, test.want)
			}
			if !strings.Contains(out.String(), "Kafka: ") {
				t.Errorf("it does not name the broker: %s", out.String())
			}
		})
	}
	if err := compare(new(strings.Builder), &counts{}, embedded); err == nil {
		t.Error("a first run without a broker is not noticed")
	}
}

// The last line of a sum is the one that counts.
func TestSumUp(t *testing.T) {
	dir := t.TempDir()
	var paths []string
	for name, r := range map[string]result{"one": {total{3, 0, 1}, "embedded kfake"}, "two": {total{4, 0, 0}, ""}} {
		paths = append(paths, filepath.Join(dir, name))
		if err := write(paths[len(paths)-1], &counts{Packages: map[string]result{name: r}}); err != nil {
			t.Fatal(err)
		}
	}
	var out strings.Builder
	if err := sumUp(&out, paths); err != nil {
		t.Fatal(err)
	}
	if want := "integration tests ran on: embedded kfake (3 tests)\n7 passed, 0 failed, 1 skipped\n"; out.String() != want {
		t.Errorf("got %q, want %q", out.String(), want)
	}
}
