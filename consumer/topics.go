package consumer

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/redeliver/redeliver/retrytopics"
)

// topics knows the topics of a pipeline: its sources, their retry and dead-letter topics, and what earlier
// configurations have left behind. It makes what is missing and follows sources that grow.
type topics struct {
	p *Pipeline

	mu         sync.RWMutex
	partitions map[string]int32 // of the sources
	first      map[string]int32 // of the sources, at the group's first start
	retries    map[string]note  // retry topics, left over ones included
	names      map[tierOf]string
	letters    map[string]string
	keep       map[string]time.Duration // finite retention of topics that the group reads
	all        map[string]int32         // partitions of every topic of ours, as last seen
	ids        map[string]kadm.TopicID
	shared     map[string]bool // topics with copies of other groups
	remade     []string        // topics that were deleted and made again since they were last looked at
	misnames   []string        // topics that whoever writes copies knows by an id that brokers do not know
	idle       []string        // patterns that no topic matches
	begun      bool            // it is known which sources there were at the start of this process
	lacking    bool            // topics are missing that may not be made

	again chan struct{} // something is missing
}

type tierOf struct {
	source string
	delay  time.Duration
}

const (
	// topicsEvery is how often sources are looked at for growth, patterns for new topics, and retry topics are trimmed.
	topicsEvery = 30 * time.Second
	// endsEvery is how often the ends of paused partitions are asked for.
	endsEvery = 5 * time.Second
	// topicsAwaited is how often it is looked for topics while there is none for some pattern.
	topicsAwaited = 5 * time.Second
	// topicsSoon is the pause between tries to make what is missing.
	topicsSoon = time.Second
)

func newTopics(p *Pipeline) *topics {
	return &topics{p: p, partitions: map[string]int32{}, first: map[string]int32{}, retries: map[string]note{},
		names: map[tierOf]string{}, letters: map[string]string{}, ids: map[string]kadm.TopicID{}, shared: map[string]bool{}, all: map[string]int32{}, again: make(chan struct{}, 1)}
}

// run keeps the topics in order until ctx ends.
func (t *topics) run(ctx context.Context) {
	next, ends := time.NewTimer(t.pause()), time.NewTicker(endsEvery)
	defer next.Stop()
	defer ends.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ends.C:
			t.p.outlets.tell(t.p, time.Now())
			t.measure(ctx, false)
			continue
		case <-next.C:
		case <-t.again:
		}
		wait := topicsSoon
		if err := t.ensure(ctx); err != nil {
			t.p.faults.note("topics", "", -1, err)
		} else {
			t.subscribe()
			t.p.openAllHeld()
			if soon := t.recheck(); !soon && !t.lacking {
				wait = t.pause()
			}
			t.trim(ctx)
			t.measure(ctx, true)
		}
		next.Reset(wait)
	}
}

// pause is how long the topics are left alone when all is well with them.
func (t *topics) pause() time.Duration {
	if len(t.waitedFor()) > 0 {
		return topicsAwaited
	}
	return topicsEvery
}

// ensure learns which topics there are and makes those that are missing.
func (t *topics) ensure(ctx context.Context) error {
	committed, err := t.p.admin.FetchOffsets(ctx, t.p.cfg.Group)
	if err != nil && !errors.Is(err, kerr.GroupIDNotFound) {
		return fmt.Errorf("read the group's offsets: %w", err)
	}
	t.learn(committed)
	found, err := retrytopics.ListTopics(ctx, t.p.admin)
	if err != nil {
		return fmt.Errorf("list topics: %w", err)
	}
	sources, idle := t.sources(found)
	left, gone := t.left(sources, found)
	want := retrytopics.Want{
		Group: t.p.cfg.Group, Sources: append(left, sources...), Gone: gone, Names: t.p.cfg.Names, Tiers: t.p.schedule.Tiers(), Park: t.p.cfg.HoldKey,
		DLQ: !t.p.cfg.DeadLetters.Disabled, DLQRetention: t.p.cfg.DeadLetters.Retention,
		ReplicationFactor: t.p.cfg.TopicSettings.ReplicationFactor, AllowCreate: !t.p.cfg.TopicSettings.Manual,
	}
	plan, err := retrytopics.MakePlan(ctx, t.p.admin, want)
	if err != nil {
		return err
	}
	for _, w := range plan.Warnings {
		if t.p.faults.untold("plan", w) {
			t.p.log.Warn("topics work as they are, but not safely", "pipeline", t.p.cfg.Name, "warning", w)
		}
	}
	t.lacks(plan)
	if want.AllowCreate && len(plan.Actions) > 0 {
		if err := plan.Apply(ctx, t.p.admin); err != nil {
			return err
		}
		t.p.log.Info("topics made", "pipeline", t.p.cfg.Name, "actions", len(plan.Actions))
		if found, err = retrytopics.ListTopics(ctx, t.p.admin); err != nil {
			return fmt.Errorf("list topics: %w", err)
		}
	}
	t.know(sources, slices.AppendSeq(want.Sources, maps.Keys(gone)), plan.Leftover, found)
	t.wait(idle)
	t.tellLeftover(sources)
	t.learnRetention(ctx)
	return nil
}

// lacks says which topics are missing that may not be made.
func (t *topics) lacks(plan retrytopics.Plan) {
	var missing []string
	if plan.ReadOnly {
		missing = plan.Missing()
	}
	t.mu.Lock()
	t.lacking = len(missing) > 0
	t.mu.Unlock()
	if len(missing) > 0 {
		t.p.faults.note("topics", "", -1, &retrytopics.MissingTopicsError{Topics: missing})
	}
}

// learnRetention asks for how long the topics keep records. Not being allowed to ask is no fault: nothing depends on it.
func (t *topics) learnRetention(ctx context.Context) {
	configs, err := t.p.admin.DescribeTopicConfigs(ctx, t.subscriptions()...)
	if err != nil {
		return
	}
	keep := make(map[string]time.Duration)
	for _, c := range configs {
		for _, kv := range c.Configs {
			if kv.Key != "retention.ms" || kv.Value == nil {
				continue
			}
			if ms, err := strconv.ParseInt(*kv.Value, 10, 64); err == nil && ms > 0 && ms < int64(time.Duration(math.MaxInt64)/time.Millisecond) {
				keep[c.Name] = time.Duration(ms) * time.Millisecond
			}
		}
	}
	t.mu.Lock()
	t.keep = keep
	t.mu.Unlock()
}

// tiers are the delays that have a retry topic, and that of the park topic where there is one.
func (t *topics) tiers() []time.Duration {
	tiers := t.p.schedule.Tiers()
	if t.p.cfg.HoldKey {
		tiers = append(slices.Clone(tiers), retrytopics.Park)
	}
	return tiers
}

// retention returns for how long a topic keeps its records, 0 for ever or unknown.
func (t *topics) retention(topic string) time.Duration {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.keep[topic]
}
