package sim

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
)

// link is a member's way to the cluster. Its connections can be dropped, be kept from hearing answers, or be cut for
// good, which is how a member dies.
type link struct {
	net *kfake.VirtualNetwork

	mu      sync.Mutex
	conns   map[*linkConn]struct{}
	away    bool
	silent  map[int]chan struct{} // by port: packets get lost on the way there, until it is closed
	severed bool
	hearing chan struct{} // closed while answers come through
	latency func() time.Duration

	second  int64 // of virtual time, and the requests in it
	writes  int
	fevered func() // called when they are too many
}

var errUnplugged = errors.New("sim: the network is away")

// newLink makes a link. fevered is called when somebody asks again and again without a pause: then the link is cut, since
// time would stand still for ever.
func newLink(n *kfake.VirtualNetwork, latency func() time.Duration, fevered func()) *link {
	hearing := make(chan struct{})
	close(hearing)
	return &link{net: n, conns: make(map[*linkConn]struct{}), silent: make(map[int]chan struct{}), hearing: hearing, latency: latency, fevered: fevered}
}

// refusal is how long it takes to hear that there is no network: who dials again and again at once would stop the clock.
const refusal = 10 * time.Millisecond

// DialContext opens a connection, if the link is up.
func (l *link) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	if l.down() {
		select {
		case <-time.After(refusal):
			return nil, errUnplugged
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	if lost := l.silence(address); lost != nil {
		select {
		case <-lost:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	inner, err := l.net.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	c := &linkConn{Conn: inner, link: l, address: address, closed: make(chan struct{})}
	l.mu.Lock()
	refused := l.away || l.severed
	if !refused {
		l.conns[c] = struct{}{}
	}
	l.mu.Unlock()
	if refused {
		inner.Close()
		return nil, errUnplugged
	}
	return c, nil
}

func (l *link) down() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.away || l.severed
}

// drop closes every connection; new ones may be opened.
func (l *link) drop() {
	l.mu.Lock()
	conns := l.conns
	l.conns = make(map[*linkConn]struct{})
	l.mu.Unlock()
	for c := range conns {
		_ = c.Close() // cut: it need not agree
	}
}

// dropTo closes every connection to the broker with a port.
func (l *link) dropTo(port int) {
	l.mu.Lock()
	var gone []*linkConn
	for c := range l.conns {
		if to(c.address, port) {
			gone = append(gone, c)
		}
	}
	l.mu.Unlock()
	for _, c := range gone {
		_ = c.Close() // cut: it need not agree
	}
}

// setAway takes the network away or brings it back.
func (l *link) setAway(away bool) {
	l.mu.Lock()
	l.away = away
	l.mu.Unlock()
	if away {
		l.drop()
	}
}

// setSilent lets packets to and from the broker with a port get lost, or lets them through again: whoever asks hears nothing,
// and no connection is refused or closed. Those that there were do not come back.
func (l *link) setSilent(port int, silent bool) {
	l.mu.Lock()
	lost := l.silent[port]
	delete(l.silent, port)
	if silent {
		l.silent[port] = make(chan struct{})
	}
	l.mu.Unlock()
	if lost != nil {
		l.dropTo(port)
		close(lost)
	}
}

// silence returns a channel that is closed when packets to an address get through again, nil if they do.
func (l *link) silence(address string) chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	for port, lost := range l.silent {
		if to(address, port) {
			return lost
		}
	}
	return nil
}

func to(address string, port int) bool { return strings.HasSuffix(address, fmt.Sprintf(":%d", port)) }

// sever cuts the link for good.
func (l *link) sever() {
	l.mu.Lock()
	l.severed = true
	l.mu.Unlock()
	l.drop()
}

// setDeaf lets requests through and keeps the answers back: whoever asks stays in doubt.
func (l *link) setDeaf(deaf bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case <-l.hearing:
		if deaf {
			l.hearing = make(chan struct{})
		}
	default:
		if !deaf {
			close(l.hearing)
		}
	}
}

// fever is how many requests over one link in one second of virtual time are too many.
const fever = 40000

// takePulse counts a request.
func (l *link) takePulse() {
	now := time.Now().Unix()
	l.mu.Lock()
	if now != l.second {
		l.second, l.writes = now, 0
	}
	l.writes++
	fevered := l.writes == fever
	l.mu.Unlock()
	if fevered {
		l.fevered()
		l.sever()
	}
}

func (l *link) listening() chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.hearing
}

// linkConn is one connection of a link.
type linkConn struct {
	net.Conn
	link    *link
	address string
	once    sync.Once
	closed  chan struct{}

	mu      sync.Mutex
	timer   *time.Timer   // of the read deadline
	expired chan struct{} // closed when the read deadline has passed
}

// Read implements net.Conn: what arrives is kept back while the link is deaf, and never comes while it is silent.
func (c *linkConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if err != nil {
		return n, err
	}
	heard := c.link.listening()
	if c.link.silence(c.address) != nil {
		heard = nil
	}
	c.mu.Lock()
	expired := c.expired
	c.mu.Unlock()
	select {
	case <-heard:
		return n, nil
	case <-expired:
		return 0, os.ErrDeadlineExceeded
	case <-c.closed:
		return 0, net.ErrClosed
	}
}

// SetReadDeadline implements net.Conn, for a Read that waits too: a client interrupts it with a deadline that has passed.
func (c *linkConn) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.timer != nil && !c.timer.Stop() || c.expired == nil {
		c.expired = make(chan struct{}) // the one before is closed, or about to be
	}
	c.timer = nil
	if !t.IsZero() {
		expired := c.expired
		c.timer = time.AfterFunc(time.Until(t), func() { close(expired) })
	}
	return c.Conn.SetReadDeadline(t)
}

// SetDeadline implements net.Conn.
func (c *linkConn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

// Write implements net.Conn: it takes the link's latency.
func (c *linkConn) Write(b []byte) (int, error) {
	c.link.takePulse()
	if c.link.latency != nil {
		if d := c.link.latency(); d > 0 {
			time.Sleep(d)
		}
	}
	if c.link.silence(c.address) != nil {
		return len(b), nil // and nobody gets it
	}
	return c.Conn.Write(b)
}

// Close implements net.Conn.
func (c *linkConn) Close() error {
	c.once.Do(func() { close(c.closed) })
	c.link.mu.Lock()
	delete(c.link.conns, c)
	c.link.mu.Unlock()
	return c.Conn.Close()
}
