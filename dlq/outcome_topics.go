package dlq

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/redeliver/redeliver/retrytopics"
)

// groupOf is the consumer group that an entry is of: that of the queue where it names none.
func (q *Queue) groupOf(e *Entry) string { return cmp.Or(e.State.Group, q.group) }

// meant is the identity of a state with the group that it is of, as what dies of it names that.
func (q *Queue) meant(s *retrytopics.State) Identity {
	return identify(s.ID, cmp.Or(s.Group, q.group), s.Replays, s.Replay)
}

// namesOf says how the topics of a group are named.
func (q *Queue) namesOf(group string) retrytopics.Names {
	for _, names := range q.names {
		if names.Group == group {
			return names
		}
	}
	return retrytopics.Names{Group: group}
}

// topicsOf are the topics that tell what becomes of a group's records of a topic: those of its retries, the park topic among them, and, true, that of
// its dead letters, unless it is the queue, which need not be there before the first one.
func (r *router) topicsOf(ctx context.Context, group, origin string) (map[string]bool, error) {
	key := [2]string{group, origin}
	if topics, known := r.followed[key]; known {
		return topics, nil
	}
	all, err := retrytopics.ListTopics(ctx, r.queue.admin) // past the cache, as for tiers
	if err != nil {
		return nil, fmt.Errorf("look for the retry topics of group %s: %w", group, err)
	}
	names := r.queue.namesOf(group)
	topics := make(map[string]bool)
	for name := range all {
		if source, _, ok := names.Match(name); ok && (source == origin || source == "") {
			topics[name] = false
		}
	}
	if dead := names.DLQTopic(origin); dead != r.queue.topic {
		topics[dead] = true
	}
	r.followed[key] = topics
	return topics, nil
}

// untold is why an entry is left out whose outcome could not be known.
func untold(format string, args ...any) unroutable {
	return unroutable("its outcome could not be known: " + fmt.Sprintf(format, args...) + ": replay it without --canary, --concurrency, --stop-at and --wait")
}

// tells says, with an unroutable error, why it could not be known what becomes of an entry. Our own pipelines tell by what they commit and by their
// topics; of another program it is known that it reads the source, commits what it has dealt with, and keeps dead letters in the queue.
func (r *router) tells(ctx context.Context, e *Entry) error {
	group, theirs := r.queue.groupOf(e), e.Dialect != "" && r.to == Source
	switch {
	case group == "":
		return untold("the headers do not say which consumer group reads it")
	case theirs && e.Dialect.RetriesOverTopics(e.Record):
		return untold("its program retries over topics of its own, which are not followed")
	}
	if why, err := r.hides(ctx, group, e.State.Topic); err != nil {
		return err
	} else if why != "" {
		return why
	}
	if !theirs {
		return nil
	}
	reads, err := r.reads(ctx, group, e.State.Topic)
	if err == nil && !reads {
		return untold("group %s has committed nothing in %s and no member of it reads that, as with a share group", group, e.State.Topic)
	}
	return err
}

// hides says why it cannot be seen what becomes of a group's records of a topic, "" where it can: this user has to see what the group has committed, and to
// read the topics in which its copies and dead letters are.
func (r *router) hides(ctx context.Context, group, origin string) (unroutable, error) {
	key := [2]string{group, origin}
	if why, known := r.hidden[key]; known {
		return why, nil
	}
	why, err := r.lookAtOutcomes(ctx, group, origin)
	if err == nil {
		r.hidden[key] = why
	}
	return why, err
}

func (r *router) lookAtOutcomes(ctx context.Context, group, origin string) (unroutable, error) {
	switch _, err := committedBy(ctx, r.queue.admin, group); {
	case errors.Is(err, kerr.GroupAuthorizationFailed):
		return untold("what group %s has committed may not be looked up by this user, who needs Describe on the group", group), nil
	case err != nil:
		return "", err
	}
	topics, err := r.topicsOf(ctx, group, origin)
	if err != nil {
		return "", err
	}
	for _, name := range slices.Sorted(maps.Keys(topics)) {
		topic, err := describe(ctx, r.queue.admin, name)
		switch {
		case errors.Is(err, ErrNoTopic): // it may come
		case errors.Is(err, kerr.TopicAuthorizationFailed), err == nil && !may(topic, kadm.OpRead):
			return untold("topic %s, where its group may write it, may not be read by this user, who needs Read on it", name), nil
		case err != nil:
			return "", err
		}
	}
	return "", nil
}

// committedBy is what a group has committed, nothing where it has not worked yet. Its coordinator may be away or move.
func committedBy(ctx context.Context, admin *kadm.Client, group string) (committed kadm.OffsetResponses, err error) {
	err = whileLeadersMove(ctx, func() error {
		committed, err = admin.FetchOffsets(ctx, group)
		if err != nil && !errors.Is(err, kerr.GroupIDNotFound) {
			return fmt.Errorf("look up where group %s is: %w", group, err)
		}
		return nil
	})
	return committed, err
}

// reads says whether a consumer group commits what it has read of a topic: it has done so, or a member of it is to.
func (r *router) reads(ctx context.Context, group, topic string) (bool, error) {
	key := [2]string{group, topic}
	if reads, known := r.readers[key]; known {
		return reads, nil
	}
	admin := r.queue.admin
	committed, err := committedBy(ctx, admin, group)
	if err != nil {
		return false, err
	}
	reads := len(committed[topic]) > 0
	if !reads {
		described, err := admin.DescribeGroups(ctx, group)
		if err != nil {
			return false, fmt.Errorf("look up what group %s reads: %w", group, err)
		}
		one := described[group]
		reads = one.AssignedPartitions()[topic] != nil
	}
	if !reads {
		// Of members that speak KIP-848, which not all brokers know.
		described, err := admin.DescribeConsumerGroups(ctx, group)
		one := described[group]
		reads = err == nil && one.AssignedPartitions()[topic] != nil
	}
	r.readers[key] = reads
	return reads, nil
}
