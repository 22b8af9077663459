package dlq

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/time/rate"
)

const (
	batchRecords = 5000                   // entries in a transaction
	batchBytes   = 16 << 20               // of them
	batchTime    = 250 * time.Millisecond // that a transaction waits for more
	aheadRecords = 1250                   // entries that are sent to the brokers while a transaction waits for more
	aheadBatches = 4                      // of them that are decided before they are written
	progressTime = 100 * time.Millisecond // between two reports
)

// task goes through a queue, decides what becomes of each entry, and writes that, while the next ones are decided.
type task struct {
	survey   *survey
	writer   *writer // nil: a dry run
	decide   func(ctx context.Context, e *Entry, now time.Time, s *Summary) (*item, error)
	limit    int           // 0: none
	spent    bool          // no more than what was replayed before
	pace     *rate.Limiter // nil: none
	progress func(Progress)

	of       *Task     // the replay that is written down; nil: none is
	ledger   *ledger   // as it was when this call began
	told     bool      // it is written down by this call
	begun    bool      // this call has counted anew what it does
	before   Task      // as it was when this call began
	outcomes *outcomes // nil: they are not waited for
	gone     bool      // it was stopped when the whole range had been gone through

	ahead int // items that are written in a transaction which waits for more

	elsewhere *otherCluster // that copies are written to; nil: the queue's own

	handsOver bool // a replay whose context ends waits for another call
}

// item is what an entry becomes.
type item struct {
	entry *Entry
	copy  *kgo.Record // nil: none
	to    string      // the topic of the copy, as people are told
	mark  *kgo.Record // nil on a dry run
	work  bool        // the entry is done with it

	made struct{ copy, mark kgo.Record } // one allocation instead of three
}

// size is how much memory the item takes: a copy may be larger than its dead letter.
func (i *item) size() int {
	size := sizeOf(i.entry.Record)
	if i.copy != nil {
		size = max(size, sizeOf(i.copy))
	}
	return size
}

// records are those of the item's transaction.
func (i *item) records(dst []*kgo.Record, elsewhere bool) []*kgo.Record {
	if i.copy != nil && !elsewhere {
		dst = append(dst, i.copy)
	}
	return append(dst, i.mark)
}

// batch is what is written at a time, and how far the task had come then. Several may make a transaction: the brokers work on one while the next is
// decided.
type batch struct {
	items  []*item
	spent  []*room // memory of these and earlier ones
	so     Summary // what was counted up to here, without the batch
	last   bool    // of its transaction
	ending bool    // the last one
}

// filling is the transaction that is collected for.
type filling struct {
	records, bytes int
	began          time.Time
}

func (f filling) full(limit int, now time.Time) bool {
	return f.records >= limit || f.bytes >= batchBytes || now.Sub(f.began) >= batchTime
}

// run does the task. The summary holds what was done even when an error ended it.
func (t *task) run(ctx context.Context, summary *Summary) error {
	began := time.Now()
	defer func() { summary.Took = time.Since(began) }()
	summary.Total = t.survey.scan.total

	collecting, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	batches := make(chan *batch, aheadBatches)
	var collected error
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer close(batches)
		collected = t.collect(collecting, batches, began)
	}()
	var controls sync.WaitGroup
	for _, control := range t.controls() {
		controls.Go(func() {
			if err := control(collecting); err != nil {
				stop(err) // what was collected is written all the same
			}
		})
	}
	err := t.writeAll(ctx, batches, summary, began)
	stop(err)
	controls.Wait()
	for range batches { // let it end
	}
	<-ended
	if err == nil {
		err = collected
	}
	summary.Complete = summary.Complete && err == nil || t.gone
	return err
}

