package verify

import (
	"testing"
	"time"

	"github.com/redeliver/redeliver/torture/internal/fate"
	"github.com/redeliver/redeliver/torture/internal/service"
	"github.com/redeliver/redeliver/torture/internal/upset"
)

var (
	ok      = outcome(fate.OK)
	fails   = outcome(fate.Failed)
	refused = outcome(fate.Refused)
)

// A run in which every fate takes its course, and what upsets explain happens, is not found fault with.
func TestJudgeAcquits(t *testing.T) {
	for name, tell := range map[string]func(*story){
		"a record that succeeds":   func(s *story) { s.first("a", s.record(fate.Succeed, 0), ok) },
		"a record that is dropped": func(s *story) { s.first("a", s.record(fate.Drop, 0), outcome(fate.Dropped)) },
		"a record that is retried": func(s *story) { s.retried() },
		"a record that is refused": func(s *story) {
			l := s.record(fate.Refuse, 0)
			s.first("a", l, refused)
			s.bury(l, 1, "not_retriable")
		},
		"a record that fails for ever": func(s *story) { s.exhaust(s.record(fate.FailEver, 0), "exhausted") },
		"a record that is put off": func(s *story) {
			l := s.record(fate.Snooze, 1)
			s.first("a", l, outcome(fate.Snoozed))
			c := s.copy(l, 0, time.Second)
			s.after(time.Second)
			s.call("b", l, c.Place, 1, c.Due, ok)
		},
		"a retry beside its key's next record, one after the other": func(s *story) {
			l := s.record(fate.Fail, 1)
			next := s.sibling(l)
			s.first("a", l, fails)
			c := s.copy(l, 1, time.Second)
			s.first("a", next, ok)
			s.after(time.Second)
			s.call("a", l, c.Place, 2, c.Due, ok)
		},
		"a repeat after a kill": func(s *story) {
			l := s.record(fate.Succeed, 0)
			s.first("a", l, ok)
			s.upset(upset.Kill, "a")
			s.after(time.Second)
			s.first("b", l, ok)
		},
		"a repeat of all that a member had when it lost it, and of all that it had when it was killed": func(s *story) {
			s.repeated(upset.Kill, 2*(s.h.Terms.Window+s.h.Terms.Concurrency), func() { s.upset(upset.BrokerEnd, "") })
		},
		"a repeat of what a member and its successor had when a connection was reset, and again while a broker was paused": func(s *story) {
			s.repeated(upset.Reset, 4*(s.h.Terms.Window+s.h.Terms.Concurrency), func() { s.upset(upset.BrokerNap, "") })
		},
		"a call that is cut and made again": func(s *story) {
			l := s.record(fate.Succeed, 0)
			s.first("a", l, service.Cut)
			s.upset(upset.Kill, "a")
			s.first("b", l, ok)
		},
		"two members on one key after one was paused": func(s *story) {
			l := s.record(fate.Succeed, 0)
			next := s.sibling(l)
			s.upset(upset.Pause, "a")
			end := s.open("a", l, l.Origin, 1, 0)
			s.first("b", next, ok)
			end(ok)
		},
		"a call that was told to give up and is made again": func(s *story) {
			l := s.record(fate.Succeed, 0)
			end := s.open("a", l, l.Origin, 1, 0)
			s.first("b", l, ok)
			end(service.Cancelled)
		},
		"a repeat that is routed again": func(s *story) { s.routedTwice() },
		"a far delay over two tiers": func(s *story) {
			s.h.Terms.ExactlyOnce = true
			l := s.record(fate.AskFar, 0)
			s.first("a", l, outcome(fate.AskedFar))
			far := s.copy(l, 1, 3*time.Second)
			far.Due = s.clock.Add(5 * time.Second).UnixMilli()
			s.after(3 * time.Second)
			hop := s.copy(l, 1, time.Second)
			hop.Due = far.Due
			s.after(2 * time.Second)
			s.call("a", l, hop.Place, 2, hop.Due, ok)
		},
		"a record that waits behind a retry of its key": func(s *story) { s.held(func(l, next *Life, retry, call func(string)) { retry("a"); call("a") }) },
		"a record that is called between another one of its key and a repeat of that": func(s *story) {
			s.held(func(l, next *Life, retry, call func(string)) {
				retry("a")
				call("a")
				s.upset(upset.Kill, "a")
				retry("b")
			})
		},
		"a retry that a member makes which did not know that it had lost the key": func(s *story) {
			s.held(func(l, next *Life, retry, call func(string)) {
				s.upset(upset.Pause, "a")
				call("b")
				retry("a")
			})
		},
		"a record that waits in the park topic as often as that takes": func(s *story) {
			s.held(func(l, next *Life, retry, call func(string)) {
				s.park(next)
				retry("a")
				call("a")
			})
		},
		"a handler's time-out, which is a failure": func(s *story) {
			l := s.record(fate.Succeed, 0)
			s.first("a", l, ok)
			s.h.AddEvent(service.Event{GaveUp: &service.GaveUp{Member: "a", Number: s.calls, Why: service.TimedOut}})
			c := s.copy(l, 1, time.Second)
			s.after(time.Second)
			s.call("a", l, c.Place, 2, c.Due, ok)
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := begin(t)
			tell(s)
			for promise, examples := range s.broken() {
				t.Errorf("%s is found broken: %v", promise, examples)
			}
		})
	}
}

