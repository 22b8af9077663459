package demo

import (
	"context"
	"time"
)

// task is a part of the show that goes on in a goroutine of its own.
type task struct {
	stop context.CancelFunc
	done chan struct{} // closed at its end
	err  error         // that it ended with; to be read after done
}

// begin starts a task. Should it panic, onPanic is called first.
func begin(ctx context.Context, onPanic func(), f func(ctx context.Context) error) *task {
	ctx, stop := context.WithCancel(ctx)
	t := &task{stop: stop, done: make(chan struct{})}
	go func() {
		defer func() {
			if cause := recover(); cause != nil {
				onPanic()
				panic(cause)
			}
		}()
		defer close(t.done)
		t.err = f(ctx)
	}()
	return t
}

// end stops the task and waits for its end. It may be called again.
func (t *task) end() error {
	t.stop()
	<-t.done
	return t.err
}

// endWithin is end for a task that may not end: it reports whether it did in time.
func (t *task) endWithin(d time.Duration) bool {
	t.stop()
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-t.done:
		return true
	case <-timer.C:
		return false
	}
}
