package admin

import (
	"net"
	"net/netip"
	"sync"
)

// limit bounds how many of a listener's connections are open at a time, in all and of one address. Beyond all of them further ones wait to be
// accepted, and time-outs of the server free those that do nothing; one too many of an address is closed, so that nobody who only connects keeps
// probes and operators out.
func limit(l net.Listener, connections, each int) net.Listener {
	return &limited{Listener: l, each: each, open: make(chan struct{}, connections), closed: make(chan struct{}), of: make(map[netip.Prefix]int)}
}

type limited struct {
	net.Listener
	each   int
	open   chan struct{}
	closed chan struct{}
	once   sync.Once

	mu sync.Mutex
	of map[netip.Prefix]int
}

func (l *limited) Accept() (net.Conn, error) {
	for {
		select {
		case l.open <- struct{}{}:
		case <-l.closed:
			return nil, net.ErrClosed
		}
		c, err := l.Listener.Accept()
		if err != nil {
			<-l.open
			return nil, err
		}
		from := networkOf(c.RemoteAddr().String())
		if l.enter(from) {
			return &limitedConn{Conn: c, free: sync.OnceFunc(func() { l.leave(from) })}, nil
		}
		_ = c.Close()
		<-l.open
	}
}

// enter reports whether an address may have one more connection, and counts it.
func (l *limited) enter(from netip.Prefix) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.of[from] >= l.each {
		return false
	}
	l.of[from]++
	return true
}

func (l *limited) leave(from netip.Prefix) {
	l.mu.Lock()
	if l.of[from]--; l.of[from] == 0 {
		delete(l.of, from)
	}
	l.mu.Unlock()
	<-l.open
}

func (l *limited) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

type limitedConn struct {
	net.Conn
	free func()
}

func (c *limitedConn) Close() error {
	defer c.free()
	return c.Conn.Close()
}

// networkOf is the address that a connection comes from; of IPv6 its network, for one machine has a whole one.
func networkOf(remote string) netip.Prefix {
	host, _, _ := net.SplitHostPort(remote)
	address, _ := netip.ParseAddr(host)
	address = address.Unmap()
	bits := 32
	if address.Is6() {
		bits = 64
	}
	network, _ := address.Prefix(bits)
	return network
}
