package integration_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/consumer"
	"github.com/redeliver/redeliver/dlq"
	"github.com/redeliver/redeliver/internal/kafkatest"
	"github.com/redeliver/redeliver/retrytopics"
)

// The way of a record, from its source over both tiers to the dead letters, and back to work by a replay. At each stage
// it carries its bytes unchanged and exactly the headers that the contract names.
func TestRecordTravels(t *testing.T) {
	t.Parallel()
	origin := time.Now().Add(-90 * time.Minute).Truncate(time.Millisecond)
	for _, tt := range []struct {
		name string
		give kgo.Record
	}{
		{"with key, value and headers", kgo.Record{
			Key: []byte("customer-7"), Value: []byte(`{"amount":12}`),
			Headers: []kgo.RecordHeader{
				{Key: "trace", Value: []byte("first")}, {Key: "a", Value: []byte("1")}, {Key: "trace", Value: []byte("second")},
				{Key: "redeliver-tenant", Value: []byte("acme")},
			},
		}},
		{"with nothing in it", kgo.Record{}},
		{"with empty key, value and header", kgo.Record{
			Key: []byte{}, Value: []byte{}, Headers: []kgo.RecordHeader{{Key: "empty", Value: []byte{}}, {Key: "null"}, {Key: ""}},
		}},
		{"with bytes that are no text", kgo.Record{
			Key: []byte{0, 1, 0xff}, Value: []byte{0xfe, 0, '\n'}, Headers: []kgo.RecordHeader{{Key: "raw", Value: []byte{0, 0xff}}},
		}},
		{"with forged headers", kgo.Record{
			Value: []byte("v"),
			Headers: []kgo.RecordHeader{
				{Key: "redeliver-attempt", Value: []byte("99")}, {Key: "redeliver-due", Value: []byte("99999999999999")},
				{Key: "mine", Value: []byte("kept")}, {Key: "redeliver-group", Value: []byte("another")},
				{Key: "redeliver-history", Value: []byte(`[{"n":1}]`)}, {Key: "redeliver-reason", Value: []byte("exhausted")},
			},
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			give := tt.give
			give.Timestamp = origin
			(&travel{bundle: setup(t, 3), give: &give}).run()
		})
	}
}

// travel follows one record.
type travel struct {
	*bundle
	give  *kgo.Record
	calls []call
}

func (tr *travel) run() {
	t := tr.t
	boom := errors.New("boom")
	tr.start(func(_ context.Context, r *consumer.Record) error {
		if r.Replays() == 0 {
			return boom
		}
		return nil
	}, func(c *consumer.Config) { c.Retry.NoJitter = true })
	tr.give.Partition = 2
	tr.produceTo(tr.give)

	tr.bundle.calls.awaitCount(t, 3)
	tr.settled()
	letters := tr.letters()
	if len(letters) != 1 {
		t.Fatalf("there are %d dead letters, want 1", len(letters))
	}
	first, second := tr.only(tr.tier("200ms"), 0), tr.only(tr.tier("1s"), 0)
	tr.replay(dlq.Replay{}, 1)
	tr.calls = tr.bundle.calls.awaitCount(t, 4)
	tr.settled()

	tr.copied("on the first tier", first, 1, "boom", tr.due(1, 200*time.Millisecond), nil)
	tr.copied("on the second tier", second, 2, "boom", tr.due(2, time.Second), nil)
	tr.copied("among the dead letters", letters[0], 3, "boom", nil, map[string]string{retrytopics.HeaderReason: "exhausted"})
	tr.replayed(tr.only(tr.tier("200ms"), 1))
	tr.handled()
	if got := len(tr.letters()); got != 1 {
		t.Errorf("there are %d dead letters after the replay, want the same one", got)
	}
}

// only returns the nth record of a topic, of which the partition is the source's.
func (tr *travel) only(topic string, nth int) *kgo.Record {
	tr.t.Helper()
	records := kafkatest.ReadAll(tr.t, topic)
	if len(records) != nth+1 {
		tr.t.Fatalf("%s holds %d records, want %d", topic, len(records), nth+1)
	}
	if got := records[nth].Partition; got != tr.give.Partition {
		tr.t.Errorf("%s: the copy is in partition %d, want %d as in the source", topic, got, tr.give.Partition)
	}
	return records[nth]
}

