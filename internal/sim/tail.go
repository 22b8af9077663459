package sim

import (
	"strings"
	"sync"
)

// tail keeps the newest lines of a log.
type tail struct {
	mu    sync.Mutex
	lines []string
}

// tailLines is how many lines are kept.
const tailLines = 2000

func newTail() *tail { return &tail{} }

// Write implements io.Writer.
func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.lines) >= tailLines {
		t.lines = append(t.lines[:0], t.lines[tailLines/2:]...)
	}
	t.lines = append(t.lines, string(b))
	return len(b), nil
}

// String returns the lines.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.Join(t.lines, "")
}
