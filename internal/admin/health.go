package admin

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/redeliver/redeliver/consumer"
)

// Health is the answer of GET /healthz?verbose: the process is as well as its worst pipeline.
type Health struct {
	Status      string           `json:"status"` // healthy, degraded, unhealthy
	Score       float64          `json:"score"`  // 0 to 1
	SuccessRate float64          `json:"success_rate"`
	Ready       bool             `json:"ready"`
	Reasons     []string         `json:"reasons"`
	Pipelines   []PipelineHealth `json:"pipelines"`
}

// PipelineHealth is the health of one pipeline.
type PipelineHealth struct {
	Pipeline    string   `json:"pipeline"`
	Status      string   `json:"status"`
	Score       float64  `json:"score"`
	SuccessRate float64  `json:"success_rate"`
	Ready       bool     `json:"ready"`
	NotReady    string   `json:"not_ready,omitempty"`
	Reasons     []string `json:"reasons"`
}

// health asks every pipeline.
func (s *Server) health() Health {
	h := Health{Score: 1, SuccessRate: 1, Ready: true, Reasons: []string{}, Pipelines: []PipelineHealth{}}
	worst := consumer.Healthy
	if why := s.config.NotReady(); why != "" {
		h.Ready = false
		h.Reasons = append(h.Reasons, why)
	}
	for _, p := range s.config.Pipelines() {
		stats := p.Stats()
		one := PipelineHealth{
			Pipeline: stats.Pipeline, Status: stats.Health.String(), Score: stats.Score, SuccessRate: stats.SuccessRate,
			Ready: stats.Ready, NotReady: stats.NotReady, Reasons: append([]string{}, stats.Reasons...),
		}
		h.Pipelines = append(h.Pipelines, one)
		worst = max(worst, stats.Health)
		h.Score = min(h.Score, one.Score)
		h.SuccessRate = min(h.SuccessRate, one.SuccessRate)
		h.Ready = h.Ready && one.Ready
		for _, reason := range one.Reasons {
			h.Reasons = append(h.Reasons, one.Pipeline+": "+reason)
		}
		if !one.Ready && !slices.Contains(one.Reasons, one.NotReady) {
			h.Reasons = append(h.Reasons, one.Pipeline+": not ready: "+one.NotReady)
		}
	}
	h.Status = worst.String()
	return h
}

// livez answers 200 as long as the pipelines answer: a broker that is away is no reason to start the process anew. 503 says that one
// is stuck.
func (s *Server) livez(w http.ResponseWriter, _ *http.Request) {
	if stuck := s.liveness.check(s.config.Pipelines, time.Now()); stuck != "" {
		w.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprintf(w, "pipeline %s does not answer: start the process anew\n", stuck)
		return
	}
	fmt.Fprintln(w, "ok")
}

// readyz answers 200 when every pipeline can make progress, else 503 with the reasons, one a line. They name brokers and topics: where there are users
// these are told at /healthz?verbose, since nobody is asked here who he is.
func (s *Server) readyz(w http.ResponseWriter, _ *http.Request) {
	h := s.health()
	if h.Ready {
		fmt.Fprintln(w, "ok")
		return
	}
	if len(s.config.Users) > 0 {
		w.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprintln(w, "not ready: users are told why at /healthz?verbose")
		return
	}
	var lines []string
	if why := s.config.NotReady(); why != "" {
		lines = append(lines, why)
	}
	for _, p := range h.Pipelines {
		if !p.Ready {
			lines = append(lines, p.Pipeline+": "+p.NotReady)
		}
	}
	w.WriteHeader(http.StatusServiceUnavailable)
	fmt.Fprintln(w, strings.Join(lines, "\n"))
}

// healthz answers 200 unless a pipeline is unhealthy, then 503.
func (s *Server) healthz(w http.ResponseWriter, r *http.Request) {
	h := s.health()
	status := http.StatusOK
	if h.Status == consumer.Unhealthy.String() {
		status = http.StatusServiceUnavailable
	}
	if r.URL.Query().Has("verbose") {
		reply(w, status, h)
		return
	}
	w.WriteHeader(status)
	fmt.Fprintln(w, h.Status)
}

func reply(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	_ = e.Encode(v) // an error means that the client has left
}

func fail(w http.ResponseWriter, status int, format string, args ...any) {
	reply(w, status, Failed{Error: fmt.Sprintf(format, args...)})
}
