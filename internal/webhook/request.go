package webhook

import (
	"encoding/base64"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/redeliver/redeliver/consumer"
	"github.com/redeliver/redeliver/retrytopics"
)

// idempotencyKey is the Idempotency-Key header, in lower case on purpose: Go's transport takes a POST whose header map
// has the entry "Idempotency-Key" for one that it may send again by itself when a kept-alive connection breaks, and
// then one attempt would be two calls. Header names have no case in HTTP. What the transport still repeats are
// requests of which it wrote not a single byte.
const idempotencyKey = "idempotency-key"

// kafkaHeader begins the name of each header that carries one of the record's own headers.
const kafkaHeader = "Kafka-Header-"

// delivery is one attempt of one record.
type delivery struct {
	id        string
	topic     string
	partition int32
	offset    int64
	key       []byte
	value     []byte
	headers   []consumer.Header
	timestamp time.Time
	attempt   int
	group     string
	pipeline  string
}

func deliveryOf(r *consumer.Record) delivery {
	return delivery{
		id:        r.ID(),
		topic:     r.Topic,
		partition: r.Partition,
		offset:    r.Offset,
		key:       r.Key,
		value:     r.Value,
		headers:   r.Headers,
		timestamp: r.Timestamp,
		attempt:   r.Attempt(),
		group:     r.Group(),
		pipeline:  r.Pipeline(),
	}
}

// ourHeaders is how many there are at most of those that say which record it is.
const ourHeaders = 10

// recordHeader is the header of a request that carries one record.
func (w *Webhook) recordHeader(d delivery) http.Header {
	h := make(http.Header, len(w.headers)+ourHeaders+len(d.headers))
	maps.Copy(h, w.headers)
	values := make([]string, 0, ourHeaders) // one piece of memory for all of them
	set := func(name, value string) {
		values = append(values, value)
		h[name] = values[len(values)-1 : len(values) : len(values)]
	}
	id := legal(d.id)
	set("Redeliver-Id", id)
	set("Redeliver-Topic", d.topic)
	set("Redeliver-Partition", strconv.FormatInt(int64(d.partition), 10))
	set("Redeliver-Offset", strconv.FormatInt(d.offset, 10))
	set("Redeliver-Attempt", strconv.Itoa(d.attempt))
	set("Redeliver-Group", legal(d.group))
	set("Redeliver-Pipeline", legal(d.pipeline))
	set(idempotencyKey, id)
	if d.key != nil {
		set("Redeliver-Key", base64.StdEncoding.EncodeToString(d.key))
	}
	if d.value == nil {
		set("Redeliver-Null", "true")
	}
	for _, own := range d.headers {
		w.addOwn(h, own)
	}
	return h
}

// addOwn adds one of the record's own headers, where name and value are legal in HTTP: names as they are, so that
// duplicates are repeated lines in their order, values without control characters. Spaces around a value do not
// survive HTTP. A trace goes on under its standard name too, and content-type names the type of the body unless the
// configuration does.
func (w *Webhook) addOwn(h http.Header, own consumer.Header) {
	value := string(own.Value)
	if !legalName(own.Key) || !legalValue(value) {
		return
	}
	h[kafkaHeader+own.Key] = append(h[kafkaHeader+own.Key], value)
	switch http.CanonicalHeaderKey(own.Key) {
	case "Traceparent":
		if retrytopics.ValidTraceparent(value) {
			h["Traceparent"] = []string{value}
		}
	case "Tracestate":
		h["Tracestate"] = []string{value}
	case "Content-Type":
		if _, configured := w.config.header("Content-Type"); !configured && value != "" {
			h["Content-Type"] = []string{value}
		}
	}
}

// batchRequestHeader is the header of a request that carries the records of one pipeline.
func (w *Webhook) batchRequestHeader(d delivery) http.Header {
	h := make(http.Header, len(w.headers)+2)
	maps.Copy(h, w.headers)
	h["Redeliver-Group"] = []string{legal(d.group)}
	h["Redeliver-Pipeline"] = []string{legal(d.pipeline)}
	return h
}

// legal returns s, or s percent-encoded where it may not stand in a header: a group's name may hold anything.
func legal(s string) string {
	if legalValue(s) {
		return s
	}
	return url.PathEscape(s)
}

// legalName reports whether s is a token of RFC 9110, 5.6.2.
func legalName(s string) bool {
	for i := range len(s) {
		c := s[i]
		switch {
		case '0' <= c && c <= '9', 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z':
		case c == '!', c == '#', c == '$', c == '%', c == '&', c == '\'', c == '*', c == '+', c == '-', c == '.',
			c == '^', c == '_', c == '`', c == '|', c == '~':
		default:
			return false
		}
	}
	return s != ""
}

// legalValue reports whether s may be a field value of RFC 9110, 5.5: no control character but the tab.
func legalValue(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < ' ' && c != '\t') || c == 0x7f {
			return false
		}
	}
	return true
}
