package consumer

import (
	"cmp"
	"container/heap"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/retrytopics"
)

// strandKey names a strand.
type strandKey struct {
	source    string
	partition int32
}

// strands are the strands of the open lanes.
type strands struct {
	mu    sync.Mutex
	all   map[strandKey]*strand
	count atomic.Int64 // of all
}

// assigned opens lanes for new partitions. Their positions come a moment later, see position.
func (p *Pipeline) assigned(_ context.Context, _ *kgo.Client, parts map[string][]int32) {
	p.joined()
	p.regain(parts)
	p.openLanes(parts)
	p.coAssignment.verify()
	if p.cfg.InstanceID != "" && p.cfg.GroupProtocol != NextGen && !p.revived.Swap(true) {
		go p.revive()
	}
	if len(parts) > 0 {
		p.log.Info("partitions assigned", "pipeline", p.cfg.Name, "partitions", printable(parts))
	}
}

func (p *Pipeline) openLanes(parts map[string][]int32) {
	for topic, ps := range parts {
		note := p.topics.note(topic)
		source, tier := topic, time.Duration(0)
		if note.retry {
			source = note.source
			tier, _ = time.ParseDuration(note.delay)
			tier = max(tier, 1)
		}
		for _, part := range ps {
			p.intake.open(p.newLane(topic, part, source, tier))
		}
	}
	p.topics.check(parts)
}

// mayClaim is asked when this member joins the group. When the group has forgotten it while it was away, as it can be
// told in answer to a join, the client believes that it has its partitions still, without any callback. Others may
// have had them meanwhile: their lanes are closed, and what turns out to be ours again is adopted.
func (p *Pipeline) mayClaim() bool {
	if id, _ := p.client.GroupMetadata(); id != "" {
		return true
	}
	lanes := p.intake.all()
	if len(lanes) == 0 {
		return true
	}
	parts := make(map[string][]int32)
	for _, l := range lanes {
		parts[l.topic] = append(parts[l.topic], l.partition)
	}
	p.forget(parts)
	p.loseLanes(parts)
	return false
}

// forget notes the partitions that the client believes to have while the group has forgotten this member.
func (p *Pipeline) forget(parts map[string][]int32) {
	p.kept.mu.Lock()
	defer p.kept.mu.Unlock()
	p.kept.forgotten = true
	for topic, ps := range parts {
		for _, part := range ps {
			p.kept.parts[partition{topic, part}] = struct{}{}
		}
	}
}

// giveUp takes partitions out of what was kept.
func (p *Pipeline) giveUp(parts map[string][]int32) {
	p.kept.mu.Lock()
	defer p.kept.mu.Unlock()
	for topic, ps := range parts {
		for _, part := range ps {
			delete(p.kept.parts, partition{topic, part})
		}
	}
}

// regain is told of an assignment: what was kept and not taken away before it is this member's again. The poll loop takes
// it up, and is woken for it.
func (p *Pipeline) regain(assigned map[string][]int32) {
	p.giveUp(assigned)
	p.kept.mu.Lock()
	defer p.kept.mu.Unlock()
	p.kept.forgotten = false
	if len(p.kept.parts) > 0 {
		p.intake.interrupt()
	}
}

// regained returns the partitions to take up.
func (p *Pipeline) regained() map[string][]int32 {
	p.kept.mu.Lock()
	defer p.kept.mu.Unlock()
	if p.kept.forgotten || len(p.kept.parts) == 0 {
		return nil
	}
	parts := make(map[string][]int32)
	for k := range p.kept.parts {
		parts[k.topic] = append(parts[k.topic], k.number)
	}
	clear(p.kept.parts)
	return parts
}

// keptPartitions are what the client still fetches after the group has forgotten this member.
type keptPartitions struct {
	mu        sync.Mutex
	forgotten bool // and not assigned it anything since
	parts     map[partition]struct{}
}

type partition struct {
	topic  string
	number int32
}

