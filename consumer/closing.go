package consumer

import (
	"context"
	"sync"
	"time"
)

// closing bounds what a pipeline waits for at its end. A request waits in the client for others, whose time is not its own, and a client that is
// closed tells brokers that its fetch sessions are over: with brokers that do not answer either takes minutes. All of it together gets
// closeTimeout, and ends by itself after that: what is closed fails the requests that it had.
type closing struct {
	once sync.Once
	by   time.Time
}

// closeTimeout is how long a pipeline waits, when all is done, for its own goroutines and clients to end.
const closeTimeout = 5 * time.Second

// wait calls what ends something, and waits for it as long as there is time.
func (c *closing) wait(end func()) {
	c.once.Do(func() { c.by = time.Now().Add(closeTimeout) })
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		end()
	}()
	timeout := time.NewTimer(time.Until(c.by))
	defer timeout.Stop()
	select {
	case <-ended:
	case <-timeout.C:
	}
}

// within calls f and returns what it does, or ctx's error when ctx ends first: a client whose requests stand behind others that are not answered
// does not heed it. f goes on then.
func within(ctx context.Context, f func() error) error {
	ended := make(chan error, 1)
	go func() { ended <- f() }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}
