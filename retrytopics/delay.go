package retrytopics

import (
	"strconv"
	"strings"
	"time"
)

// Canonical writes a delay the one way that topic names use: in the largest
// unit that leaves a whole number, except that a single minute is 60s. So 60s
// is "60s", 90s "90s", 10m "10m", 1h "1h" and 1.5s "1500ms". Equal delays
// have equal texts and different delays different ones, down to the
// millisecond; what is finer is rounded up.
func Canonical(d time.Duration) string {
	d = ceilMillisecond(max(d, 0))
	var unit time.Duration
	var suffix string
	switch {
	case d == 0:
		return "0s"
	case d%time.Hour == 0:
		unit, suffix = time.Hour, "h"
	case d%time.Minute == 0 && d > time.Minute:
		unit, suffix = time.Minute, "m"
	case d%time.Second == 0:
		unit, suffix = time.Second, "s"
	default:
		unit, suffix = time.Millisecond, "ms"
	}
	return strconv.FormatInt(int64(d/unit), 10) + suffix
}

// parseCanonical reads what Canonical wrote and nothing else: "1m" and "0060s"
// are not names that this package gives.
func parseCanonical(s string) (time.Duration, bool) {
	digits := strings.TrimRight(s, "hms")
	unit, ok := map[string]time.Duration{
		"h": time.Hour, "m": time.Minute, "s": time.Second, "ms": time.Millisecond,
	}[s[len(digits):]]
	if !ok || digits == "" || len(digits) > 12 {
		return 0, false
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n <= 0 || n > int64(longest/unit) {
		return 0, false
	}
	d := time.Duration(n) * unit
	return d, Canonical(d) == s
}

// Park stands where a tier's delay would for the park topic, in which records
// wait that have no time to wait for: behind another of their key. It is no
// delay, and no tier has it.
const Park time.Duration = 1

// parkName is the {delay} of the park topic.
const parkName = "park"

// TierName is what a tier is called: its delay as [Canonical] writes it, or
// "park".
func TierName(tier time.Duration) string {
	if tier == Park {
		return parkName
	}
	return Canonical(tier)
}

// parseTier reads what TierName wrote.
func parseTier(s string) (time.Duration, bool) {
	if s == parkName {
		return Park, true
	}
	return parseCanonical(s)
}

// ceilMillisecond rounds up, never down: a due time that loses its
// microseconds on the way would be early.
func ceilMillisecond(d time.Duration) time.Duration {
	if rest := d % time.Millisecond; rest > 0 {
		return d - rest + time.Millisecond
	}
	return d
}
