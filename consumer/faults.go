package consumer

import (
	"context"
	"errors"
	"sync"
	"time"
)

// faults keeps what is wrong with the cluster, as far as the engine goes on by itself: it is logged at a falling rate
// and told by readiness, until it does not come again for a while.
type faults struct {
	p *Pipeline

	mu       sync.Mutex
	standing map[faultKey]*fault
	warned   map[string]struct{}
}

type faultKey struct {
	doing     string
	topic     string
	partition int32
}

type fault struct {
	text  string
	first time.Time
	last  time.Time
	count int
}

// faultMemory is for how long a fault that has not come again is told.
const faultMemory = 15 * time.Second

func newFaults(p *Pipeline) *faults {
	return &faults{p: p, standing: make(map[faultKey]*fault), warned: make(map[string]struct{})}
}

// note takes down that something failed that is tried again.
func (f *faults) note(doing, topic string, partition int32, err error) {
	if err == nil || errors.Is(err, context.Canceled) {
		return
	}
	now := time.Now()
	key := faultKey{doing, topic, partition}
	f.mu.Lock()
	s := f.standing[key]
	if s == nil || now.Sub(s.last) > faultMemory {
		s = &fault{first: now}
		f.standing[key] = s
	}
	s.text, s.last = err.Error(), now
	s.count++
	loud := s.count&(s.count-1) == 0
	count := s.count
	f.mu.Unlock()
	if loud {
		f.p.log.Warn("cannot "+doingText[doing]+": will try again", "pipeline", f.p.cfg.Name, "topic", topic, "partition", partition, "times", count, "error", err)
	}
}

var doingText = map[string]string{
	"fetch":       "fetch a partition",
	"commit":      "commit offsets",
	"positions":   "read the group's offsets",
	"start":       "find where a partition starts",
	"topics":      "make sure of the topics",
	"trim":        "delete what is done from a retry topic",
	"ends":        "read the ends of the partitions",
	"loss":        "read records that are gone",
	"group":       "be a member of the group",
	"protocol":    "ask the group's coordinator for its protocol",
	"transaction": "write copies and offsets in one transaction",
}

// warn logs a text once.
func (f *faults) warn(text string) {
	f.mu.Lock()
	_, told := f.warned[text]
	f.warned[text] = struct{}{}
	f.mu.Unlock()
	if !told {
		f.p.log.Warn(text, "pipeline", f.p.cfg.Name)
	}
}

// clear forgets what went wrong while doing something.
func (f *faults) clear(doing string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for k := range f.standing {
		if k.doing == doing {
			delete(f.standing, k)
		}
	}
}

// list returns the faults that stand, as text for people.
func (f *faults) list(now time.Time) (texts []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for k, s := range f.standing {
		if now.Sub(s.last) > faultMemory {
			delete(f.standing, k)
			continue
		}
		texts = append(texts, "cannot "+doingText[k.doing]+": "+s.text)
	}
	return texts
}
