package logbook_test

import (
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/redeliver/redeliver/internal/logbook"
)

// What was logged is found by its parts, and what an operator is alarmed by told from the rest.
func TestLinesAreFound(t *testing.T) {
	var written strings.Builder
	var book logbook.Book
	for _, log := range []*slog.Logger{slog.New(slog.NewTextHandler(&written, nil)), slog.New(slog.NewTextHandler(&book, nil))} {
		log.Info("topics made", "pipeline", "orders")
		log.Warn("cannot commit offsets", "topic", "a")
		log.Warn("cannot commit offsets", "topic", "b")
		log.Error("copy cannot be written", "to", "b")
	}
	for name, b := range map[string]*logbook.Book{"written to": &book, "of a text": logbook.Of(written.String())} {
		for _, tt := range []struct {
			parts []string
			want  int
		}{
			{[]string{"topics made"}, 1},
			{[]string{"level=WARN", "offsets"}, 2},
			{[]string{"offsets", "topic=b"}, 1},
			{[]string{"level=ERROR", "topic=b"}, 0},
		} {
			if got := b.Count(tt.parts...); got != tt.want {
				t.Errorf("%s: %d lines have %q, want %d", name, got, tt.parts, tt.want)
			}
		}
		if got := b.Alarms(); len(got) != 3 {
			t.Errorf("%s: alarms %q, want 3", name, got)
		}
		if got := b.Alarms("commit", "something else"); len(got) != 1 || !slices.ContainsFunc(got, func(l string) bool { return strings.Contains(l, "copy") }) {
			t.Errorf("%s: alarms but for commits %q, want the one of the copy", name, got)
		}
	}
}
