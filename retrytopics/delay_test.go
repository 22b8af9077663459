package retrytopics

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestCanonical(t *testing.T) {
	for text, want := range map[string]string{
		"0s": "0s", "1ms": "1ms", "100ms": "100ms", "1s": "1s", "1500ms": "1500ms", "10s": "10s",
		"60s": "60s", "1m": "60s", "61s": "61s", "90s": "90s", "120s": "2m", "10m": "10m", "600s": "10m",
		"60m": "1h", "1h": "1h", "90m": "90m", "24h": "24h", "1h0m1s": "3601s", "1500us": "2ms", "-5s": "0s",
	} {
		d, err := time.ParseDuration(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := Canonical(d); got != want {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
	}
}

// Names are told apart by delays and read back: no two delays have one text,
// and only canonical texts are read.
func TestCanonicalIsReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		unit := rapid.SampledFrom([]time.Duration{time.Millisecond, time.Second, time.Minute, time.Hour}).Draw(t, "unit")
		d := time.Duration(rapid.Int64Range(1, 5000).Draw(t, "n")) * unit
		if got, ok := parseCanonical(Canonical(d)); !ok || got != d {
			t.Fatalf("%v is %s, which reads as %v, %v", d, Canonical(d), got, ok)
		}
	})
	for _, text := range []string{"", "s", "1", "1m", "60m", "01s", "+1s", "-1s", "1000ms", "1.5s", "1d", "1sm", "1ss", "0s", "99999999999999999999h", "999999999999h"} {
		if d, ok := parseCanonical(text); ok {
			t.Errorf("%q reads as %v, want not at all", text, d)
		}
	}
}
