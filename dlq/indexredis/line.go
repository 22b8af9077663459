package indexredis

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	mostLines = 16
	patience  = 5 * time.Second // with Redis, while nothing comes or goes
	gulp      = 64 << 10        // that is written at a time
	retries   = 1               // of a command, as when Redis closed a connection that was idle
)

// line is a client with one connection, which one call uses at a time and cuts with its context: the client itself does not look at that while it reads.
type line struct {
	redis *redis.Client
	used  time.Time // last; zero: never

	mu     sync.Mutex
	conn   *flow // nil: there is none
	severe bool
}

func newLine(o Options) *line {
	l := &line{}
	l.redis = redis.NewClient(&redis.Options{
		Addr: o.Address, Username: o.Username, Password: o.Password, DB: o.DB,
		PoolSize: 1, PoolTimeout: time.Hour, // looks at one view wait for each other
		MaxRetries: retries, DialerRetries: 1, DialTimeout: patience,
		ReadTimeout: -2, WriteTimeout: -2, // none for a whole answer: see flow
		Dialer: func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := o.Dial(ctx, network, address)
			if err != nil {
				return nil, notTLS(err)
			}
			return l.hold(conn)
		},
	})
	return l
}

// hold takes a new connection.
func (l *line) hold(conn net.Conn) (net.Conn, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.severe {
		_ = conn.Close()
		return nil, net.ErrClosed
	}
	l.conn = &flow{Conn: conn, patience: patience}
	return l.conn, nil
}

// cut ends what is under way, for good.
func (l *line) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.severe = true
	if l.conn != nil {
		l.conn.cut()
	}
}

// flow is a connection on which nothing may stand still for longer than the patience, however much there is to read or write. Other deadlines it has none.
type flow struct {
	net.Conn
	patience time.Duration

	mu      sync.Mutex
	severed bool
	heard   bool  // something was read; only the reader asks
	other   error // it is TLS
}

// wait sets how long the next step may take.
func (f *flow) wait(set func(time.Time) error) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.severed {
		return net.ErrClosed
	}
	return set(time.Now().Add(f.patience))
}

// cut ends a step that is under way. It does not close: TLS would say goodbye first.
func (f *flow) cut() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.severed = true
	_ = f.Conn.SetDeadline(time.Unix(1, 0))
}

func (f *flow) Read(b []byte) (int, error) {
	if err := f.wait(f.Conn.SetReadDeadline); err != nil {
		return 0, err
	}
	n, err := f.Conn.Read(b)
	if !f.heard && f.other == nil {
		f.heard, f.other = n > 0, f.wantsTLS(b[:n], err)
	}
	if f.other != nil { // the client reads on to see what else there is
		return 0, f.other
	}
	return n, err
}

func (f *flow) Write(b []byte) (written int, err error) {
	for len(b) > 0 && err == nil {
		if err = f.wait(f.Conn.SetWriteDeadline); err == nil {
			var n int
			n, err = f.Conn.Write(b[:min(len(b), gulp)])
			written, b = written+n, b[n:]
		}
	}
	return written, err
}

func (f *flow) SetDeadline(time.Time) error      { return nil }
func (f *flow) SetReadDeadline(time.Time) error  { return nil }
func (f *flow) SetWriteDeadline(time.Time) error { return nil }

// tlsAlert is the first byte of what TLS sends to whom it does not understand.
const tlsAlert = 21

var errHungUp = errors.New("it closed the connection without an answer: is it shutting down, or does it want TLS?")

// wantsTLS is an error where what comes first on a connection without TLS looks as if the other side expected that.
func (f *flow) wantsTLS(first []byte, err error) error {
	_, secure := f.Conn.(*tls.Conn)
	switch {
	case secure:
	case len(first) > 0 && first[0] == tlsAlert:
		return errors.New("it answers with TLS, and TLS is not asked for")
	case len(first) == 0 && (errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET)):
		return fmt.Errorf("%w: %w", err, errHungUp) // of two: the client takes off what one is wrapped in
	}
	return nil
}

// notTLS is an error of a dialer with what it may mean, if TLS could not be spoken on a connection that was made.
func notTLS(err error) error {
	op := (*net.OpError)(nil)
	made := !errors.As(err, &op) || op.Op != "dial"
	said := errors.As(err, new(*tls.CertificateVerificationError)) || errors.As(err, new(tls.AlertError)) || errors.Is(err, context.Canceled)
	if made && !said {
		return fmt.Errorf("%w (TLS is asked for: does it speak TLS at that address?)", err)
	}
	return err
}
