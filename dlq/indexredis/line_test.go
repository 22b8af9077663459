package indexredis

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alicebob/miniredis/v2"

	"github.com/redeliver/redeliver/dlq"
	"github.com/redeliver/redeliver/internal/certs/certstest"
)

// Whatever is slow but goes on may take any time; what stands still does not.
func TestFlow(t *testing.T) {
	const step = patience - time.Second
	begin := func() (*flow, net.Conn) {
		near, far := net.Pipe()
		return &flow{Conn: near, patience: patience}, far
	}
	t.Run("reads while something comes", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f, far := begin()
			defer f.Close()
			go func() {
				for _, b := range []byte("a long answer") {
					time.Sleep(step) // of the clock of the test alone
					_, _ = far.Write([]byte{b})
				}
			}()
			var all [13]byte
			if _, err := io.ReadFull(f, all[:]); err != nil || string(all[:]) != "a long answer" {
				t.Errorf("%q, %v", all, err)
			}
			began := time.Now()
			if _, err := f.Read(all[:]); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(began) != patience {
				t.Errorf("where nothing comes: %v after %v", err, time.Since(began))
			}
		})
	})
	t.Run("writes while something goes", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f, far := begin()
			defer f.Close()
			sent := bytes.Repeat([]byte("value"), gulp)
			got := make(chan []byte)
			go func() {
				var all []byte
				piece := make([]byte, gulp)
				for len(all) < len(sent) {
					time.Sleep(step)
					n, _ := io.ReadFull(far, piece)
					all = append(all, piece[:n]...)
				}
				got <- all
			}()
			if n, err := f.Write(sent); n != len(sent) || err != nil {
				t.Errorf("%d of %d, %v", n, len(sent), err)
			}
			if !bytes.Equal(<-got, sent) {
				t.Error("something else came")
			}
			if n, err := f.Write(sent); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("where nothing goes: %d, %v", n, err)
			}
		})
	})
	t.Run("is cut", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f, _ := begin()
			defer f.Close()
			began := time.Now()
			read := make(chan error)
			go func() {
				_, err := f.Read(make([]byte, 1))
				read <- err
			}()
			synctest.Wait()
			f.cut()
			if err := <-read; err == nil || time.Since(began) != 0 {
				t.Errorf("a read that was under way: %v after %v", err, time.Since(began))
			}
			if _, err := f.Write([]byte("more")); !errors.Is(err, net.ErrClosed) || time.Since(began) != 0 {
				t.Errorf("a write after it: %v after %v", err, time.Since(began))
			}
		})
	})
}

// listens has answer talk to each connection, and returns where.
func listens(t *testing.T, answer func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { _ = conn.Close() })
			go answer(conn)
		}
	}()
	return l.Addr().String()
}

func connect(t *testing.T, o Options) *Store {
	t.Helper()
	c := New(o)
	t.Cleanup(func() { _ = c.Close() })
	return c.Store("index")
}

func look(ctx context.Context, s *Store) error {
	return s.View(ctx, func(v dlq.IndexView) error {
		_, err := v.Get("part")
		return err
	})
}

// A call ends with its context, also where Redis took what was asked and is silent.
func TestCallsEndWithTheirContext(t *testing.T) {
	for name, call := range map[string]func(context.Context, *Store) error{
		"view": look,
		"update": func(ctx context.Context, s *Store) error {
			return s.Update(ctx, func(u dlq.IndexUpdate) error { return u.Put("part", nil) })
		},
		"clear": func(ctx context.Context, s *Store) error { return s.Clear(ctx) },
	} {
		t.Run(name, func(t *testing.T) {
			asked := make(chan struct{}, 1)
			address := listens(t, func(conn net.Conn) {
				if n, _ := conn.Read(make([]byte, 1)); n > 0 {
					asked <- struct{}{}
				}
			})
			ctx, end := context.WithCancel(t.Context())
			ended := make(chan error)
			go func() { ended <- call(ctx, connect(t, Options{Address: address})) }()
			<-asked
			began := time.Now()
			end()
			err := <-ended
			if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), address) || time.Since(began) > patience/2 {
				t.Errorf("it ended after %v with %v", time.Since(began), err)
			}
		})
	}
}

// Errors say that they are of Redis, and of which; those of the caller come back as they are.
func TestErrorsSayWhere(t *testing.T) {
	server := miniredis.RunT(t)
	s := connect(t, Options{Address: server.Addr()})
	put := func(u dlq.IndexUpdate) error { return u.Put("part", []byte("a")) }
	own := errors.New("its own")
	for range 2 * mostLines { // each takes a connection, and gives it back
		if err := s.View(t.Context(), func(dlq.IndexView) error { return own }); err != own { //nolint:errorlint // the same one is wanted
			t.Errorf("view: %v", err)
		}
		if err := s.Update(t.Context(), func(dlq.IndexUpdate) error { return own }); err != own { //nolint:errorlint // the same one is wanted
			t.Errorf("update: %v", err)
		}
	}
	server.SetError("BUSY it is")
	for name, err := range map[string]error{"view": look(t.Context(), s), "update": s.Update(t.Context(), put), "clear": s.Clear(t.Context())} {
		if err == nil || err.Error() != "redis at "+server.Addr()+": BUSY it is" {
			t.Errorf("%s: %v", name, err)
		}
	}
	server.SetError("")
	if err := errors.Join(s.Update(t.Context(), put), look(t.Context(), s)); err != nil {
		t.Errorf("when it is back: %v", err)
	}
	if err := errors.Join(s.client.Close(), look(t.Context(), s)); err == nil || !strings.Contains(err.Error(), "closed") {
		t.Errorf("when it was closed: %v", err)
	}
}

