package consumer

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/redeliver/redeliver/dlq"
	"github.com/redeliver/redeliver/retrytopics"
)

// deadOfModel is a dead letter of a model. Those that differ in their birth alone are of a source that was made again: they share an identity, and have other keys.
type deadOfModel struct{ origin, replays, born int64 }

const (
	modelKeys   = 5
	modelFailed = 2_000_000 // when all records failed first, Unix ms
)

func (l deadOfModel) key() uint64 { return uint64(l.origin+l.born)%modelKeys + 1 }

func (l deadOfModel) letter() deadLetter {
	return deadLetter{l.origin, 10_000_000 - l.origin, modelFailed, l.origin, false, deadName{dlq.Identity{uint64(l.origin), uint64(l.replays)}, l.born}}
}

func drawDead(t *rapid.T) deadOfModel {
	return deadOfModel{
		rapid.Int64Range(0, 12).Draw(t, "origin"), rapid.Int64Range(0, 2).Draw(t, "replays"), rapid.SampledFrom([]int64{0, 1_000_001, 2_000_002}).Draw(t, "born"),
	}
}

// firstOf is the lowest origin of each key.
func firstOf(model map[deadOfModel]bool) map[uint64]int64 {
	first := make(map[uint64]int64)
	for l := range model {
		if origin, any := first[l.key()]; !any || l.origin < origin {
			first[l.key()] = l.origin
		}
	}
	return first
}

// TestDeadOrderModel lets records die and be dealt with in any order, some more than once, and holds which of a key are to follow
// them, and which a mark is of, to a list.
func TestDeadOrderModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o := newDeadOrder(0)
		model := make(map[deadOfModel]bool)
		t.Repeat(map[string]func(*rapid.T){
			"put": func(t *rapid.T) {
				l := drawDead(t)
				o.put(l.key(), l.letter())
				model[l] = true
			},
			"remove": func(t *rapid.T) {
				l := drawDead(t)
				at, known := o.remove(l.letter().deadName)
				equalTo(t, "known", known, model[l])
				if known {
					equalTo(t, "address", at, deadAddress{l.key(), l.origin, l.born})
				}
				delete(model, l)
			},
			"mark": func(t *rapid.T) {
				l := drawDead(t)
				m := dlq.Marked{
					Identity: l.letter().id, Born: l.born, Status: dlq.StatusReplayed, At: rapid.SampledFrom([]int64{500_000, 1_500_000, 3_000_000}).Draw(t, "at"),
					Seen: rapid.Int64Range(0, 14).Draw(t, "seen"), Until: rapid.SampledFrom([]int64{0, modelFailed - 1, modelFailed}).Draw(t, "until"),
				}
				until := m.Until
				if until == 0 {
					until = m.At
				}
				want := make(map[deadName]bool)
				for other := range model {
					noted := l.born != 0 || m.Seen > 0
					if m.Seen > 0 && other.origin >= m.Seen && until < modelFailed { // which is where its letter stands, too: it came later
						continue
					}
					if other.origin == l.origin && other.replays == l.replays && (other.born == l.born || !noted && other.born <= m.At) {
						want[other.letter().deadName] = true
						delete(model, other)
					}
				}
				for _, name := range o.marked(m) {
					equalTo(t, "marked", want[name], true)
					delete(want, name)
					o.remove(name)
				}
				equalTo(t, "that are not marked", len(want), 0)
			},
			"": func(t *rapid.T) {
				first := firstOf(model)
				oldest := int64(0)
				for key := uint64(1); key <= modelKeys; key++ {
					origin, any := first[key]
					if died := 10_000_000 - origin; any && (oldest == 0 || died < oldest) {
						oldest = died
					}
					for offset := range int64(14) {
						equalTo(t, "closed", o.closes(key, offset), any && origin < offset)
					}
				}
				equalTo(t, "size", o.size(), len(model))
				equalTo(t, "idle", o.idle(), len(model) == 0)
				equalTo(t, "keys", len(o.lines), len(first))
				equalTo(t, "oldest", o.oldest(), oldest)
				shared := 0
				for _, others := range o.others {
					shared += len(others)
				}
				equalTo(t, "addresses", len(o.index)+shared, len(model))
			},
		})
	})
}

// TestDeadOrderForgetsWhatIsBehind gives the order less room than there are dead letters, and holds it to a list: which keys are closed
// is right as long as it does not ask for the topics to be read again, or says that there are keys that it does not know.
func TestDeadOrderForgetsWhatIsBehind(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.IntRange(2, 12).Draw(t, "limit")
		o := newDeadOrder(limit)
		model := make(map[deadOfModel]bool)
		readAgain := func() {
			o = newDeadOrder(limit)
			for l := range model {
				o.put(l.key(), l.letter())
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"put": func(t *rapid.T) {
				l := drawDead(t)
				if !model[l] {
					o.put(l.key(), l.letter())
				}
				model[l] = true
			},
			"remove": func(t *rapid.T) {
				l := drawDead(t)
				if !model[l] {
					return
				}
				o.dealt++
				o.remove(l.letter().deadName)
				delete(model, l)
				if o.outdated() {
					readAgain()
				}
			},
			"": func(t *rapid.T) {
				first := firstOf(model)
				if o.size() > limit {
					t.Fatalf("%d are remembered, want at most %d", o.size(), limit)
				}
				if o.lost > 0 {
					if o.size() < limit && 4*o.dealt >= limit {
						t.Fatal("keys are not known though there is room for them")
					}
					return
				}
				for key := uint64(1); key <= modelKeys; key++ {
					origin, any := first[key]
					for offset := range int64(14) {
						equalTo(t, "closed", o.closes(key, offset), any && origin < offset)
					}
				}
				equalTo(t, "idle", o.idle(), len(model) == 0)
			},
		})
	})
}

