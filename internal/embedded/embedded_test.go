package embedded

import (
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"

	"github.com/redeliver/redeliver/internal/kafkatest"
	"github.com/redeliver/redeliver/internal/loopback"
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

// Other programs use the broker as they would any: what kcat writes before a stop it reads after a start.
func TestKcatSpeaksToIt(t *testing.T) {
	dir := t.TempDir()
	b := start(t, Config{DataDir: dir, Topics: map[string]int32{"orders": 1}})
	kcat := kafkatest.NewKcat(t, b.Addr())
	headers := []kgo.RecordHeader{{Key: "h", Value: []byte("1")}, {Key: "h", Value: []byte("2")}}
	kcat.Produce("orders", 0, []byte("key"), []byte("value"), headers...)
	kcat.Produce("orders", 0, []byte("key"), nil)
	before := kcat.Read("orders")
	stop(t, b)

	b = start(t, Config{DataDir: dir})
	after := kafkatest.NewKcat(t, b.Addr()).Read("orders")
	if len(after) != 2 || string(after[0].Value) != "value" || after[1].Value != nil || !cmp.Equal(after[0].Headers, headers) {
		t.Errorf("got %v, want what was written", after)
	}
	if diff := cmp.Diff(before, after, cmpopts.IgnoreUnexported(kgo.Record{}), cmpopts.EquateComparable(kgo.RecordAttrs{})); diff != "" {
		t.Errorf("what kcat reads (-before +after):\n%s", diff)
	}
}

// Transactions: what was committed and aborted stays so, and one that was open can go on after a clean stop.
func TestTransactionsOutliveTheProcess(t *testing.T) {
	dir := t.TempDir()
	address, err := loopback.FreeAddress() // it comes back to it
	if err != nil {
		t.Fatal(err)
	}
	b := start(t, Config{DataDir: dir, Listen: address, Topics: map[string]int32{"orders": 1}})
	c := connect(t, b)
	c.transaction("one", kgo.TryCommit, "orders", "committed")
	c.transaction("two", kgo.TryAbort, "orders", "aborted")

	open := connect(t, b, kgo.TransactionalID("three"))
	open.open("orders", "open")
	c.close()
	stop(t, b)

	b = start(t, Config{DataDir: dir, Listen: address})
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

// What was aborted is not read where the answer ends before the partition does. (kfake alone gives it to readers of committed records.)
func TestAbortedRecordsAreNotReadWhereAnAnswerIsCut(t *testing.T) {
	b := start(t, Config{DataDir: t.TempDir(), Topics: map[string]int32{"orders": 1}})
	c := connect(t, b)
	c.transaction("one", kgo.TryAbort, "orders", "aborted")
	c.transaction("one", kgo.TryCommit, "orders", "committed")
	c.produce("orders", 0, "and more")
	if got, want := c.read("orders", 0, kgo.ReadCommitted()), []string{"committed", "and more"}; !cmp.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
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
	occupied := func() net.Listener {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = l.Close() })
		return l
	}
	silent, stranger := occupied(), occupied() // of the first not even the connections are accepted
	go func() {
		for conn, err := stranger.Accept(); err == nil; conn, err = stranger.Accept() {
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
			Config{Listen: stranger.Addr().String()},
			[]string{stranger.Addr().String() + " is in use by something that is no Kafka broker", "ss -ltnp", "embedded.listen"},
		},
		"port in use by one that says nothing": {
			Config{Listen: silent.Addr().String()},
			[]string{silent.Addr().String() + " is in use by something that is no Kafka broker"},
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
	b.log.log = slog.New(slog.DiscardHandler)
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

// A producer that asks for a topic gets one, as kcat does; whoever does not ask is told that there is none.
func TestTopicsAreMadeForProducersThatAsk(t *testing.T) {
	b := start(t, Config{Temporary: true})
	produce := func(topic string, opts ...kgo.Opt) error {
		client, err := kgo.NewClient(append(opts, kgo.SeedBrokers(b.Addr()), kgo.UnknownTopicRetries(0))...)
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		return client.ProduceSync(t.Context(), &kgo.Record{Topic: topic, Value: []byte("v")}).FirstErr()
	}
	if err := produce("asked", kgo.AllowAutoTopicCreation()); err != nil {
		t.Errorf("for one that asks: %v", err)
	}
	if err := produce("not-asked"); !errors.Is(err, kerr.UnknownTopicOrPartition) {
		t.Errorf("for one that does not ask: got %v, want UNKNOWN_TOPIC_OR_PARTITION", err)
	}
}
