package dlq

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	doingPurged = "purged" // of ledger records that say what a purge deleted

	purgesKept = 100 // of which the ledger says so

	// headerForgets on a tombstone says which entry has no mark any more. One without it, as earlier releases wrote, leaves what is known of the entry as
	// it is: its mark stands in another place.
	headerForgets = "redeliver-forgets"
)

// purgeValue says in the ledger what a purge deleted and forgot, for those who hold more than the topic: indexes.
type purgeValue struct {
	At   int64           `json:"at"`   // Unix ms, after all marks that were taken out
	From map[int32]int64 `json:"from"` // by partition: where the dead letters began
	To   map[int32]int64 `json:"to"`   // and where they begin now
	Ends map[int32]int64 `json:"ends"` // and where they ended: copies that stand behind that came later
	// Until bounds when records were written that were to be deleted, in Unix ms; 0: none were.
	Until int64 `json:"until,omitempty"`
	Open  bool  `json:"open,omitempty"` // what is still to be dealt with was deleted too
	// Forgot bounds when marks were made that were taken out of entries which the topic had lost, in Unix ms.
	Forgot int64 `json:"forgot"`
	// Ledger is where the partitions of the ledger ended before: who had read so far knew all marks that were taken out.
	Ledger map[int32]int64 `json:"ledger"`
}

// forgotten is what a tombstone says of the entry whose mark it takes back, if it does.
func forgotten(tombstone *kgo.Record) ([]byte, bool) {
	for _, h := range tombstone.Headers {
		if h.Key == headerForgets {
			return h.Value, true
		}
	}
	return nil, false
}

// gone finds the marks of entries of which no copy is left, and all that is said of a topic which had the name before and was deleted.
func (p *purge) gone(ctx context.Context) error {
	reader, spans, err := p.task.survey.wholeLedger(ctx)
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var readers sync.WaitGroup
	var mu sync.Mutex
	for _, s := range spans {
		readers.Go(func() {
			// What stands in the partition of a key decides about it: its tombstone and its marks stand in one order.
			stale := make(map[string]*kgo.Record)
			err := reader.fetcher.read(ctx, s, func(records []*kgo.Record, _ int64) error {
				for _, r := range records {
					if err := p.stale(reader.keys, r, stale); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				stop(err)
				return
			}
			mu.Lock()
			p.marks = slices.AppendSeq(p.marks, maps.Values(stale))
			mu.Unlock()
		})
	}
	readers.Wait()
	if err := context.Cause(ctx); err != nil {
		return err
	}
	// What is said of another topic is said of one that is gone, unless this one is: who writes of the next one takes over from this call.
	topic, err := p.task.survey.queue.describe(ctx)
	switch {
	case err == nil && topic.ID != p.task.survey.topic.ID, errors.Is(err, ErrNoTopic):
		return &TopicDeletedError{p.task.survey.queue.topic}
	case err != nil:
		return err
	}
	if p.DryRun {
		p.done.Marks = int64(len(p.marks))
	}
	return nil
}

// stale notes the tombstone of a mark that is of nothing any more.
func (p *purge) stale(keys ledgerKeys, r *kgo.Record, stale map[string]*kgo.Record) error {
	rest, ours := strings.CutPrefix(string(r.Key), keys.prefix)
	at, isMark := parsePosition(rest)
	if !ours && !isLedgerKey(r.Key) || ours && !isMark {
		return nil
	}
	delete(stale, string(r.Key))
	if r.Value == nil {
		return nil
	}
	if !ours {
		stale[string(r.Key)] = &kgo.Record{Topic: r.Topic, Partition: r.Partition, Key: r.Key}
		return nil
	}
	v, about, err := keys.decode(r)
	if errors.As(err, new(*damagedRecordError)) { // a later one has its place, for the ledger was read
		return nil
	}
	if err != nil || !about {
		return err
	}
	id := identify(v.ID, v.Group, v.Replays, v.Replay)
	birth := v.birth()
	m := p.task.survey.ledger.with(id, birth)
	last, known := p.last[id.born(birth)]
	if again, is := p.last[id.born(birth).anew()]; is && (!known || again.offset > last.offset) {
		last, known = again, true
	}
	if birth == noBirth {
		last, known = p.unborn[id]
	}
	left := known && last.offset >= p.cuts[last.partition]
	switch {
	case left, at.offset >= p.cuts[at.partition]:
		return nil
	case !known && at.offset < p.starts[at.partition] && (v.At >= p.spared || !p.IncludeOpen && slices.Contains(toBeDealtWith, m.status)):
		return nil
	}
	stale[string(r.Key)] = &kgo.Record{
		Topic: r.Topic, Partition: r.Partition, Key: r.Key, Headers: []kgo.RecordHeader{{Key: headerForgets, Value: p.forgets(&v)}},
	}
	return nil
}

// forgets says whose mark a tombstone takes back.
func (p *purge) forgets(v *ledgerValue) []byte {
	none := ledgerValue{V: ledgerVersion, Status: StatusOpen.String(), At: p.at(), ID: v.ID, Group: v.Group, Replays: v.Replays, Replay: v.Replay, Born: v.Born, Seen: v.Seen}
	return none.appendMark(nil)
}

// at is the time of what the purge writes: after all marks.
func (p *purge) at() int64 { return p.task.survey.ledger.latest + 1 }

// forget writes the tombstones, and before them what was deleted.
func (p *purge) forget(ctx context.Context) error {
	if p.done.Records == 0 && len(p.marks) == 0 && p.Before.IsZero() {
		return nil
	}
	w := p.task.writer
	records := p.records()
	others, sofar := len(records), 0
	records = append(records, p.marks...)
	for batch := range slices.Chunk(records, w.queue.batch) {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if sent := w.transact(ctx, batch); !sent.committed() {
			return w.failure(sent, w.aftermath(ctx, sent))
		}
		if sofar == 0 {
			p.tellKept()
		}
		sofar += len(batch)
		p.done.Marks = int64(max(sofar-others, 0))
	}
	return nil
}

// records say what was deleted, and no longer what was long ago.
func (p *purge) records() []*kgo.Record {
	w := p.task.writer
	said := purgeValue{From: p.starts, To: p.cuts, Ends: p.ends, Open: p.IncludeOpen, Forgot: p.spared, Ledger: w.began}
	if !p.Before.IsZero() {
		said.Until = p.Before.UnixMilli()
	}
	said.At = p.at()
	value, _ := json.Marshal(ledgerValue{V: ledgerVersion, At: said.At, By: w.self.By, Run: p.done.Run, Doing: doingPurged, Purge: &said}) // numbers: it cannot fail
	records := []*kgo.Record{{Topic: w.ledger, Partition: writerPartition, Key: w.keys.purge(p.done.Run), Value: value}}
	runs := slices.Sorted(slices.Values(p.task.survey.ledger.purges)) // they begin with their time
	for _, run := range runs[:max(len(runs)-purgesKept+1, 0)] {
		records = append(records, &kgo.Record{Topic: w.ledger, Partition: writerPartition, Key: w.keys.purge(run)})
	}
	return records
}
