package sim

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

// tap is the independent reader: it keeps the raw contents of every topic. It reads before records are trimmed, and
// once more at the end.
type tap struct {
	fake    *kfake.Cluster
	options []kgo.Opt
	turn    chan struct{} // held while it reads; a channel, for it is held across requests

	next   map[Partition]int64
	log    map[Partition][]Logged
	missed []string
	saw    func(topics ...string)
}

func newTap(fake *kfake.Cluster, options []kgo.Opt) *tap {
	t := &tap{fake: fake, options: options, turn: make(chan struct{}, 1), next: make(map[Partition]int64), log: make(map[Partition][]Logged)}
	t.turn <- struct{}{}
	return t
}

// tapTries is how often the tap asks what there is to read.
const tapTries = 100

// sync reads everything that is in the topics and was not read before.
func (t *tap) sync(ctx context.Context) error {
	<-t.turn
	defer func() { t.turn <- struct{}{} }()
	ends, err := t.ends(ctx)
	for tries := 0; err != nil && tries < tapTries; tries++ { // a broker may be away
		time.Sleep(time.Second)
		ends, err = t.ends(ctx)
	}
	if err != nil || len(ends) == 0 {
		return err
	}
	from := make(map[string]map[int32]kgo.Offset)
	for p := range ends {
		if from[p.Topic] == nil {
			from[p.Topic] = make(map[int32]kgo.Offset)
		}
		from[p.Topic][p.Number] = kgo.NewOffset().At(t.next[p])
	}
	client, err := kgo.NewClient(append(slices.Clone(t.options), kgo.ConsumePartitions(from), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords())...)
	if err != nil {
		return err
	}
	defer client.Close()
	for len(ends) > 0 {
		fetches := client.PollFetches(ctx)
		if ctx.Err() != nil {
			return fmt.Errorf("read the topics: %w", ctx.Err())
		}
		fetches.EachRecord(func(r *kgo.Record) { t.take(r) })
		for p, end := range ends {
			if t.next[p] >= end {
				delete(ends, p)
			}
		}
	}
	return nil
}

// ends returns the partitions that hold something new, and their ends.
func (t *tap) ends(ctx context.Context) (map[Partition]int64, error) {
	client, err := kgo.NewClient(t.options...)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	topics, err := kadm.NewClient(client).ListTopics(ctx)
	if err != nil {
		return nil, fmt.Errorf("list topics: %w", err)
	}
	ends := make(map[Partition]int64)
	for name := range topics {
		if strings.HasSuffix(name, ledgerSuffix) {
			continue // it is compacted, and nobody's promise
		}
		t.saw(name)
		for _, info := range t.fake.PartitionInfos(name) {
			p := Partition{name, info.Partition}
			if info.LogStartOffset > t.next[p] {
				t.missed = append(t.missed, fmt.Sprintf("%s from %d to %d", p, t.next[p], info.LogStartOffset))
				t.next[p] = info.LogStartOffset
			}
			if info.LastStableOffset > t.next[p] { // what is in an open transaction comes later
				ends[p] = info.LastStableOffset
			}
		}
	}
	return ends, nil
}

func (t *tap) take(r *kgo.Record) {
	p := Partition{r.Topic, r.Partition}
	if r.Offset < t.next[p] {
		return
	}
	t.next[p] = r.Offset + 1
	at := Place{p, r.Offset}
	t.log[p] = append(t.log[p], Logged{
		Place: at, Timestamp: r.Timestamp, Key: r.Key, Value: r.Value, Headers: r.Headers, Control: r.Attrs.IsControl(), Planted: string(r.Value) == alien,
	})
}

// deleted says that a topic was deleted, after what was in it was read. What was read keeps another name.
func (t *tap) deleted(topic, as string) {
	<-t.turn
	defer func() { t.turn <- struct{}{} }()
	for p, records := range t.log {
		if p.Topic != topic {
			continue
		}
		gone := Partition{as, p.Number}
		for i := range records {
			records[i].Place.Partition = gone
		}
		t.log[gone] = records
		delete(t.log, p)
	}
	for p := range t.next {
		if p.Topic == topic {
			delete(t.next, p)
		}
	}
}

// contents returns what was read, each partition in offset order.
func (t *tap) contents() map[Partition][]Logged {
	for _, records := range t.log {
		slices.SortFunc(records, func(a, b Logged) int { return cmp.Compare(a.Place.Offset, b.Place.Offset) })
	}
	return t.log
}
