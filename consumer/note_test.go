package consumer

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kadm"
)

func TestNoteTravelsInTheCommit(t *testing.T) {
	for _, n := range []note{
		{retry: true, delay: "10s", source: "orders"},
		{retry: true, delay: "10s", source: "orders", id: "oSe2NlKcSlS7mVMdqTbY2w"},
		{first: map[string]int32{"orders": 12}},
		{first: map[string]int32{"orders": 12, "clicks": 1}},
	} {
		got, ok := parseNote(n.String())
		if !ok {
			t.Errorf("%q is not read back", n.String())
		}
		if diff := cmp.Diff(n, got, cmp.AllowUnexported(note{})); diff != "" {
			t.Errorf("%q: %s", n.String(), diff)
		}
	}
}

func TestNoteOfAnotherProgramIsNone(t *testing.T) {
	for _, text := range []string{"", "x", "redeliver/1", "redeliver/1 source", "redeliver/1 source orders", "redeliver/1 source orders:0", "redeliver/1 source orders:x", "redeliver/1 retry 10s", "redeliver/2 source orders:12", "redeliver/2 source orders:12 ~", "redeliver/1 source orders:12 ~AAAA", "redeliver/3 source orders:12", "consumer lag 12"} {
		if n, ok := parseNote(text); ok {
			t.Errorf("%q was taken for %+v", text, n)
		}
	}
}

// TestADamagedNoteIsNone cuts notes at each place, takes each byte out, and makes each byte each other one.
func TestADamagedNoteIsNone(t *testing.T) {
	for _, n := range []note{
		{retry: true, delay: "10s", source: "orders"}, {retry: true, delay: "10s", source: "orders", id: "oSe2NlKcSlS7mVMdqTbY2w"}, {first: map[string]int32{"orders": 12}},
	} {
		text := n.String()
		damaged := func(other string) {
			if got, ok := parseNote(other); ok {
				t.Errorf("%q, which was %q, is taken for %+v", other, text, got)
			}
		}
		for i := range len(text) {
			damaged(text[:i])
			damaged(text[:i] + text[i+1:])
			for b := range 256 {
				if byte(b) != text[i] {
					damaged(text[:i] + string([]byte{byte(b)}) + text[i+1:])
				}
			}
		}
	}
}

func TestNoteIsBounded(t *testing.T) {
	n := note{first: map[string]int32{}}
	for i := range 1000 {
		n.first[string(rune('a'+i%26))+string(make([]byte, 0))+"-a-rather-long-topic-name-"+string(rune('a'+i/26))] = 12
	}
	if got := len(n.String()); got > noteLimit {
		t.Errorf("%d bytes, limit %d", got, noteLimit)
	}
}

// FuzzParseNote: whatever stands in a commit, it is a note, which says the same when it is written again, or none; and what
// is taken for a map of done records is ours, or none.
func FuzzParseNote(f *testing.F) {
	var runs doneRuns
	runs.add(1, 1_000_000)
	f.Add("redeliver/1 source orders:12 clicks:1", int64(0))
	f.Add("redeliver/1 retry 10s orders", int64(5))
	f.Add(note{first: map[string]int32{"orders": 12, "clicks": 1}}.String(), int64(0))
	f.Add(note{retry: true, delay: "10s", source: "orders", id: "oSe2NlKcSlS7mVMdqTbY2w"}.metadata(runs.text(5, someTopic, 100)), int64(5))
	f.Add(note{}.metadata(runs.text(1<<62, someTopic, 100)), int64(1<<62))
	f.Add("redeliver/1 source a:2147483648 done= done=1:", int64(1))
	f.Add("redeliver/1\u00a0retry\v10s\x00orders", int64(1))
	f.Fuzz(func(t *testing.T, text string, at int64) {
		if done, err := readDone(doneIn(text), at, someTopic); err == nil {
			checkSpans(t, done, at)
		}
		n, ok := parseNote(text)
		if !ok {
			if n.retry || n.first != nil {
				t.Fatalf("%q is no note and reads as %+v", text, n)
			}
			return
		}
		written := n.String()
		if !n.retry && len(written) > noteLimit {
			t.Fatalf("%d bytes are written", len(written))
		}
		again, ok := parseNote(written)
		if len(written) > noteLimit/2 { // of the sources some may be left out
			again.first = n.first
		}
		if diff := cmp.Diff(n, again, cmp.AllowUnexported(note{})); !ok || diff != "" {
			t.Errorf("%q is written %q: %s", text, written, diff)
		}
	})
}

// TestDamagedMetadataIsTold has a partition begin at commits whose note or map was changed, or that another program wrote, and at such that
// are as we write them. What can be read of them is taken.
func TestDamagedMetadataIsTold(t *testing.T) {
	var runs doneRuns
	runs.add(1, 5)
	ours := note{first: map[string]int32{testTopic: 1}}
	for _, tt := range []struct {
		metadata string
		told     bool
		done     int
	}{
		{"", false, 0},
		{ours.String(), false, 0},
		{ours.metadata(runs.text(3, someTopic, 100)), false, 1},
		{note{}.metadata(runs.text(3, someTopic, 100)), false, 1},
		{strings.Replace(ours.String(), ":1", ":9", 1), true, 0},
		{strings.Replace(ours.metadata(runs.text(3, someTopic, 100)), ":1", ":9", 1), true, 1},
		{ours.metadata(runs.text(4, someTopic, 100)), true, 0},
		{"consumer lag 12", true, 0},
	} {
		var log bytes.Buffer
		w := onBench(t, succeed, func(c *Config) { c.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
		w.p.topics.ids[testTopic] = someTopic
		l := w.lane(0, 0)
		w.p.restore(testTopic, 0, kadm.Offset{Topic: testTopic, At: 3, Metadata: tt.metadata})
		if told := strings.Contains(log.String(), "not ours or damaged"); told != tt.told || len(l.window.known) != tt.done {
			t.Errorf("%q: told is %v, and %d spans are known to be done", tt.metadata, told, len(l.window.known))
		}
	}
}
