package dlq

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	outcomeTime     = 500 * time.Millisecond // between two looks for outcomes
	outcomePatience = 10 * time.Minute       // without a single outcome
	outcomesToJudge = 10                     // before a replay is stopped for its failure rate; so many may be under way to begin with
	defaultInFlight = 1000                   // entries whose outcome is waited for at a time
)

// outcomes follows what becomes of entries that were replayed. One that dies again is a dead letter with its id and one
// replay more, in the queue itself or where its group keeps dead letters. One whose copy its group has committed past, with neither a
// later copy in a retry topic nor a dead letter, has succeeded: a copy is acknowledged before the offset of what it was made from is committed.
type outcomes struct {
	queue      *Queue
	topicID    kadm.TopicID
	router     *router
	limit      int // entries under way
	canary     int // that go first, alone; 0: none, or they have passed
	canaryRate *big.Rat
	stopAt     *big.Rat // nil: no failure rate stops it
	patience   time.Duration

	mu                sync.Mutex
	changed           chan struct{} // closed when what follows changes
	flying            map[Identity]flight
	elder             map[Identity]Identity // of what was adopted: by what dies of it where a release had replayed it that put no birth into names
	taken             int64                 // to be replayed; some may have been refused since
	exhausted         bool                  // there are no more to take
	succeeded, failed int64
	stop              error
	last              time.Time // that something was heard

	followed map[string]*followed
	ends     map[int32]int64            // of the queue's partitions when the replay was started: what died of it stands behind them
	adopted  map[string]map[int32]int64 // of topics, their ends when the first entry was adopted that had been replayed into them
	rewind   bool                       // what is followed has to be read from its beginning once more, for an entry that was adopted
}

// followed is a topic that is read on for copies or dead letters.
type followed struct {
	fetcher *fetcher        // nil: it is not there yet
	dead    bool            // it holds dead letters
	read    map[int32]int64 // up to where
}

func newOutcomes(q *Queue, topicID kadm.TopicID, r *router, t *Task) *outcomes {
	o := &outcomes{
		queue: q, topicID: topicID, router: r, limit: t.Replay.Concurrency, canary: t.Replay.Canary, canaryRate: share(t.Replay.CanaryRate),
		patience: q.outcomePatience, changed: make(chan struct{}), flying: make(map[Identity]flight), elder: make(map[Identity]Identity), last: time.Now(),
		followed: make(map[string]*followed), ends: t.ends, adopted: make(map[string]map[int32]int64),
	}
	if o.limit == 0 {
		o.limit = defaultInFlight
	}
	if t.Replay.CanaryRate == 0 {
		o.canaryRate = share(1)
	}
	if t.Replay.StopAt > 0 {
		o.stopAt = share(t.Replay.StopAt)
	}
	if t.canary {
		o.canary = 0
	}
	return o
}

// after is what an entry is once it was replayed.
func (o *outcomes) after(e *Entry) (Identity, string) {
	group := o.queue.groupOf(e)
	return identify(e.State.ID, group, e.State.Replays+1, replayName(o.router.task, e)), group
}

// prepare makes sure that the topics in which copies of the entry may come up, or it itself once it is dead, are followed, from where they
// end now, before it is written; from their beginning where it was written before.
func (o *outcomes) prepare(ctx context.Context, e *Entry, to string, before bool) error {
	_, group := o.after(e)
	topics, err := o.router.topicsOf(ctx, group, e.State.Topic)
	if err != nil {
		return err
	}
	for topic, dead := range topics {
		if err := o.follow(ctx, topic, dead, before); err != nil {
			return err
		}
	}
	return nil
}

