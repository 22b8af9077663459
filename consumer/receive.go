package consumer

import (
	"container/heap"
	"errors"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/retrytopics"
)

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
		b.walks++ // some of them may be settled as they come, with what is behind them settled already
		for i, r := range records {
			if b.state[i] == recordOpen {
				p.enter(l, b, i, r, now)
			}
		}
		b.walks--
	} else {
		p.meter.received.Add(uint64(b.data))
	}
	leaving := st.takeLeaving()
	st.mu.Unlock()
	p.sendDeferred(leaving)
	st.wake()
	p.committer.moved()
}

// enter makes the entry of a retry topic's record and lets it wait for its time. The strand's lock is held.
func (p *Pipeline) enter(l *lane, b *batch, i int, r *kgo.Record, now time.Time) {
	state, err := retrytopics.Decode(r)
	e := &entry{lane: l, batch: b, index: i, record: r, state: &state, attempts: state.Attempt, carried: state.Attempt, due: state.Due, hopDue: state.HopDue, counted: r.Timestamp}
	b.follow(i, e)
	if state.Group != "" && state.Group != p.cfg.Group {
		if times, loud := p.repeats.again("foreign copy", l.topic); loud {
			p.log.Warn("copy of another group left alone: is a topic shared?", "pipeline", p.cfg.Name, "topic", l.topic, "offset", r.Offset, "group", state.Group, "times", times)
		}
		p.topics.share(l.topic)
		p.meter.settled(l, Skipped)
		e.status = entrySettled
		l.settle(b, i)
		return
	}
	if err != nil {
		p.damaged(l, r, err)
	}
	p.meter.skewed(r.Timestamp.Sub(now))
	l.strand.key(e)
	l.strand.replayed(e)
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
		l.strand.makeReady(e, now)
		return
	}
	e.status = entryWaiting
	heap.Push(&l.waiting, e)
}

// damaged tells of a copy whose headers cannot be read: which ones, and in detail what stands in them, which may be anything.
func (p *Pipeline) damaged(l *lane, r *kgo.Record, err error) {
	times, loud := p.repeats.again("damaged copy", l.topic)
	if !loud {
		return
	}
	p.log.Warn("copy with damaged headers", "pipeline", p.cfg.Name, "topic", l.topic, "partition", l.partition, "offset", r.Offset, "headers", damagedHeaders(err), "times", times)
	p.log.Debug("what is wrong with the headers of a copy", "pipeline", p.cfg.Name, "topic", l.topic, "partition", l.partition, "offset", r.Offset, "error", err)
}

// damagedHeaders names the headers that [retrytopics.Decode] could not read.
func damagedHeaders(err error) (names []string) {
	all, _ := err.(interface{ Unwrap() []error })
	if all == nil {
		return nil
	}
	for _, one := range all.Unwrap() {
		if damaged := (*retrytopics.DamagedHeaderError)(nil); errors.As(one, &damaged) {
			names = append(names, damaged.Header)
		}
	}
	return slices.Compact(names)
}
