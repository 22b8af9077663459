// Package indexredis keeps indexes of dead letters in Redis, for [github.com/redeliver/redeliver/dlq.Indexed], where all machines
// find them.
//
// An index is one hash. An update is a transaction that fails when another process has made one meanwhile, so that any number of
// processes may follow a queue.
package indexredis

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/redeliver/redeliver/dlq"
)

// Options say how Redis is reached.
type Options struct {
	Address  string // host:port
	Username string
	Password string
	DB       int
	TLS      bool
}

// Client holds the connections. Its methods may be called concurrently.
type Client struct{ redis *redis.Client }

// New returns a client. It does not connect before it has to. The caller closes it.
func New(o Options) *Client {
	options := &redis.Options{Addr: o.Address, Username: o.Username, Password: o.Password, DB: o.DB}
	if o.TLS {
		host, _, _ := net.SplitHostPort(o.Address)
		options.TLSConfig = &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12}
	}
	return &Client{redis.NewClient(options)}
}

// Close closes the connections.
func (c *Client) Close() error { return c.redis.Close() }

// Store is the index in the hash with the name.
func (c *Client) Store(name string) *Store { return &Store{c.redis, name} }

// Store is a [dlq.IndexStore] in a hash of Redis. Its methods may be called concurrently.
type Store struct {
	redis *redis.Client
	hash  string
}

// version is the field that every update changes: who reads it first and finds it changed at the end was not alone.
const version = "version"

// View implements [dlq.IndexStore]. What it reads may be of several times: a part that was replaced meanwhile is not there.
func (s *Store) View(ctx context.Context, do func(dlq.IndexView) error) error {
	return do(view{ctx, s.redis, s.hash})
}

// Update implements [dlq.IndexStore].
func (s *Store) Update(ctx context.Context, do func(dlq.IndexUpdate) error) error {
	watched := func(tx *redis.Tx) error {
		began, err := s.versionNow(ctx, tx)
		if err != nil {
			return err
		}
		u := &update{view: view{ctx, tx, s.hash}, puts: make(map[string][]byte)}
		if err := do(u); err != nil {
			if now, unknown := s.versionNow(ctx, tx); errors.Is(err, dlq.ErrIndexDamaged) && unknown == nil && now != began {
				return redis.TxFailedErr // what it missed was replaced by another process
			}
			return err
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
	err := s.redis.Watch(ctx, watched, s.hash)
	if errors.Is(err, redis.TxFailedErr) {
		return fmt.Errorf("%w: %w", dlq.ErrIndexMoved, err)
	}
	return err
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
func (s *Store) Clear(ctx context.Context) error { return s.redis.Unlink(ctx, s.hash).Err() }

type view struct {
	ctx   context.Context
	redis redis.Cmdable
	hash  string
}

func (v view) Get(names ...string) ([][]byte, error) {
	got := make([][]byte, len(names))
	if len(names) == 0 {
		return got, nil
	}
	values, err := v.redis.HMGet(v.ctx, v.hash, names...).Result()
	if err != nil {
		return nil, err
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
		if why := command.Err(); why != nil && why.Error() != err.Error() {
			return fmt.Errorf("%w: %w", err, why)
		}
	}
	return err
}
