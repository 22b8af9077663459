package consumer

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

type keyOf struct{}

// TestCallContext holds the context of a call to what the standard library's contexts do.
func TestCallContext(t *testing.T) {
	const timeout = time.Minute
	for _, tt := range []struct {
		name string
		call func(t *testing.T, ctx context.Context, endLane context.CancelFunc, endCall func())
	}{
		{"it has the deadline", func(t *testing.T, ctx context.Context, _ context.CancelFunc, _ func()) {
			at, ok := ctx.Deadline()
			equal(t, "has a deadline", ok, true)
			equal(t, "time left", time.Until(at), timeout)
			equal(t, "error before it", ctx.Err(), nil)
			pass(timeout)
			equal(t, "error at it, without anybody waiting", ctx.Err(), context.DeadlineExceeded)
			<-ctx.Done()
			equal(t, "error at it, after waiting", ctx.Err(), context.DeadlineExceeded)
		}},
		{"it ends with the lane", func(t *testing.T, ctx context.Context, endLane context.CancelFunc, _ func()) {
			endLane()
			equal(t, "error", ctx.Err(), context.Canceled)
			<-ctx.Done()
			equal(t, "cause", context.Cause(ctx), context.Canceled)
		}},
		{"who waits is told when the lane ends", func(t *testing.T, ctx context.Context, endLane context.CancelFunc, _ func()) {
			time.AfterFunc(time.Second, endLane)
			start := time.Now()
			<-ctx.Done()
			equal(t, "waited", time.Since(start), time.Second)
		}},
		{"who waits is told when the call ends", func(t *testing.T, ctx context.Context, _ context.CancelFunc, endCall func()) {
			done := ctx.Done()
			endCall()
			<-done
			equal(t, "error", ctx.Err(), context.Canceled)
		}},
		{"a child ends with it", func(t *testing.T, ctx context.Context, _ context.CancelFunc, endCall func()) {
			child, cancel := context.WithTimeout(context.WithValue(ctx, keyOf{}, 7), time.Hour)
			defer cancel()
			at, _ := child.Deadline()
			equal(t, "time left", time.Until(at), timeout)
			equal(t, "value", child.Value(keyOf{}), any(7))
			endCall()
			<-child.Done()
			equal(t, "error", child.Err(), context.Canceled)
		}},
		{"a child without cancel outlives it", func(t *testing.T, ctx context.Context, _ context.CancelFunc, endCall func()) {
			child := context.WithoutCancel(ctx)
			endCall()
			equal(t, "error", child.Err(), nil)
		}},
		{"after-functions run", func(t *testing.T, ctx context.Context, _ context.CancelFunc, endCall func()) {
			ran := make(chan struct{})
			context.AfterFunc(ctx, func() { close(ran) })
			endCall()
			<-ran
		}},
		{"it carries no values", func(t *testing.T, ctx context.Context, _ context.CancelFunc, _ func()) {
			equal(t, "value", ctx.Value(keyOf{}), nil)
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctxOfLane, endLane := context.WithCancel(t.Context())
				of := &lane{ctx: ctxOfLane}
				defer endLane()
				var w worker
				ctx := w.begin(of, time.Now().Add(timeout).UnixNano())
				ended := false
				end := func() { w.end(ctx); ended = true }
				tt.call(t, ctx, endLane, end)
				if !ended {
					end()
				}
			})
		})
	}
}

// TestALeakedContextDoesNotReachTheNextCall lets a goroutine that a handler has left behind wait on its context only after
// the call: that must not give the worker's next call the deadline of the last one.
func TestALeakedContextDoesNotReachTheNextCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctxOfLane, endLane := context.WithCancel(t.Context())
		of := &lane{ctx: ctxOfLane}
		defer endLane()
		var w worker
		leaked := w.begin(of, time.Now().Add(time.Second).UnixNano())
		w.end(leaked)
		<-leaked.Done() // late: at the old call's deadline
		equal(t, "error of the leaked context", leaked.Err(), context.DeadlineExceeded)

		pass(time.Minute)
		ctx := w.begin(of, time.Now().Add(time.Second).UnixNano())
		defer func() { w.end(ctx) }()
		if err := ctx.Err(); err != nil {
			t.Fatalf("the next call begins with a context that has ended: %v", err)
		}
		select {
		case <-ctx.Done():
			t.Fatal("the next call begins with a context that is done")
		default:
		}
	})
}

// TestALeakedContextAndTheNextCallsDoNotRace has goroutines use a context that they kept while the worker goes on with
// other calls, of other lanes too. It is for the race detector, and no call may see a context that has ended.
func TestALeakedContextAndTheNextCallsDoNotRace(t *testing.T) {
	lanes := make([]*lane, 2)
	for i := range lanes {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		lanes[i] = &lane{ctx: ctx}
	}
	var w worker
	done := make(chan struct{})
	n := 0
	for i := range 200 {
		ctx := w.begin(lanes[i%2], time.Now().Add(time.Minute).UnixNano())
		if err := ctx.Err(); err != nil {
			t.Fatalf("call %d begins with %v", i, err)
		}
		n++
		go func() {
			_, _ = ctx.Deadline()
			_ = ctx.Err()
			_ = ctx.Done()
			_ = ctx.Value(keyOf{})
			done <- struct{}{}
		}()
		w.end(ctx)
	}
	for range n {
		<-done
	}
}

// TestAHandlerThatDoesNotWaitCostsNothing counts the allocations of the context of a quick call.
func TestAHandlerThatDoesNotWaitCostsNothing(t *testing.T) {
	var w worker
	of := &lane{ctx: t.Context()}
	deadline := time.Now().Add(time.Minute).UnixNano()
	got := testing.AllocsPerRun(100, func() {
		ctx := w.begin(of, deadline)
		if errors.Is(ctx.Err(), context.Canceled) {
			t.Error("the context has ended")
		}
		w.end(ctx)
	})
	equal(t, "allocations", got, 0)
}
