package dlq_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/redeliver/redeliver/dlq"
	"github.com/redeliver/redeliver/retrytopics"
)

// shareDLQ is where the brokers write the dead letters of a share group.
const shareDLQ = "dlq.bare"

// shareLetter is a dead letter of a share group, as Apache Kafka 4.4.0 writes it: without the headers of its record, and without more where key and value are
// null, as where the group has no copies made.
func shareLetter(topic string, partition int32, offset int64, key, value []byte) *kgo.Record {
	text := func(s string) []byte { return []byte(s) }
	return &kgo.Record{Topic: shareDLQ, Key: key, Value: value, Headers: []kgo.RecordHeader{
		{Key: "__dlq.errors.topic", Value: text(topic)}, {Key: "__dlq.errors.partition", Value: strconv.AppendInt(nil, int64(partition), 10)}, {Key: "__dlq.errors.offset", Value: strconv.AppendInt(nil, offset, 10)},
		{Key: "__dlq.errors.group", Value: text(group)}, {Key: "__dlq.errors.delivery.count", Value: text("1")}, {Key: "__dlq.errors.message", Value: text("Offset rejected by client.")},
	}}
}

// shared is a cluster with a topic for the dead letters of a share group.
func shared(t *testing.T, options ...kfake.Opt) *bundle {
	t.Helper()
	b := setup(t, options...)
	must(t, b.cluster.CreateTopic(shareDLQ, 1, nil))
	return b
}

func (b *bundle) openShared(options ...dlq.Option) *dlq.Queue {
	b.t.Helper()
	q, err := dlq.Open(b.connect(), shareDLQ, append([]dlq.Option{dlq.ForGroup(group), dlq.AnyGroup(), dlq.FirstTier(func(string) string { return tier1 })}, options...)...)
	must(b.t, err)
	return q
}

// odd are records of which something is easily lost on the way.
func odd() []*kgo.Record {
	headers := []kgo.RecordHeader{{Key: "trace", Value: []byte("a")}, {Key: "none"}, {Key: "trace", Value: []byte{0xff, 0}}, {Key: "", Value: []byte{}}}
	written := time.UnixMilli(1_700_000_000_123)
	return []*kgo.Record{
		{Topic: origin, Key: []byte("k"), Value: []byte(`{"n":1}`), Headers: headers, Timestamp: written},
		{Topic: origin, Value: []byte{0xff, 0, 1}, Timestamp: written},
		{Topic: origin, Key: []byte("tombstone"), Headers: headers, Timestamp: written},
		{Topic: origin, Headers: headers, Timestamp: written}, // it truly has neither key nor value
		{Topic: origin, Key: []byte{}, Value: []byte{}, Timestamp: written},
	}
}

// sameAs says that the copy of a record has its key, its value and its headers, byte for byte.
func sameAs(t *testing.T, copied, of *kgo.Record) {
	t.Helper()
	id := header(copied, retrytopics.HeaderID)
	sameBytes(t, "key of "+id, copied.Key, of.Key)
	sameBytes(t, "value of "+id, copied.Value, of.Value)
	user := retrytopics.UserHeaders(copied.Headers)
	equal(t, "headers of "+id, len(user), len(of.Headers))
	for i := range min(len(user), len(of.Headers)) {
		equal(t, "name of a header of "+id, user[i].Key, of.Headers[i].Key)
		sameBytes(t, "a header of "+id, user[i].Value, of.Headers[i].Value)
	}
}

