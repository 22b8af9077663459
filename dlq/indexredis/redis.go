// Package indexredis keeps indexes of dead letters in Redis, for [github.com/redeliver/redeliver/dlq.Indexed], where all machines
// find them.
//
// An index is one hash. An update is a transaction that fails when another process has made one meanwhile, so that any number of
// processes may follow a queue.
package indexredis

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/redeliver/redeliver/dlq"
)

// Options say how Redis is reached.
type Options struct {
	Address  string // host:port
	Username string
	Password string
	DB       int
	// Dial connects, with TLS where that is wanted, as the DialContext of a [tls.Dialer] does. Defaults to TCP without.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// Client holds the connections, sixteen at most. Its methods may be called concurrently. A call ends with its context, whatever Redis does, and fails when
// nothing comes from Redis, or goes to it, for five seconds: how long a whole answer takes is not bounded.
type Client struct {
	options Options
	turns   chan struct{} // one for each call that may be under way

	mu     sync.Mutex
	free   []*line // the one that was used last at the end
	closed bool
}

// idleTime is how long a connection may have rested without being asked whether Redis is still there: it may have been started again, or have closed what rests.
const idleTime = time.Second

// New returns a client. It does not connect before it has to. The caller closes it.
func New(o Options) *Client {
	if o.Dial == nil {
		o.Dial = (&net.Dialer{Timeout: patience}).DialContext
	}
	return &Client{options: o, turns: make(chan struct{}, mostLines)}
}

// Close closes the connections, after the calls that are under way have ended.
func (c *Client) Close() error {
	for range mostLines {
		c.turns <- struct{}{}
	}
	defer func() {
		for range mostLines {
			<-c.turns
		}
	}()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return redis.ErrClosed
	}
	c.closed = true
	var failed []error
	for _, l := range c.free {
		failed = append(failed, l.redis.Close())
	}
	c.free = nil
	return errors.Join(failed...)
}

// take is a connection that nobody uses, the one that was used last, or a new one.
func (c *Client) take() (*line, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, redis.ErrClosed
	}
	last := len(c.free) - 1
	if last < 0 {
		return newLine(c.options), nil
	}
	l := c.free[last]
	c.free = c.free[:last]
	return l, nil
}

// call has do talk to Redis on a connection of its own, until the context ends.
func (c *Client) call(ctx context.Context, do func(*redis.Client) error) error {
	select {
	case c.turns <- struct{}{}:
		defer func() { <-c.turns }()
	case <-ctx.Done():
		return ctx.Err()
	}
	l, err := c.take()
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, l.cut)
	if !l.used.IsZero() && time.Since(l.used) >= idleTime {
		err = l.redis.Ping(ctx).Err() // which connects anew where that is needed, as a transaction does not
	}
	if err == nil {
		err = do(l.redis)
	}
	if !stop() || err != nil { // what is wrong with a connection stays with it
		_ = l.redis.Close()
		return err
	}
	l.used = time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.free = append(c.free, l)
	return nil
}

// failed is an error of Redis, or that the context ended, which is why anything failed then.
func (c *Client) failed(ctx context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		err = context.Cause(ctx)
	}
	return fmt.Errorf("redis at %s: %w", c.options.Address, plain(err))
}

// plain is an error without what the client puts before what befell a connection within a transaction, which tells nobody anything.
func plain(err error) error {
	if why := errors.Unwrap(err); why != nil && err.Error() == "redis: Conn is in a bad state: "+why.Error() {
		return why
	}
	return err
}

// Store is the index in the hash with the name.
func (c *Client) Store(name string) *Store { return &Store{c, name} }

// Store is a [dlq.IndexStore] in a hash of Redis. Its methods may be called concurrently.
type Store struct {
	client *Client
	hash   string
}

// version is the field that every update changes: who reads it first and finds it changed at the end was not alone.
const version = "version"

// View implements [dlq.IndexStore]. What it reads may be of several times: a part that was replaced meanwhile is not there.
func (s *Store) View(ctx context.Context, do func(dlq.IndexView) error) error {
	var own error // of do
	err := s.client.call(ctx, func(r *redis.Client) error {
		own = do(view{ctx, s.client, r, s.hash})
		return own
	})
	if err != nil && own == nil {
		return s.client.failed(ctx, err)
	}
	return err
}

