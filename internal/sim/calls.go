package sim

import (
	"fmt"
	"slices"
	"time"

	"github.com/redeliver/redeliver/classify"
	"github.com/redeliver/redeliver/consumer"
)

// This file takes down what the handlers see, and decides how their calls end.

// begin takes down that a call began and returns its number.
func (w *World) begin(m *Member, r *consumer.Record, batch int64) int {
	raw := r.Raw()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.h.Calls = append(w.h.Calls, Call{
		Member: m.Name, From: Place{Partition{raw.Topic, raw.Partition}, raw.Offset},
		Origin: Place{Partition{r.Topic, r.Partition}, r.Offset}, ID: r.ID(), Group: r.Group(), Attempt: r.Attempt(), Replays: r.Replays(),
		Batch: batch, Key: r.Key, Value: r.Value, Headers: slices.Clone(r.Headers), Timestamp: r.Timestamp, Start: w.rec.now(), stamp: raw.Timestamp,
	})
	return len(w.h.Calls) - 1
}

// verdict decides how a call ends.
func (w *World) verdict(m *Member, r *consumer.Record) (v verdict, work time.Duration, deaf bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.flying++
	rec := w.records[numberOf(r)]
	if rec == nil {
		if w.failed == "" {
			w.failed = fmt.Sprintf("the handler was called with a record that nobody produced: %s", r.ID())
		}
		return verdict{result: Succeeded}, 0, false
	}
	if w.room != nil && !w.down && w.flying > w.room() {
		return verdict{result: Failed, class: classOfDown, outage: true, err: errBusy}, rec.Fate.Work, false
	}
	if w.down {
		return verdict{result: Failed, class: classOfDown, outage: true, err: errDown}, rec.Fate.Work + w.slow, false
	}
	return rec.next(), rec.Fate.Work + w.slow, rec.Fate.Deaf
}

const classOfDown = classify.Network

func (w *World) cancelled(call int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if c := &w.h.Calls[call]; c.Cancelled.IsZero() {
		c.Cancelled = w.rec.now()
	}
}

// end takes down how a call ended. What a dead member's call comes to nobody knows.
func (w *World) end(m *Member, call int, v *verdict) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.flying--
	if m.dead.Load() {
		return
	}
	c := &w.h.Calls[call]
	c.Result, c.Class, c.Delay, c.Outage = v.result, "", v.delay, v.outage
	if v.result == Failed || v.result == Buried {
		c.Class = v.class.String()
	}
	c.End = w.rec.now()
}

// Calls returns the calls so far of a record.
func (w *World) Calls(r *Record) (calls []Call) {
	w.mu.Lock()
	defer w.mu.Unlock()
	at, ok := w.places[r.n]
	for _, c := range w.h.Calls {
		if ok && c.Origin == at {
			calls = append(calls, c)
		}
	}
	return calls
}

// PlaceOf returns where a produced record stands.
func (w *World) PlaceOf(r *Record) Place {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.places[r.n]
}
