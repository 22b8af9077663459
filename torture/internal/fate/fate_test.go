package fate_test

import (
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/torture/internal/fate"
)

// Who has the seed can tell every record again: its bytes and its fate.
func TestRecordsFollowFromTheSeed(t *testing.T) {
	at := time.UnixMilli(1_700_000_000_000)
	records := fate.Records{Seed: 7}
	kinds := make(map[fate.Kind]int)
	old := 0
	for n := range 5000 {
		a, b := records.Make(n, at), records.Make(n, at)
		if got, want := sum(a), sum(b); got != want {
			t.Fatalf("record %d has sum %x the second time, %x the first", n, got, want)
		}
		f, err := fate.Find(a.Headers)
		if err != nil {
			t.Fatal(err)
		}
		if f.Number != n {
			t.Fatalf("the fate of record %d is of record %d", n, f.Number)
		}
		kinds[f.Kind]++
		if a.Timestamp.Before(at) {
			old++
		}
	}
	for k := fate.Succeed; k <= fate.Drop; k++ {
		if kinds[k] == 0 {
			t.Errorf("no record of 5000 is to %s", k)
		}
	}
	if old == 0 {
		t.Error("no record of 5000 is a week old")
	}
	if sum(records.Make(1, at)) == sum(fate.Records{Seed: 8}.Make(1, at)) {
		t.Error("another seed makes the same record")
	}
}

func sum(r *kgo.Record) uint64 { return fate.Sum(r.Key, r.Value, r.Headers, r.Timestamp) }

// The sum notices whatever may go wrong with a record, and is blind to the product's own headers.
func TestSumNoticesEveryChange(t *testing.T) {
	at := time.UnixMilli(1_700_000_000_000)
	headers := []kgo.RecordHeader{{Key: "a", Value: []byte("1")}, {Key: "a", Value: nil}}
	whole := fate.Sum([]byte("k"), []byte("v"), headers, at)
	for what, got := range map[string]uint64{
		"another key":      fate.Sum([]byte("x"), []byte("v"), headers, at),
		"a null key":       fate.Sum(nil, []byte("v"), headers, at),
		"another value":    fate.Sum([]byte("k"), []byte("w"), headers, at),
		"a null value":     fate.Sum([]byte("k"), nil, headers, at),
		"a lost duplicate": fate.Sum([]byte("k"), []byte("v"), headers[:1], at),
		"another order":    fate.Sum([]byte("k"), []byte("v"), []kgo.RecordHeader{headers[1], headers[0]}, at),
		"an empty header":  fate.Sum([]byte("k"), []byte("v"), []kgo.RecordHeader{headers[0], {Key: "a", Value: []byte{}}}, at),
		"another time":     fate.Sum([]byte("k"), []byte("v"), headers, at.Add(time.Millisecond)),
	} {
		if got == whole {
			t.Errorf("%s does not change the sum", what)
		}
	}
	if fate.Sum(nil, nil, nil, at) == fate.Sum([]byte{}, nil, nil, at) {
		t.Error("null and empty keys have one sum")
	}
	ours := append([]kgo.RecordHeader{{Key: "redeliver-attempt", Value: []byte("2")}}, headers...)
	if fate.Sum([]byte("k"), []byte("v"), ours, at) != whole {
		t.Error("a header of the product changes the sum")
	}
}

// A fate is read from the header as it was written, and says how each call ends.
func TestFatesAnswer(t *testing.T) {
	for _, c := range []struct {
		f       fate.Fate
		attempt int
		snoozes int
		want    fate.Answer
	}{
		{fate.Fate{Kind: fate.Succeed}, 1, 0, fate.OK},
		{fate.Fate{Kind: fate.Fail, Times: 2}, 2, 0, fate.Failed},
		{fate.Fate{Kind: fate.Fail, Times: 2}, 3, 0, fate.OK},
		{fate.Fate{Kind: fate.FailEver}, 4, 0, fate.Failed},
		{fate.Fate{Kind: fate.Refuse}, 1, 0, fate.Refused},
		{fate.Fate{Kind: fate.Snooze, Times: 2}, 1, 1, fate.Snoozed},
		{fate.Fate{Kind: fate.Snooze, Times: 2}, 1, 2, fate.OK},
		{fate.Fate{Kind: fate.Ask}, 1, 0, fate.Asked},
		{fate.Fate{Kind: fate.AskFar}, 1, 0, fate.AskedFar},
		{fate.Fate{Kind: fate.AskFar}, 2, 0, fate.OK},
		{fate.Fate{Kind: fate.Drop}, 1, 0, fate.Dropped},
	} {
		f, err := fate.Parse(c.f.String())
		if err != nil {
			t.Fatal(err)
		}
		if got := f.Answer(c.attempt, c.snoozes); got != c.want {
			t.Errorf("%v answers attempt %d after %d snoozes with %v, want %v", f, c.attempt, c.snoozes, got, c.want)
		}
	}
	if _, err := fate.Parse("1 perish 0 0"); err == nil {
		t.Error("an unknown kind is read as a fate")
	}
}