// adopt takes up partitions that the client has kept and nobody was told of: it starts over with them from their
// commits. It is called between a poll and AllowRebalance, so that they cannot go away meanwhile.
func (p *Pipeline) adopt(ctx context.Context, parts map[string][]int32) {
	p.log.Warn("partitions kept after this member was forgotten by its group: starting over from their commits",
		"pipeline", p.cfg.Name, "partitions", printable(parts))
	p.openLanes(parts)
	p.coAssignment.verify()
	offsets := make(map[string]map[int32]kgo.Offset)
	for topic, ps := range parts {
		offsets[topic] = make(map[int32]kgo.Offset)
		for _, part := range ps {
			offsets[topic][part] = kgo.NewOffset().AtStart()
		}
	}
	if _, err := p.position(ctx, offsets); err != nil {
		return // ctx has ended
	}
	at := make(map[string]map[int32]kgo.EpochOffset)
	for topic, ps := range parts {
		at[topic] = make(map[int32]kgo.EpochOffset)
		for _, part := range ps {
			if l := p.intake.lane(topic, part); l != nil {
				l.strand.mu.Lock()
				at[topic][part] = kgo.EpochOffset{Epoch: -1, Offset: l.next}
				l.strand.mu.Unlock()
			}
		}
	}
	p.goBack(at)
}

// goBack makes the client go on from other offsets than it would. It is called between a poll and AllowRebalance, and
// not beside a commit.
func (p *Pipeline) goBack(at map[string]map[int32]kgo.EpochOffset) {
	if len(at) == 0 {
		return
	}
	<-p.committer.turn
	p.client.SetOffsets(at)
	p.committer.turn <- struct{}{}
}

// strand returns the strand of the key, a new one if there is none.
func (p *Pipeline) strand(key strandKey) *strand {
	p.strands.mu.Lock()
	defer p.strands.mu.Unlock()
	st := p.strands.all[key]
	if st == nil {
		st = newStrand(p, key.source, key.partition)
		p.strands.all[key] = st
		p.strands.count.Add(1)
	}
	return st
}

// wakeAll wakes every strand.
func (p *Pipeline) wakeAll() {
	for _, st := range p.allStrands() {
		if p.gate.free() {
			st.wake()
		} else {
			st.tend()
		}
	}
	if !p.gate.free() {
		p.offerProbe()
	}
}

// allStrands lists the strands in an order that does not change.
func (p *Pipeline) allStrands() []*strand {
	p.strands.mu.Lock()
	defer p.strands.mu.Unlock()
	return slices.SortedFunc(maps.Values(p.strands.all), func(a, b *strand) int {
		return cmp.Or(cmp.Compare(a.source, b.source), cmp.Compare(a.partition, b.partition))
	})
}

// position says where each new partition begins: at its commit, else by the rules for the group's first start. The
// positions of partitions without a commit are committed at once, so that a start at the end stays where it was.
func (p *Pipeline) position(ctx context.Context, offsets map[string]map[int32]kgo.Offset) (map[string]map[int32]kgo.Offset, error) {
	var committed kadm.OffsetResponses
	for {
		var err error
		committed, err = p.admin.FetchOffsets(kadm.RequireStable(ctx), p.cfg.Group)
		if errors.Is(err, kerr.GroupIDNotFound) {
			break
		}
		if err == nil {
			err = unread(committed, offsets)
		}
		if err == nil {
			break
		}
		p.faults.note("positions", "", -1, err)
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(time.Second):
		}
	}
	p.topics.learn(committed)
	unknown := make(map[string]map[int32]kgo.Offset)
	for topic, ps := range offsets {
		for part, off := range ps {
			if c, ok := committed.Lookup(topic, part); ok && c.At >= 0 && !p.topics.earlier(topic, c.Metadata) {
				p.place(topic, part, c.At, c.At)
				p.restore(topic, part, c.Offset)
				continue
			}
			if unknown[topic] == nil {
				unknown[topic] = make(map[int32]kgo.Offset)
			}
			unknown[topic][part] = off
		}
	}
	defer p.toldAssigned(offsets)
	defer p.scan(offsets)
	if len(unknown) == 0 {
		return offsets, nil
	}
	for topic, ps := range unknown {
		first := p.topics.firstStart(topic, committed)
		starts := make(map[bool]kadm.ListedOffsets)
		for part := range ps {
			at, err := p.startOffset(ctx, starts, topic, part, first(part))
			if err != nil {
				return nil, fmt.Errorf("find where %s/%d starts: %w", topic, part, err)
			}
			offsets[topic][part] = kgo.NewOffset().At(at)
			p.place(topic, part, at, -1)
		}
	}
	p.committer.moved()
	return offsets, nil
}

