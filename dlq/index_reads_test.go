package dlq_test

import (
	"context"
	"strings"
	"sync"

	"github.com/redeliver/redeliver/dlq"
)

// interposed stands between an index and its store: what is looked for comes from get, which may be called concurrently.
type interposed struct {
	dlq.IndexStore
	get func(from dlq.IndexView, names []string) ([][]byte, error)
}

type interposedView struct {
	dlq.IndexView
	get func(from dlq.IndexView, names []string) ([][]byte, error)
}

func (s *interposed) View(ctx context.Context, f func(dlq.IndexView) error) error {
	return s.IndexStore.View(ctx, func(v dlq.IndexView) error { return f(interposedView{v, s.get}) })
}

func (v interposedView) Get(names ...string) ([][]byte, error) { return v.get(v.IndexView, names) }

// watched notes which parts of an index are read.
type watched struct {
	interposed
	mu   sync.Mutex // partitions are read side by side
	read map[string]bool
}

func watch(store dlq.IndexStore) *watched {
	w := &watched{read: make(map[string]bool)}
	w.interposed = interposed{store, func(from dlq.IndexView, names []string) ([][]byte, error) {
		w.mu.Lock()
		for _, name := range names {
			w.read[name] = true
		}
		w.mu.Unlock()
		return from.Get(names...)
	}}
	return w
}

// records are the segments whose records were read since it was asked last.
func (w *watched) records() (segments []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for name := range w.read {
		if strings.HasPrefix(name, "r") {
			segments = append(segments, name)
		}
	}
	clear(w.read)
	return segments
}
