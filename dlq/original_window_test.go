package dlq

import (
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/retrytopics"
)

// What is kept of originals is bounded: the windows that were not used for longest make room for another one, and a fetch that is larger than all of it stays
// alone.
func TestWindowsAreBounded(t *testing.T) {
	w := newWindows()
	place := func(n int32) originPlace { return originPlace{"orders", n} }
	add := func(n int32, bytes int) {
		w.turn++
		w.keep(place(n), &window{bytes: bytes, used: w.turn})
	}
	for n := range int32(4) {
		add(n, windowsBytes/4)
	}
	if len(w.all) != 4 || w.bytes != windowsBytes {
		t.Fatalf("%d windows of %d bytes", len(w.all), w.bytes)
	}
	w.turn++
	w.all[place(0)].used = w.turn
	add(4, windowsBytes/4)
	if w.all[place(0)] == nil || w.all[place(1)] != nil || w.bytes != windowsBytes {
		t.Errorf("kept are %v, of %d bytes", w.all, w.bytes)
	}
	add(5, 2*windowsBytes)
	if len(w.all) != 1 || w.all[place(5)] == nil || w.bytes != 2*windowsBytes {
		t.Errorf("kept are %v, of %d bytes", w.all, w.bytes)
	}
	w.drop(place(5))
	if w.bytes != 0 {
		t.Errorf("%d bytes of nothing", w.bytes)
	}
}

// When a broker says that it wrote a record after the death, that is another record than the one that died, whoever names the entry.
func TestOriginalsThatABrokerWroteLater(t *testing.T) {
	died := time.UnixMilli(1_700_000_000_000)
	e := &Entry{Dialect: retrytopics.ShareGroup, At: died}
	e.State.Topic, e.State.ID = "orders", "orders/0/0"
	for _, c := range []struct {
		appended, named, taken bool
		later                  time.Duration
		why                    string
	}{
		{true, false, true, clocksDiffer, ""},
		{true, true, false, 2 * clocksDiffer, "was written after that had died: the topic was deleted and made again"},
		{false, false, false, 2 * clocksDiffer, "was written, by its producer's clock, after that had died"},
		{false, true, true, 2 * clocksDiffer, ""},
	} {
		o := newOriginals(nil)
		o.named = func(*Entry) bool { return c.named }
		o.topics["orders"] = &originTopic{fetcher: &fetcher{topic: "orders"}, stable: map[int32]int64{0: 1}, written: map[int32]int64{0: 1}}
		record := &kgo.Record{Topic: "orders", Timestamp: died.Add(c.later)}
		if c.appended {
			record.Attrs = kgo.NewRecordAttrs(kgo.RecordAttrsOpts{TimestampType: logAppendTime})
		}
		o.keep(originPlace{"orders", 0}, &window{next: 1, records: []*kgo.Record{record}})
		got, err := o.find(t.Context(), e)
		if (got != nil) != c.taken || err == nil != (c.why == "") || err != nil && !strings.Contains(err.Error(), c.why) {
			t.Errorf("%+v: %v, %v", c, got, err)
		}
	}
}
