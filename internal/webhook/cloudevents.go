package webhook

import (
	"cmp"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"
)

// CloudEvents are the attributes of events that the record itself does not have.
type CloudEvents struct {
	Source string // defaults to /kafka/ and the topic
	Type   string // defaults to "record"
}

// kafkaEvent begins the headers of a record that is an event already, in the binary mode of CloudEvents over Kafka.
const kafkaEvent = "ce_"

// describe adds the attributes of the event (CloudEvents 1.0, HTTP protocol binding 3.1): those of the record, and else what is known of it.
func (c *CloudEvents) describe(h http.Header, d delivery) {
	own := make(map[string]string)
	for _, header := range d.headers {
		if name, ok := strings.CutPrefix(header.Key, kafkaEvent); ok && eventName(name) && utf8.Valid(header.Value) {
			own[name] = string(header.Value)
		}
	}
	known := map[string]string{
		"specversion": "1.0",
		"id":          d.id,
		"source":      cmp.Or(c.Source, "/kafka/"+d.topic),
		"type":        cmp.Or(c.Type, "record"),
	}
	if !d.timestamp.IsZero() {
		known["time"] = d.timestamp.UTC().Format(time.RFC3339Nano)
	}
	if len(d.key) > 0 && utf8.Valid(d.key) {
		known["partitionkey"] = string(d.key)
	}
	for name, value := range known {
		if _, has := own[name]; !has {
			own[name] = value
		}
	}
	for name, value := range own {
		h["Ce-"+strings.ToUpper(name[:1])+name[1:]] = []string{eventValue(value)}
	}
}

// eventName reports whether an attribute may be called so: lower-case letters and digits.
func eventName(s string) bool {
	for _, c := range s {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			return false
		}
	}
	return s != ""
}

// eventValue writes a value as the binding wants it: what is not printable ASCII, and space, quote and percent, percent-encoded.
func eventValue(s string) string {
	const digits = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c >= 0x7f || c == '"' || c == '%' {
			b.Write([]byte{'%', digits[c>>4], digits[c&15]})
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}
