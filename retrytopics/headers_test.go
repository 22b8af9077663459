package retrytopics_test

import (
	"bytes"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redeliver/redeliver/classify"
	"github.com/redeliver/redeliver/retrytopics"
	"github.com/twmb/franz-go/pkg/kgo"
	"pgregory.net/rapid"
)

// headers reads "key=value" pairs; "key" alone has a null value.
func headers(pairs ...string) []kgo.RecordHeader {
	var out []kgo.RecordHeader
	for _, pair := range pairs {
		key, value, ok := strings.Cut(pair, "=")
		h := kgo.RecordHeader{Key: key}
		if ok {
			h.Value = []byte(value)
		}
		out = append(out, h)
	}
	return out
}

// texts is the inverse of headers.
func texts(hs []kgo.RecordHeader) []string {
	out := []string{}
	for _, h := range hs {
		if h.Value == nil {
			out = append(out, h.Key)
			continue
		}
		out = append(out, h.Key+"="+string(h.Value))
	}
	return out
}

func sample() retrytopics.State {
	return retrytopics.State{
		ID:          "orders/3/1042",
		Topic:       "orders",
		Partition:   3,
		Offset:      1042,
		Timestamp:   time.UnixMilli(1_700_000_000_123),
		Group:       "billing",
		Attempt:     2,
		Counts:      retrytopics.Counts{{Name: "rate_limited", N: 1}},
		Due:         time.UnixMilli(1_700_000_011_000),
		HopDue:      time.UnixMilli(1_700_000_010_000),
		FirstFailed: time.UnixMilli(1_700_000_000_500),
		Held:        1500 * time.Millisecond,
		Class:       classify.RateLimited,
		Severity:    classify.High,
		Dependency:  "payments",
		Error:       "*http.StatusError: 429 Too Many Requests",
		History: []retrytopics.Try{
			{N: 1, At: 1_700_000_000_500, Ms: 12, Class: "network", Error: "syscall.Errno: connection refused"},
			{N: 2, At: 1_700_000_001_700, Ms: 7, Class: "rate_limited", Error: "*http.StatusError: 429"},
		},
		Reason:  retrytopics.ReasonExhausted,
		Replays: 1,
		Replay:  "first",

		Traceparent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
	}
}

// The names and texts are the contract with every other tool that reads these
// topics.
func TestHeadersOnTheWire(t *testing.T) {
	state := sample()
	equal(t, texts(state.AppendHeaders(nil, headers("trace=abc"), 0)), []string{
		"trace=abc",
		"redeliver-id=orders/3/1042",
		"redeliver-origin-topic=orders",
		"redeliver-origin-partition=3",
		"redeliver-origin-offset=1042",
		"redeliver-origin-timestamp=1700000000123",
		"redeliver-group=billing",
		"redeliver-attempt=2",
		"redeliver-counts=rate_limited=1",
		"redeliver-due=1700000011000",
		"redeliver-hop-due=1700000010000",
		"redeliver-first-failed=1700000000500",
		"redeliver-held-ms=1500",
		"redeliver-replays=1",
		"redeliver-replay=first",
		"redeliver-traceparent=00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
		"redeliver-reason=exhausted",
		"redeliver-class=rate_limited",
		"redeliver-severity=high",
		"redeliver-dependency=payments",
		"redeliver-error=*http.StatusError: 429 Too Many Requests",
		`redeliver-history=[{"n":1,"at":1700000000500,"ms":12,"class":"network","error":"syscall.Errno: connection refused"},` +
			`{"n":2,"at":1700000001700,"ms":7,"class":"rate_limited","error":"*http.StatusError: 429"}]`,
	})
}

func TestJobHeaders(t *testing.T) {
	hs := headers("redeliver-job-type=invoice", "redeliver-user=u", "redeliver-project=p", "redeliver-tenant=a", "redeliver-tenant=acme", "region=eu", "redeliver-attempt=3")
	equal(t, retrytopics.JobOf(hs), classify.Job{Type: "invoice", User: "u", Project: "p", Tenant: "acme"})
	equal(t, retrytopics.JobOf(nil), classify.Job{})
	for name, want := range map[string]string{"region": "eu", "redeliver-tenant": "acme", "redeliver-attempt": "", "nowhere": ""} {
		got, ok := retrytopics.UserHeader(hs, name)
		if string(got) != want || ok != (want != "") {
			t.Errorf("%s: got %q, %v", name, got, ok)
		}
	}
}

// What there is nothing to say about has no header.
func TestHeadersOfLittle(t *testing.T) {
	state := retrytopics.State{ID: "orders/0/0", Topic: "orders", Group: "g"}
	equal(t, texts(state.AppendHeaders(nil, nil, 0)), []string{
		"redeliver-id=orders/0/0",
		"redeliver-origin-topic=orders",
		"redeliver-origin-partition=0",
		"redeliver-origin-offset=0",
		"redeliver-group=g",
		"redeliver-attempt=0",
	})
}

