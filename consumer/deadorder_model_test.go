package consumer

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/redeliver/redeliver/dlq"
)

// TestDeadOrderModel lets records die and be dealt with in any order, some more than once, and holds which of a key are to follow
// them to a list.
func TestDeadOrderModel(t *testing.T) {
	type letter struct {
		key             uint64
		origin, replays int64
	}
	rapid.Check(t, func(t *rapid.T) {
		o := newDeadOrder(0)
		model := make(map[letter]bool)
		draw := func(t *rapid.T) letter {
			return letter{rapid.Uint64Range(1, 3).Draw(t, "key"), rapid.Int64Range(0, 12).Draw(t, "origin"), rapid.Int64Range(0, 2).Draw(t, "replays")}
		}
		id := func(l letter) dlq.Identity { return dlq.Identity{l.key<<32 | uint64(l.origin), uint64(l.replays)} }
		t.Repeat(map[string]func(*rapid.T){
			"put": func(t *rapid.T) {
				l := draw(t)
				o.put(l.key, deadLetter{origin: l.origin, died: 100 - l.origin, id: id(l)})
				model[l] = true
			},
			"remove": func(t *rapid.T) {
				l := draw(t)
				at, known := o.remove(id(l))
				equalTo(t, "known", known, model[l])
				if known {
					equalTo(t, "address", at, deadAddress{l.key, l.origin})
				}
				delete(model, l)
			},
			"": func(t *rapid.T) {
				first := make(map[uint64]int64)
				for l := range model {
					if origin, any := first[l.key]; !any || l.origin < origin {
						first[l.key] = l.origin
					}
				}
				oldest := int64(0)
				for key := uint64(1); key <= 3; key++ {
					origin, any := first[key]
					if any && (oldest == 0 || 100-origin < oldest) {
						oldest = 100 - origin
					}
					for offset := range int64(14) {
						equalTo(t, "closed", o.closes(key, offset), any && origin < offset)
					}
				}
				equalTo(t, "size", o.size(), len(model))
				equalTo(t, "idle", o.idle(), len(model) == 0)
				equalTo(t, "keys", len(o.lines), len(first))
				equalTo(t, "oldest", o.oldest(), oldest)
			},
		})
	})
}

// TestDeadOrderForgetsWhatIsBehind gives the order less room than there are dead letters, and holds it to a list: which keys are closed
// is right as long as it does not ask for the topics to be read again, or says that there are keys that it does not know.
func TestDeadOrderForgetsWhatIsBehind(t *testing.T) {
	type letter struct {
		key             uint64
		origin, replays int64
	}
	id := func(l letter) dlq.Identity { return dlq.Identity{l.key<<32 | uint64(l.origin), uint64(l.replays)} }
	rapid.Check(t, func(t *rapid.T) {
		const keys = 5
		limit := rapid.IntRange(2, 12).Draw(t, "limit")
		o := newDeadOrder(limit)
		model := make(map[letter]bool)
		readAgain := func() {
			o = newDeadOrder(limit)
			for l := range model {
				o.put(l.key, deadLetter{origin: l.origin, died: 1, id: id(l)})
			}
		}
		draw := func(t *rapid.T) letter {
			return letter{rapid.Uint64Range(1, keys).Draw(t, "key"), rapid.Int64Range(0, 12).Draw(t, "origin"), rapid.Int64Range(0, 1).Draw(t, "replays")}
		}
		t.Repeat(map[string]func(*rapid.T){
			"put": func(t *rapid.T) {
				l := draw(t)
				if !model[l] {
					o.put(l.key, deadLetter{origin: l.origin, died: 1, id: id(l)})
				}
				model[l] = true
			},
			"remove": func(t *rapid.T) {
				l := draw(t)
				if !model[l] {
					return
				}
				o.dealt++
				o.remove(id(l))
				delete(model, l)
				if o.outdated() {
					readAgain()
				}
			},
			"": func(t *rapid.T) {
				first := make(map[uint64]int64)
				for l := range model {
					if origin, any := first[l.key]; !any || l.origin < origin {
						first[l.key] = l.origin
					}
				}
				if o.size() > limit {
					t.Fatalf("%d are remembered, want at most %d", o.size(), limit)
				}
				if o.lost > 0 {
					if o.size() < limit && 4*o.dealt >= limit {
						t.Fatal("keys are not known though there is room for them")
					}
					return
				}
				for key := uint64(1); key <= keys; key++ {
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
	id := func(key uint64) dlq.Identity { return dlq.Identity{key, 0} }
	for key := range uint64(3) {
		o.put(key, deadLetter{origin: 1, died: 1, id: id(key)})
	}
	equal(t, "keys that are not known", o.lost, 1)
	equal(t, "to be read again at the limit", o.outdated(), false)
	o.limit = 100
	o.dealt++
	o.remove(id(0))
	equal(t, "to be read again with room", o.outdated(), true)
}
