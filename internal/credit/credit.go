// Package credit tells a systemic failure from one that concerns single records: dead letters are paid for out of an account
// that starts full and that successes fill again.
package credit

import (
	"math"
	"sync"
	"sync/atomic"
)

// unit is one dead letter's worth. Amounts are whole thousandths of it, so that what small earnings add up to is exact.
const unit = 1000

// limit bounds an account, far from where sums overflow.
const limit = math.MaxInt64 / 4

// An Account pays for the dead letters of one pipeline in one process. It is safe for concurrent use; its lock is a leaf.
type Account struct {
	burst, perSuccess int64
	unbounded         bool
	full              atomic.Bool // there is nothing to earn

	mu   sync.Mutex
	left int64
}

// New returns a full account of burst dead letters, to which each success adds perSuccess of one, up to burst. perSuccess
// counts in whole thousandths and is at least one of them. With a burst below 0 the account never runs out.
func New(burst int, perSuccess float64) *Account {
	a := &Account{unbounded: burst < 0, burst: times(burst), perSuccess: max(1, int64(min(math.Round(perSuccess*unit), limit)))}
	a.left = a.burst
	a.full.Store(true)
	return a
}

// Spend pays for one dead letter. It returns false, and takes nothing, when less than that is left.
func (a *Account) Spend() bool {
	if a.unbounded {
		return true
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.left < unit {
		return false
	}
	a.put(a.left - unit)
	return true
}

// Earn adds what n successes earn, up to the burst. On a full account it takes no lock.
func (a *Account) Earn(n int) {
	if n <= 0 || a.full.Load() {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	missing := a.burst - a.left
	if missing <= 0 {
		return
	}
	if int64(n) < missing/a.perSuccess+1 { // else the product is more than what is missing, and may overflow
		missing = min(missing, int64(n)*a.perSuccess)
	}
	a.put(a.left + missing)
}

// Grant adds n dead letters, beyond the burst too.
func (a *Account) Grant(n int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.put(min(a.left+times(n), limit))
}

// Refill fills the account up to the burst.
func (a *Account) Refill() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.put(max(a.left, a.burst))
}

// Empty reports whether the next Spend would be refused.
func (a *Account) Empty() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return !a.unbounded && a.left < unit
}

// Left returns for how many dead letters there is credit; 0 of an account that never runs out.
func (a *Account) Left() float64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	return float64(a.left) / unit
}

func (a *Account) put(left int64) {
	a.left = left
	a.full.Store(left >= a.burst)
}

func times(n int) int64 { return int64(min(max(n, 0), limit/unit)) * unit }
