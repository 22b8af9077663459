package consumer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// committer commits the watermarks of open lanes. A commit and the closing of lanes exclude each other, so that nothing
// is committed for a partition after its revocation: neither the client nor the broker would refuse it, and it would
// put the next owner back.
type committer struct {
	p     *Pipeline
	turn  chan struct{} // held during a commit and while lanes close; a channel, for it is held across a request
	dirty chan struct{} // a watermark has moved
}

const (
	// commitPause is how long a commit collects before it is sent.
	commitPause = 200 * time.Millisecond
	// commitTimeout bounds one commit request.
	commitTimeout = 10 * time.Second
)

func newCommitter(p *Pipeline) *committer {
	c := &committer{p: p, turn: make(chan struct{}, 1), dirty: make(chan struct{}, 1)}
	c.turn <- struct{}{}
	return c
}

// errGivenUp is the end of a commit that waited while partitions of it were given up. The next one leaves them out.
var errGivenUp = errors.New("partitions were given up while the commit waited")

// moved says that a watermark has moved.
func (c *committer) moved() {
	select {
	case c.dirty <- struct{}{}:
	default:
	}
}

// run commits until ctx ends. It rests while no watermark moves.
func (c *committer) run(ctx context.Context) {
	pause := time.NewTimer(0)
	<-pause.C
	for {
		select {
		case <-ctx.Done():
			return
		case <-c.dirty:
		}
		pause.Reset(commitPause)
		select {
		case <-ctx.Done():
			return
		case <-pause.C:
		}
		if err := c.commit(ctx, c.p.intake.all()); err != nil && ctx.Err() == nil {
			if !errors.Is(err, errGivenUp) {
				c.p.faults.note("commit", "", -1, err)
			}
			c.moved()
		}
	}
}

// commit commits the watermarks of the lanes that are open and have moved.
func (c *committer) commit(ctx context.Context, lanes []*lane) error {
	select {
	case <-c.turn:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { c.turn <- struct{}{} }()
	return c.commitHeld(ctx, lanes)
}

// commitHeld is commit for who has the turn.
func (c *committer) commitHeld(ctx context.Context, lanes []*lane) error {
	offsets := make(map[string]map[int32]kgo.EpochOffset)
	moved := make(map[*lane]int64)
	for _, l := range lanes {
		l.strand.mu.Lock()
		at, epoch, ok := l.watermark(), l.epoch, l.placed && !l.closed && l.watermark() != l.committed
		l.strand.mu.Unlock()
		if !ok {
			continue
		}
		if offsets[l.topic] == nil {
			offsets[l.topic] = make(map[int32]kgo.EpochOffset)
		}
		offsets[l.topic][l.partition] = kgo.EpochOffset{Epoch: epoch, Offset: at}
		moved[l] = at
	}
	if len(moved) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, commitTimeout)
	defer cancel()
	ctx = kgo.PreCommitFnContext(ctx, func(req *kmsg.OffsetCommitRequest) error {
		// A commit waits while the group rebalances, and is then sent with what this member is after that.
		for l := range moved {
			l.strand.mu.Lock()
			closed := l.closed
			l.strand.mu.Unlock()
			if closed {
				return errGivenUp
			}
		}
		return c.annotate(req)
	})
	began := time.Now()
	var failed error
	answered := false
	c.p.client.CommitOffsetsSync(ctx, offsets, func(_ *kgo.Client, _ *kmsg.OffsetCommitRequest, resp *kmsg.OffsetCommitResponse, err error) {
		if err != nil {
			failed = err
			return
		}
		answered = true
		for _, t := range resp.Topics {
			for _, part := range t.Partitions {
				if err := kerr.ErrorForCode(part.ErrorCode); err != nil {
					failed = fmt.Errorf("%s/%d: %w", t.Topic, part.Partition, err)
					for l := range moved {
						if l.topic == t.Topic && l.partition == part.Partition {
							delete(moved, l)
						}
					}
				}
			}
		}
	})
	c.p.meter.commit.observe(time.Since(began))
	if failed == nil || answered {
		for l, at := range moved {
			l.strand.mu.Lock()
			l.committed = at
			l.strand.mu.Unlock()
		}
	}
	return failed
}

// annotate says in the commit's metadata what the partition is to this group, see note.
func (c *committer) annotate(req *kmsg.OffsetCommitRequest) error {
	for i := range req.Topics {
		t := &req.Topics[i]
		for j := range t.Partitions {
			text := c.p.topics.note(t.Topic).String()
			t.Partitions[j].Metadata = &text
		}
	}
	return nil
}
