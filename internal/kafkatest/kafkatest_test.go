package kafkatest_test

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"

	"github.com/redeliver/redeliver/internal/kafkatest"
)

func TestMain(m *testing.M) {
	kafkatest.Main(m, func() error { return goleak.Find() })
}

func TestDescribeNamesTheBroker(t *testing.T) {
	got := kafkatest.Describe(t)
	want := regexp.MustCompile(`^Apache Kafka \d+\.\d+, (1 broker|\d+ brokers)$`)
	if kafkatest.KindOf(t) == kafkatest.Embedded {
		want = regexp.MustCompile(`^embedded kfake$`)
	}
	if !want.MatchString(got) {
		t.Errorf("got %q, want %s", got, want)
	}
}

// Names tell whose they are, are a test's own, and are gone afterwards, with the topics that were made from them.
func TestTopicsAreATestsOwn(t *testing.T) {
	var topic, retry string
	t.Run("within", func(t *testing.T) {
		topic = kafkatest.Topic(t, 3, "retention.ms=-1", "cleanup.policy=delete")
		if other := kafkatest.Topic(t, 1); other == topic {
			t.Errorf("two topics have the name %s", topic)
		}
		if want := "topicsareatestsown-within-"; !strings.HasPrefix(topic, want) {
			t.Errorf("got %s, want it to begin with %s", topic, want)
		}
		retry = "group." + topic + ".retry-1s"
		if _, err := kafkatest.Admin(t).CreateTopic(t.Context(), 1, -1, nil, retry); err != nil {
			t.Fatal(err)
		}
		configs, err := kafkatest.Admin(t).DescribeTopicConfigs(t.Context(), topic)
		if err != nil {
			t.Fatal(err)
		}
		c, err := configs.On(topic, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, config := range c.Configs {
			if config.Key == "retention.ms" && config.MaybeValue() != "-1" {
				t.Errorf("retention.ms is %s, want -1", config.MaybeValue())
			}
		}
	})
	admin := kafkatest.Admin(t)
	kafkatest.Eventually(t, 10*time.Second, func() error {
		topics, err := admin.ListTopics(t.Context())
		if err == nil && (topics.Has(topic) || topics.Has(retry)) {
			err = fmt.Errorf("still there: %v", topics.Names())
		}
		return err
	})
}

// ReadAll returns what a consumer would see, and ends also where the last offsets are a transaction's.
func TestReadAll(t *testing.T) {
	topic, empty := kafkatest.Topic(t, 3), kafkatest.Topic(t, 1)
	transact := func(end kgo.TransactionEndTry, partition int32, value string) {
		t.Helper()
		client := kafkatest.Client(t, kgo.TransactionalID(kafkatest.Group(t)), kgo.RecordPartitioner(kgo.ManualPartitioner()))
		if err := client.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		if err := client.ProduceSync(t.Context(), record(topic, partition, value)).FirstErr(); err != nil {
			t.Fatal(err)
		}
		if err := client.EndTransaction(t.Context(), end); err != nil {
			t.Fatal(err)
		}
	}
	kafkatest.ProduceTo(t, record(topic, 0, "a"), record(topic, 2, "b"), record(topic, 0, "c"))
	transact(kgo.TryCommit, 1, "committed")
	transact(kgo.TryAbort, 0, "aborted")

	var got []string
	for _, r := range kafkatest.ReadAll(t, topic, empty) {
		got = append(got, fmt.Sprintf("%d/%d %s", r.Partition, r.Offset, r.Value))
	}
	if want := []string{"0/0 a", "0/1 c", "1/0 committed", "2/0 b"}; !cmp.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if got := kafkatest.ReadAll(t, empty); len(got) > 0 {
		t.Errorf("an empty topic holds %v", got)
	}
}

func TestProducePartitionsByKey(t *testing.T) {
	topic := kafkatest.Topic(t, 8)
	one, same := &kgo.Record{Topic: topic, Key: []byte("k")}, &kgo.Record{Topic: topic, Key: []byte("k")}
	kafkatest.Produce(t, one, same)
	if one.Partition != same.Partition || same.Offset != 1 {
		t.Errorf("got %d/%d and %d/%d, want one partition", one.Partition, one.Offset, same.Partition, same.Offset)
	}
}

func TestCommitted(t *testing.T) {
	topic, group := kafkatest.Topic(t, 2), kafkatest.Group(t)
	if got := kafkatest.Committed(t, group); len(got) > 0 {
		t.Errorf("before any commit: got %v, want none", got)
	}
	commit := make(kadm.Offsets)
	commit.AddOffset(topic, 1, 7, -1)
	if err := kafkatest.Admin(t).CommitAllOffsets(t.Context(), group, commit); err != nil {
		t.Fatal(err)
	}
	if got, want := kafkatest.Committed(t, group), (map[string]map[int32]int64{topic: {1: 7}}); !cmp.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// What kcat writes we read, and what we write kcat reads: bytes, nulls, duplicate headers and their order.
func TestKcatReadsAndWritesWhatWeDo(t *testing.T) {
	kcat, topic := kafkatest.NewKcat(t), kafkatest.Topic(t, 2)
	header := func(k, v string) kgo.RecordHeader { return kgo.RecordHeader{Key: k, Value: []byte(v)} }

	duplicates := []kgo.RecordHeader{header("a", "1"), header("b", "x,y=z"), header("a", "2"), header("a", "1")}
	kcat.Produce(topic, 0, []byte("key"), []byte("line\nnext\x00\xff"), duplicates...)
	kcat.Produce(topic, 0, nil, nil)
	kcat.Produce(topic, 1, []byte("tombstone"), nil, header("redeliver-history", `[{"n":1,"error":"a, \"b\""}]`))
	kafkatest.ProduceTo(t,
		&kgo.Record{Topic: topic, Partition: 1, Key: []byte{}, Value: []byte{}, Headers: []kgo.RecordHeader{header("empty", "")}},
		&kgo.Record{Topic: topic, Partition: 1, Value: []byte("\n0 0 0 0 0\n")},
	)

	ours, theirs := kafkatest.ReadAll(t, topic), kcat.Read(topic)
	want := []*kgo.Record{
		{Partition: 0, Offset: 0, Key: []byte("key"), Value: []byte("line\nnext\x00\xff"), Headers: duplicates},
		{Partition: 0, Offset: 1},
		{Partition: 1, Offset: 0, Key: []byte("tombstone"), Headers: []kgo.RecordHeader{header("redeliver-history", `[{"n":1,"error":"a, \"b\""}]`)}},
		{Partition: 1, Offset: 1, Key: []byte{}, Value: []byte{}, Headers: []kgo.RecordHeader{header("empty", "")}},
		{Partition: 1, Offset: 2, Value: []byte("\n0 0 0 0 0\n")},
	}
	// Null and empty are told apart; no headers and none are not.
	same := cmp.Options{
		cmp.Transformer("compared", func(r *kgo.Record) compared {
			return compared{r.Partition, r.Offset, fmt.Sprintf("%#v", r.Key), fmt.Sprintf("%#v", r.Value), r.Headers}
		}),
		cmpopts.EquateEmpty(), cmp.AllowUnexported(compared{}),
	}
	if diff := cmp.Diff(want, ours, same); diff != "" {
		t.Errorf("what we read (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(want, theirs, same); diff != "" {
		t.Errorf("what kcat reads (-want +got):\n%s", diff)
	}
}

type compared struct {
	partition  int32
	offset     int64
	key, value string
	headers    []kgo.RecordHeader
}

func TestEventuallyEndsTheTestWithTheLastError(t *testing.T) {
	spy := &spy{TB: t}
	done := make(chan struct{})
	go func() { // Fatalf ends its goroutine
		defer close(done)
		kafkatest.Eventually(spy, time.Millisecond, func() error { return errors.New("not yet") })
	}()
	<-done
	if !strings.Contains(spy.fatal, "not yet") {
		t.Errorf("got %q, want the last error in it", spy.fatal)
	}
}

// spy is a test that may fail.
type spy struct {
	testing.TB
	fatal string
}

func (s *spy) Helper()                  {}
func (s *spy) Context() context.Context { return context.Background() }
func (s *spy) Fatalf(format string, args ...any) {
	s.fatal = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

func record(topic string, partition int32, value string) *kgo.Record {
	return &kgo.Record{Topic: topic, Partition: partition, Value: []byte(value)}
}
