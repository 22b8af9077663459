package admin

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
)

// LogLevels are the levels of the pipelines' logs. Methods are called concurrently, for pipelines that there are.
type LogLevels interface {
	Level(pipeline string) slog.Level
	SetLevel(pipeline string, level slog.Level)
}

// logLevel changes the least level that a pipeline logs, until the process ends.
func (s *Server) logLevel(w http.ResponseWriter, r *http.Request) {
	p := s.pipeline(w, r.PathValue("name"))
	if p == nil {
		return
	}
	var level slog.Level
	text := r.URL.Query().Get("level")
	if err := level.UnmarshalText([]byte(text)); err != nil || s.config.LogLevels == nil {
		fail(w, http.StatusBadRequest, "level is %q: give debug, info, warn or error", printable(text))
		return
	}
	before := s.config.LogLevels.Level(p.Name())
	s.config.LogLevels.SetLevel(p.Name(), level)
	s.audit(r, "log level", "pipeline", p.Name(), "level", level, "before", before)
	reply(w, http.StatusOK, Done{Message: fmt.Sprintf("pipeline %s logs from %s on (it was %s), until the process ends", p.Name(), strings.ToLower(level.String()), strings.ToLower(before.String()))})
}

// LogLevel changes the least level that a pipeline logs: debug, info, warn or error.
func (c *Client) LogLevel(ctx context.Context, pipeline, level string) (message string, err error) {
	return c.change(ctx, "/api/v1/pipelines/"+url.PathEscape(pipeline)+"/log?level="+url.QueryEscape(level), struct{}{})
}
