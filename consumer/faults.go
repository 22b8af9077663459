package consumer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// faults keeps what is wrong with the cluster, as far as the engine goes on by itself: it is logged at a falling rate
// and told by readiness, until it does not come again for a while.
type faults struct {
	p *Pipeline

	mu       sync.Mutex
	standing map[faultKey]*fault
	warned   map[repeated]struct{}
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
	return &faults{p: p, standing: make(map[faultKey]*fault), warned: make(map[repeated]struct{})}
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
		args := []any{"pipeline", f.p.cfg.Name}
		if topic != "" {
			args = append(args, "topic", topic)
		}
		if partition >= 0 {
			args = append(args, "partition", partition)
		}
		f.p.log.Warn("cannot "+doingText[doing]+": will try again", append(args, "times", count, "error", err)...)
	}
}

var doingText = map[string]string{
	"fetch":       "fetch a partition",
	"held":        "read which keys are held",
	"join":        "join the group",
	"commit":      "commit offsets",
	"group":       "take part in the group",
	"outcome":     "find out what has become of a transaction",
	"positions":   "read the group's offsets",
	"start":       "find where a partition starts",
	"topics":      "make sure of the topics",
	"trim":        "delete what is done from a retry topic",
	"ends":        "read the ends of the partitions",
	"loss":        "read on where a partition was",
	"protocol":    "ask the group's coordinator for its protocol",
	"transaction": "write copies and offsets in one transaction",
	"throttle":    "go at full speed",
}

// FaultNames returns the keys of [Stats.Faults]: what a cluster may not do for a pipeline.
func FaultNames() []string { return slices.Sorted(maps.Keys(doingText)) }

// untold reports whether what is to be said was not said before.
func (f *faults) untold(what, of string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	_, told := f.warned[repeated{what, of}]
	f.warned[repeated{what, of}] = struct{}{}
	return !told
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

// standingFault is a fault for people.
type standingFault struct {
	faultKey
	text   string
	lasted time.Duration
}

// list returns the faults that stand, the oldest first.
func (f *faults) list(now time.Time) (all []standingFault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for k, s := range f.standing {
		if now.Sub(s.last) > faultMemory {
			delete(f.standing, k)
			continue
		}
		all = append(all, standingFault{k, "cannot " + doingText[k.doing] + ": " + s.text, now.Sub(s.first)})
	}
	slices.SortFunc(all, func(a, b standingFault) int {
		return cmp.Or(cmp.Compare(b.lasted, a.lasted), cmp.Compare(a.doing, b.doing), cmp.Compare(a.topic, b.topic), cmp.Compare(a.partition, b.partition))
	})
	return all
}

// stops reports whether nothing gets on while the fault lasts, and it has lasted for a while.
func (s standingFault) stops() bool {
	switch s.doing {
	case "commit", "group", "join", "outcome", "positions", "start", "transaction":
		return s.lasted > faultMemory
	}
	return false
}

// OnBrokerThrottle implements [kgo.HookBrokerThrottle]: the client waits by itself, and nobody would know why.
func (f *faults) OnBrokerThrottle(_ kgo.BrokerMetadata, interval time.Duration, _ bool) {
	if interval >= throttleTold {
		f.note("throttle", "", -1, fmt.Errorf("the brokers throttle this client, by a quota, for %v", interval))
	}
}

// throttleTold is the shortest throttling that is told.
const throttleTold = 100 * time.Millisecond
