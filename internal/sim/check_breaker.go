package sim

import (
	"cmp"
	"slices"
	"time"
)

const (
	// breakerMemory is for longer than a breaker remembers calls by default.
	breakerMemory = time.Minute
	// slowCall is how long a call takes that a breaker takes for slow by default.
	slowCall = 5 * time.Second
	// telling is within what time a member makes of the end of a call what is to be made of it: its hooks may take a while.
	telling = time.Second
)

// doubtfulBreakers returns for each member when its breaker may not have been closed: from a failure on with which it had seen enough of late, or
// enough without a success between them, until it must have closed. It is a bound from above: within it a failure may or may not be
// free, outside of it none is.
func (x *index) doubtfulBreakers() map[string][]Span {
	spans := make(map[string][]Span)
	if x.t.BreakerCalls == 0 {
		return spans
	}
	for member, calls := range x.endedCalls() {
		spans[member] = x.doubtsOf(calls)
	}
	return spans
}

// endedCalls returns the calls of each member that ended, in the order in which they did.
func (x *index) endedCalls() map[string][]*Call {
	ended := make(map[string][]*Call)
	for i := range x.h.Calls {
		if c := &x.h.Calls[i]; !c.End.IsZero() {
			ended[c.Member] = append(ended[c.Member], c)
		}
	}
	for _, calls := range ended {
		slices.SortFunc(calls, func(a, b *Call) int { return cmp.Compare(a.End.Tick, b.End.Tick) })
	}
	return ended
}

// doubtsOf looks through the calls of one member. Whatever a breaker was in when the last failure ended, so many probes in a row that succeed close
// it, or, where others are out that failed, as many more of the next time that it probes: once as many calls were well as two such times
// have, all of which began after the last failure was known, it is closed.
func (x *index) doubtsOf(calls []*Call) (spans []Span) {
	enough := max(int(float64(x.t.BreakerCalls)*x.t.BreakerRate), 1)
	var failures []time.Time // of late
	inRow, well := 0, 0
	var from, known time.Time // since when it may not be closed, zero: it is; and when the last failure was known
	for _, c := range calls {
		switch at := c.End.At; {
		case c.Result == Failed && counted[c.Class]:
			failures = append(failures, at)
			for at.Sub(failures[0]) > breakerMemory {
				failures = failures[1:]
			}
			inRow, well, known = inRow+1, 0, at.Add(telling)
			if from.IsZero() && (len(failures) >= enough || inRow >= x.t.BreakerCalls) {
				from = at
			}
		case c.Result != Succeeded:
		case at.Sub(c.Start.At) >= slowCall:
			inRow, well = 0, 0
		default:
			inRow = 0
			if !c.Start.At.Before(known) {
				well++
			}
			if !from.IsZero() && well >= 2*x.t.Probes {
				spans, from = append(spans, Span{from, at}), time.Time{}
			}
		}
	}
	if !from.IsZero() {
		spans = append(spans, Span{from, x.h.Ended.At})
	}
	return spans
}

// mayBeFree reports whether a failure may have used no attempt, since the breaker may not have been closed after it. Of calls
// that end at one instant the breaker hears in any order.
func (x *index) mayBeFree(c *Call) bool {
	return counted[c.Class] && meetsAny(x.doubtful[c.Member], c.End.At, c.End.At)
}

// meetsAny reports whether any of some spans has a part of from to to.
func meetsAny(spans []Span, from, to time.Time) bool {
	return slices.ContainsFunc(spans, func(s Span) bool { return s.meets(from, to) })
}
