package verify

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/torture/internal/fate"
)

// reader reads the run's topics from their beginning, committed records only, and remembers how far it is. It does so twice, side by side: members trim
// retry topics behind themselves, and of a broker that hung one who gave it up comes back too late for what one whose request waits there gets at once; of one
// that died it is the other way round.
type reader struct {
	v       *verifier
	clients []*kgo.Client

	// Under the verifier's lock:
	topics map[string]bool
	next   map[partition]int64                 // what nobody has had
	own    map[partition][len(patiences)]int64 // where each client is
	missed map[partition]map[int64]bool        // offsets that were trimmed before one client had them: the other one may
}

// partition is one of a topic by its id, since a topic may be made again.
type partition struct {
	topic  kadm.TopicID
	number int32
}

// patiences are for how long the clients wait for a broker that hangs: one gives it up sooner than anything that works on the records does, which would trim
// them before they are read here, one waits longer than any broker hangs.
var patiences = [...]time.Duration{2 * time.Second, time.Minute}

func (v *verifier) newReader() (*reader, error) {
	r := &reader{v: v, topics: make(map[string]bool), next: make(map[partition]int64), own: make(map[partition][len(patiences)]int64), missed: make(map[partition]map[int64]bool)}
	for _, patience := range patiences {
		client, err := kgo.NewClient(
			kgo.SeedBrokers(v.c.Brokers...),
			kgo.FetchIsolationLevel(kgo.ReadCommitted()),
			kgo.KeepControlRecords(), // to know how far it is
			kgo.ConsumeStartOffset(kgo.NewOffset().AtStart()),
			kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
			kgo.MetadataMinAge(250*time.Millisecond),
			kgo.MetadataMaxAge(2*time.Second),
			kgo.RequestTimeoutOverhead(patience),
			// It reads along and is in no hurry: few and large answers leave the processors to others.
			kgo.FetchMinBytes(1<<20),
			kgo.FetchMaxWait(300*time.Millisecond),
		)
		if err != nil {
			r.close()
			return nil, err
		}
		r.clients = append(r.clients, client)
	}
	return r, nil
}

func (r *reader) close() {
	for _, client := range r.clients {
		client.Close()
	}
}

// run reads until ctx ends.
func (r *reader) run(ctx context.Context) {
	defer r.close()
	var all sync.WaitGroup
	for who := range r.clients {
		all.Go(func() { r.readBy(ctx, who) })
	}
	all.Wait()
}

// readBy reads with one of the clients.
func (r *reader) readBy(ctx context.Context, who int) {
	client := r.clients[who]
	for {
		fetches := client.PollFetches(ctx)
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
				r.take(who, partition{t.TopicID, p.Partition}, p)
			}
		})
		r.v.mu.Unlock()
		if len(remade) > 0 { // the client goes on with a topic's old id for ever
			client.PurgeTopicsFromConsuming(remade...)
			client.AddConsumeTopics(remade...)
		}
	}
}

// take takes what a client fetched of a partition. The verifier's lock is held.
func (r *reader) take(who int, at partition, p kgo.FetchPartition) {
	for _, rec := range p.Records {
		own := r.own[at]
		own[who] = rec.Offset + 1
		r.own[at] = own
		if !r.isNew(at, rec.Offset, p.LogStartOffset) {
			continue // the other client had it, or it is read again after a fault of the fetch
		}
		switch {
		case rec.Attrs.IsControl():
		case rec.Topic == r.v.c.Terms.Topic:
			r.v.h.AddSource(rec.Partition, rec.Offset, fate.Sum(rec.Key, rec.Value, rec.Headers, rec.Timestamp))
		default:
			r.v.h.AddCopy(r.copied(rec))
		}
	}
}

// isNew notes that an offset was read, of a partition that begins with start, and says whether it is the first time.
func (r *reader) isNew(at partition, offset, start int64) bool {
	next := r.next[at]
	if offset < next {
		if !r.missed[at][offset] {
			return false
		}
		delete(r.missed[at], offset)
		r.v.h.Unread--
		return true
	}
	for gone := next; gone < min(start, offset); gone++ { // a gap that does not come of transactions: the records were deleted
		if r.missed[at] == nil {
			r.missed[at] = make(map[int64]bool)
		}
		r.missed[at][gone] = true
		r.v.h.Unread++
	}
	r.next[at] = offset + 1
	return true
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
		for _, client := range r.clients {
			client.AddConsumeTopics(fresh...)
		}
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
		at := partition{found[end.Topic].ID, end.Partition}
		next := r.next[at]
		if len(r.missed[at]) > 0 { // which the one that is behind may have yet
			own := r.own[at]
			next = slices.Min(own[:])
		}
		if end.Offset > max(next, start.Offset) {
			short = append(short, fmt.Sprintf("%s/%d is read up to %d of %d", end.Topic, end.Partition, next, end.Offset))
		}
	})
	return list(short), nil
}
