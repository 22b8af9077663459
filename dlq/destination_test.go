package dlq_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/dlq"
	"github.com/redeliver/redeliver/retrytopics"
)

// Promises intact, stable-id: what stands in the retry topic is the record as it was, due at once, with its counts
// afresh and its history kept, in the partition of its origin.
func TestReplayToTheOwnTier(t *testing.T) {
	t.Parallel()
	b := setup(t)
	state := death(2, 7)
	state.Counts = retrytopics.Counts{{Name: "rate_limited", N: 3}}
	state.FirstFailed, state.Held, state.Replays = time.UnixMilli(1_700_000_000_000), time.Minute, 1
	dying := letter(state)
	dying.Key, dying.Value = nil, nil
	dying.Headers = append([]kgo.RecordHeader{{Key: "x", Value: nil}, {Key: "x", Value: []byte{0xff}}}, dying.Headers...)
	b.produce(dying)
	before := time.Now()
	b.replay(b.open(), dlq.Replay{})

	r := b.records(tier1)[0]
	got, err := retrytopics.Decode(r)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "partition", r.Partition, 2)
	sameBytes(t, "key", r.Key, nil)
	sameBytes(t, "value", r.Value, nil)
	user := retrytopics.UserHeaders(r.Headers)
	equal(t, "user headers", len(user), 3)
	sameBytes(t, "first header", user[0].Value, nil)
	sameBytes(t, "second header", user[1].Value, []byte{0xff})
	equal(t, "id", got.ID, state.ID)
	equal(t, "origin timestamp", got.Timestamp.UnixMilli(), state.Timestamp.UnixMilli())
	equal(t, "group", got.Group, group)
	equal(t, "attempt", got.Attempt, 0)
	equal(t, "counts", len(got.Counts), 0)
	equal(t, "held", got.Held, time.Duration(0))
	equal(t, "first failed", got.FirstFailed.IsZero(), true)
	equal(t, "history", got.History, state.History)
	equal(t, "replays", got.Replays, 2)
	equal(t, "reason", got.Reason, retrytopics.Reason(""))
	if got.Due.After(time.Now()) || got.Due.Before(before.Add(-time.Second)) {
		t.Errorf("due %v: want at once", got.Due)
	}
	if r.Timestamp.Before(before.Truncate(time.Millisecond)) {
		t.Errorf("timestamp %v: want that of the copy", r.Timestamp)
	}
}

func TestDestinations(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		to    dlq.Destination
		topic string
	}{
		{dlq.Source, origin},
		{dlq.ToTopic("elsewhere"), "elsewhere"},
	} {
		t.Run(string(c.to), func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			if err := b.cluster.CreateTopic("elsewhere", 2, nil); err != nil {
				t.Fatal(err)
			}
			s := death(2, 7)
			record := letter(s)
			record.Headers = append([]kgo.RecordHeader{{Key: retrytopics.HeaderJobTenant, Value: []byte("acme")}}, record.Headers...)
			b.produce(record)
			b.replay(b.open(), dlq.Replay{To: c.to})
			records := b.records(c.topic)
			equal(t, "records", len(records), 1)
			r := records[0]
			if c.to == dlq.Source {
				equal(t, "partition", r.Partition, 2)
			}
			equal(t, "value", string(r.Value), "payload of "+s.ID)
			var names []string
			for _, h := range r.Headers {
				names = append(names, h.Key)
			}
			equal(t, "headers", names, []string{retrytopics.HeaderJobTenant, "trace", retrytopics.HeaderID, retrytopics.HeaderReplays, retrytopics.HeaderReplay})
			fresh := retrytopics.Fresh(r, "")
			equal(t, "id that a consumer gets", fresh.ID, s.ID)
			equal(t, "replays that a consumer gets", fresh.Replays, 1)
			equal(t, "in the own tier", len(b.records(tier1)), 0)
			equal(t, "left open", len(b.entries(b.open(), dlq.Filter{})), 0)
			marked := b.entries(b.open(), dlq.Filter{All: true})[0].Mark
			equal(t, "where to, in the ledger", marked.To, c.topic)
		})
	}
}

func TestParseDestination(t *testing.T) {
	t.Parallel()
	for text, ok := range map[string]bool{
		"retry": true, "source": true, "topic:orders": true, "topic:": false, "topic:a b": false, "orders": false, "topic": false,
	} {
		if _, err := dlq.ParseDestination(text); (err == nil) != ok {
			t.Errorf("ParseDestination(%q) = %v, want ok: %v", text, err, ok)
		}
	}
}

func TestFirstTierSaysWhereTo(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.letters(3)
	q := b.open(dlq.FirstTier(func(topic string) string { return "shop." + topic + ".retry-10s" }))
	b.replay(q, dlq.Replay{})
	equal(t, "in the tier", b.ids("shop.orders.retry-10s"), originIDs(3))
}

