package dlq

import (
	"context"
	"time"

	"golang.org/x/time/rate"
)

const (
	// paceSlack is for how long entries that could not go when it was their turn, while timers, brokers and other processes took their time, are made
	// up for at once: in any second there are no more of them than the rate and 10 ms of it, or one.
	paceSlack = 10 * time.Millisecond
	// paceNap is the shortest wait: timers take as long as that. What would wait for less goes ahead of its time, and is a part of the slack.
	paceNap = time.Millisecond
)

// newPace makes the pace of so many entries a second.
func newPace(perSecond float64) *rate.Limiter {
	return rate.NewLimiter(rate.Limit(perSecond), max(int(perSecond*(paceSlack-paceNap).Seconds()), 1))
}

// wait keeps the pace. A transaction that would have to wait with it for long is ended first.
func (t *task) wait(ctx context.Context, i *item, into filling, cut func() error) error {
	if t.pace == nil || !i.work {
		return nil
	}
	delay := t.pace.Reserve().Delay()
	if into.records > 0 && time.Since(into.began)+delay > batchTime {
		if err := cut(); err != nil {
			return err
		}
	}
	if delay < paceNap {
		return nil
	}
	return pause(ctx, delay)
}
