package sim

import (
	"fmt"
	"slices"
	"time"
)

// checkHonestAttempts follows every record from place to place. The number of a call is one more than the attempts that
// its copy carries and those that were made with that copy since; a copy carries no more attempts than failed; and a
// dead letter died of what it says.
func (x *index) checkHonestAttempts() {
	for at, calls := range x.from {
		x.checkCallsAt(at, calls)
	}
	for line, calls := range x.lineages {
		for _, c := range calls {
			if c.Attempt < 2 {
				continue
			}
			if _, ok := x.chain(calls, c.Attempt-1, c.Start); !ok {
				x.report.broken(HonestAttempts, "%s was called with attempt %d at %s, but fewer of its calls had failed", line.id, c.Attempt, clock(c.Start))
			}
		}
	}
	for line, copies := range x.byLine {
		for _, k := range copies {
			if line.replays == 0 || k.attempt > 0 {
				x.checkCopyAttempts(line, k)
			}
			x.checkHistory(k)
		}
	}
}

// checkHistory looks for the call that each try of a copy's history tells of.
func (x *index) checkHistory(k *copied) {
	for _, tried := range k.history {
		if !slices.ContainsFunc(x.callsOf[k.id], func(c *Call) bool {
			return c.Attempt == tried.N && unixMilli(c.Start.At) == tried.At && c.Class == tried.Class && (c.Result == Failed || c.Result == Buried)
		}) {
			x.report.broken(HonestAttempts, "the history of copy %s of %s tells of attempt %d at %s with class %q, and there was no such call",
				k.Place, k.id, tried.N, time.UnixMilli(tried.At).UTC().Format("15:04:05.000"), tried.Class)
		}
		x.report.count(HonestAttempts, "tries in histories", 1)
	}
}

// checkCallsAt follows the calls with one copy of a record.
func (x *index) checkCallsAt(at Place, calls []*Call) {
	base := x.base(at)
	last := make(map[string]*Call)
	for _, c := range calls {
		before := last[c.Member]
		last[c.Member] = c
		want := []int{base + 1}
		if before != nil {
			// A member that is off the straight path may have lost the partition without the group knowing, and may go on with
			// it without knowing that the group gave it away.
			numbers := x.numbersAfter(before)
			switch same := x.sameTenure(at.Partition, before, c); {
			case x.upset(c.Member, before.Start, c.Start):
				want = append(want, numbers...)
			case same:
				want = numbers
			}
		}
		if !slices.Contains(want, c.Attempt) {
			x.report.broken(HonestAttempts, "the call with %s at %s is attempt %d, not %v: %s", at, clock(c.Start), c.Attempt, want, x.story(at, c))
		}
		x.report.count(HonestAttempts, "calls numbered", 1)
		if c.Result != Succeeded {
			x.report.count(HonestAttempts, "calls "+c.Result.String(), 1)
		}
	}
}

// numbersAfter returns the numbers that the next call with the same copy may have.
func (x *index) numbersAfter(c *Call) []int {
	if c.Result != Failed {
		return []int{c.Attempt}
	}
	if x.free[c] {
		return []int{c.Attempt}
	}
	if x.mayBeFree(c) || x.mayBeRefused(c) {
		x.report.count(HonestAttempts, "failures that may be free", 1)
		return []int{c.Attempt, c.Attempt + 1}
	}
	return []int{c.Attempt + 1}
}

func (x *index) story(at Place, c *Call) string {
	text := "before it"
	for _, b := range x.from[at] {
		if b == c {
			break
		}
		text += fmt.Sprintf(" %s:%d %s %s %s;", b.Member, b.Attempt, b.Result, b.Class, clock(b.Start))
	}
	return text
}

func (x *index) sameTenure(p Partition, a, b *Call) bool {
	_, ta := x.owner(p, a.Start)
	_, tb := x.owner(p, b.Start)
	return a.Member == b.Member && ta == tb
}

// checkCopyAttempts holds what a copy says to the calls that were made.
func (x *index) checkCopyAttempts(line lineage, k *copied) {
	calls := x.lineages[line]
	chain, ok := x.chain(calls, k.attempt, endOfTime)
	if !ok {
		x.report.broken(HonestAttempts, "copy %s of %s says %d attempts, but fewer of its calls had failed", k.Place, k.id, k.attempt)
		return
	}
	if !((x.t.IsPark(k.Place.Topic) || x.followed(k) || x.mayBePutOff(k)) && k.attempt == 0) && !slices.ContainsFunc(calls, func(c *Call) bool {
		return !c.End.IsZero() && !c.End.At.Truncate(time.Millisecond).After(k.Timestamp) &&
			((c.Result == Failed || c.Result == Buried) && c.Attempt == k.attempt || c.Result == Snoozed && c.Attempt == k.attempt+1 ||
				x.givenUp(k) && x.leftFor(c, k))
	}) {
		x.report.broken(HonestAttempts, "copy %s of %s with %d attempts stood there before the call ended that it tells of", k.Place, k.id, k.attempt)
	}
	if len(chain) == 0 || x.ambiguous(calls, k.attempt) {
		return
	}
	_, owed := x.owed(chain)
	switch {
	case !x.t.IsDLQ(k.Place.Topic):
		if owed != "" && !snoozedAt(calls, k.attempt+1) {
			x.report.broken(HonestAttempts, "copy %s of %s goes on retrying after %d attempts, though it is %s", k.Place, k.id, k.attempt, owed)
		}
	case x.followed(k): // it did not die of anything itself, and checkClosed looks at what it died behind
		if owed != "" && !snoozedAt(calls, k.attempt+1) {
			x.report.broken(HonestAttempts, "dead letter %s of %s says %q, though it is %s", k.Place, k.id, k.reason, owed)
		}
	case k.reason == "requested":
		if !slices.ContainsFunc(calls, func(c *Call) bool { return c.Result == Buried }) {
			x.report.broken(HonestAttempts, "dead letter %s of %s says that its handler asked for it, which it did not", k.Place, k.id)
		}
	case k.reason != owed:
		x.report.broken(HonestAttempts, "dead letter %s of %s says %q after %d attempts, but its policy says %q", k.Place, k.id, k.reason, k.attempt, owed)
	}
	if x.t.IsDLQ(k.Place.Topic) {
		x.report.count(HonestAttempts, "dead letters accounted for", 1)
	}
}

// counted are the classes whose failures count against a dependency.
var counted = map[string]bool{"transient": true, "network": true, "rate_limited": true, "system": true, "authentication": true}
