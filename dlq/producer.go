package dlq

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// flushBytes may be under way to a partition, uncompressed, before the next record waits: below what a topic takes in
// one record batch unless told otherwise (1048588). kgo does not split a batch that a broker finds too large.
const flushBytes = 1_000_000

// recordBytes is the largest record that is tried, before compression.
const recordBytes = 64 << 20

// flushLinger is longer than it takes to hand over what is written until the next flush, which ends it: a partition gets one batch of it, and not a
// first one with a record or two in a request of its own.
const flushLinger = 5 * time.Second

// metadataSoon is how soon a producer asks once more who leads the partitions, which it does before it tries again what a broker did
// not take, as in most transactions of a cluster of several nodes: they refuse batches while they write the markers of the one before.
const metadataSoon = 20 * time.Millisecond

// producing are the options of a client that a producer writes with, beside those of client, which reach the brokers.
func producing(keyed string, client *kgo.Client) []kgo.Opt {
	soon := metadataSoon
	if asked, ok := client.OptValue(kgo.MetadataMinAge).(time.Duration); ok {
		soon = min(soon, asked)
	}
	return []kgo.Opt{
		kgo.MetadataMinAge(soon),
		kgo.ConsumeTopics(), kgo.ConsumePartitions(nil),
		kgo.RecordPartitioner(partitioner(keyed)),
		kgo.ProducerLinger(flushLinger),
		kgo.ProducerBatchMaxBytes(largest(client)),
		kgo.MaxBufferedRecords(4 * batchRecords),
		kgo.MaxBufferedBytes(0),
		kgo.DefaultProduceTopic(""),
	}
}

// largest is the largest record that a client sends, in bytes before compression.
func largest(client *kgo.Client) int32 {
	largest := int32(recordBytes)
	if bound, ok := client.OptValue(kgo.BrokerMaxWriteBytes).(int32); ok {
		largest = min(largest, bound)
	}
	return largest
}

// partitioner takes the partition that a record names, but for one topic, where the key decides.
type partitioner string

// ForTopic implements kgo.Partitioner.
func (keyed partitioner) ForTopic(topic string) kgo.TopicPartitioner {
	if topic == string(keyed) {
		return kgo.StickyKeyPartitioner(nil).ForTopic(topic)
	}
	return kgo.ManualPartitioner().ForTopic(topic)
}

// producer writes records in such portions that the brokers take them. It is not safe for concurrent use.
type producer struct {
	client *kgo.Client
	keyed  string           // the topic whose partitions are chosen by key
	lines  map[string]*line // by topic
	recent [2]*line         // that were asked for last: of copies and marks by turns
}

func newProducer(client *kgo.Client, keyed string) *producer {
	return &producer{client: client, keyed: keyed, lines: make(map[string]*line)}
}

// produceAll writes the records and waits until all are acknowledged, or some are not.
func (p *producer) produceAll(ctx context.Context, records []*kgo.Record, d *delivery) result {
	p.landed()
	if sent := p.produce(ctx, records, d); !sent.committed() {
		return sent
	}
	return p.flush(ctx, d)
}

// produce hands the records to the client, and waits where a partition would get too much at a time.
func (p *producer) produce(ctx context.Context, records []*kgo.Record, d *delivery) result {
	promise := d.promise
	for _, r := range records {
		l, size := p.line(r.Topic), sizeOf(r)
		under := l.place(r)
		if under.records > 0 && under.bytes+size > l.limit || l.most > 0 && under.records >= l.most {
			if sent := p.flush(ctx, d); !sent.committed() {
				return sent
			}
		}
		under.records++
		under.bytes += size
		l.latest = r
		r.Context = ctx // not that of a try before
		p.client.Produce(ctx, r, promise)
	}
	return result{}
}

// hurry has the client send what it was handed, without waiting for that.
func (p *producer) hurry() { _ = p.client.Flush(over) }

// over is a context that has ended.
var over = func() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}()

// flush waits for what is under way. What does not fit into one batch of a topic waits for that, since kgo does not
// split a batch that a broker refuses; a record that is too large by itself goes alone, for compression may save it. Of a batch that is refused for
// one of its records fewer go at a time, until it is one.
func (p *producer) flush(ctx context.Context, d *delivery) result {
	err := p.client.Flush(ctx)
	d.mu.Lock()
	defer d.mu.Unlock()
	sent := result{err: errors.Join(d.err, err)}
	for r, why := range d.refused {
		l := p.line(r.Topic)
		switch under := l.place(r); {
		case why.whole || under.records == 1:
			sent.refuse(r, why)
			l.found = l.found || l.most == 1
		case why == tooLarge:
			// Together they were too much: the topic takes less than thought.
			l.limit = min(l.limit, under.bytes/2)
			sent.again = true
		default:
			l.fewer(under.records)
			sent.again = true
		}
	}
	if len(d.refused) == 0 {
		p.goOn()
	}
	p.landed()
	return sent
}

// delivery gathers what the brokers said of the records of a transaction.
type delivery struct {
	mu      sync.Mutex
	refused map[*kgo.Record]*refusal
	err     error               // the first one
	acked   func(r *kgo.Record) // of each that is written, by one goroutine at a time; nil: nobody asks
}

func (d *delivery) promise(r *kgo.Record, err error) {
	if err == nil && d.acked == nil {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	switch why := refusalOf(err); {
	case err == nil:
		d.acked(r)
	case why != nil:
		if d.refused == nil {
			d.refused = make(map[*kgo.Record]*refusal)
		}
		d.refused[r] = why
	case d.err == nil:
		d.err = fmt.Errorf("topic %s, partition %d: %w", r.Topic, r.Partition, err)
	}
}
