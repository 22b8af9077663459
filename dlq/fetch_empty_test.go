package dlq_test

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"github.com/redeliver/redeliver/dlq"
)

// answersNothing has the brokers answer so many fetches of partition 0 of a topic with no records and no error, below 0 all of them, as those do whose
// remote storage takes longer than remote.fetch.max.wait.ms. It returns how many have been.
func (b *bundle) answersNothing(topic string, times int) (answered func() int) {
	b.t.Helper()
	details, err := b.admin.ListTopics(b.ctx(), topic)
	if err != nil {
		b.t.Fatal(err)
	}
	count, counts := 0, make(chan int, 1)
	counts <- 0
	b.cluster.ControlKey(kmsg.Fetch.Int16(), func(kreq kmsg.Request) (kmsg.Response, error, bool) {
		b.cluster.KeepControl()
		req := kreq.(*kmsg.FetchRequest)
		if count == times || len(req.Topics) != 1 || len(req.Topics[0].Partitions) != 1 {
			return nil, nil, false
		}
		asked := &req.Topics[0]
		if asked.Topic != topic && asked.TopicID != [16]byte(details[topic].ID) || asked.Partitions[0].Partition != 0 {
			return nil, nil, false
		}
		count++
		<-counts
		counts <- count
		end := b.cluster.PartitionInfo(topic, 0).HighWatermark
		p := kmsg.NewFetchResponseTopicPartition()
		p.HighWatermark, p.LastStableOffset, p.RecordBatches = end, end, []byte{}
		t := kmsg.NewFetchResponseTopic()
		t.Topic, t.TopicID, t.Partitions = asked.Topic, asked.TopicID, []kmsg.FetchResponseTopicPartition{p}
		resp := req.ResponseKind().(*kmsg.FetchResponse)
		resp.Topics = []kmsg.FetchResponseTopic{t}
		return resp, nil, true
	})
	return func() int {
		n := <-counts
		counts <- n
		return n
	}
}

// localFrom has the brokers say that the local log of partition 0 of a topic begins there, and what is before it is in remote storage.
func (b *bundle) localFrom(topic string, offset int64) {
	b.cluster.ControlKey(kmsg.ListOffsets.Int16(), func(kreq kmsg.Request) (kmsg.Response, error, bool) {
		b.cluster.KeepControl()
		req := kreq.(*kmsg.ListOffsetsRequest)
		if len(req.Topics) != 1 || req.Topics[0].Topic != topic || len(req.Topics[0].Partitions) != 1 || req.Topics[0].Partitions[0].Timestamp != -4 {
			return nil, nil, false
		}
		p := kmsg.NewListOffsetsResponseTopicPartition()
		p.Offset = offset
		t := kmsg.NewListOffsetsResponseTopic()
		t.Topic, t.Partitions = topic, []kmsg.ListOffsetsResponseTopicPartition{p}
		resp := req.ResponseKind().(*kmsg.ListOffsetsResponse)
		resp.Topics = []kmsg.ListOffsetsResponseTopic{t}
		return resp, nil, true
	})
}

// An answer with nothing, of a broker that did not get to what it was asked for, is no end: whoever reads asks again, and leaves nothing out.
func TestAnAnswerWithNothingIsNoEnd(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		topic string
		check func(t *testing.T, b *bundle)
	}{
		"a scan": {dead, func(t *testing.T, b *bundle) {
			equal(t, "entries", len(b.entries(b.open(), dlq.Filter{})), 30)
		}},
		"an index that is built": {dead, func(t *testing.T, b *bundle) {
			ix := b.indexed(filepath.Join(t.TempDir(), "index"), 0)
			equal(t, "entries", len(b.entries(ix.Queue, dlq.Filter{})), 30)
		}},
		"a replay": {dead, func(t *testing.T, b *bundle) {
			s := b.replay(b.open(), dlq.Replay{})
			equal(t, "done", []any{s.Done, s.Complete}, []any{int64(30), true})
		}},
		"the ledger, of a replay": {ledger, func(t *testing.T, b *bundle) {
			s := b.replay(b.open(), dlq.Replay{})
			equal(t, "done, and before", []int64{s.Done, s.Replayed}, []int64{0, 30})
		}},
		"the ledger, of a scan": {ledger, func(t *testing.T, b *bundle) {
			equal(t, "open entries", len(b.entries(b.open(), dlq.Filter{})), 0)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			b.letters(30)
			if c.topic == ledger {
				b.replay(b.open(), dlq.Replay{})
			}
			answered := b.answersNothing(c.topic, 1)
			c.check(t, b)
			equal(t, "answers with nothing", answered(), 1)
		})
	}
}

