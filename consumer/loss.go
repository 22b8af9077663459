package consumer

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// losses are the partitions that cannot be read on where they were: their records were deleted before they were read, or
// the log was cut off below them by an unclean election and written anew. A loss is found by a fetch, where to go on is
// asked of the brokers, and the poll loop goes there, since nobody else may move a partition.
type losses struct {
	mu sync.Mutex
	of map[*lane]*loss
}

type loss struct {
	cause error
	to    int64 // where to go on
	epoch int32 // of the record before that, -1: unknown
	end   int64 // of the log
}

func newLosses() *losses { return &losses{of: make(map[*lane]*loss)} }

func (ls *losses) add(l *lane, found *loss) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	ls.of[l] = found
}

func (ls *losses) forget(l *lane) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	delete(ls.of, l)
}

func (ls *losses) all() map[*lane]*loss {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	if len(ls.of) == 0 {
		return nil
	}
	return maps.Clone(ls.of)
}

// dataLost sees to a partition whose unread records are gone. It is read no more, until it is known what is left.
func (p *Pipeline) dataLost(topic string, partition int32, cause error) {
	l := p.intake.lane(topic, partition)
	if l == nil {
		return
	}
	p.faults.note("loss", topic, partition, cause)
	if l.lost.Swap(true) {
		return // seen to already
	}
	p.intake.review(l)
	go p.findLeft(l, cause)
}

// findLeft asks where a partition can be read on, for as long as it takes, and tells the poll loop.
func (p *Pipeline) findLeft(l *lane, cause error) {
	for {
		found, err := p.left(l, cause)
		if err == nil {
			p.losses.add(l, found)
			p.intake.readerOf(l).interrupt()
			return
		}
		p.faults.note("loss", l.topic, l.partition, err)
		select {
		case <-l.ctx.Done():
			return
		case <-time.After(time.Second):
		}
	}
}

// left finds out where the partition can be read on. Where the client knows from which offset on the log is another one,
// that is there, but not further: the notice may be of a lane that had got further than this one. A position below the log goes to its
// beginning. So does one of which only its absence is known: to read again repeats, and not to read would lose.
func (p *Pipeline) left(l *lane, cause error) (*loss, error) {
	ctx, cancel := context.WithTimeout(l.ctx, commitTimeout)
	defer cancel()
	starts, err := p.admin.ListStartOffsets(ctx, l.topic)
	if err != nil {
		return nil, err
	}
	ends, err := p.admin.ListCommittedOffsets(ctx, l.topic)
	if err != nil {
		return nil, err
	}
	start, end := listed(starts, l), listed(ends, l)
	if err := errors.Join(start.Err, end.Err); err != nil {
		return nil, err
	}
	l.strand.mu.Lock()
	next := l.next
	l.strand.mu.Unlock()
	found := &loss{cause: cause, end: end.Offset}
	found.to, found.epoch = goOn(cause, start.Offset, next)
	return found, nil
}

// goOn is where a partition whose log begins at start is read on that was read up to next, and the epoch of the record before, -1 where that is not
// known.
func goOn(cause error, start, next int64) (to int64, epoch int32) {
	var cut *kgo.ErrDataLoss
	switch {
	case !errors.As(cause, &cut) || cut.ResetTo <= start:
		return start, -1
	case cut.ResetTo > next:
		return max(start, next), -1
	}
	return cut.ResetTo, cut.ResetToEpoch
}

func listed(offsets kadm.ListedOffsets, l *lane) kadm.ListedOffset {
	o, ok := offsets.Lookup(l.topic, l.partition)
	if !ok && o.Err == nil {
		o.Err = errors.New("the broker did not answer for the partition")
	}
	return o
}

// readOn moves lanes to where they can be read on. A source stands still until an operator decides, unless the
// configuration says skip; a retry topic, from which only its group deletes, is read on from what is left. A lane that goes
// back waits until its window is empty: what stands there has the offsets of what will be read. The lanes are those of a reader, which calls
// it between two polls.
func (p *Pipeline) readOn(r *reader) {
	var moved []*lane
	at := make(map[string]map[int32]kgo.EpochOffset)
	for l, found := range p.losses.all() {
		if p.intake.readerOf(l) != r {
			continue
		}
		hold := l.tier == 0 && p.cfg.OnDataLoss == HoldOnDataLoss
		from, state := l.moveTo(found, hold)
		if state == moveLater {
			continue
		}
		p.losses.forget(l)
		attrs := []any{"pipeline", p.cfg.Name, "topic", l.topic, "partition", l.partition, "from", from, "to", found.to, "error", found.cause}
		switch {
		case state == moveNever:
			continue
		case state == moveHeld:
			p.log.Error("unread records are gone: the partition stands still", append(attrs,
				"remedy", "set on_data_loss: skip to go on with what is left, or reset the group's offset")...)
			continue
		case found.to != from:
			p.log.Error("unread records are gone: going on with what is left", attrs...)
		}
		if at[l.topic] == nil {
			at[l.topic] = make(map[int32]kgo.EpochOffset)
		}
		at[l.topic][l.partition] = kgo.EpochOffset{Epoch: found.epoch, Offset: found.to}
		moved = append(moved, l)
		l.meter.lost.Add(uint64(max(found.to-from, 0)))
	}
	r.of.goBack(at)
	for _, l := range moved {
		r.fetched.drop(l)
		l.lost.Store(false)
	}
	p.intake.review(moved...)
	p.scanAnew(slices.DeleteFunc(slices.Clone(moved), func(l *lane) bool { return l.tier == 0 }))
	if len(moved) > 0 {
		p.committer.moved()
	}
}

type move uint8

const (
	moveNow   move = iota
	moveLater      // records are open that have to end first
	moveHeld       // it stands still
	moveNever      // the lane is closed, or will be
)

// moveTo sets where the lane reads next, unless it is to hold when that is elsewhere, and returns where it was.
func (l *lane) moveTo(found *loss, hold bool) (from int64, m move) {
	l.strand.mu.Lock()
	defer l.strand.mu.Unlock()
	from = l.next
	switch {
	case l.closed || l.draining:
		return from, moveNever
	case hold && found.to != from:
		return from, moveHeld
	case found.to < from && l.open > 0:
		return from, moveLater
	case found.to < from:
		l.known, l.top = nil, -1
		l.pinned, l.stands, l.stuck = -1, said{}, false // they tell of a log that is gone
	}
	if found.to != from {
		l.next, l.epoch = found.to, found.epoch
		l.forget()
		l.version++
	}
	l.end.Store(found.end)
	return from, moveNow
}
