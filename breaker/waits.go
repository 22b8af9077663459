package breaker

import (
	"math"
	"math/rand/v2"
	"time"
)

// waits say how long a breaker stays open: longer each time that it opens again without having stayed closed.
type waits struct {
	inARow int           // openings without staying closed in between
	next   time.Duration // the wait of the next opening, without jitter; 0: OpenFor, as when an operator opens it
	base   time.Duration // of the last opening, without jitter
	last   time.Duration // the last wait
}

// grow counts an opening. One from the closed state is the first of a row again when the breaker has stayed closed for as
// long as it was last to be open.
func (w *waits) grow(c Config, wasClosed bool, closedFor time.Duration) {
	if wasClosed && closedFor >= w.base {
		w.inARow = 0
	}
	grown := float64(c.OpenFor) * math.Pow(c.OpenMultiplier, float64(w.inARow))
	w.base = time.Duration(min(grown, float64(c.OpenMax)))
	w.next = w.base
	if c.OpenJitter > 0 {
		w.next += time.Duration(rand.Float64() * c.OpenJitter * float64(w.base))
	}
	w.inARow++
}

// take returns the wait of an opening.
func (w *waits) take(c Config) time.Duration {
	w.last, w.next = max(w.next, c.OpenFor), 0
	return w.last
}

// adopt takes over the wait of an opening that others have counted.
func (w *waits) adopt(whole time.Duration, inARow int) {
	w.base, w.last, w.inARow = whole, whole, inARow
}

func (w *waits) forget() { *w = waits{} }
