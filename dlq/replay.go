package dlq

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/retrytopics"
)

// DefaultMaxReplays is the cap of a [Replay] that names none.
const DefaultMaxReplays = 3

// Replay says what [Queue.Replay] does. The zero Replay puts all entries that are still to be dealt with back to work.
type Replay struct {
	// Filter selects the entries. Entries that were replayed are left out whatever it says, unless Again; those that
	// were discarded unless its Status or All asks for them. Limit bounds the entries that are replayed.
	Filter Filter
	// To is where they go. Defaults to OwnTier. On another cluster, see [Destination.On], each is written at least once.
	To Destination
	// Rate is how many entries are written a second: in no second more than that and 10 ms of it, or one. What the brokers do not manage is not made
	// up for. 0: no limit. A dry run does not keep to it.
	Rate float64
	// Concurrency is how many replayed entries may be without an outcome at a time: they have neither succeeded nor died
	// again. 0: what was replayed is not waited for, or 1000 where Canary, StopAt or Wait want it.
	Concurrency int
	// Canary entries go first, and the rest only if so many of them succeed as CanaryRate says. What the brokers refuse has not succeeded. 0: none.
	Canary int
	// CanaryRate is the share of the canaries that have to succeed, above 0 and up to 1. 0 means 1: all of them.
	CanaryRate float64
	// StopAt is the share of failures among the outcomes above which the replay stops, once there are ten. No more entries are without an outcome then
	// than outcomes are known, or ten. 0: none.
	StopAt float64
	// Wait waits for the outcomes of all entries that are replayed. Entries whose outcome could not be known, as those of share groups, are left out where
	// this or one of the above waits for them.
	Wait bool
	// MaxReplays is the cap against going round for ever: entries that were replayed so often, the replays counted that they died of, are left
	// out and marked [StatusLimited]; those that were replayed stay that. Defaults to 3; negative: none.
	MaxReplays int
	// SetHeaders are set on the records, in the place of the user's headers with their names. Redeliver's own are refused.
	SetHeaders []kgo.RecordHeader
	// UnsetHeaders are the names of user's headers that the records are to be without.
	UnsetHeaders []string
	// SetKey is the records' new key. nil: they keep theirs. The partition stays that of the origin, but for ToTopic.
	SetKey []byte
	// JQ is a program of jq that makes the new value of the old one, which is written without spaces, with keys in order and each once; what is no JSON,
	// and what it fails on, is left out. It
	// needs a queue with [JQ].
	JQ string
	// Edit changes key, value and headers of a record, after all other edits, and is called twice for a record where keys are held ([KeysAreHeld]), to
	// find out where it goes, and for its copy; it gets Redeliver's headers too, which are
	// written anew. It must not change the bytes, only replace them. An error ends the replay. Where it is set no other call
	// can go on with the replay.
	Edit func(record *kgo.Record) error
	// EditText says in the marks what Edit changes, beside the other edits; they keep 1 KiB of it all. What is to be hidden of records must not stand in it,
	// for a pattern need not find it there. Defaults to "by hand".
	EditText string
	// Again replays also what was replayed before, unless Filter names statuses and not [StatusReplayed]. An entry whose replay died is left out all the
	// same unless it is named by its own id, for the dead letter that it became stands for it, here or, with [AnyGroup], where its group keeps dead letters:
	// [Summary.Superseded].
	Again bool
	// DryRun does everything but write.
	DryRun bool
	// TakeOver ends another change that is under way, with [ErrFenced], instead of being refused with ErrBusy.
	TakeOver bool
	// By is who the ledger says it was. Defaults to user@host.
	By string
	// Progress is called now and then, and at the end, by one goroutine at a time. It must not block.
	Progress func(Progress)
	// Entry is called with every entry that is replayed, or would be on a dry run, and the topic it goes to, with @ and the name of the
	// cluster where that is another one, before it is written. It must not block.
	Entry func(e Entry, topic string)
}