// unread returns why the commit of any of the partitions could not be read, as while a transaction that is to commit it
// is open.
func unread(committed kadm.OffsetResponses, parts map[string]map[int32]kgo.Offset) error {
	for topic, ps := range parts {
		for part := range ps {
			if c, _ := committed.Lookup(topic, part); c.Err != nil {
				return fmt.Errorf("%s/%d: %w", topic, part, c.Err)
			}
		}
	}
	return nil
}

func (p *Pipeline) toldAssigned(offsets map[string]map[int32]kgo.Offset) {
	if len(p.hooks.assigned) == 0 || len(offsets) == 0 {
		return
	}
	parts := make(map[string][]int32)
	for topic, ps := range offsets {
		parts[topic] = slices.Sorted(maps.Keys(ps))
	}
	for _, h := range p.hooks.assigned {
		h.OnAssigned(p.cfg.Name, parts)
	}
}

// startOffset resolves the configured start, or the beginning of the partition. starts keeps what was listed.
func (p *Pipeline) startOffset(ctx context.Context, starts map[bool]kadm.ListedOffsets, topic string, part int32, first bool) (int64, error) {
	for {
		if o, ok := starts[first].Lookup(topic, part); ok && o.Err == nil {
			return o.Offset, nil
		}
		var err error
		switch s := p.cfg.Start; {
		case first && s.latest:
			starts[first], err = p.admin.ListCommittedOffsets(ctx, topic)
		case first && !s.at.IsZero():
			starts[first], err = p.admin.ListOffsetsAfterMilli(ctx, s.at.UnixMilli(), topic)
		default:
			starts[first], err = p.admin.ListStartOffsets(ctx, topic)
		}
		if o, ok := starts[first].Lookup(topic, part); err == nil && ok && o.Err == nil {
			continue
		}
		p.faults.note("start", topic, part, errors.Join(err, starts[first].Error()))
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-time.After(time.Second):
		}
	}
}

// place tells a lane where it begins.
func (p *Pipeline) place(topic string, part int32, at, committed int64) {
	l := p.intake.lane(topic, part)
	if l == nil {
		return
	}
	l.strand.mu.Lock()
	l.next, l.placed, l.committed = at, true, committed
	l.strand.mu.Unlock()
}

// restore tells a lane what was done above the commit that it begins at.
func (p *Pipeline) restore(topic string, part int32, c kadm.Offset) {
	text := doneIn(c.Metadata)
	if _, ours := parseNote(c.Metadata); text == "" && (ours || c.Metadata == "") {
		return
	}
	done, err := readDone(text, c.At, p.topics.id(topic))
	if err != nil {
		p.log.Warn("the metadata of a commit is not ours or damaged, and left alone: what was done above the commit is handled again", "pipeline", p.cfg.Name,
			"topic", topic, "partition", part, "offset", c.At, "metadata", c.Metadata, "error", err)
		return
	}
	if l := p.intake.lane(topic, part); l != nil {
		l.strand.mu.Lock()
		l.window.restore(done)
		l.strand.mu.Unlock()
	}
}

// received takes fetched records into their lane.
func (p *Pipeline) received(l *lane, records []*kgo.Record, now time.Time) {
	st := l.strand
	st.mu.Lock()
	if l.closed || l.draining {
		st.mu.Unlock()
		return
	}
	if first := records[0].Offset; l.placed && first < l.next { // read again after a pause or a reset: seen already
		for len(records) > 0 && records[0].Offset < l.next {
			records = records[1:]
		}
		if len(records) == 0 {
			st.mu.Unlock()
			return
		}
	}
	b := l.add(records, now)
	if l.tier > 0 {
		for i, r := range records {
			if b.state[i] == recordOpen {
				p.enter(l, b, i, r, now)
			}
		}
	} else {
		p.meter.received.Add(uint64(b.data()))
	}
	st.mu.Unlock()
	st.wake()
	p.committer.moved()
}

