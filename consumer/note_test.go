package consumer

import (
	"testing"

	"github.com/google/go-cmp/cmp"
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
	for _, text := range []string{"", "x", "redeliver/1", "redeliver/1 source", "redeliver/1 source orders", "redeliver/1 source orders:0", "redeliver/1 source orders:x", "redeliver/1 retry 10s", "redeliver/2 source orders:12", "consumer lag 12"} {
		if n, ok := parseNote(text); ok {
			t.Errorf("%q was taken for %+v", text, n)
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

func FuzzParseNote(f *testing.F) {
	f.Add("redeliver/1 source orders:12 clicks:1")
	f.Add("redeliver/1 retry 10s orders")
	f.Fuzz(func(t *testing.T, text string) {
		n, ok := parseNote(text)
		if !ok {
			return
		}
		if again, ok := parseNote(n.String()); !n.retry && len(n.String()) < noteLimit/2 && (!ok || len(again.first) != len(n.first)) {
			t.Errorf("%q reads as %+v, which is written %q", text, n, n.String())
		}
	})
}
