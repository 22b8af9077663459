package admin

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/redeliver/redeliver/breaker"
	"github.com/redeliver/redeliver/consumer"
	"github.com/redeliver/redeliver/fleet"
)

func (s *Server) status(w http.ResponseWriter, _ *http.Request) {
	answer := Status{At: time.Now(), NotReady: s.config.NotReady(), Pipelines: []PipelineStatus{}}
	for _, p := range s.config.Pipelines() {
		answer.Pipelines = append(answer.Pipelines, statusOf(p.Stats()))
	}
	s.fleetStatus(&answer)
	reply(w, http.StatusOK, answer)
}

func (s *Server) breakers(w http.ResponseWriter, _ *http.Request) {
	answer := []BreakerStatus{}
	for _, b := range s.config.Breakers() {
		answer = append(answer, breakerStatus(b.Snapshot()))
	}
	s.fleetBreakers(answer)
	reply(w, http.StatusOK, answer)
}

// breakerEvents answers with the last changes of one breaker, oldest first.
func (s *Server) breakerEvents(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	var names []string
	for _, b := range s.config.Breakers() {
		dependency := b.Snapshot().Dependency
		if dependency == name {
			reply(w, http.StatusOK, breakerEvents(b.History()))
			return
		}
		names = append(names, dependency)
	}
	fail(w, http.StatusNotFound, "there is no breaker %q; %s", name, choices("the breakers are", names))
}

func (s *Server) changeBreaker(w http.ResponseWriter, r *http.Request) {
	name, action := r.PathValue("name"), r.PathValue("action")
	var names []string
	for _, b := range s.config.Breakers() {
		if dependency := b.Snapshot().Dependency; dependency != name {
			names = append(names, dependency)
			continue
		}
		if s.ofFleet(name) {
			s.orderBreaker(w, r, name, action)
			return
		}
		var message string
		switch action {
		case "open":
			b.Force(breaker.ForcedOpen)
			message = "kept open until close or auto"
		case "close":
			b.Force(breaker.Disabled)
			message = "kept closed, whatever is measured, until open or auto"
		case "metrics-only":
			b.Force(breaker.MetricsOnly)
			message = "admits everything and tells what it would do, until open, close or auto"
		case "auto":
			b.Auto()
			message = "measures again"
			if mode := b.Snapshot().Mode; mode != breaker.Closed {
				message = fmt.Sprintf("is %s, as it is configured", mode)
			}
		default:
			fail(w, http.StatusNotFound, noSuchAction, action)
			return
		}
		s.audit(r, "breaker "+action, "dependency", name)
		reply(w, http.StatusOK, Done{Message: fmt.Sprintf("breaker %s: %s", name, message)})
		return
	}
	fail(w, http.StatusNotFound, "there is no breaker %q; %s", name, choices("the breakers are", names))
}

// noSuchAction is what is answered to an action that is none.
const noSuchAction = "a breaker knows open, close, metrics-only and auto, not %q"

func (s *Server) pause(w http.ResponseWriter, r *http.Request) {
	if p := s.pipeline(w, r.PathValue("name")); p != nil {
		if s.steered(p) {
			s.orderPipeline(w, r, p, fleet.Pause, 0)
			return
		}
		p.Pause()
		s.audit(r, "pause", "pipeline", p.Name())
		reply(w, http.StatusOK, Done{Message: fmt.Sprintf("pipeline %s is paused until resume; calls in flight end as they do", p.Name())})
	}
}

func (s *Server) resume(w http.ResponseWriter, r *http.Request) {
	admit := 0
	if text := r.URL.Query().Get("admit"); text != "" {
		var err error
		if admit, err = strconv.Atoi(text); err != nil || admit < 1 {
			fail(w, http.StatusBadRequest, "admit is %q: give the number of dead letters to let through, 1 or more", text)
			return
		}
	}
	if p := s.pipeline(w, r.PathValue("name")); p != nil {
		if s.steered(p) {
			s.orderPipeline(w, r, p, fleet.Resume, admit)
			return
		}
		p.Resume(admit)
		s.audit(r, "resume", "pipeline", p.Name(), "admit", admit)
		message := fmt.Sprintf("pipeline %s goes on", p.Name())
		if admit > 0 {
			message += fmt.Sprintf(" and may write %d dead letters before it holds again", admit)
		}
		reply(w, http.StatusOK, Done{Message: message})
	}
}