// enter makes the entry of a retry topic's record and lets it wait for its time. The strand's lock is held.
func (p *Pipeline) enter(l *lane, b *batch, i int, r *kgo.Record, now time.Time) {
	state, err := retrytopics.Decode(r)
	e := &entry{lane: l, batch: b, index: i, record: r, state: &state, attempts: state.Attempt, carried: state.Attempt, due: state.Due, hopDue: state.HopDue, counted: r.Timestamp}
	b.follow(i, e)
	if state.Group != "" && state.Group != p.cfg.Group {
		p.log.Warn("copy of another group left alone: is a topic shared?", "pipeline", p.cfg.Name, "topic", l.topic, "offset", r.Offset, "group", state.Group)
		p.topics.share(l.topic)
		p.meter.settled(l, Skipped)
		e.status = entrySettled
		l.settle(b, i)
		return
	}
	if err != nil {
		p.log.Warn("copy with damaged headers", "pipeline", p.cfg.Name, "topic", l.topic, "partition", l.partition, "offset", r.Offset, "error", err)
	}
	p.meter.skewed(r.Timestamp.Sub(now))
	l.strand.key(e)
	if l.strand.holds(e) {
		l.strand.arrived(e)
	}
	if e.due.IsZero() {
		e.due = now
	}
	if !e.hopDue.IsZero() && p.schedule.Hop(e.due.Sub(e.hopDue), l.tier) == retrytopics.Lane {
		e.hopDue = time.Time{} // the rest is waited out here
	}
	if !e.due.After(now) {
		e.status = entryReady
		l.ready.push(e)
		return
	}
	e.status = entryWaiting
	heap.Push(&l.waiting, e)
}

// revoked drains the lanes of partitions that go to another member, commits what is settled, and closes them.
func (p *Pipeline) revoked(ctx context.Context, _ *kgo.Client, parts map[string][]int32) {
	p.giveUp(parts)
	lanes := p.lanesOf(parts)
	if len(lanes) == 0 {
		return
	}
	p.drain(ctx, lanes)
	<-p.committer.turn
	for range commitTries {
		if err := p.committer.commitHeld(ctx, lanes); err == nil || ctx.Err() != nil {
			break
		}
	}
	p.closeLanes(lanes)
	p.committer.turn <- struct{}{}
	p.coAssignment.verify()
	p.log.Info("partitions revoked", "pipeline", p.cfg.Name, "partitions", printable(parts))
	for _, h := range p.hooks.revoked {
		h.OnRevoked(p.cfg.Name, parts, false)
	}
}

// commitTries is how often the last commit of a lane is tried.
const commitTries = 3

// lost is told of partitions that this member has lost. The client keeps nothing of them.
func (p *Pipeline) lost(_ context.Context, _ *kgo.Client, parts map[string][]int32) {
	p.giveUp(parts)
	p.loseLanes(parts)
}

// loseLanes closes the lanes of lost partitions: nothing may be committed for them any more.
func (p *Pipeline) loseLanes(parts map[string][]int32) {
	lanes := p.lanesOf(parts)
	if len(lanes) == 0 {
		return
	}
	p.closeLanes(lanes) // a commit that waits looks once more before it is sent, and this may be called from what it waits for
	p.coAssignment.verify()
	p.log.Warn("partitions lost", "pipeline", p.cfg.Name, "partitions", printable(parts))
	for _, h := range p.hooks.revoked {
		h.OnRevoked(p.cfg.Name, parts, true)
	}
}

// abandon closes the lanes of topics that were deleted and made again. Nothing is committed: their watermarks are those of
// the topics that are gone.
func (p *Pipeline) abandon(topics []string) {
	var lanes []*lane
	for _, l := range p.intake.all() {
		if slices.Contains(topics, l.topic) {
			lanes = append(lanes, l)
		}
	}
	<-p.committer.turn
	p.closeLanes(lanes)
	p.committer.turn <- struct{}{}
}

func (p *Pipeline) lanesOf(parts map[string][]int32) (lanes []*lane) {
	for topic, ps := range parts {
		for _, part := range ps {
			if l := p.intake.lane(topic, part); l != nil {
				lanes = append(lanes, l)
			}
		}
	}
	return lanes
}

