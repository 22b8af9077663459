package dlq_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"testing"

	"github.com/redeliver/redeliver/dlq"
	"github.com/redeliver/redeliver/dlq/indexfile"
)

// weighed is a store that knows how large the largest value was that was put into it, and how much all were together.
type weighed struct {
	dlq.IndexStore
	largest, all int
}

func (w *weighed) Update(ctx context.Context, f func(dlq.IndexUpdate) error) error {
	return w.IndexStore.Update(ctx, func(u dlq.IndexUpdate) error { return f(weighing{u, w}) })
}

type weighing struct {
	dlq.IndexUpdate
	into *weighed
}

func (w weighing) Put(name string, value []byte) error {
	w.into.largest = max(w.into.largest, len(value))
	w.into.all += len(value)
	return w.IndexUpdate.Put(name, value)
}

// noise are bytes that compression makes no fewer.
func noise(seed, n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{byte(seed)}).Read(b) // never fails
	return b
}

// What an index puts together, and so holds in memory at a time, is bounded by bytes as by entries, whether letters come one by one or all at once, and
// none is written over and over.
func TestAnIndexOfLargeLettersIsInPieces(t *testing.T) {
	t.Parallel()
	const (
		letters = 24
		large   = 900_000
		piece   = 11 << 20 // a full one, and the letter that fills it, or the last small one
	)
	for name, size := range map[string]struct{ value, header int }{"values": {value: large}, "headers": {header: large}} {
		for _, together := range []int{1, letters} {
			t.Run(fmt.Sprintf("%s, %d at a time", name, together), func(t *testing.T) {
				t.Parallel()
				b := setup(t)
				file := indexfile.At(filepath.Join(t.TempDir(), "index"), indexfile.Options{})
				t.Cleanup(func() { _ = file.Close() })
				store := &weighed{IndexStore: file}
				q := b.open(dlq.Indexed(dlq.Index{Store: store}))
				for i := range letters {
					r := letter(death(0, int64(i)))
					r.Value = noise(i, size.value)
					r.Headers[0].Value = noise(i, size.header)
					b.produce(r)
					if (i+1)%together == 0 {
						equal(t, "entries", len(b.entries(q, dlq.Filter{Limit: 1})), 1)
					}
				}
				if store.largest > piece {
					t.Errorf("one piece has %d bytes", store.largest)
				}
				if store.all > 3*letters*large {
					t.Errorf("%d bytes were written for %d of letters", store.all, letters*large)
				}
				entries := b.entries(q, dlq.Filter{})
				equal(t, "all entries", len(entries), letters)
				for i, e := range entries {
					if !bytes.Equal(e.Record.Value, noise(i, size.value)) || !bytes.Equal(e.Record.Headers[0].Value, noise(i, size.header)) {
						t.Errorf("entry %d is not what was written", i)
					}
				}
			})
		}
	}
}
