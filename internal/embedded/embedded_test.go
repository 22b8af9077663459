package embedded

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDataDir); dir != "" {
		runChild(dir)
	}
	goleak.VerifyTestMain(m)
}

// What clients wrote before a stop is there after a start: topics with their settings, records, commits.
func TestOutlivesTheProcess(t *testing.T) {
	dir := t.TempDir()
	b := start(t, Config{DataDir: dir, Topics: map[string]int32{"orders": 3}})
	c := connect(t, b)
	c.createTopic("orders.retry-1s", 3, map[string]*string{"retention.ms": kadm.StringPtr("-1")})
	c.produce("orders", 2, "a", "b", "c")
	c.commit("group", "orders", 2, 2, "metadata")
	before := c.describe()
	c.close()
	stop(t, b)

	b = start(t, Config{DataDir: dir, Topics: map[string]int32{"orders": 7}})
	c = connect(t, b)
	if diff := cmp.Diff(before, c.describe()); diff != "" {
		t.Errorf("topics and settings (-before +after):\n%s", diff)
	}
	if got, want := c.read("orders", 2, kgo.ReadCommitted()), []string{"a", "b", "c"}; !cmp.Equal(got, want) {
		t.Errorf("records: got %v, want %v", got, want)
	}
	if at, metadata := c.committed("group", "orders", 2); at != 2 || metadata != "metadata" {
		t.Errorf("commit: got %d %q, want 2 \"metadata\"", at, metadata)
	}
	c.produce("orders", 2, "d")
	if got := c.ends("orders")[2]; got != (span{0, 4}) {
		t.Errorf("after another record the partition holds %v, want 0 to 4", got)
	}
}

// Transactions: what was committed and aborted stays so, and one that was open can go on after a clean stop.
func TestTransactionsOutliveTheProcess(t *testing.T) {
	dir := t.TempDir()
	b := start(t, Config{DataDir: dir, Listen: "127.0.0.1:0", Topics: map[string]int32{"orders": 1}})
	c := connect(t, b)
	c.transaction("one", kgo.TryCommit, "orders", "committed")
	c.transaction("two", kgo.TryAbort, "orders", "aborted")

	open := connect(t, b, kgo.TransactionalID("three"))
	open.open("orders", "open")
	c.close()
	stop(t, b)

	b = start(t, Config{DataDir: dir, Listen: b.Addr()})
	c = connect(t, b)
	if got, want := c.read("orders", 0, kgo.ReadCommitted()), []string{"committed"}; !cmp.Equal(got, want) {
		t.Errorf("while one is open: got %v, want %v", got, want)
	}
	if err := open.EndTransaction(t.Context(), kgo.TryCommit); err != nil {
		t.Fatalf("the open transaction cannot go on: %v", err)
	}
	if got, want := c.read("orders", 0, kgo.ReadCommitted()), []string{"committed", "open"}; !cmp.Equal(got, want) {
		t.Errorf("after its end: got %v, want %v", got, want)
	}
}

// A partition whose every record was deleted goes on where it ended: an offset never comes twice, or consumers that have
// committed beyond it would miss the new record under it. (kfake alone starts again at 0.)
func TestTrimmedPartitionKeepsItsEnd(t *testing.T) {
	dir := t.TempDir()
	b := start(t, Config{DataDir: dir, Topics: map[string]int32{"retry": 2}})
	c := connect(t, b)
	c.produce("retry", 0, "a", "b", "c")
	c.produce("retry", 1, "a")
	c.produce("retry", 1, "b")
	c.deleteRecords("retry", 0, -1)
	c.deleteRecords("retry", 1, 1)
	want := map[int32]span{0: {3, 3}, 1: {1, 2}}
	if got := c.ends("retry"); !cmp.Equal(got, want, allowSpan) {
		t.Fatalf("before: got %v, want %v", got, want)
	}

	for range 2 { // a partition that is found empty twice is the harder case
		c.close()
		stop(t, b)
		b = start(t, Config{DataDir: dir})
		c = connect(t, b)
		if got := c.ends("retry"); !cmp.Equal(got, want, allowSpan) {
			t.Fatalf("after a start: got %v, want %v", got, want)
		}
	}
	c.produce("retry", 0, "d")
	c.close()
	stop(t, b)
	b = start(t, Config{DataDir: dir})
	c = connect(t, b)
	if got, want := c.ends("retry")[0], (span{3, 4}); got != want {
		t.Errorf("after another record: got %v, want %v", got, want)
	}
	if got, want := c.read("retry", 0), []string{"d"}; !cmp.Equal(got, want) {
		t.Errorf("after another record: got %v, want %v", got, want)
	}
}

