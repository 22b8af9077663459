package retrytopics_test

import (
	"errors"
	"strings"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redeliver/redeliver/retrytopics"
)

// failer is a test, a benchmark or a property.
type failer interface {
	Helper()
	Fatalf(format string, args ...any)
}

// equal compares with go-cmp, so that times are compared as instants.
func equal[T any](t failer, got, want T) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("differs (-want +got):\n%s", diff)
	}
}

func noError(t failer, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("got error %v, want none", err)
	}
}

// fails wants an error that says all of the words.
func fails(t failer, err error, words ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("got no error, want one that says %q", words)
	}
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			t.Fatalf("got error %q, want it to say %q", err, word)
		}
	}
}

// errorAs is errors.As as a value.
func errorAs[E error](t failer, err error) E {
	t.Helper()
	var target E
	if !errors.As(err, &target) {
		t.Fatalf("got error %T %v, want a %T", err, err, target)
	}
	return target
}

func schedule(t failer, p retrytopics.Policy) *retrytopics.Schedule {
	t.Helper()
	s, err := p.Compile()
	noError(t, err)
	return s
}

// durations reads "1s 10s 1m".
func durations(t failer, text string) []time.Duration {
	t.Helper()
	var out []time.Duration
	for field := range strings.FieldsSeq(text) {
		d, err := time.ParseDuration(field)
		noError(t, err)
		out = append(out, d)
	}
	return out
}
