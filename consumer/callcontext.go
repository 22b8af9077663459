package consumer

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// callContext is the context of one handler call: its deadline is the handler's time-out, and it ends with the lane.
// A handler that never waits on it, as quick ones do not, costs no timer, channel or allocation: the channel is made
// when it is first asked for, and only then the worker takes a new callContext for its next call.
type callContext struct {
	parent   context.Context // the lane's
	calls    *callState      // for Call
	deadline atomic.Int64    // Unix nanoseconds

	touched atomic.Bool // somebody waits on it, or may

	mu     sync.Mutex
	inner  context.Context
	cancel context.CancelFunc
}

func newCallContext(parent context.Context, deadline int64, calls *callState) *callContext {
	c := &callContext{parent: parent, calls: calls}
	c.deadline.Store(deadline)
	return c
}

// begin readies the context for another call of the same lane, and reports whether it may be used for it: not when
// somebody has asked for its channel meanwhile, as a goroutine that a handler left behind may. The deadline is written
// before that is looked at, and real does it the other way round.
func (c *callContext) begin(deadline int64) bool {
	if c.deadline.Load() != deadline { // calls of a chunk that share a reading of the clock share it
		c.deadline.Store(deadline)
	}
	return !c.touched.Load()
}

// end says that the call is over and reports whether the context must not be used for another one.
func (c *callContext) end() (used bool) {
	if !c.touched.Load() {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cancel != nil {
		c.cancel()
	}
	return true
}

// real returns a context of the standard library that ends with the call.
func (c *callContext) real() context.Context {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.touched.Store(true) // before the deadline is read, see begin
	if c.inner == nil {
		c.inner, c.cancel = context.WithDeadline(c.parent, time.Unix(0, c.deadline.Load()))
	}
	return c.inner
}

// Deadline implements context.Context.
func (c *callContext) Deadline() (time.Time, bool) {
	return time.Unix(0, c.deadline.Load()), true
}

// Done implements context.Context.
func (c *callContext) Done() <-chan struct{} { return c.real().Done() }

// Err implements context.Context.
func (c *callContext) Err() error {
	c.mu.Lock()
	inner := c.inner
	c.mu.Unlock()
	if inner != nil {
		return inner.Err()
	}
	if err := c.parent.Err(); err != nil {
		return err
	}
	if time.Now().UnixNano() >= c.deadline.Load() {
		return context.DeadlineExceeded
	}
	return nil
}

// Value implements context.Context. The standard library asks for a key of its own when a child is made; that goes to
// the real context, so that children are cancelled with it and cost no goroutine.
func (c *callContext) Value(key any) any {
	if key == (callKey{}) {
		return c.calls
	}
	if c.parent.Value(key) == nil {
		return nil // which is what loggers and tracers ask for on every call
	}
	return c.real().Value(key)
}