// intact: user headers keep order, duplicates and null values on every hop;
// ours are overwritten, never appended.
func TestUserHeadersTravelUnchanged(t *testing.T) {
	user := headers("b=1", "a", "redeliver-tenant=acme", "b=2", "empty=", "redeliver-courier=dhl", "a", "b=1")
	state := sample()
	hop := state.AppendHeaders(nil, user, 0)
	size := len(hop)
	for range 3 {
		state.Attempt++
		hop = state.AppendHeaders(nil, hop, 0)
	}
	equal(t, len(hop), size)
	equal(t, texts(retrytopics.UserHeaders(hop)), texts(user))
	got, err := retrytopics.Decode(&kgo.Record{Headers: hop})
	noError(t, err)
	equal(t, got, state)

	// Also where ours stand among them, as a foreign tool may have put them.
	mixed := headers("redeliver-attempt=9", "b=1", "redeliver-group=other", "a")
	equal(t, texts(retrytopics.UserHeaders(mixed)), []string{"b=1", "a"})
	equal(t, texts(retrytopics.UserHeaders(nil)), []string{})
}

func TestUserHeadersMayBeAppendedTo(t *testing.T) {
	all := headers("a=1", "redeliver-id=x", "redeliver-group=g")
	_ = append(retrytopics.UserHeaders(all), kgo.RecordHeader{Key: "b"})
	equal(t, texts(all), []string{"a=1", "redeliver-id=x", "redeliver-group=g"})

	state := sample()
	copied := state.AppendHeaders(nil, nil, 0)
	before := texts(copied)
	for i := range copied {
		_ = append(copied[i].Value, "!!!!!!!!"...)
	}
	equal(t, texts(copied), before)
}

// A due time is rounded up, so that nothing comes early for its microseconds.
func TestDueTimesRoundUp(t *testing.T) {
	state := retrytopics.State{
		ID: "t/0/0", Topic: "t", Group: "g",
		Due:    time.UnixMilli(1000).Add(1),
		HopDue: time.UnixMilli(2000).Add(999_999),
	}
	got, err := retrytopics.Decode(&kgo.Record{Headers: state.AppendHeaders(nil, nil, 0)})
	noError(t, err)
	equal(t, got.Due, time.UnixMilli(1001))
	equal(t, got.HopDue, time.UnixMilli(2001))
}

func ownSize(hs []kgo.RecordHeader) int {
	n := 0
	for _, h := range hs {
		if retrytopics.IsOwnHeader(h.Key) {
			n += len(h.Key) + len(h.Value)
		}
	}
	return n
}

func value(hs []kgo.RecordHeader, key string) string {
	for _, h := range hs {
		if h.Key == key {
			return string(h.Value)
		}
	}
	return ""
}

// bounded: the oldest history gives way first, then the error text, and never
// what identifies the record.
func TestHeadersAreBounded(t *testing.T) {
	state := sample()
	state.Error = strings.Repeat("é", 5000)
	state.History = nil
	for i := range 1000 {
		state.History = append(state.History, retrytopics.Try{N: i + 1, Class: "network", Error: strings.Repeat("x", 300)})
	}
	user := headers("big=" + strings.Repeat("u", 10_000))

	hs := state.AppendHeaders(nil, user, 0)
	if size := ownSize(hs); size > retrytopics.DefaultHeaderLimit || size < retrytopics.DefaultHeaderLimit-400 {
		t.Fatalf("got %d bytes, want nearly %d", size, retrytopics.DefaultHeaderLimit)
	}
	equal(t, value(hs, retrytopics.HeaderError), strings.Repeat("é", 512)) // 1 KiB, whole runes
	got, err := retrytopics.Decode(&kgo.Record{Headers: hs})
	noError(t, err)
	equal(t, got.History[len(got.History)-1].N, 1000)
	equal(t, len(got.History[0].Error), 256)
	if first := got.History[0].N; first != 1000-len(got.History)+1 || len(got.History) < 5 {
		t.Fatalf("got %d tries from %d on, want the newest ones", len(got.History), first)
	}

	state.Topic = strings.Repeat("t", 249)
	state.ID = retrytopics.FormatID(strings.Repeat("n", 64), state.Topic, math.MaxInt32, math.MaxInt64)
	state.Group = strings.Repeat("g", 249)
	hs = state.AppendHeaders(nil, user, 1) // the least there is
	if size := ownSize(hs); size > retrytopics.MinHeaderLimit {
		t.Fatalf("got %d bytes, want at most %d", size, retrytopics.MinHeaderLimit)
	}
	got, err = retrytopics.Decode(&kgo.Record{Headers: hs})
	noError(t, err)
	equal(t, got.ID, state.ID)
	equal(t, len(got.History), 0)
	if len(got.Error) < 100 {
		t.Fatalf("got %d bytes of the error, want what fits", len(got.Error))
	}
}

