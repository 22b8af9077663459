package retrytopics_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/redeliver/redeliver/retrytopics"
)

func TestValidTraceparent(t *testing.T) {
	const good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	for text, want := range map[string]bool{
		good:                       true,
		"cc" + good[2:] + "-later": true, // a version to come may say more
		"cc" + good[2:] + ".later": false,
		good + "-more":             false,
		"ff" + good[2:]:            false,
		strings.ToUpper(good):      false,
		good[:54]:                  false,
		"":                         false,
		"00-" + strings.Repeat("0", 32) + good[35:]:      false,
		good[:36] + strings.Repeat("0", 16) + "-01":      false,
		"cc" + good[2:] + "-" + strings.Repeat("x", 100): false,
		"cc" + good[2:] + "-a\r\nX: 1":                   false,
	} {
		if got := retrytopics.ValidTraceparent(text); got != want {
			t.Errorf("%q: got %v, want %v", text, got, want)
		}
	}
}

// What a trace goes on from is the copy's own word before the producer's, and of that the last one that is valid.
func TestTraceparentOf(t *testing.T) {
	first, second, third := sample().Traceparent, "00-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-aaaaaaaaaaaaaaaa-00", "00-bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb-bbbbbbbbbbbbbbbb-01"
	state := retrytopics.State{Traceparent: third}
	user := headers("Traceparent="+first, "traceparent="+second, "traceparent=broken")
	equal(t, retrytopics.TraceparentOf(&state, user), third)
	equal(t, retrytopics.TraceparentOf(&retrytopics.State{}, user), second)
	equal(t, retrytopics.TraceparentOf(nil, user[:1]), first)
	equal(t, retrytopics.TraceparentOf(nil, nil), "")
}

// The header is replaced in its place, once, in headers of its own.
func TestWithTraceparent(t *testing.T) {
	was := headers("a=1", "redeliver-traceparent=old", "b=2")
	kept := texts(was)
	equal(t, texts(retrytopics.WithTraceparent(was, "new")), []string{"a=1", "redeliver-traceparent=new", "b=2"})
	equal(t, texts(retrytopics.WithTraceparent(was, "")), []string{"a=1", "b=2"})
	equal(t, texts(retrytopics.WithTraceparent(headers("a=1"), "new")), []string{"a=1", "redeliver-traceparent=new"})
	if !slices.Equal(texts(was), kept) {
		t.Errorf("the headers that were given are %v now", texts(was))
	}
}
