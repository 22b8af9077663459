package consumer

import (
	"context"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// sourceReading is what the group's client reads: the source partitions that the group assigns. A rebalance waits while it is noted of which lane
// what was polled is, so that a lane gets only what is its own; one that is closed since takes nothing.
type sourceReading struct {
	p    *Pipeline
	size fetchSize
}

func (*sourceReading) reads(*lane) bool { return true }

func (*sourceReading) most() int { return maxPoll }

// bring has all polled that the client has, so that it fetches on: what was polled waits in its lane until there is room. That is of no use where it
// is the calls that take the time, and of what waits in the client a paused partition loses its place before the others.
func (s *sourceReading) bring(ctx context.Context) int {
	r := s.p.intake.sources
	if r.late {
		return r.ask(ctx)
	}
	if _, bytes := r.stopped(); bytes > int64(fetchBytes(s.p.cfg.Window)) {
		r.interrupt() // that is given back first, which is done between two polls
	}
	return -1
}

// keep leaves what the window's bytes have no room for, and a quarter of them beside: records that are larger than those of late, or that were
// compressed well, may come in any number that was asked for.
func (s *sourceReading) keep(l *lane, records []*kgo.Record, _ time.Time) int {
	_, room := s.p.intake.left()
	if kept := fitting(records, len(records), room+s.p.cfg.Window.Bytes/4); kept > 0 || l.held.Load() > 0 {
		return kept
	}
	return 1
}

// goBack is not called beside a commit.
func (s *sourceReading) goBack(at map[string]map[int32]kgo.EpochOffset) {
	if len(at) == 0 {
		return
	}
	<-s.p.committer.turn
	s.p.client.SetOffsets(at)
	s.p.committer.turn <- struct{}{}
}

func (s *sourceReading) between(ctx context.Context, _ int) {
	s.p.intake.sources.boundStopped(int64(fetchBytes(s.p.cfg.Window))) // what a fetch brings
	if kept := s.p.regained(); len(kept) > 0 {
		s.p.adopt(ctx, kept)
	}
	s.p.readOn(s.p.intake.sources)
	s.size.adapt(s.p.client)
	s.p.client.AllowRebalance()
}