// A dead letter of a share group that has neither key nor value is replayed as the record that is at its origin, byte for byte, wherever to, and each once.
func TestOriginalsAreReplayed(t *testing.T) {
	t.Parallel()
	for to, topic := range map[dlq.Destination]string{
		dlq.OwnTier: tier1, dlq.Source: origin, dlq.ToTopic("shop.audit"): "shop.audit", dlq.Source.On("west"): origin,
	} {
		t.Run(string(to), func(t *testing.T) {
			t.Parallel()
			b := shared(t)
			there, toWest := west(t)
			if to.Cluster() == "" {
				there = b
			}
			must(t, b.cluster.CreateTopic("shop.audit", 3, nil))
			b.produce(odd()...)
			for i := range odd() {
				b.produce(shareLetter(origin, 0, int64(i), nil, nil))
			}
			q := b.openShared(toWest)
			would := b.replay(q, dlq.Replay{To: to, DryRun: true})
			equal(t, "would have replayed", would.Done, int64(len(odd())))
			done := b.replay(q, dlq.Replay{To: to})
			equal(t, "replayed", done.Done, int64(len(odd())))
			equal(t, "replayed again", b.replay(q, dlq.Replay{To: to}).Done, int64(0))
			copies := 0
			for _, r := range there.records(topic) {
				id := header(r, retrytopics.HeaderID)
				if id == "" {
					continue // the origin
				}
				_, _, _, offset, err := retrytopics.ParseID(id)
				must(t, err)
				sameAs(t, r, odd()[offset])
				copies++
				if to == dlq.OwnTier {
					s, err := retrytopics.Decode(r)
					must(t, err)
					equal(t, "written first", s.Timestamp.UnixMilli(), int64(1_700_000_000_123))
				}
			}
			equal(t, "copies", copies, len(odd()))
		})
	}
}

// Nothing is written for a dead letter that has neither key nor value while its record cannot be had, on a dry run as on a real one, and each is told with
// why; it can be replayed when that has changed.
func TestOriginalsThatAreGone(t *testing.T) {
	t.Parallel()
	b := shared(t)
	must(t, b.cluster.CreateTopic("brief", 1, nil))
	for i := range 6 {
		b.produce(&kgo.Record{Topic: "brief", Key: []byte("k"), Value: []byte(fmt.Sprint("v", i))})
	}
	must(t, b.cluster.DeleteRecords("brief", 0, 2))
	aborted, err := kgo.NewClient(append(b.connect().Opts(), kgo.TransactionalID("aborted"))...)
	must(t, err)
	t.Cleanup(aborted.Close)
	ends := func(how kgo.TransactionEndTry) {
		must(t, aborted.BeginTransaction())
		must(t, aborted.ProduceSync(b.ctx(), &kgo.Record{Topic: "brief", Value: []byte("uncertain")}).FirstErr())
		must(t, aborted.EndTransaction(b.ctx(), how))
	}
	ends(kgo.TryAbort) // offset 6, and the marker
	b.produce(&kgo.Record{Topic: "brief", Value: []byte("later"), Timestamp: time.Now().Add(time.Hour)})
	must(t, aborted.BeginTransaction())
	must(t, aborted.ProduceSync(b.ctx(), &kgo.Record{Topic: "brief", Value: []byte("open")}).FirstErr()) // offset 9

	b.produce(
		shareLetter("brief", 0, 1, nil, nil), shareLetter("brief", 0, 6, nil, nil), shareLetter("brief", 0, 99, nil, nil), shareLetter("brief", 7, 0, nil, nil),
		shareLetter("brief", 0, 8, nil, nil), shareLetter("brief", 0, 9, nil, nil), shareLetter("no-such-topic", 0, 1, nil, nil), shareLetter(ledger, 0, 1, nil, nil),
		shareLetter("__consumer_offsets", 0, 1, nil, nil), shareLetter(shareDLQ, 0, 1, nil, nil), shareLetter("brief", 0, 4, nil, nil),
	)
	must(t, b.cluster.CreateTopic("out", 1, nil))
	q := b.openShared()
	var told [2][]string
	for i, dry := range []bool{true, false} {
		s := b.replay(q, dlq.Replay{To: dlq.ToTopic("out"), DryRun: dry})
		equal(t, "replayed", s.Done, int64(1))
		for _, l := range s.LeftOut {
			why, is := strings.CutPrefix(l.Why, "the dead letter has neither key nor value (errors.deadletterqueue.copy.record.enable of its share group), and ")
			if !is {
				t.Errorf("left out since %s", l.Why)
			}
			told[i] = append(told[i], fmt.Sprintf("%d: %s", l.Count, why))
		}
	}
	equal(t, "left out", strings.Join(told[1], "\n"), strings.Join([]string{
		"2: topic brief has its record no more: retention or compaction took it, its transaction was aborted, or the topic was deleted and made again",
		"2: topic brief has no such record, or not yet: the topic was deleted and made again, or the headers are wrong",
		"1: what topic brief has in the place of its record was written, by its producer's clock, after that had died: that clock is ahead, or the topic was deleted and made again; one that is named by its own id is replayed all the same",
		"1: a transaction is open before its record in topic brief: replay it when that has ended",
		"1: topic no-such-topic, where its record was, does not exist",
		"1: its headers name " + ledger + " as the topic of its record, which is no source of any: discard it",
		"1: its headers name __consumer_offsets as the topic of its record, which is no source of any: discard it",
		"1: its headers do not say where its record is: discard it",
	}, "\n"))
	equal(t, "a dry run tells", strings.Join(told[0], "\n"), strings.Join(told[1], "\n"))

	must(t, aborted.EndTransaction(b.ctx(), kgo.TryCommit))
	s := b.replay(q, dlq.Replay{To: dlq.ToTopic("out")})
	equal(t, "replayed when the transaction has ended", s.Done, int64(1))
	var values []string
	for _, r := range b.records("out") {
		values = append(values, string(r.Value))
	}
	equal(t, "written", values, []string{"v4", "open"})
}

