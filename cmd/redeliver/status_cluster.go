package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/internal/admin"
	"github.com/redeliver/redeliver/internal/config"
	"github.com/redeliver/redeliver/retrytopics"
)

// oldestTime bounds how long is waited for the oldest records of the tiers.
const oldestTime = 5 * time.Second

// readBacklog reads from the cluster what waits for a pipeline: in its source topics, in the retry topics that its
// configuration names, and in those that earlier configurations have left.
func readBacklog(ctx context.Context, client *kgo.Client, pipeline *config.Pipeline) (pipelineStatus, error) {
	s := pipelineStatus{Source: fromCluster, Pipeline: pipeline.Name, Group: pipeline.Group}
	adm := kadm.NewClient(client)
	found, err := adm.ListTopics(ctx)
	if err != nil {
		return s, fmt.Errorf("list the topics: %w", err)
	}
	s.Topics = waitingTopics(pipeline, found.Names())
	if sources := pipeline.Sources(found.Names()); len(s.Topics) == 0 && len(sources) > 0 {
		return s, fmt.Errorf("there is no topic %s", strings.Join(sources, ", "))
	}
	s.WaitsFor = pipeline.Unmatched(pipeline.Sources(found.Names()))
	if len(s.Topics) == 0 {
		s.Topics = []admin.TopicStatus{} // [] in JSON, never null
		s.GroupState = groupState(ctx, adm, pipeline.Group)
		return s, nil
	}
	unread, err := readUnread(ctx, adm, pipeline.Group, s.Topics)
	if err != nil {
		return s, err
	}
	first, err := firstDue(ctx, client, unread, s.Topics)
	if err != nil {
		return s, err
	}
	for i := range s.Topics {
		t := &s.Topics[i]
		for _, p := range unread[t.Topic] {
			t.Backlog += p.end - p.next
		}
		if due, ok := first[t.Topic]; ok {
			t.OldestDue = &due
		}
		if t.Tier == admin.SourceTier {
			s.Lag += t.Backlog
		} else {
			s.Retries += t.Backlog
		}
	}
	s.OldestDue = oldestDue(s.Topics)
	s.GroupState = groupState(ctx, adm, pipeline.Group)
	return s, nil
}

// waitingTopics are the topics that a pipeline's records wait in, sources before tiers.
func waitingTopics(pipeline *config.Pipeline, existing []string) (topics []admin.TopicStatus) {
	sources := pipeline.Sources(existing)
	slices.Sort(sources)
	for _, source := range sources {
		if slices.Contains(existing, source) {
			topics = append(topics, admin.TopicStatus{Topic: source, Source: source, Tier: admin.SourceTier})
		}
	}
	type tier struct {
		admin.TopicStatus
		delay time.Duration
	}
	var tiers []tier
	for _, name := range existing {
		if source, delay, ok := pipeline.Names().Match(name); ok && !slices.Contains(sources, name) {
			tiers = append(tiers, tier{admin.TopicStatus{Topic: name, Source: source, Tier: retrytopics.TierName(delay)}, delay})
		}
	}
	slices.SortFunc(tiers, func(a, b tier) int {
		if a.Source != b.Source {
			return strings.Compare(a.Source, b.Source)
		}
		return int(a.delay - b.delay)
	})
	for _, t := range tiers {
		topics = append(topics, t.TopicStatus)
	}
	return topics
}

// unreadPartition is what of a partition the group has not committed: offsets from next to end.
type unreadPartition struct {
	partition int32
	next, end int64
}

