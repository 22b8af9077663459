package dlq

import (
	"regexp"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/classify"
	"github.com/redeliver/redeliver/retrytopics"
)

// taskSpec is a Replay in the ledger.
type taskSpec struct {
	IDs          []string           `json:"ids,omitempty"`
	Class        string             `json:"class,omitempty"`
	Severity     string             `json:"severity,omitempty"`
	Reason       retrytopics.Reason `json:"reason,omitempty"`
	Topic        string             `json:"topic,omitempty"`
	Since        *time.Time         `json:"since,omitempty"`
	Until        *time.Time         `json:"until,omitempty"`
	Expiring     *time.Time         `json:"expiring_before,omitempty"`
	Key          []byte             `json:"key"` // null: any
	Error        string             `json:"error,omitempty"`
	Text         string             `json:"text,omitempty"`
	Fingerprints []Fingerprint      `json:"fingerprints,omitempty"`
	Status       []Status           `json:"status,omitempty"`
	All          bool               `json:"all,omitempty"`
	Limit        int                `json:"limit,omitempty"`

	To          Destination  `json:"to,omitempty"`
	Rate        float64      `json:"rate,omitempty"`
	Concurrency int          `json:"concurrency,omitempty"`
	Canary      int          `json:"canary,omitempty"`
	CanaryRate  float64      `json:"canary_rate,omitempty"`
	StopAt      float64      `json:"stop_at,omitempty"`
	Wait        bool         `json:"wait,omitempty"`
	MaxReplays  int          `json:"max_replays,omitempty"`
	SetHeaders  []specHeader `json:"set_headers,omitempty"`
	Unset       []string     `json:"unset_headers,omitempty"`
	SetKey      []byte       `json:"set_key"` // null: as it is
	JQ          string       `json:"jq,omitempty"`
	ByHand      bool         `json:"by_hand,omitempty"`
	Again       bool         `json:"again,omitempty"`
}

type specHeader struct {
	Key   string `json:"key"`
	Value []byte `json:"value"`
}

func specOf(r Replay) taskSpec {
	f := r.Filter
	s := taskSpec{
		IDs: f.IDs, Reason: f.Reason, Topic: f.Topic, Key: f.Key, Text: f.Text, Fingerprints: f.Fingerprints, Status: f.Status, All: f.All, Limit: f.Limit,
		To: r.To, Rate: r.Rate, Concurrency: r.Concurrency, Canary: r.Canary, CanaryRate: r.CanaryRate, StopAt: r.StopAt, Wait: r.Wait,
		MaxReplays: r.MaxReplays, Again: r.Again, Unset: r.UnsetHeaders, SetKey: r.SetKey, JQ: r.JQ, ByHand: r.Edit != nil,
	}
	if f.Class != classify.None {
		s.Class = f.Class.String()
	}
	if f.Severity != classify.SeverityNone {
		s.Severity = f.Severity.String()
	}
	if f.Error != nil {
		s.Error = f.Error.String()
	}
	if !f.Since.IsZero() {
		s.Since = &f.Since
	}
	if !f.Until.IsZero() {
		s.Until = &f.Until
	}
	if !f.ExpiringBefore.IsZero() {
		s.Expiring = &f.ExpiringBefore
	}
	for _, h := range r.SetHeaders {
		s.SetHeaders = append(s.SetHeaders, specHeader{h.Key, h.Value})
	}
	return s
}

func (s taskSpec) replay() (Replay, error) {
	r := Replay{
		Filter: Filter{IDs: s.IDs, Reason: s.Reason, Topic: s.Topic, Key: s.Key, Text: s.Text, Fingerprints: s.Fingerprints, Status: s.Status, All: s.All, Limit: s.Limit},
		To:     s.To, Rate: s.Rate, Concurrency: s.Concurrency, Canary: s.Canary, CanaryRate: s.CanaryRate, StopAt: s.StopAt, Wait: s.Wait,
		MaxReplays: s.MaxReplays, Again: s.Again, UnsetHeaders: s.Unset, SetKey: s.SetKey, JQ: s.JQ,
	}
	if r.Canary == 0 {
		r.CanaryRate = 0 // earlier releases wrote it down all the same
	}
	if s.ByHand {
		r.Edit = func(*kgo.Record) error { return errEdited }
	}
	var err error
	if s.Class != "" {
		if r.Filter.Class, err = classify.Parse(s.Class); err != nil {
			return r, err
		}
	}
	if s.Severity != "" {
		if r.Filter.Severity, err = classify.ParseSeverity(s.Severity); err != nil {
			return r, err
		}
	}
	if s.Error != "" {
		if r.Filter.Error, err = regexp.Compile(s.Error); err != nil {
			return r, err
		}
	}
	if s.Since != nil {
		r.Filter.Since = *s.Since
	}
	if s.Until != nil {
		r.Filter.Until = *s.Until
	}
	if s.Expiring != nil {
		r.Filter.ExpiringBefore = *s.Expiring
	}
	for _, h := range s.SetHeaders {
		r.SetHeaders = append(r.SetHeaders, kgo.RecordHeader{Key: h.Key, Value: h.Value})
	}
	return r, r.Check()
}
