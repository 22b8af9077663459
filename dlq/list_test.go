package dlq_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/redeliver/redeliver/classify"
	"github.com/redeliver/redeliver/dlq"
	"github.com/redeliver/redeliver/retrytopics"
)

var noon = time.Date(2025, 11, 23, 12, 0, 0, 0, time.UTC)

// cast writes six dead letters that differ in everything that can be filtered by.
func (b *bundle) cast() {
	b.t.Helper()
	type role struct {
		class  classify.Class
		reason retrytopics.Reason
		topic  string
		hour   int
		key    []byte
		text   string
	}
	for i, r := range []role{
		0: {classify.Network, retrytopics.ReasonExhausted, "orders", 0, []byte("ann"), "*net.OpError: connection refused"},
		1: {classify.Network, retrytopics.ReasonTimeout, "orders", 1, []byte("bob"), "*net.OpError: connection reset by peer"},
		2: {classify.Validation, retrytopics.ReasonNotRetriable, "orders", 2, []byte("ann"), "*json.SyntaxError: unexpected end"},
		3: {classify.Permanent, retrytopics.ReasonRequested, "returns", 3, nil, "gone for good"},
		4: {classify.Validation, retrytopics.ReasonUndecodable, "returns", 4, []byte{}, "cannot decode"},
		5: {classify.System, retrytopics.ReasonExhausted, "orders", 5, []byte{0xff, 0}, "panic: index out of range"},
	} {
		s := death(int32(i%3), int64(i))
		s.Class, s.Severity, s.Reason, s.Topic, s.Error = r.class, r.class.Severity(), r.reason, r.topic, r.text
		s.ID = retrytopics.FormatID("", r.topic, s.Partition, s.Offset)
		record := letter(s)
		record.Key, record.Timestamp = r.key, noon.Add(time.Duration(r.hour)*time.Hour)
		b.produce(record)
	}
}

func TestFilters(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.cast()
	q := b.open()
	for _, c := range []struct {
		name   string
		filter dlq.Filter
		want   []int64 // offsets of the origins
	}{
		{"none: all, by time of death", dlq.Filter{}, []int64{0, 1, 2, 3, 4, 5}},
		{"class", dlq.Filter{Class: classify.Validation}, []int64{2, 4}},
		{"severity", dlq.Filter{Severity: classify.High}, []int64{3, 5}},
		{"reason", dlq.Filter{Reason: retrytopics.ReasonExhausted}, []int64{0, 5}},
		{"origin topic", dlq.Filter{Topic: "returns"}, []int64{3, 4}},
		{"since is in it", dlq.Filter{Since: noon.Add(3 * time.Hour)}, []int64{3, 4, 5}},
		{"until is not", dlq.Filter{Until: noon.Add(3 * time.Hour)}, []int64{0, 1, 2}},
		{"since and until", dlq.Filter{Since: noon.Add(time.Hour), Until: noon.Add(4 * time.Hour)}, []int64{1, 2, 3}},
		{"since after all", dlq.Filter{Since: noon.Add(9 * time.Hour)}, nil},
		{"key", dlq.Filter{Key: []byte("ann")}, []int64{0, 2}},
		{"key that is no text", dlq.Filter{Key: []byte{0xff, 0}}, []int64{5}},
		{"empty key, which is not null", dlq.Filter{Key: []byte{}}, []int64{4}},
		{"error", dlq.Filter{Error: regexp.MustCompile(`connection (reset|refused)`)}, []int64{0, 1}},
		{"all of several", dlq.Filter{Class: classify.Network, Key: []byte("ann")}, []int64{0}},
		{"limit: the oldest", dlq.Filter{Limit: 2}, []int64{0, 1}},
		{"id of the origin", dlq.Filter{IDs: []string{"orders/2/2"}}, []int64{2}},
		{"ids in any form", dlq.Filter{IDs: []string{"0-0", "orders/2/5"}}, []int64{0, 5}},
		{"id and another condition", dlq.Filter{IDs: []string{"0-0"}, Class: classify.System}, nil},
		{"status that none has", dlq.Filter{Status: []dlq.Status{dlq.StatusReplayed}}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got []int64
			for _, e := range b.entries(q, c.filter) {
				got = append(got, e.State.Offset)
			}
			equal(t, "origins", got, c.want)
			stats, err := q.Stats(b.ctx(), c.filter)
			if err != nil {
				t.Fatal(err)
			}
			if c.filter.Limit == 0 {
				equal(t, "entries in the stats", stats.Entries, int64(len(c.want)))
			}
		})
	}
}

