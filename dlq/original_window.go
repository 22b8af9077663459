package dlq

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	windowsBytes = 16 << 20  // of all windows, or one fetch
	windowLeast  = 16 << 10  // that is asked for at a time
	windowFirst  = 64 << 10  //
	windowMost   = fetchMost //
	windowWorth  = 4         // records that were wanted of a window, so that the next one is larger
)

// windows keep what the last fetch of each partition brought: dead letters come about in the order of their records, so that one fetch serves many.
type windows struct {
	all   map[originPlace]*window
	bytes int
	turn  int64 // counts uses
}

func newWindows() windows { return windows{all: make(map[originPlace]*window)} }

type originPlace struct {
	topic     string
	partition int32
}

// window is a part of a partition, as it was read.
type window struct {
	from, next int64
	records    []*kgo.Record // in order
	bytes      int
	asked      int32 // bytes
	wanted     int   // records of it
	used       int64 // when it was last
}

// read returns the record of an offset that the topic has, or had: nil where there is none any more.
func (w *windows) read(ctx context.Context, topic *originTopic, partition int32, offset int64) (*kgo.Record, error) {
	place := originPlace{topic.fetcher.topic, partition}
	at := w.all[place]
	if at == nil || offset < at.from || offset >= at.next {
		var err error
		if at, err = w.fetch(ctx, topic, place, at, offset); err != nil {
			return nil, err
		}
	}
	w.turn++
	at.used = w.turn
	at.wanted++
	i, found := slices.BinarySearchFunc(at.records, offset, func(r *kgo.Record, offset int64) int { return cmp.Compare(r.Offset, offset) })
	if !found {
		return nil, nil
	}
	return at.records[i], nil
}

var errEnough = errors.New("that is enough")

// fetch makes the window of a partition that begins at an offset, in the place of the one before. It asks for more where that was of use, and for less
// where few of many records die: of each fetch one is wanted then.
func (w *windows) fetch(ctx context.Context, topic *originTopic, place originPlace, before *window, offset int64) (*window, error) {
	at := &window{from: offset, asked: windowFirst}
	if before != nil {
		at.asked = max(before.asked/2, windowLeast)
		if before.wanted >= windowWorth {
			at.asked = min(before.asked*2, windowMost)
		}
		w.drop(place)
	}
	topic.fetcher.size = at.asked
	err := topic.fetcher.read(ctx, span{place.partition, offset, topic.stable[place.partition]}, func(records []*kgo.Record, next int64) error {
		at.records, at.next = records, next
		return errEnough
	})
	if !errors.Is(err, errEnough) {
		return nil, err
	}
	for _, r := range at.records {
		at.bytes += sizeOf(r)
	}
	w.keep(place, at)
	return at, nil
}

// keep adds the window of a partition that has none, and drops those that there is no room for beside it.
func (w *windows) keep(place originPlace, at *window) {
	w.all[place] = at
	w.bytes += at.bytes
	for w.bytes > windowsBytes && len(w.all) > 1 {
		w.drop(w.oldest(place))
	}
}

// oldest is the place of the window that was not used for longest, other than this.
func (w *windows) oldest(but originPlace) (oldest originPlace) {
	for place, at := range w.all {
		if place != but && (w.all[oldest] == nil || at.used < w.all[oldest].used) {
			oldest = place
		}
	}
	return oldest
}

func (w *windows) drop(place originPlace) {
	w.bytes -= w.all[place].bytes
	delete(w.all, place)
}
