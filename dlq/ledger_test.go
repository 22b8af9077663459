package dlq_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/redeliver/redeliver/dlq"
)

const ledger = dead + ".ledger"

// The ledger is compacted, beside the dead letters, and its records are what the package says.
func TestLedgerFormat(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.letters(3)
	before := time.Now()
	s := b.replay(b.open(), dlq.Replay{By: "ann"})
	entries := b.entries(b.open(), dlq.Filter{All: true})

	configs, err := b.admin.DescribeTopicConfigs(b.ctx(), ledger)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range configs[0].Configs {
		if c.Key == "cleanup.policy" {
			equal(t, "cleanup.policy", *c.Value, "compact")
		}
	}
	values := make(map[string]map[string]any)
	for _, r := range b.records(ledger) {
		var v map[string]any
		if err := json.Unmarshal(r.Value, &v); err != nil {
			t.Fatalf("%s: %v", r.Value, err)
		}
		values[string(r.Key)] = v
	}
	equal(t, "keys", len(values), 5)
	id := base64.RawURLEncoding.EncodeToString(entries[0].TopicID[:])
	equal(t, "writer", values[id+"/writer"]["doing"], any("replay"))
	task := values[id+"/task/"+s.Run]
	equal(t, "task", []any{task["doing"], task["run"], task["by"], task["task"].(map[string]any)["state"]}, []any{"task", s.Run, "ann", "done"})
	for _, e := range entries {
		v := values[fmt.Sprintf("%s/%d/%d", id, e.Partition, e.Offset)]
		at := int64(v["at"].(float64))
		if at < before.UnixMilli() || at > time.Now().UnixMilli() {
			t.Errorf("at %d: want now in Unix ms", at)
		}
		delete(v, "at")
		equal(t, "mark", v, map[string]any{
			"v": 1.0, "status": "replayed", "by": "ann", "run": s.Run, "to": tier1, "id": e.State.ID, "group": group, "born": float64(e.State.Timestamp.UnixMilli()), "seen": 1.0, "until": float64(e.At.UnixMilli()),
		})
	}
}

// Compaction of the ledger forgets nothing.
func TestLedgerSurvivesCompaction(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.letters(30)
	b.replay(b.open(dlq.SmallBatches(4)), dlq.Replay{Filter: dlq.Filter{Limit: 20}})
	b.replay(b.open(dlq.SmallBatches(4)), dlq.Replay{Filter: dlq.Filter{Limit: 7}, Again: true})
	b.cluster.Compact()
	s := b.replay(b.open(), dlq.Replay{})
	equal(t, "replayed", s.Done, 10)
	equal(t, "replayed before", s.Replayed, 20)
	b.cluster.Compact()
	equal(t, "left open", len(b.entries(b.open(), dlq.Filter{})), 0)
}

// A dead-letter topic that is deleted and made again starts clean, beside the ledger of the one before.
func TestTopicThatIsMadeAgainStartsClean(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.letters(9)
	b.replay(b.open(), dlq.Replay{})
	old := b.entries(b.open(), dlq.Filter{All: true})[0].ID()
	if err := b.cluster.DeleteTopic(dead); err != nil {
		t.Fatal(err)
	}
	if err := b.cluster.CreateTopic(dead, 3, nil); err != nil {
		t.Fatal(err)
	}
	b.client = b.connect()
	b.letters(9)
	equal(t, "open", len(b.entries(b.open(), dlq.Filter{})), 9)
	if _, err := b.open().Entry(b.ctx(), old); err == nil {
		t.Errorf("id %s of the old topic names an entry of the new one", old)
	}
	s := b.replay(b.open(), dlq.Replay{})
	equal(t, "replayed", s.Done, 9)
	equal(t, "in the tier", len(b.records(tier1)), 18)
}

// A ledger that may forget is refused, and so is one that a newer release wrote.
func TestLedgersThatAreRefused(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		prepare func(b *bundle)
		options []dlq.Option
		want    string
	}{
		{"one with retention", func(b *bundle) {
			b.create(ledger, map[string]string{"cleanup.policy": "delete"})
		}, nil, "set it to compact"},
		{"none, and it may not be made", func(*bundle) {}, []dlq.Option{dlq.LedgerExists()}, "redeliver topics apply"},
		{"a later version", func(b *bundle) {
			b.create(ledger, map[string]string{"cleanup.policy": "compact"})
			b.produce(b.ledgerRecord(`{"v":2,"status":"replayed","at":1}`))
		}, nil, "newer release"},
		{"a status that is not known", func(b *bundle) {
			b.create(ledger, map[string]string{"cleanup.policy": "compact"})
			b.produce(b.ledgerRecord(`{"v":1,"status":"eaten","at":1}`))
		}, nil, `"eaten"`},
		{"what is no JSON", func(b *bundle) {
			b.create(ledger, map[string]string{"cleanup.policy": "compact"})
			b.produce(b.ledgerRecord(`nonsense`))
		}, nil, ledger + "/0/0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			b.letters(3)
			c.prepare(b)
			_, err := b.open(c.options...).Replay(b.ctx(), dlq.Replay{})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want an error that says %q", err, c.want)
			}
			equal(t, "in the tier", len(b.records(tier1)), 0)
		})
	}
}

