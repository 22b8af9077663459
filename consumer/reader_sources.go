package consumer

import (
	"context"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// sourceReading is what the group's client reads: the source partitions that the group assigns. A rebalance waits while what was polled
// is handed over, so that a lane gets only what is its own.
type sourceReading struct{ p *Pipeline }

func (*sourceReading) reads(*lane) bool { return true }

func (*sourceReading) most() int { return maxPoll }

func (*sourceReading) keep(_ *lane, records []*kgo.Record, _ time.Time) int { return len(records) }

// goBack is not called beside a commit.
func (s *sourceReading) goBack(at map[string]map[int32]kgo.EpochOffset) {
	if len(at) == 0 {
		return
	}
	<-s.p.committer.turn
	s.p.client.SetOffsets(at)
	s.p.committer.turn <- struct{}{}
}

func (s *sourceReading) between(ctx context.Context) {
	if kept := s.p.regained(); len(kept) > 0 {
		s.p.adopt(ctx, kept)
	}
	s.p.readOn(s.p.intake.sources)
	s.p.client.AllowRebalance()
}
