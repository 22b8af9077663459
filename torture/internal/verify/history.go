// Package verify judges a torture run. It knows what an outsider can know: the records that were produced, the calls that
// the service counted, and the raw contents of the topics with the group's commits; and, only to tell what explains a
// repeat, what the chaos did when. It shares no code with the engine.
package verify

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redeliver/redeliver/torture/internal/fate"
	"github.com/redeliver/redeliver/torture/internal/service"
	"github.com/redeliver/redeliver/torture/internal/upset"
)

// Terms is what a verdict depends on besides what happened.
type Terms struct {
	Group       string
	Topic       string
	Records     fate.Records
	Window      int // records, of a member
	Concurrency int
	MaxRetries  int
	Tail        time.Duration // after an upset, in which a member may not know yet what it has lost
	ExactlyOnce bool
	HoldKey     bool  // later records of a key wait behind one that is retried
	Begun       int64 // Unix ms, before anything was produced
}

// Place is where a record stands.
type Place struct {
	Topic     string
	Partition int32
	Offset    int64
}

// String is the id of a record that was produced there.
func (p Place) String() string { return fmt.Sprintf("%s/%d/%d", p.Topic, p.Partition, p.Offset) }

// Life is a record of the source and what became of it.
type Life struct {
	Origin Place
	Fate   fate.Fate
	Key    string
	Keyed  bool
	Stamp  int64  // its timestamp, Unix ms
	Sum    uint64 // of what was produced, see fate.Sum
	Known  bool   // the load was told that it stands here
	Read   bool   // it was read in the source topic
	Stored uint64 // the sum of what was read there

	Calls  []*Call
	Copies []*Copy

	done bool // a call of it ended well, or in a drop
	dead bool // a dead letter of it was read
}

func (l *Life) settled() bool { return l.Known && (l.done || l.dead) }

// Call is a call that the service counted, see [service.Call].
type Call struct {
	Life    *Life
	Member  string
	Attempt int
	Place   Place
	Sum     uint64
	Begin   int64 // by the service's counter
	End     int64
	BeganAt int64 // by the service's clock, Unix ns
	EndedAt int64
	Started int64           // by the member's clock, Unix ns
	Due     int64           // Unix ms; 0: at once
	Outcome service.Outcome // as the engine saw it
}

// Copy is a record of a retry or dead-letter topic.
type Copy struct {
	Place   Place
	Life    *Life
	Dead    bool // it stands in a dead-letter topic
	Attempt int
	Due     int64 // Unix ms
	HopDue  int64
	Reason  string
	Own     int64 // its own timestamp, Unix ms
	Sum     uint64
	Damage  string // what cannot be read of it
}

// History is a run. It is not safe for concurrent use.
type History struct {
	Terms  Terms
	Calls  []*Call
	Copies []*Copy
	Upsets []upset.Upset
	Gone   map[string]service.Gone // the ends of members
	Tiers  map[string][]int64      // that a member has, ms

	Produced int
	Settled  int      // of these, that have an outcome
	Lag      int64    // records that the group has not committed, at last sight
	Back     []string // commits that went back
	Unread   int64    // offsets that were trimmed before they were read
	Strange  []string // what contradicts itself, such as a call with an id that nobody has

	lives     map[int32][]*Life           // by partition and offset
	answered  map[string]map[uint64]*Call // by member and number, of members that are alive
	unsettled string                      // why the run was not settled, "" when it was
}

// NewHistory begins a history.
func NewHistory(t Terms) *History {
	return &History{Terms: t, lives: make(map[int32][]*Life), Gone: make(map[string]service.Gone),
		Tiers: make(map[string][]int64), answered: make(map[string]map[uint64]*Call)}
}

// life returns the record that stands at an offset of the source.
func (h *History) life(partition int32, offset int64) *Life {
	lives := h.lives[partition]
	for int64(len(lives)) <= offset {
		lives = append(lives, nil)
	}
	if lives[offset] == nil {
		lives[offset] = &Life{Origin: Place{h.Terms.Topic, partition, offset}}
	}
	h.lives[partition] = lives
	return lives[offset]
}

// each calls f for every record.
func (h *History) each(f func(*Life)) {
	for _, lives := range h.lives {
		for _, l := range lives {
			if l != nil {
				f(l)
			}
		}
	}
}

// byID returns the record with an id, nil if it cannot be one of the source's.
func (h *History) byID(id string) *Life {
	parts := strings.Split(id, "/")
	if len(parts) != 3 || parts[0] != h.Terms.Topic {
		return nil
	}
	partition, err1 := strconv.ParseInt(parts[1], 10, 32)
	offset, err2 := strconv.ParseInt(parts[2], 10, 64)
	if err1 != nil || err2 != nil || offset < 0 || offset > 1<<30 {
		return nil
	}
	return h.life(int32(partition), offset)
}