// A topic that is deleted while a replay reads it takes what is not read yet out of the replay, and does not end it.
func TestOriginalsThatAreDeletedMeanwhile(t *testing.T) {
	t.Parallel()
	b := shared(t)
	for p := range int32(3) {
		b.produce(&kgo.Record{Topic: origin, Partition: p, Value: []byte("v")})
		b.produce(shareLetter(origin, p, 0, nil, nil))
	}
	must(t, b.cluster.CreateTopic("out", 1, nil))
	s := b.replay(b.openShared(), dlq.Replay{To: dlq.ToTopic("out"), Entry: func(dlq.Entry, string) {
		_, err := b.admin.DeleteTopics(b.ctx(), origin)
		must(t, err)
	}})
	equal(t, "replayed", s.Done, int64(1))
	if len(s.LeftOut) != 1 || s.LeftOut[0].Count != 2 || !strings.HasSuffix(s.LeftOut[0].Why, "topic orders, where its record was, does not exist") {
		t.Errorf("left out: %+v", s.LeftOut)
	}
}

// Who may not read a topic replays nothing of it, and is told what to grant.
func TestOriginalsThatMayNotBeRead(t *testing.T) {
	t.Parallel()
	topic := func(name string, operation kmsg.ACLOperation) kfake.ACL {
		return kfake.ACL{Resource: kmsg.ACLResourceTypeTopic, Name: name, Pattern: kmsg.ACLResourcePatternTypeLiteral, Operation: operation, Allow: true}
	}
	b := guarded(t,
		topic(shareDLQ, kmsg.ACLOperationAll), topic(dlq.LedgerTopic(shareDLQ), kmsg.ACLOperationAll), topic(origin, kmsg.ACLOperationWrite),
		kfake.ACL{Resource: kmsg.ACLResourceTypeTransactionalId, Name: "*", Pattern: kmsg.ACLResourcePatternTypeLiteral, Operation: kmsg.ACLOperationAll, Allow: true},
	)
	must(t, b.cluster.CreateTopic(shareDLQ, 1, nil))
	must(t, b.cluster.CreateTopic(dlq.LedgerTopic(shareDLQ), 1, map[string]string{"cleanup.policy": "compact"}))
	must(t, b.cluster.CreateTopic("payroll", 1, nil))
	b.produce(&kgo.Record{Topic: "payroll", Value: []byte("salary")}, &kgo.Record{Topic: origin, Value: []byte("v")}, &kgo.Record{Topic: origin, Value: []byte("v"), Headers: odd()[0].Headers})
	b.produce(shareLetter("payroll", 0, 0, nil, nil), shareLetter(origin, 0, 0, nil, nil), shareLetter(origin, 0, 1, nil, []byte("v")))
	q, err := dlq.Open(b.as("clerk"), shareDLQ, dlq.ForGroup(group), dlq.AnyGroup(), dlq.FirstTier(func(string) string { return tier1 }))
	must(t, err)
	s := b.replay(q, dlq.Replay{To: dlq.Source})
	equal(t, "replayed", s.Done, int64(0))
	equal(t, "left out", len(s.LeftOut), 3) // also the one that lacks headers only: they can be had
	for i, name := range []string{"payroll", origin, origin} {
		if want := "and topic " + name + ", where its record is, may not be read by this user: grant Describe and Read on it"; !strings.Contains(s.LeftOut[i].Why, want) {
			t.Errorf("%s does not say %s", s.LeftOut[i].Why, want)
		}
	}
}

