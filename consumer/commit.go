package consumer

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// committer commits the watermarks of open lanes. A commit and the closing of lanes exclude each other, so that nothing
// is committed for a partition after its revocation: neither the client nor the broker would refuse it, and it would
// put the next owner back.
type committer struct {
	p     *Pipeline
	turn  chan struct{} // held during a commit and while lanes close; a channel, for it is held across a request
	dirty chan struct{} // a watermark has moved
	press chan struct{} // much has been settled
	late  atomic.Int64  // until when a commit that was not answered may be carried out, in Unix nanoseconds; 0: there is none

	refused atomic.Int64 // until when a lane may be put off at most, in Unix nanoseconds
}

const (
	// commitPause is how long a commit collects before it is sent.
	commitPause = 200 * time.Millisecond
	// commitTimeout bounds one commit request.
	commitTimeout = 10 * time.Second
	// commitTries is how often the last commit of a lane is tried.
	commitTries = 3
)

func newCommitter(p *Pipeline) *committer {
	c := &committer{p: p, turn: make(chan struct{}, 1), dirty: make(chan struct{}, 1), press: make(chan struct{}, 1)}
	c.turn <- struct{}{}
	return c
}

// errGivenUp is the end of a commit that waited while partitions of it were given up. The next one leaves them out.
var errGivenUp = errors.New("partitions were given up while the commit waited")

// moved says that a watermark has moved.
func (c *committer) moved() {
	select {
	case c.dirty <- struct{}{}:
	default:
	}
}

// hurry says that so much has been settled since the last commit that the next one must not wait.
func (c *committer) hurry() {
	select {
	case c.press <- struct{}{}:
	default:
	}
}

// run commits until ctx ends. It rests while no watermark moves.
func (c *committer) run(ctx context.Context) {
	pause := time.NewTimer(0)
	<-pause.C
	for {
		select {
		case <-ctx.Done():
			return
		case <-c.dirty:
		}
		pause.Reset(commitPause)
		select {
		case <-ctx.Done():
			return
		case <-pause.C:
		case <-c.press:
		}
		if err := c.commit(ctx, c.due(c.p.intake.all(), time.Now()), c.commitHeld); err != nil && ctx.Err() == nil {
			if !errors.Is(err, errGivenUp) {
				c.p.faults.note("commit", "", -1, err)
			}
			c.moved()
		}
	}
}

