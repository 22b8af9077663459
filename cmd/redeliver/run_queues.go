package main

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/dlq"
	"github.com/redeliver/redeliver/internal/config"
	"github.com/redeliver/redeliver/internal/telemetry"
)

const (
	// queuesSoon and queuesLate are the first and the longest pause between tries to attend the dead letters.
	queuesSoon = time.Second
	queuesLate = time.Minute
	// queuesAgain is between two looks for dead-letter topics that are new.
	queuesAgain = time.Minute
	// expiryAgain is between two counts of what expires.
	expiryAgain = 5 * time.Minute
	// expiryTold is how often it is logged that something expires.
	expiryTold = time.Hour
)

// caretaker looks after the dead letters of the pipelines beside them, and of no other program: it works on replays that were started and that nobody
// follows, and tells of entries that the topic's retention would take.
type caretaker struct {
	service *service
	client  *kgo.Client
	indexes *indexes // that replays have to find what they keep in; nil: a file is on the machine of who looks at it

	mu       sync.Mutex
	attended map[string]bool // by topic
	expiring map[string]telemetry.Expiring
}

func newCaretaker(s *service) *caretaker {
	return &caretaker{service: s, attended: make(map[string]bool), expiring: make(map[string]telemetry.Expiring)}
}

// expiries are what was counted last.
func (c *caretaker) expiries() []telemetry.Expiring {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := make([]telemetry.Expiring, 0, len(c.expiring))
	for _, x := range c.expiring {
		all = append(all, x)
	}
	return all
}

// run looks after the dead letters until ctx ends, and returns when what it did has ended. What it cannot do stops no pipeline.
func (c *caretaker) run(ctx context.Context) {
	for pause := queuesSoon; c.client == nil; pause = min(2*pause, queuesLate) {
		client, err := c.service.program.connect(ctx, c.service.config)
		if err == nil {
			if err = c.openIndexes(ctx, client); err != nil {
				client.Close()
			}
		}
		if err == nil {
			c.client = client
			defer c.close()
		} else if !sleep(ctx, pause) {
			return
		}
	}
	var attending sync.WaitGroup
	defer attending.Wait()
	for {
		for _, q := range c.queues(ctx) {
			c.mu.Lock()
			known := c.attended[q.Topic()]
			c.attended[q.Topic()] = true
			c.mu.Unlock()
			if !known {
				attending.Go(func() { c.attend(ctx, q) })
				attending.Go(func() { c.count(ctx, q) })
			}
		}
		if !sleep(ctx, queuesAgain) {
			return
		}
	}
}

// openIndexes opens those that several machines share, where they keep what the topics have lost: replays of that need them.
func (c *caretaker) openIndexes(ctx context.Context, client *kgo.Client) (err error) {
	config := c.service.config
	if config.Index.Kind != "redis" || config.Index.Keep == 0 {
		return nil
	}
	if c.indexes, err = c.service.program.openIndexes(ctx, config, client); err != nil {
		return err
	}
	c.indexes.warn = func(why string) { c.service.log.Warn("the index of dead letters", "warning", why) }
	c.indexes.progress = func(string) func(read, total int64) { return nil }
	c.indexes.partial = nil // it answers nobody
	return nil
}

func (c *caretaker) close() {
	if c.indexes != nil {
		c.indexes.close()
	}
	c.client.Close()
}

// queues are the dead-letter topics that there are now.
func (c *caretaker) queues(ctx context.Context) []queue {
	qs := new(queues)
	for i := range c.service.config.Pipelines {
		one := &c.service.config.Pipelines[i]
		if !one.DLQ.Enabled {
			continue
		}
		sources, err := sourcesOf(ctx, kadm.NewClient(c.client), one)
		if err == nil {
			err = qs.add(c.service.config, one, sources, "", func(one *config.Pipeline, topic string, options ...dlq.Option) (*dlq.Queue, error) {
				options = slices.Clone(c.service.program.traced(options))
				if c.indexes != nil {
					options = append(options, c.indexes.option(topic, one.Redaction()))
				}
				return dlq.Open(c.client, topic, options...)
			})
		}
		if err != nil && ctx.Err() == nil {
			c.service.log.Warn("the dead letters of a pipeline cannot be looked after", "pipeline", one.Name, "error", err)
		}
	}
	return qs.all
}

