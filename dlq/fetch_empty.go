package dlq

import (
	"context"
	"errors"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// A broker may answer a fetch with nothing and no error though there are records: with tiered storage (KIP-405), when those that the local log has no
// more do not come within remote.fetch.max.wait.ms. It is asked again then, as a consumer does, for ever; who reads up to an end wants to know whether
// there is nothing left. There is where the topic is compacted and the log ends in what was cleaned away. Apache Kafka never cleans the last segment, in
// which the last batch stands, and other brokers do. What deletes by time or size takes records from the start only, which is told as out of range.

const (
	emptyTwice     = 2               // a broker that says what its local log has is believed then
	emptyManyTimes = 8               // and one that does not
	emptyBackoff   = 2 * time.Second // is the longest
)

var errEmpty = errors.New("the broker goes on answering with no records where there ought to be some; with tiered storage see whether its remote storage " +
	"answers within the brokers' remote.fetch.max.wait.ms")

// emptyWait is how long is waited before a broker is asked again that answered with nothing so many times in a row.
func emptyWait(empty int) time.Duration {
	return min(fetchBackoff<<min(max(empty-1, 0), 10), emptyBackoff)
}

// cleaned says whether there is nothing from an offset on where the broker answered so, as many times in a row. Whoever cannot find out is told no.
func (f *fetcher) cleaned(ctx context.Context, partition int32, at int64, empty int) bool {
	if empty < emptyTwice || !compacted(ctx, f.admin, f.topic) {
		return false
	}
	local, said := f.localStart(ctx, partition)
	if !said {
		return empty >= emptyManyTimes
	}
	return local >= 0 && local <= at
}

// localSince is the version of ListOffsets since which brokers say where their local log begins; those before take the timestamp for one.
const localSince = 8

// localStart is where the local log of a partition begins, -1 where that is not known at the moment. Brokers that know of no such thing do not say.
func (f *fetcher) localStart(ctx context.Context, partition int32) (offset int64, said bool) {
	p := kmsg.NewListOffsetsRequestTopicPartition()
	p.Partition, p.Timestamp = partition, -4
	t := kmsg.NewListOffsetsRequestTopic()
	t.Topic, t.Partitions = f.topic, []kmsg.ListOffsetsRequestTopicPartition{p}
	req := kmsg.NewPtrListOffsetsRequest()
	req.ReplicaID, req.Topics = -1, []kmsg.ListOffsetsRequestTopic{t}
	resp, err := f.client.Broker(int(f.leader(partition))).RetriableRequest(ctx, req)
	if err != nil {
		return -1, true
	}
	listed := resp.(*kmsg.ListOffsetsResponse)
	if listed.Version < localSince {
		return -1, false
	}
	if len(listed.Topics) != 1 || len(listed.Topics[0].Partitions) != 1 {
		return -1, true
	}
	answer := &listed.Topics[0].Partitions[0]
	if errors.Is(kerr.ErrorForCode(answer.ErrorCode), kerr.UnsupportedVersion) {
		return -1, false
	}
	if answer.ErrorCode != 0 {
		return -1, true
	}
	return answer.Offset, true
}
