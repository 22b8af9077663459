// Package logbook keeps what pipelines log, for tests that hold it to what operators are promised to be told. It knows the
// lines of [log/slog.TextHandler].
package logbook

import (
	"slices"
	"strings"
	"sync"
)

// Book keeps lines. The zero value is empty, and ready to be written to. It may be used concurrently.
type Book struct {
	mu    sync.Mutex
	lines []string
}

// Of returns a book with the lines of a text.
func Of(text string) *Book { return &Book{lines: slices.Collect(strings.Lines(text))} }

// Write implements [io.Writer]; a handler writes a line at a time.
func (b *Book) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.lines = append(b.lines, string(p))
	return len(p), nil
}

// Count returns how many lines have all the parts.
func (b *Book) Count(parts ...string) (n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, line := range b.lines {
		if !slices.ContainsFunc(parts, func(part string) bool { return !strings.Contains(line, part) }) {
			n++
		}
	}
	return n
}

// Alarms returns the warnings and errors, without those that have one of the texts.
func (b *Book) Alarms(but ...string) (alarms []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, line := range b.lines {
		loud := strings.Contains(line, "level=WARN") || strings.Contains(line, "level=ERROR")
		if loud && !slices.ContainsFunc(but, func(text string) bool { return strings.Contains(line, text) }) {
			alarms = append(alarms, line)
		}
	}
	return alarms
}
