package dlq

import (
	"bytes"
	"context"
	"errors"
	"slices"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/retrytopics"
)

// Share groups of Apache Kafka (KIP-1191) write dead letters without the headers of the record and, unless their group has
// errors.deadletterqueue.copy.record.enable, without its key and value: these are at its origin only, for as long as the topic has them.

// NoOriginalError is why what a dead letter lacks of its record cannot be had from its origin, either.
type NoOriginalError struct {
	Why string
	// Replayed: a replay goes without, for the dead letter has key or value, and lacks the headers of its record only. It leaves other entries out.
	Replayed bool
}

func (e *NoOriginalError) Error() string { return e.Why }

// Original reads the record of which an entry is the dead letter, where a replay takes key, value and headers from its origin: of a dead letter of a
// share group that has neither key nor value, and of one without headers of the record while its key and its value are those at the origin. It is nil
// where the dead letter has all that a replay takes. A [*NoOriginalError] says why the record cannot be had, and whether a replay goes without.
//
// It is the record that a replay takes of an entry that is named by its own id ([Filter].IDs). Without that a replay does not take one which was written, by
// its producer's clock, more than a minute after the death of the dead letter: it may be another one, of a topic that was deleted and made again.
//
// The record is nobody else's. A replay does the same, and sets [Entry.Original]; the other calls do not read it.
func (q *Queue) Original(ctx context.Context, e Entry) (*kgo.Record, error) {
	originals := newOriginals(q)
	originals.named = func(*Entry) bool { return true }
	record, without, err := originals.of(ctx, &e)
	var why unroutable
	switch {
	case errors.As(err, &why):
		return nil, &NoOriginalError{Why: string(why)}
	case without != "":
		return nil, &NoOriginalError{Why: without, Replayed: true}
	}
	return record, err
}

// Whole is the record that a replay goes by: the original where that is known, and else that of the dead letter.
func (e *Entry) Whole() *kgo.Record {
	if e.Original != nil {
		return e.Original
	}
	return e.Record
}

// bare says whether the dead letter has nothing of its record. One whose record has neither key nor value, either, looks the same.
func (e *Entry) bare() bool {
	return e.Dialect == retrytopics.ShareGroup && e.Record.Key == nil && e.Record.Value == nil
}

// originals finds records at their origins. It is not safe for concurrent use.
type originals struct {
	queue  *Queue
	topics map[string]*originTopic
	named  func(*Entry) bool // whether an entry is named by its own id; nil: none is
	windows
}

func newOriginals(q *Queue) *originals {
	return &originals{queue: q, topics: make(map[string]*originTopic), windows: newWindows()}
}

// originTopic is what has to be known of a topic to read in it.
type originTopic struct {
	fetcher *fetcher
	stable  map[int32]int64 // up to where a read_committed reader reads
	written map[int32]int64
	missing *absent // why nothing can be had of it; nil: it can
}

// absent is why a record is not had from its origin, in words that go on behind "and" and are the same for all entries with the same trouble.
type absent struct {
	why   string
	later bool // it can be had when that has changed
}

func (a *absent) Error() string { return a.why }

// of returns the record that a replay of the entry goes by, nil where that is the dead letter; without says why the headers of its record, which that lacks,
// cannot be had any more. An unroutable error leaves the entry out, any other ends the replay: what might be found the next time is not given up, nor replayed
// without its headers.
func (o *originals) of(ctx context.Context, e *Entry) (record *kgo.Record, without string, err error) {
	bare := e.bare()
	letter := *e
	letter.Original = nil // the headers that count are those of the dead letter, also of an entry that has its original already
	if e.Dialect != retrytopics.ShareGroup || !bare && len(o.queue.UserHeaders(&letter)) > 0 {
		return nil, "", nil
	}
	record, err = o.find(ctx, e)
	var not *absent
	switch {
	case errors.As(err, &not) && bare:
		return nil, "", "the dead letter has neither key nor value (errors.deadletterqueue.copy.record.enable of its share group), and " + unroutable(not.why)
	case not != nil && not.later:
		return nil, "", "the dead letter has no headers of its record, and " + unroutable(not.why)
	case not != nil:
		return nil, "the dead letter has no headers of its record, and " + not.why, nil
	case err != nil:
		return nil, "", err
	case !bare && !samePayload(record, e.Record):
		return nil, "the dead letter has no headers of its record, and what topic " + e.State.Topic + " has in the place of its record has another key or value, as where the topic was deleted and made again", nil
	}
	return record, "", nil
}

// samePayload says whether two records have the same key and value.
func samePayload(a, b *kgo.Record) bool {
	same := func(a, b []byte) bool { return (a == nil) == (b == nil) && bytes.Equal(a, b) }
	return same(a.Key, b.Key) && same(a.Value, b.Value)
}

