package main

import (
	"encoding/binary"
	"encoding/json"
	"hash/crc32"
	"math"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"
)

// diesAt writes a dead letter of another program with any time, in Unix ms, which no client of franz-go can do.
func (m *morgue) diesAt(at int64) {
	m.t.Helper()
	record := kmsg.Record{Key: []byte("k"), Value: []byte(`{"a":1}`)}
	record.Length = int32(len(record.AppendTo(nil)) - 1)
	records := record.AppendTo(nil)
	batch := kmsg.RecordBatch{PartitionLeaderEpoch: -1, Magic: 2, FirstTimestamp: at, MaxTimestamp: at, ProducerID: -1, ProducerEpoch: -1, FirstSequence: -1, NumRecords: 1, Records: records}
	batch.Length = int32(49 + len(records))
	wire := batch.AppendTo(nil)
	binary.BigEndian.PutUint32(wire[17:], crc32.Checksum(wire[21:], crc32.MakeTable(crc32.Castagnoli)))

	req := kmsg.NewPtrProduceRequest()
	req.Acks, req.TimeoutMillis = -1, 1000
	topic, part := kmsg.NewProduceRequestTopic(), kmsg.NewProduceRequestTopicPartition()
	part.Records = wire
	topic.Topic, topic.Partitions = testDLQ, append(topic.Partitions, part)
	req.Topics = append(req.Topics, topic)
	client, err := kgo.NewClient(kgo.SeedBrokers(m.cluster.ListenAddrs()...), kgo.MaxVersions(kversion.V2_8_0())) // which names topics
	if err != nil {
		m.t.Fatal(err)
	}
	defer client.Close()
	resp, err := req.RequestWith(m.t.Context(), client)
	if err == nil {
		err = kerr.ErrorForCode(resp.Topics[0].Partitions[0].ErrorCode)
	}
	if err != nil {
		m.t.Fatal(err)
	}
}

// A time that JSON has no digits for, as of a producer that gives microseconds, is in the way of nothing: data has the last one that JSON can hold.
func TestTimesThatJSONCannotHold(t *testing.T) {
	m := newMorgue(t)
	m.diesAt(1_795_000_000_000_000)
	m.diesAt(-100_000_000_000_000)
	m.diesAt(math.MaxInt64 / 10)
	for _, args := range [][]string{
		{"dlq", "list"}, {"dlq", "stats"}, {"dlq", "stats", "--no-index"}, {"dlq", "show", "0-6"}, {"dlq", "show", "0-7"}, {"dlq", "show", "0-8"},
		{"replay", "--dry-run", "--to", "topic:orders-by-hand"}, {"dlq", "discard", "--key", "k", "--dry-run"}, {"dlq", "renew", "--dry-run"}, {"dlq", "purge", "--before", "1h", "--dry-run"},
	} {
		text, data := m.run(args...), m.run(append(args, "-o", "json")...)
		if text.status == exitFailed || text.status == exitUsage || data.status != text.status || !json.Valid([]byte(data.out)) {
			t.Errorf("%v: %d and %d\n%s%s", args, text.status, data.status, data.out, data.err)
		}
	}
	m.run("dlq", "stats").want(t, exitDone, "the newest 106751 days ahead of now")
	m.run("dlq", "list", "-o", "jsonl").want(t, exitDone, `"died":"9999-12-31T23:59:59.999Z"`, `"died":"0000-01-01T00:00:00Z"`)
	var stats []queueStats
	counts := m.run("dlq", "stats", "-o", "json")
	if scanned := m.run("dlq", "stats", "-o", "json", "--no-index"); strings.ReplaceAll(scanned.out, " --no-index", "") != counts.out {
		t.Errorf("counted by the index\n%s\nby a scan\n%s", counts.out, scanned.out)
	}
	m.decode(counts, &stats)
	var counted int64
	for _, one := range stats[0].Problems {
		for i, at := range one.Trend {
			if counted += at.Count; i > 0 && !at.From.After(one.Trend[i-1].From) {
				t.Errorf("the times of a trend: %v", one.Trend)
			}
		}
	}
	if counted != 9 || stats[0].Entries != 9 {
		t.Errorf("trends count %d of %d", counted, stats[0].Entries)
	}
	m.run("dlq", "export", "--id", "0-6").want(t, exitFailed, "timestamp 1795000000000000: want Unix ms")

	m.run("dlq", "discard", "0-6", "0-7", "--why", "a test", "--yes").want(t, exitDone, "discarded 2 dead letters")
	m.run("dlq", "renew", "0-8", "--yes").want(t, exitDone, "renewed 1 dead letter")
	for _, how := range []string{"--no-index=true", "--no-index=false"} {
		m.run("dlq", "list", "--status", "discarded", how).want(t, exitDone, "0-6", "0-7")
	}
}
