package dlq_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/classify"
	"github.com/redeliver/redeliver/dlq"
)

// What a replay left out, and why, stands with its task, whoever works on it and wherever it is asked for.
func TestTaskTellsWhatItSkipped(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.letters(9)
	b.replay(b.open(), dlq.Replay{Filter: dlq.Filter{IDs: []string{"orders/0/0"}}})
	for id, aside := range map[string]func(*dlq.Queue) func(d dlq.Discard) (dlq.Summary, error){
		"orders/1/1": func(q *dlq.Queue) func(dlq.Discard) (dlq.Summary, error) {
			return func(d dlq.Discard) (dlq.Summary, error) { return q.Discard(b.ctx(), d) }
		},
		"orders/2/2": func(q *dlq.Queue) func(dlq.Discard) (dlq.Summary, error) {
			return func(d dlq.Discard) (dlq.Summary, error) { return q.Park(b.ctx(), d) }
		},
	} {
		if _, err := aside(b.open())(dlq.Discard{Filter: dlq.Filter{IDs: []string{id}}}); err != nil {
			t.Fatal(err)
		}
	}
	limited, other := death(0, 50), death(0, 51)
	limited.Replays = 3
	other.Group = "others"
	b.produce(letter(limited), letter(other), &kgo.Record{Topic: dead, Value: []byte("of nobody")})
	started, err := b.open().Start(b.ctx(), dlq.Replay{})
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "before anybody works on it", started.Skipped.Left(), 0)
	s := b.resume(started.ID)
	task := b.task(started.ID)
	equal(t, "state and replayed", fmt.Sprint(task.State, task.Done), fmt.Sprint(dlq.TaskDone, s.Done))
	got := task.Skipped
	equal(t, "skipped", []int64{got.Replayed, got.Discarded, got.Parked, got.Limited, got.OtherGroup, got.Left()}, []int64{1, 1, 1, 1, 1, 3})
	if len(got.LeftOut) != 1 || got.LeftOut[0] != s.LeftOut[0] || !strings.Contains(got.LeftOut[0].Why, "--to topic:NAME") || got.LeftOut[0].Count != 1 {
		t.Errorf("left out: %+v, in the summary %+v", got.LeftOut, s.LeftOut)
	}
}

// A replay that only marks entries has ended as well.
func TestReplayThatOnlyMarksIsDone(t *testing.T) {
	t.Parallel()
	b := setup(t)
	limited := death(0, 1)
	limited.Replays = 3
	b.produce(letter(limited))
	s := b.replay(b.open(), dlq.Replay{})
	equal(t, "limited", s.Limited, 1)
	task := b.task(s.Task)
	equal(t, "state", task.State, dlq.TaskDone)
	equal(t, "limited, in the task", task.Skipped.Limited, 1)
}

// Reasons are grouped, and bounded.
func TestReasonsAreBounded(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for i := range 60 {
		b.produce(letter(death(int32(i%3), int64(i))))
	}
	asks := 0
	failing := dlq.JQ(func(string) (func([]byte) ([]byte, error), error) {
		return func([]byte) ([]byte, error) {
			asks++
			return nil, errors.New("never " + strings.Repeat("word ", asks))
		}, nil
	})
	s := b.replay(b.open(failing), dlq.Replay{JQ: "."})
	equal(t, "reasons", len(s.LeftOut), 21)
	var n int64
	for _, l := range s.LeftOut {
		n += l.Count
	}
	equal(t, "left out", n, 60)
	if last := s.LeftOut[20]; last.Count != 40 || last.ID == "" || !strings.Contains(last.Why, "too many to keep apart") {
		t.Errorf("the last one is %+v", last)
	}
}

// An entry that the rest of a filter leaves out is there.
func TestUnselectedIsNotMissing(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.letters(3)
	q := b.open()
	id := b.entries(q, dlq.Filter{})[0].ID()
	for _, f := range []dlq.Filter{
		{ExpiringBefore: time.Now().Add(time.Hour)}, {Class: classify.Validation}, {Error: regexp.MustCompile("^$")},
	} {
		f.IDs = []string{id, "orders/1/77"}
		s, err := q.Discard(b.ctx(), dlq.Discard{Filter: f, DryRun: true})
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "missing and unselected", fmt.Sprint(s.Missing, s.Unselected, s.Partly()), fmt.Sprint([]string{"orders/1/77"}, []string{id}, true))
	}
}

// A canary rate is that of canaries.
func TestCanaryRateWithoutCanaries(t *testing.T) {
	t.Parallel()
	if err := (dlq.Replay{CanaryRate: 0.9}).Check(); err == nil || !strings.Contains(err.Error(), "there are none") {
		t.Errorf("got %v", err)
	}
	if err := (dlq.Replay{CanaryRate: 0.9, Canary: 1}).Check(); err != nil {
		t.Error(err)
	}
}