// Whatever breaks a promise is found, by the promise's name, and nothing else is.
func TestJudgeFindsEveryBrokenPromise(t *testing.T) {
	for _, c := range []struct {
		name    string
		promise string
		tell    func(*story)
	}{
		{"a record is never handled", "no-loss", func(s *story) { s.record(fate.Succeed, 0) }},
		{"a retry never comes", "no-loss", func(s *story) {
			l := s.record(fate.Fail, 1)
			s.first("a", l, fails)
			s.copy(l, 1, time.Second)
		}},
		{"a record that should succeed is dead", "no-loss", func(s *story) { s.exhaust(s.record(fate.Fail, 1), "exhausted") }},
		{"the last records are not committed", "no-loss", func(s *story) { s.h.Lag = 1 }},
		{"the run does not settle", "no-loss", func(s *story) { s.h.unsettled = "stuck" }},
		{"the source has lost a record", "no-loss", func(s *story) {
			l := s.record(fate.Succeed, 0)
			s.first("a", l, ok)
			l.Read = false
		}},
		{"a record stands in the source that nobody produced", "no-loss", func(s *story) { s.h.AddSource(0, 9, 1) }},

		{"a call before the copy's due time", "never-early", func(s *story) { s.retriedAfter(time.Second-time.Millisecond, 0) }},
		{"a copy whose due time is too soon", "never-early", func(s *story) { s.retriedAfter(900*time.Millisecond, 100*time.Millisecond) }},

		{"an attempt counts too much", "honest-attempts", func(s *story) {
			l := s.record(fate.Fail, 2)
			s.first("a", l, fails)
			c := s.copy(l, 1, time.Second)
			s.after(5 * time.Second)
			s.call("a", l, c.Place, 3, c.Due, ok)
		}},
		{"a snooze counts as an attempt", "honest-attempts", func(s *story) {
			l := s.record(fate.Snooze, 1)
			s.first("a", l, outcome(fate.Snoozed))
			c := s.copy(l, 1, time.Second)
			s.after(time.Second)
			s.call("a", l, c.Place, 2, c.Due, ok)
		}},
		{"a copy counts a call that succeeded", "honest-attempts", func(s *story) {
			l := s.record(fate.Succeed, 0)
			s.first("a", l, ok)
			s.copy(l, 1, time.Second)
		}},
		{"a record is exhausted too soon", "honest-attempts", func(s *story) {
			l := s.record(fate.FailEver, 0)
			s.first("a", l, fails)
			s.bury(l, 1, "exhausted")
		}},
		{"a refused record has another reason", "honest-attempts", func(s *story) {
			l := s.record(fate.Refuse, 0)
			s.first("a", l, refused)
			s.bury(l, 1, "requested")
		}},

		{"two records of a key at a time in one member", "ordered", func(s *story) {
			l := s.record(fate.Succeed, 0)
			next := s.sibling(l)
			end := s.open("a", l, l.Origin, 1, 0)
			s.first("a", next, ok)
			end(ok)
		}},
		{"a retry beside a record of its key", "ordered", func(s *story) {
			l := s.record(fate.Fail, 1)
			next := s.sibling(l)
			s.first("a", l, fails)
			c := s.copy(l, 1, time.Second)
			s.after(time.Second)
			end := s.open("a", next, next.Origin, 1, 0)
			s.call("a", l, c.Place, 2, c.Due, ok)
			end(ok)
		}},
		{"two members on one key that nothing excuses", "ordered", func(s *story) {
			l := s.record(fate.Succeed, 0)
			next := s.sibling(l)
			s.upset(upset.Pause, "a")
			s.after(11 * time.Second)
			end := s.open("a", l, l.Origin, 1, 0)
			s.first("b", next, ok)
			end(ok)
		}},
		{"fresh records of a key out of order", "ordered", func(s *story) {
			l := s.record(fate.Succeed, 0)
			next := s.sibling(l)
			s.first("a", next, ok)
			s.first("a", l, ok)
		}},

		{"a record that is called before the retry of one that its key waits for", "ordered", func(s *story) {
			s.held(func(l, next *Life, retry, call func(string)) {
				call("a")
				retry("a")
			})
		}},
		{"a record that is called before the retry of another, which is done then and repeated", "ordered", func(s *story) {
			s.held(func(l, next *Life, retry, call func(string)) {
				call("a")
				retry("a")
				s.upset(upset.Kill, "a")
				retry("b")
			})
		}},
		{"a retry after its member was upset, and long before", "ordered", func(s *story) {
			s.held(func(l, next *Life, retry, call func(string)) {
				s.upset(upset.Pause, "a")
				s.after(s.h.Terms.Tail + time.Second)
				call("b")
				retry("a")
			})
		}},
		{"a record that fails after another one behind it was called", "ordered", func(s *story) {
			s.held(func(l, next *Life, retry, call func(string)) { retry("a"); call("a") })
			l := s.record(fate.Refuse, 0)
			next := s.sibling(l)
			s.first("a", next, ok)
			s.first("a", l, refused)
			s.bury(l, 1, "not_retriable")
		}},
		{"keys that are held, and none that had to be", "ordered", func(s *story) {
			s.h.Terms.HoldKey = true
			s.first("a", s.record(fate.Succeed, 0), ok)
		}},

		{"a repeat that nothing explains", "bounded", func(s *story) {
			l := s.record(fate.Succeed, 0)
			s.first("a", l, ok)
			s.first("b", l, ok)
		}},
		{"a repeat long after an upset", "bounded", func(s *story) {
			l := s.record(fate.Succeed, 0)
			s.upset(upset.Pause, "a")
			s.after(11 * time.Second)
			s.first("a", l, ok)
			s.first("b", l, ok)
		}},
		{"a repeat after a clean stop", "bounded", func(s *story) {
			l := s.record(fate.Succeed, 0)
			s.first("a", l, ok)
			s.upset(upset.Stop, "a")
			s.first("b", l, ok)
		}},
		{"more repeats after a kill than window and slots allow", "bounded", func(s *story) {
			s.repeated(upset.Kill, s.h.Terms.Window+s.h.Terms.Concurrency+1, func() {})
		}},
		{"more repeats after a kill than it and a loss before it allow", "bounded", func(s *story) {
			s.repeated(upset.Kill, 2*(s.h.Terms.Window+s.h.Terms.Concurrency)+1, func() { s.upset(upset.BrokerEnd, "") })
		}},
		{"more repeats after a kill than window and slots allow, long after another upset", "bounded", func(s *story) {
			s.upset(upset.BrokerEnd, "")
			s.after(s.h.Terms.Tail + time.Second)
			s.repeated(upset.Kill, s.h.Terms.Window+s.h.Terms.Concurrency+1, func() {})
		}},
		{"more repeats after a reset than two windows and slots allow", "bounded", func(s *story) {
			s.repeated(upset.Reset, 2*(s.h.Terms.Window+s.h.Terms.Concurrency)+1, func() {})
		}},
		{"more repeats after a reset than it and a broker's pause beside it allow", "bounded", func(s *story) {
			s.repeated(upset.Reset, 4*(s.h.Terms.Window+s.h.Terms.Concurrency)+1, func() { s.upset(upset.BrokerNap, "") })
		}},
		{"more repeats after a reset than two windows and slots allow, while a third member was upset", "bounded", func(s *story) {
			s.repeated(upset.Reset, 2*(s.h.Terms.Window+s.h.Terms.Concurrency)+1, func() { s.upset(upset.Pause, "c") })
		}},
		{"more calls in flight than slots", "bounded", func(s *story) {
			var ends []func(service.Outcome) *Call
			for range s.h.Terms.Concurrency + 1 {
				l := s.record(fate.Succeed, 0)
				ends = append(ends, s.open("a", l, l.Origin, 1, 0))
			}
			for _, end := range ends {
				end(ok)
			}
		}},

		{"a handler sees other bytes", "intact", func(s *story) { s.first("a", s.record(fate.Succeed, 0), ok).Sum++ }},
		{"a copy has other bytes", "intact", func(s *story) { _, c := s.retried(); c.Sum++ }},
		{"a copy is damaged", "intact", func(s *story) { _, c := s.retried(); c.Damage = "a header twice" }},
		{"a copy is as old as its original", "intact", func(s *story) { _, c := s.retried(); c.Own -= fate.Week.Milliseconds() }},
		{"a copy leaves its partition number", "intact", func(s *story) { _, c := s.retried(); c.Place.Partition = 1 }},
		{"a call with an id that nobody has", "intact", func(s *story) {
			s.h.AddEvent(service.Event{Call: &service.Call{ID: "other/0/0"}})
		}},

		{"a commit that went back", "fenced", func(s *story) { s.h.Back = []string{"src/0"} }},

		{"one call routed twice", "routed-once", func(s *story) {
			l, _ := s.retried()
			c := s.copy(l, 1, time.Second)
			s.after(time.Second)
			s.call("a", l, c.Place, 2, c.Due, ok)
		}},
		{"a repeat routed again, with exactly-once routing", "routed-once", func(s *story) {
			s.h.Terms.ExactlyOnce = true
			s.routedTwice()
		}},
		{"one copy written twice, with exactly-once routing", "routed-once", func(s *story) {
			s.h.Terms.ExactlyOnce = true
			l, c := s.retried()
			again := *c
			again.Place = s.place(c.Place.Topic)
			s.add(&again, l)
		}},
		{"two dead letters, with exactly-once routing", "routed-once", func(s *story) {
			s.h.Terms.ExactlyOnce = true
			l := s.record(fate.Refuse, 0)
			s.first("a", l, refused)
			s.bury(l, 1, "not_retriable")
			s.bury(l, 1, "not_retriable")
		}},
		{"copies that could not be read", "routed-once", func(s *story) { s.h.Unread = 1 }},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := begin(t)
			c.tell(s)
			found := s.broken()
			if found[c.promise] == nil {
				t.Errorf("%s is not found broken", c.promise)
			}
			delete(found, c.promise)
			for promise, examples := range found {
				t.Errorf("%s is found broken too: %v", promise, examples)
			}
		})
	}
}

