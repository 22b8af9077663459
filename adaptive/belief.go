package adaptive

import (
	"math"
	"time"
)

// How much is believed of what. Chosen on the training seeds of internal/outages.
const (
	// recentHalfLife is how soon the short memory forgets: it knows whether there is an outage now.
	recentHalfLife = 30 * time.Second
	// crowdHalfLife is for how long observations belong together, as records that wait for the end of one outage do.
	crowdHalfLife = time.Minute
	// trust is how many records the long memory weighs against the short one.
	trust = 30
)

// belief is what is known of one dependency and class, by two memories. The long one forgets over the
// configured half-life, and knows what outages are like; a crowd of records that wait for one outage counts little more there
// than one record, for it is one event. The short one forgets within a minute, and knows what outage this is.
type belief struct {
	long, recent curve
	crowd        float64
	at           time.Time // until when they have faded
}

// fade brings the memories to a time. Observations may come somewhat out of order.
func (b *belief) fade(now time.Time, halfLife time.Duration) {
	if b.at.IsZero() {
		b.at = now
	}
	passed := now.Sub(b.at)
	if passed <= 0 {
		return
	}
	b.at = now
	b.long.fade(faded(passed, halfLife))
	b.recent.fade(faded(passed, recentHalfLife))
	b.crowd *= faded(passed, crowdHalfLife)
}

func faded(passed, halfLife time.Duration) float64 {
	return math.Exp2(-float64(passed) / float64(halfLife))
}

// hazards are what is expected of a record that fails now.
func (b *belief) hazards() hazards {
	long := b.long.over(func(int) float64 { return priorHazard }, priorWeight)
	return b.recent.over(func(i int) float64 { return long[i] }, trust)
}

// observe takes note of a retry.
func (b *belief) observe(r Retry) {
	weight := 1 / (1 + b.crowd)
	b.crowd++
	if !r.Succeeded {
		b.long.failed(r.From, r.To, weight)
		b.recent.failed(r.From, r.To, 1)
		return
	}
	known := b.hazards()
	b.long.succeeded(r.From, r.To, weight, &known)
	b.recent.succeeded(r.From, r.To, 1, &known)
}
