package consumer

import (
	"encoding/base64"
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

var someTopic = [16]byte{1, 2, 3}

// TestDoneRunsTravel writes runs of all lengths and reads them back, whole and cut to what has room.
func TestDoneRunsTravel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		at := rapid.Int64Range(0, 1<<40).Draw(t, "at")
		var runs doneRuns
		var want []span
		lengths := rapid.OneOf(rapid.Int64Range(1, 4), rapid.Int64Range(1, 1<<40))
		next := at
		for range rapid.IntRange(0, 400).Draw(t, "pairs") {
			open, done := lengths.Draw(t, "open"), lengths.Draw(t, "done")
			runs.add(open, done)
			want = append(want, span{next + open, next + open + done})
			next += open + done
		}
		limit := rapid.SampledFrom([]int{0, 3, 8, 9, 10, 40, 300, 3000, 100_000}).Draw(t, "limit")
		text := runs.text(at, someTopic, limit)
		if len(text) > limit {
			t.Fatalf("%d bytes, limit %d", len(text), limit)
		}
		told := runs.told(at, limit)
		if text == "" {
			if len(want) > 0 && told != at {
				t.Fatalf("nothing is written, and all below %d is told", told)
			}
			if len(want) > 0 && limit >= 100_000 {
				t.Fatal("nothing is written")
			}
			return
		}
		got, err := readDone(text, at, someTopic)
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		if len(got) > len(want) || !slices.Equal(got, want[:len(got)]) {
			t.Fatalf("got %v, want the first of %v", got, want)
		}
		if all := len(got) == len(want); all && told != math.MaxInt64 || !all && told != got[len(got)-1].to {
			t.Fatalf("all below %d is told, of %v there is %v", told, want, got)
		}
		if limit >= 100_000 && len(got) != len(want) {
			t.Fatalf("%d of %d runs are read back", len(got), len(want))
		}
		if _, err := readDone(text, at+1, someTopic); err == nil {
			t.Error("a map was taken for another offset's")
		}
		if _, err := readDone(text, at, [16]byte{}); err == nil {
			t.Error("a map was taken for that of a topic of the same name")
		}
	})
}

// TestDoneRunsAreSmall holds the code to what it is for, in bytes of metadata.
func TestDoneRunsAreSmall(t *testing.T) {
	for _, tt := range []struct {
		name         string
		pairs        int
		open, done   int64
		limit, parts int
	}{
		{"one hung call below a million done records", 1, 1, 1_000_000, 20, 1},
		{"every second record of a default window", DefaultWindowRecords / 2, 1, 1, 1700, DefaultWindowRecords / 2},
		{"one in ten of a default window, while its destination is away", DefaultWindowRecords / 10, 1, 9, 1400, DefaultWindowRecords / 10},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var runs doneRuns
			for range tt.pairs {
				runs.add(tt.open, tt.done)
			}
			done, err := readDone(runs.text(5, someTopic, tt.limit), 5, someTopic)
			if err != nil || len(done) != tt.parts {
				t.Errorf("%d bytes hold %d runs of %d: %v", tt.limit, len(done), tt.parts, err)
			}
		})
	}
}

func FuzzReadDone(f *testing.F) {
	var runs doneRuns
	runs.add(1, 1_000_000)
	runs.add(3, 1)
	f.Add(runs.text(5, someTopic, 100), int64(5))
	f.Add("1:", int64(0))
	f.Add("1:AAAAAAAA", int64(1))
	f.Fuzz(func(t *testing.T, text string, at int64) {
		done, err := readDone(text, at, someTopic)
		if err != nil && done != nil {
			t.Error("spans with an error")
		}
		checkSpans(t, done, at)
	})
}

// FuzzRuns reads any bytes as runs behind a right checksum, as a bug or a later version might write them.
func FuzzRuns(f *testing.F) {
	f.Add([]byte{0xff}, int64(0))
	f.Add([]byte{0, 0, 0, 0, 0, 0, 0, 1, 1, 1}, int64(1)<<62)
	f.Fuzz(func(t *testing.T, code []byte, at int64) {
		if at < 0 || len(code) > 1<<16 {
			return
		}
		runs := doneRuns{code: code, bits: len(code) * 8}
		done, err := readDone(runs.text(at, someTopic, base64.RawURLEncoding.EncodedLen(len(code)+8)), at, someTopic)
		if err == nil {
			checkSpans(t, done, at)
		}
	})
}

func checkSpans(t *testing.T, done []span, at int64) {
	for _, s := range done {
		if s.from <= at || s.to <= s.from {
			t.Fatalf("span %v after %d", s, at)
		}
		at = s.to
	}
}
