package consumer

import (
	"reflect"
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kgo"
)

// fetchSize keeps what the group's client fetches from a broker at a time within its bound as it is in memory. Brokers count batches as they are
// compressed, and what has come is held beside the window until it is taken: at a ratio of ten it would be ten times as much. Of small records most
// is what the client keeps beside their bytes.
type fetchSize struct {
	compressed, whole atomic.Int64 // bytes of the batches of late, as they came and in memory

	most, mostOfOne int32 // bytes of a fetch, and of a partition in it, that the client was made with; the poll loop's own from when it begins, as what follows
	asked           int32
}

const (
	// fetchRatio is how well batches are taken to be compressed before any came.
	fetchRatio = 8
	// leastFetch is what is fetched at least; a batch that is larger comes all the same.
	leastFetch = 64 << 10
)

// recordOverhead is what a record takes in memory beside its bytes, in bytes.
var recordOverhead = int64(reflect.TypeFor[kgo.Record]().Size())

// OnFetchBatchRead implements [kgo.HookFetchBatchRead]. It may be called by several goroutines.
func (s *fetchSize) OnFetchBatchRead(_ kgo.BrokerMetadata, _ string, _ int32, m kgo.FetchBatchMetrics) {
	s.compressed.Add(int64(m.CompressedBytes))
	s.whole.Add(int64(m.UncompressedBytes) + int64(m.NumRecords)*recordOverhead)
}

// adapt tells the client how much to fetch from now on, if that has changed by more than a quarter.
func (s *fetchSize) adapt(client *kgo.Client) {
	if s.most == 0 {
		s.most, _ = client.OptValue(kgo.FetchMaxBytes).(int32)
		s.mostOfOne, _ = client.OptValue(kgo.FetchMaxPartitionBytes).(int32)
	}
	compressed, whole := s.compressed.Load(), s.whole.Load()
	if whole == 0 {
		compressed, whole = 1, fetchRatio
	}
	if whole > 4*int64(s.most) { // what came long ago counts little
		s.compressed.Add(-compressed / 2)
		s.whole.Add(-whole / 2)
	}
	most := int64(s.most)
	next := int32(min(max(int64(float64(most)*float64(compressed)/float64(whole)), leastFetch), most)) // small batches take more than their records
	if change := next - s.asked; change > s.asked/4 || change < -s.asked/4 {
		s.asked = next
		client.UpdateFetchMaxBytes(next, min(next, s.mostOfOne))
	}
}
