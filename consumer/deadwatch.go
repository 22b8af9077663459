package consumer

import (
	"context"
	"errors"
	"maps"
	"math"
	"slices"
	"sync"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/dlq"
)

// deadWatch knows which dead letters keep keys closed. It reads those of newly assigned partitions, and what the ledger says of
// them, before anything of their strands is started; from there on it follows the ledger, in which operators mark what they
// replay and discard. Nothing of it is kept: whoever has a partition next reads anew.
//
// It has a client of its own, which is no member of the group.
type deadWatch struct {
	p      *Pipeline
	client *kgo.Client

	mu       sync.Mutex
	followed map[partition]followed // partitions of ledgers

	turn     chan struct{}      // held while the client's partitions change; a channel, for the client waits for brokers meanwhile
	consumed map[partition]bool // by the client
}

// followed are the strands for which a partition of a ledger is read on. It is read from the lowest offset that any of them needs.
type followed map[*strand]follower

// follower is what a strand needs of a partition of a ledger. What stands there before, and is read for the sake of others, the strand has taken
// into account: a mark that had it read everything anew must not do so again.
type follower struct {
	watch *dlq.Watch
	from  int64
}

// from is where the partition has to be read from.
func (f followed) from() int64 {
	from := int64(math.MaxInt64)
	for _, by := range f {
		from = min(from, by.from)
	}
	return from
}

func newDeadWatch(p *Pipeline) *deadWatch {
	d := &deadWatch{p: p, followed: make(map[partition]followed), consumed: make(map[partition]bool), turn: make(chan struct{}, 1)}
	d.turn <- struct{}{}
	return d
}

func (d *deadWatch) connect() (err error) {
	d.client, err = kgo.NewClient(append(d.p.options(), kgo.FetchIsolationLevel(kgo.ReadCommitted()))...)
	return err
}

func (d *deadWatch) close() { d.client.Close() }

// read finds out which dead letters of a strand nobody has dealt with, unless that is known, and follows their marks from there
// on.
func (d *deadWatch) read(ctx context.Context, st *strand) error {
	st.mu.Lock()
	known, round := st.holding.deadKnown, st.holding.round
	st.mu.Unlock()
	if known {
		return nil
	}
	queue, err := dlq.Open(d.client, d.p.dlqTopic(st.source), dlq.ForGroup(d.p.cfg.Group))
	if err != nil {
		return err
	}
	watch, err := queue.Watch(ctx)
	if err != nil {
		if errors.Is(err, dlq.ErrNoTopic) {
			d.p.topics.missing("")
		}
		return err
	}
	found := newDeadOrder(d.p.heldLimit())
	marked := func(m dlq.Marked) { // of a letter that was on its way when this began
		st.mu.Lock()
		st.dealtWith(m)
		st.mu.Unlock()
	}
	next, damaged, err := watch.Read(ctx, st.partition, keyHash, marked, func(a dlq.Awaited) {
		found.put(a.Key, deadLetter{a.Origin, a.Died, a.Failed, a.Offset, false, deadName{a.Identity, a.Born}})
	})
	if err != nil {
		return err
	}
	if damaged != nil {
		d.damaged(damaged)
	}
	st.mu.Lock()
	mine := st.found(found, round)
	st.mu.Unlock()
	if mine {
		d.follow(st, watch, queue.Ledger(), next)
	}
	return nil
}

func (d *deadWatch) damaged(err error) {
	d.p.log.Warn("a mark of the ledger cannot be read and is left alone: its dead letter keeps its key closed", "pipeline", d.p.cfg.Name, "error", err)
}

// follow reads the marks for a strand from an offset on.
func (d *deadWatch) follow(st *strand, watch *dlq.Watch, ledger string, next int64) {
	at := partition{ledger, st.partition}
	<-d.turn
	defer func() { d.turn <- struct{}{} }()
	from, stale := d.register(st, watch, at, next)
	if from < 0 {
		return
	}
	stale[at.topic] = append(stale[at.topic], at.number)
	d.client.RemoveConsumePartitions(stale)
	d.client.AddConsumePartitions(map[string]map[int32]kgo.Offset{at.topic: {at.number: kgo.NewOffset().At(from)}})
	d.consumed[at] = true
}

