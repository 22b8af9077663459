package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// reader reads the raw topics of the demo, as anybody could, and keeps what it saw of each order. It reads along all the
// time, since the engine deletes from the retry topics what is done. Its methods may be called concurrently.
type reader struct {
	client *kgo.Client
	admin  *kadm.Client
	tiers  []time.Duration

	mu        sync.Mutex
	lives     map[string]life
	marks     map[[2]string]string // of the ledger: a status by partition and offset
	positions map[string]map[int32]int64
	moved     chan struct{} // closed and made anew when positions move
	trouble   error         // what the last fetch came back with
}

func newReader(broker string, tiers []time.Duration) (*reader, error) {
	topics := regexp.QuoteMeta(sourceTopic) + "|" + regexp.QuoteMeta(groupName+"."+sourceTopic+".") + ".*"
	client, err := kgo.NewClient(
		kgo.SeedBrokers(broker),
		kgo.ClientID("demo-reader"),
		kgo.ConsumeRegex(),
		kgo.ConsumeTopics("^("+topics+")$"),
		kgo.ConsumeStartOffset(kgo.NewOffset().AtStart()),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.KeepControlRecords(), // to see how far it has read
		kgo.FetchMaxWait(500*time.Millisecond),
		kgo.MetadataMinAge(100*time.Millisecond),
		kgo.MetadataMaxAge(time.Second), // topics that are new are read soon
	)
	if err != nil {
		return nil, fmt.Errorf("make the reader's client: %w", err)
	}
	return &reader{
		client: client, admin: kadm.NewClient(client), tiers: tiers,
		lives: make(map[string]life), marks: make(map[[2]string]string),
		positions: make(map[string]map[int32]int64), moved: make(chan struct{}),
	}, nil
}

// run reads until ctx ends.
func (r *reader) run(ctx context.Context) error {
	for {
		fetches := r.client.PollFetches(ctx)
		if ctx.Err() != nil || fetches.IsClientClosed() {
			return nil
		}
		r.take(fetches)
	}
}

func (r *reader) close() { r.client.Close() }

func (r *reader) take(fetches kgo.Fetches) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.trouble = fetches.Err()
	fetches.EachPartition(func(p kgo.FetchTopicPartition) {
		if len(p.Records) == 0 {
			return
		}
		if r.positions[p.Topic] == nil {
			r.positions[p.Topic] = make(map[int32]int64)
		}
		r.positions[p.Topic][p.Partition] = p.Records[len(p.Records)-1].Offset + 1
		k, known := kindOf(p.Topic, r.tiers)
		for _, record := range p.Records {
			switch {
			case record.Attrs.IsControl() || !known:
			case k == ledger:
				r.mark(record)
			default:
				id, s := look(record, k)
				r.lives[id] = append(r.lives[id], s)
			}
		}
	})
	close(r.moved)
	r.moved = make(chan struct{})
}

// mark reads a record of the ledger: topic id, partition and offset of a dead letter, and what became of it.
func (r *reader) mark(record *kgo.Record) {
	parts := strings.Split(string(record.Key), "/")
	var value struct {
		Status string `json:"status"`
	}
	if len(parts) == 3 && json.Unmarshal(record.Value, &value) == nil {
		r.marks[[2]string{parts[1], parts[2]}] = value.Status
	}
}

// catchUp returns when everything is read that was there when it was called.
func (r *reader) catchUp(ctx context.Context) error {
	ends, err := r.ends(ctx)
	if err != nil {
		return fmt.Errorf("list the ends of the topics: %w", err)
	}
	for {
		r.mu.Lock()
		behind, moved, trouble := r.behind(ends), r.moved, r.trouble
		r.mu.Unlock()
		if behind == "" {
			return nil
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return fmt.Errorf("the reader did not get to the end of %s: %w", behind, errors.Join(ctx.Err(), trouble))
		}
	}
}

func (r *reader) ends(ctx context.Context) (kadm.ListedOffsets, error) {
	topics, err := r.admin.ListTopics(ctx)
	if err != nil {
		return nil, err
	}
	var ours []string
	for name := range topics {
		if _, known := kindOf(name, r.tiers); known {
			ours = append(ours, name)
		}
	}
	if len(ours) == 0 {
		return nil, nil
	}
	ends, err := r.admin.ListCommittedOffsets(ctx, ours...)
	if err != nil {
		return nil, err
	}
	starts, err := r.admin.ListStartOffsets(ctx, ours...)
	if err != nil {
		return nil, err
	}
	// What is trimmed up to its end cannot be read any more.
	starts.Each(func(s kadm.ListedOffset) {
		if end, ok := ends.Lookup(s.Topic, s.Partition); ok && s.Offset >= end.Offset {
			delete(ends[s.Topic], s.Partition)
		}
	})
	return ends, errors.Join(ends.Error(), starts.Error())
}

// behind names a partition that is not read to its end.
func (r *reader) behind(ends kadm.ListedOffsets) (topic string) {
	ends.Each(func(o kadm.ListedOffset) {
		if r.positions[o.Topic][o.Partition] < o.Offset {
			topic = fmt.Sprintf("%s, partition %d", o.Topic, o.Partition)
		}
	})
	return topic
}

// committed returns a function that tells whether a place is behind the group's commit now.
func (r *reader) committed(ctx context.Context) (func(place) bool, error) {
	offsets, err := r.admin.FetchOffsets(ctx, groupName)
	if errors.Is(err, kerr.GroupIDNotFound) {
		err = nil // nothing was committed yet
	}
	if err != nil {
		return nil, fmt.Errorf("read the group's commits: %w", err)
	}
	return func(p place) bool {
		o, ok := offsets.Lookup(p.topic, p.partition)
		return ok && p.offset < o.At
	}, nil
}

// marked returns the ledger's word on a dead letter, "" for none.
func (r *reader) marked(p place) string {
	return r.marks[[2]string{fmt.Sprint(p.partition), fmt.Sprint(p.offset)}]
}

// replayed counts the dead letters that the ledger says were replayed.
func (r *reader) replayed() (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, status := range r.marks {
		if status == "replayed" {
			n++
		}
	}
	return n
}
