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
		o := newDeadOrder()
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
