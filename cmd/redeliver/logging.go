package main

import (
	"context"
	"io"
	"log/slog"

	"github.com/redeliver/redeliver/internal/config"
)

// logs are the process's own log and those of its pipelines, each with a level of its own that may be changed while it runs. They
// may be used concurrently.
type logs struct {
	process   *slog.Logger
	audit     *slog.Logger // who changed what, and who was refused: it is there whatever the level is
	pipelines map[string]pipelineLog
}

type pipelineLog struct {
	*slog.Logger
	level *slog.LevelVar
}

// newLogs returns the logs that the configuration asks for.
func newLogs(c *config.Config, w io.Writer) *logs {
	var level slog.Level
	_ = level.UnmarshalText([]byte(c.Log.Level)) // one of the names that the configuration allows
	all := &slog.HandlerOptions{Level: slog.LevelDebug}
	var handler slog.Handler = slog.NewTextHandler(w, all)
	if c.Log.Format == "json" {
		handler = slog.NewJSONHandler(w, all)
	}
	l := &logs{
		process:   slog.New(leveled{handler, level}),
		audit:     slog.New(leveled{handler, min(level, slog.LevelWarn)}),
		pipelines: make(map[string]pipelineLog),
	}
	for _, p := range c.Pipelines {
		own := new(slog.LevelVar)
		own.Set(level)
		l.pipelines[p.Name] = pipelineLog{slog.New(leveled{handler, own}), own}
	}
	return l
}

// Level returns the least level that a pipeline logs.
func (l *logs) Level(pipeline string) slog.Level { return l.pipelines[pipeline].level.Level() }

// SetLevel changes it.
func (l *logs) SetLevel(pipeline string, level slog.Level) { l.pipelines[pipeline].level.Set(level) }

// leveled is a handler with a level before it.
type leveled struct {
	slog.Handler
	level slog.Leveler
}

// Enabled reports whether the level is logged.
func (l leveled) Enabled(_ context.Context, level slog.Level) bool { return level >= l.level.Level() }

// WithAttrs keeps the level.
func (l leveled) WithAttrs(attrs []slog.Attr) slog.Handler {
	return leveled{l.Handler.WithAttrs(attrs), l.level}
}

// WithGroup keeps the level.
func (l leveled) WithGroup(name string) slog.Handler {
	return leveled{l.Handler.WithGroup(name), l.level}
}
