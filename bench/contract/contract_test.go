package contract

import (
	"reflect"
	"testing"
	"testing/synctest"
	"time"
)

func TestATaskSurvivesTheCommandLine(t *testing.T) {
	want := Task{Brokers: []string{"a:1", "b:2"}, Topic: "t", Group: "g", Scenario: "d", Records: 10, Parts: 3, Work: time.Millisecond, Limit: time.Second, URL: "http://c/", Batch: 7}
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

func TestRetriesThatWaitHaveTime(t *testing.T) {
	task := Task{Scenario: "c", Records: 10, Limit: time.Second}
	for attempts, want := range map[int]time.Duration{9: time.Second, 10: time.Second + retries} {
		if got := task.LimitOf(attempts); got != want {
			t.Errorf("%d attempts: got %v, want %v", attempts, got, want)
		}
	}
	if task.Scenario = "a"; task.LimitOf(10) != time.Second {
		t.Error("a round in which nothing waits has a longer limit")
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
	if err != nil || r.Records != 3 || r.Seconds <= 0 || r.PeakBytes <= 0 || !r.Counted || r.Figures["x"] != 2 {
		t.Errorf("got %+v, %v; want 3 records, time, memory and a figure", r, err)
	}
}

// What the first fetch brought is decoded before the first record is handed over: the head is not counted, nor its time.
func TestAMeterLeavesTheHeadOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, test := range map[string]struct {
			saw     []int // each tenth of a second
			of, end int
			limit   time.Duration // by the last of them
			want    Result
		}{
			"a fiftieth":                   {[]int{1, 19, 20, 500}, 1000, 1000, 200 * time.Millisecond, Result{Records: 980, Head: 20, Seconds: 0.2}},
			"a second":                     {[]int{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, 1000, 112, 200 * time.Millisecond, Result{Records: 101, Head: 11, Seconds: 0.2}},
			"all at once":                  {[]int{1000}, 1000, 1000, 100 * time.Millisecond, Result{Records: 1000, Seconds: 0.1}},
			"nothing that is not the head": {[]int{500, 500}, 1000, 500, 200 * time.Millisecond, Result{Records: 500, Seconds: 0.2}},
		} {
			m := new(Meter)
			m.Begin()
			over := false
			for _, n := range test.saw {
				m.Saw(n, test.of)
				over = m.Over(test.limit - time.Millisecond)
				time.Sleep(100 * time.Millisecond)
			}
			if over || !m.Over(test.limit-time.Millisecond) {
				t.Errorf("%s: the limit is not on the time that counts", name)
			}
			m.End(test.end)
			r, err := m.Result()
			if err != nil || r.Records != test.want.Records || r.Head != test.want.Head || r.Seconds != test.want.Seconds {
				t.Errorf("%s: got %+v, %v; want %+v", name, r, err, test.want)
			}
			if want := time.Duration(len(test.saw)) * 100 * time.Millisecond; m.Elapsed() != want {
				t.Errorf("%s: %v since the first record, want %v", name, m.Elapsed(), want)
			}
		}
	})
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
