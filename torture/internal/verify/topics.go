package verify

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/torture/internal/fate"
)

// reader reads the run's topics from their beginning, committed records only, and remembers how far it is.
type reader struct {
	v      *verifier
	client *kgo.Client

	// Under the verifier's lock:
	topics map[string]bool
	next   map[partition]int64
}

// partition is one of a topic by its id, since a topic may be made again.
type partition struct {
	topic  kadm.TopicID
	number int32
}

func (v *verifier) newReader() (*reader, error) {
	client, err := kgo.NewClient(
		kgo.SeedBrokers(v.c.Brokers...),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.KeepControlRecords(), // to know how far it is
		kgo.ConsumeStartOffset(kgo.NewOffset().AtStart()),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.MetadataMinAge(250*time.Millisecond),
		kgo.MetadataMaxAge(2*time.Second),
		// A broker that hangs is given up sooner than anything that works on the records gives it up, which would trim them before they are read here.
		kgo.RequestTimeoutOverhead(2*time.Second),
		// It reads along and is in no hurry: few and large answers leave the processors to others.
		kgo.FetchMinBytes(1<<20),
		kgo.FetchMaxWait(300*time.Millisecond),
	)
	if err != nil {
		return nil, err
	}
	return &reader{v: v, client: client, topics: make(map[string]bool), next: make(map[partition]int64)}, nil
}

// run reads until ctx ends.
func (r *reader) run(ctx context.Context) {
	defer r.client.Close()
	for {
		fetches := r.client.PollFetches(ctx)
		if ctx.Err() != nil {
			return
		}
		var remade []string
		r.v.mu.Lock()
		fetches.EachTopic(func(t kgo.FetchTopic) {
			for _, p := range t.Partitions {
				if errors.Is(p.Err, kerr.UnknownTopicID) && !slices.Contains(remade, t.Topic) {
					remade = append(remade, t.Topic)
				}
				r.take(partition{t.TopicID, p.Partition}, p)
			}
		})
		r.v.mu.Unlock()
		if len(remade) > 0 { // the client goes on with a topic's old id for ever
			r.client.PurgeTopicsFromConsuming(remade...)
			r.client.AddConsumeTopics(remade...)
		}
	}
}

// take takes what was fetched of a partition. The verifier's lock is held.
func (r *reader) take(at partition, p kgo.FetchPartition) {
	for _, rec := range p.Records {
		next := r.next[at]
		if rec.Offset < next {
			continue // read again after a fault of the fetch
		}
		// A gap that does not come of transactions: the records were deleted.
		if gone := min(p.LogStartOffset, rec.Offset); gone > next {
			r.v.h.Unread += gone - next
		}
		r.next[at] = rec.Offset + 1
		switch {
		case rec.Attrs.IsControl():
		case rec.Topic == r.v.c.Terms.Topic:
			r.v.h.AddSource(rec.Partition, rec.Offset, fate.Sum(rec.Key, rec.Value, rec.Headers, rec.Timestamp))
		default:
			r.v.h.AddCopy(r.copied(rec))
		}
	}
}

// copied reads a copy's headers.
func (r *reader) copied(rec *kgo.Record) (c *Copy, id string) {
	c = &Copy{
		Place: Place{rec.Topic, rec.Partition, rec.Offset}, Own: rec.Timestamp.UnixMilli(),
		Dead: r.v.isLetters(rec.Topic),
	}
	seen := make(map[string]bool)
	var stamp, partition, offset int64
	var topic, group string
	for _, h := range rec.Headers {
		if !strings.HasPrefix(h.Key, "redeliver-") {
			continue
		}
		if seen[h.Key] {
			c.Damage = "it has header " + h.Key + " twice"
		}
		seen[h.Key] = true
		number := func() int64 {
			n, err := strconv.ParseInt(string(h.Value), 10, 64)
			if err != nil {
				c.Damage = fmt.Sprintf("header %s is %q", h.Key, h.Value)
			}
			return n
		}
		switch h.Key {
		case "redeliver-id":
			id = string(h.Value)
		case "redeliver-origin-topic":
			topic = string(h.Value)
		case "redeliver-origin-partition":
			partition = number()
		case "redeliver-origin-offset":
			offset = number()
		case "redeliver-origin-timestamp":
			stamp = number()
		case "redeliver-attempt":
			c.Attempt = int(number())
		case "redeliver-due":
			c.Due = number()
		case "redeliver-hop-due":
			c.HopDue = number()
		case "redeliver-reason":
			c.Reason = string(h.Value)
		case "redeliver-group":
			group = string(h.Value)
		}
	}
	c.Sum = fate.Sum(rec.Key, rec.Value, rec.Headers, time.UnixMilli(stamp))
	if origin := fmt.Sprintf("%s/%d/%d", topic, partition, offset); origin != id {
		c.Damage = fmt.Sprintf("its id is %q, its origin %s", id, origin)
	}
	if group != r.v.c.Terms.Group {
		c.Damage = fmt.Sprintf("it is group %q's", group)
	}
	return c, id
}

// look begins to read topics that are new.
func (r *reader) look(names []string) {
	r.v.mu.Lock()
	var fresh []string
	for _, name := range names {
		if r.v.isRead(name) && !r.topics[name] {
			r.topics[name] = true
			fresh = append(fresh, name)
		}
	}
	r.v.mu.Unlock()
	if len(fresh) > 0 {
		r.client.AddConsumeTopics(fresh...)
	}
}

// missing says what has not been read yet of topics, up to their ends of now; "" when nothing is missing.
func (r *reader) missing(ctx context.Context, admin *kadm.Client, of func(topic string) bool) (string, error) {
	found, err := admin.ListTopics(ctx)
	if err != nil {
		return "", err
	}
	var names []string
	for _, name := range found.Names() {
		if of(name) {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return "", nil
	}
	starts, err := admin.ListStartOffsets(ctx, names...)
	if err = errors.Join(err, starts.Error()); err != nil {
		return "", err
	}
	ends, err := admin.ListCommittedOffsets(ctx, names...)
	if err = errors.Join(err, ends.Error()); err != nil {
		return "", err
	}
	r.v.mu.Lock()
	defer r.v.mu.Unlock()
	var short []string
	ends.Each(func(end kadm.ListedOffset) {
		start, _ := starts.Lookup(end.Topic, end.Partition)
		next := r.next[partition{found[end.Topic].ID, end.Partition}]
		if end.Offset > max(next, start.Offset) {
			short = append(short, fmt.Sprintf("%s/%d is read up to %d of %d", end.Topic, end.Partition, next, end.Offset))
		}
	})
	return list(short), nil
}
