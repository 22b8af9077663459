package consumer

import (
	"context"
	"time"
)

// A pace says how long transactions wait for their copies. A short time is what keeps a destination that is away from
// holding up the others; but where nobody answers within it, the cluster as a whole is slow, and to begin again and again
// would bring it nothing but more work. Then the time grows.
type pace struct {
	silent int // transactions in a row of which nothing was acknowledged in time
}

const (
	// writeTimeout is how long a transaction waits for its copies, and tryTimeout one that tries an avoided destination.
	writeTimeout = 3 * time.Second
	tryTimeout   = time.Second
	// writeTimeoutMax leaves time to commit before the brokers end the transaction.
	writeTimeoutMax = transactionTimeout - 2*time.Second
	// writeQuick is what writing takes less than in a cluster that is well.
	writeQuick = tryTimeout / 2
	// silentBefore is how many silent transactions in a row may be the fault of destinations.
	silentBefore = 2
)

// allow returns how long to wait now for what is waited for so long in a cluster that is well.
func (p *pace) allow(usual time.Duration) time.Duration {
	return min(usual<<min(max(p.silent-silentBefore, 0), 8), writeTimeoutMax)
}

// took notes how long a transaction waited, and whether for nothing.
func (p *pace) took(d time.Duration, silent bool) {
	switch {
	case silent:
		p.silent++
	case d < writeQuick:
		p.silent = 0
	}
}

// whileHeard returns a context that ends when heard has not been called for the time of silence, and after most in any
// case. heard may be called concurrently, and at any time; cancel must be called.
func whileHeard(ctx context.Context, silence, most time.Duration) (_ context.Context, heard, cancel func()) {
	ctx, end := context.WithTimeout(ctx, most)
	timer := time.AfterFunc(silence, end)
	return ctx, func() { timer.Reset(silence) }, func() { timer.Stop(); end() }
}

// rest waits until something is handed over, which nil says nothing of, or for a time, 0: none.
func rest(ctx context.Context, wait time.Duration, added <-chan struct{}) {
	var timer <-chan time.Time
	if wait > 0 {
		timer = time.After(wait)
	}
	select {
	case <-ctx.Done():
	case <-added:
	case <-timer:
	}
}