// collect gathers batches. It alone counts what is not written, in a summary that travels with the batches.
func (t *task) collect(ctx context.Context, batches chan<- *batch, began time.Time) error {
	var so Summary
	b, into := new(batch), filling{began: time.Now()}
	send := func() error {
		so.Scanned, so.Duplicates = t.survey.scan.passed.Load(), t.survey.duplicates
		b.so = so
		b.so.LeftOut, b.so.Unfinished = slices.Clone(so.LeftOut), maps.Clone(so.Unfinished)
		if b.last {
			into = filling{began: time.Now()}
		}
		select {
		case batches <- b:
			b = new(batch)
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	cut := func() error {
		b.last = true
		return send()
	}
	if t.survey.scan.memory != nil {
		t.survey.scan.spent = func(in *room) { b.spent = append(b.spent, in) }
	}
	var failed error
	taken := 0
	err := t.survey.each(ctx, func(e *Entry) bool {
		so.Matched++
		now := time.Now()
		var i *item
		if i, failed = t.decide(ctx, e, now, &so); failed != nil {
			return false
		}
		if i != nil {
			if failed = t.wait(ctx, i, into, cut); failed == nil && i.work && t.outcomes != nil {
				failed = t.outcomes.take(ctx, i, cut)
			}
			if failed != nil {
				return false
			}
			b.items = append(b.items, i)
			into.records++
			into.bytes += i.size()
			if i.work {
				taken++
			}
		}
		switch {
		case into.full(t.survey.queue.batch, now):
			failed = cut()
		case len(b.items) >= t.survey.queue.ahead:
			failed = send()
		}
		return failed == nil && (t.limit == 0 || taken < t.limit)
	})
	if err = errors.Join(err, failed); err == nil {
		so.Complete = t.limit == 0 || taken < t.limit
		if t.outcomes != nil {
			if err = cut(); err == nil {
				err = t.outcomes.drain(ctx)
			}
		}
	}
	if err != nil {
		t.gone = so.Complete && errors.Is(err, ErrStopped)
		return err
	}
	if so.Missing, so.Unselected, err = t.survey.absent(ctx); err != nil {
		return err
	}
	b.ending = true
	return cut()
}

// writeAll writes the batches as they come. A context that ends stops it between two of them.
func (t *task) writeAll(ctx context.Context, batches <-chan *batch, summary *Summary, began time.Time) error {
	ticks := time.NewTicker(progressTime)
	defer ticks.Stop()
	tell := func() {
		if t.progress != nil {
			t.count(summary)
			t.progress(Progress{
				Scanned: t.survey.scan.passed.Load(), Total: summary.Total, Matched: summary.Matched, Task: summary.Task, Done: summary.Done,
				Succeeded: summary.Succeeded, Failed: summary.Failed, Pending: summary.Pending, Took: time.Since(began),
			})
		}
	}
	defer tell()
	var open []*item  // of the transaction that is under way
	var spent []*room // memory that is free when it has ended
	var since time.Time
	end := func() error {
		items := open
		open = nil
		if err := t.write(ctx, items, summary); err != nil {
			return err
		}
		t.survey.scan.memory.put(spent)
		spent = nil
		return nil
	}
	for {
		select {
		case <-ctx.Done():
			return cmp.Or(end(), context.Cause(ctx))
		case <-ticks.C:
			tell()
			switch {
			case t.writer == nil:
			case len(open) > 0 && time.Since(since) >= batchTime: // the next ones are long in coming
				if err := end(); err != nil {
					return err
				}
			case len(open) == 0:
				if sent := t.writer.renew(ctx); sent.err != nil {
					return t.fail(ctx, sent, nil, summary)
				}
			}
		case b, ok := <-batches:
			if !ok {
				return end() // the collector says why
			}
			if ctx.Err() != nil {
				return cmp.Or(end(), context.Cause(ctx))
			}
			summary.take(b.so)
			if len(open) == 0 {
				since = time.Now()
			}
			open, spent = append(open, b.items...), append(spent, b.spent...)
			if !b.last {
				t.writeAhead(ctx, b.items)
				continue
			}
			if err := end(); err != nil {
				return err
			}
			summary.Complete = b.ending && b.so.Complete
		}
	}
}

// writeAhead has the brokers work on items of a transaction that waits for more. What is wrong with them its end says.
func (t *task) writeAhead(ctx context.Context, items []*item) {
	if t.writer == nil || t.elsewhere != nil {
		return
	}
	records := make([]*kgo.Record, 0, 2*len(items))
	for _, i := range items {
		records = i.records(records, false)
	}
	t.writer.ahead(ctx, records)
	t.ahead += len(items)
}

// write writes the items of one transaction, as far as they are not written ahead, and ends it, without those entries that the brokers refuse.
func (t *task) write(ctx context.Context, items []*item, summary *Summary) error {
	var shipping error
	if t.writer != nil && t.elsewhere != nil {
		if items, shipping = t.ship(ctx, items, summary); len(items) == 0 {
			return shipping
		}
	}
	for len(items) > 0 {
		if t.writer == nil {
			break
		}
		records := make([]*kgo.Record, 0, 2*len(items)+1)
		for _, i := range items[t.ahead:] {
			records = i.records(records, t.elsewhere != nil)
		}
		if t.of != nil {
			records = append(records, t.noted(items, summary))
		}
		sent := t.writer.transact(ctx, records)
		t.ahead = 0
		if sent.err != nil {
			return errors.Join(shipping, t.fail(ctx, sent, items, summary))
		}
		if sent.committed() {
			t.told = t.of != nil
			break
		}
		of := len(items)
		items = slices.DeleteFunc(items, func(i *item) bool {
			refused := cmp.Or(sent.refused[i.copy], sent.refused[i.mark])
			switch {
			case refused == nil:
			case t.elsewhere != nil && i.copy != nil:
				summary.Unmarked++
			default:
				summary.refuse(i.entry, refused.why)
				t.landed(i, true)
			}
			return refused != nil
		})
		if len(items) == of && !sent.again { // it is what is written of the replay itself
			return t.fail(ctx, sent, items, summary)
		}
	}
	for _, i := range items {
		summary.done(i)
		t.landed(i, false)
	}
	return shipping
}

// ship writes the copies of the items to the other cluster and returns the items whose marks are to be written now: those whose copies are
// acknowledged, and those without one. The error ends the replay, after that.
func (t *task) ship(ctx context.Context, items []*item, summary *Summary) ([]*item, error) {
	copies := make([]*kgo.Record, 0, len(items))
	for _, i := range items {
		if i.copy != nil {
			copies = append(copies, i.copy)
		}
	}
	ctx, cancel := outlast(ctx, t.writer.queue.patience)
	defer cancel()
	if sent := t.writer.renew(ctx); sent.err != nil { // who was fenced writes nothing any more, there either
		return nil, t.fail(ctx, sent, nil, summary)
	}
	var s *shipped
	err := t.writer.during(ctx, func(ctx context.Context) error {
		s = t.elsewhere.ship(ctx, copies)
		return s.err
	})
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, i := range items {
		if i.copy != nil && s.refused[i.copy] != nil {
			summary.refuse(i.entry, s.refused[i.copy].why)
		} else if i.copy != nil && !s.acked[i.copy] {
			summary.Unmarked++
		}
	}
	return slices.DeleteFunc(items, func(i *item) bool { return i.copy != nil && !s.acked[i.copy] }), err
}

// fail finds out what was done of a batch whose transaction failed.
func (t *task) fail(ctx context.Context, sent result, items []*item, summary *Summary) error {
	found := t.writer.aftermath(ctx, sent)
	work := slices.DeleteFunc(items, func(i *item) bool { return !i.work })
	elsewhere := 0
	if t.elsewhere != nil {
		elsewhere = len(work)
	}
	switch {
	case sent.inDoubt && !found.exact:
		summary.InDoubt = int64(len(work))
	case found.exact && found.marked > summary.Done: // the commit had happened, only its answer was lost
		for _, i := range work {
			summary.done(i)
		}
	default:
		summary.Unmarked += int64(elsewhere)
	}
	return t.writer.failure(sent, found)
}
