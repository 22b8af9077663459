package limit

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Rate is so many calls in a time. The zero value is no rate: see [Rate.Valid].
type Rate struct {
	Calls float64       // above 0
	Per   time.Duration // above 0
}

// units are what a rate may be written by.
var units = []struct {
	name string
	per  time.Duration
}{{"s", time.Second}, {"m", time.Minute}, {"h", time.Hour}}

// Parse reads a rate: a number of calls, and s, m or h: 100/s, 10/m, 0.5/h.
func Parse(s string) (Rate, error) {
	number, unit, found := strings.Cut(s, "/")
	calls, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	if !found || err != nil {
		return Rate{}, fmt.Errorf("%q is no rate: write a number of calls and s, m or h, like 100/s", s)
	}
	for _, u := range units {
		if strings.TrimSpace(unit) == u.name {
			r := Rate{Calls: calls, Per: u.per}
			return r, r.Valid()
		}
	}
	return Rate{}, fmt.Errorf("%q is no rate: after the slash stands s, m or h, like 100/s", s)
}

// Bounds of what [Rate.Valid] takes.
const (
	maxPerSecond = 1e6
	maxInterval  = 30 * 24 * time.Hour
)

// Valid says what is wrong with a rate: it lies between one call in 30 days and a million in a second.
func (r Rate) Valid() error {
	if !(r.Calls > 0) || math.IsInf(r.Calls, 0) || r.Per <= 0 {
		return fmt.Errorf("the rate %v is not above 0", r)
	}
	if perSecond := r.Calls / r.Per.Seconds(); perSecond > maxPerSecond || perSecond < 1/maxInterval.Seconds() {
		return fmt.Errorf("the rate %v is out of range: from one in 30 days to %g/s", r, float64(maxPerSecond))
	}
	return nil
}

// Interval is the time from one call to the next at this rate.
func (r Rate) Interval() time.Duration {
	return time.Duration(math.Round(float64(r.Per) / r.Calls))
}

// DefaultBurst is how many calls may start at once where nothing else is said: those of a tenth of a second, at least one.
func (r Rate) DefaultBurst() int {
	return max(int(r.Calls/r.Per.Seconds()/10), 1)
}

// String writes the rate as [Parse] reads it.
func (r Rate) String() string {
	number := strconv.FormatFloat(r.Calls, 'f', -1, 64)
	for _, u := range units {
		if r.Per == u.per {
			return number + "/" + u.name
		}
	}
	return number + "/" + r.Per.String()
}
