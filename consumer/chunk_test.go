package consumer

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redeliver/redeliver/retrytopics"
)

type onFailed func(Failed)

func (f onFailed) OnFailed(x Failed) { f(x) }

// TestAFailedRecordOfAChunkThatIsCutStaysOpen cuts a chunk, as the look at a slow one, a drain and a skip do, just when a
// failure of its is carried out: the record that failed must not be taken for one that the worker is through with.
func TestAFailedRecordOfAChunkThatIsCutStaysOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var st *strand
		cut := onFailed(func(Failed) {
			st.mu.Lock()
			defer st.mu.Unlock()
			if st.chunk != nil {
				st.cut(st.chunk)
			}
		})
		calls := 0
		w := onBench(t, HandlerFunc(func(context.Context, *Record) error {
			calls++
			return errors.New("away")
		}), func(c *Config) {
			c.Hooks = []Hook{cut}
			c.Concurrency = 1
			c.Retry.InPlace = retrytopics.InPlace{Max: 1, Delay: time.Minute}
		})
		l := w.lane(0, 0)
		st = l.strand
		w.feed(l, "a", "b", "c")
		synctest.Wait()
		if calls == 0 {
			t.Fatal("nothing was called")
		}
		equal(t, "watermark while the record waits for its next try", w.watermark(l), 0)
	})
}
