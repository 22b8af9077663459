package integration_test

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/redeliver/redeliver/consumer"
)

// network is what a member reaches its brokers by. It can be cut, can lose connections, and can keep answers back.
type network struct {
	mu    sync.Mutex
	down  bool
	deaf  chan struct{} // closed when answers come through again; nil: they do
	conns map[*wire]struct{}
}

// option lets a member reach its brokers by the network.
func (n *network) option(c *consumer.Config) {
	c.ClientOptions = append(slices.Clone(c.ClientOptions), kgo.Dialer(n.dial), kgo.DialTimeout(time.Second))
}

func (n *network) dial(ctx context.Context, network, address string) (net.Conn, error) {
	refused := &net.OpError{Op: "dial", Net: network, Err: syscall.ECONNREFUSED}
	if n.isDown() {
		return nil, refused
	}
	var d net.Dialer
	conn, err := d.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	w := &wire{Conn: conn, network: n, address: address, closed: make(chan struct{})}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.down {
		return nil, errors.Join(refused, conn.Close())
	}
	if n.conns == nil {
		n.conns = make(map[*wire]struct{})
	}
	n.conns[w] = struct{}{}
	return w, nil
}

func (n *network) isDown() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.down
}

// cut breaks all connections, and refuses new ones until the network is mended.
func (n *network) cut() {
	n.mu.Lock()
	n.down = true
	n.mu.Unlock()
	n.drop("")
}

func (n *network) mend() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.down = false
}

// drop breaks the connections to an address, or all of them. New ones may be made.
func (n *network) drop(address string) {
	n.mu.Lock()
	var dropped []*wire
	for w := range n.conns {
		if strings.HasSuffix(w.address, address) {
			dropped = append(dropped, w)
		}
	}
	n.mu.Unlock()
	for _, w := range dropped {
		_ = w.Close() // that may be closed already
	}
}

// deafen keeps every answer back: what is asked for is done, and whoever asked is in doubt.
func (n *network) deafen() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.deaf == nil {
		n.deaf = make(chan struct{})
	}
}

// hear lets answers through again, those that were kept back too.
func (n *network) hear() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.deaf != nil {
		close(n.deaf)
		n.deaf = nil
	}
}

func (n *network) hearing() <-chan struct{} {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.deaf
}

// wire is a connection of a network.
type wire struct {
	net.Conn
	network *network
	address string
	once    sync.Once
	closed  chan struct{}

	mu       sync.Mutex
	deadline time.Time
}

func (w *wire) SetDeadline(t time.Time) error {
	return errors.Join(w.SetReadDeadline(t), w.Conn.SetWriteDeadline(t))
}

func (w *wire) SetReadDeadline(t time.Time) error {
	w.mu.Lock()
	w.deadline = t
	w.mu.Unlock()
	return w.Conn.SetReadDeadline(t)
}

// Read implements net.Conn: what arrives while the network is deaf is kept back, until the reader's patience ends.
func (w *wire) Read(b []byte) (int, error) {
	n, err := w.Conn.Read(b)
	if err != nil {
		return n, err
	}
	deaf := w.network.hearing()
	if deaf == nil {
		return n, nil
	}
	w.mu.Lock()
	deadline := w.deadline
	w.mu.Unlock()
	var late <-chan time.Time
	if !deadline.IsZero() {
		timer := time.NewTimer(time.Until(deadline))
		defer timer.Stop()
		late = timer.C
	}
	select {
	case <-deaf:
		return n, nil
	case <-late:
		return 0, context.DeadlineExceeded
	case <-w.closed:
		return 0, net.ErrClosed
	}
}

func (w *wire) Close() error {
	w.once.Do(func() { close(w.closed) })
	w.network.mu.Lock()
	delete(w.network.conns, w)
	w.network.mu.Unlock()
	return w.Conn.Close()
}

// unanswered is a client hook that tells which requests of a kind got no answer.
type unanswered struct {
	key  kmsg.Key
	told chan error
}

func (u unanswered) OnBrokerRead(_ kgo.BrokerMetadata, key int16, _ int, _, _ time.Duration, err error) {
	if err == nil || kmsg.Key(key) != u.key {
		return
	}
	select {
	case u.told <- err:
	default: // enough of them
	}
}
