package consumer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// commitOffsets adds the offsets to the transaction, as the member that we are.
func (t *transactor) commitOffsets(ctx context.Context, client *kgo.Client, ms marks) error {
	ctx, cancel := context.WithTimeout(ctx, commitTimeout)
	defer cancel()
	producer, epoch, err := client.ProducerID(ctx)
	if err != nil {
		return err
	}
	add := kmsg.NewPtrAddOffsetsToTxnRequest()
	add.TransactionalID, add.ProducerID, add.ProducerEpoch, add.Group = t.id, producer, epoch, t.p.cfg.Group
	for {
		resp, err := add.RequestWith(ctx, client)
		if err == nil {
			err = kerr.ErrorForCode(resp.ErrorCode)
		}
		if err == nil {
			break
		}
		if !repeatable(ctx, err) {
			return err
		}
	}
	began := time.Now()
	for {
		req, err := t.offsetCommit(ms, producer, epoch)
		if err != nil {
			return err
		}
		resp, err := req.RequestWith(ctx, client)
		if err == nil {
			err = t.refused(ms, resp)
		}
		if err == nil {
			t.p.meter.commit.observe(time.Since(began))
			return nil
		}
		if !repeatable(ctx, err) && !t.outdated(ctx, req, err) {
			return err
		}
	}
}

// outdated reports whether the coordinator refused an epoch that this member has left behind meanwhile. With KIP-848 epochs
// go on while a member keeps its partitions, and it may learn of it after its request was on its way.
func (t *transactor) outdated(ctx context.Context, req *kmsg.TxnOffsetCommitRequest, err error) bool {
	if !errors.Is(err, kerr.StaleMemberEpoch) && !errors.Is(err, kerr.IllegalGeneration) || t.p.cfg.GroupProtocol != NextGen || ctx.Err() != nil {
		return false
	}
	member, epoch := t.p.client.GroupMetadata()
	return member == req.MemberID && epoch != req.Generation
}

// offsetCommit makes the request. A client that the group has forgotten makes none: without a member the broker would not
// look whose the partitions are. Nor is one made for lanes that were lost since: as the member that we are by now it would
// be taken.
func (t *transactor) offsetCommit(ms marks, producer int64, epoch int16) (*kmsg.TxnOffsetCommitRequest, error) {
	member, generation := t.p.client.GroupMetadata()
	if member == "" || generation < 0 {
		return nil, errGivenUp
	}
	for _, m := range ms { // after the member was read: who loses a lane later is another one
		if m.lane.isClosed() {
			return nil, errGivenUp
		}
	}
	req := kmsg.NewPtrTxnOffsetCommitRequest()
	req.TransactionalID, req.Group, req.ProducerID, req.ProducerEpoch = t.id, t.p.cfg.Group, producer, epoch
	req.MemberID, req.Generation = member, generation
	if t.p.cfg.InstanceID != "" {
		req.InstanceID = kmsg.StringPtr(t.p.cfg.InstanceID)
	}
	topics := make(map[string]int)
	for at, m := range ms {
		i, ok := topics[at.topic]
		if !ok {
			i = len(req.Topics)
			topics[at.topic] = i
			topic := kmsg.NewTxnOffsetCommitRequestTopic()
			topic.Topic, topic.TopicID = at.topic, m.lane.topicID
			req.Topics = append(req.Topics, topic)
		}
		part := kmsg.NewTxnOffsetCommitRequestTopicPartition()
		part.Partition, part.Offset, part.LeaderEpoch, part.Metadata = at.number, m.at, m.epoch, kmsg.StringPtr(m.metadata)
		req.Topics[i].Partitions = append(req.Topics[i].Partitions, part)
	}
	return req, nil
}

// refused returns what the broker says against the commit of any partition. All of them stay in the transaction: it is either
// asked again with all, or comes to nothing. A lane whose topic is refused is left out of the next ones.
func (t *transactor) refused(ms marks, resp *kmsg.TxnOffsetCommitResponse) (refused error) {
	tooLarge := false
	for _, topic := range resp.Topics {
		for _, part := range topic.Partitions {
			err := kerr.ErrorForCode(part.ErrorCode)
			if err == nil {
				continue
			}
			at := partition{t.name(topic.Topic, topic.TopicID, ms), part.Partition}
			m := ms[at]
			shuns := m != nil && aboutTopic(err)
			switch err = m.refused(at, err); {
			case err == nil:
				tooLarge = true
			case shuns:
				t.shunLane(m.lane)
				refused = laneRefusedError{err}
			case refused == nil:
				refused = err
			}
		}
	}
	if tooLarge {
		return errTooLarge
	}
	return refused
}

// name returns the name of a topic that newer brokers call by its id only.
func (t *transactor) name(name string, id [16]byte, ms marks) string {
	for at, m := range ms {
		if name == "" && m.lane.topicID == id {
			return at.topic
		}
	}
	return name
}

// repeatable waits a moment when a request may be sent again after an error, and reports whether it may. What is about one of
// several topics is not to keep the others waiting.
func repeatable(ctx context.Context, err error) bool {
	var ke *kerr.Error
	if !errors.As(err, &ke) || !(ke.Retriable || ke == kerr.ConcurrentTransactions) || ke == kerr.RebalanceInProgress || aboutTopic(err) {
		return false
	}
	select {
	case <-ctx.Done():
		return false
	case <-time.After(20 * time.Millisecond):
		return true
	}
}

// outcome finds out what has become of a transaction whose end was not answered: another producer with the same id ends
// it for good, and then the group's offsets tell. Of lanes that are open nobody commits anything meanwhile.
func (t *transactor) outcome(ctx context.Context, ms marks) (committed bool, err error) {
	t.reset()
	for ctx.Err() == nil {
		if committed, err = t.ask(ctx, ms); err == nil {
			t.p.faults.clear("outcome")
			return committed, nil
		}
		t.p.faults.note("outcome", "", -1, fmt.Errorf("nothing is committed of %s until then, and nothing routed: %w", ms.partitions(), err))
		t.reset()
		select {
		case <-ctx.Done():
		case <-time.After(tryTimeout):
		}
	}
	return false, ctx.Err()
}

func (t *transactor) ask(ctx context.Context, ms marks) (committed bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, endTimeout)
	defer cancel()
	client, err := t.connect()
	if err != nil {
		return false, err
	}
	if _, _, err := client.ProducerID(ctx); err != nil {
		return false, fmt.Errorf("take the place of the transaction's producer: %w", err)
	}
	offsets, err := t.p.admin.FetchOffsets(kadm.RequireStable(ctx), t.p.cfg.Group)
	if err != nil {
		return false, fmt.Errorf("read the group's offsets after a transaction: %w", err)
	}
	return ms.standIn(offsets)
}

// standIn reports whether what was to be committed is what the group has. A mark that says the same as the one before tells
// nothing, as where there is no room for what is done above an offset: where that is so of all, nothing counts as committed, for
// to write copies once more repeats, and not to write them would lose.
func (ms marks) standIn(offsets kadm.OffsetResponses) (bool, error) {
	for at, m := range ms {
		if m.lane.isClosed() { // of which somebody else may have committed more
			continue
		}
		o, _ := offsets.Lookup(at.topic, at.number)
		if o.Err != nil {
			return false, fmt.Errorf("read the offset of %s/%d after a transaction: %w", at.topic, at.number, o.Err)
		}
		if m.news && o.At == m.at && o.Metadata == m.metadata {
			return true, nil
		}
	}
	return false, nil
}
