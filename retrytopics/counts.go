package retrytopics

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Counts are the attempts that each override was charged with, as they travel
// in redeliver-counts: "rate_limited=3,topic:orders=1". Attempts that no
// override matched are what remains of all attempts. Tries on the spot, made
// before the record first travelled, are told apart under "in_place".
//
// Counts are values: no method changes its receiver.
type Counts []Count

// Count is one entry of [Counts].
type Count struct {
	Name string // of the override, see [Override.Name]
	N    int
}

const (
	// countInPlace is no override: the names of those are classes, statuses or
	// have a ':' in them.
	countInPlace = "in_place"

	maxCounts     = 16
	maxCountsText = 384
	maxCountName  = 300
)

// Get returns the attempts counted under the name.
func (c Counts) Get(name string) int {
	for _, e := range c {
		if e.Name == name {
			return e.N
		}
	}
	return 0
}

// Add returns the counts with n more under the name. When there are too many
// names to carry, the one that was touched longest ago is forgotten.
func (c Counts) Add(name string, n int) Counts {
	out := make(Counts, 0, len(c)+1)
	total := n
	for _, e := range c {
		if e.Name == name {
			total += e.N
			continue
		}
		out = append(out, e)
	}
	out = append(out, Count{Name: name, N: min(total, math.MaxInt32)}) // what can be read again
	if len(out) > maxCounts {
		out = slices.Delete(out, 0, len(out)-maxCounts)
	}
	return out
}

// charged is the number of attempts that overrides were charged with.
func (c Counts) charged() int {
	n := 0
	for _, e := range c {
		if e.Name != countInPlace {
			n += e.N
		}
	}
	return n
}

// String returns the text that travels.
func (c Counts) String() string { return string(c.appendText(nil)) }

// appendText leaves out the entries touched longest ago where the text would
// grow beyond maxCountsText.
func (c Counts) appendText(dst []byte) []byte {
	from, size := len(c), 0
	for from > 0 && size+c[from-1].size() <= maxCountsText {
		from--
		size += c[from].size()
	}
	for i, e := range c[from:] {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, e.Name...)
		dst = append(dst, '=')
		dst = strconv.AppendInt(dst, int64(e.N), 10)
	}
	return dst
}

// size bounds the bytes of "name=n,".
func (e Count) size() int { return len(e.Name) + len("=,") + 10 }

// ParseCounts reads what [Counts.String] wrote. Entries that it cannot read
// are left out and told in the error; the rest counts.
func ParseCounts(text string) (Counts, error) {
	if text == "" {
		return nil, nil
	}
	if len(text) > 2*maxCountsText {
		return nil, fmt.Errorf("%d bytes are more than the %d that are ever written", len(text), maxCountsText)
	}
	var counts Counts
	var bad []string
	for entry := range strings.SplitSeq(text, ",") {
		name, number, ok := strings.Cut(entry, "=")
		n, err := strconv.ParseInt(number, 10, 32)
		if !ok || err != nil || n < 0 || name == "" || len(name) > maxCountName || !printable(name) || len(counts) == maxCounts {
			bad = append(bad, strconv.Quote(entry))
			continue
		}
		counts = counts.Add(name, int(n))
	}
	if len(bad) > 0 {
		return counts, fmt.Errorf("want entries like rate_limited=3, got %s", cutText(strings.Join(bad, ", "), 128))
	}
	return counts, nil
}
