package consumer

import (
	"context"
	"encoding/base64"
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
	"github.com/twmb/franz-go/pkg/kgo"

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
	idle       []string        // patterns that no topic matches
	begun      bool            // it is known which sources there were at the start of this process

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
			if !t.recheck() {
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
		t.p.faults.warn(w)
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
	if !plan.ReadOnly {
		return
	}
	if missing := plan.Missing(); len(missing) > 0 {
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

// sources resolves the configured topics and patterns; idle are the patterns that no topic matches, as they were given.
func (t *topics) sources(found kadm.TopicDetails) (sources, idle []string) {
	sources = slices.Clone(t.p.cfg.Topics)
	matched := make([]bool, len(t.p.patterns))
	for name := range found {
		if retrytopics.IsOurs(name) || t.isOwn(name) {
			continue
		}
		for i, re := range t.p.patterns {
			if !re.MatchString(name) {
				continue
			}
			matched[i] = true
			if !slices.Contains(sources, name) {
				sources = append(sources, name)
			}
		}
	}
	for i, re := range t.p.cfg.TopicPatterns {
		if !matched[i] {
			idle = append(idle, re.String())
		}
	}
	slices.Sort(sources)
	return sources, idle
}

// wait tells of patterns that no topic matches. That is no fault: their topics may come at any time, and are found then.
func (t *topics) wait(idle []string) {
	t.mu.Lock()
	before := t.idle
	t.idle = idle
	t.mu.Unlock()
	for _, pattern := range idle {
		if !slices.Contains(before, pattern) {
			t.p.log.Warn("no topic matches a pattern yet: it is waited for", "pipeline", t.p.cfg.Name, "pattern", pattern)
		}
	}
}

// waitedFor lists the patterns that no topic matches.
func (t *topics) waitedFor() []string {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.idle
}

// left lists the sources that left the configuration while their records waited: what is left of those may need every
// tier and the dead letters of today. Those that are gone from the cluster too come with the topics in which they wait.
func (t *topics) left(sources []string, found kadm.TopicDetails) (left []string, gone map[string][]string) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	gone = make(map[string][]string)
	for name, n := range t.retries {
		switch {
		case !found.Has(name) || slices.Contains(sources, n.source):
		case !found.Has(n.source):
			gone[n.source] = append(gone[n.source], name)
		case !slices.Contains(left, n.source):
			left = append(left, n.source)
		}
	}
	slices.Sort(left)
	return left, gone
}

// isOwn reports whether a topic is a retry topic of this group, by its commits or by its name.
func (t *topics) isOwn(name string) bool {
	t.mu.RLock()
	_, ok := t.retries[name]
	t.mu.RUnlock()
	if !ok {
		_, _, ok = t.p.cfg.Names.Match(name)
	}
	return ok
}

// know remembers the topics that there are: those of the configured tiers, and those that earlier configurations left.
func (t *topics) know(sources, wanted, leftover []string, found kadm.TopicDetails) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, s := range sources {
		t.partitions[s] = int32(len(found[s].Partitions))
	}
	for _, s := range wanted {
		t.letters[s] = t.p.cfg.Names.DLQTopic(s)
		for _, d := range t.tiers() {
			name := t.p.cfg.Names.RetryTopic(s, d)
			t.names[tierOf{s, d}] = name
			t.retries[name] = note{retry: true, delay: d.String(), source: s}
		}
	}
	for _, name := range leftover {
		if _, known := t.retries[name]; known {
			continue
		}
		source, delay, _ := t.p.cfg.Names.Match(name)
		t.retries[name] = note{retry: true, delay: delay.String(), source: or(source, name)}
	}
	if !t.begun && len(t.first) == 0 {
		maps.Copy(t.first, t.partitions)
	}
	t.begun = true
	clear(t.all)
	for name, d := range found {
		t.all[name] = int32(len(d.Partitions))
		if id, known := t.ids[name]; known && id != d.ID && t.ours(name) {
			t.remade = append(t.remade, name)
		}
		t.ids[name] = d.ID
	}
}

// tellLeftover says which retry topics no tier of a source needs any more.
func (t *topics) tellLeftover(sources []string) {
	wanted := make(map[string]bool)
	var leftover []string
	t.mu.Lock()
	for _, s := range sources {
		for _, d := range t.tiers() {
			wanted[t.names[tierOf{s, d}]] = true
		}
	}
	for name := range t.retries {
		if t.all[name] > 0 && !wanted[name] {
			leftover = append(leftover, name)
		}
	}
	t.mu.Unlock()
	for _, name := range slices.Sorted(slices.Values(leftover)) {
		t.p.faults.warn(name + " is a retry topic that the configuration needs no more: it is read on, and can be deleted when nothing waits in it")
	}
}

// learn takes what the group's commits say: which topics are its retry topics, whatever they are called, and how many
// partitions its sources had at its first start.
func (t *topics) learn(committed kadm.OffsetResponses) {
	t.mu.Lock()
	defer t.mu.Unlock()
	first := make(map[string]int32)
	for topic, ps := range committed {
		for _, c := range ps {
			n, ok := parseNote(c.Metadata)
			if !ok {
				continue
			}
			if n.retry {
				if _, known := t.retries[topic]; !known {
					t.retries[topic] = n
				}
				continue
			}
			maps.Copy(first, n.first)
		}
	}
	if len(first) > 0 {
		t.first = first
	}
}

// firstStart returns a function that tells whether a partition without a commit is part of the group's first start.
func (t *topics) firstStart(topic string, committed kadm.OffsetResponses) func(part int32) bool {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if _, isRetry := t.retries[topic]; isRetry {
		return func(int32) bool { return false }
	}
	foreign := false // commits of another program: the group has started before us
	noted := false
	for _, ps := range committed {
		for _, c := range ps {
			if _, ok := parseNote(c.Metadata); ok {
				noted = true
			} else if c.At >= 0 {
				foreign = true
			}
		}
	}
	count := t.first[topic]
	return func(part int32) bool { return part < count && (noted || !foreign) }
}

// note returns what a topic is to the group.
func (t *topics) note(topic string) note {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if n, ok := t.retries[topic]; ok {
		n.id = t.idOf(topic)
		return n
	}
	return note{first: t.first}
}

// id returns a topic's id, zero when it is not known.
func (t *topics) id(topic string) [16]byte {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.ids[topic]
}

// idOf returns a topic's id as Kafka's tools print it, "" when it is not known. The lock is held.
func (t *topics) idOf(topic string) string {
	id, ok := t.ids[topic]
	if !ok || id == (kadm.TopicID{}) {
		return ""
	}
	return base64.RawURLEncoding.EncodeToString(id[:])
}

// earlier reports whether a commit belongs to a topic of the same name that was deleted since.
func (t *topics) earlier(topic, metadata string) bool {
	n, ok := parseNote(metadata)
	if !ok || n.id == "" {
		return false
	}
	t.mu.RLock()
	defer t.mu.RUnlock()
	id := t.idOf(topic)
	return id != "" && id != n.id
}

// family returns the source that a topic belongs to, itself for a source.
func (t *topics) family(topic string) string {
	if n := t.note(topic); n.retry {
		return n.source
	}
	return topic
}

// retry returns the name of a tier's retry topic.
func (t *topics) retry(source string, delay time.Duration) string {
	t.mu.RLock()
	name, ok := t.names[tierOf{source, delay}]
	t.mu.RUnlock()
	if !ok { // of a source that the configuration does not name any more
		name = t.p.cfg.Names.RetryTopic(source, delay)
		t.mu.Lock()
		t.names[tierOf{source, delay}] = name
		t.mu.Unlock()
	}
	return name
}

// letter returns the name of a source's dead-letter topic.
func (t *topics) letter(source string) string {
	t.mu.RLock()
	name, ok := t.letters[source]
	t.mu.RUnlock()
	if !ok {
		name = t.p.cfg.Names.DLQTopic(source)
	}
	return name
}

// subscriptions lists the topics that the group reads.
func (t *topics) subscriptions() []string {
	t.mu.RLock()
	defer t.mu.RUnlock()
	var names []string
	for s := range t.partitions {
		names = append(names, s)
	}
	for r := range t.retries {
		if t.all[r] > 0 {
			names = append(names, r)
		}
	}
	slices.Sort(names)
	return names
}

// subscribe reads topics that are new. A topic that was made again is forgotten first: the client knows topics by
// their ids.
func (t *topics) subscribe() {
	t.mu.Lock()
	remade := t.remade
	t.remade = nil
	t.mu.Unlock()
	if len(remade) > 0 {
		for _, topic := range remade {
			t.p.log.Error("topic was deleted and made again: what was in it is gone", "pipeline", t.p.cfg.Name, "topic", topic, "unread", t.lost(topic))
		}
		t.p.abandon(remade)
		t.p.client.PurgeTopicsFromClient(remade...)
	}
	t.p.client.AddConsumeTopics(t.subscriptions()...)
}

// families lists the topics that the group reads with their partitions, by the source that they belong to.
func (t *topics) families() map[string]map[string]int32 {
	t.mu.RLock()
	defer t.mu.RUnlock()
	families := make(map[string]map[string]int32)
	add := func(source, topic string) {
		if families[source] == nil {
			families[source] = make(map[string]int32)
		}
		families[source][topic] = t.all[topic]
	}
	for s := range t.partitions {
		add(s, s)
	}
	for r, n := range t.retries {
		if t.all[r] > 0 {
			add(n.source, r)
		}
	}
	return families
}

// ours reports whether the pipeline reads or writes a topic. The lock is held.
func (t *topics) ours(topic string) bool {
	_, source := t.partitions[topic]
	_, retry := t.retries[topic]
	return source || retry || t.isLetter(topic)
}

func (t *topics) isLetter(topic string) bool {
	for _, l := range t.letters {
		if l == topic {
			return true
		}
	}
	return false
}

// lost counts the records of a topic that were not settled when it was deleted, as far as known.
func (t *topics) lost(topic string) (n int64) {
	for _, l := range t.p.intake.all() {
		if l.topic != topic {
			continue
		}
		l.strand.mu.Lock()
		unread := int64(l.open) + max(l.end.Load()-l.next, 0)
		l.strand.mu.Unlock()
		l.meter.lost.Add(uint64(unread))
		n += unread
	}
	return n
}

// missing says that a topic is not there that a copy was sent to.
func (t *topics) missing(string) {
	select {
	case t.again <- struct{}{}:
	default:
	}
}

// check holds the lanes of new partitions whose copies have nowhere to go yet.
func (t *topics) check(parts map[string][]int32) {
	short := false
	for topic, ps := range parts {
		for _, part := range ps {
			if !t.complete(topic, part) {
				short = true
				if l := t.p.intake.lane(topic, part); l != nil {
					l.missing.Store(true)
					t.p.intake.review(l)
				}
			}
		}
	}
	if short {
		t.missing("")
	}
}

// recheck lets lanes go on whose topics are there now, and known to the client that writes to them. It reports whether
// one still waits: for somebody to make its topics, for the client to learn of them, or since the broker that was asked
// is behind the others.
func (t *topics) recheck() (soon bool) {
	for _, l := range t.p.intake.all() {
		missing := !t.complete(l.topic, l.partition)
		soon = soon || missing
		if writer := t.p.writer(); !missing && l.missing.Load() && writer != nil && !t.writable(writer, l) {
			writer.ForceMetadataRefresh()
			soon = true
			continue
		}
		if missing != l.missing.Load() {
			l.missing.Store(missing)
			t.p.intake.review(l)
			l.strand.wake()
		}
	}
	return soon
}

// writable reports whether the client knows the partitions that the lane's copies go to. What it has not written to yet
// it will ask for when it does.
func (t *topics) writable(writer *kgo.Client, l *lane) bool {
	for _, d := range t.tiers() {
		if outdated(writer, t.retry(l.source, d), l.partition) {
			return false
		}
	}
	return t.p.cfg.DeadLetters.Disabled || !outdated(writer, t.letter(l.source), l.partition)
}

func outdated(writer *kgo.Client, topic string, part int32) bool {
	known, _, err := writer.PartitionLeader(topic, 0)
	if err != nil || known < 0 {
		return false
	}
	leader, _, err := writer.PartitionLeader(topic, part)
	return err != nil || leader < 0
}

// complete reports whether the partition's copies have a partition of the same number to go to.
func (t *topics) complete(topic string, part int32) bool {
	source := t.family(topic)
	t.mu.RLock()
	defer t.mu.RUnlock()
	if _, current := t.partitions[source]; !current {
		return true // left over: its copies are few, and an unknown topic holds them one by one
	}
	for _, d := range t.tiers() {
		if t.all[t.names[tierOf{source, d}]] <= part {
			return false
		}
	}
	return t.p.cfg.DeadLetters.Disabled || t.all[t.letters[source]] > part
}

// share notes that a topic holds copies of another group: what we have done with is not ours to delete there.
func (t *topics) share(topic string) {
	t.mu.Lock()
	t.shared[topic] = true
	t.mu.Unlock()
	t.p.faults.warn(fmt.Sprintf("%s holds copies of another group and is trimmed no more: give one of the groups another name for its retry topics", topic))
}

func (t *topics) isShared(topic string) bool {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.shared[topic]
}

// trim deletes what the group has committed from its retry topics, which have no retention of their own.
func (t *topics) trim(ctx context.Context) {
	offsets := make(kadm.Offsets)
	for _, l := range t.p.intake.all() {
		if l.tier == 0 || t.isShared(l.topic) {
			continue
		}
		l.strand.mu.Lock()
		committed, trimmed := l.committed, l.trimmed
		l.strand.mu.Unlock()
		if committed > trimmed {
			offsets.AddOffset(l.topic, l.partition, committed, -1)
		}
	}
	if len(offsets) == 0 {
		return
	}
	responses, err := t.p.admin.DeleteRecords(ctx, offsets)
	if err != nil && len(responses) == 0 {
		t.p.faults.note("trim", "", -1, err)
		return
	}
	responses.Each(func(r kadm.DeleteRecordsResponse) {
		if r.Err != nil {
			t.p.faults.note("trim", r.Topic, r.Partition, r.Err)
			return
		}
		if l := t.p.intake.lane(r.Topic, r.Partition); l != nil {
			l.strand.mu.Lock()
			l.trimmed = offsets[r.Topic][r.Partition].At
			l.strand.mu.Unlock()
		}
	})
}

// measure asks for the ends of the assigned partitions, or of those that are paused: they do not learn them by a fetch.
func (t *topics) measure(ctx context.Context, all bool) {
	var names []string
	for _, l := range t.p.intake.all() {
		if (all || l.pauses.Load() != 0) && !slices.Contains(names, l.topic) {
			names = append(names, l.topic)
		}
	}
	if len(names) == 0 {
		return
	}
	ends, err := t.p.admin.ListCommittedOffsets(ctx, names...)
	if err != nil {
		t.p.faults.note("ends", "", -1, err)
		return
	}
	ends.Each(func(o kadm.ListedOffset) {
		if l := t.p.intake.lane(o.Topic, o.Partition); l != nil && o.Err == nil && o.Offset > l.end.Load() {
			l.end.Store(o.Offset)
		}
	})
}
