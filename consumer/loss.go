package consumer

import (
	"context"
	"errors"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// dataLost sees to a partition whose unread records are gone. A source stands still until an operator decides, unless
// the configuration says skip; a retry topic, from which only its group deletes, is read on from what is left.
func (p *Pipeline) dataLost(topic string, partition int32, cause error) {
	l := p.intake.lane(topic, partition)
	if l == nil {
		return
	}
	p.faults.note("loss", topic, partition, cause)
	if l.tier == 0 && p.cfg.OnDataLoss == HoldOnDataLoss {
		if !l.lost.Swap(true) {
			p.log.Error("unread records are gone: the partition stands still", "pipeline", p.cfg.Name, "topic", topic, "partition", partition,
				"remedy", "set on_data_loss: skip to go on with the oldest record that is left, or reset the group's offset", "error", cause)
			p.intake.review(l)
		}
		return
	}
	go p.readOn(l, cause)
}

// readOn goes on with the oldest record that is left.
func (p *Pipeline) readOn(l *lane, cause error) {
	ctx, cancel := context.WithTimeout(l.ctx, commitTimeout)
	defer cancel()
	listed, err := p.admin.ListStartOffsets(ctx, l.topic)
	o, ok := listed.Lookup(l.topic, l.partition)
	if err != nil || !ok || o.Err != nil {
		p.faults.note("loss", l.topic, l.partition, errors.Join(err, o.Err))
		time.AfterFunc(time.Second, func() {
			if l.ctx.Err() == nil {
				p.readOn(l, cause)
			}
		})
		return
	}
	l.strand.mu.Lock()
	from := l.next
	if o.Offset < l.next && len(l.batches) == 0 {
		// The log ends before our position: it was cut off by an unclean election, or made again. Reading it from its
		// beginning repeats; not reading what is there would lose.
		l.next = o.Offset
	}
	closed := l.closed
	l.strand.mu.Unlock()
	if closed {
		return
	}
	p.log.Error("unread records are gone: going on with the oldest that is left", "pipeline", p.cfg.Name, "topic", l.topic,
		"partition", l.partition, "from", from, "to", o.Offset, "error", cause)
	p.client.SetOffsets(map[string]map[int32]kgo.EpochOffset{l.topic: {l.partition: {Epoch: -1, Offset: o.Offset}}})
}
