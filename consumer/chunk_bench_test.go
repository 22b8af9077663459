package consumer

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// BenchmarkQuickCalls is what the engine does with a record whose call takes next to nothing, from the poll that brought it to its
// settlement, without the client's part.
func BenchmarkQuickCalls(b *testing.B) {
	const lanes, poll = 12, 2000
	var handled atomic.Int64
	done := make(chan struct{}, 1)
	var target atomic.Int64
	w := onBench(b, HandlerFunc(func(context.Context, *Record) error {
		if handled.Add(1) == target.Load() {
			done <- struct{}{}
		}
		return nil
	}))
	var all [lanes]*lane
	var polls [lanes][]*kgo.Record
	for i := range all {
		all[i] = w.lane(int32(i), 0)
		slab := make([]kgo.Record, poll)
		for j := range slab {
			slab[j] = kgo.Record{Topic: testTopic, Partition: int32(i), Key: []byte("key"), Value: make([]byte, 100), Timestamp: time.Now()}
			polls[i] = append(polls[i], &slab[j])
		}
	}
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		if n%poll != 0 {
			continue
		}
		i := n / poll % lanes
		next := int64(n / poll / lanes * poll)
		for j, r := range polls[i] {
			r.Offset = next + int64(j)
		}
		target.Add(poll)
		w.p.received(all[i], polls[i], time.Now())
		<-done
	}
}