// Brokers that go on answering with nothing are not taken for ones that have nothing: reading ends with an error that says what to look at.
func TestAnswersThatStayEmptyEndReading(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.letters(30)
	b.answersNothing(dead, -1)
	_, err := dlq.OffsetsRead(b.ctx(), b.client, dead, 0, 10, 300*time.Millisecond)
	if err == nil || !strings.Contains(err.Error(), "partition 0 at offset 0: ") || !strings.Contains(err.Error(), "remote.fetch.max.wait.ms") {
		t.Errorf("got %v, want what to look at", err)
	}
}

// A compacted topic may end in what was cleaned away. It is read up to its end all the same, where the broker has its end in its local log.
func TestATopicMayEndInWhatWasCleanedAway(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		policy string
		local  int64 // where the local log begins; below 0 nobody says
		ends   bool
	}{
		"compacted, local":                {"compact", 0, true},
		"compacted, and nobody says":      {"compact,delete", -1, true},
		"compacted, in remote storage":    {"compact", 3, false},
		"deletes what is old":             {"delete", 0, false},
		"deletes, and nobody says either": {"delete", -1, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var options []kfake.Opt
			if c.local < 0 {
				old := kversion.Stable()
				old.SetMaxKeyVersion(kmsg.ListOffsets.Int16(), 7)
				options = append(options, kfake.MaxVersions(old))
			}
			b := setup(t, options...)
			const topic = "cleaned"
			if _, err := b.admin.CreateTopic(b.ctx(), 1, 1, map[string]*string{"cleanup.policy": kadm.StringPtr(c.policy)}, topic); err != nil {
				t.Fatal(err)
			}
			for range 3 {
				b.produce(&kgo.Record{Topic: topic, Key: []byte("k"), Value: []byte("v")})
			}
			b.answersNothing(topic, -1)
			if c.local > 0 {
				b.localFrom(topic, c.local)
			}
			patience := time.Minute
			if !c.ends {
				patience = 300 * time.Millisecond
			}
			offsets, err := dlq.OffsetsRead(b.ctx(), b.client, topic, 0, 3, patience)
			if len(offsets) != 0 || (err == nil) != c.ends {
				t.Errorf("reading ended with %v and %v", offsets, err)
			}
		})
	}
}

// Markers of transactions are no records, and a topic that ends in them is read up to its end at once.
func TestATopicMayEndInMarkers(t *testing.T) {
	t.Parallel()
	for name, how := range map[string]kgo.TransactionEndTry{"committed": kgo.TryCommit, "aborted": kgo.TryAbort} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			b.letters(3)
			client, err := kgo.NewClient(kgo.SeedBrokers(b.cluster.ListenAddrs()...), kgo.TransactionalID(name), kgo.RecordPartitioner(kgo.ManualPartitioner()))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(client.Close)
			if err := client.BeginTransaction(); err != nil {
				t.Fatal(err)
			}
			if err := client.ProduceSync(b.ctx(), letter(death(0, 7))).FirstErr(); err != nil {
				t.Fatal(err)
			}
			if err := client.EndTransaction(b.ctx(), how); err != nil {
				t.Fatal(err)
			}
			want := []int64{0, 1}
			if how == kgo.TryAbort {
				want = want[:1]
			}
			offsets, err := dlq.OffsetsRead(b.ctx(), b.client, dead, 0, b.cluster.PartitionInfo(dead, 0).HighWatermark, 0)
			if err != nil || !slices.Equal(offsets, want) {
				t.Errorf("got %v and %v, want %v", offsets, err, want)
			}
		})
	}
}
