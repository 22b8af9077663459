package retrytopics_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redeliver/redeliver/classify"
	"github.com/redeliver/redeliver/retrytopics"
	"github.com/twmb/franz-go/pkg/kgo"
)

// damaged is a copy of which one header is replaced, or left out for "".
func damaged(key, value string) *kgo.Record {
	state := sample()
	r := &kgo.Record{Topic: "billing.orders.retry-1s", Partition: 3, Offset: 7, Timestamp: noon}
	for _, h := range state.AppendHeaders(nil, nil, 0) {
		if h.Key != key {
			r.Headers = append(r.Headers, h)
		} else if value != "" {
			r.Headers = append(r.Headers, kgo.RecordHeader{Key: key, Value: []byte(value)})
		}
	}
	return r
}

func problems(err error) []string {
	var headers []string
	var joined interface{ Unwrap() []error }
	if errors.As(err, &joined) {
		for _, e := range joined.Unwrap() {
			headers = append(headers, e.(*retrytopics.DamagedHeaderError).Header)
		}
	}
	return headers
}

// Each damaged header is told, and everything else is still read.
func TestDecodeDamaged(t *testing.T) {
	for _, tt := range []struct {
		key, value string
		without    func(*retrytopics.State) // what is lost
	}{
		{"redeliver-id", "", nil}, // made again from the origin
		{"redeliver-id", "a\nb", nil},
		{"redeliver-origin-topic", "", nil}, // taken from the id
		{"redeliver-origin-topic", "a\x00b", nil},
		{"redeliver-origin-partition", "", nil},
		{"redeliver-origin-partition", "three", nil},
		{"redeliver-origin-partition", "-1", nil},
		{"redeliver-origin-partition", "99999999999", nil},
		{"redeliver-origin-offset", "1e3", nil},
		{"redeliver-origin-timestamp", "noon", func(s *retrytopics.State) { s.Timestamp = time.Time{} }},
		{"redeliver-group", "", func(s *retrytopics.State) { s.Group = "" }},
		{"redeliver-group", "g\xff", func(s *retrytopics.State) { s.Group = "g\uFFFD" }},
		{"redeliver-attempt", "", func(s *retrytopics.State) { s.Attempt = 0 }},
		{"redeliver-attempt", "-1", func(s *retrytopics.State) { s.Attempt = 0 }},
		{"redeliver-attempt", "2.0", func(s *retrytopics.State) { s.Attempt = 0 }},
		{"redeliver-counts", "rate_limited", func(s *retrytopics.State) { s.Counts = nil }},
		{"redeliver-counts", "rate_limited=1,x=-1", nil},
		{"redeliver-due", "tomorrow", func(s *retrytopics.State) { s.Due = time.Time{} }},
		{"redeliver-due", "99999999999999999", func(s *retrytopics.State) { s.Due = time.Time{} }},
		{"redeliver-hop-due", "-5", func(s *retrytopics.State) { s.HopDue = time.Time{} }},
		{"redeliver-first-failed", "x", func(s *retrytopics.State) { s.FirstFailed = time.Time{} }},
		{"redeliver-held-ms", "-1", func(s *retrytopics.State) { s.Held = 0 }},
		{"redeliver-severity", "urgent", func(s *retrytopics.State) { s.Severity = classify.SeverityNone }},
		{"redeliver-class", "sad", func(s *retrytopics.State) { s.Class = classify.None }},
		{"redeliver-error", "a\xffb", func(s *retrytopics.State) { s.Error = "a\uFFFDb" }},
		{"redeliver-history", "{", func(s *retrytopics.State) { s.History = nil }},
		{"redeliver-history", `[{"n":1,"at":1700000000500,"ms":12,"class":"network","error":"syscall.Errno: connection refused"},{"n":2`, func(s *retrytopics.State) { s.History = s.History[:1] }},
		{"redeliver-reason", "bored", func(s *retrytopics.State) { s.Reason = "" }},
		{"redeliver-replay", "\x01", func(s *retrytopics.State) { s.Replay = "" }},
		{"redeliver-traceparent", "00-zz-1-01", func(s *retrytopics.State) { s.Traceparent = "" }},
		{"redeliver-replays", "9999999999", func(s *retrytopics.State) { s.Replays = 0 }},
	} {
		t.Run(tt.key+"="+tt.value, func(t *testing.T) {
			got, err := retrytopics.Decode(damaged(tt.key, tt.value))
			equal(t, problems(err), []string{tt.key})
			fails(t, err, tt.key)
			want := sample()
			if tt.without != nil {
				tt.without(&want)
			}
			equal(t, got, want)
		})
	}
}

