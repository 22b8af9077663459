package fleet

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var day = time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)

// entry is a record and where it stands.
type entry struct {
	offset int64
	at     time.Time
	record
}

func fold(log []entry) *State {
	s := newState()
	for _, e := range log {
		s.apply(e.offset, e.at, e.record)
	}
	return s
}

// script builds a log, a record a second.
func script(records ...record) (log []entry) {
	for i, r := range records {
		r.subject = subject{name: "d"}
		log = append(log, entry{int64(i), day.Add(time.Duration(i) * time.Second), r})
	}
	return log
}

func opens(wait int) record { return record{kind: kindOpen, Wait: time.Duration(wait) * time.Second} }
func closes(id int64) record {
	return record{kind: kindClose, Episode: id}
}
func claims(id int64, member string, lease int) record {
	return record{kind: kindProbe, Episode: id, Member: member, Lease: time.Duration(lease) * time.Second}
}
func orders(w Wish) record { return record{kind: kindOrder, Order: w} }

func TestState(t *testing.T) {
	for _, tt := range []struct {
		name    string
		log     []entry
		open    bool
		episode int64
		holder  string
		restate bool
	}{
		{"nothing", nil, false, none, "", false},
		{"open", script(opens(30)), true, 0, "", false},
		{"the latest open counts", script(opens(30), opens(30)), true, 1, "", false},
		{"closed", script(opens(30), closes(0)), false, 0, "", false},
		{"an older close is void", script(opens(30), opens(30), closes(0)), true, 1, "", false},
		{"a close of what is to come is void", script(closes(1), opens(30)), true, 1, "", false},
		{"a void close that hides the one that counts", script(opens(30), closes(0), closes(7)), false, 0, "", true},
		{"which was said again", script(opens(30), closes(0), closes(7), closes(0)), false, 0, "", false},
		{"open again", script(opens(30), closes(0), opens(30)), true, 2, "", false},
		{"the first claim holds", script(opens(1), claims(0, "a", 10), claims(0, "b", 10)), true, 0, "a", false},
		{"a claim that is too early is void", script(opens(30), claims(0, "a", 10)), true, 0, "", false},
		{"a claim of an older episode is void", script(opens(1), opens(1), claims(0, "a", 10)), true, 1, "", false},
		{"a claim after it was closed is void", script(opens(1), closes(0), claims(0, "a", 10)), false, 0, "", false},
		{"the next claim after the lease holds", script(opens(1), claims(0, "a", 2), claims(0, "b", 2), claims(0, "c", 2)), true, 0, "c", false},
		{"the holder renews", script(opens(1), claims(0, "a", 2), claims(0, "a", 2), claims(0, "b", 2), claims(0, "c", 2)), true, 0, "c", false},
		{"a new episode ends the lease", script(opens(1), claims(0, "a", 100), opens(1)), true, 2, "", false},
		{"an order ends the episode", script(opens(30), orders(Measure)), false, 0, "", false},
		{"and nothing that comes before", script(orders(KeepOpen), opens(30)), true, 1, "", false},
		{"a claim for a certain one is not early", script(opens(30), record{kind: kindProbe, Episode: 0, Member: "a", Lease: time.Second, Early: true}), true, 0, "", false},
		{"a claim for a suspected one is", script(record{kind: kindOpen, Wait: time.Hour, Suspected: true}, record{kind: kindProbe, Episode: 0, Member: "a", Lease: time.Second, Early: true}), true, 0, "a", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := fold(tt.log).of("d")
			if b.open() != tt.open || b.episode.id != tt.episode || b.lease.member != tt.holder || b.restate != tt.restate {
				t.Errorf("open %v, episode %d, holder %q, to be said again %v", b.open(), b.episode.id, b.lease.member, b.restate)
			}
		})
	}
}

// TestTheClockOfTheLogNeverGoesBack has a new leader whose clock is behind: no lease ends later for it, and none sooner.
func TestTheClockOfTheLogNeverGoesBack(t *testing.T) {
	log := script(opens(0), claims(0, "a", 10), claims(0, "b", 10))
	log[2].at = day.Add(-time.Hour)
	if b := fold(log).of("d"); b.lease.member != "a" {
		t.Errorf("%q holds the lease", b.lease.member)
	}
	log[2].at = day.Add(time.Hour)
	if b := fold(log).of("d"); b.lease.member != "b" {
		t.Errorf("%q holds the lease an hour later", b.lease.member)
	}
}

// compacted is a log of which, in its older part, the latest record of each key is left.
func compacted(log []entry, head int) (left []entry) {
	for i, e := range log {
		later := slices.ContainsFunc(log[i+1:], func(o entry) bool { return string(o.key()) == string(e.key()) })
		if i >= head || !later {
			left = append(left, e)
		}
	}
	return left
}

// TestCompactionChangesNothing folds random logs, in which what has to be said again is said again, whole and compacted anywhere
// but at the head: leases are shorter than what is never compacted.
func TestCompactionChangesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var log []entry
		s := newState()
		add := func(r record) {
			r.subject = subject{name: rapid.SampledFrom([]string{"d", "e"}).Draw(t, "name")}
			e := entry{int64(len(log)), day.Add(time.Duration(len(log)) * time.Second), r}
			log = append(log, e)
			s.apply(e.offset, e.at, e.record)
			for name, b := range s.breakers {
				if b.restate {
					again := entry{int64(len(log)), e.at, record{subject: subject{name: name}, kind: kindClose, Episode: b.episode.id}}
					log = append(log, again)
					s.apply(again.offset, again.at, again.record)
				}
			}
		}
		for range rapid.IntRange(0, 30).Draw(t, "records") {
			id := int64(rapid.IntRange(0, len(log)).Draw(t, "episode"))
			switch rapid.IntRange(0, 4).Draw(t, "kind") {
			case 0:
				add(opens(0))
			case 1, 2:
				add(closes(id))
			case 3:
				add(claims(id, rapid.StringMatching("[ab]").Draw(t, "member"), 1))
			case 4:
				add(orders(rapid.SampledFrom([]Wish{KeepOpen, KeepClosed, Measure}).Draw(t, "wish")))
			}
		}
		head := rapid.IntRange(0, len(log)).Draw(t, "head")
		got := fold(compacted(log, head))
		for _, name := range []string{"d", "e"} {
			a, b := s.of(name), got.of(name)
			if a.open() != b.open() || a.order != b.order || a.open() && a.episode.id != b.episode.id {
				t.Fatalf("%s: whole: open %v, episode %d, order %q; compacted: open %v, episode %d, order %q\n%s", name,
					a.open(), a.episode.id, a.order.Wish, b.open(), b.episode.id, b.order.Wish, text(log))
			}
		}
	})
}

func text(log []entry) (out string) {
	for _, e := range log {
		out += fmt.Sprintf("%d %s %d\n", e.offset, e.key(), e.Episode)
	}
	return out
}
