package retrytopics_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/redeliver/redeliver/retrytopics"
)

func TestCounts(t *testing.T) {
	var none retrytopics.Counts
	equal(t, none.String(), "")
	equal(t, none.Get("network"), 0)

	one := none.Add("rate_limited", 3)
	two := one.Add("topic:orders", 1).Add("rate_limited", 1)
	equal(t, one.String(), "rate_limited=3") // values, never changed
	equal(t, two.String(), "topic:orders=1,rate_limited=4")
	equal(t, two.Get("rate_limited"), 4)

	back, err := retrytopics.ParseCounts(two.String())
	noError(t, err)
	equal(t, back, two)
}

func TestParseCountsIsTolerant(t *testing.T) {
	for _, tt := range []struct{ text, want, says string }{
		{"", "", ""},
		{"a=1,b=2", "a=1,b=2", ""},
		{"a=1,a=2", "a=3", ""},
		{"a=1,,b=2", "a=1,b=2", `got ""`},
		{"a,b=2,=3,c=x,d=-1,e=9999999999", "b=2", `got "a", "=3", "c=x", "d=-1", "e=9999999999"`},
		{"a\n=1,b=2", "b=2", `"a\n=1"`},
		{"\xff=1", "", `"\xff=1"`},
		{strings.Repeat("x", 10_000), "", "10000 bytes are more than"},
	} {
		got, err := retrytopics.ParseCounts(tt.text)
		equal(t, got.String(), tt.want)
		if tt.says == "" {
			noError(t, err)
			continue
		}
		fails(t, err, tt.says)
	}
}

// bounded: the counts touched longest ago are forgotten first.
func TestCountsAreBounded(t *testing.T) {
	var counts retrytopics.Counts
	for i := range 100 {
		counts = counts.Add(fmt.Sprintf("topic:%s-%d", strings.Repeat("x", i), i), 1)
	}
	equal(t, len(counts), 16)
	equal(t, counts.Get("topic:-0"), 0)
	text := counts.String()
	if len(text) > 384 || !strings.HasSuffix(text, "-99=1") {
		t.Fatalf("got %d bytes, %q", len(text), text)
	}
}