// A dead letter with a copy of key and value lacks the headers of its record: they are taken from the origin, where that is the record. Else what the dead letter
// has is replayed, as it is where it has headers itself.
func TestHeadersOfOriginals(t *testing.T) {
	t.Parallel()
	b := shared(t)
	records := odd()
	records[4] = &kgo.Record{Topic: origin, Key: []byte("k"), Value: []byte("late"), Headers: records[0].Headers, Timestamp: time.Now().Add(time.Hour)}
	b.produce(records...)
	whole := shareLetter(origin, 0, 2, records[2].Key, nil)
	whole.Headers = append([]kgo.RecordHeader{{Key: "kept", Value: []byte("by the letter")}}, whole.Headers...)
	b.produce(
		shareLetter(origin, 0, 0, records[0].Key, records[0].Value), // whose origin is there
		shareLetter(origin, 0, 1, []byte("k"), []byte("another")),   // is another record
		whole,
		shareLetter(origin, 0, 4, records[4].Key, records[4].Value), // is of a topic that was made again
		shareLetter(origin, 1, 9, []byte("k"), []byte("gone")),      // is gone
	)
	must(t, b.cluster.CreateTopic("out", 1, nil))
	q := b.openShared()
	would := b.replay(q, dlq.Replay{To: dlq.ToTopic("out"), DryRun: true})
	equal(t, "would be without their headers", would.Headerless, int64(3))
	s := b.replay(q, dlq.Replay{To: dlq.ToTopic("out")})
	equal(t, "replayed", s.Done, int64(5))
	equal(t, "without their headers", s.Headerless, int64(3))
	copies := b.records("out")
	sameAs(t, copies[0], records[0])
	sameAs(t, copies[1], &kgo.Record{Key: []byte("k"), Value: []byte("another")})
	sameAs(t, copies[2], &kgo.Record{Key: records[2].Key, Headers: whole.Headers[:1]})
	sameAs(t, copies[3], &kgo.Record{Key: []byte("k"), Value: []byte("late")})
	sameAs(t, copies[4], &kgo.Record{Key: []byte("k"), Value: []byte("gone")})
}