// Replay puts entries back to work. It covers what was in the queue when it began and returns when all of it is
// acknowledged. Each entry is written together with its mark in one transaction, so that however it ends, of itself or
// by a crash, another call with any filter does not replay again what this one did; to another cluster see [Destination.On]. When ctx ends, it ends the
// transaction that it is in, 10 seconds at most, and returns what was done with the context's error.
//
// One call changes entries at a time: while one is under way another one is refused with [ErrBusy], or takes over. One
// that was killed keeps others out for 15 seconds.
func (q *Queue) Replay(ctx context.Context, r Replay) (Summary, error) {
	summary := Summary{Run: newRun(time.Now()), DryRun: r.DryRun}
	if err := q.Check(r); err != nil {
		return summary, err
	}
	if r.MaxReplays == 0 {
		r.MaxReplays = DefaultMaxReplays
	}
	o := order{
		filter: r.Filter, doing: doingReplay, counts: StatusReplayed, by: r.By, run: summary.Run,
		dryRun: r.DryRun, takeOver: r.TakeOver, keyed: r.To.keyedHere(), progress: r.Progress,
	}
	if !r.DryRun {
		o.task = q.newTask(r, time.Now())
		o.task.ID = summary.Run
	}
	t, err := q.begin(ctx, o)
	if err != nil {
		return summary, err
	}
	defer t.end(ctx)
	t.of, t.ledger = o.task, t.survey.ledger
	return summary, t.replay(ctx, r, &summary)
}

// Check says what is wrong with a replay that nobody can do. It asks the cluster nothing; [Queue.Replay] begins with it.
func (r Replay) Check() error {
	if r.Rate < 0 || math.IsNaN(r.Rate) || math.IsInf(r.Rate, 0) {
		return fmt.Errorf("rate %v: want entries a second, or 0 for no limit", r.Rate)
	}
	if err := r.checkOutcomes(); err != nil {
		return err
	}
	if err := r.checkEdits(); err != nil {
		return err
	}
	if err := r.checkWritten(); err != nil {
		return err
	}
	return r.To.check()
}

// checkWritten refuses what the ledger cannot say of a replay, which would select or write something else when another call goes on with it.
func (r Replay) checkWritten() error {
	if e := r.Filter.Error; e != nil && !perlish(e) {
		return fmt.Errorf("error %q is compiled for POSIX, and regexp.Compile takes it otherwise: a replay cannot be written down with it", e)
	}
	if !utf8.ValidString(r.Filter.Text) {
		return fmt.Errorf("text %q is no Unicode: a replay cannot be written down with it", r.Filter.Text)
	}
	names := r.UnsetHeaders
	for _, h := range r.SetHeaders {
		names = append(names[:len(names):len(names)], h.Key)
	}
	for _, name := range names {
		if !utf8.ValidString(name) {
			return fmt.Errorf("header %q is no Unicode: a replay cannot be written down with it", name)
		}
	}
	for _, t := range []time.Time{r.Filter.Since, r.Filter.Until, r.Filter.ExpiringBefore} {
		if year := t.Year(); year < 0 || year > 9999 {
			return fmt.Errorf("%v is no time that a replay can be written down with: want a year up to 9999", t)
		}
	}
	return nil
}

// Check is [Replay.Check] and refuses what this queue cannot do: to be replayed into itself, or into another topic that pipelines work with, as far as
// names tell: the default ones, and those of [RetryNames].
func (q *Queue) Check(r Replay) error {
	if err := r.To.check(); err != nil {
		return err
	}
	if err := q.checkCluster(r.To); err != nil {
		return err
	}
	if to := r.To.keyedHere(); to == q.topic || to == q.Ledger() {
		return fmt.Errorf("%s is not replayed into itself: name another topic than it and its ledger", q.topic)
	}
	if to := r.To.keyedHere(); to != "" && q.working(to) { // on another cluster such a name may be anybody's
		return fmt.Errorf("%s is no source but a retry topic, a dead-letter topic, a ledger or a control topic of a pipeline: name another topic", to)
	}
	if _, err := q.editor(r); err != nil {
		return err
	}
	return r.Check()
}

// replayDecision decides which entries are replayed.
type replayDecision struct {
	Replay
	router *router
	task   *task
	items  []item // room for the next ones
	became deaths // nil: not looked for
}

// newItem is one of many that are made at a time.
func (d *replayDecision) newItem() *item {
	const alike = 64
	if len(d.items) == 0 {
		d.items = make([]item, alike)
	}
	i := &d.items[0]
	d.items = d.items[1:]
	return i
}

// unfinished counts an entry that a replay has replayed which has not ended.
func (d *replayDecision) unfinished(e *Entry, s *Summary) {
	l := d.task.survey.ledger
	if l == nil || l.tasks[e.Mark.Task] == nil || l.tasks[e.Mark.Task].over() {
		return
	}
	if s.Unfinished == nil {
		s.Unfinished = make(map[string]int64)
	}
	s.Unfinished[e.Mark.Task]++
}

// order finds out in which order to replay.
func (d *replayDecision) order(ctx context.Context) (err error) {
	d.task.survey.replayOrder, err = d.task.survey.order(ctx, func(e *Entry) (bool, error) { return d.would(ctx, e) })
	return err
}

