package integration_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/internal/kafkatest"
)

// A client that shares no code with ours writes records of all kinds and reads what became of them: their bytes are what
// it wrote, and every header of Redeliver's is text that any tool can show.
func TestForeignClientReadsTheCopies(t *testing.T) {
	t.Parallel()
	kcat := kafkatest.NewKcat(t)
	headers := func(pairs ...string) (hs []kgo.RecordHeader) {
		for i := 0; i < len(pairs); i += 2 {
			hs = append(hs, kgo.RecordHeader{Key: pairs[i], Value: []byte(pairs[i+1])})
		}
		return hs
	}
	given := []*kgo.Record{
		{Key: []byte("key"), Value: []byte("value")},
		{Key: []byte("key"), Value: []byte("with headers"), Headers: headers("trace", "first", "a", "ünïcode", "trace", "second", "empty", "")},
		{Key: nil, Value: []byte("null key")},
		{Key: []byte("null value"), Value: nil, Headers: headers("deleted-by", "ann")},
		{Key: nil, Value: nil},
		{Key: []byte{}, Value: []byte{}},
		{Key: []byte("binary"), Value: []byte{0, 1, 0xff, '\n', 0xfe}},
		{Key: []byte("lines"), Value: []byte("one\ntwo\n")},
	}
	b := setup(t, 2)
	for i, r := range given {
		r.Topic, r.Partition = b.source, int32(i%2)
		kcat.Produce(b.source, r.Partition, r.Key, r.Value, r.Headers...)
	}
	b.start(fails(errBroken), withoutBreaker)
	b.calls.awaitCount(t, 3*len(given))
	b.settled()

	source := kcat.Read(b.source)
	if len(source) != len(given) {
		t.Fatalf("kcat reads %d records from the source, want %d", len(source), len(given))
	}
	origins := make(map[string]*kgo.Record)
	for _, r := range source {
		origins[id(r)] = given[2*int(r.Offset)+int(r.Partition)] // each partition has every second record
	}
	reads := [][]*kgo.Record{source, kcat.Read(b.tier("200ms")), kcat.Read(b.tier("1s")), kcat.Read(b.dlq())}
	for attempt, topic := range []string{b.source, b.tier("200ms"), b.tier("1s"), b.dlq()} {
		if got := len(reads[attempt]); got != len(given) {
			t.Errorf("kcat reads %d records from %s, want %d", got, topic, len(given))
		}
		for _, r := range reads[attempt] {
			origin := id(r)
			if attempt > 0 {
				ids := header(r.Headers, "redeliver-id")
				if len(ids) != 1 {
					t.Errorf("kcat reads %s/%d/%d with %d ids: %q, headers %q", topic, r.Partition, r.Offset, len(ids), r.Value, r.Headers)
					continue
				}
				origin = ids[0]
			}
			where := fmt.Sprintf("kcat reads %s from %s", origin, topic)
			want := origins[origin]
			if want == nil {
				t.Errorf("%s, which was not produced", where)
				continue
			}
			sameBytes(t, where+": key", r.Key, want.Key)
			sameBytes(t, where+": value", r.Value, want.Value)
			sameHeaders(t, where, users(r.Headers), want.Headers)
			if r.Partition != want.Partition {
				t.Errorf("%s in partition %d, want %d", where, r.Partition, want.Partition)
			}
			if got := header(r.Headers, "redeliver-attempt"); attempt > 0 && (len(got) != 1 || got[0] != strconv.Itoa(attempt)) {
				t.Errorf("%s with attempt %v, want %d", where, got, attempt)
			}
		}
	}
}

// What an operator sees who looks at a dead letter with kcat and jq.
func TestForeignClientShowsADeadLetter(t *testing.T) {
	t.Parallel()
	kcat := kafkatest.NewKcat(t)
	b := setup(t, 1)
	kcat.Produce(b.source, 0, []byte("customer-7"), []byte(`{"amount":12}`), kgo.RecordHeader{Key: "trace", Value: []byte("t1")})
	b.start(fails(errBroken))
	b.calls.awaitCount(t, 3)
	b.settled()

	line := kcat.Run("-C", "-q", "-e", "-J", "-t", b.dlq(), "-o", "beginning")
	var shown struct {
		Key     string   `json:"key"`
		Payload string   `json:"payload"`
		Headers []string `json:"headers"`
	}
	if err := json.NewDecoder(bytes.NewReader(line)).Decode(&shown); err != nil {
		t.Fatalf("kcat -J shows %q: %v", line, err)
	}
	if shown.Key != "customer-7" || shown.Payload != `{"amount":12}` {
		t.Errorf("kcat -J shows key %q and payload %q", shown.Key, shown.Payload)
	}
	got := make(map[string]string)
	for i := 0; i+1 < len(shown.Headers); i += 2 {
		got[shown.Headers[i]] = shown.Headers[i+1]
	}
	want := map[string]string{
		"trace":                      "t1",
		"redeliver-id":               b.source + "/0/0",
		"redeliver-origin-topic":     b.source,
		"redeliver-origin-partition": "0",
		"redeliver-origin-offset":    "0",
		"redeliver-group":            b.group,
		"redeliver-attempt":          "3",
		"redeliver-class":            "transient",
		"redeliver-severity":         "low",
		"redeliver-error":            "*errors.errorString: broken",
		"redeliver-reason":           "exhausted",
	}
	for _, key := range []string{"redeliver-origin-timestamp", "redeliver-first-failed"} {
		if _, err := strconv.ParseInt(got[key], 10, 64); err != nil {
			t.Errorf("%s is %q, want milliseconds", key, got[key])
		}
		delete(got, key)
	}
	var history []map[string]any
	if err := json.Unmarshal([]byte(got["redeliver-history"]), &history); err != nil || len(history) != 3 {
		t.Errorf("redeliver-history is %q, want a JSON array of 3: %v", got["redeliver-history"], err)
	}
	delete(got, "redeliver-history")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("headers (-want +got):\n%s", diff)
	}
}