func TestBadFilters(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for name, f := range map[string]dlq.Filter{
		"an id that is none":    {IDs: []string{"seven"}},
		"a limit below 0":       {Limit: -1},
		"since not before":      {Since: noon, Until: noon},
		"a status that is none": {Status: []dlq.Status{77}},
	} {
		for _, err := range b.open().Entries(b.ctx(), f) {
			if err == nil {
				t.Errorf("%s: no error", name)
			}
		}
		if _, err := b.open().Replay(b.ctx(), dlq.Replay{Filter: f}); err == nil {
			t.Errorf("%s: no error of a replay", name)
		}
	}
}

// Who may not know for how long the topic keeps its records is told all but what expires. Who could not be told would take it for nothing.
func TestStatsWithoutTheRetention(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.letters(3)
	for _, c := range []struct{ fails, want *kerr.Error }{
		{kerr.TopicAuthorizationFailed, nil}, {kerr.ClusterAuthorizationFailed, nil}, {kerr.UnsupportedVersion, nil}, {kerr.InvalidConfig, kerr.InvalidConfig},
	} {
		fault := b.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.DescribeConfigs}, Err: c.fails, Count: -1})
		stats, err := b.open().Stats(b.ctx(), dlq.Filter{})
		if c.want == nil {
			must(t, err)
			equal(t, "entries", stats.Entries, int64(3))
		} else if !errors.Is(err, c.want) {
			t.Errorf("%v: got %v", c.fails, err)
		}
		fault.Remove()
	}
}

func TestStats(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.cast()
	q := b.open()
	if _, err := q.Discard(b.ctx(), dlq.Discard{Filter: dlq.Filter{IDs: []string{"orders/2/5"}}, Reason: "test"}); err != nil {
		t.Fatal(err)
	}
	s, err := q.Stats(b.ctx(), dlq.Filter{})
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "entries", s.Entries, 5)
	equal(t, "by status", s.ByStatus, map[dlq.Status]int64{dlq.StatusOpen: 5, dlq.StatusDiscarded: 1})
	equal(t, "by class", s.ByClass, map[classify.Class]int64{classify.Network: 2, classify.Validation: 2, classify.Permanent: 1})
	equal(t, "exhausted", s.ByReason[retrytopics.ReasonExhausted], 1)
	equal(t, "by topic", s.ByTopic, map[string]int64{"orders": 3, "returns": 2})
	equal(t, "hours", len(s.ByHour), 5)
	equal(t, "in the first hour", s.ByHour[noon], 1)
	equal(t, "oldest", s.Oldest.UTC(), noon)
	equal(t, "newest", s.Newest.UTC(), noon.Add(4*time.Hour))
}

// The scan ends at the end of a partition, whatever the last offsets of it are, and sees no more than what was there.
func TestScanEnds(t *testing.T) {
	t.Parallel()
	for name, prepare := range map[string]func(b *bundle){
		"in an empty topic":  func(*bundle) {},
		"at a commit marker": func(b *bundle) { b.transaction(true, letter(death(0, 1)), letter(death(1, 2))) },
		"at an abort marker": func(b *bundle) { b.letters(4); b.transaction(false, letter(death(0, 91)), letter(death(1, 92))) },
		"in aborted records": func(b *bundle) { b.transaction(false, letter(death(0, 91)), letter(death(1, 92))) },
		"behind a trimmed part": func(b *bundle) {
			b.letters(30)
			for p := range int32(3) {
				if err := b.cluster.DeleteRecords(dead, p, 7); err != nil {
					b.t.Fatal(err)
				}
			}
		},
		"where all is trimmed": func(b *bundle) {
			b.letters(30)
			for p := range int32(3) {
				if err := b.cluster.DeleteRecords(dead, p, 10); err != nil {
					b.t.Fatal(err)
				}
			}
		},
		"before an open transaction": func(b *bundle) {
			b.letters(6)
			client := b.transactional("engine")
			if err := client.BeginTransaction(); err != nil {
				b.t.Fatal(err)
			}
			if err := client.ProduceSync(b.ctx(), letter(death(0, 91))).FirstErr(); err != nil {
				b.t.Fatal(err)
			}
			b.letters(6) // behind it: not stable yet
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			prepare(b)
			want := b.ids(dead)
			slices.Sort(want)
			var got []string
			for _, e := range b.entries(b.open(), dlq.Filter{}) {
				got = append(got, e.State.ID)
			}
			slices.Sort(got)
			equal(t, "ids", got, slices.Compact(want))
		})
	}
}

