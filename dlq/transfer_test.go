package dlq_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/dlq"
)

// letterLines are the entries of a queue as lines of JSON, read again.
func (b *bundle) letterLines(q *dlq.Queue) iter.Seq2[dlq.Exported, error] {
	var lines [][]byte
	for _, e := range b.entries(q, dlq.Filter{All: true}) {
		line, err := json.Marshal(e.Export())
		if err != nil {
			b.t.Fatal(err)
		}
		lines = append(lines, line)
	}
	return func(yield func(dlq.Exported, error) bool) {
		for _, line := range lines {
			var x dlq.Exported
			if err := json.Unmarshal(line, &x); !yield(x, err) {
				return
			}
		}
	}
}

// What is exported and imported is the same record, byte for byte, and the same entry.
func TestExportAndImport(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.letters(4)
	odd := letter(death(1, 77))
	odd.Key, odd.Value = []byte{0xff, 0}, nil
	odd.Headers = append([]kgo.RecordHeader{{Key: "a", Value: nil}, {Key: "a", Value: []byte{}}, {Key: "\u00e4", Value: []byte{0x80}}, {Key: "\xe4", Value: []byte("Latin-1")}}, odd.Headers...)
	b.produce(odd)
	empty := letter(death(2, 78))
	empty.Key, empty.Value = nil, []byte{}
	b.produce(empty)
	lines := b.letterLines(b.open())
	before := b.records(dead)
	b.replay(b.open(), dlq.Replay{Filter: dlq.Filter{IDs: []string{"orders/0/0"}}})

	// Beside what is still there: copies, and no second entry.
	n, err := b.open().Import(b.ctx(), lines)
	if err != nil || n != 6 {
		t.Fatalf("imported %d: %v", n, err)
	}
	stats, err := b.open().Stats(b.ctx(), dlq.Filter{})
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "entries, copies and replayed", []int64{stats.Entries, stats.Duplicates, stats.ByStatus[dlq.StatusReplayed]}, []int64{5, 5, 1})

	// In a cluster where they are not.
	other := setup(t)
	if n, err := other.open().Import(other.ctx(), lines); err != nil || n != 6 {
		t.Fatalf("imported %d: %v", n, err)
	}
	type bare struct {
		Partition  int32
		At         int64
		Key, Value []byte
		Headers    []kgo.RecordHeader
	}
	bared := func(records []*kgo.Record) map[string]bare {
		all := make(map[string]bare)
		for _, r := range records {
			all[header(r, "redeliver-id")] = bare{r.Partition, r.Timestamp.UnixMilli(), r.Key, r.Value, r.Headers}
		}
		return all
	}
	if diff := cmp.Diff(bared(before), bared(other.records(dead))); diff != "" {
		t.Errorf("-exported +imported:\n%s", diff)
	}
}

func TestBadImports(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, c := range []struct {
		letter dlq.Exported
		says   string
	}{
		{dlq.Exported{Topic: "other"}, "of other is not one of " + dead},
		{dlq.Exported{Topic: dead, Partition: 3}, "has 3 partitions"},
		{dlq.Exported{Topic: dead, Partition: -1}, "want 0 or more"},
		{dlq.Exported{Topic: dead, Timestamp: 1_763_900_000_000_000}, "Unix ms"},
		{dlq.Exported{Topic: dead, Timestamp: math.MinInt64}, "Unix ms"},
	} {
		n, err := b.open().Import(b.ctx(), func(yield func(dlq.Exported, error) bool) { yield(c.letter, nil) })
		if n != 0 || err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: imported %d, %v", c.says, n, err)
		}
	}
}

// Letters that are larger than a batch before compression, and many that are too large together, are imported too.
func TestImportOfLargeLetters(t *testing.T) {
	t.Parallel()
	b := setup(t)
	noise := rand.New(rand.NewPCG(5, 6))
	for i := range 6 {
		r := letter(death(0, int64(i)))
		r.Value = make([]byte, 400_000)
		for j := range r.Value {
			r.Value[j] = byte(noise.Uint32())
		}
		b.produce(r)
	}
	compressible := letter(death(0, 6))
	compressible.Value = make([]byte, 5_000_000)
	b.produceLarge(compressible)
	n, err := b.open().Import(b.ctx(), b.letterLines(b.open()))
	if err != nil || n != 7 {
		t.Fatalf("imported %d: %v", n, err)
	}
	records := b.records(dead)
	for i, r := range records[:7] {
		sameBytes(t, "value", records[7+i].Value, r.Value)
	}
}

