package dlq

import (
	"sync"

	"github.com/twmb/franz-go/pkg/kgo"
)

// room is the memory of what one fetch brought. Who is done with all of it gives it to the next fetch, where it is known who has it: what a replay reads and
// writes then stays in the same memory, which spares the collector most of its work and the caches the rest.
type room struct {
	records  pieces[kgo.Record]
	pointers []*kgo.Record
	headers  pieces[kgo.RecordHeader]
	entries  pieces[Entry]
	bytes    [][]byte // that batches are decompressed into
	filled   [][]byte // these hold some
}

// spare is memory for a batch to be decompressed into, nil where there is none.
func (r *room) spare() []byte {
	last := len(r.bytes) - 1
	if last < 0 {
		return nil
	}
	b := r.bytes[last]
	r.bytes = r.bytes[:last]
	return b
}

// free makes room of all that is in it.
func (r *room) free() {
	r.records.used, r.headers.used, r.entries.used, r.pointers = 0, 0, 0, r.pointers[:0]
	r.bytes, r.filled = append(r.bytes, r.filled...), r.filled[:0]
}

// pieces is memory that is handed out piece by piece.
type pieces[T any] struct {
	all  []T
	used int
}

// take returns a piece of n, whose content is not known. There is room for more alike where there has to be more memory.
func (p *pieces[T]) take(n, alike int) []T {
	if len(p.all)-p.used < n {
		p.all, p.used = make([]T, max(n*alike, 2*len(p.all))), 0
	}
	p.used += n
	return p.all[p.used-n : p.used : p.used]
}

// rooms are those that may be used again. nil: none are.
type rooms struct {
	mu   sync.Mutex
	free []*room
}

func (r *rooms) get() *room {
	if r != nil {
		r.mu.Lock()
		defer r.mu.Unlock()
		if last := len(r.free) - 1; last >= 0 {
			one := r.free[last]
			r.free = r.free[:last]
			return one
		}
	}
	return new(room)
}

func (r *rooms) put(some []*room) {
	if len(some) == 0 {
		return
	}
	for _, one := range some {
		one.free()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.free = append(r.free, some...)
}