// Only copies of what the filter selects are counted.
func TestCopiesOfOtherEntriesAreNotCounted(t *testing.T) {
	t.Parallel()
	b := setup(t)
	mine, other := death(0, 1), death(0, 2)
	other.Class = classify.Validation
	b.produce(letter(mine), letter(other), letter(other), letter(other), letter(mine))
	for _, q := range []*dlq.Queue{b.open(), b.indexed(filepath.Join(t.TempDir(), "index"), 0).Queue} {
		stats, err := q.Stats(b.ctx(), dlq.Filter{Class: mine.Class})
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "in the stats", stats.Duplicates, 1)
		s, err := q.Replay(b.ctx(), dlq.Replay{Filter: dlq.Filter{Class: mine.Class}, DryRun: true})
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "in a summary", s.Duplicates, 1)
	}
}

// Who reopens what is open is told so.
func TestReopenOfWhatIsOpen(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.letters(2)
	s, err := b.open().Reopen(b.ctx(), dlq.Discard{Filter: dlq.Filter{IDs: []string{"orders/0/0"}}})
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "reopened and open", fmt.Sprint(s.Done, s.Open, s.Partly()), "0 1 false")
}

// Who asks for entries by status is not told of others as left alone, unless they are named.
func TestEntriesOfOtherStatusesAreNotCounted(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.letters(6)
	q := b.open()
	for _, c := range []struct {
		do func(context.Context, dlq.Discard) (dlq.Summary, error)
		id string
	}{{q.Discard, "orders/0/0"}, {q.Park, "orders/0/1"}} {
		if _, err := c.do(b.ctx(), dlq.Discard{Filter: dlq.Filter{IDs: []string{c.id}}, Reason: "a test"}); err != nil {
			t.Fatal(err)
		}
	}
	equal(t, "replayed", b.replay(q, dlq.Replay{Filter: dlq.Filter{Limit: 2}}).Done, 2)
	counts := func(s dlq.Summary, err error) string {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprint(s.Done, s.Replayed, s.Discarded, s.Parked, s.Open)
	}
	discarded := dlq.Filter{Status: []dlq.Status{dlq.StatusDiscarded}}
	equal(t, "reopened of those discarded", counts(q.Reopen(b.ctx(), dlq.Discard{Filter: discarded})), "0 0 1 0 0")
	equal(t, "discarded of those parked", counts(q.Discard(b.ctx(), dlq.Discard{Filter: dlq.Filter{Status: []dlq.Status{dlq.StatusParked}}, DryRun: true})), "1 0 0 0 0")
	equal(t, "replayed of those that were too often", counts(q.Replay(b.ctx(), dlq.Replay{Filter: dlq.Filter{Status: []dlq.Status{dlq.StatusLimited}}})), "0 0 0 0 0")
	equal(t, "renewed of those parked", counts(q.Renew(b.ctx(), dlq.Renew{Filter: dlq.Filter{Status: []dlq.Status{dlq.StatusParked}}, DryRun: true})), "1 0 0 0 0")
	named := dlq.Filter{IDs: []string{"orders/0/0"}, Status: []dlq.Status{dlq.StatusParked}}
	equal(t, "reopened of those parked, by id", counts(q.Reopen(b.ctx(), dlq.Discard{Filter: named})), "0 0 1 0 0")
	equal(t, "reopened of all", counts(q.Reopen(b.ctx(), dlq.Discard{DryRun: true})), "1 2 1 0 2")
}

// An entry that is named in several forms is there by each of them.
func TestOneEntryNamedInSeveralForms(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.letters(6)
	q := b.open()
	whole := b.entries(q, dlq.Filter{IDs: []string{"1-1"}})[0].ID()
	named := []string{"1-1", whole, strings.ToUpper(whole), death(1, 1).ID}
	for name, q := range map[string]*dlq.Queue{"by a scan": q, "by an index": b.indexed(filepath.Join(t.TempDir(), "index"), 0).Queue} {
		for _, c := range []struct {
			filter             dlq.Filter
			done               int64
			missing, leavesOut []string
		}{
			{dlq.Filter{IDs: named}, 1, nil, nil},
			{dlq.Filter{IDs: append([]string{"1-77"}, named...)}, 1, []string{"1-77"}, nil},
			{dlq.Filter{IDs: named[:3]}, 1, nil, nil},
			{dlq.Filter{IDs: named, Key: []byte("another")}, 0, nil, named},
		} {
			s, err := q.Discard(b.ctx(), dlq.Discard{Filter: c.filter, DryRun: true})
			must(t, err)
			equal(t, "discarded "+name, s.Done, c.done)
			equal(t, "missing and unselected "+name, fmt.Sprint(s.Missing, s.Unselected), fmt.Sprint(c.missing, c.leavesOut))
		}
	}
}
