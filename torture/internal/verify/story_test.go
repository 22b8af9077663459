package verify

import (
	"testing"
	"time"

	"github.com/redeliver/redeliver/torture/internal/fate"
	"github.com/redeliver/redeliver/torture/internal/service"
	"github.com/redeliver/redeliver/torture/internal/upset"
)

// story tells a run as its witnesses would, on a clock of its own.
type story struct {
	t     *testing.T
	h     *History
	clock time.Time
	tick  int64
	taken map[int]bool    // numbers of records
	at    map[Place]int64 // the next offset of a partition
	calls uint64
}

// begin begins a story with two members, a and b.
func begin(t *testing.T) *story {
	s := &story{t: t, clock: time.UnixMilli(1_700_000_000_000), taken: make(map[int]bool), at: make(map[Place]int64)}
	s.h = NewHistory(Terms{
		Group: "g", Topic: "src", Records: fate.Records{Seed: 1}, Window: 3, Concurrency: 2, MaxRetries: 3, Tail: 10 * time.Second, Begun: s.clock.UnixMilli(),
	})
	for _, m := range []string{"a", "b"} {
		s.h.AddEvent(service.Event{Hello: &service.Hello{Member: m, Tiers: []int64{1000, 3000}}})
	}
	return s
}

// after lets time go by.
func (s *story) after(d time.Duration) { s.clock = s.clock.Add(d) }

// record produces one with the fate, and with a key that no other record of the story has.
func (s *story) record(k fate.Kind, times int) *Life {
	s.t.Helper()
	keys := make(map[string]bool)
	s.h.each(func(l *Life) { keys[l.Key] = true })
	return s.produce(func(f fate.Fate, key []byte) bool {
		return f.Kind == k && f.Times == times && key != nil && !keys[string(key)]
	})
}

// sibling produces a record that succeeds at once and has the key of another.
func (s *story) sibling(of *Life) *Life {
	s.t.Helper()
	return s.produce(func(f fate.Fate, key []byte) bool { return f.Kind == fate.Succeed && string(key) == of.Key })
}

func (s *story) produce(fits func(fate.Fate, []byte) bool) *Life {
	s.t.Helper()
	for n := range 1_000_000 {
		r := s.h.Terms.Records.Make(n, s.clock)
		f, err := fate.Find(r.Headers)
		if err != nil {
			s.t.Fatal(err)
		}
		if s.taken[n] || !fits(f, r.Key) {
			continue
		}
		s.taken[n] = true
		place := s.place("src")
		s.h.AddProduced(n, 0, place.Offset, r.Timestamp.UnixMilli())
		l := s.h.life(0, place.Offset)
		s.h.AddSource(0, place.Offset, l.Sum)
		return l
	}
	s.t.Fatal("no such record")
	return nil
}

// place is the next one in a topic.
func (s *story) place(topic string) Place {
	p := Place{Topic: topic}
	s.at[p]++
	return Place{topic, 0, s.at[p] - 1}
}

// open begins a call; the function that it returns ends it.
func (s *story) open(member string, l *Life, at Place, attempt int, due int64) func(service.Outcome) *Call {
	s.tick++
	s.calls++
	c := service.Call{
		Member: member, Number: s.calls, ID: l.Origin.String(), Attempt: attempt, Topic: at.Topic, Partition: at.Partition, Offset: at.Offset,
		Sum: l.Sum, Started: s.clock.UnixNano(), Due: due, Begin: s.tick, BeganAt: s.clock.UnixNano(),
	}
	return func(how service.Outcome) *Call {
		s.tick++
		c.End, c.EndedAt, c.Outcome = s.tick, s.clock.UnixNano(), how
		s.h.AddEvent(service.Event{Call: &c})
		return s.h.Calls[len(s.h.Calls)-1]
	}
}

// call makes a call of 5 ms.
func (s *story) call(member string, l *Life, at Place, attempt int, due int64, how service.Outcome) *Call {
	end := s.open(member, l, at, attempt, due)
	s.after(5 * time.Millisecond)
	return end(how)
}

// first calls a fresh record.
func (s *story) first(member string, l *Life, how service.Outcome) *Call {
	return s.call(member, l, l.Origin, 1, 0, how)
}

// copy sends a record to a tier.
func (s *story) copy(l *Life, attempt int, wait time.Duration) *Copy {
	due := s.clock.Add(wait).UnixMilli()
	return s.add(&Copy{Place: s.place("g.src.retry-" + wait.String()), Attempt: attempt, Due: due, HopDue: due}, l)
}

// park sends a record behind another one of its key, untried.
func (s *story) park(l *Life) *Copy {
	return s.add(&Copy{Place: s.place("g.src.retry-park")}, l)
}

// bury sends a record to the dead letters.
func (s *story) bury(l *Life, attempt int, reason string) *Copy {
	return s.add(&Copy{Place: s.place("g.src.dlq"), Attempt: attempt, Dead: true, Reason: reason}, l)
}

func (s *story) add(c *Copy, l *Life) *Copy {
	c.Sum, c.Own = l.Sum, s.clock.UnixMilli()
	s.h.AddCopy(c, l.Origin.String())
	return c
}

// upset lets something happen, now.
func (s *story) upset(k upset.Kind, member string) {
	at := s.clock.UnixNano()
	s.h.Upsets = append(s.h.Upsets, upset.Upset{Number: len(s.h.Upsets) + 1, Kind: k, Member: member, Begun: at, Ended: at})
}

// retried is a record that fails once and then succeeds.
func (s *story) retried() (l *Life, c *Copy) {
	l = s.record(fate.Fail, 1)
	s.first("a", l, outcome(fate.Failed))
	c = s.copy(l, 1, time.Second)
	s.after(time.Second)
	s.call("a", l, c.Place, 2, c.Due, outcome(fate.OK))
	return l, c
}

// broken are the promises that the judge finds broken.
func (s *story) broken() map[string][]string {
	found := make(map[string][]string)
	for _, f := range Judge(s.h) {
		if f.Broken > 0 {
			found[f.Promise] = f.Examples
		}
	}
	return found
}