// handled: every attempt saw the record as it first stood, its number, and began when it was due.
func (tr *travel) handled() {
	t := tr.t
	for i, x := range tr.calls {
		want := i%3 + 1 // 1, 2, 3, and 1 again after the replay
		if x.attempt != want {
			t.Errorf("call %d has attempt %d, want %d", i, x.attempt, want)
		}
		if want := fmt.Sprintf("%s/2/0", tr.source); x.id != want {
			t.Errorf("call %d has id %q, want %q", i, x.id, want)
		}
		r := x.record
		if r.Topic != tr.source || r.Partition != 2 || r.Offset != 0 || !r.Timestamp.Equal(tr.give.Timestamp) {
			t.Errorf("call %d is of %s/%d/%d at %v, want the origin", i, r.Topic, r.Partition, r.Offset, r.Timestamp)
		}
		sameBytes(t, "key", r.Key, tr.give.Key)
		sameBytes(t, "value", r.Value, tr.give.Value)
		sameHeaders(t, fmt.Sprintf("call %d", i), r.Headers, users(tr.give.Headers))
	}
	neverEarly(t, tr.calls)
	for i, delay := range []time.Duration{200 * time.Millisecond, time.Second} {
		if gap := tr.calls[i+1].began.Sub(tr.calls[i].ended); gap < delay {
			t.Errorf("never-early: attempt %d came %v after the one before, want %v at least", i+2, gap, delay)
		}
	}
	if got := len(tr.calls[3].record.History()); got != 3 {
		t.Errorf("the call after the replay sees %d failed attempts, want 3", got)
	}
}

// due is what a copy made after the nth call carries that waits for the delay on a tier of its own.
func (tr *travel) due(n int, delay time.Duration) map[string]time.Duration {
	return map[string]time.Duration{retrytopics.HeaderDue: delay, retrytopics.HeaderHopDue: delay}
}

// copied holds a copy made after the nth attempt to the contract. waits are the times that it carries, as the delays
// after the attempt's end.
func (tr *travel) copied(where string, r *kgo.Record, n int, message string, waits map[string]time.Duration, more map[string]string) {
	t := tr.t
	t.Helper()
	first, last := tr.calls[0], tr.calls[n-1]
	want := tr.identity()
	want[retrytopics.HeaderAttempt] = strconv.Itoa(n)
	want[retrytopics.HeaderClass] = "transient"
	want[retrytopics.HeaderSeverity] = "low"
	want[retrytopics.HeaderError] = "*errors.errorString: " + message
	for k, v := range more {
		want[k] = v
	}
	got := tr.ours(where, r)
	near(t, where, got, retrytopics.HeaderFirstFailed, first.ended)
	for k, delay := range waits {
		near(t, where, got, k, last.ended.Add(delay))
	}
	tr.history(where, got, n)
	same(t, where, got, want)
	tr.intact(where, r, last.ended)
}

// replayed holds the copy that a replay made to the contract: due at once, everything afresh but the history.
func (tr *travel) replayed(r *kgo.Record) {
	t := tr.t
	t.Helper()
	const where = "put back by the replay"
	want := tr.identity()
	want[retrytopics.HeaderAttempt] = "0"
	want[retrytopics.HeaderReplays] = "1"
	want[retrytopics.HeaderClass] = "transient"
	want[retrytopics.HeaderSeverity] = "low"
	want[retrytopics.HeaderError] = "*errors.errorString: boom"
	got := tr.ours(where, r)
	near(t, where, got, retrytopics.HeaderDue, r.Timestamp)
	if got[retrytopics.HeaderReplay] == "" {
		t.Errorf("%s: the replay has no name", where)
	}
	delete(got, retrytopics.HeaderReplay)
	tr.history(where, got, 3)
	same(t, where, got, want)
	tr.intact(where, r, tr.calls[2].ended)
}

// identity is what every copy carries.
func (tr *travel) identity() map[string]string {
	return map[string]string{
		retrytopics.HeaderID:              tr.source + "/2/0",
		retrytopics.HeaderOriginTopic:     tr.source,
		retrytopics.HeaderOriginPartition: "2",
		retrytopics.HeaderOriginOffset:    "0",
		retrytopics.HeaderOriginTimestamp: strconv.FormatInt(tr.give.Timestamp.UnixMilli(), 10),
		retrytopics.HeaderGroup:           tr.group,
	}
}