// find returns the record at the origin of an entry. An [*absent] says why it is not there.
func (o *originals) find(ctx context.Context, e *Entry) (*kgo.Record, error) {
	s := &e.State
	if !e.OriginKnown() {
		return nil, &absent{why: "its headers do not say where its record is: discard it"}
	}
	topic, err := o.topic(ctx, s.Topic)
	if err != nil {
		return nil, err
	}
	// None of these says to discard it: where the topic was made again, or may be yet, a later dead letter with its id would be discarded with it.
	gone := &absent{why: "topic " + s.Topic + " has its record no more: retention or compaction took it, its transaction was aborted, or the topic was deleted and made again"}
	switch {
	case topic.missing != nil:
		return nil, topic.missing
	case s.Offset >= topic.written[s.Partition]:
		return nil, &absent{why: "topic " + s.Topic + " has no such record, or not yet: the topic was deleted and made again, or the headers are wrong"}
	case s.Offset >= topic.stable[s.Partition]:
		return nil, &absent{"a transaction is open before its record in topic " + s.Topic + ": replay it when that has ended", true}
	}
	record, err := o.read(ctx, topic, s.Partition, s.Offset)
	switch {
	case errors.As(err, new(*TopicDeletedError)):
		topic.missing = notThere(s.Topic)
	case errors.Is(err, kerr.TopicAuthorizationFailed):
		topic.missing = notReadable(s.Topic)
	case errors.Is(err, errUnreadable):
		return nil, &absent{why: "what topic " + s.Topic + " has in the place of its record cannot be read: the batch is damaged"}
	case err != nil:
		return nil, err
	case record == nil:
		return nil, gone
	case !record.Timestamp.After(e.At.Add(clocksDiffer)):
		return own(record), nil
	case record.Attrs.TimestampType() != logAppendTime && o.named != nil && o.named(e): // a producer may say any time: who names the entry knows better
		return own(record), nil
	case record.Attrs.TimestampType() != logAppendTime:
		return nil, &absent{why: "what topic " + s.Topic + " has in the place of its record was written, by its producer's clock, after that had died: that clock is ahead, or the topic was deleted and made again; one that is named by its own id is replayed all the same"}
	default:
		return nil, &absent{why: "what topic " + s.Topic + " has in the place of its record was written after that had died: the topic was deleted and made again, and a later dead letter with its id may be of that record"}
	}
	return nil, topic.missing
}

const logAppendTime = 1 // of a record's timestamp, which a broker gave it

// own is a copy of a record that shares no memory with the batch that it came in, which may be many times as large.
func own(r *kgo.Record) *kgo.Record {
	c := *r
	c.Key, c.Value, c.Headers = bytes.Clone(r.Key), bytes.Clone(r.Value), slices.Clone(r.Headers)
	for i := range c.Headers {
		c.Headers[i].Value = bytes.Clone(c.Headers[i].Value)
	}
	return &c
}

func notThere(topic string) *absent {
	return &absent{why: "topic " + topic + ", where its record was, does not exist"}
}

func notReadable(topic string) *absent {
	return &absent{"topic " + topic + ", where its record is, may not be read by this user: grant Describe and Read on it, if there is such a topic", true}
}

// topic looks up a topic that headers name, once.
func (o *originals) topic(ctx context.Context, name string) (*originTopic, error) {
	if at := o.topics[name]; at != nil {
		return at, nil
	}
	at, err := o.lookUp(ctx, name)
	switch {
	case errors.Is(err, kerr.TopicAuthorizationFailed):
		at = &originTopic{missing: notReadable(name)}
	case errors.Is(err, ErrNoTopic), errors.Is(err, kerr.UnknownTopicOrPartition):
		at = &originTopic{missing: notThere(name)}
	case err != nil:
		return nil, err
	}
	o.topics[name] = at
	return at, nil
}

// lookUp is topic of one that was not met before. What headers name may be anything: a topic that pipelines work with, or one of Kafka's own, is read for
// nobody, so that a dead letter with such headers brings nothing of it to where others see it.
func (o *originals) lookUp(ctx context.Context, name string) (*originTopic, error) {
	if retrytopics.Legal(name) != name || retrytopics.IsInternal(name) || o.queue.working(name) {
		return &originTopic{missing: &absent{why: "its headers name " + cutBytes(name, maxOriginName) + " as the topic of its record, which is no source of any: discard it"}}, nil
	}
	q := o.queue
	detail, err := describe(ctx, q.admin, name)
	switch {
	case err != nil:
		return nil, err
	case detail.IsInternal:
		return &originTopic{missing: &absent{why: "its headers name " + name + " as the topic of its record, which is no source of any: discard it"}}, nil
	case !may(detail, kadm.OpRead):
		return &originTopic{missing: notReadable(name)}, nil
	}
	at := &originTopic{fetcher: newFetcher(q.client, q.admin, detail)}
	if at.stable, err = listed(ctx, name, q.admin.ListCommittedOffsets); err != nil {
		return nil, err
	}
	at.written, err = listed(ctx, name, q.admin.ListEndOffsets)
	return at, err
}

const maxOriginName = 249 // of a topic's name, in bytes