func (s *Server) skip(w http.ResponseWriter, r *http.Request) {
	var body Skip
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	if err := d.Decode(&body); err != nil {
		fail(w, http.StatusBadRequest, "the body cannot be read: %v", err)
		return
	}
	body.Reason = strings.TrimSpace(body.Reason)
	switch {
	case body.Topic == "" || body.Partition < 0 || body.Offset < 0:
		fail(w, http.StatusBadRequest, "topic, partition and offset must name a record")
		return
	case body.Reason == "":
		fail(w, http.StatusBadRequest, "reason is missing: say why the record is skipped, it is kept in the log")
		return
	}
	p := s.pipelineOf(w, body)
	if p == nil {
		return
	}
	var notHeld *consumer.NotHeldError
	switch err := p.Skip(body.Topic, body.Partition, body.Offset, body.Reason); {
	case errors.As(err, &notHeld):
		fail(w, http.StatusConflict, "%v", err)
		return
	case err != nil:
		fail(w, http.StatusInternalServerError, "%v", err)
		return
	}
	s.audit(r, "skip", "pipeline", p.Name(), "topic", body.Topic, "partition", body.Partition, "offset", body.Offset, "reason", body.Reason)
	reply(w, http.StatusOK, Done{Message: fmt.Sprintf("pipeline %s skipped %s/%d/%d", p.Name(), body.Topic, body.Partition, body.Offset)})
}

// pipeline finds a pipeline by name, or answers that there is none and returns nil.
func (s *Server) pipeline(w http.ResponseWriter, name string) Pipeline {
	all := s.config.Pipelines()
	if i := slices.IndexFunc(all, func(p Pipeline) bool { return p.Name() == name }); i >= 0 {
		return all[i]
	}
	fail(w, http.StatusNotFound, "there is no pipeline %q; %s", name, choices("the pipelines are", namesOf(all)))
	return nil
}

// pipelineOf finds the pipeline that reads a record's topic, or answers why that is not known and returns nil.
func (s *Server) pipelineOf(w http.ResponseWriter, body Skip) Pipeline {
	if body.Pipeline != "" {
		return s.pipeline(w, body.Pipeline)
	}
	all := s.config.Pipelines()
	var readers []Pipeline
	for _, p := range all {
		if slices.ContainsFunc(p.Stats().Topics, func(t consumer.TopicStats) bool { return t.Topic == body.Topic }) {
			readers = append(readers, p)
		}
	}
	switch len(readers) {
	case 1:
		return readers[0]
	case 0:
		fail(w, http.StatusNotFound, "no pipeline here reads the topic %q; %s", body.Topic, choices("the pipelines are", namesOf(all)))
	default:
		fail(w, http.StatusConflict, "several pipelines read the topic %q: name one with --pipeline; %s", body.Topic, choices("they are", namesOf(readers)))
	}
	return nil
}

// audit logs a change that was made, by whom as far as that is known: the command says who runs it.
func (s *Server) audit(r *http.Request, change string, args ...any) {
	args = append([]any{"change", change}, args...)
	s.config.Logger.Warn("operator", append(args, "by", who(r), "from", r.RemoteAddr)...)
}

// printable drops from the text of others what would act on a terminal.
func printable(text string) string {
	return strings.Map(func(c rune) rune {
		if !unicode.IsPrint(c) {
			return -1
		}
		return c
	}, text)
}

// userHeader names who runs the command. It is a claim, and counts only where the server has no users.
const userHeader = "Redeliver-User"

func namesOf(all []Pipeline) (names []string) {
	for _, p := range all {
		names = append(names, p.Name())
	}
	return names
}

func choices(text string, names []string) string {
	if len(names) == 0 {
		return "there are none"
	}
	return text + " " + strings.Join(names, ", ")
}
