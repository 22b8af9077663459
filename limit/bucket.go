package limit

import "time"

// bucket is the state of one limit: two times in nanoseconds, on whatever clock its owner has.
type bucket struct {
	next    int64 // when the next call is expected, if calls came at the rate
	horizon int64 // when the next of those that are put off is expected
}

// terms are what a limit allows.
type terms struct {
	interval  int64 // from one call to the next
	tolerance int64 // how much earlier than expected a call may be: burst-1 intervals
}

func termsOf(r Rate, burst int) terms {
	interval := int64(r.Interval())
	if burst < 1 {
		burst = r.DefaultBurst()
	}
	return terms{interval: interval, tolerance: int64(burst-1) * interval}
}

// earliest is when a call may start.
func (b *bucket) earliest(t terms, now int64) int64 { return max(b.next-t.tolerance, now) }

// take uses n calls from the time at on, which is not before earliest.
func (b *bucket) take(t terms, at int64, n int) { b.next = max(b.next, at) + int64(n)*t.interval }

// giveBack takes back what a take used.
func (b *bucket) giveBack(t terms, n int) { b.next -= int64(n) * t.interval }

// putOff returns when it is the turn of one more call that is put off.
func (b *bucket) putOff(t terms, now int64) int64 {
	at := max(b.horizon, b.earliest(t, now))
	b.horizon = at + t.interval
	return at
}

// full reports whether a bucket that knows nothing would say the same.
func (b *bucket) full(now int64) bool { return b.next <= now && b.horizon <= now }

// nanos is a time in Unix nanoseconds.
func nanos(t time.Time) int64 { return t.UnixNano() }
