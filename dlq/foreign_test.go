package dlq_test

import (
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/dlq"
	"github.com/redeliver/redeliver/retrytopics"
)

// springDLT is where Spring keeps dead letters by default.
const springDLT = "orders-dlt"

func int32BE(n int32) []byte { return binary.BigEndian.AppendUint32(nil, uint32(n)) }
func int64BE(n int64) []byte { return binary.BigEndian.AppendUint64(nil, uint64(n)) }

// foreignLetter is a dead letter as another program writes it, with a header of the user's before and behind.
func foreignLetter(d retrytopics.Dialect, partition int32, offset int64, message string) *kgo.Record {
	number := func(n int64) []byte { return strconv.AppendInt(nil, n, 10) }
	text := func(s string) []byte { return []byte(s) }
	var of []kgo.RecordHeader
	switch d {
	case retrytopics.Spring:
		of = []kgo.RecordHeader{
			{Key: "kafka_original-topic", Value: text(origin)}, {Key: "kafka_original-partition", Value: int32BE(partition)}, {Key: "kafka_original-offset", Value: int64BE(offset)},
			{Key: "retry_topic-attempts", Value: int32BE(4)}, {Key: "kafka_dlt-original-consumer-group", Value: text(group)},
			{Key: "kafka_exception-cause-fqcn", Value: text("java.io.IOException")}, {Key: "kafka_exception-message", Value: text(message)},
		}
	case retrytopics.SmallRye:
		of = []kgo.RecordHeader{
			{Key: "dead-letter-topic", Value: text(origin)}, {Key: "dead-letter-partition", Value: number(int64(partition))}, {Key: "dead-letter-offset", Value: number(offset)},
			{Key: "dead-letter-exception-class-name", Value: text("java.io.IOException")}, {Key: "dead-letter-reason", Value: text(message)},
		}
	case retrytopics.ShareGroup:
		of = []kgo.RecordHeader{
			{Key: "__dlq.errors.topic", Value: text(origin)}, {Key: "__dlq.errors.partition", Value: number(int64(partition))}, {Key: "__dlq.errors.offset", Value: number(offset)},
			{Key: "__dlq.errors.group", Value: text(group)}, {Key: "__dlq.errors.delivery.count", Value: text("5")}, {Key: "__dlq.errors.message", Value: text(message)},
		}
	case retrytopics.Connect:
		of = []kgo.RecordHeader{
			{Key: "__connect.errors.topic", Value: text(origin)}, {Key: "__connect.errors.partition", Value: number(int64(partition))}, {Key: "__connect.errors.offset", Value: number(offset)},
			{Key: "__connect.errors.connector.name", Value: text("s3")}, {Key: "__connect.errors.exception.message", Value: text(message)},
		}
	}
	headers := append([]kgo.RecordHeader{{Key: "trace", Value: text("t")}}, of...)
	return &kgo.Record{
		Topic: springDLT, Partition: partition, Key: text(fmt.Sprint("key-", offset)), Value: text(fmt.Sprint("payload ", offset)),
		Headers: append(headers, kgo.RecordHeader{Key: "trace", Value: nil}),
	}
}

// openForeign opens the dead letters of another program.
func (b *bundle) openForeign() *dlq.Queue {
	b.t.Helper()
	q, err := dlq.Open(b.connect(), springDLT, dlq.ForGroup(group), dlq.AnyGroup(), dlq.FirstTier(func(string) string { return tier1 }))
	if err != nil {
		b.t.Fatal(err)
	}
	return q
}