// change changes a record and counts it when that has settled it.
func (h *History) change(l *Life, f func()) {
	before := l.settled()
	f()
	if !before && l.settled() {
		h.Settled++
	}
}

// AddProduced takes what the load was told: where the record of that number stands, with which timestamp in Unix ms.
func (h *History) AddProduced(number int, partition int32, offset, timestamp int64) {
	l := h.life(partition, offset)
	if l.Known {
		h.strange("record %d was acknowledged at %s, where record %d stands", number, l.Origin, l.Fate.Number)
		return
	}
	h.Produced++
	h.change(l, func() {
		r := h.Terms.Records.Make(number, time.UnixMilli(timestamp))
		l.Fate, _ = fate.Find(r.Headers) // it has one: it was made just now
		l.Key, l.Keyed, l.Stamp, l.Known = string(r.Key), r.Key != nil, timestamp, true
		l.Sum = fate.Sum(r.Key, r.Value, r.Headers, time.UnixMilli(timestamp))
	})
}

// AddEvent takes a line of the service's log.
func (h *History) AddEvent(e service.Event) {
	switch {
	case e.Hello != nil:
		h.Tiers[e.Hello.Member] = e.Hello.Tiers
	case e.Gone != nil:
		h.Gone[e.Gone.Member] = *e.Gone
		delete(h.answered, e.Gone.Member)
	case e.GaveUp != nil:
		if c := h.answered[e.GaveUp.Member][e.GaveUp.Number]; c != nil {
			c.Outcome = e.GaveUp.Why
		}
	case e.Call != nil:
		h.addCall(e.Call)
	}
}

func (h *History) addCall(e *service.Call) {
	l := h.byID(e.ID)
	if l == nil {
		h.strange("stable-id: %s called with id %q", e.Member, e.ID)
		return
	}
	c := &Call{
		Life: l, Member: e.Member, Attempt: e.Attempt, Place: Place{e.Topic, e.Partition, e.Offset}, Sum: e.Sum,
		Begin: e.Begin, End: e.End, BeganAt: e.BeganAt, EndedAt: e.EndedAt, Started: e.Started, Due: e.Due, Outcome: e.Outcome,
	}
	h.Calls = append(h.Calls, c)
	if h.answered[e.Member] == nil {
		h.answered[e.Member] = make(map[uint64]*Call)
	}
	h.answered[e.Member][e.Number] = c
	h.change(l, func() {
		l.Calls = append(l.Calls, c)
		l.done = l.done || ends(c.Outcome)
	})
}

// ends reports whether an outcome is the last that a record needs.
func ends(o service.Outcome) bool {
	return o == service.Outcome(fate.OK.String()) || o == service.Outcome(fate.Dropped.String())
}

// AddCopy takes a record of a retry or dead-letter topic.
func (h *History) AddCopy(c *Copy, id string) {
	if c.Life = h.byID(id); c.Life == nil {
		h.strange("stable-id: the copy at %s has id %q", c.Place, id)
		return
	}
	h.Copies = append(h.Copies, c)
	h.change(c.Life, func() {
		c.Life.Copies = append(c.Life.Copies, c)
		c.Life.dead = c.Life.dead || c.Dead
	})
}

// AddSource takes a record that was read in the source.
func (h *History) AddSource(partition int32, offset int64, sum uint64) {
	l := h.life(partition, offset)
	l.Read, l.Stored = true, sum
}

func (h *History) strange(format string, args ...any) {
	h.Strange = append(h.Strange, fmt.Sprintf(format, args...))
}

// owed counts the records whose last call made a dead letter of them that has not been read.
func (h *History) owed() (n int) {
	h.each(func(l *Life) {
		var last *Call
		for _, c := range l.Calls {
			if last == nil || c.Begin > last.Begin {
				last = c
			}
		}
		if last != nil && !l.dead && (last.Outcome == outcome(fate.Refused) || failed(last.Outcome) && last.Attempt > h.Terms.MaxRetries) {
			n++
		}
	})
	return n
}

// working counts the calls of members that are alive.
func (h *History) working() map[string]int {
	n := make(map[string]int)
	for m, calls := range h.answered {
		n[m] = len(calls)
	}
	return n
}

// Progress grows with everything that happens.
func (h *History) Progress() int64 {
	return int64(len(h.Calls) + len(h.Copies) + h.Produced + h.Settled)
}
