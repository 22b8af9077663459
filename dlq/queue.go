package dlq

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/retrytopics"
)

// Queue is a dead-letter topic and its ledger. Its methods may be called concurrently; those that write exclude each
// other, in this process and in others: see [ErrBusy] and [ErrFenced].
type Queue struct {
	client *kgo.Client
	admin  *kadm.Client
	topic  string

	group       string
	tier        func(origin string) string
	names       []retrytopics.Names // of groups whose topics have other names than by default
	headerLimit int
	dialects    []retrytopics.Dialect
	anyGroup    bool
	noCreate    bool
	jq          func(program string) (func([]byte) ([]byte, error), error) // nil: there is none
	keysHeld    bool
	index       *index               // nil: there is none
	tracer      Tracer               // nil: there is none
	clusters    map[string][]kgo.Opt // others, by name

	batch    int           // entries in a transaction
	ahead    int           // that are sent while it waits for more
	patience time.Duration // with the brokers, when a run has to end

	renewTime       time.Duration // between two signs of life of a writer
	outcomePatience time.Duration // without an outcome of what was replayed
	shipPatience    time.Duration // with another cluster that acknowledges nothing
}

// Option changes how a [Queue] works.
type Option func(*Queue)

// ForGroup says which consumer group the queue belongs to. Entries that carry another group are then told and not
// replayed. Without it an entry goes back to the group that it carries.
func ForGroup(group string) Option { return func(q *Queue) { q.group = group } }

// FirstTier says which topic is the first retry topic for records of an origin topic, the one that [OwnTier] replays to.
// Defaults to the one with the shortest delay that the entry's group has by the default names.
func FirstTier(topic func(origin string) string) Option { return func(q *Queue) { q.tier = topic } }

// RetryNames says how the retry topics and the dead-letter topics of groups are named, the queue's own among them, where a replay waits for
// outcomes, and for what it is not to write to. Those of other groups have the default names.
func RetryNames(names ...retrytopics.Names) Option { return func(q *Queue) { q.names = names } }

// HeaderLimit bounds the bytes of Redeliver's headers on the records that [OwnTier] writes. Defaults to 4096.
func HeaderLimit(bytes int) Option { return func(q *Queue) { q.headerLimit = bytes } }

// HeaderDialects says which headers of other programs stand on the group's copies beside Redeliver's own: a replay takes them off, and
// writes them anew on what goes to [OwnTier]. Defaults to none.
func HeaderDialects(dialects ...retrytopics.Dialect) Option {
	return func(q *Queue) { q.dialects = dialects }
}

// AnyGroup says that the entries may be of any consumer group, as in the dead-letter topic of another program. With [OwnTier] they
// go back to the group that they name, those that name none to that of [ForGroup], for which alone [FirstTier] then is.
func AnyGroup() Option { return func(q *Queue) { q.anyGroup = true } }

// LedgerExists says that a ledger topic that is missing is not made, but an error.
func LedgerExists() Option { return func(q *Queue) { q.noCreate = true } }

// Open returns the queue of a dead-letter topic. It does not ask the cluster anything.
//
// The client is used for requests, and its options for the clients of whatever writes, such as [Queue.Replay], [Queue.Start]
// and [Queue.Import]; it stays the caller's to close, after everything that was begun with the queue has ended. It must not
// be the member of a consumer group, and not be made with DisableIdempotentWrite.
func Open(client *kgo.Client, topic string, options ...Option) (*Queue, error) {
	switch {
	case topic == "":
		return nil, errors.New("open a dead-letter queue: the topic is not named")
	case client == nil:
		return nil, fmt.Errorf("open %s: there is no client", topic)
	}
	if group, _ := client.OptValue(kgo.ConsumerGroup).(string); group != "" {
		return nil, fmt.Errorf("open %s: its client is a member of group %s: give it one that consumes nothing", topic, group)
	}
	q := &Queue{client: client, admin: kadm.NewClient(client), topic: topic, batch: batchRecords, ahead: aheadRecords, patience: endPatience, renewTime: renewTime, outcomePatience: outcomePatience, shipPatience: shipPatience}
	for _, option := range options {
		option(q)
	}
	return q, nil
}

// Topic returns the dead-letter topic.
func (q *Queue) Topic() string { return q.topic }

// Ledger returns the ledger topic.
func (q *Queue) Ledger() string { return LedgerTopic(q.topic) }

// Tag returns what the ids of the queue's entries begin with. The error is ErrNoTopic when the topic does not exist.
func (q *Queue) Tag(ctx context.Context) (string, error) {
	topic, err := q.describe(ctx)
	if err != nil {
		return "", err
	}
	return topicTag(topic.ID), nil
}

// Partitions returns how many partitions the queue's topic has. The error is ErrNoTopic when it does not exist.
func (q *Queue) Partitions(ctx context.Context) (int, error) {
	topic, err := q.describe(ctx)
	return len(topic.Partitions), err
}

var errNoTopicID = errors.New("the brokers give topics no ids, as they do from Apache Kafka 2.8 on: a ledger cannot be kept")

func (q *Queue) describe(ctx context.Context) (kadm.TopicDetail, error) {
	topic, err := describe(ctx, q.admin, q.topic)
	if err == nil && topic.ID == (kadm.TopicID{}) {
		err = errNoTopicID
	}
	return topic, err
}

