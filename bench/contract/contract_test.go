package contract

import (
	"reflect"
	"testing"
	"time"
)

func TestATaskSurvivesTheCommandLine(t *testing.T) {
	want := Task{Brokers: []string{"a:1", "b:2"}, Topic: "t", Group: "g", Scenario: "d", Records: 10, Parts: 3, Work: time.Millisecond, Limit: time.Second, URL: "http://c/"}
	got, err := ParseTask(want.Flags())
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v; want %+v", got, err, want)
	}
}

func TestATaskWithoutRecordsIsRefused(t *testing.T) {
	if _, err := ParseTask(Task{Brokers: []string{"a:1"}, Topic: "t", Group: "g"}.Flags()); err == nil {
		t.Error("a task without records was taken")
	}
}

func TestAMeterThatSawNoRecordHasNoResult(t *testing.T) {
	m := new(Meter)
	m.End(3)
	if _, err := m.Result(); err == nil {
		t.Error("got a result of nothing")
	}
}

func TestAMeterCountsFromTheFirstRecord(t *testing.T) {
	m := new(Meter)
	m.Begin()
	m.Begin() // only the first counts
	m.Figure("x", 2)
	m.End(3)
	r, err := m.Result()
	if err != nil || r.Records != 3 || r.Seconds <= 0 || r.PeakBytes <= 0 || r.Figures["x"] != 2 {
		t.Errorf("got %+v, %v; want 3 records, time, memory and a figure", r, err)
	}
}

func TestATallyKnowsAPartitionsFirst(t *testing.T) {
	tally := new(Tally)
	var firsts []bool
	for _, partition := range []int32{0, 0, 1} {
		firsts = append(firsts, tally.Add(partition, 2))
	}
	if want := []bool{true, false, true}; !reflect.DeepEqual(firsts, want) || tally.Total() != 6 {
		t.Errorf("got %v as the first ones and a total of %d, want %v and 6", firsts, tally.Total(), want)
	}
}
