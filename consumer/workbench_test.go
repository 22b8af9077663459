package consumer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/classify"
	"github.com/redeliver/redeliver/internal/logbook"
	"github.com/redeliver/redeliver/retrytopics"
)

// A workbench holds a pipeline that has no brokers: its lanes are opened and fed by the test, and the copies it writes
// stay with the client until the test says that they are acknowledged.
type workbench struct {
	t testing.TB
	p *Pipeline

	mu     sync.Mutex
	copies []*kgo.Record
}

// testGroup is the group of pipelines on the bench, and testTopic their source.
const (
	testGroup = "g"
	testTopic = "t"
)

var quietLog = slog.New(slog.NewTextHandler(io.Discard, nil))

// loggingTo has a pipeline log to a book.
func loggingTo(book *logbook.Book) func(*Config) {
	return func(c *Config) { c.Logger = slog.New(slog.NewTextHandler(book, nil)) }
}

func onBench(t testing.TB, handler Handler, change ...func(*Config)) *workbench {
	t.Helper()
	c := Config{
		Brokers: []string{"nowhere:1"}, Group: testGroup, Topics: []string{testTopic}, Handler: handler,
		Logger: quietLog,
	}
	c.Retry.NoJitter = true
	for _, f := range change {
		f(&c)
	}
	p, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	p.reuses = false // it is shown the copies
	w := &workbench{t: t, p: p}
	client, err := kgo.NewClient(kgo.WithHooks(w), kgo.SeedBrokers("nowhere:1"), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.Dialer(func(context.Context, string, string) (net.Conn, error) {
			return nil, errors.New("there are no brokers")
		}))
	if err != nil {
		t.Fatal(err)
	}
	readWith(p, client)
	if p.copier != nil {
		p.copier.swap(client)
	}
	unsubscribe := p.follow()
	t.Cleanup(func() {
		w.p.closeLanes(w.p.intake.all())
		unsubscribe()
		client.Close()
		p.own.Close()
	})
	return w
}

// readWith has all readers of the pipeline use one client.
func readWith(p *Pipeline, client *kgo.Client) {
	p.client, p.intake.sources.client, p.intake.retries.client = client, client, client
}

// followLanes has the lanes of retry topics read that are open, as their poll loop does.
func followLanes(p *Pipeline) {
	p.intake.following.changed()
	p.intake.following.follow()
}

// lane opens a lane of the test's source, or of its retry topic with that delay.
func (w *workbench) lane(partition int32, tier time.Duration) *lane {
	return w.laneOf(testTopic, partition, tier)
}

func (w *workbench) laneOf(source string, partition int32, tier time.Duration) *lane {
	topic := source
	if tier > 0 {
		topic = w.p.cfg.Names.RetryTopic(source, tier)
	}
	l := w.p.newLane(topic, partition, source, tier)
	l.placed, l.readable = true, true
	w.p.intake.open(l)
	followLanes(w.p)
	return l
}

// feed hands records to a lane as a poll would, one for each key, from the lane's next offset on. An empty key is null.
func (w *workbench) feed(l *lane, keys ...string) []*kgo.Record {
	l.strand.mu.Lock()
	next := l.next
	l.strand.mu.Unlock()
	records := make([]*kgo.Record, len(keys))
	for i, k := range keys {
		records[i] = &kgo.Record{Topic: l.topic, Partition: l.partition, Offset: next + int64(i), Value: []byte("v"), Timestamp: time.Now()}
		if k != "" {
			records[i].Key = []byte(k)
		}
	}
	w.p.received(l, records, time.Now())
	return records
}

// deliver has a reader poll what there is room for, and the lanes take it.
func (r *reader) deliver(fetches kgo.Fetches) {
	r.polled(fetches)
	r.handOver(fetches.NumRecords())
	r.giveBack(r.fetched.lanes)
}

func (w *workbench) watermark(l *lane) int64 {
	l.strand.mu.Lock()
	defer l.strand.mu.Unlock()
	return l.watermark()
}

// pass lets time pass in the bubble, and whatever has begun come to rest.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// handled is the place of a record as the tests write it: key@offset.
func handled(r *Record) string { return fmt.Sprintf("%s@%d", r.Key, r.Offset) }

func equal[T comparable](t testing.TB, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Fatalf("%s: got %v, want %v", what, got, want)
	}
}

// feedCopies hands copies to a retry lane that are due now and on their second attempt.
func (w *workbench) feedCopies(l *lane, keys ...string) []*kgo.Record {
	records := make([]*kgo.Record, 0, len(keys))
	for _, k := range keys {
		records = append(records, w.feedState(l, k, retrytopics.State{Attempt: 1, Due: time.Now(), FirstFailed: time.Now(), Class: classify.Transient}))
	}
	return records
}

// feedState hands one copy to a retry lane; of its state only the origin is filled in.
func (w *workbench) feedState(l *lane, key string, s retrytopics.State) *kgo.Record {
	l.strand.mu.Lock()
	offset := l.next
	l.strand.mu.Unlock()
	r := w.copyOf(l, offset, key, s)
	w.p.received(l, []*kgo.Record{r}, time.Now())
	return r
}

// copyOf makes the copy that stands at an offset of a retry lane.
func (w *workbench) copyOf(l *lane, offset int64, key string, s retrytopics.State) *kgo.Record {
	s.ID, s.Topic, s.Partition, s.Offset = fmt.Sprintf("%s/%d/%d", l.source, l.partition, offset), l.source, l.partition, offset
	s.Timestamp, s.Group = time.Now(), testGroup
	return &kgo.Record{Topic: l.topic, Partition: l.partition, Offset: offset, Key: []byte(key), Value: []byte("v"), Timestamp: time.Now(),
		Headers: s.AppendHeaders(nil, nil, DefaultHeaderLimit)}
}

// succeed is a handler that does nothing.
var succeed = HandlerFunc(func(context.Context, *Record) error { return nil })

// produced are the copies that were handed to the client so far.
func (w *workbench) produced() []*kgo.Record {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.copies)
}

// OnProduceRecordBuffered implements a hook of the client.
func (w *workbench) OnProduceRecordBuffered(r *kgo.Record) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.copies = append(w.copies, r)
}