// Headers that can be had when a transaction has ended are not given up: the entry stays open until then, though the dead letter has key and value.
func TestHeadersOfOriginalsBehindATransaction(t *testing.T) {
	t.Parallel()
	b := shared(t)
	open, err := kgo.NewClient(append(b.connect().Opts(), kgo.TransactionalID("open"))...)
	must(t, err)
	t.Cleanup(open.Close)
	must(t, open.BeginTransaction())
	must(t, open.ProduceSync(b.ctx(), &kgo.Record{Topic: origin, Value: []byte("first")}).FirstErr())
	b.produce(odd()[0])
	b.produce(shareLetter(origin, 0, 1, odd()[0].Key, odd()[0].Value))
	must(t, b.cluster.CreateTopic("out", 1, nil))
	q := b.openShared()
	for _, dry := range []bool{true, false} {
		s := b.replay(q, dlq.Replay{To: dlq.ToTopic("out"), DryRun: dry})
		equal(t, "replayed behind the transaction", s.Done, int64(0))
		want := "the dead letter has no headers of its record, and a transaction is open before its record in topic orders: replay it when that has ended"
		if len(s.LeftOut) != 1 || s.LeftOut[0].Why != want {
			t.Errorf("left out: %+v", s.LeftOut)
		}
	}
	must(t, open.EndTransaction(b.ctx(), kgo.TryAbort))
	s := b.replay(q, dlq.Replay{To: dlq.ToTopic("out")})
	equal(t, "replayed", s.Done, int64(1))
	equal(t, "without its headers", s.Headerless, int64(0))
	sameAs(t, b.records("out")[0], odd()[0])
}

// A producer's clock may be wrong: who names the entry by its own id has the record that was written after the death by it, by [dlq.Queue.Original] too.
func TestOriginalsOfTheFuture(t *testing.T) {
	t.Parallel()
	b := shared(t)
	record := &kgo.Record{Topic: origin, Key: []byte("k"), Value: []byte("v"), Headers: odd()[0].Headers, Timestamp: time.Now().Add(10 * time.Minute)}
	b.produce(record, record)
	b.produce(shareLetter(origin, 0, 0, nil, nil), shareLetter(origin, 0, 1, []byte("k"), []byte("v")))
	must(t, b.cluster.CreateTopic("out", 1, nil))
	q := b.openShared()
	r := dlq.Replay{To: dlq.ToTopic("out"), DryRun: true}
	s := b.replay(q, r)
	equal(t, "would be replayed", s.Done, int64(1))
	equal(t, "without its headers", s.Headerless, int64(1))
	if len(s.LeftOut) != 1 || !strings.Contains(s.LeftOut[0].Why, "was written, by its producer's clock, after that had died") {
		t.Errorf("left out: %+v", s.LeftOut)
	}
	for _, e := range b.entries(q, dlq.Filter{}) {
		original, err := q.Original(b.ctx(), e)
		must(t, err)
		sameAs(t, original, record)
		r.Filter.IDs = append(r.Filter.IDs, e.State.ID)
	}
	equal(t, "would be replayed by the ids of origins", b.replay(q, r).Headerless, int64(1))
	r.Filter.IDs = nil
	for _, e := range b.entries(q, dlq.Filter{}) {
		r.Filter.IDs = append(r.Filter.IDs, e.ID())
	}
	equal(t, "would be replayed by their own ids", b.replay(q, r).Done, int64(2))
	r.DryRun = false
	s = b.replay(q, r)
	equal(t, "replayed by their own ids", s.Done, int64(2))
	equal(t, "without their headers", s.Headerless, int64(0))
	for _, copied := range b.records("out") {
		sameAs(t, copied, record)
	}
}

// A source may carry dead letters of another share group: what these have in headers is what the record had, and goes along wherever the record is read there.
func TestOriginalsThatAreDeadLettersThemselves(t *testing.T) {
	t.Parallel()
	for _, to := range []dlq.Destination{dlq.OwnTier, dlq.ToTopic("out")} {
		b := shared(t)
		var records []*kgo.Record
		for i := range int64(2) {
			records = append(records, shareLetter("upstream", 3, i, []byte("k"), []byte("v")))
			records[i].Topic = origin
		}
		b.produce(records...)
		b.produce(shareLetter(origin, 0, 0, nil, nil), shareLetter(origin, 0, 1, []byte("k"), []byte("v")))
		must(t, b.cluster.CreateTopic("out", 1, nil))
		equal(t, "replayed", b.replay(b.openShared(), dlq.Replay{To: to}).Done, int64(2))
		topic := "out"
		if to == dlq.OwnTier {
			topic = tier1
		}
		copies := b.records(topic)
		equal(t, "copies", len(copies), 2)
		for i := range copies {
			sameAs(t, copies[i], records[i])
		}
	}
}