// drain takes up nothing new on the lanes and waits until what is under way has ended, for the drain time at most. What
// waits with attempts or times that its record does not tell of is moved out, so that the next owner knows them.
func (p *Pipeline) drain(ctx context.Context, lanes []*lane) {
	idle := make([]chan struct{}, len(lanes))
	var out []*entry
	for i, l := range lanes {
		l.stopping.Store(true)
		st := l.strand
		st.mu.Lock()
		if l.idle == nil {
			l.idle = make(chan struct{})
		}
		idle[i] = l.idle
		out = append(out, st.drain(l)...)
		st.mu.Unlock()
	}
	for _, e := range out {
		p.moveOut(e)
	}
	for _, l := range lanes {
		l.strand.wake()
	}
	timeout := time.NewTimer(p.cfg.Drain)
	defer timeout.Stop()
	for _, ch := range idle {
		select {
		case <-ch:
		case <-timeout.C:
			return
		case <-ctx.Done():
			return
		}
	}
}

// drain takes up nothing new on the lane, which signals when it is quiet. It returns the entries to be moved out, which
// count as routing, and sends held copies on their way once more.
func (st *strand) drain(l *lane) (out []*entry) {
	if c := st.chunk; c != nil && c.lane == l {
		st.cut(c)
	}
	l.draining = true
	now := time.Now()
	for _, e := range l.resting() {
		switch {
		case e.route != nil:
			e.route.hurry()
		case e.unsaved(now):
			out = append(out, st.depart(e))
		default:
			st.free(e)
		}
	}
	l.ready, l.waiting = queue{}, nil
	l.signalQuiet()
	return out
}

// resting lists the lane's entries that are not being handled and whose copies are not on their way.
func (l *lane) resting() (es []*entry) {
	for _, b := range l.batches {
		for _, e := range b.entries {
			if e != nil && e.status != entryRunning && e.status != entryRouting && e.status != entrySettled {
				es = append(es, e)
			}
		}
	}
	return es
}

// depart counts an entry as routing that is to be moved out.
func (st *strand) depart(e *entry) *entry {
	e.status = entryRouting
	e.lane.routing++
	st.free(e)
	return e
}

// closeLanes ends lanes: what is still under way counts for nothing, and its handlers' contexts end.
func (p *Pipeline) closeLanes(lanes []*lane) {
	defer p.scanAgain(lanes)
	for _, l := range lanes { // all of them first: a key that one frees must not go to another that is about to close
		l.stopping.Store(true)
		l.strand.mu.Lock()
		l.closed, l.draining = true, true
		l.strand.mu.Unlock()
	}
	for _, l := range lanes {
		st := l.strand
		st.mu.Lock()
		if c := st.chunk; c != nil && c.lane == l {
			st.chunk = nil
		}
		p.intake.released(l.open, l.bytes)
		p.intake.saved(l.settledRecords.Load() - l.saved)
		l.open, l.bytes, l.batches = 0, 0, nil
		l.held.Store(0)
		for _, e := range st.keys {
			if e.lane == l {
				st.free(e)
			}
		}
		l.ready, l.waiting = queue{}, nil
		st.lanes = without(st.lanes, l)
		empty := len(st.lanes) == 0
		st.mu.Unlock()
		l.cancel()
		p.intake.closed(l)
		p.held.forgetLane(l)
		p.outlets.forget(l)
		if !empty {
			st.wake() // keys that the lane held are free
			continue
		}
		st.rest()
		p.strands.mu.Lock()
		if key := (strandKey{st.source, st.partition}); p.strands.all[key] == st {
			delete(p.strands.all, key)
			p.strands.count.Add(-1)
		}
		p.strands.mu.Unlock()
	}
}

func without(lanes []*lane, gone *lane) []*lane {
	return slices.DeleteFunc(lanes, func(l *lane) bool { return l == gone })
}

// printable writes partitions in an order that does not change.
func printable(parts map[string][]int32) string {
	var text []string
	for _, topic := range slices.Sorted(maps.Keys(parts)) {
		ps := slices.Sorted(slices.Values(parts[topic]))
		text = append(text, fmt.Sprintf("%s%v", topic, ps))
	}
	return strings.Join(text, " ")
}
