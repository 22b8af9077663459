package sim

import (
	"context"
	"errors"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/dlq"
)

// ReplayAside puts the dead letters of a source back to work, beside everything else. After kills above 0 the process that does
// it is killed: its connections are cut for good. Whoever replays ends another replay that is under way, or that was killed. It
// may also fail, where brokers refuse what it needs.
func (w *World) ReplayAside(source string, kills time.Duration) { w.replayAside(source, kills, 0) }

// replayAside is ReplayAside for so many entries at most; 0: all.
func (w *World) replayAside(source string, kills time.Duration, most int) {
	w.noteFault("replay")
	w.disturb(0, time.Minute)
	run := Replay{Source: source, Begun: w.rec.now(), Killed: kills > 0}
	link := newLink(w.net, w.latency, w.fevered("a replay"))
	ctx, cancel := context.WithTimeout(w.ctx, replayPatience)
	if kills > 0 {
		w.noteFault("replay killed")
		w.Later(kills, func() {
			link.sever()
			cancel()
		})
	}
	w.aside.Go(func() {
		defer cancel()
		err := w.replay(ctx, source, link, most)
		w.mu.Lock()
		defer w.mu.Unlock()
		run.Ended, run.Failed = w.rec.now(), err != nil
		w.h.Replays = append(w.h.Replays, run)
	})
}

// replayPatience bounds a replay: while brokers refuse what it needs it tries for as long as it takes.
const replayPatience = 5 * time.Minute

func (w *World) replay(ctx context.Context, source string, link *link, most int) error {
	return w.withQueue(source, link, func(queue *dlq.Queue) error {
		_, err := queue.Replay(ctx, dlq.Replay{TakeOver: true, By: "simulation", Filter: dlq.Filter{Limit: most}})
		return err
	})
}

func (w *World) withQueue(source string, link *link, do func(*dlq.Queue) error) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(w.addrs...), kgo.Dialer(link.DialContext), loginAs(operator))
	if err != nil {
		return err
	}
	defer client.Close()
	tier := w.h.Terms.RetryTopic(source, w.tiers()[0])
	options := []dlq.Option{dlq.ForGroup(w.h.Terms.Group), dlq.FirstTier(func(string) string { return tier })}
	if w.h.Terms.HoldDead {
		options = append(options, dlq.KeysAreHeld())
	}
	queue, err := dlq.Open(client, w.h.Terms.DLQTopic(source), options...)
	if err != nil {
		return err
	}
	if err = do(queue); errors.Is(err, dlq.ErrNoTopic) {
		return nil // nobody has died yet
	}
	return err
}

// DiscardAside gives dead letters of a source up, so many at most, 0: all, beside everything else.
func (w *World) DiscardAside(source string, most int) {
	w.noteFault("discard")
	w.disturb(0, time.Minute)
	link := newLink(w.net, w.latency, w.fevered("a discard"))
	ctx, cancel := context.WithTimeout(w.ctx, replayPatience)
	w.aside.Go(func() {
		defer cancel()
		_ = w.withQueue(source, link, func(queue *dlq.Queue) error { // it may fail, as a replay may
			_, err := queue.Discard(ctx, dlq.Discard{TakeOver: true, By: "simulation", Filter: dlq.Filter{Limit: most}, Entry: func(e dlq.Entry) {
				w.mu.Lock()
				w.h.Discarded = append(w.h.Discarded, Discarded{ID: e.State.ID, Replays: e.State.Replays, When: w.rec.now()})
				w.mu.Unlock()
			}})
			return err
		})
	})
}
