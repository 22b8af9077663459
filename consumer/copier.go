package consumer

import (
	"context"
	"fmt"
	"sync"

	"github.com/twmb/franz-go/pkg/kgo"
)

// copier has the client that writes copies when delivery is at least once. It is none that reads, so that another one can take
// its place while copies are under way.
//
// That is needed when a topic was deleted and made again. A client knows topics by their ids and has to be told to forget
// one, and then it numbers what it writes there from the beginning: whatever it has written to the new topic before that has
// the same numbers, and brokers acknowledge what they take for a repetition without writing it. Another client has another
// producer id, whose numbers nobody has seen.
type copier struct {
	options func() []kgo.Opt

	mu      sync.Mutex
	current *copyClient // nil before the first

	former sync.WaitGroup // clients that have copies under way still
	ended  context.Context
	end    context.CancelFunc
}

// copyClient is one client, and who is about to hand a copy to it: to a client that is closed it would be lost.
type copyClient struct {
	*kgo.Client
	handing sync.WaitGroup
	produce func(context.Context, *kgo.Record, func(*kgo.Record, error)) // the client's
}

func newCopier(options func() []kgo.Opt) *copier {
	c := &copier{options: options}
	c.ended, c.end = context.WithCancel(context.Background())
	return c
}

// connect makes the first client. Its error is that the client refuses its options.
func (c *copier) connect() error {
	client, err := kgo.NewClient(c.options()...)
	if err != nil {
		return fmt.Errorf("the Kafka client refuses its options: %w", err)
	}
	c.swap(client)
	return nil
}

// client returns the client for the next copy, nil before the first.
func (c *copier) client() *kgo.Client {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.current == nil {
		return nil
	}
	return c.current.Client
}

// write hands a copy to the client, which tells what has become of it.
func (c *copier) write(copied *kgo.Record, written func(*kgo.Record, error)) {
	c.mu.Lock()
	current := c.current
	current.handing.Add(1)
	c.mu.Unlock()
	defer current.handing.Done()
	current.produce(c.ended, copied, written)
}

// swap puts a client in the place of the one that there is, which it returns.
func (c *copier) swap(client *kgo.Client) (old *copyClient) {
	c.mu.Lock()
	defer c.mu.Unlock()
	old, c.current = c.current, &copyClient{Client: client, produce: client.Produce}
	return old
}

// renew puts another client in the place of the one that there is, which ends what it has under way: copies for other topics
// are written, those for a topic that is gone fail and are tried again by the new one.
func (c *copier) renew() error {
	client, err := kgo.NewClient(c.options()...)
	if err != nil {
		return err
	}
	old := c.swap(client)
	c.former.Go(func() {
		old.handing.Wait()
		_ = old.Flush(c.ended) // when it has ended first, nobody waits for these copies any more
		old.Close()
	})
	return nil
}

// close ends all clients, with what they have under way.
func (c *copier) close() {
	c.end()
	if client := c.client(); client != nil {
		client.Close()
	}
	c.former.Wait()
}
