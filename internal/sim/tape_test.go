package sim

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/redeliver/redeliver/consumer"
)

// tape records a history by hand, for the tests of the checker.
type tape struct {
	h    *History
	tick int64
	at   time.Time
	next map[Partition]int64
}

var (
	source = Partition{"orders", 0}
	tier   = Partition{"g.orders.retry-1s", 0}
	slow   = Partition{"g.orders.retry-10s", 0}
	dead   = Partition{"g.orders.dlq", 0}
)

func newTape() *tape {
	t := &tape{at: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), next: make(map[Partition]int64)}
	t.h = &History{
		Terms: Terms{
			Group: "g", Sources: []string{"orders"}, Ordering: consumer.ByKey, Concurrency: 4, Window: 100, HeaderLimit: 4096, Drain: 30 * time.Second,
			Policy: Policy{Rule: Rule{Delays: []time.Duration{time.Second, 10 * time.Second}, MaxRetries: 2}},
			Prompt: 3 * time.Second,
		},
		Log: make(map[Partition][]Logged), Started: make(map[Partition]int64), Settled: true,
	}
	t.h.Begun = t.now()
	return t
}

func (t *tape) now() Moment          { t.tick++; return Moment{t.tick, t.at} }
func (t *tape) pass(d time.Duration) { t.at = t.at.Add(d) }

func (t *tape) append(p Partition, l Logged) Place {
	l.Place = Place{p, t.next[p]}
	l.Timestamp = t.at
	t.next[p]++
	t.h.Log[p] = append(t.h.Log[p], l)
	return l.Place
}

// produce puts a record into the source. An empty value is null.
func (t *tape) produce(key, value string, headers ...Header) Place {
	p := Produced{Key: []byte(key), Headers: headers, Timestamp: t.at, At: t.now()}
	if value != "" {
		p.Value = []byte(value)
	}
	p.Place = t.append(source, Logged{Key: p.Key, Value: p.Value, Headers: headers})
	p.ID = p.Place.String()
	t.h.Produced = append(t.h.Produced, p)
	return p.Place
}

func (t *tape) produced(at Place) *Produced { return &t.h.Produced[at.Offset] }

// call makes a call with a record that stands at from and is of origin. It takes 10 ms.
func (t *tape) call(member string, from, origin Place, attempt int, result Result, class string) *Call {
	p := t.produced(origin)
	c := Call{
		Member: member, From: from, Origin: origin, ID: p.ID, Group: "g", Attempt: attempt, Key: p.Key, Value: p.Value,
		Headers: p.Headers, Timestamp: p.Timestamp, Start: t.now(), Result: result, Class: class,
	}
	t.pass(10 * time.Millisecond)
	c.End = t.now()
	t.h.Calls = append(t.h.Calls, c)
	return &t.h.Calls[len(t.h.Calls)-1]
}

// copy writes a copy of a record, due after a delay.
func (t *tape) copy(to Partition, origin Place, attempt int, delay time.Duration, reason string) Place {
	p := t.produced(origin)
	due := t.at.Add(delay).UnixMilli()
	own := []Header{
		header("id", p.ID), header("origin-topic", origin.Topic), header("origin-partition", origin.Number), header("origin-offset", origin.Offset),
		header("origin-timestamp", p.Timestamp.UnixMilli()), header("group", "g"), header("attempt", attempt), header("class", "transient"),
	}
	if reason == "" {
		own = append(own, header("due", due), header("hop-due", due))
	} else {
		own = append(own, header("reason", reason))
	}
	return t.append(to, Logged{Key: p.Key, Value: p.Value, Headers: append(append([]Header{}, p.Headers...), own...)})
}

// replay puts a dead letter back to work.
func (t *tape) replay(to Partition, origin Place, replays int) Place {
	at := t.copy(to, origin, 0, 0, "")
	l := &t.h.Log[to][at.Offset]
	l.Headers = append(l.Headers, header("replays", replays))
	return at
}

func header(name string, value any) Header {
	return Header{Key: "redeliver-" + name, Value: []byte(fmt.Sprint(value))}
}

func (t *tape) commit(member string, p Partition, offset int64, generation int32) {
	ends := make(map[Partition]int64)
	for at, n := range t.next {
		ends[at] = n
	}
	t.h.Commits = append(t.h.Commits, Commit{When: t.now(), Partition: p, Offset: offset, Member: member, Generation: generation, Ends: ends})
}

func (t *tape) assign(generation int32, owner string) {
	a := Assignment{When: t.now(), Generation: generation, Owners: make(map[Partition]Owner)}
	for _, p := range []Partition{source, tier, slow} {
		if owner != "" {
			a.Owners[p] = Owner{owner, owner + "-id"}
		}
	}
	t.h.Assignments = append(t.h.Assignments, a)
}

func (t *tape) end() *History {
	t.h.Ended = t.now()
	return t.h
}

// isLate ends the history, and reports whether the checker finds the call of what stands at a place late.
func (t *tape) isLate(at Place) bool {
	x := newIndex(t.end())
	x.checkIsolated()
	return slices.ContainsFunc(x.report.Violations, func(v Violation) bool { return strings.Contains(v.Text, at.String()) })
}

// goodRun is a run in which every promise was kept: one record that fails once, one of the same key that succeeds, one
// that fails until it is dead and is replayed, and a handover between two members in the middle.
func goodRun() *History {
	t := newTape()
	t.assign(1, "m1")
	first := t.produce("a", "1", Header{Key: "h", Value: []byte("x")}, Header{Key: "h", Value: nil}, Header{Key: "i", Value: []byte("y")})
	second := t.produce("a", "2")
	third := t.produce("b", "")
	t.call("m1", first, first, 1, Failed, "transient")
	retry := t.copy(tier, first, 1, time.Second, "")
	t.call("m1", second, second, 1, Succeeded, "")
	t.call("m1", third, third, 1, Failed, "transient")
	poison := t.copy(tier, third, 1, time.Second, "")
	t.commit("m1", source, 3, 1)
	t.pass(time.Second)
	t.call("m1", retry, first, 2, Succeeded, "")
	t.call("m1", poison, third, 2, Failed, "network")
	again := t.copy(slow, third, 2, 10*time.Second, "")
	t.commit("m1", tier, 2, 1)
	t.assign(2, "")
	t.assign(3, "m2")
	t.pass(10 * time.Second)
	t.call("m2", again, third, 3, Failed, "transient")
	t.copy(dead, third, 3, 0, "exhausted")
	t.commit("m2", slow, 1, 3)
	t.pass(time.Minute)
	begun := t.now()
	replayed := t.replay(tier, third, 1)
	t.h.Replays = append(t.h.Replays, Replay{Source: "orders", Begun: begun, Ended: t.now()})
	t.call("m2", replayed, third, 1, Succeeded, "").Replays = 1
	t.commit("m2", tier, 3, 3)
	return t.end()
}
