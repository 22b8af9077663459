package integration_test

import (
	"context"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/consumer"
	"github.com/redeliver/redeliver/retrytopics"
)

// call is one invocation of a handler, as the handler saw it.
type call struct {
	member  string
	id      string
	attempt int
	replays int

	// The record as it was given to the handler, and as it was read: for a retry, the copy.
	record *consumer.Record
	raw    *kgo.Record

	began time.Time
	due   time.Time // before which it should not have begun; zero: at once
	ended time.Time
	err   error
}

// early is by how much a call began before it was due, 0 when it did not.
func (c call) early() time.Duration {
	return max(c.due.Sub(c.began), 0)
}

// late is by how much a call began after it was due.
func (c call) late() time.Duration { return c.began.Sub(c.due) }

// calls are the calls of all handlers of a test, in the order in which they ended.
type calls struct {
	mu   sync.Mutex
	all  []call
	news chan struct{} // closed by the next call
}

// made makes a call and writes it down.
func (c *calls) made(ctx context.Context, r *consumer.Record, h handler) error {
	began := time.Now()
	raw := r.Raw()
	made := call{
		member: r.Pipeline(), id: r.ID(), attempt: r.Attempt(), replays: r.Replays(),
		record: r.Clone(), raw: raw, began: began,
	}
	if raw.Topic != r.Topic { // a copy: on the source anybody can write the header
		made.due = dueOf(raw)
	}
	made.err = h(ctx, r)
	made.ended = time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all = append(c.all, made)
	if c.news != nil {
		close(c.news)
		c.news = nil
	}
	return made.err
}

// dueOf reads a copy's due time out of its header, without code of the engine; zero where there is none.
func dueOf(r *kgo.Record) time.Time {
	for _, text := range header(r.Headers, retrytopics.HeaderDue) {
		if ms, err := strconv.ParseInt(text, 10, 64); err == nil {
			return time.UnixMilli(ms)
		}
	}
	return time.Time{}
}

// made so far.
func (c *calls) soFar() []call {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.all)
}

// of are the calls for one record.
func (c *calls) of(id string) (of []call) {
	for _, x := range c.soFar() {
		if x.id == id {
			of = append(of, x)
		}
	}
	return of
}

// await waits until the calls are as done says, and ends the test where they do not get there.
func (c *calls) await(t testing.TB, what string, done func(all []call) bool) []call {
	t.Helper()
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	for {
		c.mu.Lock()
		if c.news == nil {
			c.news = make(chan struct{})
		}
		all, news := slices.Clone(c.all), c.news
		c.mu.Unlock()
		if done(all) {
			return all
		}
		select {
		case <-news:
		case <-timeout.C:
			t.Fatalf("no %s after %s; calls so far: %s", what, patience, listed(all))
		}
	}
}

// awaitCount waits for n calls.
func (c *calls) awaitCount(t testing.TB, n int) []call {
	t.Helper()
	return c.await(t, strconv.Itoa(n)+" calls", func(all []call) bool { return len(all) >= n })
}

// awaitDone waits until calls for n different records have succeeded.
func (c *calls) awaitDone(t testing.TB, n int) []call {
	t.Helper()
	return c.await(t, strconv.Itoa(n)+" records done", func(all []call) bool { return len(doneIn(all)) >= n })
}

// doneIn counts the successful calls by record.
func doneIn(all []call) map[string]int {
	done := make(map[string]int)
	for _, x := range all {
		if x.err == nil {
			done[x.id]++
		}
	}
	return done
}

// listed writes the last calls for a failed test's message.
func listed(all []call) string {
	text := strconv.Itoa(len(all))
	for _, x := range all[max(len(all)-20, 0):] {
		text += "\n\t" + x.member + " " + x.id + " attempt " + strconv.Itoa(x.attempt)
		if x.err != nil {
			text += ": " + x.err.Error()
		}
	}
	return text
}

// neverEarly holds calls to the promise never-early.
func neverEarly(t testing.TB, all []call) {
	t.Helper()
	for _, x := range all {
		if early := x.early(); early > 0 {
			t.Errorf("never-early: attempt %d of %s began %v before it was due", x.attempt, x.id, early)
		}
	}
}

// onceEach expects one successful call for each of the records, and none for others.
func onceEach(t testing.TB, all []call, records []*kgo.Record) {
	t.Helper()
	done := doneIn(all)
	for _, id := range ids(records) {
		if done[id] != 1 {
			t.Errorf("bounded, no-loss: %s was handled %d times, want once", id, done[id])
		}
		delete(done, id)
	}
	for id, n := range done {
		t.Errorf("%s was handled %d times and is none of the records produced", id, n)
	}
}
