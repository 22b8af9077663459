package breaker

import "time"

// A window remembers the calls that are judged. It allocates nothing after it
// was made. Time is counted from the breaker's making.
type window interface {
	add(now time.Duration, c counts)
	totals(now time.Duration) counts
	reset()
}

// counts of calls. A call that failed and was slow counts in both. again are those
// failures whose like has failed before.
type counts struct {
	calls, failures, again, slow int
}

func (c *counts) add(d counts) {
	c.calls += d.calls
	c.failures += d.failures
	c.again += d.again
	c.slow += d.slow
}

func (c *counts) sub(d counts) {
	c.calls -= d.calls
	c.failures -= d.failures
	c.again -= d.again
	c.slow -= d.slow
}

// rate is the part that n is of all, 0 of nothing. A quotient, not a product: it
// rounds to the same number as the limit that someone wrote down, 11/20 to 0.55.
func rate(n, all int) float64 {
	if all == 0 {
		return 0
	}
	return float64(n) / float64(all)
}

// buckets is how many steps a time window takes to pass.
const buckets = 30

// A timeWindow counts calls by the step of time in which they ended. It holds
// the present step and the 29 before it.
type timeWindow struct {
	width   time.Duration // of a step
	current int64         // the present step, counted from the breaker's making
	ring    [buckets]counts
	sum     counts
}

func newTimeWindow(length time.Duration) *timeWindow {
	return &timeWindow{width: (length + buckets - 1) / buckets}
}

func (w *timeWindow) add(now time.Duration, c counts) {
	w.advance(now)
	w.ring[w.current%buckets].add(c)
	w.sum.add(c)
}

func (w *timeWindow) totals(now time.Duration) counts {
	w.advance(now)
	return w.sum
}

func (w *timeWindow) reset() {
	w.ring = [buckets]counts{}
	w.sum = counts{}
}

// advance forgets the steps that have left the window.
func (w *timeWindow) advance(now time.Duration) {
	step := int64(now / w.width)
	if step-w.current >= buckets {
		w.reset()
		w.current = step
	}
	for w.current < step {
		w.current++
		left := &w.ring[w.current%buckets]
		w.sum.sub(*left)
		*left = counts{}
	}
}

// A callWindow remembers the last calls, one byte each.
type callWindow struct {
	ring []byte // bits callFailed, callAgain and callSlow
	next int    // where the next call goes: the oldest call, once the ring is full
	sum  counts
}

const (
	callFailed = 1 << iota
	callAgain
	callSlow
)

func newCallWindow(length int) *callWindow {
	return &callWindow{ring: make([]byte, length)}
}

// add takes one call, or many that succeeded. Of many, the slow ones are taken
// for the last.
func (w *callWindow) add(_ time.Duration, c counts) {
	for i := max(0, c.calls-len(w.ring)); i < c.calls; i++ {
		var call byte
		if i < c.failures {
			call |= callFailed
		}
		if i < c.again {
			call |= callAgain
		}
		if i >= c.calls-c.slow {
			call |= callSlow
		}
		w.push(call)
	}
}

func (w *callWindow) push(call byte) {
	if w.sum.calls == len(w.ring) {
		w.sum.sub(countsOf(w.ring[w.next]))
	}
	w.ring[w.next] = call
	w.sum.add(countsOf(call))
	w.next = (w.next + 1) % len(w.ring)
}

func (w *callWindow) totals(time.Duration) counts {
	return w.sum
}

func (w *callWindow) reset() {
	w.next = 0
	w.sum = counts{}
}

func countsOf(call byte) counts {
	c := counts{calls: 1}
	if call&callFailed != 0 {
		c.failures = 1
	}
	if call&callAgain != 0 {
		c.again = 1
	}
	if call&callSlow != 0 {
		c.slow = 1
	}
	return c
}