// What stands behind a transaction that is open is counted, of all partitions, and is seen when that ends.
func TestBehindAnOpenTransaction(t *testing.T) {
	t.Parallel()
	b := setup(t)
	q := b.open()
	behind := func() dlq.Behind {
		t.Helper()
		got, err := q.Behind(b.ctx())
		must(t, err)
		return got
	}
	b.letters(3)
	equal(t, "behind nothing", behind(), dlq.Behind{})
	client := b.transactional("engine")
	must(t, client.BeginTransaction())
	began := time.Now().Truncate(time.Millisecond)
	must(t, client.ProduceSync(b.ctx(), letter(death(0, 91)), letter(death(2, 91))).FirstErr())
	b.letters(6) // behind it in two partitions of three
	got := behind()
	equal(t, "records", got.Records, int64(2+2*2))
	if got.Written.Before(began) || got.Written.After(time.Now()) {
		t.Errorf("last written to at %v, of a transaction that began at %v", got.Written, began)
	}
	equal(t, "seen", len(b.entries(q, dlq.Filter{})), 4)
	must(t, client.EndTransaction(b.ctx(), kgo.TryCommit))
	equal(t, "behind nothing", behind(), dlq.Behind{})
	equal(t, "seen", len(b.entries(q, dlq.Filter{})), 8)
}

func (b *bundle) transactional(id string) *kgo.Client {
	b.t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(b.cluster.ListenAddrs()...), kgo.TransactionalID(id), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(client.Close)
	return client
}

func (b *bundle) transaction(commit bool, records ...*kgo.Record) {
	b.t.Helper()
	client := b.transactional("engine")
	err := client.BeginTransaction()
	if err == nil {
		err = client.ProduceSync(b.ctx(), records...).FirstErr()
	}
	if err == nil {
		err = client.EndTransaction(b.ctx(), kgo.TransactionEndTry(commit))
	}
	if err != nil {
		b.t.Fatal(err)
	}
}

// large writes n dead letters of 4 KiB that do not compress, so that reading them takes several fetches.
func (b *bundle) large(partition int32, n int) {
	b.t.Helper()
	noise := rand.New(rand.NewPCG(1, 2))
	for i := range n {
		r := letter(death(partition, int64(i)))
		r.Value = make([]byte, 4096)
		for j := range r.Value {
			r.Value[j] = byte(noise.Uint32())
		}
		b.client.Produce(b.ctx(), r, nil)
	}
	if err := b.client.Flush(b.ctx()); err != nil {
		b.t.Fatal(err)
	}
}

// Records that are trimmed while they are read are gone, and the rest is read.
func TestScanGoesOnBehindWhatIsTrimmedMeanwhile(t *testing.T) {
	t.Parallel()
	b := setup(t)
	const n = 3000
	b.large(0, n)
	seen := 0
	var last int64
	for e, err := range b.open().Entries(b.ctx(), dlq.Filter{}) {
		if err != nil {
			t.Fatal(err)
		}
		if seen++; seen == 1 {
			if err := b.cluster.DeleteRecords(dead, 0, n-10); err != nil {
				t.Fatal(err)
			}
		}
		last = e.Offset
	}
	equal(t, "last offset", last, n-1)
	if seen == n {
		t.Error("the trimmed records were all read before: the test shows nothing")
	}
}

// A leader that moves while its partition is read is followed.
func TestScanFollowsTheLeader(t *testing.T) {
	t.Parallel()
	b := setup(t)
	const n = 3000
	b.large(1, n)
	seen := 0
	for _, err := range b.open().Entries(b.ctx(), dlq.Filter{}) {
		if err != nil {
			t.Fatal(err)
		}
		if seen++; seen%700 == 1 {
			if err := b.cluster.MoveTopicPartition(dead, 1, (b.cluster.LeaderFor(dead, 1)+1)%3); err != nil {
				t.Fatal(err)
			}
		}
	}
	equal(t, "entries", seen, n)
}

