package consumer

import (
	"context"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

// TestATopicThatWasMadeAgainIsNotTrimmed has lanes of a retry topic and of one of the same name before it. What was committed of that
// one is no reason to delete what has the same offsets now.
func TestATopicThatWasMadeAgainIsNotTrimmed(t *testing.T) {
	const delay, records, committed = time.Minute, 5, 2
	w := onBench(t, succeed)
	topic := w.p.topics.retry(testTopic, delay)
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, topic))
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	client, err := kgo.NewClient(kgo.SeedBrokers(cluster.ListenAddrs()...))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	w.p.admin = kadm.NewClient(client)
	for range records {
		if err := client.ProduceSync(t.Context(), &kgo.Record{Topic: topic}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	l := w.lane(0, delay)
	l.committed = committed
	begins := func(id [16]byte) int64 {
		l.topicID = id
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		w.p.topics.trim(ctx)
		return cluster.PartitionInfo(topic, 0).LogStartOffset
	}
	equal(t, "it begins, when another topic was committed", begins([16]byte{1}), 0)
	equal(t, "it begins, when it was", begins(cluster.TopicInfo(topic).TopicID), committed)
}
