package consumer

import (
	"sync/atomic"
	"time"
)

// stopwatch times the calls of a chunk one after the other. Reading the clock costs as much as all else that is done for a
// record, so while calls take next to nothing it is read once for several of them, which then share the time; a tick
// within patience ends that, so that a call that takes long is timed by itself. One worker's own, but for the ticks.
type stopwatch struct {
	began time.Time
	ticks *atomic.Int64 // moves while calls are under way, at least once in patience, or is noMoreTicks
	most  int           // calls that may share a reading

	read   time.Duration // when the clock was read last, since began
	each   time.Duration // what the calls before that took
	tick   int64         // the ticks when it was read last
	unread int           // calls since
}

const (
	// sharedReading is how many calls share a reading at most, and nextToNothing what a call takes at most for that.
	sharedReading = 16
	nextToNothing = time.Microsecond
	// noMoreTicks says that calls are not watched any more: each has its own reading.
	noMoreTicks = -1
)

// newStopwatch begins to time calls at began. Calls that are slow from some duration on are never averaged below it:
// with one of no more than patience every call has its own reading. Zero is none.
func newStopwatch(began time.Time, ticks *atomic.Int64, slow time.Duration) stopwatch {
	most := sharedReading
	if slow > 0 && slow <= patience {
		most = 1
	}
	return stopwatch{began: began, ticks: ticks, most: most, each: nextToNothing}
}

// called says that a call has ended, and reports whether the next one may share its reading. Else lap is due.
func (s *stopwatch) called() (shared bool) {
	s.unread++
	return s.each < nextToNothing && s.unread < s.most && s.tick != noMoreTicks && s.ticks.Load() == s.tick
}

// lap reads the clock after the last call and returns what it took, and how many calls before it took each how much.
func (s *stopwatch) lap() (last time.Duration, before int, each time.Duration) {
	now := time.Since(s.began)
	total := now - s.read
	before = s.unread - 1
	each = total / time.Duration(s.unread)
	if total > patience { // one of them took its time, and it was the last: the tick came
		each = min(each, s.each)
	}
	last = total - time.Duration(before)*each
	s.read, s.tick, s.unread = now, s.ticks.Load(), 0
	if s.each = each; before == 0 {
		s.each = last
	}
	return last, before, each
}

// skip leaves out the time since the last reading, in which there was no call.
func (s *stopwatch) skip() { s.read = time.Since(s.began) }
