package sim

import (
	"strings"
	"testing"
	"time"

	"github.com/redeliver/redeliver/consumer"
)

// The calls, copies and commits of goodRun, by what they are.
const (
	firstFails = iota
	secondSucceeds
	thirdFails
	firstRetried
	thirdRetried
	thirdDies
	thirdReplayed
)

const (
	commitOfSource = iota
	commitOfTier
	commitOfSlow
)

// replayedCopy is where in the tier the copy of the replay stands.
const replayedCopy = 2

func TestCheckAcceptsAGoodRun(t *testing.T) {
	r := Check(goodRun())
	for _, v := range r.Violations {
		t.Error(v)
	}
	for _, p := range Promises() {
		if len(r.Exercised[p]) == 0 {
			t.Errorf("%s was not put to the test", p)
		}
	}
}

// TestCheckFindsPlantedViolations spoils the good run in one way after the other: the check must name the promise.
func TestCheckFindsPlantedViolations(t *testing.T) {
	for _, tt := range []struct {
		name    string
		promise Promise
		spoil   func(h *History)
		text    string // in what the check says
	}{
		{"commit before the copy is acknowledged", NoLoss, func(h *History) {
			h.Commits[commitOfSource].Ends[tier] = 1
		}, "was not settled"},
		{"commit before the call has ended", NoLoss, func(h *History) {
			h.Commits[commitOfSource].When = Moment{h.Calls[secondSucceeds].End.Tick - 1, h.Calls[secondSucceeds].Start.At}
		}, "was not settled"},
		{"commit passes a record that nobody handled", NoLoss, func(h *History) {
			h.Calls = append(h.Calls[:secondSucceeds:secondSucceeds], h.Calls[secondSucceeds+1:]...)
		}, "had never been handled"},
		{"dead letter never written", NoLoss, func(h *History) {
			h.Log[dead] = nil
		}, "has no outcome"},
		{"run that stands still", NoLoss, func(h *History) {
			h.Settled, h.Unsettled = false, "orders/0 at 2 of 3"
		}, "did not settle"},

		{"attempt before its due time", NeverEarly, func(h *History) {
			h.Calls[firstRetried].Start.At = h.Calls[firstRetried].Start.At.Add(-100 * time.Millisecond)
		}, "before its due time"},
		{"due time of the copy too early", NeverEarly, func(h *History) {
			early := h.Calls[firstRetried].Start.At.Add(-500 * time.Millisecond)
			h.Calls[firstRetried].Start.At = early
			set(h, tier, 0, "due", early.UnixMilli())
		}, "that its policy owes"},

		{"attempt counted twice", HonestAttempts, func(h *History) {
			h.Calls[firstRetried].Attempt = 3
		}, "is attempt 3"},
		{"copy says more attempts than failed", HonestAttempts, func(h *History) {
			set(h, tier, 1, "attempt", 2)
		}, "before the call ended that it tells of"},
		{"dead before its retries are used up", HonestAttempts, func(h *History) {
			h.Terms.Policy.MaxRetries = 5
		}, "but its policy says"},
		{"retried though it is exhausted", HonestAttempts, func(h *History) {
			h.Terms.Policy.MaxRetries = 1
		}, "goes on retrying"},
		{"attempt used by a failure while the breaker cannot have been closed", HonestAttempts, func(h *History) {
			h.Calls[thirdRetried].Attempt = 1
		}, "is attempt 1"},

		{"header values swapped", Intact, func(h *History) {
			c := &h.Calls[firstRetried]
			c.Headers = []Header{c.Headers[1], c.Headers[0], c.Headers[2]}
		}, "saw headers"},
		{"null became empty", Intact, func(h *History) {
			h.Log[dead][0].Value = []byte{}
		}, "has value"},
		{"duplicate header lost on the way", Intact, func(h *History) {
			l := &h.Log[tier][0]
			l.Headers = l.Headers[1:]
		}, "has headers"},
		{"our header appended instead of overwritten", Intact, func(h *History) {
			l := &h.Log[slow][0]
			l.Headers = append(l.Headers, header("attempt", 2))
		}, "more than once"},
		{"headers beyond their bound", Intact, func(h *History) {
			l := &h.Log[slow][0]
			l.Headers = append(l.Headers, header("history", strings.Repeat("x", 5000)))
		}, "bytes of our headers"},
		{"timestamp of the copy given to the handler", Intact, func(h *History) {
			h.Calls[firstRetried].Timestamp = h.Log[tier][0].Timestamp
		}, "saw timestamp"},

		{"id changes on the way", StableID, func(h *History) {
			h.Calls[firstRetried].ID = "g.orders.retry-1s/0/0"
		}, "was called with id"},
		{"copy of another record", StableID, func(h *History) {
			set(h, tier, 0, "id", "orders/0/1")
		}, "has id"},

		{"copy marked with another group", OwnLane, func(h *History) {
			set(h, tier, 0, "group", "other")
		}, "its group is"},
		{"copy put into the source", OwnLane, func(h *History) {
			l := h.Log[tier][0]
			l.Place = Place{source, 3}
			h.Log[source] = append(h.Log[source], l)
		}, "nobody but a member"},
		{"copy of another group handled", OwnLane, func(h *History) {
			h.Log[tier][0].Planted = true
		}, "was handled"},

		{"commit put back", Fenced, func(h *History) {
			c := h.Commits[commitOfSource]
			c.Offset, c.When = 1, Moment{h.Ended.Tick, h.Ended.At}
			h.Commits = append(h.Commits, c)
		}, "put the commit of"},
		{"commit after revocation", Fenced, func(h *History) {
			c := &h.Commits[commitOfSlow]
			c.Member = "m1"
		}, "had given to m2"},
		{"call after revocation", Fenced, func(h *History) {
			h.Calls[thirdDies].Member = "m1"
		}, "had gone to another member"},
		{"call that outlives its partition", Fenced, func(h *History) {
			h.Calls[thirdRetried].End = Moment{h.Ended.Tick, h.Ended.At}
		}, "was not cancelled"},
		{"new owner starts before the commit", Fenced, func(h *History) {
			h.Calls[thirdDies].From = Place{tier, 0}
		}, "was committed"},

		{"two calls of a key at once", Ordered, func(h *History) {
			h.Calls[firstFails].End = Moment{h.Calls[secondSucceeds].Start.Tick + 1, h.Calls[secondSucceeds].Start.At}
			h.Calls[secondSucceeds].Start.Tick, h.Calls[firstFails].End.Tick = h.Calls[firstFails].End.Tick-1, h.Calls[secondSucceeds].End.Tick
		}, "of the same key"},
		{"key out of order", Ordered, func(h *History) {
			a, b := &h.Calls[firstFails], &h.Calls[secondSucceeds]
			a.From, b.From = b.From, a.From
		}, "was first called"},
		{"copy leaves its partition number", Ordered, func(h *History) {
			l := h.Log[slow][0]
			l.Place = Place{Partition{slow.Topic, 1}, 0}
			h.Log[l.Place.Partition] = []Logged{l}
		}, "left its partition number"},
		{"two calls of a partition at once", Ordered, func(h *History) {
			h.Terms.Ordering = consumer.ByPartition
			h.Calls[secondSucceeds].End.Tick = h.Calls[thirdFails].Start.Tick + 1
			h.Calls[thirdFails].End.Tick++
		}, "of the same key"},

		{"retry that starts late", Isolated, func(h *History) {
			for i := thirdDies; i < len(h.Calls); i++ {
				h.Calls[i].Start.At = h.Calls[i].Start.At.Add(4 * time.Second)
				h.Calls[i].End.At = h.Calls[i].End.At.Add(4 * time.Second)
			}
		}, "started 4s after it could"},

		{"record handled again without a reason", Bounded, func(h *History) {
			c := h.Calls[secondSucceeds]
			c.Member, c.Start, c.End = "m2", Moment{h.Ended.Tick, h.Ended.At}, Moment{h.Ended.Tick + 1, h.Ended.At}
			h.Calls = append(h.Calls, c)
		}, "was handled again"},
		{"copy written twice", Bounded, func(h *History) {
			l := h.Log[tier][0]
			l.Place.Offset = 2
			h.Log[tier] = append(h.Log[tier], l)
		}, "one copy written twice"},
		{"more calls than slots", Bounded, func(h *History) {
			h.Terms.Concurrency = 1
			h.Calls[thirdFails].Start.Tick = h.Calls[secondSucceeds].End.Tick
			h.Calls[secondSucceeds].End.Tick++
			h.Calls[thirdFails].End.Tick++
		}, "calls in flight"},

		{"dead letter replayed twice", ReplayedOnce, func(h *History) {
			l := h.Log[tier][replayedCopy]
			l.Place.Offset++
			l.Timestamp = l.Timestamp.Add(time.Second)
			h.Log[tier] = append(h.Log[tier], l)
			set(h, tier, replayedCopy+1, "due", l.Timestamp.UnixMilli())
		}, "and once more by"},
		{"replay of a record that has not died", ReplayedOnce, func(h *History) {
			h.Log[dead] = nil
		}, "had not died so often"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := goodRun()
			tt.spoil(h)
			r := Check(h)
			for _, v := range r.Violations {
				if v.Promise == tt.promise && strings.Contains(v.Text, tt.text) {
					return
				}
			}
			t.Errorf("the check does not find that %s is broken; it says %q", tt.promise, r.Violations)
		})
	}
}