// Update implements [dlq.IndexStore].
func (s *Store) Update(ctx context.Context, do func(dlq.IndexUpdate) error) error {
	var own error // of do
	watched := func(tx *redis.Tx) error {
		began, err := s.versionNow(ctx, tx)
		if err != nil {
			return err
		}
		u := &update{view: view{ctx, s.client, tx, s.hash}, puts: make(map[string][]byte)}
		if own = do(u); own != nil {
			if now, unknown := s.versionNow(ctx, tx); errors.Is(own, dlq.ErrIndexDamaged) && unknown == nil && now != began {
				return redis.TxFailedErr // what it missed was replaced by another process
			}
			return own
		}
		sent, err := tx.TxPipelined(ctx, func(p redis.Pipeliner) error {
			for name, value := range u.puts {
				if value == nil {
					p.HDel(ctx, s.hash, name)
				} else {
					p.HSet(ctx, s.hash, name, value)
				}
			}
			p.HIncrBy(ctx, s.hash, version, 1)
			return nil
		})
		return because(sent, err)
	}
	err := s.client.call(ctx, func(r *redis.Client) error { return r.Watch(ctx, watched, s.hash) })
	switch {
	case errors.Is(err, redis.TxFailedErr):
		return fmt.Errorf("%w: %w", dlq.ErrIndexMoved, err)
	case own != nil && errors.Is(err, own):
		return err
	}
	return s.client.failed(ctx, err)
}

// versionNow is "" where nothing is stored.
func (s *Store) versionNow(ctx context.Context, tx *redis.Tx) (string, error) {
	now, err := tx.HGet(ctx, s.hash, version).Result()
	if errors.Is(err, redis.Nil) {
		return "", nil
	}
	return now, err
}

// Clear implements [dlq.IndexStore].
func (s *Store) Clear(ctx context.Context) error {
	err := s.client.call(ctx, func(r *redis.Client) error { return r.Unlink(ctx, s.hash).Err() })
	return s.client.failed(ctx, err)
}

type view struct {
	ctx    context.Context
	client *Client
	redis  redis.Cmdable
	hash   string
}

func (v view) Get(names ...string) ([][]byte, error) {
	got := make([][]byte, len(names))
	if len(names) == 0 {
		return got, nil
	}
	values, err := v.redis.HMGet(v.ctx, v.hash, names...).Result()
	if err != nil {
		return nil, v.client.failed(v.ctx, err)
	}
	for i, value := range values {
		if text, ok := value.(string); ok {
			got[i] = []byte(text)
		}
	}
	return got, nil
}

type update struct {
	view
	puts map[string][]byte // nil: to be deleted
}

func (u *update) Get(names ...string) ([][]byte, error) {
	var ask []string
	for _, name := range names {
		if _, ok := u.puts[name]; !ok {
			ask = append(ask, name)
		}
	}
	stored, err := u.view.Get(ask...)
	if err != nil {
		return nil, err
	}
	got := make([][]byte, len(names))
	for i, name := range names {
		if value, ok := u.puts[name]; ok {
			got[i] = value
		} else {
			got[i], stored = stored[0], stored[1:]
		}
	}
	return got, nil
}

func (u *update) Put(name string, value []byte) error {
	u.puts[name] = value
	return nil
}

func (u *update) Delete(names ...string) error {
	for _, name := range names {
		u.puts[name] = nil
	}
	return nil
}

// because is why a transaction was discarded: what Redis said of the first command that it did not take, as when it is full or a replica.
func because(sent []redis.Cmder, err error) error {
	if err == nil || !strings.HasPrefix(err.Error(), "EXECABORT") {
		return err
	}
	for _, command := range sent {
		if why := command.Err(); why != nil && why.Error() != err.Error() && !strings.Contains(err.Error(), why.Error()) {
			return fmt.Errorf("%w: %w", err, why)
		}
	}
	return err
}