// Identity comes from what is left of it, and at last from the copy's own
// place, so that two records are never taken for one.
func TestDecodeWithoutIdentity(t *testing.T) {
	place := &kgo.Record{Topic: "g.orders.dlq", Partition: 2, Offset: 9}
	for _, tt := range []struct {
		name    string
		headers []kgo.RecordHeader
		id      string
		topic   string
	}{
		{"none at all", nil, "g.orders.dlq/2/9", "g.orders.dlq"},
		{"an id that is no place", headers("redeliver-id=payment 4711"), "payment 4711", "g.orders.dlq"},
		{"an id that is one", headers("redeliver-id=blue:orders/1/5"), "blue:orders/1/5", "orders"},
		{"half an origin", headers("redeliver-origin-topic=orders"), "g.orders.dlq/2/9", "g.orders.dlq"},
		{"an origin", headers("redeliver-origin-topic=orders", "redeliver-origin-partition=1", "redeliver-origin-offset=5"), "orders/1/5", "orders"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := *place
			r.Headers = tt.headers
			got, err := retrytopics.Decode(&r)
			fails(t, err, "redeliver-group: is missing")
			equal(t, got.ID, tt.id)
			equal(t, got.Topic, tt.topic)
		})
	}
}

func TestDecodeTakesTheLastOfDuplicates(t *testing.T) {
	r := damaged("", "")
	r.Headers = append(r.Headers, headers("redeliver-attempt=7")...)
	got, err := retrytopics.Decode(r)
	noError(t, err)
	equal(t, got.Attempt, 7)
}

// Another writer's JSON is read too.
func TestDecodeForeignHistory(t *testing.T) {
	got, err := retrytopics.Decode(damaged("redeliver-history", `[ {"error": "a\u00e9\/b", "class": "network", "n": 1, "more": true} ]`))
	noError(t, err)
	equal(t, got.History, []retrytopics.Try{{N: 1, Class: "network", Error: "aé/b"}})
}

// A huge damaged header does not make a huge error.
func TestDecodeErrorsAreShort(t *testing.T) {
	_, err := retrytopics.Decode(damaged("redeliver-attempt", strings.Repeat("9", 1<<20)))
	if size := len(err.Error()); size > 300 {
		t.Fatalf("got an error of %d bytes", size)
	}
	_, err = retrytopics.Decode(damaged("redeliver-counts", strings.Repeat("x,", 300)))
	if size := len(err.Error()); size > 600 {
		t.Fatalf("got an error of %d bytes", size)
	}
	_, err = retrytopics.Decode(&kgo.Record{Topic: "t", Headers: slices.Repeat(headers("redeliver-due=x"), 10_000)})
	if size := len(err.Error()); size > 10_000 {
		t.Fatalf("got an error of %d bytes for a header that is damaged ten thousand times", size)
	}
}

// FuzzDecode: whatever stands in the headers, decoding neither panics nor
// makes a state that cannot be written and read again.
func FuzzDecode(f *testing.F) {
	state := sample()
	hs := state.AppendHeaders(nil, nil, 0)
	seed := func(change string) {
		var b strings.Builder
		for _, h := range hs {
			b.WriteString(h.Key + "=" + string(h.Value) + change + "\x00")
		}
		f.Add(b.String())
	}
	for _, change := range []string{"", "0", "-", "\xff", `"`, "\n", "=", ",", "]"} {
		seed(change)
	}
	f.Add("redeliver-id=a:b/1/2\x00redeliver-history=[{\"n\":1}]\x00redeliver-counts=a=1,a=2,b=2147483647,b=2147483647")
	f.Fuzz(func(t *testing.T, text string) {
		r := &kgo.Record{Topic: "copy", Partition: 1, Offset: 2, Headers: headers(strings.Split(text, "\x00")...)}
		once, _ := retrytopics.Decode(r)
		if once.ID == "" || once.Topic == "" || once.Partition < 0 || once.Offset < 0 || once.Attempt < 0 {
			t.Fatalf("got no identity: %+v", once)
		}
		if len(once.Group) > 249 {
			return // Kafka has longer ones, and they are never cut
		}
		written := once.AppendHeaders(nil, r.Headers, 0)
		if size := ownSize(written); size > retrytopics.DefaultHeaderLimit {
			t.Fatalf("wrote %d bytes", size)
		}
		if got, want := texts(retrytopics.UserHeaders(written)), texts(retrytopics.UserHeaders(r.Headers)); !slices.Equal(got, want) {
			t.Fatalf("got %q, want %q", got, want)
		}
		twice, err := retrytopics.Decode(&kgo.Record{Topic: "other", Headers: written})
		if once.Group != "" {
			noError(t, err)
		}
		equal(t, []any{twice.ID, twice.Topic, twice.Partition, twice.Offset, twice.Attempt, twice.Group}, []any{once.ID, once.Topic, once.Partition, once.Offset, once.Attempt, once.Group})
		thrice, _ := retrytopics.Decode(&kgo.Record{Topic: "other", Headers: twice.AppendHeaders(nil, nil, 0)})
		if diff := cmp.Diff(twice, thrice); diff != "" {
			t.Fatalf("differs when written again:\n%s", diff)
		}
	})
}