func TestSetHeaders(t *testing.T) {
	t.Parallel()
	b := setup(t)
	record := letter(death(0, 1))
	record.Headers = append([]kgo.RecordHeader{{Key: "fix", Value: []byte("old")}, {Key: "a"}, {Key: "fix", Value: []byte("older")}}, record.Headers...)
	b.produce(record)
	b.replay(b.open(), dlq.Replay{SetHeaders: []kgo.RecordHeader{{Key: "fix", Value: []byte("new")}, {Key: "why", Value: []byte("ticket 7")}}})
	var got []string
	for _, h := range retrytopics.UserHeaders(b.records(tier1)[0].Headers) {
		got = append(got, h.Key+"="+string(h.Value))
	}
	equal(t, "headers", got, []string{"fix=new", "a=", "trace=orders/0/1", "why=ticket 7"})

	_, err := b.open().Replay(b.ctx(), dlq.Replay{SetHeaders: []kgo.RecordHeader{{Key: retrytopics.HeaderAttempt}}})
	if err == nil || !strings.Contains(err.Error(), "Redeliver's own") {
		t.Errorf("setting one of our headers: %v, want it refused", err)
	}
}

// What brokers would refuse is known beforehand, on a dry run too: records for a topic of Kafka's own, and those without a key for one that is compacted.
func TestDestinationsThatTakeNoSuchRecord(t *testing.T) {
	t.Parallel()
	b := setup(t)
	must(t, b.cluster.CreateTopic("__consumer_offsets", 1, map[string]string{"kfake.is_internal": "true"}))
	must(t, b.cluster.CreateTopic("__transaction_state", 1, nil)) // of which it is known without
	must(t, b.cluster.CreateTopic("state", 1, map[string]string{"cleanup.policy": "compact,delete"}))
	for i, from := range []string{"__consumer_offsets", origin, origin, origin} {
		state := death(0, int64(i))
		state.Topic = from
		record := letter(state)
		switch i {
		case 1:
			record.Key = nil
		case 2:
			record.Key = []byte{} // which is one
		}
		b.produce(record)
	}
	for _, c := range []struct {
		replay dlq.Replay
		done   int64
		why    string
	}{
		{dlq.Replay{To: dlq.Source}, 3, "topic __consumer_offsets is one of Kafka's own, which takes no records of others: replay it with --to topic:NAME"},
		{dlq.Replay{To: dlq.ToTopic("__transaction_state"), Filter: dlq.Filter{Limit: 1, IDs: []string{"0-0"}}}, 0, "topic __transaction_state is one of Kafka's own, which takes no records of others: replay it with --to topic:NAME"},
		{dlq.Replay{To: dlq.ToTopic("state")}, 3, "topic state is compacted (cleanup.policy) and takes no record without a key: give it one with --set-key, or replay it to another topic"},
		{dlq.Replay{To: dlq.ToTopic("state"), SetKey: []byte("any")}, 4, ""},
	} {
		c.replay.DryRun = true
		s := b.replay(b.open(), c.replay)
		equal(t, "would be replayed", s.Done, c.done)
		why := ""
		for _, l := range s.LeftOut {
			why += fmt.Sprint(l.Why, l.Count)
		}
		if c.why != "" {
			c.why += "1"
		}
		equal(t, "left out", why, c.why)
	}
}

// What pipelines work with is no place to replay to: a record in the ledger of another queue would be lost there. Names tell, by default and of RetryNames.
func TestDestinationThatPipelinesWorkWith(t *testing.T) {
	t.Parallel()
	b := setup(t)
	_, toWest := west(t)
	q := b.open(toWest, dlq.RetryNames(retrytopics.Names{Group: "bills", DLQ: "dead-{topic}"}))
	for _, topic := range []string{tier1, "other.orders.dlq", "other.orders.dlq.ledger", "orders-dlt.ledger", "dead-orders", "redeliver.control"} {
		if err := q.Check(dlq.Replay{To: dlq.ToTopic(topic)}); err == nil || !strings.Contains(err.Error(), topic+" is no source but a retry topic") {
			t.Errorf("%s: %v, want that it is no source", topic, err)
		}
		must(t, q.Check(dlq.Replay{To: dlq.ToTopic(topic).On("west")})) // where it may be anybody's
	}
	for _, topic := range []string{origin, "orders-dlt", "by-hand"} {
		must(t, q.Check(dlq.Replay{To: dlq.ToTopic(topic)}))
	}
}

// Who goes on with a replay refuses what it would not start, and takes nothing over for it; it stays for who would.
func TestResumeRefusesWhatStartWould(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.letters(3)
	if err := b.cluster.CreateTopic("dead-orders", 3, nil); err != nil {
		t.Fatal(err)
	}
	started, err := b.open().Start(b.ctx(), dlq.Replay{To: dlq.ToTopic("dead-orders")})
	must(t, err)
	told := len(b.records(ledger))
	q := b.open(dlq.RetryNames(retrytopics.Names{Group: "bills", DLQ: "dead-{topic}"}))
	_, want := q.Start(b.ctx(), started.Replay)
	_, err = q.Resume(b.ctx(), started.ID, dlq.Work{TakeOver: true})
	if want == nil || err == nil || err.Error() != want.Error() {
		t.Errorf("resume: %v, want as start: %v", err, want)
	}
	equal(t, "written to the ledger", len(b.records(ledger))-told, 0)
	equal(t, "replayed where it is a topic as others", b.resume(started.ID).Done, 3)
}