// TestDeadOrderIsReadAgainWhenItsLimitHasGrown has more keys closed than can be known, and then room for many more, as when other strands
// leave: when those that are known are open again the topics are to be read, though that is no quarter of the new limit.
func TestDeadOrderIsReadAgainWhenItsLimitHasGrown(t *testing.T) {
	o := newDeadOrder(2)
	name := func(key uint64) deadName { return deadName{id: dlq.Identity{key, 0}} }
	for key := range uint64(3) {
		o.put(key, deadLetter{origin: 1, died: 1, deadName: name(key)})
	}
	equal(t, "keys that are not known", o.lost, 1)
	equal(t, "to be read again at the limit", o.outdated(), false)
	o.limit = 100
	o.dealt++
	o.remove(name(0))
	equal(t, "to be read again with room", o.outdated(), true)
}

// TestAMarkOfBeforeSettlesNoLaterDeath has a record die anew whose dead letter had been dealt with: the mark on that one does not open its key, while the letter is
// on its way and when it is written, but the first one by somebody who had seen it does.
func TestAMarkOfBeforeSettlesNoLaterDeath(t *testing.T) {
	const died, before = 100_000_000, 100_000_000 - 3_600_000
	name := deadName{id: dlq.Identity{1, 1}}
	mark := func(until, seen int64) dlq.Marked { // by a clock that was ahead of all others
		return dlq.Marked{Identity: name.id, Status: dlq.StatusDiscarded, At: died + 3_600_000, Seen: seen, Until: until}
	}
	o := newDeadOrder(0)
	o.put(1, deadLetter{1, died, died, -1, true, name})
	equal(t, "marked before it is written", len(o.marked(mark(before, 8))), 0)
	equal(t, "marked just before it is written", len(o.marked(mark(died-1, 8))), 0)
	equal(t, "marked by somebody who had seen a copy of it", len(o.marked(mark(died, 8))), 1)
	equal(t, "marked by a release that says nothing of it", len(o.marked(mark(before, 0))), 1)
	o.written(name, 7)
	equal(t, "marked before it was written", len(o.marked(mark(before, 7))), 0)
	equal(t, "marked with it, by a clock that is behind", len(o.marked(mark(before, 8))), 1)
	o.put(1, deadLetter{1, died, died - 1, 4, false, name}) // an earlier copy that is read
	equal(t, "marked before it was written, then", len(o.marked(mark(before, 7))), 0)
	o.written(deadName{id: dlq.Identity{2, 2}}, 9) // one that is forgotten
	equal(t, "dead letters", o.size(), 1)

	o.put(1, deadLetter{1, died, died, -1, true, name}) // a further copy, which is skipped
	equal(t, "marked before that is written", len(o.marked(mark(before, 8))), 0)
	o.spare(name)
	equal(t, "marked when it will not be", len(o.marked(mark(before, 8))), 1)
	equal(t, "dead letters", o.size(), 1)
	o.put(2, deadLetter{1, died, died, -1, true, deadName{id: dlq.Identity{3, 3}}})
	o.spare(deadName{id: dlq.Identity{3, 3}})
	equal(t, "dead letters of what is skipped and was not written", o.size(), 1)
}

// TestACopyOfBeforeOpensNoKeyOfALaterDeath reads the copy of a replay that was retried since, of a record that failed anew after the copy had: its dead letter stays.
func TestACopyOfBeforeOpensNoKeyOfALaterDeath(t *testing.T) {
	at := time.Now()
	replayed := retrytopics.State{ID: "orders/0/1", Group: "shop", Replays: 1, FirstFailed: at.Add(-time.Hour)}
	o := newDeadOrder(0)
	letter := deadLetter{1, at.UnixMilli(), at.UnixMilli(), 7, false, before(&replayed)}
	o.put(1, letter)
	equal(t, "dealt with by a copy of before", o.putBack(&replayed, at), false)
	equal(t, "dead letters", o.size(), 1)
	replayed.FirstFailed = at.Add(-30 * time.Second)
	equal(t, "dealt with by its own copy, which failed, by a clock that is behind", o.putBack(&replayed, at), true)
	equal(t, "dead letters then", o.size(), 0)
	o.put(1, letter)
	replayed.FirstFailed = time.Time{}
	equal(t, "dealt with by a copy that was there before", o.putBack(&replayed, at.Add(-2*time.Minute)), false)
	equal(t, "dealt with by its own copy, of a clock that is behind", o.putBack(&replayed, at.Add(-30*time.Second)), true)
	equal(t, "dead letters at last", o.size(), 0)
}
