package consumer

import (
	"context"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// revoked drains the lanes of partitions that go to another member, commits what is settled, and closes them.
func (p *Pipeline) revoked(ctx context.Context, _ *kgo.Client, parts map[string][]int32) {
	p.giveUp(parts)
	lanes := p.lanesOf(parts)
	if len(lanes) == 0 {
		return
	}
	p.drain(ctx, lanes)
	<-p.committer.turn
	_ = p.committer.commitLast(ctx, lanes)
	p.closeLanes(lanes)
	p.committer.turn <- struct{}{}
	p.coAssignment.verify()
	p.log.Info("partitions revoked", "pipeline", p.cfg.Name, "partitions", printable(parts))
	for _, h := range p.hooks.revoked {
		h.OnRevoked(p.cfg.Name, parts, false)
	}
}

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
	for _, l := range lanes { // all of them first: a key that one frees must not go to another that is about to be drained
		l.stopping.Store(true)
		l.strand.mu.Lock()
		l.strand.takeUpNoMore(l)
		l.strand.mu.Unlock()
	}
	idle := make([]chan struct{}, len(lanes))
	var out []*entry
	for i, l := range lanes {
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

// takeUpNoMore lets nothing begin on the lane from now on.
func (st *strand) takeUpNoMore(l *lane) {
	if c := st.chunk; c != nil && c.lane == l {
		st.cut(c)
	}
	l.draining = true
}

// drain empties the lines of a lane on which nothing begins any more. The lane signals when it is quiet. It returns the entries to be
// moved out, which count as routing, and sends held copies on their way once more.
func (st *strand) drain(l *lane) (out []*entry) {
	now := time.Now()
	for _, e := range l.resting() {
		switch {
		case e.route != nil:
			e.route.hurry()
		case e.unsaved(now):
			out = append(out, st.depart(e))
		default:
			e.status = entryHeld // in no line any more: an operator may still skip it
			st.free(e)
		}
	}
	l.ready, l.waiting = readyLine{}, nil
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

// leaveFlows takes what the lane holds out of what its flows hold.
func (l *lane) leaveFlows() {
	for _, b := range l.batches {
		for _, e := range b.entries {
			if e != nil {
				e.leaveFlow()
			}
		}
	}
}

// depart counts an entry as routing that is to be moved out.
func (st *strand) depart(e *entry) *entry {
	e.status = entryRouting
	e.lane.routing++
	e.leaveFlow()
	st.free(e)
	return e
}

// closeLanes ends lanes: what is still under way counts for nothing, and its handlers' contexts end.
func (p *Pipeline) closeLanes(lanes []*lane) {
	lanes = slices.DeleteFunc(slices.Clone(lanes), (*lane).close) // all of them first: a key that one frees must not go to another that is about to close
	defer p.scanAnew(lanes)
	for _, l := range lanes {
		st := l.strand
		st.mu.Lock()
		if c := st.chunk; c != nil && c.lane == l {
			st.chunk = nil
		}
		p.intake.released(l.open, l.bytes)
		p.intake.saved(l.settledRecords.Load() - l.saved)
		l.leaveFlows()
		l.open, l.bytes, l.batches = 0, 0, nil
		l.tellHeld()
		for _, e := range st.keys {
			if e.lane == l {
				st.free(e)
			}
		}
		l.ready, l.waiting = readyLine{}, nil
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
		if p.retire(st) {
			st.rest()
			if p.deadWatch != nil {
				p.deadWatch.leave(st)
			}
		}
	}
	p.intake.reviewAll() // the shares of those that stay have grown
}

func without(lanes []*lane, gone *lane) []*lane {
	return slices.DeleteFunc(lanes, func(l *lane) bool { return l == gone })
}

// close lets nothing of the lane count any more. It reports whether it was closed before.
func (l *lane) close() (before bool) {
	l.stopping.Store(true)
	st := l.strand
	st.mu.Lock()
	defer st.mu.Unlock()
	before = l.closed
	l.closed, l.draining = true, true
	if st.holding != nil {
		st.holding.open = false // what was put off in this lane is not known any more
	}
	return before
}