// set changes one of our headers of a copy.
func set(h *History, p Partition, at int, name string, value any) {
	l := &h.Log[p][at]
	l.Headers = append([]Header{}, l.Headers...)
	for i := range l.Headers {
		if l.Headers[i].Key == "redeliver-"+name {
			l.Headers[i] = header(name, value)
		}
	}
}

// TestPolicyModel writes down what the contract owes after failures.
func TestPolicyModel(t *testing.T) {
	tiers := Rule{Delays: []time.Duration{time.Second, 10 * time.Second, time.Minute}, MaxRetries: 3}
	fixed := Override{Class: "rate_limited", Rule: Rule{Delays: []time.Duration{10 * time.Second}, MaxRetries: 2}}
	fault := func(classes ...string) (faults []Fault) {
		for _, c := range classes {
			faults = append(faults, Fault{Class: c})
		}
		return faults
	}
	for _, tt := range []struct {
		name   string
		policy Policy
		faults []Fault
		delay  time.Duration
		reason string
	}{
		{"first retry", Policy{Rule: tiers}, fault("transient"), time.Second, ""},
		{"third retry", Policy{Rule: tiers}, fault("transient", "network", "system"), time.Minute, ""},
		{"exhausted", Policy{Rule: tiers}, fault("transient", "network", "system", "network"), 0, "exhausted"},
		{"not retried", Policy{Rule: tiers}, fault("transient", "permanent"), 0, "not_retriable"},
		{"override counts for itself", Policy{Rule: tiers, Overrides: []Override{fixed}}, fault("transient", "rate_limited", "rate_limited"), 10 * time.Second, ""},
		{"override exhausted", Policy{Rule: tiers, Overrides: []Override{fixed}}, fault("rate_limited", "rate_limited", "rate_limited"), 0, "exhausted"},
		{"asked", Policy{Rule: tiers}, []Fault{{Class: "permanent", Asked: 7 * time.Second, Steer: true}}, 7 * time.Second, ""},
		{"on the spot", Policy{Rule: tiers, InPlace: 1, InPlaceDelay: 50 * time.Millisecond}, fault("transient"), 50 * time.Millisecond, ""},
		{"after the spot", Policy{Rule: tiers, InPlace: 1, InPlaceDelay: 50 * time.Millisecond}, fault("transient", "transient"), time.Second, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if delay, reason := tt.policy.Owed(tt.faults); delay != tt.delay || reason != tt.reason {
				t.Errorf("got %v %q, want %v %q", delay, reason, tt.delay, tt.reason)
			}
		})
	}
}

