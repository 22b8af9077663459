package verify

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
)

// watchCommits looks at the group's commits and at what topics there are, each second, until ctx ends.
func (v *verifier) watchCommits(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		// An error is that of a broker that is away just now, and the next look tells more.
		if err := v.lookAtCommits(ctx); err != nil && ctx.Err() == nil {
			v.mu.Lock()
			v.lagKnown, v.blind = false, err
			v.mu.Unlock()
		}
	}
}

func (v *verifier) lookAtCommits(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	found, err := v.admin.ListTopics(ctx)
	if err != nil {
		return err
	}
	names := found.Names()
	v.topics.look(names)
	var read []string // by the group
	for _, name := range names {
		if v.readByGroup(name) {
			read = append(read, name)
		}
	}
	committed, err := v.admin.FetchOffsets(ctx, v.c.Terms.Group)
	if err != nil && !errors.Is(err, kerr.GroupIDNotFound) {
		return err
	}
	starts, err := v.admin.ListStartOffsets(ctx, read...)
	if err = errors.Join(err, starts.Error()); err != nil {
		return err
	}
	ends, err := v.admin.ListCommittedOffsets(ctx, read...)
	if err = errors.Join(err, ends.Error()); err != nil {
		return err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.addCommits(committed, starts, ends)
	return nil
}

// addCommits compares commits with what they were and with the ends of their partitions.
func (v *verifier) addCommits(committed kadm.OffsetResponses, starts, ends kadm.ListedOffsets) {
	var lag, sum int64
	var behind []string
	ends.Each(func(end kadm.ListedOffset) {
		at := Place{Topic: end.Topic, Partition: end.Partition}
		start, _ := starts.Lookup(end.Topic, end.Partition)
		done := start.Offset
		if c, ok := committed.Lookup(end.Topic, end.Partition); ok && c.At >= 0 {
			done = max(done, c.At)
			if was, ok := v.committed[at]; ok && c.At < was {
				v.h.Back = append(v.h.Back, fmt.Sprintf("%s/%d was committed up to %d, and up to %d at %s", at.Topic, at.Partition, was, c.At, time.Now().Format("15:04:05.000")))
			}
			v.committed[at] = c.At
			sum += c.At
		}
		if end.Offset > done {
			lag += end.Offset - done
			behind = append(behind, fmt.Sprintf("%s/%d at %d of %d", at.Topic, at.Partition, done, end.Offset))
		}
	})
	v.h.Lag, v.behind, v.lagKnown, v.blind, v.commitSum = lag, strings.Join(behind, ", "), true, nil, sum
}