// TestForeignDeadLetters: what other programs keep in their dead-letter topics is listed, grouped, replayed and marked as Redeliver's
// own is: each entry once, as it was, without the headers that would make the other program take it for one that was tried before.
func TestForeignDeadLetters(t *testing.T) {
	t.Parallel()
	for _, dialect := range []retrytopics.Dialect{retrytopics.Spring, retrytopics.SmallRye, retrytopics.ShareGroup, retrytopics.Connect} {
		t.Run(string(dialect), func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			if _, err := b.admin.CreateTopic(b.ctx(), 3, 1, nil, springDLT); err != nil {
				t.Fatal(err)
			}
			for i := range int64(12) {
				message := fmt.Sprintf("no route to 10.0.0.%d after %d ms", i, 100+i)
				if i%3 == 0 {
					message = fmt.Sprintf("order %d is closed", 1000+i)
				}
				b.produce(foreignLetter(dialect, int32(i%3), i, message))
			}
			q := b.openForeign()
			entries := b.entries(q, dlq.Filter{})
			equal(t, "entries", len(entries), 12)
			for _, e := range entries {
				if e.Err != nil || e.Dialect != dialect || e.State.ID != retrytopics.FormatID("", origin, e.Partition, e.State.Offset) || string(e.Record.Key) != fmt.Sprint("key-", e.State.Offset) {
					t.Errorf("entry %s is read as %+v, %q, %v", e.ID(), e.State, e.Dialect, e.Err)
				}
			}
			stats, err := q.Stats(b.ctx(), dlq.Filter{})
			if err != nil {
				t.Fatal(err)
			}
			equal(t, "problems", len(stats.Problems), 2)
			equal(t, "damaged", stats.Damaged, int64(0))

			filter := dlq.Filter{Fingerprints: []dlq.Fingerprint{stats.Problems[1].Fingerprint}}
			to, where := dlq.OwnTier, tier1
			if dialect == retrytopics.Connect {
				// Its group is the connector's, which has no retry topics: it is left out, and told what to do.
				left := b.replay(q, dlq.Replay{Filter: filter})
				if left.Done != 0 || len(left.LeftOut) != 1 || !strings.HasSuffix(left.LeftOut[0].Why, ": --to source and topic:NAME need none") {
					t.Errorf("to the connector's own tier: %+v", left)
				}
				to, where = dlq.Source, origin
			}
			equal(t, "replayed", b.replay(q, dlq.Replay{Filter: filter, To: to}).Done, int64(4))
			equal(t, "replayed again", b.replay(q, dlq.Replay{Filter: filter, To: to}).Done, int64(0))
			records := b.records(where)
			equal(t, "records", len(records), 4)
			for _, r := range records {
				user := retrytopics.UserHeaders(r.Headers)
				if len(user) != 2 || user[0].Key != "trace" || user[1].Value != nil {
					t.Errorf("headers of a copy: %q", user)
				}
				if id := header(r, retrytopics.HeaderID); string(r.Key) != "key-"+id[len(origin)+3:] {
					t.Errorf("%s has key %s", id, r.Key)
				}
				if where == tier1 && header(r, retrytopics.HeaderGroup) != group {
					t.Errorf("a copy is of group %q", header(r, retrytopics.HeaderGroup))
				}
			}
			// One that dies again is known for what it was: its program carries our headers along.
			again := foreignLetter(dialect, 0, 99, "order 1000 is closed")
			again.Headers = append(again.Headers, kgo.RecordHeader{Key: retrytopics.HeaderID, Value: []byte("orders/0/0")}, kgo.RecordHeader{Key: retrytopics.HeaderReplays, Value: []byte("3")})
			b.produce(again)
			limited := b.replay(q, dlq.Replay{Filter: dlq.Filter{IDs: []string{"orders/0/0"}}, To: to})
			equal(t, "left out by the cap", limited.Limited, int64(1))
		})
	}
}

// TestForeignGroups: a dead letter of another group goes to no tier of ours.
func TestForeignGroups(t *testing.T) {
	t.Parallel()
	b := setup(t)
	if _, err := b.admin.CreateTopic(b.ctx(), 3, 1, nil, springDLT); err != nil {
		t.Fatal(err)
	}
	r := foreignLetter(retrytopics.Spring, 0, 1, "closed")
	for i, h := range r.Headers {
		if h.Key == "kafka_dlt-original-consumer-group" {
			r.Headers[i].Value = []byte("theirs")
		}
	}
	b.produce(r)
	q := b.openForeign()
	own := b.replay(q, dlq.Replay{})
	if own.Done != 0 || len(own.LeftOut) != 1 || own.OtherGroup != 0 {
		t.Errorf("to its own tier: %+v", own)
	}
	equal(t, "in our tier", len(b.records(tier1)), 0)
	equal(t, "to the source", b.replay(q, dlq.Replay{To: dlq.Source}).Done, int64(1))
}

// TestWrittenDialectsAreTakenOffByAReplay: the headers that Redeliver itself wrote for other programs do not come back to work with
// the record, and stand anew on what goes to the group's own tier.
func TestWrittenDialectsAreTakenOffByAReplay(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for i := range int64(2) {
		s := death(0, i)
		b.produce(dlq.Letter(&kgo.Record{Key: []byte("k"), Headers: []kgo.RecordHeader{{Key: "trace", Value: []byte("t")}}}, s, dead, 0, retrytopics.Spring))
	}
	q := b.open(dlq.HeaderDialects(retrytopics.Spring))
	b.replay(q, dlq.Replay{Filter: dlq.Filter{IDs: []string{"orders/0/0"}}, To: dlq.Source})
	b.replay(q, dlq.Replay{Filter: dlq.Filter{IDs: []string{"orders/0/1"}}})
	equal(t, "on the source", len(retrytopics.UserHeaders(b.records(origin)[0].Headers)), 1)
	r := b.records(tier1)[0]
	if got := header(r, "retry_topic-attempts"); got != string(int32BE(1)) {
		t.Errorf("attempts in the tier: %q", got)
	}
	if header(r, "kafka_dlt-original-topic") != "" {
		t.Error("a copy carries what only dead letters do")
	}
}
