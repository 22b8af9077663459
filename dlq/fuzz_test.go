package dlq

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/retrytopics"
)

// FuzzLedger: what is not ours in a ledger is passed over, what is ours and cannot be read is an error and not an
// entry that nobody has dealt with, and what can be read counts once, whatever order it comes in.
func FuzzLedger(f *testing.F) {
	keys := keysOf([16]byte{1, 2, 3})
	mark, writer := string(keys.mark(3, 42)), string(keys.writer())
	f.Add(mark, `{"v":1,"status":"replayed","at":1700000000000,"by":"u","run":"r","to":"t","id":"orders/3/1","group":"g","replays":1}`, writer, `{"v":1,"at":1,"by":"u","run":"r","doing":"replay","alive":2,"ended":true}`)
	f.Add(mark, `{"v":2,"status":"open"}`, "other/3/42", `no json`)
	f.Add(mark, ``, mark, `{"v":1,"status":"gone","at":-9223372036854775808}`)
	f.Add(mark, `{"v":1,"status":"discarded","at":9223372036854775807,"id":"\u0000"}`, writer, `{"doing":"discard","alive":-9223372036854775808}`)
	f.Fuzz(func(t *testing.T, key, value, otherKey, otherValue string) {
		r := ledgerReader{keys: keys}
		records := []*kgo.Record{{Topic: "ledger", Key: []byte(key), Value: []byte(value)}, {Topic: "ledger", Key: []byte(otherKey), Value: []byte(otherValue)}, {Topic: "ledger", Key: []byte(mark)}}
		values, err := r.decode(t.Context(), records)
		if err != nil {
			if len(values) > 0 || !utf8.ValidString(err.Error()) {
				t.Fatalf("%d values beside the error %q", len(values), err)
			}
			return
		}
		forth, back := newLedger(), newLedger()
		forth.add(values)
		for i := range values {
			back.add(values[len(values)-1-i:][:1])
		}
		for id, m := range forth.marks {
			mark := forth.describe(m)
			if mark.Status >= statuses {
				t.Fatalf("status %v", mark.Status)
			}
			if other := back.marks[id]; other.at != m.at {
				t.Fatalf("the mark of %d counts in one order, of %d in the other", m.at, other.at)
			}
		}
		if w := forth.writer; w.alive(w.Alive.Add(leaseTime)) || w.Ended && w.alive(w.Alive) {
			t.Fatalf("%+v counts as alive after its lease", w)
		}
		if next := forth.now(); next <= forth.latest {
			t.Fatalf("the next mark is of %d, not after %d", next, forth.latest)
		}
	})
}

// FuzzPosition: the place in the key of a mark is read as it was written, and of what was not written so nothing is.
func FuzzPosition(f *testing.F) {
	f.Add("3/1042", int32(3), int64(1042))
	f.Add("-1/9223372036854775808", int32(0), int64(0))
	f.Fuzz(func(t *testing.T, text string, partition int32, offset int64) {
		parsePosition(text)
		keys := keysOf([16]byte{9})
		rest, _ := strings.CutPrefix(string(keys.mark(partition, offset)), keys.prefix)
		if at, ok := parsePosition(rest); !ok || at != (position{partition, offset}) {
			t.Errorf("%d/%d is read as %+v, %v", partition, offset, at, ok)
		}
	})
}

// FuzzMark: what a call writes to the ledger is read as it was.
func FuzzMark(f *testing.F) {
	f.Add("orders/3/42", "billing", uint16(1), uint8(2), uint8(1), int64(1_700_000_000_000), "operator", "20260101-1", "billing.orders.retry-1s", "mended", int32(3), int64(7))
	f.Add("", "", uint16(0), uint8(0), uint8(255), int64(-1), "\xff", "\x00", "\"", "\u2028", int32(0), int64(0))
	f.Fuzz(func(t *testing.T, id, group string, replays uint16, times, kind uint8, at int64, by, run, to, reason string, partition int32, offset int64) {
		for _, text := range []string{id, group, by, run, to, reason} {
			if !utf8.ValidString(text) {
				return // JSON has no other
			}
		}
		at = min(max(at, 1), year9999)
		w := &writer{queue: &Queue{topic: "dlq"}, keys: keysOf([16]byte{9}), self: Writer{Run: run, By: by, Doing: doingReplay, At: time.UnixMilli(at)}}
		status := Status(kind) % statuses
		e := &Entry{Partition: max(partition, 0), Offset: max(offset, 0), State: retrytopics.State{ID: id, Group: group, Replays: int(replays), Timestamp: time.UnixMilli(at)}, Mark: Mark{Times: int(times)}}
		record := &kgo.Record{}
		w.mark(record, e, status, time.UnixMilli(at), at, to, reason)
		values, err := (&ledgerReader{keys: w.keys}).decode(t.Context(), []*kgo.Record{record, w.sign(time.UnixMilli(at))})
		if err != nil || len(values) != 2 {
			t.Fatalf("%d records are read again: %v", len(values), err)
		}
		l := newLedger()
		l.add(values)
		got := l.describe(l.of(e))
		replayed := int(times)
		if status == StatusReplayed {
			replayed++
		}
		seen, until := e.Offset+1, int64(0)
		if status == StatusReplayed || status == StatusDiscarded {
			until = max(at-time.Minute.Milliseconds(), 1)
		}
		if want := (Mark{Times: replayed, seen: seen, until: until, Status: status, At: time.UnixMilli(at), By: by, Run: run, Task: run, To: to, Reason: reason}); got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
		if l.writer.Run != run || l.writer.By != by || l.writer.Doing != doingReplay || !l.writer.Alive.Equal(time.UnixMilli(at)) || !l.writer.At.Equal(time.UnixMilli(at)) {
			t.Errorf("the writer is read as %+v", l.writer)
		}
		if id := (Entry{TopicID: [16]byte{9}, Partition: e.Partition, Offset: e.Offset}).ID(); CheckID(id) != nil {
			t.Errorf("the entry's own id %q is none: %v", id, CheckID(id))
		}
	})
}

