package demo

import (
	"context"
	"log/slog"
	"strings"
	"sync"
)

// journal is the log of the engine and the broker: it would spoil the screen, so errors become events, and the last
// warnings are kept for when the figures do not add up. It implements slog.Handler.
type journal struct {
	feed *feed
	with []slog.Attr
	kept *journalLines
}

type journalLines struct {
	mu    sync.Mutex
	lines []string
}

const keptLines = 20

func newJournal(f *feed) *journal { return &journal{feed: f, kept: new(journalLines)} }

// Enabled implements slog.Handler.
func (j *journal) Enabled(_ context.Context, l slog.Level) bool { return l >= slog.LevelWarn }

// Handle implements slog.Handler.
func (j *journal) Handle(_ context.Context, r slog.Record) error {
	var b strings.Builder
	b.WriteString(r.Message)
	add := func(a slog.Attr) bool {
		b.WriteString(" " + a.String())
		return true
	}
	for _, a := range j.with {
		add(a)
	}
	r.Attrs(add)
	text := b.String()
	j.kept.mu.Lock()
	j.kept.lines = append(j.kept.lines, r.Time.Format("15:04:05.000 ")+r.Level.String()+" "+text)
	j.kept.lines = j.kept.lines[max(0, len(j.kept.lines)-keptLines):]
	j.kept.mu.Unlock()
	if r.Level >= slog.LevelError {
		j.feed.tell("%s", text)
	}
	return nil
}

// WithAttrs implements slog.Handler.
func (j *journal) WithAttrs(attrs []slog.Attr) slog.Handler {
	c := *j
	c.with = append(c.with[:len(c.with):len(c.with)], attrs...)
	return &c
}

// WithGroup implements slog.Handler. Groups are not told.
func (j *journal) WithGroup(string) slog.Handler { return j }

// last returns the last warnings and errors.
func (j *journal) last() []string {
	j.kept.mu.Lock()
	defer j.kept.mu.Unlock()
	return append([]string(nil), j.kept.lines...)
}
