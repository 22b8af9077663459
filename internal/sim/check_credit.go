package sim

import (
	"cmp"
	"slices"
	"time"
)

// account is how much credit for dead letters a member has at least. It begins with what it may have at most; what may become a
// dead letter takes one, whether or not it did, and a success adds what it earns. Where the member may not have paid yet what
// a success is too early for, for the account may have been full, nothing is added.
type account struct {
	changes []balance   // in order
	deadly  []time.Time // when calls ended that may have made dead letters of their records, in order
	burst   float64
}

// balance is the credit from a moment on.
type balance struct {
	at   time.Time
	left float64
}

// accounts works out the credit of each member. It does so once: a record that its member does not let die is called again and again.
func (x *index) accounts() map[string]*account {
	if x.credit != nil {
		return x.credit
	}
	x.credit = make(map[string]*account)
	for member, calls := range x.endedCalls() {
		a := &account{burst: float64(max(x.t.Burst, 1))}
		left := a.burst
		for _, c := range calls {
			switch at := c.End.At; {
			case c.Result == Failed && x.owedReason(c) != "":
				a.deadly = append(a.deadly, at)
				left = max(left-1, 0)
			case c.Result == Succeeded && (len(a.deadly) == 0 || at.Sub(a.deadly[len(a.deadly)-1]) > telling):
				left = min(left+x.t.PerSuccess, a.burst)
			default:
				continue
			}
			a.changes = append(a.changes, balance{c.End.At, left})
		}
		x.credit[member] = a
	}
	return x.credit
}

// before is what is left before anything of an instant.
func (a *account) before(at time.Time) float64 {
	i, _ := slices.BinarySearchFunc(a.changes, at, func(b balance, at time.Time) int {
		if b.at.Before(at) {
			return -1
		}
		return 1
	})
	if i == 0 {
		return a.burst
	}
	return a.changes[i-1].left
}

// deadlyBetween counts the calls that may have made dead letters and ended from one time to another.
func (a *account) deadlyBetween(from, to time.Time) int {
	i, _ := slices.BinarySearchFunc(a.deadly, from, func(d, at time.Time) int { return cmp.Or(d.Compare(at), 1) })
	j, _ := slices.BinarySearchFunc(a.deadly, to, func(d, at time.Time) int { return cmp.Or(d.Compare(at), -1) })
	return j - i
}

// mayBeRefused reports whether the dead letter of a failure may have been refused, since its member may have had no credit for it: then
// the failure used no attempt. Of calls that end at about one time any may have been first.
func (x *index) mayBeRefused(c *Call) bool {
	if x.t.Burst < 0 || x.owedReason(c) == "" {
		return false
	}
	a := x.accounts()[c.Member]
	others := a.deadlyBetween(c.End.At, c.End.At.Add(telling)) - 1
	return a.before(c.End.At)-float64(others) < 1
}

// penniless returns for each member when it may have had no credit for another dead letter, and have held for that.
func (x *index) penniless() map[string][]Span {
	spans := make(map[string][]Span)
	if x.t.Burst < 0 {
		return spans
	}
	for member, a := range x.accounts() {
		var from time.Time
		for _, b := range a.changes {
			switch {
			case b.left < 1 && from.IsZero():
				from = b.at
			case b.left >= 1 && !from.IsZero():
				spans[member], from = append(spans[member], Span{from, b.at}), time.Time{}
			}
		}
		if !from.IsZero() {
			spans[member] = append(spans[member], Span{from, x.h.Ended.At})
		}
	}
	return spans
}