// A record that nobody can read ends every call, which names what is to be done, and is done with when a later one has its key, long before compaction.
func TestDamagedLedgerRecordIsReplaced(t *testing.T) {
	t.Parallel()
	for name, later := range map[string]string{"tombstone": "", "mark": fmt.Sprintf(`{"v":1,"status":"discarded","at":%d,"id":"orders/0/0","group":"shop"}`, time.Now().UnixMilli())} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			b.letters(6)
			b.create(ledger, map[string]string{"cleanup.policy": "compact"})
			path := filepath.Join(t.TempDir(), "index")
			ix := b.indexed(path, 0)
			equal(t, "open", len(b.entries(ix.Queue, dlq.Filter{})), 6)
			b.produce(b.ledgerRecord(`nonsense`))
			for _, q := range []*dlq.Queue{b.open(), ix.Queue} {
				_, err := q.Replay(b.ctx(), dlq.Replay{})
				for _, want := range []string{ledger + "/0/0: ", "-0-0 is not known", "write a record with the key " + string(b.ledgerRecord("").Key) + " and no value to partition 0 of " + ledger} {
					if err == nil || !strings.Contains(err.Error(), want) {
						t.Errorf("got %v, want an error that says %q", err, want)
					}
				}
			}
			replaced := b.ledgerRecord(later)
			if later == "" {
				replaced.Value = nil
			}
			b.produce(replaced)
			want := 6
			if later != "" {
				want = 5
			}
			for name, q := range map[string]*dlq.Queue{"a scan": b.open(), "the index": ix.Queue, "a new index": b.indexed(filepath.Join(t.TempDir(), "another"), 0).Queue} {
				equal(t, "open by "+name, len(b.entries(q, dlq.Filter{})), want)
			}
			equal(t, "replayed", b.replay(b.open(), dlq.Replay{}).Done, int64(want))
			if _, err := b.open().Purge(b.ctx(), dlq.Purge{Before: time.Now()}); err != nil {
				t.Error(err)
			}
		})
	}
}

// The ledgers of several queues, and records that are none of ours, do not disturb each other in one topic.
func TestLedgerRecordsOfOthersAreIgnored(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.create(ledger, map[string]string{"cleanup.policy": "compact"})
	b.letters(3)
	b.produce(
		&kgo.Record{Topic: ledger, Key: []byte("AAAAAAAAAAAAAAAAAAAAAA/0/0"), Value: []byte(`{"v":9}`)},
		&kgo.Record{Topic: ledger, Value: []byte("no key")},
	)
	equal(t, "replayed", b.replay(b.open(), dlq.Replay{}).Done, 3)
}

// A mark with status open takes back what was done: the entry is open again.
func TestAMarkMayReopenAnEntry(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.letters(1)
	b.replay(b.open(), dlq.Replay{})
	later := time.Now().Add(time.Minute).UnixMilli()
	b.produce(b.ledgerRecord(fmt.Sprintf(`{"v":1,"status":"open","at":%d,"id":"orders/0/0","group":"shop"}`, later)))
	equal(t, "open", len(b.entries(b.open(), dlq.Filter{})), 1)
	// The clock that reopened it was ahead of ours: what is done now counts all the same.
	equal(t, "replayed", b.replay(b.open(), dlq.Replay{}).Done, 1)
	equal(t, "left open", len(b.entries(b.open(), dlq.Filter{})), 0)
}

// What was replayed by a copy stays replayed when retention takes that copy, and when a filter sees only some copies.
func TestCopiesOutliveTheMarkedOne(t *testing.T) {
	t.Parallel()
	b := setup(t)
	early, late := letter(death(0, 1)), letter(death(0, 1))
	early.Timestamp, late.Timestamp = noon, noon.Add(time.Hour)
	b.produce(early, late)
	s := b.replay(b.open(), dlq.Replay{Filter: dlq.Filter{Since: noon.Add(time.Minute)}})
	equal(t, "replayed the late copy", s.Done, 1)
	equal(t, "replayed the early one", b.replay(b.open(), dlq.Replay{}).Done, 0)
	if err := b.cluster.DeleteRecords(dead, 0, 1); err != nil {
		t.Fatal(err)
	}
	equal(t, "after retention", b.replay(b.open(), dlq.Replay{}).Done, 0)
}

// A transaction that somebody has open in the ledger is waited for: what it marks counts.
func TestReplayWaitsForTheEndOfTheLedger(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.create(ledger, map[string]string{"cleanup.policy": "compact"})
	b.letters(6)
	other := b.transactional("somebody")
	if err := other.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	mark := b.ledgerRecord(fmt.Sprintf(`{"v":1,"status":"replayed","at":%d,"id":"orders/0/0","group":"shop"}`, time.Now().UnixMilli()))
	if err := other.ProduceSync(b.ctx(), mark).FirstErr(); err != nil {
		t.Fatal(err)
	}
	reading := b.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Topic: ledger, Observe: true, Count: -1})
	done := make(chan dlq.Summary)
	go func() {
		s, err := b.open().Replay(b.ctx(), dlq.Replay{})
		if err != nil {
			t.Error(err)
		}
		done <- s
	}()
	if err := reading.Wait(b.ctx(), 2); err != nil {
		t.Fatal(err)
	}
	if err := other.EndTransaction(b.ctx(), kgo.TryCommit); err != nil {
		t.Fatal(err)
	}
	s := <-done
	equal(t, "replayed", s.Done, 5)
	equal(t, "replayed before", s.Replayed, 1)
}

func (b *bundle) create(topic string, configs map[string]string) {
	b.t.Helper()
	if err := b.cluster.CreateTopic(topic, 1, configs); err != nil {
		b.t.Fatal(err)
	}
}

// ledgerRecord is a mark of the entry at 0/0.
func (b *bundle) ledgerRecord(value string) *kgo.Record {
	id := b.cluster.TopicInfo(dead).TopicID
	return &kgo.Record{Topic: ledger, Key: []byte(base64.RawURLEncoding.EncodeToString(id[:]) + "/0/0"), Value: []byte(value)}
}
