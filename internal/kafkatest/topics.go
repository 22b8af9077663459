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
	// A broker answers before every partition has its leader.
	Eventually(t, 30*time.Second, func() error {
		topics, err := admin.ListTopics(t.Context(), name)
		if err != nil {
			return err
		}
		return errors.Join(topics.Error(), leaders(topics[name], partitions))
	})
	return name
}

func leaders(topic kadm.TopicDetail, partitions int32) error {
	if len(topic.Partitions) != int(partitions) {
		return fmt.Errorf("topic %s has %d partitions, want %d", topic.Topic, len(topic.Partitions), partitions)
	}
	for _, p := range topic.Partitions {
		if p.Err != nil || p.Leader < 0 {
			return fmt.Errorf("topic %s, partition %d: leader %d, %w", topic.Topic, p.Partition, p.Leader, p.Err)
		}
	}
	return nil
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