// readLedger reads what became of the entries, up to the bound. A ledger that does not exist is empty. The spans are
// what was read.
func (q *Queue) readLedger(ctx context.Context, topicID kadm.TopicID, until bound) (*ledger, []span, error) {
	l := newLedger()
	reader, err := q.ledgerReader(ctx, topicID)
	if errors.Is(err, ErrNoTopic) {
		return l, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	spans, err := spansOf(ctx, q.admin, q.Ledger(), time.Time{}, until)
	if err != nil {
		return nil, nil, err
	}
	return l, spans, reader.read(ctx, l, spans)
}

func (q *Queue) ledgerReader(ctx context.Context, topicID kadm.TopicID) (*ledgerReader, error) {
	topic, err := describe(ctx, q.admin, q.Ledger())
	if err != nil {
		return nil, err
	}
	return &ledgerReader{fetcher: newFetcher(q.client, q.admin, topic), keys: keysOf(topicID)}, nil
}

// wholeLedger returns what reads the queue's ledger, and all that there is of it; nothing where there is none.
func (s *survey) wholeLedger(ctx context.Context) (*ledgerReader, []span, error) {
	q := s.queue
	reader, err := q.ledgerReader(ctx, s.topic.ID)
	if errors.Is(err, ErrNoTopic) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	spans, err := spansOf(ctx, q.admin, q.Ledger(), time.Time{}, stable)
	return reader, spans, err
}

// survey is what a call goes through: the entries of the queue as they were when it began, each with what the ledger
// says about it.
type survey struct {
	queue  *Queue
	topic  kadm.TopicDetail
	sel    *selector
	ledger *ledger
	scan   *scan
	ends   map[int32]int64 // of the partitions, behind which nothing is covered, also of what only an index keeps, but for what was carried there; nil: the scan's own
	began  time.Time       // when they were so; zero: nothing that was carried is covered

	replayOrder *replayOrder // nil: that of the topic
	query       *indexQuery  // nil: it does not answer from an index
	copiesMet   map[stableID]bool
	duplicates  int64
}

// look is survey for calls that only look: where there is an index it knows what the ledger says, and survey.ledger is nil.
func (q *Queue) look(ctx context.Context, f Filter) (*survey, error) {
	topic, err := q.describe(ctx)
	if err != nil {
		return nil, err
	}
	if q.index == nil {
		return q.survey(ctx, topic, f, nil)
	}
	spans, err := spansOf(ctx, q.admin, q.topic, f.Since, stable)
	if err != nil {
		return nil, err
	}
	s, err := q.surveyOf(ctx, topic, f, newLedger(), spans)
	if err == nil {
		err = s.indexed(ctx)
	}
	if err != nil {
		return nil, err
	}
	if s.query != nil {
		s.ledger, s.copiesMet = nil, make(map[stableID]bool)
		return s, nil
	}
	s.ledger, _, err = q.readLedger(ctx, topic.ID, stable)
	return s, err
}

// survey fixes the range to go through and takes the ledger that was read, or reads it.
func (q *Queue) survey(ctx context.Context, topic kadm.TopicDetail, f Filter, l *ledger) (*survey, error) {
	spans, err := spansOf(ctx, q.admin, q.topic, f.Since, stable)
	if err != nil {
		return nil, err
	}
	return q.surveyOf(ctx, topic, f, l, spans)
}

// surveyOf is survey of a range that was fixed before.
func (q *Queue) surveyOf(ctx context.Context, topic kadm.TopicDetail, f Filter, l *ledger, spans []span) (*survey, error) {
	sel, err := f.compile(topic.ID)
	if err == nil {
		err = q.findFormer(ctx, topic, sel)
	}
	if err == nil && !f.ExpiringBefore.IsZero() {
		spans, err = q.expiring(ctx, sel, spans)
	}
	if err != nil {
		return nil, err
	}
	scan := newScan(newFetcher(q.client, q.admin, topic), sel.narrow(spans))
	scan.prints = len(f.Fingerprints) > 0
	s := &survey{queue: q, topic: topic, sel: sel, ledger: l, scan: scan}
	if l == nil {
		if s.ledger, _, err = q.readLedger(ctx, topic.ID, stable); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// mostExpected bounds for how many entries there is room before they come: a topic that is compacted has fewer of them than offsets.
const mostExpected = 1 << 20

// each calls f with the first copy of every entry that matches the filter, whatever its status, until f returns false.
// The entry is f's to keep.
func (s *survey) each(ctx context.Context, f func(*Entry) bool) error {
	if s.replayOrder != nil {
		if goOn, err := s.eachFirst(ctx, f); err != nil || !goOn {
			return err
		}
	}
	if s.ledger != nil && s.scan.query == nil && s.sel.Limit == 0 { // of what an index finds, and of so many, few come
		s.ledger.met.expect(int(min(s.scan.total, mostExpected)))
	}
	return s.scan.each(ctx, func(e *Entry) bool {
		if s.replayOrder != nil && s.replayOrder.moved[position{e.Partition, e.Offset}] {
			return true
		}
		return s.met(e, f)
	})
}

// met calls f with an entry, if it is the first copy of it and matches.
func (s *survey) met(e *Entry, f func(*Entry) bool) bool {
	if s.ledger == nil {
		return s.metIndexed(e, f)
	}
	if s.behind(e) {
		if e.Mark = s.ledger.describe(s.ledger.of(e)); s.late(e) {
			return true
		}
	}
	m, status, first := s.ledger.meet(e)
	if !s.sel.match(e) {
		return true
	}
	if e.Mark.latest().UnixMilli() <= m.at || e.Mark.At.IsZero() { // not one that only an index keeps
		e.Status, e.Mark = status, s.ledger.describe(m)
	}
	switch {
	case !s.sel.expires(e):
		return true
	case first:
		return f(e)
	case s.wanted(e.Status):
		s.duplicates++
	}
	return true
}

// wanted says whether the filter asks for entries of this status.
func (s *survey) wanted(status Status) bool { return s.sel.status[status] }
