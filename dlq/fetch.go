package dlq

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	fetchMemory  = 32 << 20               // of what all partitions fetch at a time, before decompression
	fetchLeast   = 64 << 10               // of one partition
	fetchMost    = 256 << 10              //
	fetchWait    = 500 * time.Millisecond // that a broker waits for something to come, when there is nothing
	fetchBackoff = 100 * time.Millisecond
	fetchPatient = 2 * time.Minute // without getting on
)

// fetcher reads ranges of a topic with read_committed, without a consumer group and without the client's own consumer:
// with fetch requests of its own, for they say how far a partition was read even where it ends in records that nobody
// sees (aborted, compacted, transaction markers). A consumer that counts on records would wait for ever there.
type fetcher struct {
	client     *kgo.Client
	admin      *kadm.Client
	topic      string
	id         kadm.TopicID
	size       int32
	decompress kgo.Decompressor
	patience   time.Duration // without getting on

	mu      sync.Mutex
	leaders map[int32]int32
}

func newFetcher(client *kgo.Client, admin *kadm.Client, topic kadm.TopicDetail) *fetcher {
	f := &fetcher{
		client:     client,
		admin:      admin,
		topic:      topic.Topic,
		id:         topic.ID,
		size:       int32(min(max(fetchMemory/len(topic.Partitions), fetchLeast), fetchMost)),
		decompress: kgo.DefaultDecompressor(),
		patience:   fetchPatient,
	}
	f.learn(topic)
	return f
}

func (f *fetcher) learn(topic kadm.TopicDetail) {
	leaders := make(map[int32]int32, len(topic.Partitions))
	for n, p := range topic.Partitions {
		leaders[n] = p.Leader
	}
	f.mu.Lock()
	f.leaders = leaders
	f.mu.Unlock()
}

func (f *fetcher) leader(partition int32) int32 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.leaders[partition]
}

// read calls page with the records of a span, in order, and how far that is: all before next was seen. page may keep
// the records; an error of it ends the reading and is returned.
func (f *fetcher) read(ctx context.Context, s span, page func(records []*kgo.Record, next int64) error) error {
	return f.readInto(ctx, s, nil, func(records []*kgo.Record, next int64, _ *room) error { return page(records, next) })
}

// readInto is read into memory that there may be, which page gets too.
func (f *fetcher) readInto(ctx context.Context, s span, memory *rooms, page func(records []*kgo.Record, next int64, in *room) error) error {
	since, empty := time.Now(), 0 // that it does not get on, and answers with nothing
	batches := &batchReader{topic: f.topic, partition: s.partition, decompress: f.decompress}
	if memory != nil {
		batches.decompress = kgo.DefaultDecompressor(batches)
	}
	for at := s.from; at < s.to; {
		batches.room = memory.get()
		records, next, err := f.fetch(ctx, s, at, batches)
		if errors.Is(err, errEmpty) {
			if empty++; f.cleaned(ctx, s.partition, at, empty) {
				records, next, err = nil, s.to, nil
			}
		}
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err == nil && next > at:
			if err := page(records, min(next, s.to), batches.room); err != nil {
				return err
			}
			at, since, empty = next, time.Now(), 0
		case err != nil && !transient(err), time.Since(since) > f.patience:
			return fmt.Errorf("read %s, partition %d at offset %d: %w", f.topic, s.partition, at, reasonOf(err))
		case err != nil:
			if err := f.lookAgain(ctx, emptyWait(empty)); err != nil {
				return err
			}
		}
	}
	return nil
}

var errUnreadable = errors.New("the record batch cannot be read")

var errOpenTransaction = errors.New("a transaction is open there and does not end: see `kafka-transactions.sh find-hanging`")

func reasonOf(err error) error {
	if err == nil {
		return errOpenTransaction
	}
	return err
}

