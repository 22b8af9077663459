package fleet

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// kind is what a record says.
type kind string

const (
	kindOpen  kind = "open"  // a breaker: an episode begins
	kindClose kind = "close" // a breaker: an episode is over
	kindProbe kind = "probe" // a breaker: a claim to probe
	kindOrder kind = "order" // a breaker or pipeline: what an operator wants
)

// subject is what a record is about.
type subject struct {
	pipeline bool   // else a breaker
	name     string // the dependency, or the pipeline's group
}

// The parts of keys, as in "breaker/payments-api/open" and "pipeline/orders/order".
const (
	breakerPrefix  = "breaker/"
	pipelinePrefix = "pipeline/"
)

const (
	// version is that of the values. Others are not read.
	version = 1
	// maxValue bounds a value, in bytes, and maxName a dependency's or group's name.
	maxValue = 16 << 10
	maxName  = 1024
	// maxText bounds the texts for people, in bytes.
	maxText = 1024
	// maxSpan bounds the durations.
	maxSpan = 365 * 24 * time.Hour
)

// record is one record of the control topic. What does not belong to its kind is zero.
type record struct {
	subject subject
	kind    kind

	By  string    // who wrote it, for people
	At  time.Time // when, by the writer's clock: for people, and for the writer itself
	Why string    // for people

	Wait      time.Duration // open: until it is time to probe
	InARow    int           // open: openings without staying closed in between, this one included
	Suspected bool          // open: on suspicion only
	Episode   int64         // close, probe
	Member    string        // probe: whose claim it is
	Lease     time.Duration // probe: for how long
	Early     bool          // probe: there is a call whose like has not failed, see breaker.Suspected
	Order     Wish          // order
	Admit     int           // order to resume: dead letters that are let through
	Pipeline  string        // order: the name of the pipeline, for people
}

// value is a record's value on the wire.
type value struct {
	Version   int    `json:"v"`
	By        string `json:"by,omitempty"`
	At        int64  `json:"at,omitempty"` // Unix milliseconds
	Why       string `json:"why,omitempty"`
	WaitMs    int64  `json:"wait_ms,omitempty"`
	InARow    int    `json:"in_a_row,omitempty"`
	Suspected bool   `json:"suspected,omitempty"`
	Episode   *int64 `json:"episode,omitempty"`
	Member    string `json:"member,omitempty"`
	LeaseMs   int64  `json:"lease_ms,omitempty"`
	Early     bool   `json:"early,omitempty"`
	Order     Wish   `json:"order,omitempty"`
	Admit     int    `json:"admit,omitempty"`
	Pipeline  string `json:"pipeline,omitempty"`
}

func (r record) key() []byte {
	prefix := breakerPrefix
	if r.subject.pipeline {
		prefix = pipelinePrefix
	}
	return []byte(prefix + r.subject.name + "/" + string(r.kind))
}

func (r record) value() []byte {
	v := value{
		Version: version, By: clip(r.By), At: millis(r.At), Why: clip(r.Why), WaitMs: r.Wait.Milliseconds(), InARow: r.InARow, Suspected: r.Suspected,
		Member: r.Member, LeaseMs: r.Lease.Milliseconds(), Early: r.Early, Order: r.Order, Admit: r.Admit, Pipeline: clip(r.Pipeline),
	}
	if r.kind == kindClose || r.kind == kindProbe {
		v.Episode = &r.Episode
	}
	text, err := json.Marshal(v)
	if err != nil {
		panic(err) // there is nothing in it that cannot be written
	}
	return text
}

// millis writes a time as Unix milliseconds, and none as 0.
func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// clip bounds a text for people.
func clip(text string) string {
	if len(text) <= maxText {
		return strings.ToValidUTF8(text, "")
	}
	return strings.ToValidUTF8(text[:maxText], "")
}

// decode reads a record. What it does not know, of a later version or of somebody else, is an error.
func decode(key, text []byte) (r record, err error) {
	if r.subject, r.kind, err = decodeKey(string(key)); err != nil {
		return record{}, err
	}
	var v value
	if err := decodeValue(text, &v, &v.Version); err != nil {
		return record{}, err
	}
	r.By, r.Why, r.Member, r.Pipeline = clip(v.By), clip(v.Why), v.Member, clip(v.Pipeline)
	if v.At != 0 {
		r.At = time.UnixMilli(v.At)
	}
	r.InARow, r.Suspected, r.Early, r.Order, r.Admit = v.InARow, v.Suspected, v.Early, v.Order, v.Admit
	if v.Episode != nil {
		r.Episode = *v.Episode
	}
	if r.Wait, err = span("wait_ms", v.WaitMs); err != nil {
		return record{}, err
	}
	if r.Lease, err = span("lease_ms", v.LeaseMs); err != nil {
		return record{}, err
	}
	if err := r.check(v); err != nil {
		return record{}, err
	}
	return r, nil
}

// decodeValue reads a value, whose version it has afterwards.
func decodeValue(text []byte, into any, its *int) error {
	if text == nil {
		return errors.New("it has no value")
	}
	if len(text) > maxValue {
		return fmt.Errorf("its value has %d bytes, at most %d are read", len(text), maxValue)
	}
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("its value is not as it should be: %w", err)
	}
	if *its != version {
		return fmt.Errorf("its version is %d, this program reads %d", *its, version)
	}
	return nil
}

// check says what a record of its kind lacks.
func (r record) check(v value) error {
	switch {
	case (r.kind == kindClose || r.kind == kindProbe) && (v.Episode == nil || *v.Episode < 0):
		return errors.New("it names no episode")
	case r.kind == kindProbe && (r.Member == "" || len(r.Member) > maxName):
		return errors.New("it does not say whose claim it is")
	case r.kind == kindProbe && r.Lease <= 0:
		return errors.New("its lease has no length")
	case r.kind == kindOrder && r.subject.pipeline && r.Order != Pause && r.Order != Resume:
		return fmt.Errorf("%q is no order for a pipeline", r.Order)
	case r.kind == kindOrder && !r.subject.pipeline && r.Order != KeepOpen && r.Order != KeepClosed && r.Order != Observe && r.Order != Measure:
		return fmt.Errorf("%q is no order for a breaker", r.Order)
	case r.InARow < 0:
		return fmt.Errorf("it is the opening number %d in a row", r.InARow)
	case r.Admit < 0:
		return fmt.Errorf("it admits %d dead letters", r.Admit)
	}
	return nil
}

func decodeKey(key string) (s subject, k kind, err error) {
	rest, isBreaker := strings.CutPrefix(key, breakerPrefix)
	if !isBreaker {
		if rest, s.pipeline = strings.CutPrefix(key, pipelinePrefix); !s.pipeline {
			return subject{}, "", errors.New("its key is none of Redeliver's")
		}
	}
	i := strings.LastIndexByte(rest, '/') // a name may have one too
	if i <= 0 || i > maxName || !utf8.ValidString(rest) {
		return subject{}, "", errors.New("its key names nothing")
	}
	s.name, k = rest[:i], kind(rest[i+1:])
	switch k {
	case kindOrder:
	case kindOpen, kindClose, kindProbe:
		if s.pipeline {
			return subject{}, "", fmt.Errorf("a pipeline has no %q", k)
		}
	default:
		return subject{}, "", fmt.Errorf("%q is nothing that this program knows", k)
	}
	return s, k, nil
}

func span(name string, ms int64) (time.Duration, error) {
	if ms < 0 || ms > maxSpan.Milliseconds() {
		return 0, fmt.Errorf("%s is %d", name, ms)
	}
	return time.Duration(ms) * time.Millisecond, nil
}
