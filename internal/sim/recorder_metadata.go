package sim

import (
	"iter"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// committedPart is one partition of a commit that is asked for.
type committedPart struct {
	member    string
	topic     string
	id        [16]byte
	partition int32
	metadata  *string
}

// partsOf goes through what a request commits, if it does.
func partsOf(req kmsg.Request) iter.Seq[committedPart] {
	return func(yield func(committedPart) bool) {
		switch commit := req.(type) {
		case *kmsg.OffsetCommitRequest:
			for _, t := range commit.Topics {
				for _, p := range t.Partitions {
					if !yield(committedPart{commit.MemberID, t.Topic, t.TopicID, p.Partition, p.Metadata}) {
						return
					}
				}
			}
		case *kmsg.TxnOffsetCommitRequest:
			for _, t := range commit.Topics {
				for _, p := range t.Partitions {
					if !yield(committedPart{commit.MemberID, t.Topic, t.TopicID, p.Partition, p.Metadata}) {
						return
					}
				}
			}
		}
	}
}

// limitMetadata makes the broker refuse the partitions of a commit whose metadata is longer than it takes, as real brokers do
// and the fake one does not.
func (r *recorder) limitMetadata(req kmsg.Request) {
	for p := range partsOf(req) {
		id := p.id
		if _, txn := req.(*kmsg.TxnOffsetCommitRequest); txn {
			if info := r.fake.TopicIDInfo(p.id); p.topic == "" && info != nil { // here the fake broker knows topics by name only
				p.topic = info.Topic
			}
			id = [16]byte{}
		}
		r.refuseMetadata(req, p.member, p.topic, id, p.partition, p.metadata)
	}
}

// takesMetadata reports whether the broker takes all metadata of a commit. Else that is what it is refused for, whatever happens to it besides: a commit that is
// carried out though its answer says that time was up would be kept with metadata that no broker takes.
func (r *recorder) takesMetadata(req kmsg.Request) bool {
	for p := range partsOf(req) {
		if p.metadata != nil && len(*p.metadata) > r.metadataLimit {
			return false
		}
	}
	return true
}

// refuseMetadata refuses a partition of a commit when its metadata is too long. From then on its member is known to have no
// room for what it has done above its commits.
func (r *recorder) refuseMetadata(req kmsg.Request, memberID, topic string, id [16]byte, partition int32, metadata *string) {
	if metadata == nil {
		return
	}
	member := r.member(memberID)
	r.mu.Lock()
	r.h.Metadata = max(r.h.Metadata, len(*metadata))
	refuse := len(*metadata) > r.metadataLimit
	if refuse {
		r.faulted["metadata too large"]++
		if !r.unmapped[member] {
			r.unmapped[member] = true
			r.h.Upsets = append(r.h.Upsets, Upset{Member: member, Kind: Unmapped, Begun: r.now()})
		}
	}
	r.mu.Unlock()
	if refuse {
		r.fake.Fault(kfake.Fault{
			Keys: []kmsg.Key{kmsg.Key(req.Key())}, Topic: topic, TopicID: id, Partitions: []int32{partition}, Err: kerr.OffsetMetadataTooLarge, Count: 1,
			When: func(other kmsg.Request) bool { return other == req },
		})
	}
}
