package integration_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/consumer"
	"github.com/redeliver/redeliver/internal/kafkatest"
)

// Where a group begins its first time, when two of its members come at once. From then on it is its commits that say
// where it goes on, whatever the configuration says, and partitions that are new begin at their first record.
func TestGroupStarts(t *testing.T) {
	t.Parallel()
	const partitions = 4
	epoch := time.Now().Add(-time.Hour).Truncate(time.Millisecond)
	for _, tt := range []struct {
		name  string
		start consumer.Start
		from  int // of the records that are there, in each partition
	}{
		{"earliest", consumer.Earliest(), 0},
		{"latest", consumer.Latest(), 10},
		{"at a time", consumer.At(epoch.Add(4 * time.Minute)), 4},
		{"at a time between two records", consumer.At(epoch.Add(4*time.Minute - time.Second)), 4},
		{"at a time after all of them", consumer.At(epoch.Add(30 * time.Minute)), 10},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, partitions, "retention.ms=-1")
			s := &starting{bundle: b, start: tt.start}
			var there []*kgo.Record
			for i := range 10 {
				for p := range int32(partitions) {
					r := record("key", "before")
					r.Partition, r.Timestamp = p, epoch.Add(time.Duration(i)*time.Minute)
					there = append(there, r)
				}
			}
			b.produceTo(there...)
			s.want = there[partitions*tt.from:]

			one, two := s.member("one"), s.member("two")
			b.balanced(2, partitions, b.source)
			awaitCommits(t, b.group, b.source, partitions)
			s.produce(partitions, "while it runs")
			s.expect()
			one.stop()
			two.stop()

			s.produce(partitions, "while nobody runs")
			responses, err := kafkatest.Admin(t).UpdatePartitions(t.Context(), partitions+2, b.source)
			if err == nil {
				err = responses.Error()
			}
			if err != nil {
				t.Fatal(err)
			}
			kafkatest.AwaitTopics(t, partitions+2, b.source)
			s.produce(partitions+2, "with new partitions")
			s.member("three")
			s.expect()
			b.settled()
			onceEach(t, b.calls.soFar(), s.want)
		})
	}
}

// A group that began at the end and had nothing to do has begun all the same.
func TestGroupStartsOnAnEmptyTopic(t *testing.T) {
	t.Parallel()
	b := setup(t, 3)
	s := &starting{bundle: b, start: consumer.Latest()}
	one := s.member("one")
	awaitCommits(t, b.group, b.source, 3)
	one.stop()
	s.produce(3, "while nobody runs")
	s.member("two")
	s.expect()
}

// starting is a group that starts.
type starting struct {
	*bundle
	start consumer.Start
	want  []*kgo.Record
}

func (s *starting) member(name string) *member {
	s.t.Helper()
	return s.bundle.start(succeeds, named(name), func(c *consumer.Config) { c.Start = s.start })
}

// produce writes a record to each partition that the group is to handle.
func (s *starting) produce(partitions int32, value string) {
	s.t.Helper()
	for p := range partitions {
		r := record(fmt.Sprint("key-", p), value)
		r.Partition = p
		s.produceTo(r)
		s.want = append(s.want, r)
	}
}

// expect waits until the group has handled what it should, and nothing else.
func (s *starting) expect() {
	s.t.Helper()
	s.calls.awaitDone(s.t, len(s.want))
	onceEach(s.t, s.calls.soFar(), s.want)
}

// A group that another program has read for goes on where that stopped, wherever the configuration says to begin; what
// that program had no position for, as partitions that are new, begins at the first record.
func TestGroupIsTakenOverFromAnotherProgram(t *testing.T) {
	t.Parallel()
	const partitions = 3
	b := setup(t, partitions)
	s := &starting{bundle: b, start: consumer.Latest()}
	var given []*kgo.Record
	for range 10 {
		for p := range int32(partitions) {
			r := record("key", "value")
			r.Partition = p
			given = append(given, r)
		}
	}
	b.produceTo(given...)
	offsets := make(kadm.Offsets)
	offsets.AddOffset(b.source, 0, 4, -1)
	offsets.AddOffset(b.source, 1, 4, -1)
	if err := kafkatest.Admin(t).CommitAllOffsets(t.Context(), b.group, offsets); err != nil {
		t.Fatal(err)
	}
	for _, r := range given {
		if r.Partition == 2 || r.Offset >= 4 {
			s.want = append(s.want, r)
		}
	}
	s.member("one")
	s.expect()
	b.settled()
	onceEach(t, b.calls.soFar(), s.want)
}