// attend works on the queue's replays that nobody follows.
func (c *caretaker) attend(ctx context.Context, q queue) {
	log := c.service.log.With("pipeline", q.pipeline.Name, "topic", q.Topic())
	told := ""
	for pause := queuesSoon; ; pause = min(2*pause, queuesLate) {
		began := time.Now()
		err := q.Attend(ctx, dlq.Attend{
			Took: func(t dlq.Task) {
				log.Info("a replay that nobody works on is taken up", "replay", t.ID, "started_by", t.By)
			},
			Skewed: func(w dlq.Writer, by time.Duration) {
				log.Warn("the clock of who works on dead letters differs from this one: commands take it for dead and would end it",
					"by", w.By, "doing", w.Doing, "run", w.Run, "ahead", by.Round(time.Second), "remedy", "set the clocks of both machines")
			},
			Left: func(t dlq.Task, s dlq.Summary, err error) {
				if err != nil {
					log.Warn("a replay was left", "replay", t.ID, "replayed", s.Done, "error", err)
					return
				}
				log.Info("a replay is done", "replay", t.ID, "replayed", s.Earlier+s.Done, "failed", s.Failed, "took", s.Took.Round(time.Millisecond))
			},
		})
		if ctx.Err() != nil {
			return
		}
		if time.Since(began) > queuesLate {
			pause = queuesSoon
		}
		if !errors.Is(err, dlq.ErrNoTopic) && err.Error() != told { // it is made when the first one dies, or by hand
			told = err.Error()
			log.Warn("replays of dead letters are not taken up now", "error", err)
		}
		if !sleep(ctx, pause) {
			return
		}
	}
}

// count has the index keep what the topic may lose, by its retention or otherwise, and tells what retention takes soon.
func (c *caretaker) count(ctx context.Context, q queue) {
	told, wrong, away := time.Time{}, "", ""
	for {
		again := expiryAgain
		err := q.CatchUp(ctx)
		if err != nil {
			again = queuesLate
		}
		switch {
		case err == nil:
			away = ""
		case ctx.Err() == nil && !errors.Is(err, dlq.ErrNoTopic) && err.Error() != away:
			away = err.Error()
			c.service.log.Warn("the index of dead letters does not follow them: what the topic loses meanwhile is not kept", "pipeline", q.pipeline.Name, "topic", q.Topic(), "error", err)
		}
		x, err := q.Expiry(ctx, 0)
		if err != nil {
			again = queuesLate
		}
		switch {
		case ctx.Err() != nil:
			return
		case errors.Is(err, dlq.ErrNoTopic):
			c.mu.Lock()
			delete(c.expiring, q.Topic()) // it may have been deleted
			c.mu.Unlock()
		case err != nil && err.Error() != wrong:
			wrong = err.Error()
			c.service.log.Warn("it is not known which dead letters expire", "pipeline", q.pipeline.Name, "topic", q.Topic(), "error", err)
		case err == nil:
			wrong = ""
			c.mu.Lock()
			c.expiring[q.Topic()] = telemetry.Expiring{Pipeline: q.pipeline.Name, Topic: q.Topic(), Entries: x.Entries, First: x.First}
			c.mu.Unlock()
			if x.Entries > 0 && time.Since(told) >= expiryTold {
				told = time.Now()
				c.service.log.Warn("dead letters expire that nobody has dealt with: renew carries them forward",
					"renew", c.service.program.commandOf("dlq renew", q, q.pipeline.Name), "pipeline", q.pipeline.Name, "topic", q.Topic(), "entries", x.Entries, "first_in", max(time.Until(x.First), 0).Round(time.Second), "retention", x.Retention)
			}
		}
		if !sleep(ctx, again) {
			return
		}
	}
}

// sleep waits, and reports false when ctx ended before.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// lookAfterQueues starts the caretaker; the returned function waits for its end.
func (s *service) lookAfterQueues(ctx context.Context) (wait func()) {
	if !slices.ContainsFunc(s.config.Pipelines, func(p config.Pipeline) bool { return p.DLQ.Enabled }) {
		return func() {}
	}
	var running sync.WaitGroup
	running.Go(func() { s.caretaker.run(ctx) })
	return running.Wait
}
