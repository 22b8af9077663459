package kafkatest_test

import (
	"errors"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/internal/kafkatest"
)

// The broker of scripts/kafka shows within seconds what others show after a week: a record of eight days ago, in a topic
// with Kafka's default retention, is deleted; in one that keeps its records for ever it stays.
func TestRetentionShowsWithinSeconds(t *testing.T) {
	kafkatest.RequireReal(t)
	expiring, endless := kafkatest.Topic(t, 1), kafkatest.Topic(t, 1, "retention.ms=-1")
	old := time.Now().Add(-8 * 24 * time.Hour)
	kafkatest.Produce(t, &kgo.Record{Topic: expiring, Timestamp: old}, &kgo.Record{Topic: endless, Timestamp: old})
	admin := kafkatest.Admin(t)
	kafkatest.Eventually(t, 60*time.Second, func() error {
		starts, err := admin.ListStartOffsets(t.Context(), expiring)
		if start, _ := starts.Lookup(expiring, 0); err == nil && start.Offset != 1 {
			err = errors.New("the record is still there")
		}
		return err
	})
	if got := kafkatest.ReadAll(t, endless); len(got) != 1 {
		t.Errorf("the endless topic holds %d records, want 1", len(got))
	}
}
