package report

import (
	"path/filepath"
	"slices"
	"testing"

	"github.com/redeliver/redeliver/bench/harness"
)

// A run takes the place of what former ones measured of the same scenarios on the same brokers, and of nothing else, also in the file.
func TestARunReplacesItsScenariosOnItsBrokers(t *testing.T) {
	measured := func(command string, of ...string) *Results {
		r := &Results{Command: command}
		for _, one := range of {
			r.Measured = append(r.Measured, harness.Measured{Scenario: one[:1], Broker: one[1:], Contender: command})
		}
		return r
	}
	file := filepath.Join(t.TempDir(), "results.json")
	for _, r := range []*Results{measured("first", "aK", "bK", "aE"), measured("second", "aE"), measured("third", "aK", "cK"), measured("fourth", "aK")} {
		runs, err := Read(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := runs.With(r).Write(file); err != nil {
			t.Fatal(err)
		}
	}
	runs, err := Read(file)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range runs {
		for _, m := range r.Measured {
			got = append(got, r.Command+" "+m.Scenario+m.Broker)
		}
	}
	if want := []string{"first bK", "second aE", "third cK", "fourth aK"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
