package main

import (
	"context"
	"log/slog"
	"strings"

	"github.com/redeliver/redeliver/consumer"
)

// healthLog logs how a pipeline is when that changes.
type healthLog struct{ log *slog.Logger }

// OnHealth implements [consumer.HookHealth].
func (l healthLog) OnHealth(h consumer.HealthChange) {
	level := slog.LevelInfo
	if h.Health > h.Before {
		level = slog.LevelWarn
	}
	l.log.Log(context.Background(), level, "health of the pipeline", "pipeline", h.Pipeline, "health", h.Health, "before", h.Before, "score", h.Score,
		"success_rate", h.SuccessRate, "ready", h.Ready, "not_ready", h.NotReady, "reasons", strings.Join(h.Reasons, "; "))
}