// commit commits the watermarks of the lanes that are open and have moved, by commitHeld or commitLast.
func (c *committer) commit(ctx context.Context, lanes []*lane, by func(context.Context, []*lane) error) error {
	select {
	case <-c.turn:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { c.turn <- struct{}{} }()
	return by(ctx, lanes)
}

// commitHeld is commit for who has the turn. Brokers that take less metadata than we thought get less at once: the lanes
// may be about to go.
func (c *committer) commitHeld(ctx context.Context, lanes []*lane) error {
	for {
		marks := c.marks(lanes)
		if len(marks) == 0 {
			return nil
		}
		if tooLarge, err := c.send(ctx, marks); err != nil || !tooLarge {
			return err
		}
	}
}

// commitLast is commitHeld for lanes that are about to go: what is refused for a moment, as in a rebalance, is tried some times.
func (c *committer) commitLast(ctx context.Context, lanes []*lane) (err error) {
	for try := range commitTries {
		if try > 0 {
			select {
			case <-ctx.Done():
				return err
			case <-time.After(commitPause):
			}
		}
		if err = c.commitHeld(ctx, lanes); err == nil || ctx.Err() != nil {
			return err
		}
	}
	return err
}

// send commits what the marks say. It reports whether metadata was refused for its size, and will be less the next time.
func (c *committer) send(ctx context.Context, marks marks) (tooLarge bool, err error) {
	offsets := make(map[string]map[int32]kgo.EpochOffset)
	for p, m := range marks {
		if offsets[p.topic] == nil {
			offsets[p.topic] = make(map[int32]kgo.EpochOffset)
		}
		offsets[p.topic][p.number] = kgo.EpochOffset{Epoch: m.epoch, Offset: m.at}
	}
	ctx, cancel := context.WithTimeout(ctx, commitTimeout)
	defer cancel()
	// A commit waits while the group rebalances, and is then sent with what this member is after that.
	ctx = kgo.PreCommitFnContext(ctx, marks.annotate)
	began := time.Now()
	var failed error
	c.p.client.CommitOffsetsSync(ctx, offsets, func(_ *kgo.Client, req *kmsg.OffsetCommitRequest, resp *kmsg.OffsetCommitResponse, err error) {
		if err != nil {
			failed = err
			return
		}
		nameTopics(req, resp)
		for _, t := range resp.Topics {
			for _, part := range t.Partitions {
				if err := kerr.ErrorForCode(part.ErrorCode); err != nil {
					tooLarge = tooLarge || errors.Is(err, kerr.OffsetMetadataTooLarge)
					failed = errors.Join(failed, marks.refused(partition{t.Topic, part.Partition}, err))
				}
			}
		}
		c.acknowledged(marks)
	})
	c.p.meter.commit.observe(time.Since(began))
	return tooLarge, failed
}

// nameTopics names the topics of a response that newer brokers call by their ids only. The client does so itself, except
// when the member has changed since the request.
func nameTopics(req *kmsg.OffsetCommitRequest, resp *kmsg.OffsetCommitResponse) {
	for i := range resp.Topics {
		t := &resp.Topics[i]
		for j := 0; t.Topic == "" && j < len(req.Topics); j++ {
			if req.Topics[j].TopicID == t.TopicID {
				t.Topic = req.Topics[j].Topic
			}
		}
	}
}

// mark is what a commit says of one lane.
type mark struct {
	lane     *lane
	at       int64
	epoch    int32
	version  uint64
	settled  int64 // records of the lane, all in all
	metadata string
	told     int64 // below this offset it tells of everything that is done
	routes   int64 // the highest offset of which it has a copy with it, -1: none
	again    int64 // it corrects commits that may have come by then
	less     bool  // it tells only of what the commit before told of
	news     bool  // it says something else than those before: whoever reads the commit can tell which it is
}

// said is what a commit says to whoever reads it.
type said struct {
	at       int64
	metadata string
}

func (m *mark) said() said { return said{m.at, m.metadata} }

// marks are those of one commit.
type marks map[partition]*mark

// marks collects what is to be committed: of lanes that are open and of which something was settled since.
func (c *committer) marks(lanes []*lane) marks {
	all := make(marks)
	for _, l := range lanes {
		if m := l.mark(false); m != nil {
			all[partition{l.topic, l.partition}] = m
		}
	}
	return all
}

// mark returns what a commit would say of the lane now, nil when it has said it already, or may not say it. With leaving, the records whose
// copies are part of the transaction under way count as settled.
func (l *lane) mark(leaving bool) *mark {
	l.strand.mu.Lock()
	defer l.strand.mu.Unlock()
	if !l.placed || l.closed || l.inDoubt {
		return nil
	}
	again := l.strand.p.committer.sayAgain(l)
	if !leaving && l.version == l.committedVersion && l.watermark() == l.committed && again == 0 {
		return nil
	}
	note := l.strand.p.topics.note(l.topic)
	if note.retry {
		note.id = printedID(l.topicID)
	}
	runs := &l.mapped
	if leaving {
		runs = new(doneRuns)
	}
	runs.reset()
	at := l.progress(runs, leaving)
	if !leaving {
		l.mappedVersion = l.version
	}
	text := note.metadata("")
	room := l.metadata - len(text) - len(noteVersion) - len(noteDone)
	told := runs.told(at, room)
	if text = note.metadata(runs.text(at, l.topicID, room)); len(text) > l.metadata {
		text = ""
		if runs.bits > 0 {
			told = at
		}
	}
	m := &mark{lane: l, at: at, epoch: l.seenIn(), version: l.version, settled: l.settledRecords.Load(), metadata: text, told: told, routes: -1, again: again}
	if l.strand.p.transactor != nil && l.pinned >= told {
		if m.told = -1; !leaving {
			l.stuck = true
			still, ok := l.stillTold(at)
			text = note.metadata(still.text(at, l.topicID, metadataLimit))
			if !ok || at == l.stands.at && again == 0 || len(text) > max(l.metadata, len(l.stands.metadata)) {
				return nil // the commit before stands, which tells of it
			}
			m.metadata, m.told, m.less = text, at, true
		}
	}
	if m.news = m.said() != l.said; !leaving {
		l.said = m.said()
	}
	return m
}

// stillTold returns what the commit that stands says to be done above an offset, which has room where that had, and whether it tells of all that the next ones
// must not forget. The strand's mutex is held.
func (l *lane) stillTold(at int64) (runs doneRuns, ok bool) {
	done, err := readDone(doneIn(l.stands.metadata), l.stands.at, l.topicID)
	if err != nil {
		return runs, false
	}
	from := at
	for _, s := range done {
		if s.from > from {
			runs.add(s.from-from, s.to-s.from)
			from = s.to
		}
	}
	return runs, from > l.pinned
}

// annotate puts the metadata into a commit that is about to be sent, and stops one that waited while lanes were closed.
func (ms marks) annotate(req *kmsg.OffsetCommitRequest) error {
	for i := range req.Topics {
		t := &req.Topics[i]
		for j := range t.Partitions {
			m := ms[partition{t.Topic, t.Partitions[j].Partition}]
			if m.lane.isClosed() {
				return errGivenUp
			}
			t.Partitions[j].Metadata = &m.metadata
		}
	}
	return nil
}

// refused takes out what the broker has not committed.
func (ms marks) refused(at partition, err error) error {
	m := ms[at]
	delete(ms, at)
	return m.refused(at, err)
}

// refused takes down that a commit was refused. Brokers that take less metadata than we thought get half as much the next
// time, which is soon; then it returns nil. Who refuses a commit without any refuses it like any other.
func (m *mark) refused(at partition, err error) error {
	if m != nil && errors.Is(err, kerr.OffsetMetadataTooLarge) && m.lane.metadataLeft() > 0 {
		if !m.outgrown() {
			m.lane.strand.p.lessMetadata(at.topic, m.lane.halveMetadata())
		}
		m.lane.strand.p.committer.moved()
		return nil
	}
	if m != nil && aboutTopic(err) {
		m.lane.strand.p.committer.putOff(m.lane)
	}
	return fmt.Errorf("%s/%d: %w", at.topic, at.number, err)
}

// outgrown reports whether the brokers take less by now than what the commit before said, which is not tried any more then.
func (m *mark) outgrown() bool {
	m.lane.strand.mu.Lock()
	defer m.lane.strand.mu.Unlock()
	if !m.less || len(m.metadata) <= m.lane.metadata {
		return false
	}
	m.lane.stands = said{}
	return true
}

// metadataLeft is how much metadata the lane's commits may have, in bytes.
func (l *lane) metadataLeft() int {
	l.strand.mu.Lock()
	defer l.strand.mu.Unlock()
	return l.metadata
}

// halveMetadata lets them have half of it, and returns how much that is.
func (l *lane) halveMetadata() int {
	l.strand.mu.Lock()
	defer l.strand.mu.Unlock()
	l.metadata /= 2
	return l.metadata
}

// lessMetadata tells that brokers take less metadata than they do by default.
func (p *Pipeline) lessMetadata(topic string, bytes int) {
	if times, loud := p.repeats.again("metadata refused", topic); loud {
		p.log.Warn("brokers refuse the metadata of a commit for its size: less is tried", "pipeline", p.cfg.Name, "topic", topic, "bytes", bytes, "times", times,
			"remedy", "offset.metadata.max.bytes=4096 on the brokers: what it has no room for is handled again by the next owner, and with exactly_once_routing copies wait until it has")
	}
}

// acknowledged notes what is committed, settles the copies that are so with it, and has lanes looked at again that waited for room.
func (c *committer) acknowledged(ms marks, routes ...*route) {
	for _, m := range ms {
		l := m.lane
		l.strand.mu.Lock()
		l.committed, l.said, l.committedVersion, l.refusals = m.at, m.said(), m.version, refusals{}
		l.stands = l.said
		l.repeated = max(l.repeated, m.again)
		l.pinned, l.stuck = max(l.pinned, m.routes), m.less
		saved := int64(0)
		if !l.closed {
			saved, l.saved = m.settled-l.saved, m.settled
		}
		l.strand.mu.Unlock()
		c.p.intake.saved(saved)
	}
	for _, r := range routes {
		c.p.settleRoute(r)
	}
	c.p.intake.ease()
}
