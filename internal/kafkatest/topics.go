package kafkatest

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// cleanupWithin bounds what is deleted behind a test, which is not worth more.
const cleanupWithin = 10 * time.Second

// Topic creates a topic with a name of its own and the given settings, each "key=value", and returns the name. The topic
// is deleted after the test, and so is every topic whose name contains its name: its retry and dead-letter topics.
func Topic(t testing.TB, partitions int32, configs ...string) string {
	t.Helper()
	settings := make(map[string]*string)
	for _, c := range configs {
		key, value, ok := strings.Cut(c, "=")
		if !ok {
			t.Fatalf("kafkatest: topic setting %q is not key=value", c)
		}
		settings[key] = &value
	}
	name := unique(t)
	admin := Admin(t)
	if _, err := admin.CreateTopic(t.Context(), partitions, -1, settings, name); err != nil {
		t.Fatalf("kafkatest: creating topic %s: %v", name, err)
	}
	deleteTopicsAfter(t, name)
	AwaitTopics(t, partitions, name)
	return name
}

// AwaitTopics waits until every broker knows the topics, with so many partitions and a leader of each. The one that is asked
// for a change answers before that, and the others hear of it a moment later.
func AwaitTopics(t testing.TB, partitions int32, topics ...string) {
	t.Helper()
	everywhere(t, topics, func(topic kmsg.MetadataResponseTopic) error {
		if err := kerr.ErrorForCode(topic.ErrorCode); err != nil {
			return err
		}
		if len(topic.Partitions) != int(partitions) {
			return fmt.Errorf("it has %d partitions, want %d", len(topic.Partitions), partitions)
		}
		for _, p := range topic.Partitions {
			if err := kerr.ErrorForCode(p.ErrorCode); err != nil || p.Leader < 0 {
				return fmt.Errorf("partition %d has leader %d, %w", p.Partition, p.Leader, err)
			}
		}
		return nil
	})
}

// AwaitGone waits until no broker knows the topic.
func AwaitGone(t testing.TB, topic string) {
	t.Helper()
	everywhere(t, []string{topic}, func(topic kmsg.MetadataResponseTopic) error {
		switch err := kerr.ErrorForCode(topic.ErrorCode); {
		case err == nil:
			return fmt.Errorf("it is still there, with %d partitions", len(topic.Partitions))
		case errors.Is(err, kerr.UnknownTopicOrPartition):
			return nil
		default:
			return err
		}
	})
}

// everywhere waits until what every broker knows of the topics passes the check.
func everywhere(t testing.TB, topics []string, check func(kmsg.MetadataResponseTopic) error) {
	t.Helper()
	client := Client(t)
	defer client.Close()
	req := kmsg.NewPtrMetadataRequest()
	for _, topic := range topics {
		asked := kmsg.NewMetadataRequestTopic()
		asked.Topic = kmsg.StringPtr(topic)
		req.Topics = append(req.Topics, asked)
	}
	Eventually(t, settleWithin, func() error {
		brokers, err := kadm.NewClient(client).ListBrokers(t.Context())
		if err != nil {
			return err
		}
		for _, id := range brokers.NodeIDs() {
			answer, err := client.Broker(int(id)).Request(t.Context(), req)
			if err != nil {
				return fmt.Errorf("node %d: %w", id, err)
			}
			metadata, ok := answer.(*kmsg.MetadataResponse)
			if !ok {
				return fmt.Errorf("node %d answers with a %T", id, answer)
			}
			for _, topic := range metadata.Topics {
				if err := check(topic); err != nil {
					return fmt.Errorf("node %d, topic %s: %w", id, *topic.Topic, err)
				}
			}
		}
		return nil
	})
}

// Group returns the name of a consumer group that nobody else uses. The group is deleted after the test, if it has no
// members any more, and so is every topic whose name contains its name.
func Group(t testing.TB) string {
	t.Helper()
	name := unique(t)
	deleteTopicsAfter(t, name)
	admin := Admin(t)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), cleanupWithin)
		defer cancel()
		_, err := admin.DeleteGroup(ctx, name)
		if err != nil && !errors.Is(err, kerr.GroupIDNotFound) {
			t.Logf("kafkatest: group %s stays: %v", name, err)
		}
	})
	return name
}

func deleteTopicsAfter(t testing.TB, containing string) {
	admin := Admin(t)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), cleanupWithin)
		defer cancel()
		topics, err := admin.ListTopics(ctx)
		var names []string
		for _, name := range topics.Names() {
			if strings.Contains(name, containing) {
				names = append(names, name)
			}
		}
		if err == nil && len(names) > 0 {
			_, err = admin.DeleteTopics(ctx, names...)
		}
		if err != nil {
			t.Logf("kafkatest: topics of %s stay: %v", containing, err)
		}
	})
}

var illegal = regexp.MustCompile(`[^a-z0-9]+`)

// unique is a name for a topic or a group that says whose it is: the test's, in 40 characters, and some randomness.
func unique(t testing.TB) string {
	name := illegal.ReplaceAllString(strings.ToLower(strings.TrimPrefix(t.Name(), "Test")), "-")
	name = strings.Trim(name[:min(len(name), 40)], "-")
	var random [4]byte
	_, _ = rand.Read(random[:]) // never fails, it says
	return name + "-" + hex.EncodeToString(random[:])
}