// What a replay edits is the record at the origin, and who is told of an entry is told of that.
func TestOriginalsAreEdited(t *testing.T) {
	t.Parallel()
	b := shared(t)
	b.produce(odd()...)
	b.produce(shareLetter(origin, 0, 0, nil, nil))
	must(t, b.cluster.CreateTopic("out", 1, nil))
	q := b.openShared(dlq.JQ(func(string) (func([]byte) ([]byte, error), error) {
		return func(document []byte) ([]byte, error) {
			return bytes.ReplaceAll(document, []byte("1"), []byte("2")), nil
		}, nil
	}))
	r := dlq.Replay{To: dlq.ToTopic("out"), JQ: ".", SetHeaders: []kgo.RecordHeader{{Key: "none", Value: []byte("some")}}, UnsetHeaders: []string{"trace"}, Entry: func(e dlq.Entry, _ string) {
		edited, err := b.openShared().Edited(dlq.Replay{SetKey: []byte("set")}, e)
		must(t, err)
		equal(t, "value that is told", string(edited.Value), `{"n":1}`)
	}}
	equal(t, "replayed", b.replay(q, r).Done, int64(1))
	sameAs(t, b.records("out")[0], &kgo.Record{Key: []byte("k"), Value: []byte(`{"n":2}`), Headers: []kgo.RecordHeader{{Key: "none", Value: []byte("some")}, {Key: "", Value: []byte{}}}})
}

// Many dead letters of records that follow one another take few fetches, which become larger; where few of many records have died, fetches become smaller.
func TestOriginalsAreReadTogether(t *testing.T) {
	t.Parallel()
	const records, partitions = 1000, 3 // each partition
	b := shared(t)
	origins := make(map[string][]byte)
	random := rand.NewChaCha8([32]byte{})
	for range records / 50 {
		var batch []*kgo.Record
		for i := range 50 * partitions {
			value := make([]byte, 1000) // which do not compress
			_, _ = random.Read(value)
			batch = append(batch, &kgo.Record{Topic: origin, Partition: int32(i % partitions), Value: value})
		}
		b.produce(batch...)
		for _, r := range batch {
			origins[retrytopics.FormatID("", origin, r.Partition, r.Offset)] = r.Value
		}
	}
	must(t, b.cluster.CreateTopic("out", partitions, nil))
	topics, err := b.admin.ListTopics(b.ctx(), origin)
	must(t, err)
	var mu sync.Mutex
	var asked []int32
	b.cluster.ControlKey(int16(kmsg.Fetch), func(req kmsg.Request) (kmsg.Response, error, bool) {
		b.cluster.KeepControl()
		mu.Lock()
		defer mu.Unlock()
		for _, topic := range req.(*kmsg.FetchRequest).Topics {
			if topic.Topic == origin || topic.TopicID == [16]byte(topics[origin].ID) {
				asked = append(asked, topic.Partitions[0].PartitionMaxBytes)
			}
		}
		return nil, nil, false
	})
	for _, c := range []struct {
		every, group string
		step         int64
		fetches      int
		last         int32
	}{{"all", "a", 1, 40, 256 << 10}, {"few", "b", 150, records / 150 * 4, 16 << 10}} {
		mu.Lock()
		asked = nil
		mu.Unlock()
		var letters []*kgo.Record
		for offset := int64(0); offset < records; offset += c.step {
			for p := range int32(partitions) {
				r := shareLetter(origin, p, offset, nil, nil)
				r.Headers[3].Value = []byte(c.group)
				letters = append(letters, r)
			}
		}
		b.produce(letters...)
		s := b.replay(b.openShared(), dlq.Replay{To: dlq.ToTopic("out")})
		equal(t, "replayed of "+c.every, s.Done, int64(len(letters)))
		mu.Lock()
		if len(asked) == 0 || len(asked) > c.fetches || asked[len(asked)-1] != c.last {
			t.Errorf("of %s: %d fetches, of %v bytes", c.every, len(asked), asked)
		}
		mu.Unlock()
	}
	for _, r := range b.records("out") {
		id := header(r, retrytopics.HeaderID)
		sameBytes(t, "value of "+id, r.Value, origins[id])
	}
}