// fetch asks once for the records from an offset on, and returns the offset behind what it saw: the same one when there
// is nothing yet. errEmpty is the error of an answer with nothing though there is something to be read up to the end of the span.
func (f *fetcher) fetch(ctx context.Context, s span, at int64, batches *batchReader) ([]*kgo.Record, int64, error) {
	resp, err := f.client.Broker(int(f.leader(s.partition))).RetriableRequest(ctx, f.request(s.partition, at))
	if err != nil {
		return nil, at, err
	}
	fetched := resp.(*kmsg.FetchResponse)
	if err := kerr.ErrorForCode(fetched.ErrorCode); err != nil {
		return nil, at, err
	}
	if len(fetched.Topics) != 1 || len(fetched.Topics[0].Partitions) != 1 {
		return nil, at, errors.New("the broker answered for another partition")
	}
	answer := &fetched.Topics[0].Partitions[0]
	if errors.Is(kerr.ErrorForCode(answer.ErrorCode), kerr.OffsetOutOfRange) {
		next, err := f.trimmed(ctx, s, at)
		return nil, next, err
	}
	records, next, err := f.records(answer, at, batches)
	switch {
	case err != nil && !errors.As(err, new(*kerr.Error)):
		return nil, at, fmt.Errorf("%w: %w", errUnreadable, err)
	case err != nil:
		return nil, at, err
	case next == at && len(answer.RecordBatches) > 0:
		return nil, at, fmt.Errorf("%w: the broker sent a part of it only", errUnreadable)
	case next == at && answer.LastStableOffset >= s.to:
		return nil, at, errEmpty
	}
	for len(records) > 0 && records[len(records)-1].Offset >= s.to {
		records = records[:len(records)-1]
	}
	return records, next, nil
}

// records reads what a broker answered for a partition.
func (f *fetcher) records(answer *kmsg.FetchResponseTopicPartition, at int64, batches *batchReader) ([]*kgo.Record, int64, error) {
	if answer.ErrorCode == 0 && len(answer.AbortedTransactions) == 0 {
		if records, next, ok := batches.read(answer.RecordBatches, at); ok {
			return records, next, nil
		}
	}
	opts := kgo.ProcessFetchPartitionOpts{Offset: at, IsolationLevel: kgo.ReadCommitted(), Topic: f.topic, Partition: answer.Partition}
	got, next := kgo.ProcessFetchPartition(opts, answer, f.decompress, nil)
	return got.Records, next, got.Err
}

func (f *fetcher) request(partition int32, at int64) *kmsg.FetchRequest {
	p := kmsg.NewFetchRequestTopicPartition()
	p.Partition, p.FetchOffset, p.PartitionMaxBytes = partition, at, f.size
	t := kmsg.NewFetchRequestTopic()
	t.Topic, t.TopicID, t.Partitions = f.topic, f.id, []kmsg.FetchRequestTopicPartition{p}
	req := kmsg.NewPtrFetchRequest()
	req.MaxWaitMillis = int32(fetchWait / time.Millisecond)
	req.MinBytes, req.MaxBytes = 1, f.size // one batch comes whole even if it is larger
	req.IsolationLevel = 1                 // read_committed
	req.SessionEpoch = -1                  // no fetch session
	req.Topics = []kmsg.FetchRequestTopic{t}
	return req
}

// trimmed is where reading goes on when the records at an offset are gone: retention or a purge took them meanwhile.
func (f *fetcher) trimmed(ctx context.Context, s span, at int64) (int64, error) {
	starts, err := listed(ctx, f.topic, f.admin.ListStartOffsets)
	if err != nil {
		return at, err
	}
	if start := starts[s.partition]; start > at {
		return start, nil
	}
	return at, fmt.Errorf("%w: the partition lost its end, as after an unclean leader election", kerr.OffsetOutOfRange)
}

// lookAgain waits so long and asks who leads the partitions now.
func (f *fetcher) lookAgain(ctx context.Context, wait time.Duration) error {
	if err := pause(ctx, wait); err != nil {
		return err
	}
	topic, err := describe(ctx, f.admin, f.topic)
	switch {
	case errors.Is(err, ErrNoTopic), err == nil && topic.ID != f.id:
		return &TopicDeletedError{f.topic}
	case err == nil:
		f.learn(topic)
	}
	return context.Cause(ctx)
}

// TopicDeletedError is the error of a call that reads a topic which is deleted meanwhile, be it made again or not: what was said of the records of a
// dead-letter topic, replays among it, is of nothing any more.
type TopicDeletedError struct{ Topic string }

func (e *TopicDeletedError) Error() string {
	return "read " + e.Topic + ": the topic was deleted meanwhile"
}

// transient says whether asking again may help: a leader that moves, a broker that is away. A topic is also unknown for
// a moment after it was made.
func transient(err error) bool {
	if errors.Is(err, errUnreadable) || errors.Is(err, kgo.ErrClientClosed) {
		return false
	}
	var code *kerr.Error
	if errors.As(err, &code) {
		return code.Retriable || code == kerr.FencedLeaderEpoch || code == kerr.UnknownTopicID
	}
	return true // a connection's
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
