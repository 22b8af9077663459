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
func (w *World) ReplayAside(source string, kills time.Duration) {
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
		err := w.replay(ctx, source, link)
		w.mu.Lock()
		defer w.mu.Unlock()
		run.Ended, run.Failed = w.rec.now(), err != nil
		w.h.Replays = append(w.h.Replays, run)
	})
}

// replayPatience bounds a replay: while brokers refuse what it needs it tries for as long as it takes.
const replayPatience = 5 * time.Minute

func (w *World) replay(ctx context.Context, source string, link *link) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(w.addrs...), kgo.Dialer(link.DialContext), loginAs(operator))
	if err != nil {
		return err
	}
	defer client.Close()
	tier := w.h.Terms.RetryTopic(source, w.tiers()[0])
	queue, err := dlq.Open(client, w.h.Terms.DLQTopic(source), dlq.ForGroup(w.h.Terms.Group), dlq.FirstTier(func(string) string { return tier }))
	if err != nil {
		return err
	}
	_, err = queue.Replay(ctx, dlq.Replay{TakeOver: true, By: "simulation"})
	if errors.Is(err, dlq.ErrNoTopic) {
		return nil // nobody has died yet
	}
	return err
}
