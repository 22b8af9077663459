package config

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestDurationsMayHaveDays(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"30s": 30 * time.Second, "1m30s": 90 * time.Second, "7d": 7 * day, "1d12h": 36 * time.Hour, "1.5d": 36 * time.Hour, "0": 0, "-1s": -time.Second,
		"100ms": 100 * time.Millisecond, "-1d": -day, "-1d1h": -25 * time.Hour,
	} {
		if got, err := parseDuration(text); err != nil || got != want {
			t.Errorf("%s is read as %v (%v), want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "d", "1", "1 d", "1w", "1dd", "1d-1h", "nand", "1e3d", "0x1d", "infd", "99999999d", "1h1d"} {
		if got, err := parseDuration(text); err == nil {
			t.Errorf("%q is read as %v", text, got)
		}
	}
}

func TestSizesHaveBinaryUnits(t *testing.T) {
	for text, want := range map[string]int64{"0": 0, "17": 17, "1B": 1, "4KiB": 4096, "1.5MiB": 3 << 19, "2 GiB": 2 << 30} {
		if got, err := parseSize(text); err != nil || got != want {
			t.Errorf("%s is read as %d (%v), want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "KiB", "1KB", "1/2KiB", "1e3", "0x10", "1.5B", "9999999999GiB", "1_000"} {
		if got, err := parseSize(text); err == nil {
			t.Errorf("%q is read as %d", text, got)
		}
	}
}

func TestWhatIsWrittenIsReadTheSame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := time.Duration(rapid.Int64Range(0, int64(400*day/time.Millisecond)).Draw(t, "milliseconds")) * time.Millisecond
		if got, err := parseDuration(formatDuration(d)); err != nil || got != d {
			t.Fatalf("%v is written %s and read %v (%v)", d, formatDuration(d), got, err)
		}
		n := rapid.Int64Range(0, 1<<50).Draw(t, "bytes")
		if got, err := parseSize(formatSize(n)); err != nil || got != n {
			t.Fatalf("%d is written %s and read %d (%v)", n, formatSize(n), got, err)
		}
	})
}
