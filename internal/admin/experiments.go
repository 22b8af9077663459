package admin

import (
	"context"
	"net/http"

	"github.com/redeliver/redeliver/internal/experiment"
)

// experiments answers with the counts of the pipelines that have an experiment.
func (s *Server) experiments(w http.ResponseWriter, _ *http.Request) {
	answer := []experiment.Counts{}
	for _, p := range s.config.Pipelines() {
		if c, ok := experiment.Of(p.Stats()); ok {
			answer = append(answer, c)
		}
	}
	reply(w, http.StatusOK, answer)
}

// Experiments returns the counts of the experiments of the process.
func (c *Client) Experiments(ctx context.Context) (all []experiment.Counts, err error) {
	return all, c.do(ctx, http.MethodGet, "/api/v1/experiments", nil, &all)
}
