package service_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net"
	"testing"
	"time"

	"github.com/redeliver/redeliver/torture/internal/fate"
	"github.com/redeliver/redeliver/torture/internal/service"
)

// bench is a service with members.
type bench struct {
	t       *testing.T
	server  *service.Server
	address string
	seen    chan string
	log     bytes.Buffer
	end     func() // ends the service; then the log is whole
}

func setup(t *testing.T) *bench {
	b := &bench{t: t, seen: make(chan string, 1)}
	b.server = service.NewServer(&b.log, func(m string) { b.seen <- m })
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b.address = l.Addr().String()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- b.server.Serve(ctx, l) }()
	b.end = func() {
		cancel()
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
	}
	return b
}

func (b *bench) member(name string) *service.Link {
	b.t.Helper()
	l, err := service.Dial(b.address, service.Hello{Member: name, Tiers: []int64{1000}})
	if err != nil {
		b.t.Fatal(err)
	}
	return l
}

// events reads the log.
func (b *bench) events() (calls []service.Call, gone []service.Gone) {
	b.t.Helper()
	lines := json.NewDecoder(&b.log)
	for lines.More() {
		var e service.Event
		if err := lines.Decode(&e); err != nil {
			b.t.Fatal(err)
		}
		if e.Call != nil {
			calls = append(calls, *e.Call)
		}
		if e.Gone != nil {
			gone = append(gone, *e.Gone)
		}
	}
	return calls, gone
}

func call(id string, attempt int, f fate.Fate) service.Call {
	return service.Call{ID: id, Attempt: attempt, Topic: "src", Fate: f.String()}
}

// Each call ends as its record's fate says, and stands in the log with its beginning before its end.
func TestCallsEndAsFateSays(t *testing.T) {
	b := setup(t)
	l := b.member("a-1")
	put := fate.Fate{Kind: fate.Snooze, Times: 1}
	for _, c := range []struct {
		call service.Call
		want fate.Answer
	}{
		{call("src/0/0", 1, fate.Fate{}), fate.OK},
		{call("src/0/1", 1, fate.Fate{Kind: fate.Fail, Times: 1}), fate.Failed},
		{call("src/0/1", 2, fate.Fate{Kind: fate.Fail, Times: 1}), fate.OK},
		{call("src/0/2", 1, put), fate.Snoozed},
		{call("src/0/2", 1, put), fate.OK},
	} {
		got, err := l.Call(t.Context(), c.call)
		if err != nil {
			t.Fatal(err)
		}
		if got != c.want {
			t.Errorf("attempt %d of %s is answered %v, want %v", c.call.Attempt, c.call.ID, got, c.want)
		}
	}
	b.end()
	calls, _ := b.events()
	if len(calls) != 5 {
		t.Fatalf("the log has %d calls, want 5", len(calls))
	}
	for _, c := range calls {
		if c.Member != "a-1" || c.Begin >= c.End || c.BeganAt > c.EndedAt {
			t.Errorf("the log has %+v, want a call of a-1 that begins before it ends", c)
		}
	}
}

// When a member dies, the calls in flight are cut and counted.
func TestDeathOfAMemberCutsItsCalls(t *testing.T) {
	b := setup(t)
	l := b.member("a-1")
	long := fate.Fate{Work: time.Hour}
	ended := make(chan error)
	for range 2 {
		go func() {
			_, err := l.Call(t.Context(), call("src/0/0", 1, long))
			ended <- err
		}()
	}
	// Behind these two on the same connection, though one of them may not be sent yet.
	for inFlight := 0; inFlight < 2; inFlight = b.server.InFlight() {
		if _, err := l.Call(t.Context(), call("src/0/9", 1, fate.Fate{})); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := <-ended; err == nil {
			t.Error("a call that was cut has an answer")
		}
	}
	b.end()
	calls, gone := b.events()
	cut := 0
	for _, c := range calls {
		if c.Outcome == service.Cut {
			cut++
		}
	}
	if cut != 2 || len(gone) != 1 || gone[0].InFlight != 2 || gone[0].Member != "a-1" {
		t.Errorf("%d calls are cut, and gone are %+v; want 2, and a-1 with 2 in flight", cut, gone)
	}
}

// A handler that is told to give up tells the service, for which the call is over.
func TestHandlerGivesUp(t *testing.T) {
	b := setup(t)
	l := b.member("a-1")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := l.Call(ctx, call("src/0/0", 1, fate.Fate{Work: time.Hour})); !errors.Is(err, context.Canceled) {
		t.Errorf("the call ends with %v, want %v", err, context.Canceled)
	}
	late, end := context.WithDeadline(t.Context(), time.Unix(0, 0))
	defer end()
	if _, err := l.Call(late, call("src/0/1", 1, fate.Fate{Work: time.Hour})); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the call ends with %v, want %v", err, context.DeadlineExceeded)
	}
	if _, err := l.Call(t.Context(), call("src/0/2", 1, fate.Fate{})); err != nil { // behind the others
		t.Fatal(err)
	}
	b.end()
	calls, _ := b.events()
	if len(calls) != 3 || calls[0].Outcome != service.Cancelled || calls[1].Outcome != service.TimedOut {
		t.Errorf("the log has %+v, want a call that was cancelled, one that timed out, and one that was answered", calls)
	}
}

// Who watches a member is told once when a call of it begins, or fails, and nothing about others.
func TestWatchedMember(t *testing.T) {
	for _, failed := range []bool{false, true} {
		b := setup(t)
		one, other := b.member("a-1"), b.member("b-1")
		b.server.Watch(service.Watched{Member: "b-1", Failed: failed})
		for _, l := range []*service.Link{one, other, other} {
			for _, f := range []fate.Fate{{}, {Kind: fate.Refuse}} {
				if _, err := l.Call(t.Context(), call("src/0/0", 1, f)); err != nil {
					t.Fatal(err)
				}
			}
		}
		b.end()
		close(b.seen)
		if got := <-b.seen; got != "b-1" {
			t.Errorf("failed %v: %q is told of, want b-1", failed, got)
		}
		if got, more := <-b.seen; more {
			t.Errorf("failed %v: %q is told of again", failed, got)
		}
	}
}
