package retrytopics_test

import (
	"strings"
	"testing"
	"time"

	"github.com/redeliver/redeliver/retrytopics"
	"github.com/twmb/franz-go/pkg/kgo"
)

func source(pairs ...string) *kgo.Record {
	return &kgo.Record{Topic: "orders", Partition: 3, Offset: 1042, Timestamp: time.UnixMilli(1_700_000_000_123), Headers: headers(pairs...)}
}

func TestFresh(t *testing.T) {
	for _, tt := range []struct {
		name      string
		record    *kgo.Record
		namespace string
		id        string
		replays   int
		names     [2]string
		trace     string
	}{
		{name: "its place is its id", record: source("a=1"), id: "orders/3/1042"},
		{name: "behind the namespace", record: source(), namespace: "blue", id: "blue:orders/3/1042"},
		{name: "a replay to the source keeps its id", record: source("redeliver-id=orders/0/7", "redeliver-replays=2"), id: "orders/0/7", replays: 2},
		{name: "whatever its form", record: source("redeliver-id=payment 4711"), id: "payment 4711"},
		{name: "unless it is empty", record: source("redeliver-id="), id: "orders/3/1042"},
		{name: "or null", record: source("redeliver-id"), id: "orders/3/1042"},
		{name: "or could not be a header of HTTP", record: source("redeliver-id=a\r\nX-Admin: 1"), id: "orders/3/1042"},
		{name: "or is no text", record: source("redeliver-id=\xff"), id: "orders/3/1042"},
		{name: "or too long", record: source("redeliver-id=" + strings.Repeat("x", 513)), id: "orders/3/1042"},
		{name: "replays are a number", record: source("redeliver-replays=many"), id: "orders/3/1042"},
		{name: "and they have names", record: source("redeliver-replays=2", "redeliver-replay=second first"), id: "orders/3/1042", replays: 2, names: [2]string{"second", "first"}},
		{name: "that are short", record: source("redeliver-replay=" + strings.Repeat("x", 65)), id: "orders/3/1042"},
		{name: "its trace goes on", record: source("redeliver-traceparent=" + sample().Traceparent), id: "orders/3/1042", trace: sample().Traceparent},
		{name: "if it is one", record: source("redeliver-traceparent=00-0-0-01"), id: "orders/3/1042"},
		{name: "not a negative one", record: source("redeliver-replays=-1"), id: "orders/3/1042"},
		{
			// intact: nobody parks or exhausts records from outside.
			name: "nothing else is believed",
			record: source("redeliver-attempt=99", "redeliver-due=99999999999999", "redeliver-hop-due=99999999999999", "redeliver-group=other",
				"redeliver-origin-topic=x", "redeliver-origin-offset=1", "redeliver-counts=network=99", "redeliver-first-failed=1",
				"redeliver-held-ms=5", "redeliver-class=permanent", "redeliver-severity=low", "redeliver-error=x", "redeliver-history=[]", "redeliver-reason=exhausted"),
			id: "orders/3/1042",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			equal(t, retrytopics.Fresh(tt.record, tt.namespace), retrytopics.State{
				ID: tt.id, Topic: "orders", Partition: 3, Offset: 1042, Timestamp: time.UnixMilli(1_700_000_000_123), Replays: tt.replays,
				Replay: tt.names[0], PriorReplay: tt.names[1], Traceparent: tt.trace,
			})
		})
	}
}

func TestReplayed(t *testing.T) {
	dead := sample()
	got := dead.Replayed(noon, "third")
	want := sample()
	want.Replay, want.PriorReplay = "third", "first"
	want.Attempt, want.Counts, want.Held, want.Reason, want.Replays = 0, nil, 0, "", 2
	want.FirstFailed, want.HopDue, want.Due = time.Time{}, time.Time{}, noon
	equal(t, got, want)
	equal(t, dead, sample())
	prior := got.Prior()
	equal(t, [2]string{prior.Replay, prior.PriorReplay}, [2]string{"first", ""})
	equal(t, prior.Replays, 1)
}

func TestIDs(t *testing.T) {
	for _, tt := range []struct {
		id, namespace, topic string
		partition            int32
		offset               int64
	}{
		{"orders/3/1042", "", "orders", 3, 1042},
		{"blue:orders.eu/2147483647/9223372036854775807", "blue", "orders.eu", 2147483647, 9223372036854775807},
	} {
		equal(t, retrytopics.FormatID(tt.namespace, tt.topic, tt.partition, tt.offset), tt.id)
		namespace, topic, partition, offset, err := retrytopics.ParseID(tt.id)
		noError(t, err)
		equal(t, []any{namespace, topic, partition, offset}, []any{tt.namespace, tt.topic, tt.partition, tt.offset})
	}
	for _, id := range []string{"", "orders", "orders/3", "/3/4", "orders/x/4", "orders/3/x", "orders/-1/4", "orders/3/-4", "orders/3/4/5", "orders/99999999999/1"} {
		_, _, _, _, err := retrytopics.ParseID(id)
		fails(t, err, "topic/partition/offset")
	}
}

func TestNamespaces(t *testing.T) {
	for _, good := range []string{"", "blue", "orders-2026.1"} {
		noError(t, retrytopics.ValidNamespace(good))
	}
	for _, bad := range []string{"a:b", "a/b", "a b", "a\n", "\xff", strings.Repeat("x", 65)} {
		fails(t, retrytopics.ValidNamespace(bad), "without space")
	}
}
