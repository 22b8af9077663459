package consumer

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/classify"
)

// disguised is an error of another program that passes itself off as one of ours.
type disguised struct{ as *DependencyError }

func (d disguised) Error() string { return "disguised" }

func (d disguised) As(target any) bool {
	of, ok := target.(**DependencyError)
	if ok {
		*of = d.as
	}
	return ok
}

// What one walk finds in an error is what errors.As finds for each of our types.
func TestOneWalkFindsWhatErrorsAsFinds(t *testing.T) {
	away := errors.New("away")
	a, b := &DependencyError{Dependency: "a", Err: away}, &DependencyError{Dependency: "b", Err: away}
	later := RetryAfter(time.Second, away)
	refused, undecodable, put := &RefusedError{Dependency: "a"}, &UndecodableError{Err: away}, &putOffError{err: away, refusal: &RefusedError{Dependency: "p"}}
	for name, err := range map[string]error{
		"plain":                   away,
		"wrapped":                 fmt.Errorf("call: %w", later),
		"one in another":          RetryAfter(time.Second, fmt.Errorf("call: %w", a)),
		"the outermost counts":    &DependencyError{Dependency: "outer", Err: a},
		"the first of the joined": errors.Join(away, b, a, later),
		"depth first":             errors.Join(fmt.Errorf("call: %w", errors.Join(away, b)), a),
		"two wrapped at once":     fmt.Errorf("%w and %w", refused, undecodable),
		"disguised":               fmt.Errorf("call: %w", disguised{a}),
		"before the disguised":    errors.Join(b, disguised{a}),
		"behind the disguised":    errors.Join(disguised{a}, b),
		"put off":                 fmt.Errorf("call: %w", put),
		"a snooze":                Snooze(time.Minute),
	} {
		t.Run(name, func(t *testing.T) {
			var got, want ourErrors
			got.in(err)
			errors.As(err, &want.of)
			errors.As(err, &want.steer)
			errors.As(err, &want.undecodable)
			errors.As(err, &want.refused)
			errors.As(err, &want.putOff)
			equal(t, "found", got, want)
		})
	}
}

// The text of a failure is read once for as long as calls fail with the same words, and is never another's.
func TestTheTextOfAFailureIsItsOwn(t *testing.T) {
	p := onBench(t, succeed).p
	long := strings.Repeat("0123456789", 200)
	for range 2 {
		for _, message := range []string{"away", "away", "gone", long, long[1:], "away"} {
			for _, kind := range []string{"*errors.errorString", "*net.OpError"} {
				f := classify.Failure{Type: kind, Message: message}
				text := p.textOf(&f)
				equal(t, "error header", text.whole, f.Text(1<<10))
				equal(t, "error in the history", text.short, f.Text(historyError))
			}
		}
	}
}

// Quick calls end the spread of a strand whether they succeed or fail: a record by itself takes more than one of a chunk.
func TestFailingCallsThatAreQuickEndTheSpread(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := onBench(t, HandlerFunc(func(context.Context, *Record) error { return RetryAfter(time.Hour, errors.New("away")) }), func(c *Config) {
			c.Breaker.Disabled, c.Concurrency = true, 1
		})
		l := w.lane(0, 0)
		l.strand.spread = true
		keys := make([]string, calmCalls+1)
		w.feed(l, keys...)
		synctest.Wait()
		l.strand.mu.Lock()
		defer l.strand.mu.Unlock()
		equal(t, "spread", l.strand.spread, false)
	})
}

// Each part of what a first copy is made in is used once: what somebody may still look at is not written again.
func TestTheRoomOfAFirstCopyIsUsedOnce(t *testing.T) {
	p := onBench(t, succeed).p
	l := &lane{source: testTopic}
	e := &entry{lane: l, record: &kgo.Record{Topic: testTopic, Offset: 5}}
	p.ensureState(e)
	first := p.copyTo(e, time.Second, time.Now())
	route := newRoute(e, Retried, first)
	one, other := e.tries(nil), e.tries(nil)
	headers := fmt.Sprint(first.Headers)
	e.state.Attempt = 7
	second := p.copyTo(e, time.Minute, time.Now())
	if again := newRoute(e, Hopped, second); again == route || second == first {
		t.Error("a copy or a route was used again")
	}
	equal(t, "headers of the first copy", fmt.Sprint(first.Headers), headers)
	if cap(one) != 1 || cap(other) != 0 {
		t.Errorf("got room for %d tries, and then for %d, want 1 and 0", cap(one), cap(other))
	}
}