func TestEntriesStopWithTheContext(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.letters(300)
	ctx, cancel := context.WithCancel(b.ctx())
	defer cancel()
	var last error
	for _, err := range b.open().Entries(ctx, dlq.Filter{}) {
		cancel()
		last = err
	}
	if last != nil && !errors.Is(last, context.Canceled) {
		t.Errorf("the iteration ended with %v", last)
	}
}

func TestATopicThatDoesNotExist(t *testing.T) {
	t.Parallel()
	b := setup(t)
	q, err := dlq.Open(b.connect(), "shop.nothing.dlq")
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range q.Entries(b.ctx(), dlq.Filter{}) {
		if !errors.Is(err, dlq.ErrNoTopic) {
			t.Errorf("Entries: %v, want ErrNoTopic", err)
		}
	}
	if _, err := q.Stats(b.ctx(), dlq.Filter{}); !errors.Is(err, dlq.ErrNoTopic) {
		t.Errorf("Stats: %v, want ErrNoTopic", err)
	}
	if _, err := q.Replay(b.ctx(), dlq.Replay{}); !errors.Is(err, dlq.ErrNoTopic) {
		t.Errorf("Replay: %v, want ErrNoTopic", err)
	}
}

// Records that Redeliver did not write are entries as good as can be.
func TestForeignRecordsAreListed(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.produce(&kgo.Record{Topic: dead, Partition: 1, Key: []byte("k"), Value: []byte("v")})
	entries := b.entries(b.open(), dlq.Filter{})
	equal(t, "entries", len(entries), 1)
	e := entries[0]
	if e.Err == nil || e.OriginKnown() {
		t.Errorf("got %v, origin known: %v; want what is wrong with the headers", e.Err, e.OriginKnown())
	}
	equal(t, "id", e.State.ID, dead+"/1/0")
}

// Copies of one dead letter are one entry, at the place of the first, and marking one marks all.
func TestCopiesAreOneEntry(t *testing.T) {
	t.Parallel()
	b := setup(t)
	first, again := death(0, 1), death(0, 1)
	again.Replays = 1 // replayed and died again: another entry
	for _, s := range []retrytopics.State{first, first, death(0, 2), first, again} {
		b.produce(letter(s))
	}
	q := b.open()
	entries := b.entries(q, dlq.Filter{})
	equal(t, "entries", len(entries), 3)
	equal(t, "places", fmt.Sprint(entries[0].Offset, entries[1].Offset, entries[2].Offset), "0 2 4")
	stats, err := q.Stats(b.ctx(), dlq.Filter{})
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "entries in the stats", stats.Entries, 3)
	equal(t, "duplicates", stats.Duplicates, 2)

	// A copy that is replayed by itself covers the others.
	s := b.replay(b.open(), dlq.Replay{Filter: dlq.Filter{IDs: []string{"0-3"}}})
	equal(t, "replayed", s.Done, 1)
	equal(t, "left open", len(b.entries(b.open(), dlq.Filter{})), 2)
	b.replay(b.open(), dlq.Replay{})
	equal(t, "in the tier", b.ids(tier1), []string{"orders/0/1", "orders/0/1", "orders/0/2"})
}

// A topic that is deleted while it is read is told as such.
func TestEntriesOfATopicThatIsDeletedMeanwhile(t *testing.T) {
	t.Parallel()
	for name, again := range map[string]bool{"gone": false, "made again": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			b.large(0, 1000)
			met, last := 0, error(nil)
			for _, err := range b.open().Entries(b.ctx(), dlq.Filter{}) {
				if last = err; met > 0 || err != nil {
					continue
				}
				met++
				if _, err := b.admin.DeleteTopics(b.ctx(), dead); err != nil {
					t.Fatal(err)
				}
				if again {
					if _, err := b.admin.CreateTopics(b.ctx(), 3, 1, nil, dead); err != nil {
						t.Fatal(err)
					}
				}
			}
			if deleted := new(dlq.TopicDeletedError); !errors.As(last, &deleted) || deleted.Topic != dead {
				t.Errorf("it ended with %v", last)
			}
		})
	}
}
