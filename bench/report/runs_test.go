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

// A scenario that broke off before its last case takes no former one's place, and is not recorded as if it were whole; it is in the table.
func TestAScenarioThatBrokeOffReplacesNothing(t *testing.T) {
	cases := []harness.Case{{Name: "first"}, {Name: "last"}}
	of := func(broker, title string) harness.Measured {
		return harness.Measured{Broker: broker, Scenario: one.Letter, Case: title, Contender: "ours", Rounds: rounds(1000)}
	}
	former, r := &Results{}, &Results{}
	former.Add([]harness.Measured{of("embedded", "first"), of("embedded", "last")}, cases)
	r.Add([]harness.Measured{of("embedded", "first")}, cases)
	if got := (Runs{former}).With(r); len(got) != 1 || len(got[0].Measured) != 2 {
		t.Errorf("after a run that broke off there are %d, want the former one, whole", len(got))
	}
	r.Add([]harness.Measured{of("Kafka", "first"), of("Kafka", "last")}, cases)
	got := Runs{former}.With(r)
	if len(got) != 2 || len(got[0].Measured) != 2 || len(got[1].Measured) != 2 || got[1].Measured[0].Broker != "Kafka" {
		t.Errorf("got %d runs, want the former one, whole, and what was measured whole after it", len(got))
	}
	if len(r.sections(nil, one)) != 3 {
		t.Errorf("the table has %d sections, want all three cases", len(r.sections(nil, one)))
	}
}

// Whose figures were all replaced by those of a later run is no longer told of as a broker of the former one.
func TestARunTellsOfTheBrokersThatAreLeft(t *testing.T) {
	on := func(brokers []string, names ...string) *Results {
		r := &Results{Brokers: brokers}
		for _, name := range names {
			r.Measured = append(r.Measured, harness.Measured{Scenario: "a", Broker: name})
		}
		return r
	}
	runs := Runs{on([]string{"embedded", "Apache Kafka (speaks v4.2)"}, "embedded", "Apache Kafka")}
	runs = runs.With(on([]string{"Apache Kafka (speaks v4.3)"}, "Apache Kafka"))
	if len(runs) != 2 || !slices.Equal(runs[0].Brokers, []string{"embedded"}) || !slices.Equal(runs[1].Brokers, []string{"Apache Kafka (speaks v4.3)"}) {
		t.Errorf("got %+v", runs)
	}
}