// register takes down that a strand follows a partition. It returns from where on that is to be read, below 0 when the strand is
// gone, and which partitions are read and need not be any more.
func (d *deadWatch) register(st *strand, watch *dlq.Watch, at partition, next int64) (from int64, stale map[string][]int32) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.forget(st)
	st.mu.Lock()
	gone := len(st.lanes) == 0
	st.mu.Unlock()
	if gone {
		return -1, nil
	}
	if d.followed[at] == nil {
		d.followed[at] = make(followed)
	}
	d.followed[at][st] = follower{watch, next}
	stale = make(map[string][]int32)
	for p := range d.consumed {
		if d.followed[p] == nil {
			delete(d.consumed, p)
			stale[p.topic] = append(stale[p.topic], p.number)
		}
	}
	return d.followed[at].from(), stale
}

// leave follows nothing any more for a strand that is gone.
func (d *deadWatch) leave(st *strand) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.forget(st)
}

func (d *deadWatch) forget(st *strand) {
	for at, f := range d.followed {
		if delete(f, st); len(f) == 0 {
			delete(d.followed, at)
		}
	}
}

// run takes note of marks until ctx ends.
func (d *deadWatch) run(ctx context.Context) {
	var refused fruitless
	for ctx.Err() == nil {
		fetches := d.client.PollFetches(ctx)
		other := make(map[string]bool) // than those that were followed
		fetches.EachError(func(topic string, part int32, err error) {
			if ctx.Err() != nil {
				return
			}
			d.p.faults.note("held", topic, part, err)
			if isAnother(err) {
				other[topic] = true
			}
		})
		changed := make(map[*strand]bool)
		fetches.EachRecord(func(r *kgo.Record) { d.took(r, changed) })
		for st := range changed {
			if l := d.p.intake.lane(st.source, st.partition); l != nil {
				d.p.intake.review(l)
			}
			st.wake()
		}
		for topic := range other {
			d.lostLedger(topic)
		}
		refused.rest(ctx, fetches)
	}
}

// isAnother reports whether a ledger that cannot be read on is not the one that was read so far: it was deleted, or its log was cut off. What
// is only refused is read on where it was as soon as it may be.
func isAnother(err error) bool {
	var cut *kgo.ErrDataLoss
	return topicGone(err) || errors.Is(err, kerr.OffsetOutOfRange) || errors.As(err, &cut)
}

// took takes note of one record of a ledger, and of the strands for which it changes something.
func (d *deadWatch) took(r *kgo.Record, changed map[*strand]bool) {
	d.mu.Lock()
	by := maps.Clone(d.followed[partition{r.Topic, r.Partition}])
	d.mu.Unlock()
	for st, f := range by {
		if r.Offset < f.from {
			continue
		}
		m, about, err := f.watch.Mark(r)
		if err != nil {
			d.damaged(err)
		}
		switch {
		case !about, m.Renewed: // a copy of what is dead already
		case m.Status == dlq.StatusOpen: // a mark is taken back: what it was about is not in memory any more
			d.again([]*strand{st})
		default:
			st.mu.Lock()
			if st.dealtWith(m) {
				changed[st] = true
			}
			outdated := st.holding.dead.outdated()
			st.mu.Unlock()
			if outdated {
				d.again([]*strand{st})
			}
		}
	}
}

// lostLedger begins anew with the strands of a ledger that is another one: until it is there again they stand still, for nobody
// can say which of their keys are open.
func (d *deadWatch) lostLedger(topic string) {
	var strands []*strand
	<-d.turn // before it is asked who follows: who comes meanwhile follows the one that is there now
	d.mu.Lock()
	for at, f := range d.followed {
		if at.topic == topic {
			strands = slices.AppendSeq(strands, maps.Keys(f))
			delete(d.followed, at)
		}
	}
	d.mu.Unlock()
	d.client.PurgeTopicsFromClient(topic)
	maps.DeleteFunc(d.consumed, func(p partition, _ bool) bool { return p.topic == topic })
	d.turn <- struct{}{}
	d.again(strands)
}

// startOver begins anew with the strands whose dead-letter topic was deleted and made again: what kept their keys closed is gone.
func (d *deadWatch) startOver(topics []string) {
	var strands []*strand
	for _, st := range d.p.allStrands() {
		if slices.Contains(topics, d.p.dlqTopic(st.source)) {
			strands = append(strands, st)
		}
	}
	d.again(strands)
}

// ignore passes over all marks for a strand, until it follows anew: others may have the same marks read again meanwhile.
func (d *deadWatch) ignore(st *strand) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, f := range d.followed {
		if by, follows := f[st]; follows {
			by.from = math.MaxInt64
			f[st] = by
		}
	}
}

// again reads anew what keeps the keys of strands closed.
func (d *deadWatch) again(strands []*strand) {
	for _, st := range strands {
		d.ignore(st)
		st.mu.Lock()
		lanes := slices.Clone(st.lanes)
		st.mu.Unlock()
		d.p.scanAnew(lanes)
	}
}