// FuzzMarkIsJSON: a mark is byte for byte what encoding/json makes of it, whatever its texts hold, and lies where there was room for it.
func FuzzMarkIsJSON(f *testing.F) {
	f.Add(1, "replayed", int64(1_700_000_000_000), "operator", "<a>&\u2028\u2029\x7f", int64(0))
	f.Add(0, "", int64(-1), "\xff\xe2\x80", "\x00\b\f\n\r\t\v\"\\/\x1f\ufffd", int64(7))
	f.Fuzz(func(t *testing.T, n int, status string, at int64, one, other string, renewed int64) {
		v := ledgerValue{V: n, Status: status, At: at, By: one, Run: other, To: one + other, Reason: other + one, Edit: one, ID: other, Group: one, Replays: n, Replay: other, Times: n, Renewed: renewed, Born: renewed, Seen: renewed, Until: renewed, TaskID: one}
		if renewed != 0 {
			v.Was = decided{At: renewed, By: other, Run: one, TaskID: one + other}
		}
		if v.Status == "" {
			v.Status = "open" // each mark has one
		}
		want, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		if got := v.appendMark(nil); string(got) != string(want) {
			t.Fatalf("got %q, want %q", got, want)
		}
		if len(want) > v.sizeBound() {
			t.Fatalf("%d bytes, and the bound is %d", len(want), v.sizeBound())
		}
	})
}

// FuzzReference: an id that is taken names a place or an origin, and nothing else is an error without words.
func FuzzReference(f *testing.F) {
	for _, text := range []string{"k7qp-3-1042", "3-1042", "orders/3/1042", "K7QP-0-0", "----", "k7qp-2147483648-1", "-1-2", "a/b"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		ref, err := parseReference(text)
		switch {
		case err != nil && err.Error() == "":
			t.Fatal("an error without words")
		case err == nil && ref.origin == "" && (ref.partition < 0 || ref.offset < 0):
			t.Fatalf("%q is %+v", text, ref)
		}
	})
}

// FuzzExported: a line of an export that passes the check is a record, which comes back from another export as it is.
func FuzzExported(f *testing.F) {
	for _, line := range []string{
		`{"id":"3/42","topic":"g.orders.dlq","partition":3,"offset":42,"timestamp":1700000000000,"status":"open","key":"YQ==","value":"YmM=","headers":[{"key":"redeliver-id","value":"b3JkZXJzLzMvMQ=="},{"key":"x","value":null},{"key":"x","value":""}]}`,
		`{"topic":"t","timestamp":-1,"key":null,"value":"","headers":[{"key":"","key_base64":"/w==","value":"AA=="}]}`,
		`{"topic":"t","timestamp":9223372036854,"headers":null,"status":"replayed"}`,
		`{"topic":"..","partition":-1}`, `{"topic":"t","key":"!"}`, `{"status":"mislaid"}`, `[]`, `{`, `null`,
	} {
		f.Add([]byte(line))
	}
	read := func(line []byte) (x Exported, err error) {
		if err = json.Unmarshal(line, &x); err == nil {
			err = x.Check()
		}
		return x, err
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		x, err := read(line)
		if err != nil {
			return
		}
		record := x.Record()
		entry := entryOf(record, [16]byte{1})
		again, err := json.Marshal(entry.Export())
		if err != nil {
			t.Fatalf("%q cannot be exported again: %v", line, err)
		}
		y, err := read(again)
		if err != nil {
			t.Fatalf("%q became %q: %v", line, again, err)
		}
		if !reflect.DeepEqual(record, y.Record()) {
			t.Fatalf("%q became %q", line, again)
		}
	})
}
