package admin

import (
	"sync"
	"time"
)

// liveness finds pipelines that are stuck in themselves, such as behind a lock that is never given back, which only a new start of the
// process mends. It asks for their state beside the requests, once at a time: whoever answers, however slowly, lives.
type liveness struct {
	patience time.Duration

	mu    sync.Mutex
	asked string    // the pipeline that is asked now; "" for none
	since time.Time // when it was
}

// check returns the pipeline that has not answered for the patience, or "", and asks all of them unless that is under way.
func (l *liveness) check(pipelines func() []Pipeline, now time.Time) (stuck string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.asked != "" {
		if now.Sub(l.since) >= l.patience {
			return l.asked
		}
		return ""
	}
	if all := pipelines(); len(all) > 0 {
		l.asked, l.since = all[0].Name(), now
		go l.ask(all)
	}
	return ""
}

func (l *liveness) ask(all []Pipeline) {
	for _, p := range all {
		l.note(p.Name())
		p.Stats()
	}
	l.note("")
}

func (l *liveness) note(asked string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.asked, l.since = asked, time.Now()
}