func (o *outcomes) follow(ctx context.Context, topic string, dead, fromStart bool) error {
	o.mu.Lock()
	_, is := o.followed[topic]
	o.mu.Unlock()
	if is {
		return nil
	}
	f := &followed{dead: dead, read: make(map[int32]int64)}
	if err := f.find(ctx, o.queue, topic); err != nil {
		return err
	}
	var err error
	if !fromStart && f.fetcher != nil {
		if f.read, err = listed(ctx, topic, o.queue.admin.ListEndOffsets); err != nil {
			return err
		}
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.followed[topic] = f
	return nil
}

// find gets ready to read the topic, if it is there. That of dead letters may be made with the first one.
func (f *followed) find(ctx context.Context, q *Queue, topic string) error {
	if f.fetcher != nil {
		return nil
	}
	detail, err := describe(ctx, q.admin, topic)
	switch {
	case f.dead && errors.Is(err, ErrNoTopic):
		return nil
	case err == nil:
		f.fetcher = newFetcher(q.client, q.admin, detail)
	}
	return err
}

// adopt takes up an entry that an earlier call replayed: its outcome is found out anew, for nobody knows of which entries those that the earlier
// call counted are.
func (o *outcomes) adopt(ctx context.Context, e *Entry, to string) error {
	if err := o.prepare(ctx, e, to, true); err != nil {
		return err
	}
	offset := int64(-1)
	if to == e.State.Topic { // which is not read for it: what its group has still to read may hold it
		ends, ok := o.adopted[to]
		if !ok {
			var err error
			if ends, err = listed(ctx, to, o.queue.admin.ListEndOffsets); err != nil {
				return err
			}
			o.adopted[to] = ends
		}
		offset = ends[e.State.Partition] - 1
	}
	id, group := o.after(e)
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.canary > 0 {
		o.taken++
	}
	o.flying[id] = flight{group: group, copies: []copyPlace{{to, e.State.Partition, offset}}}
	unborn := *e
	unborn.State.Timestamp = time.Time{}
	as, _ := o.after(&unborn)
	o.elder[as] = id
	o.rewind = true // its copies and its death may have been read before it was known
	return nil
}

// take waits until one more entry may be replayed. It calls flush before it waits. The entry is under way from then on, for
// once it is written its group may be quicker to write the next copy than we are to hear of the first one.
func (o *outcomes) take(ctx context.Context, i *item, flush func() error) error {
	id, group := o.after(i.entry)
	for flushed := false; ; {
		o.mu.Lock()
		changed, err := o.changed, o.judge()
		room := err == nil && o.room()
		if room {
			o.taken++
			o.flying[id] = flight{group: group, copies: []copyPlace{{i.copy.Topic, i.copy.Partition, unwritten}}}
		}
		o.mu.Unlock()
		if err != nil || room {
			return err
		}
		if !flushed {
			if err := flush(); err != nil {
				return err
			}
			flushed = true
			continue
		}
		if err := o.await(ctx, changed); err != nil {
			return err
		}
	}
}

// await waits for a change.
func (o *outcomes) await(ctx context.Context, changed <-chan struct{}) error {
	o.mu.Lock()
	left, under := time.Until(o.last.Add(o.patience)), len(o.flying)
	o.mu.Unlock()
	timer := time.NewTimer(max(left, 0))
	defer timer.Stop()
	select {
	case <-changed:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return fmt.Errorf("%w: nothing was heard of %d entries for %v, see whether the pipeline runs and is not held", ErrPaused, under, o.patience)
	}
}

// room says whether one more may be under way. While a failure rate is watched those are no more than the outcomes that are known, or as many
// as are judged first: what is at stake grows with what is known, and is never all there is. o.mu is held.
func (o *outcomes) room() bool {
	limit := o.limit
	switch {
	case o.canary > 0:
		return o.taken < int64(o.canary) && len(o.flying) < limit
	case o.stopAt != nil:
		limit = min(limit, max(outcomesToJudge, int(o.succeeded+o.failed)))
	}
	return len(o.flying) < limit
}

// judge says whether the replay has to stop, and lets the canaries pass. o.mu is held.
func (o *outcomes) judge() error {
	known := o.succeeded + o.failed
	switch {
	case o.stop != nil:
		return o.stop
	case o.canary > 0 && len(o.flying) == 0 && (o.exhausted || o.taken >= int64(o.canary)):
		if compareShare(o.succeeded, o.taken, o.canaryRate) < 0 {
			o.stop = fmt.Errorf("%w: %s", ErrStopped, o.canaryText())
			return o.stop
		}
		o.canary = 0
	case o.canary == 0 && o.stopAt != nil && known >= outcomesToJudge && compareShare(o.failed, known, o.stopAt) > 0:
		o.stop = fmt.Errorf("%w: %d of %d failed again", ErrStopped, o.failed, known)
		return o.stop
	}
	return nil
}

// canaryText says what became of the canaries, of which too few succeeded. One that the brokers refused was no success.
func (o *outcomes) canaryText() string {
	var text []string
	if o.failed > 0 {
		text = append(text, fmt.Sprintf("%d of the %d that went first failed again", o.failed, o.taken))
	}
	if refused := o.taken - o.succeeded - o.failed; refused > 0 {
		text = append(text, fmt.Sprintf("%d of the %d that went first could not be replayed", refused, o.taken))
	}
	return strings.Join(text, ", ")
}

// drain waits for the outcomes of all that is under way.
func (o *outcomes) drain(ctx context.Context) error {
	for {
		o.mu.Lock()
		o.exhausted = true
		changed, under := o.changed, len(o.flying)
		err := o.judge()
		o.mu.Unlock()
		if err != nil || under == 0 {
			return err
		}
		if err := o.await(ctx, changed); err != nil {
			return err
		}
	}
}

// written notes where an entry was written to; nowhere, where it was refused.
func (o *outcomes) written(e *Entry, record *kgo.Record, refused bool) {
	id, _ := o.after(e)
	o.mu.Lock()
	defer o.mu.Unlock()
	o.last = time.Now()
	switch f, is := o.flying[id]; {
	case refused:
		delete(o.flying, id)
	case is:
		f.copies[0].offset = record.Offset
	}
	o.tell()
}

// tell wakes those who wait. o.mu is held.
func (o *outcomes) tell() {
	close(o.changed)
	o.changed = make(chan struct{})
}

// counts are the outcomes known and those waited for. What is still being written waits for nothing: it may never be.
func (o *outcomes) counts() (succeeded, failed, pending int64, canaryPassed bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, f := range o.flying {
		if f.copies[len(f.copies)-1].offset != unwritten {
			pending++
		}
	}
	return o.succeeded, o.failed, pending, o.canary == 0
}

// run looks for outcomes until ctx ends, or it cannot.
func (o *outcomes) run(ctx context.Context) error {
	if err := o.follow(ctx, o.queue.topic, true, true); err != nil {
		return err
	}
	o.mu.Lock()
	o.followed[o.queue.topic].read = o.began(o.queue.topic)
	o.mu.Unlock()
	for {
		if err := o.look(ctx); err != nil {
			return err
		}
		if err := pause(ctx, outcomeTime); err != nil {
			return err
		}
	}
}

// began is from where on a topic may hold what became of the replay's entries. Partitions that were empty or not there are read from their start.
func (o *outcomes) began(topic string) map[int32]int64 {
	if topic != o.queue.topic {
		return make(map[int32]int64)
	}
	read := make(map[int32]int64, len(o.ends))
	maps.Copy(read, o.ends)
	return read
}

// look finds out once what has become of the entries under way: where their groups were, and then what was written up to
// there and after.
func (o *outcomes) look(ctx context.Context) error {
	o.mu.Lock()
	groups := make(map[string]kadm.OffsetResponses)
	before := make([]Identity, 0, len(o.flying)) // what is written meanwhile is for the next look
	for id, f := range o.flying {
		groups[f.group] = nil
		before = append(before, id)
	}
	if o.rewind {
		for topic, f := range o.followed {
			f.read = o.began(topic)
		}
		o.rewind = false
	}
	topics := maps.Clone(o.followed)
	o.mu.Unlock()
	for group := range groups {
		committed, err := committedBy(ctx, o.queue.admin, group)
		if err != nil {
			return err
		}
		groups[group] = committed
	}
	for topic, f := range topics {
		if err := o.readOn(ctx, topic, f); err != nil {
			return err
		}
	}
	o.count(before, groups)
	return nil
}

// count counts what a look has found out: those that died and those that succeeded together, for some outcomes of one look are no failure rate.
func (o *outcomes) count(before []Identity, groups map[string]kadm.OffsetResponses) {
	o.mu.Lock()
	defer o.mu.Unlock()
	over := func(id Identity, n *int64) {
		delete(o.flying, id)
		*n++
		o.last = time.Now()
	}
	for id, f := range o.flying {
		if f.died {
			over(id, &o.failed)
		}
	}
	for _, id := range before {
		if f, still := o.flying[id]; still && f.passed(groups[f.group]) {
			over(id, &o.succeeded)
		}
	}
	o.tell()
}

// readOn reads what was written to a topic since the last look, by transactions that were open then too.
func (o *outcomes) readOn(ctx context.Context, topic string, f *followed) error {
	if err := f.find(ctx, o.queue, topic); err != nil || f.fetcher == nil {
		return err
	}
	spans, err := spansOf(ctx, o.queue.admin, topic, time.Time{}, written)
	if err != nil {
		return err
	}
	for _, s := range spans {
		if s.from = max(s.from, f.read[s.partition]); s.from >= s.to {
			continue
		}
		err := f.fetcher.read(ctx, s, func(records []*kgo.Record, next int64) error {
			o.mu.Lock()
			defer o.mu.Unlock()
			for _, r := range records {
				o.seen(r, f.dead)
			}
			f.read[s.partition] = next
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// seen takes note of a copy or of a dead letter, by whichever headers it speaks. o.mu is held.
func (o *outcomes) seen(r *kgo.Record, dead bool) {
	e := entryOf(r, o.topicID)
	id := o.queue.meant(&e.State)
	if own, is := o.elder[id]; is {
		id = own
	}
	f, is := o.flying[id]
	switch at := (copyPlace{r.Topic, r.Partition, r.Offset}); {
	case !is:
		return
	case dead:
		f.died = true
	case !slices.Contains(f.copies, at):
		f.copies = append(f.copies, at)
	}
	o.flying[id] = f
}