// would says whether an entry would be replayed, as far as it is up to the entry itself.
func (d *replayDecision) would(ctx context.Context, e *Entry) (bool, error) {
	if d.task.spent || d.passesOver(e) || d.superseded(e) || d.task.survey.queue.foreign(e) || d.limits(e) {
		return false, nil
	}
	err := d.route(ctx, e, time.Now(), &kgo.Record{})
	if errors.As(err, new(unroutable)) {
		return false, nil
	}
	return err == nil, err
}

// passesOver says whether an entry has a status that is not asked for.
func (d *replayDecision) passesOver(e *Entry) bool {
	if e.Status == StatusReplayed && (!d.Again || len(d.Filter.Status) == 0) {
		return !d.Again
	}
	return !d.task.survey.wanted(e.Status)
}

// limits says whether an entry was replayed too often, itself or what it died of. What died behind another goes round with that one.
func (d *replayDecision) limits(e *Entry) bool {
	behind := d.task.survey.queue.keysHeld && e.State.Reason == retrytopics.ReasonBehind
	return d.MaxReplays >= 0 && e.State.Replays+e.Mark.Times >= d.MaxReplays && !behind
}

// route fills in the record that puts an entry back to work. An unroutable error leaves the entry out: also where its outcome is waited for and could
// never be known.
func (d *replayDecision) route(ctx context.Context, e *Entry, now time.Time, record *kgo.Record) error {
	if err := d.router.copy(ctx, e, now, record); err != nil || !d.Waits() {
		return err
	}
	return d.router.tells(ctx, e)
}

func (d *replayDecision) decide(ctx context.Context, e *Entry, now time.Time, s *Summary) (*item, error) {
	if e.Status == StatusReplayed && d.task.of != nil && e.Mark.Task == d.task.of.ID {
		s.Earlier++
		if d.task.outcomes == nil {
			return nil, nil
		}
		return nil, d.task.outcomes.adopt(ctx, e, e.Mark.To)
	}
	if d.task.spent {
		return nil, nil
	}
	if d.passesOver(e) {
		if d.Filter.passesSilently(e.Status) {
			return nil, nil
		}
		switch e.Status {
		case StatusReplayed:
			s.Replayed++
			d.unfinished(e, s)
		case StatusParked:
			s.Parked++
		case StatusDiscarded:
			s.Discarded++
		}
		return nil, nil
	}
	if d.superseded(e) {
		s.Superseded++
		return nil, nil
	}
	if d.task.survey.queue.foreign(e) {
		s.OtherGroup++
		return nil, nil
	}
	if o := d.task.survey.replayOrder; o != nil && o.stays[position{e.Partition, e.Offset}] {
		s.leaveOut(e, whyBehind)
		return nil, nil
	}
	if d.limits(e) {
		s.Limited++
		if e.Status == StatusLimited || e.Status == StatusReplayed { // what was replayed is not open again for that
			return nil, nil
		}
		return d.task.item(&item{entry: e}, StatusLimited, now, ""), nil
	}
	if done := e.Status == StatusReplayed || e.Status == StatusDiscarded; done || e.FailedAnew() { // the other part of it is replayed with this one
		met := &d.task.survey.ledger.met
		met.add(e.own())
		met.add(e.own().anew())
	}
	i := d.newItem()
	i.entry, i.work = e, true
	i.copy = &i.made.copy
	err := d.route(ctx, e, now, i.copy)
	i.to = d.To.place(i.copy.Topic)
	var why unroutable
	switch {
	case errors.As(err, &why):
		s.leaveOut(e, string(why))
		return nil, nil
	case err != nil:
		return nil, err
	}
	if d.Waits() && e.State.Group == "" {
		s.NoGroup++
	}
	if d.router.headless {
		s.Headerless++
	}
	if d.DryRun && d.router.takes(ctx, i.copy.Topic).limit == anyLimit && !slices.Contains(s.LimitUnknown, i.to) {
		s.LimitUnknown = append(s.LimitUnknown, i.to)
	}
	if !d.DryRun {
		d.task.survey.queue.trace(e, i.copy)
	}
	if d.task.outcomes != nil {
		if err := d.task.outcomes.prepare(ctx, e, i.copy.Topic, false); err != nil {
			return nil, err
		}
	}
	if d.Entry != nil {
		d.Entry(*e, i.to)
	}
	return d.task.item(i, StatusReplayed, now, ""), nil
}