// Letters that fit into the topic one by one are imported, however few of them it takes at a time, each once and in their order. One that does not ends the
// import, which says how far it came.
func TestImportIntoATopicThatTakesLittleAtATime(t *testing.T) {
	t.Parallel()
	b, other := setup(t), setup(t)
	noise := rand.New(rand.NewPCG(7, 8))
	letters := func(from, to, size int) {
		for i := from; i < to; i++ {
			r := letter(death(int32(i%3), int64(i)))
			r.Value = make([]byte, size)
			for j := range r.Value {
				r.Value[j] = byte(noise.Uint32())
			}
			b.produce(r)
		}
	}
	letters(0, 90, 15_000)
	other.configures("max.message.bytes", "20000")
	n, err := other.open().Import(other.ctx(), b.letterLines(b.open()))
	if err != nil || n != 90 {
		t.Fatalf("imported %d: %v", n, err)
	}
	byPartition := func(records []*kgo.Record) map[int32][]string {
		all := make(map[int32][]string)
		for _, r := range records {
			all[r.Partition] = append(all[r.Partition], fmt.Sprint(r.Timestamp.UnixMilli(), string(r.Key), string(r.Value), r.Headers))
		}
		return all
	}
	if diff := cmp.Diff(byPartition(b.records(dead)), byPartition(other.records(dead))); diff != "" {
		t.Errorf("-exported +imported:\n%s", diff)
	}

	b, other = setup(t), setup(t)
	letters(0, 6, 15_000)
	letters(6, 7, 30_000)
	letters(7, 10, 15_000)
	other.configures("max.message.bytes", "20000")
	var large string // the id of the one
	for _, e := range b.entries(b.open(), dlq.Filter{}) {
		if len(e.Record.Value) == 30_000 {
			large = e.ID()
		}
	}
	n, err = other.open().Import(other.ctx(), b.letterLines(b.open()))
	if !errors.Is(err, kerr.MessageTooLarge) || !strings.Contains(err.Error(), "write to "+dead+", partition 0: dead letter "+large+" of 30") {
		t.Errorf("imported %d: %v, want that %s is too large", n, err, large)
	}
	if there := len(other.records(dead)); n < 6 || n != int64(there) {
		t.Errorf("it says that it imported %d, and %d are there", n, there)
	}
}

// Whatever time a broker takes, none at all and one before 1970 among them, is exported and imported as it is.
func TestExportAndImportOfOddTimes(t *testing.T) {
	t.Parallel()
	b := setup(t)
	times := []int64{-1, -5000, 0, 1, time.Now().UnixMilli(), -9_223_372_036_854}
	for i, at := range times {
		r := letter(death(0, int64(i)))
		r.Timestamp = time.UnixMilli(at)
		b.produce(r)
	}
	other := setup(t)
	other.configures("retention.ms", "-1")
	if n, err := other.open().Import(other.ctx(), b.letterLines(b.open())); err != nil || n != 6 {
		t.Fatalf("imported %d: %v", n, err)
	}
	var got []int64
	for _, r := range other.records(dead) {
		got = append(got, r.Timestamp.UnixMilli())
	}
	slices.Sort(times)
	slices.Sort(got)
	equal(t, "times", got, times)
}

// configures says how the dead-letter topic keeps its records.
func (b *bundle) configures(key, value string) {
	b.t.Helper()
	answers, err := b.admin.AlterTopicConfigs(b.ctx(), []kadm.AlterConfig{{Name: key, Value: &value}}, dead)
	if err == nil {
		err = answers[0].Err
	}
	if err != nil {
		b.t.Fatal(err)
	}
}

// What is imported where the brokers give records their time stays what it was, also where its headers do not say when its record failed.
func TestImportWhereBrokersGiveTheTime(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.configures("message.timestamp.type", "LogAppendTime")
	died := letter(death(0, 1))
	died.Timestamp = time.Now().Add(-time.Hour)
	b.produce(died)
	q := b.open()
	was := b.entries(q, dlq.Filter{})[0]
	b.discard(dlq.Filter{})
	for range 2 { // then of what was imported
		n, err := q.Import(b.ctx(), b.letterLines(q))
		must(t, err)
		equal(t, "imported", n, int64(1))
		all := b.records(dead)
		imported := all[len(all)-1]
		b.takes(0, imported.Offset+1)
		imported.Timestamp = time.Now() // by the brokers, which these here do not do
		b.produce(imported)
	}
	equal(t, "open", len(b.entries(q, dlq.Filter{})), 0)
	all := b.entries(q, dlq.Filter{All: true})
	equal(t, "entries", len(all), 1)
	equal(t, "died", all[0].At, was.At)
	equal(t, "headers", len(all[0].Record.Headers), len(was.Record.Headers)+1)
}

// What the topic's retention would take at once is not imported, where that counts from the time of death.
func TestImportOfWhatIsExpired(t *testing.T) {
	t.Parallel()
	b := setup(t)
	r := letter(death(0, 1))
	r.Timestamp = time.Now().Add(-3 * time.Hour)
	b.produce(r)
	lines := b.letterLines(b.open())
	b.configures("retention.ms", "3600000")
	if n, err := b.open().Import(b.ctx(), lines); n != 0 || !errors.Is(err, dlq.ErrExpired) {
		t.Errorf("older than the retention: imported %d, %v", n, err)
	}
	for _, c := range [][2]string{{"retention.ms", "36000000"}, {"retention.ms", "-1"}, {"cleanup.policy", "compact"}, {"message.timestamp.type", "LogAppendTime"}} {
		b.configures("retention.ms", "3600000")
		b.configures("cleanup.policy", "delete")
		b.configures(c[0], c[1])
		if n, err := b.open().Import(b.ctx(), lines); n != 1 || err != nil {
			t.Errorf("%s=%s: imported %d, %v", c[0], c[1], n, err)
		}
	}
}