// held has members hold keys, a record fail, and the next one of its key parked; then comes what the retry and the call of the next one are for.
func (s *story) held(then func(l, next *Life, retry, call func(member string))) {
	s.h.Terms.HoldKey, s.h.Terms.ExactlyOnce = true, true
	l := s.record(fate.Fail, 1)
	next := s.sibling(l)
	s.first("a", l, fails)
	c, parked := s.copy(l, 1, time.Second), s.park(next)
	s.after(time.Second)
	then(l, next, func(member string) { s.call(member, l, c.Place, 2, c.Due, ok) }, func(member string) { s.call(member, next, parked.Place, 1, 0, ok) })
}

// repeated has a member handle so many records, half of them before something happens, and be upset; all of them repeat.
func (s *story) repeated(by upset.Kind, records int, meanwhile func()) {
	var all []*Life
	for i := range records {
		if i == records/2 {
			meanwhile()
		}
		l := s.record(fate.Succeed, 0)
		all = append(all, l)
		s.first("a", l, ok)
	}
	s.upset(by, "a")
	for _, l := range all {
		s.first("b", l, ok)
	}
}

// exhaust lets a record fail until there are no retries left, and buries it.
func (s *story) exhaust(l *Life, reason string) {
	s.first("a", l, fails)
	for attempt, wait := range []time.Duration{time.Second, 3 * time.Second, 3 * time.Second} {
		c := s.copy(l, attempt+1, wait)
		s.after(wait)
		s.call("a", l, c.Place, attempt+2, c.Due, fails)
	}
	s.bury(l, 4, reason)
}

// retriedAfter lets a record be retried after a while, from a copy whose due time is sooner than the policy's by so much.
func (s *story) retriedAfter(wait, sooner time.Duration) {
	l := s.record(fate.Fail, 1)
	s.first("a", l, fails)
	c := s.copy(l, 1, time.Second)
	c.Due -= sooner.Milliseconds()
	s.after(wait)
	s.call("a", l, c.Place, 2, c.Due, ok)
}

// routedTwice lets a member die between routing a record and committing it.
func (s *story) routedTwice() {
	l := s.record(fate.Fail, 1)
	s.first("a", l, fails)
	one := s.copy(l, 1, time.Second)
	s.upset(upset.Kill, "a")
	s.after(10 * time.Millisecond)
	s.first("b", l, fails)
	two := s.copy(l, 1, time.Second)
	s.after(2 * time.Second)
	s.call("b", l, one.Place, 2, one.Due, ok)
	s.call("b", l, two.Place, 2, two.Due, ok)
}
