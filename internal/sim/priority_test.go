//go:build synctests

package sim

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/consumer"
)

// Records of the highest priority come without end, more than can be handled. They go before what has a lower one, and what has
// the lowest is handled all the same, when it has aged; and the records of a key stay in their order, whatever their priorities.
func TestPriorityGoesFirstAndNothingStarves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const ageing, slots, lows = time.Second, 10, 500
		s := setUp(t, kgo.ProducerLinger(0))
		var mu sync.Mutex
		waited := map[int][]time.Duration{}
		seen := map[string]int{}
		_, stop := s.start(consumer.Config{
			Group: "g", Topics: []string{"load"}, Concurrency: slots, Window: consumer.Window{Records: 2000}, Priority: &consumer.Priority{Ageing: ageing},
			Handler: consumer.HandlerFunc(func(_ context.Context, r *consumer.Record) error {
				mu.Lock()
				priority, _ := strconv.Atoi(r.JobHeader("priority"))
				at, _ := strconv.ParseInt(string(r.Value), 10, 64)
				waited[priority] = append(waited[priority], time.Since(time.Unix(0, at)))
				number, _ := strconv.Atoi(string(r.Headers[0].Value))
				if last, again := seen[string(r.Key)]; again && last > number {
					t.Errorf("ordered: record %d of key %s was handled after %d", number, r.Key, last)
				}
				seen[string(r.Key)] = number
				mu.Unlock()
				time.Sleep(contestWork)
				return nil
			}),
		})
		n := 0
		record := func(priority, of int, key string) *kgo.Record {
			n++
			return &kgo.Record{
				Topic: "load", Partition: int32(of) % contestParts, Key: []byte(key), Value: strconv.AppendInt(nil, time.Now().UnixNano(), 10),
				Headers: []kgo.RecordHeader{{Key: "n", Value: strconv.AppendInt(nil, int64(n), 10)}, {Key: "redeliver-priority", Value: strconv.AppendInt(nil, int64(priority), 10)}},
			}
		}
		var first []*kgo.Record
		for i := range lows {
			first = append(first, record(0, i, fmt.Sprint("low-", i)))
			if i%10 == 0 {
				first = append(first, record(9, i, fmt.Sprint("low-", i))) // of a key that has a lower one before
			}
		}
		s.write(first...)
		const step = 20 * time.Millisecond
		for began := time.Now(); time.Since(began) < 25*time.Second; time.Sleep(step) {
			var batch []*kgo.Record
			for range 5 { // a quarter more than can be handled
				batch = append(batch, record(9, n, fmt.Sprint("high-", n)))
			}
			s.write(batch...)
		}
		stop()
		mu.Lock()
		defer mu.Unlock()
		longest, early := time.Duration(0), 0
		for _, d := range waited[0] {
			longest = max(longest, d)
			if d < 8*ageing {
				early++
			}
		}
		t.Logf("%d of %d records of the lowest priority were handled, the last after %v, %d of them early; %d of the highest", len(waited[0]), lows, longest, early, len(waited[9]))
		if len(waited[0]) < lows {
			t.Errorf("isolated: %d of %d records of the lowest priority were handled beside an endless load of the highest", len(waited[0]), lows)
		}
		// Then those are left to be handled first that were ready by that time, and the other ones of the lowest.
		const lasts, highs, aged = 25.0, 5 / 0.02, 9 * 1.0 // seconds, records a second, seconds
		rate := float64(len(waited[0])+len(waited[9])) / lasts
		most := 9*ageing + time.Duration((aged*(highs-rate)+lows*1.1)/rate*float64(time.Second)) + time.Second
		if longest > most {
			t.Errorf("isolated: a record of the lowest priority waited %v, at most %v", longest, most)
		}
		if early > 4*slots {
			t.Errorf("%d records of the lowest priority went before records of the highest", early)
		}
	})
}