// An update of which the connection ends in the middle says that, and nothing of the state of the client's connection.
func TestRedisThatDiesWithinAnUpdate(t *testing.T) {
	server := miniredis.RunT(t)
	dies := listens(t, func(conn net.Conn) {
		there, err := net.Dial("tcp", server.Addr())
		if err != nil {
			t.Error(err)
			return
		}
		defer there.Close()
		go func() { _, _ = io.Copy(conn, there) }()
		asked := make([]byte, 1<<10)
		for {
			n, err := conn.Read(asked)
			if err != nil || bytes.Contains(asked[:n], []byte("hget")) {
				_ = conn.Close()
				return
			}
			_, _ = there.Write(asked[:n])
		}
	})
	err := connect(t, Options{Address: dies}).Update(t.Context(), func(u dlq.IndexUpdate) error { return u.Put("part", nil) })
	if err == nil || err.Error() != "redis at "+dies+": EOF" {
		t.Error(err)
	}
}

// Who speaks TLS to whom that does not, or the other way round, is told so.
func TestTLSAgainstNone(t *testing.T) {
	t.Parallel()
	authority := certstest.New(t, "the authority")
	secret, err := miniredis.RunTLS(&tls.Config{Certificates: []tls.Certificate{authority.Sign(t, "127.0.0.1")}, MinVersion: tls.VersionTLS12})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(secret.Close)
	known := (&tls.Dialer{Config: &tls.Config{RootCAs: authority.Pool(), MinVersion: tls.VersionTLS12}}).DialContext
	unknown := (&tls.Dialer{Config: &tls.Config{MinVersion: tls.VersionTLS12}}).DialContext
	hangsUp := listens(t, func(conn net.Conn) {
		_, _ = conn.Read(make([]byte, 1<<10))
		_ = conn.Close()
	})
	alerts := listens(t, func(conn net.Conn) {
		_, _ = conn.Read(make([]byte, 1<<10))
		_, _ = conn.Write([]byte{tlsAlert, 3, 1, 0, 2, 2, 70})
	})
	for name, c := range map[string]struct {
		options Options
		want    string // "": it works
	}{
		"as it should be":     {Options{Address: secret.Addr(), Dial: known}, ""},
		"plain to TLS":        {Options{Address: secret.Addr()}, "or does it want TLS?"},
		"plain to an alert":   {Options{Address: alerts}, "TLS is not asked for"},
		"plain to one closed": {Options{Address: hangsUp}, "or does it want TLS?"},
		"TLS to plain":        {Options{Address: miniredis.RunT(t).Addr(), Dial: known}, "does it speak TLS at that address?"},
		"TLS to one closed":   {Options{Address: hangsUp, Dial: known}, "does it speak TLS at that address?"},
		"unknown authority":   {Options{Address: secret.Addr(), Dial: unknown}, "certificate signed by unknown authority"},
		"nobody there":        {Options{Address: "127.0.0.1:1", Dial: known}, "connection refused"},
	} {
		err := look(t.Context(), connect(t, c.options))
		switch {
		case c.want == "" && err == nil:
		case err == nil || c.want == "" || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "redis at "+c.options.Address):
			t.Errorf("%s: %v", name, err)
		case strings.Contains(err.Error(), "TLS") != strings.Contains(c.want, "TLS"):
			t.Errorf("%s: it says too much: %v", name, err)
		}
	}
}

// Connections that Redis has closed while they rested, as when it was started again, are made anew, of updates too.
func TestRedisThatWasStartedAgain(t *testing.T) {
	t.Parallel()
	server := miniredis.RunT(t)
	s := connect(t, Options{Address: server.Addr()})
	put := func(u dlq.IndexUpdate) error { return u.Put("part", []byte("a")) }
	within := func(do func() error) error {
		return s.View(t.Context(), func(dlq.IndexView) error { return do() })
	}
	if err := within(func() error { return within(func() error { return s.Update(t.Context(), put) }) }); err != nil {
		t.Fatal(err)
	}
	rested := s.client.free
	if len(rested) != 3 {
		t.Fatalf("%d connections rest", len(rested))
	}
	server.Close()
	if err := server.Restart(); err != nil {
		t.Fatal(err)
	}
	for _, l := range rested {
		l.used = time.Now().Add(-idleTime)
	}
	if err := within(func() error { return within(func() error { return s.Update(t.Context(), put) }) }); err != nil {
		t.Error(err)
	}
	if err := look(t.Context(), s); err != nil || len(s.client.free) != 3 {
		t.Errorf("%d connections, %v", len(s.client.free), err)
	}
}
