package consumer

import (
	"slices"
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kgo"
)

// fetched is what was polled and no lane has taken yet: none of it counts against the window, nor is it known to a lane. It is the poll loop's own.
type fetched struct {
	lanes   []*lane      // that have some of it, in the order of their turns
	served  []*lane      // within turns, reused
	records atomic.Int64 // of all of them, for who reads the metric
}

// add takes up what was polled of a lane.
func (f *fetched) add(l *lane, records []*kgo.Record) {
	f.records.Add(int64(len(records)))
	l.weighed = false
	if len(l.fetched) > 0 {
		l.fetched = append(l.fetched, records...)
		return
	}
	l.fetched = slices.Clip(records) // the client may hand out what follows in the same array
	l.hasFetched.Store(true)
	f.lanes = append(f.lanes, l)
}

// took takes out the first records of a lane, which nothing keeps here any longer.
func (f *fetched) took(l *lane, records int) {
	f.records.Add(-int64(records))
	l.weighed = false
	clear(l.fetched[:records])
	l.fetched = l.fetched[records:]
}

// turns offers each lane its turn. Those that were served stand behind the others after that: one that is stopped and resumed again and again
// would go before them each time.
func (f *fetched) turns(serve func(l *lane) (served bool)) {
	waiting := f.lanes[:0]
	for _, l := range f.lanes {
		if serve(l) {
			f.served = append(f.served, l)
		} else {
			waiting = append(waiting, l)
		}
	}
	f.lanes = append(waiting, f.served...)
	clear(f.served)
	f.served = f.served[:0]
	f.tidy()
}

// drop forgets what was polled of a lane.
func (f *fetched) drop(l *lane) {
	f.took(l, len(l.fetched))
	f.tidy()
}

// tidy forgets the lanes that have taken all.
func (f *fetched) tidy() {
	f.lanes = slices.DeleteFunc(f.lanes, func(l *lane) bool {
		if len(l.fetched) > 0 {
			return false
		}
		l.fetched = nil
		l.hasFetched.Store(false)
		return true
	})
}

// fetchedBytes is what takes memory of what was polled of a lane. Of one that is stopped it is counted once.
func (l *lane) fetchedBytes() int64 {
	if !l.weighed {
		l.weighed, l.weight = true, 0
		for _, r := range l.fetched {
			l.weight += recordSize(r) + recordOverhead
		}
	}
	return l.weight
}