// ours are the headers that Redeliver has written, each of which is there once.
func (tr *travel) ours(where string, r *kgo.Record) map[string]string {
	tr.t.Helper()
	ours := make(map[string]string)
	for _, h := range r.Headers {
		if !retrytopics.IsOwnHeader(h.Key) {
			continue
		}
		if _, twice := ours[h.Key]; twice {
			tr.t.Errorf("%s: header %s is there twice", where, h.Key)
		}
		ours[h.Key] = string(h.Value)
	}
	return ours
}

// intact: key, value and the user's headers are those that were produced, and the copy has the time of the copy.
func (tr *travel) intact(where string, r *kgo.Record, after time.Time) {
	t := tr.t
	t.Helper()
	sameBytes(t, where+": key", r.Key, tr.give.Key)
	sameBytes(t, where+": value", r.Value, tr.give.Value)
	sameHeaders(t, where, users(r.Headers), users(tr.give.Headers))
	if r.Timestamp.Before(after.Truncate(time.Millisecond)) {
		t.Errorf("%s: the copy's timestamp is %v, before the attempt ended at %v: retention deletes by it", where, r.Timestamp, after)
	}
}

// history takes the history header out of got and compares it with the calls.
func (tr *travel) history(where string, got map[string]string, n int) {
	t := tr.t
	t.Helper()
	var tries []struct {
		N     int    `json:"n"`
		At    int64  `json:"at"`
		Ms    *int64 `json:"ms"`
		Class string `json:"class"`
		Error string `json:"error"`
	}
	text := got[retrytopics.HeaderHistory]
	delete(got, retrytopics.HeaderHistory)
	if err := json.Unmarshal([]byte(text), &tries); err != nil || len(tries) != n {
		t.Errorf("%s: history %q, want %d attempts: %v", where, text, n, err)
		return
	}
	for i, try := range tries {
		at := time.UnixMilli(try.At)
		if try.N != i+1 || try.Class != "transient" || try.Error != "*errors.errorString: boom" || try.Ms == nil {
			t.Errorf("%s: attempt %d in the history is %+v", where, i+1, try)
		}
		if apart := tr.calls[i].began.Sub(at).Abs(); apart > tolerance {
			t.Errorf("%s: attempt %d in the history began %v from when it did", where, i+1, apart)
		}
	}
}

// tolerance is between the time that a handler takes and the one that the engine takes for the same moment. It is for
// telling a time from another one, not for being quick.
const tolerance = 150 * time.Millisecond

// near takes a time out of the headers and expects it to be close to want.
func near(t *testing.T, where string, got map[string]string, key string, want time.Time) {
	t.Helper()
	ms, err := strconv.ParseInt(got[key], 10, 64)
	delete(got, key)
	if apart := time.UnixMilli(ms).Sub(want).Abs(); err != nil || apart > tolerance {
		t.Errorf("%s: header %s is %v from what it should be, %v", where, key, apart, err)
	}
}

func same(t *testing.T, where string, got, want map[string]string) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s: headers (-want +got):\n%s", where, diff)
	}
}

// users are the headers that are not Redeliver's.
func users(headers []kgo.RecordHeader) []kgo.RecordHeader {
	var users []kgo.RecordHeader
	for _, h := range headers {
		if !retrytopics.IsOwnHeader(h.Key) {
			users = append(users, h)
		}
	}
	return users
}

// sameBytes tells null from empty.
func sameBytes(t testing.TB, what string, got, want []byte) {
	t.Helper()
	if string(got) != string(want) || (got == nil) != (want == nil) {
		t.Errorf("intact: %s is %q (null: %v), want %q (null: %v)", what, got, got == nil, want, want == nil)
	}
}

// sameHeaders compares headers with their order and duplicates, and tells null from empty.
func sameHeaders(t testing.TB, where string, got, want []kgo.RecordHeader) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("intact: %s: headers %v, want %v", where, got, want)
		return
	}
	for i := range got {
		if got[i].Key != want[i].Key {
			t.Errorf("intact: %s: header %d is %q, want %q", where, i, got[i].Key, want[i].Key)
		}
		sameBytes(t, where+": header "+want[i].Key, got[i].Value, want[i].Value)
	}
}