// Who keeps a partition over a rebalance has the same tenure, unless all partitions are given up before they are divided anew.
func TestTenures(t *testing.T) {
	for _, eager := range []bool{false, true} {
		h := &History{Terms: Terms{Eager: eager}}
		for generation := range int32(2) {
			h.Assignments = append(h.Assignments, Assignment{When: Moment{Tick: int64(generation)}, Generation: generation, Owners: map[Partition]Owner{source: {"m1", "m1-id"}}})
		}
		x := newIndex(h)
		_, before := x.owner(source, Moment{Tick: 0})
		owner, after := x.owner(source, Moment{Tick: 1})
		if owner.Member != "m1" || (after != before) != eager {
			t.Errorf("eager %v: tenure %d of m1, and %d of %s after a rebalance", eager, before, after, owner.Member)
		}
	}
}

// A record follows a dead letter that stands before it and was not dealt with, or so lately that its member may not know.
func TestWhatMayFollowADeadLetter(t *testing.T) {
	died := time.UnixMilli(1_800_000_000_000)
	letter := func(offset int64, when time.Time) *copied {
		return &copied{Logged: &Logged{Timestamp: when}, id: "of " + when.String(), origin: Place{source, offset}}
	}
	first := letter(1, died)
	for _, tt := range []struct {
		name   string
		behind *copied
		dealt  time.Duration // after its death; 0: never
		may    bool
	}{
		{"it is dead", letter(2, died.Add(time.Hour)), 0, true},
		{"it stands behind", letter(0, died.Add(time.Hour)), 0, false},
		{"it died later", letter(2, died.Add(-time.Millisecond)), 0, false},
		{"it was discarded a moment ago", letter(2, died.Add(time.Hour)), time.Hour - time.Second, true},
		{"it was discarded long ago", letter(2, died.Add(time.Hour)), time.Minute, false},
	} {
		h := new(History)
		if tt.dealt > 0 {
			h.Discarded = []Discarded{{ID: first.id, When: Moment{At: died.Add(tt.dealt)}}}
		}
		if may := newIndex(h).mayFollow(tt.behind, first); may != tt.may {
			t.Errorf("%s: may follow is %v, want %v", tt.name, may, tt.may)
		}
	}
}
