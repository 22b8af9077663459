package consumer

import (
	"sync"
	"time"
)

// repeats thin out what the log would be told once a record: it is told the first, second, fourth, ... time, with how often it came,
// and from the first on again when it has not come for a minute. The zero value is ready; it may be used concurrently.
type repeats struct {
	mu   sync.Mutex
	seen map[repeated]*repetition
}

// repeated is what repeats itself, and where: names out of the configuration or of topics, so that there are few.
type repeated struct{ what, where string }

type repetition struct {
	times int
	last  time.Time
}

// repeatMemory is for how long what has not come again is remembered.
const repeatMemory = time.Minute

// again counts one more, and reports whether the log is told.
func (r *repeats) again(what, where string) (times int, loud bool) {
	now := time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.seen == nil {
		r.seen = make(map[repeated]*repetition)
	}
	one := r.seen[repeated{what, where}]
	if one == nil || now.Sub(one.last) > repeatMemory {
		one = new(repetition)
		r.seen[repeated{what, where}] = one
	}
	one.times++
	one.last = now
	return one.times, one.times&(one.times-1) == 0
}
