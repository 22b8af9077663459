package sim

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// limitMetadata makes the broker refuse the partitions of a commit whose metadata is longer than it takes, as real brokers do
// and the fake one does not.
func (r *recorder) limitMetadata(req kmsg.Request) {
	switch commit := req.(type) {
	case *kmsg.OffsetCommitRequest:
		for _, t := range commit.Topics {
			for _, p := range t.Partitions {
				r.refuseMetadata(req, commit.MemberID, t.Topic, t.TopicID, p.Partition, p.Metadata)
			}
		}
	case *kmsg.TxnOffsetCommitRequest:
		for _, t := range commit.Topics {
			name := t.Topic
			if info := r.fake.TopicIDInfo(t.TopicID); name == "" && info != nil { // here the fake broker knows topics by name only
				name = info.Topic
			}
			for _, p := range t.Partitions {
				r.refuseMetadata(req, commit.MemberID, name, [16]byte{}, p.Partition, p.Metadata)
			}
		}
	}
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
