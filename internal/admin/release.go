package admin

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/redeliver/redeliver/consumer"
)

// Release is the body of POST /api/v1/release: one record, or all that the pipeline holds since they are given up.
type Release struct {
	Pipeline  string `json:"pipeline,omitempty"` // may be left out where one pipeline has the topic
	Topic     string `json:"topic,omitempty"`
	Partition int32  `json:"partition,omitempty"`
	Offset    int64  `json:"offset,omitempty"`
	All       bool   `json:"all,omitempty"` // instead of a record; needs the pipeline
}

func (s *Server) release(w http.ResponseWriter, r *http.Request) {
	var body Release
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	if err := d.Decode(&body); err != nil {
		fail(w, http.StatusBadRequest, "the body cannot be read: %v", err)
		return
	}
	if body.All {
		if p := s.pipeline(w, body.Pipeline); p != nil {
			n := p.ReleaseAll()
			s.audit(r, "release", "pipeline", p.Name(), "records", n)
			reply(w, http.StatusOK, Done{Message: fmt.Sprintf("pipeline %s released %d held records", p.Name(), n)})
		}
		return
	}
	if body.Topic == "" || body.Partition < 0 || body.Offset < 0 {
		fail(w, http.StatusBadRequest, "topic, partition and offset must name a record, or all must be true")
		return
	}
	p := s.pipelineOf(w, Skip{Pipeline: body.Pipeline, Topic: body.Topic})
	if p == nil {
		return
	}
	var notHeld *consumer.NotHeldError
	switch err := p.Release(body.Topic, body.Partition, body.Offset); {
	case errors.As(err, &notHeld):
		fail(w, http.StatusConflict, "%v", err)
		return
	case err != nil:
		fail(w, http.StatusInternalServerError, "%v", err)
		return
	}
	s.audit(r, "release", "pipeline", p.Name(), "topic", body.Topic, "partition", body.Partition, "offset", body.Offset)
	reply(w, http.StatusOK, Done{Message: fmt.Sprintf("pipeline %s released %s/%d/%d", p.Name(), body.Topic, body.Partition, body.Offset)})
}