// Whatever an error's text holds, what travels is text.
func TestHeadersAreUTF8(t *testing.T) {
	state := sample()
	state.Error = "bad \xff byte"
	state.Group = "gr\xffup"
	state.History = []retrytopics.Try{{N: 1, Class: "network", Error: "bad \xff \" \\ \n\x01 byte ü\u2028"}}
	hs := state.AppendHeaders(nil, nil, 0)
	equal(t, value(hs, retrytopics.HeaderError), "bad \uFFFD byte")
	equal(t, value(hs, retrytopics.HeaderGroup), "gr\uFFFDup")
	equal(t, value(hs, retrytopics.HeaderHistory), `[{"n":1,"at":0,"ms":0,"class":"network","error":"bad `+"\uFFFD"+` \" \\ \n\u0001 byte ü`+"\u2028"+`"}]`)
	got, err := retrytopics.Decode(&kgo.Record{Headers: hs})
	noError(t, err)
	equal(t, got.History[0].Error, "bad \uFFFD \" \\ \n\x01 byte ü\u2028")
}

func TestIsCopy(t *testing.T) {
	state := sample()
	equal(t, retrytopics.IsCopy(&kgo.Record{Headers: state.AppendHeaders(nil, headers("a=1"), 0)}), true)
	equal(t, retrytopics.IsCopy(&kgo.Record{Headers: headers("a=1", "redeliver-id=x", "redeliver-replays=1")}), false)
	equal(t, retrytopics.IsCopy(&kgo.Record{}), false)
}

func anyState(t *rapid.T) retrytopics.State {
	text := rapid.StringOfN(rapid.Rune(), 0, 200, 400)
	name := rapid.StringMatching(`[a-zA-Z0-9._-]{1,60}`)
	ms := func(label string) time.Time {
		n := rapid.Int64Range(0, 4_000_000_000_000).Draw(t, label)
		if n%3 == 0 {
			return time.Time{}
		}
		return time.UnixMilli(n)
	}
	class := rapid.SampledFrom(append(classify.Classes(), classify.None))
	s := retrytopics.State{
		Topic:       name.Draw(t, "topic"),
		Partition:   rapid.Int32Range(0, math.MaxInt32).Draw(t, "partition"),
		Offset:      rapid.Int64Range(0, math.MaxInt64).Draw(t, "offset"),
		Timestamp:   ms("timestamp"),
		Group:       "g" + text.Draw(t, "group"),
		Attempt:     rapid.IntRange(0, math.MaxInt32).Draw(t, "attempt"),
		Due:         ms("due"),
		HopDue:      ms("hop due"),
		FirstFailed: ms("first failed"),
		Held:        time.Duration(rapid.Int64Range(0, 1e9).Draw(t, "held")) * time.Millisecond,
		Class:       class.Draw(t, "class"),
		Error:       text.Draw(t, "error"),
		Reason:      rapid.SampledFrom(append(retrytopics.Reasons(), "")).Draw(t, "reason"),
		Replays:     rapid.IntRange(0, math.MaxInt32).Draw(t, "replays"),
		Traceparent: rapid.StringMatching(`(00-[1-9a-f]{32}-[1-9a-f]{16}-0[01])?`).Draw(t, "traceparent"),
	}
	s.ID = retrytopics.FormatID(rapid.SampledFrom([]string{"", "blue"}).Draw(t, "namespace"), s.Topic, s.Partition, s.Offset)
	for range rapid.IntRange(0, 3).Draw(t, "counts") {
		s.Counts = s.Counts.Add(rapid.SampledFrom([]string{"network", "409", "topic:orders", "in_place"}).Draw(t, "name"), rapid.IntRange(0, 1000).Draw(t, "n"))
	}
	for range rapid.IntRange(0, 4).Draw(t, "tries") {
		s.History = append(s.History, retrytopics.Try{
			N:     rapid.IntRange(0, 1000).Draw(t, "n"),
			At:    rapid.Int64().Draw(t, "at"),
			Ms:    rapid.Int64().Draw(t, "ms"),
			Class: class.Draw(t, "class").String(),
			Error: rapid.StringOfN(rapid.Rune(), 0, 60, 200).Draw(t, "error"),
		})
	}
	return s
}

// What is written is what is read, through any number of hops.
func TestStateSurvivesTheWay(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		state := anyState(t)
		hs := state.AppendHeaders(headers("first=1"), headers("user=2"), 64<<10)
		got, err := retrytopics.Decode(&kgo.Record{Headers: hs})
		noError(t, err)
		equal(t, got, state)
		again := got.AppendHeaders(headers("first=1"), headers("user=2"), 64<<10)
		if !slices.EqualFunc(again, hs, func(a, b kgo.RecordHeader) bool { return a.Key == b.Key && bytes.Equal(a.Value, b.Value) }) {
			t.Fatalf("got %q, want %q", texts(again), texts(hs))
		}
	})
}
