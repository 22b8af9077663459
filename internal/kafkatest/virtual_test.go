//go:build synctests

package kafkatest_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/internal/kafkatest"
)

// A day passes in the bubble, for a group that waits for a record, in no time.
func TestVirtual(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster := kafkatest.NewVirtual(t)
		admin := kadm.NewClient(cluster.Client(t))
		if _, err := admin.CreateTopic(t.Context(), 1, -1, nil, "orders"); err != nil {
			t.Fatal(err)
		}
		producer := cluster.Client(t)
		began := time.Now()
		time.AfterFunc(24*time.Hour, func() {
			producer.Produce(t.Context(), &kgo.Record{Topic: "orders"}, nil)
		})
		consumer := cluster.Client(t, kgo.ConsumeTopics("orders"), kgo.ConsumerGroup("group"), kgo.FetchMaxWait(30*time.Second))
		for fetched := 0; fetched == 0; {
			fetches := consumer.PollFetches(t.Context())
			if err := fetches.Err(); err != nil {
				t.Fatal(err)
			}
			fetched = fetches.NumRecords()
		}
		if passed := time.Since(began); passed < 24*time.Hour || passed > 24*time.Hour+time.Minute {
			t.Errorf("it came after %s, want a day", passed)
		}
	})
}