// A topic that is deleted and made anew begins at 0: what is remembered of the old one is not the new one's.
func TestRecreatedTopicBeginsAnew(t *testing.T) {
	dir := t.TempDir()
	b := start(t, Config{DataDir: dir, Topics: map[string]int32{"retry": 1}})
	c := connect(t, b)
	c.produce("retry", 0, "a", "b")
	c.deleteRecords("retry", 0, -1)
	if _, err := c.admin.DeleteTopic(t.Context(), "retry"); err != nil {
		t.Fatal(err)
	}
	c.createTopic("retry", 1, nil)
	c.close()
	stop(t, b)
	c = connect(t, start(t, Config{DataDir: dir}))
	if got, want := c.ends("retry")[0], (span{0, 0}); got != want {
		t.Errorf("got %v, want %v", got, want)
	}
}

// Limits of time are each topic's own: one topic's does not expire another's records.
func TestRetentionIsEachTopicsOwn(t *testing.T) {
	b := start(t, Config{Temporary: true, Topics: map[string]int32{"source": 1}})
	c := connect(t, b)
	c.createTopic("dlq", 1, map[string]*string{"retention.ms": kadm.StringPtr("3600000")})
	c.createTopic("retry", 1, map[string]*string{"retention.ms": kadm.StringPtr("-1"), "retention.bytes": kadm.StringPtr("-1")})
	weekOld := time.Now().Add(-8 * 24 * time.Hour)
	for _, topic := range []string{"source", "dlq", "retry"} {
		r := &kgo.Record{Topic: topic, Value: []byte("old"), Timestamp: weekOld}
		if err := c.ProduceSync(t.Context(), r).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	b.applyRetention()
	for topic, want := range map[string]span{"source": {0, 1}, "dlq": {1, 1}, "retry": {0, 1}} {
		if got := c.ends(topic)[0]; got != want {
			t.Errorf("%s holds %v, want %v", topic, got, want)
		}
	}
}

// What cannot be made safe is refused.
func TestDeleteRecordsNeedsItsMark(t *testing.T) {
	dir := t.TempDir()
	b := start(t, Config{DataDir: dir, Topics: map[string]int32{"retry": 1}})
	c := connect(t, b)
	c.produce("retry", 0, "a")
	b.marks.path = filepath.Join(dir, "no such directory", "marks.json")
	for range 2 {
		var offsets kadm.Offsets
		offsets.AddOffset("retry", 0, 1, -1)
		got, err := c.admin.DeleteRecords(t.Context(), offsets)
		if err == nil {
			err = got.Error()
		}
		if !errors.Is(err, kerr.KafkaStorageError) {
			t.Fatalf("got %v, want KAFKA_STORAGE_ERROR", err)
		}
	}
	if got, want := c.ends("retry")[0], (span{0, 1}); got != want {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestTemporaryLeavesNothing(t *testing.T) {
	b := start(t, Config{Temporary: true})
	if _, err := os.Stat(b.temporary); err != nil {
		t.Fatal(err)
	}
	stop(t, b)
	if _, err := os.Stat(b.temporary); !os.IsNotExist(err) {
		t.Errorf("%s is still there: %v", b.temporary, err)
	}
}

// Every mistake at the start says what is wrong and what would be right.
func TestStartRefuses(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = silent.Close() }()
	go func() {
		for conn, err := silent.Accept(); err == nil; conn, err = silent.Accept() {
			_ = conn.Close()
		}
	}()
	running := start(t, Config{Temporary: true})

	foreign := t.TempDir()
	write(t, filepath.Join(foreign, "thesis.tex"), "")
	newer := t.TempDir()
	write(t, filepath.Join(newer, "VERSION"), `{"format": 2}`)
	damaged := t.TempDir()
	write(t, filepath.Join(damaged, "VERSION"), `{"form`)
	file := filepath.Join(foreign, "thesis.tex")

	tests := map[string]struct {
		config Config
		want   []string
	}{
		"port in use by a stranger": {
			Config{Listen: silent.Addr().String()},
			[]string{silent.Addr().String() + " is in use by something that is no Kafka broker", "ss -ltnp", "embedded.listen"},
		},
		"port in use by another embedded broker": {
			Config{Listen: running.Addr()},
			[]string{"by another embedded broker of Redeliver", "kafka.brokers: [" + running.Addr() + "]"},
		},
		"all interfaces":       {Config{Listen: "0.0.0.0:9092"}, []string{"not a loopback address", "127.0.0.1"}},
		"no host":              {Config{Listen: ":9092"}, []string{"not a loopback address"}},
		"no port":              {Config{Listen: "localhost"}, []string{"missing port", "127.0.0.1:9092"}},
		"foreign directory":    {Config{DataDir: foreign}, []string{"not empty", "embedded.data_dir"}},
		"directory is a file":  {Config{DataDir: file}, []string{"not a directory"}},
		"newer format":         {Config{DataDir: newer}, []string{"format 2", "reads 1", "embedded.data_dir"}},
		"damaged version file": {Config{DataDir: damaged}, []string{"VERSION is damaged"}},
		"both homes":           {Config{DataDir: foreign, Temporary: true}, []string{"Temporary and DataDir exclude each other"}},
		"no partitions":        {Config{Topics: map[string]int32{"orders": 0}}, []string{"orders", "at least 1"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if test.config.Listen == "" {
				test.config.Listen = "127.0.0.1:0"
			}
			if test.config.DataDir == "" {
				test.config.DataDir = t.TempDir()
			}
			b, err := Start(t.Context(), test.config)
			if err == nil {
				_ = b.Close()
				t.Fatal("it started")
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("got %q, want it to say %q", err, want)
				}
			}
		})
	}
}

func TestCloseTwice(t *testing.T) {
	b := start(t, Config{Temporary: true})
	if first, second := b.Close(), b.Close(); first != nil || second != nil {
		t.Errorf("got %v and %v, want nil twice", first, second)
	}
}

// What kfake could not write is an error of Close, since kfake tells it to its log alone.
func TestStorageFailuresAreTold(t *testing.T) {
	b := start(t, Config{DataDir: t.TempDir()})
	b.log.out = slog.New(slog.DiscardHandler)
	b.log.Logf(2, "persist batch %s: %v", "orders-0", errors.New("no space left on device"))
	if err := b.Close(); err == nil || !strings.Contains(err.Error(), "no space left on device") {
		t.Errorf("got %v, want the failure", err)
	}
}

// ---------------------------------------------------------------- the tests' words

var allowSpan = cmp.AllowUnexported(span{})

func start(t *testing.T, c Config) *Broker {
	t.Helper()
	if c.Listen == "" {
		c.Listen = "127.0.0.1:0"
	}
	c.Log = slog.New(slog.NewTextHandler(t.Output(), nil))
	b, err := Start(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	return b
}

func stop(t *testing.T, b *Broker) {
	t.Helper()
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

type client struct {
	*kgo.Client
	admin *kadm.Client
	t     *testing.T
}

type addressed interface{ Addr() string }

func connect(t *testing.T, b addressed, opts ...kgo.Opt) *client {
	t.Helper()
	opts = append(opts, kgo.SeedBrokers(b.Addr()), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerLinger(0),
		kgo.RetryBackoffFn(func(int) time.Duration { return 10 * time.Millisecond }))
	c, err := kgo.NewClient(opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return &client{c, kadm.NewClient(c), t}
}

func (c *client) close() { c.Close() }

func (c *client) createTopic(name string, partitions int32, configs map[string]*string) {
	c.t.Helper()
	if _, err := c.admin.CreateTopic(c.t.Context(), partitions, 1, configs, name); err != nil {
		c.t.Fatal(err)
	}
}

func (c *client) produce(topic string, partition int32, values ...string) {
	c.t.Helper()
	var rs []*kgo.Record
	for _, v := range values {
		rs = append(rs, &kgo.Record{Topic: topic, Partition: partition, Value: []byte(v)})
	}
	if err := c.ProduceSync(c.t.Context(), rs...).FirstErr(); err != nil {
		c.t.Fatal(err)
	}
}

func (c *client) transaction(id string, end kgo.TransactionEndTry, topic, value string) {
	c.t.Helper()
	p := connect(c.t, addr(c.OptValue(kgo.SeedBrokers).([]string)[0]), kgo.TransactionalID(id))
	p.open(topic, value)
	if err := p.EndTransaction(c.t.Context(), end); err != nil {
		c.t.Fatal(err)
	}
}

// open begins a transaction, writes a record and leaves the transaction open.
func (c *client) open(topic, value string) {
	c.t.Helper()
	if err := c.BeginTransaction(); err != nil {
		c.t.Fatal(err)
	}
	c.produce(topic, 0, value)
}

type addr string

func (a addr) Addr() string { return string(a) }

// read returns the values from the partition's start to its end, as the isolation level sees them.
func (c *client) read(topic string, partition int32, isolation ...kgo.IsolationLevel) []string {
	c.t.Helper()
	level := kgo.ReadUncommitted()
	if len(isolation) > 0 {
		level = isolation[0]
	}
	ends, err := c.admin.ListCommittedOffsets(c.t.Context(), topic)
	if len(isolation) == 0 {
		ends, err = c.admin.ListEndOffsets(c.t.Context(), topic)
	}
	if err != nil {
		c.t.Fatal(err)
	}
	end, _ := ends.Lookup(topic, partition)
	from := map[string]map[int32]kgo.Offset{topic: {partition: kgo.NewOffset().AtStart()}}
	r := connect(c.t, addr(c.OptValue(kgo.SeedBrokers).([]string)[0]), kgo.ConsumePartitions(from),
		kgo.FetchIsolationLevel(level), kgo.KeepControlRecords())
	defer r.Close()
	ctx, cancel := context.WithTimeout(c.t.Context(), 20*time.Second)
	defer cancel()
	var values []string
	for at := c.ends(topic)[partition].start; at < end.Offset; {
		fetches := r.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			c.t.Fatalf("at %d of %d: %v", at, end.Offset, err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			at = r.Offset + 1
			if !r.Attrs.IsControl() {
				values = append(values, string(r.Value))
			}
		})
		if fetches.NumRecords() == 0 {
			break
		}
	}
	return values
}

func (c *client) ends(topic string) map[int32]span {
	c.t.Helper()
	starts, err := c.admin.ListStartOffsets(c.t.Context(), topic)
	if err != nil {
		c.t.Fatal(err)
	}
	ends, err := c.admin.ListEndOffsets(c.t.Context(), topic)
	if err != nil {
		c.t.Fatal(err)
	}
	spans := make(map[int32]span)
	ends.Each(func(o kadm.ListedOffset) {
		start, _ := starts.Lookup(topic, o.Partition)
		spans[o.Partition] = span{start.Offset, o.Offset}
	})
	return spans
}

func (c *client) deleteRecords(topic string, partition int32, to int64) {
	c.t.Helper()
	var offsets kadm.Offsets
	offsets.AddOffset(topic, partition, to, -1)
	if got, err := c.admin.DeleteRecords(c.t.Context(), offsets); err != nil || got.Error() != nil {
		c.t.Fatal(err, got.Error())
	}
}

func (c *client) commit(group, topic string, partition int32, at int64, metadata string) {
	c.t.Helper()
	offsets := make(kadm.Offsets)
	offsets.Add(kadm.Offset{Topic: topic, Partition: partition, At: at, LeaderEpoch: -1, Metadata: metadata})
	if err := c.admin.CommitAllOffsets(c.t.Context(), group, offsets); err != nil {
		c.t.Fatal(err)
	}
}

func (c *client) committed(group, topic string, partition int32) (int64, string) {
	c.t.Helper()
	offsets, err := c.admin.FetchOffsets(c.t.Context(), group)
	if err != nil {
		c.t.Fatal(err)
	}
	o, _ := offsets.Lookup(topic, partition)
	return o.At, o.Metadata
}

// describe lists topics with ids, partitions and settings of their own.
func (c *client) describe() []string {
	c.t.Helper()
	topics, err := c.admin.ListTopics(c.t.Context())
	if err != nil {
		c.t.Fatal(err)
	}
	configs, err := c.admin.DescribeTopicConfigs(c.t.Context(), topics.Names()...)
	if err != nil {
		c.t.Fatal(err)
	}
	var lines []string
	for _, d := range topics.Sorted() {
		line := fmt.Sprintf("%s %s %d", d.Topic, d.ID, len(d.Partitions))
		rc, _ := configs.On(d.Topic, nil)
		slices.SortFunc(rc.Configs, func(a, b kadm.Config) int { return strings.Compare(a.Key, b.Key) })
		for _, cfg := range rc.Configs {
			line += fmt.Sprintf(" %s=%s", cfg.Key, cfg.MaybeValue())
		}
		lines = append(lines, line)
	}
	return lines
}