// A transaction is bounded by what is written in it: dead letters without anything of their records are small, and these may be large.
func TestTransactionsOfLargeOriginals(t *testing.T) {
	t.Parallel()
	const records, size = 50, 900 << 10
	b := shared(t)
	for i := range int64(records) {
		b.produce(&kgo.Record{Topic: origin, Value: bytes.Repeat([]byte{byte(i)}, size)})
		b.produce(shareLetter(origin, 0, i, nil, nil))
	}
	must(t, b.cluster.CreateTopic("out", 1, nil))
	equal(t, "replayed", b.replay(b.openShared(), dlq.Replay{To: dlq.ToTopic("out")}).Done, int64(records))
	run, last := int64(0), int64(-1) // the end of a transaction has an offset of its own
	for _, r := range b.records("out") {
		if r.Offset != last+1 {
			run = 0
		}
		run, last = run+1, r.Offset
		if run*size > 16<<20+size {
			t.Fatalf("a transaction of %d records of %d bytes", run, size)
		}
	}
}

// An entry that has its original has it also when it is asked for once more, as of one that a replay or [Queue.Original] was told of.
func TestOriginalOfAnEntryThatHasIt(t *testing.T) {
	t.Parallel()
	b := shared(t)
	b.produce(odd()...)
	b.produce(shareLetter(origin, 0, 0, nil, nil), shareLetter(origin, 0, 2, odd()[2].Key, nil))
	q := b.openShared()
	for _, e := range b.entries(q, dlq.Filter{}) {
		for range 2 {
			original, err := q.Original(b.ctx(), e)
			must(t, err)
			if original == nil {
				t.Fatalf("none of %s", e.State.ID)
			}
			sameAs(t, original, odd()[e.State.Offset])
			e.Original = original
		}
	}
}

// Who looks at an entry gets its original by asking for it, and why it cannot be had.
func TestOriginalOfAnEntry(t *testing.T) {
	t.Parallel()
	b := shared(t)
	b.produce(odd()...)
	b.produce(shareLetter(origin, 0, 0, nil, nil), shareLetter(origin, 0, 98, nil, nil), shareLetter(origin, 0, 99, nil, []byte("v")))
	q := b.openShared()
	entries := b.entries(q, dlq.Filter{})
	original, err := q.Original(b.ctx(), entries[0])
	must(t, err)
	equal(t, "value", string(original.Value), `{"n":1}`)
	equal(t, "offset", original.Offset, int64(0))
	var gone *dlq.NoOriginalError
	if _, err := q.Original(b.ctx(), entries[1]); !errors.As(err, &gone) || !strings.Contains(gone.Why, "has no such record, or not yet") {
		t.Errorf("of one that is gone: %v", err)
	}
	equal(t, "is replayed", gone.Replayed, false)
	if _, err := q.Original(b.ctx(), entries[2]); !errors.As(err, &gone) || !gone.Replayed || !strings.Contains(gone.Why, "no headers of its record") {
		t.Errorf("of one that has a value: %v", err)
	}
}