// readUnread reads the group's commits and the ends of the topics as read_committed consumers see them. A partition
// without a commit is unread from its beginning.
func readUnread(ctx context.Context, adm *kadm.Client, group string, topics []admin.TopicStatus) (map[string][]unreadPartition, error) {
	names := make([]string, len(topics))
	for i, t := range topics {
		names[i] = t.Topic
	}
	starts, err := adm.ListStartOffsets(ctx, names...)
	if err == nil {
		err = starts.Error()
	}
	if err != nil {
		return nil, fmt.Errorf("read where the topics begin: %w", err)
	}
	ends, err := adm.ListCommittedOffsets(ctx, names...)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		return nil, fmt.Errorf("read where the topics end: %w", err)
	}
	committed, err := adm.FetchOffsets(ctx, group)
	if err != nil && !errors.Is(err, kerr.GroupIDNotFound) {
		return nil, fmt.Errorf("read what group %s has committed: %w", group, err)
	}
	unread := make(map[string][]unreadPartition)
	ends.Each(func(end kadm.ListedOffset) {
		p := unreadPartition{partition: end.Partition, end: end.Offset}
		if start, ok := starts.Lookup(end.Topic, end.Partition); ok {
			p.next = start.Offset
		}
		if commit, ok := committed.Lookup(end.Topic, end.Partition); ok && commit.Err == nil {
			p.next = max(p.next, commit.At)
		}
		if p.next < p.end {
			unread[end.Topic] = append(unread[end.Topic], p)
		}
	})
	return unread, nil
}

// firstDue reads the first waiting record of each partition of the tiers and returns the earliest due time of each
// topic. Partitions whose record does not come within oldestTime, as there are only gaps, say nothing.
func firstDue(ctx context.Context, client *kgo.Client, unread map[string][]unreadPartition, topics []admin.TopicStatus) (map[string]time.Time, error) {
	at := make(map[string]map[int32]kgo.Offset)
	waiting := 0
	for _, t := range topics {
		if t.Tier == admin.SourceTier {
			continue
		}
		for _, p := range unread[t.Topic] {
			if at[t.Topic] == nil {
				at[t.Topic] = make(map[int32]kgo.Offset)
			}
			at[t.Topic][p.partition] = kgo.NewOffset().At(p.next)
			waiting++
		}
	}
	due := make(map[string]time.Time)
	if waiting == 0 {
		return due, nil
	}
	reader, err := kgo.NewClient(append(client.Opts(),
		kgo.ConsumePartitions(at), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.FetchMaxPartitionBytes(64<<10))...)
	if err != nil {
		return nil, fmt.Errorf("make the Kafka client: %w", err)
	}
	defer reader.Close()
	ctx, cancel := context.WithTimeout(ctx, oldestTime)
	defer cancel()
	type place struct {
		topic     string
		partition int32
	}
	seen := make(map[place]bool)
	for len(seen) < waiting && ctx.Err() == nil {
		fetched := reader.PollFetches(ctx)
		fetched.EachPartition(func(p kgo.FetchTopicPartition) {
			key := place{p.Topic, p.Partition}
			if len(p.Records) == 0 || seen[key] {
				return
			}
			seen[key] = true
			reader.PauseFetchPartitions(map[string][]int32{p.Topic: {p.Partition}})
			state, _ := retrytopics.Decode(p.Records[0]) // what of it can be read
			if state.Due.IsZero() {
				return
			}
			if first, ok := due[p.Topic]; !ok || state.Due.Before(first) {
				due[p.Topic] = state.Due
			}
		})
	}
	return due, nil
}

// groupState says how the consumer group is: "Stable, 2 members".
func groupState(ctx context.Context, adm *kadm.Client, group string) string {
	described, err := adm.DescribeGroups(ctx, group)
	if err != nil {
		return "unknown"
	}
	one, ok := described[group]
	if next, there := nextGenGroup(ctx, adm, group); there && len(one.Members) == 0 {
		return fmt.Sprintf("%s, %d %s", strings.ToLower(next.State), len(next.Members), plural(len(next.Members), "member"))
	}
	switch {
	case !ok || one.Err != nil || one.State == "" || one.State == "Dead":
		return "no group"
	case len(one.Members) == 0:
		return "nobody runs"
	}
	return fmt.Sprintf("%s, %d %s", strings.ToLower(one.State), len(one.Members), plural(len(one.Members), "member"))
}
