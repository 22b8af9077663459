package consumer

import (
	"testing"

	"pgregory.net/rapid"
)

// TestKeyOrderModel puts records off, moves and settles them in any order, and holds what may run to a list.
func TestKeyOrderModel(t *testing.T) {
	type record struct {
		key    uint64
		offset int64
	}
	rapid.Check(t, func(t *rapid.T) {
		o := newKeyOrder()
		model := make(map[record]whereabouts)
		draw := func(t *rapid.T) record {
			return record{rapid.Uint64Range(1, 3).Draw(t, "key"), rapid.Int64Range(0, 12).Draw(t, "offset")}
		}
		t.Repeat(map[string]func(*rapid.T){
			"put": func(t *rapid.T) {
				r, where := draw(t), rapid.SampledFrom([]whereabouts{inTier, inPark, inLane}).Draw(t, "where")
				o.put(r.key, r.offset, where)
				model[r] = where
			},
			"remove": func(t *rapid.T) {
				r := draw(t)
				_, known := model[r]
				delete(model, r)
				equalTo(t, "known", o.remove(r.key, r.offset), known)
			},
			"": func(t *rapid.T) {
				first := make(map[uint64]record)
				for r := range model {
					if f, ok := first[r.key]; !ok || r.offset < f.offset {
						first[r.key] = r
					}
				}
				stranded := 0
				for key := uint64(1); key <= 3; key++ {
					f, any := first[key]
					if any && model[f] == inPark {
						stranded++
					}
					for offset := range int64(14) {
						if got, want := o.blocks(key, offset), any && f.offset < offset; got != want {
							t.Fatalf("key %d offset %d blocked: got %v, want %v", key, offset, got, want)
						}
					}
				}
				equalTo(t, "size", o.size, len(model))
				equalTo(t, "idle", o.idle(), len(model) == 0)
				equalTo(t, "keys", len(o.lines), len(first))
				equalTo(t, "stranded", o.stranded, stranded)
			},
		})
	})
}
