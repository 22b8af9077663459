package consumer

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
)

// TestFetchesAreAsLargeAsTheyAreInMemory has batches come that are compressed to a tenth, then such that are not, then a few of the first kind again.
func TestFetchesAreAsLargeAsTheyAreInMemory(t *testing.T) {
	const most, mostOfOne = 1 << 30, 1 << 20
	client, err := kgo.NewClient(kgo.SeedBrokers("nowhere:1"), kgo.BrokerMaxReadBytes(most), kgo.FetchMaxBytes(most), kgo.FetchMaxPartitionBytes(mostOfOne))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	s := new(fetchSize)
	came := func(compressed, whole int) (fetch, ofOne int32) {
		s.OnFetchBatchRead(kgo.BrokerMetadata{}, "t", 0, kgo.FetchBatchMetrics{CompressedBytes: compressed, UncompressedBytes: whole})
		s.adapt(client)
		return client.OptValue(kgo.FetchMaxBytes).(int32), client.OptValue(kgo.FetchMaxPartitionBytes).(int32)
	}
	want := func(what string, fetch, ofOne int32, wantFetch, wantOfOne int32) {
		t.Helper()
		equal(t, what, fetch, wantFetch)
		equal(t, what+", of a partition", ofOne, wantOfOne)
	}
	small := new(fetchSize)
	small.OnFetchBatchRead(kgo.BrokerMetadata{}, "t", 0, kgo.FetchBatchMetrics{NumRecords: 1000, CompressedBytes: 1000 * 50, UncompressedBytes: 1000 * 100})
	equal(t, "in memory of a thousand records of a hundred bytes", small.whole.Load(), 1000*(100+recordOverhead))
	fetch, ofOne := came(0, 0)
	want("before any came", fetch, ofOne, most/fetchRatio, mostOfOne)
	fetch, ofOne = came(1<<20, 100<<20)
	want("of a hundredth", fetch, ofOne, most/100, mostOfOne)
	for range 20 {
		fetch, ofOne = came(1<<30, 1<<30)
	}
	if fetch < most*3/4 || ofOne != mostOfOne {
		t.Errorf("after such that are not compressed it fetches %d, of a partition %d", fetch, ofOne)
	}
	for range 40 {
		fetch, ofOne = came(1<<10, 1<<50)
	}
	want("of next to nothing", fetch, ofOne, leastFetch, leastFetch)
	for range 60 {
		fetch, ofOne = came(64<<30, 1<<30)
	}
	if fetch < most*3/4 || ofOne != mostOfOne {
		t.Errorf("after batches of a small record each, which take more than it, it fetches %d, of a partition %d", fetch, ofOne)
	}
}
