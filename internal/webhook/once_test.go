package webhook

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/redeliver/redeliver/classify"
)

// honest-attempts: one attempt is one request, even when a kept-alive connection breaks under a request that carries
// an Idempotency-Key, which Go's transport would repeat.
func TestOneAttemptIsOneRequestOnABrokenConnection(t *testing.T) {
	for _, test := range []struct {
		name  string
		value []byte
	}{
		{"with a body", []byte("v")},
		{"with an empty body", []byte{}},
		{"with a null value", nil},
	} {
		for _, end := range []struct {
			name  string
			close func(*net.TCPConn)
		}{
			{"closed", func(c *net.TCPConn) { c.Close() }},
			{"reset", func(c *net.TCPConn) { _ = c.SetLinger(0); c.Close() }},
		} {
			t.Run(test.name+" "+end.name, func(t *testing.T) {
				url, seen := breaksAtSecond(t, end.close)
				w := open(t, Config{URL: url})
				d := order()
				d.value = test.value
				if err := w.postOne(context.Background(), d); err != nil {
					t.Fatalf("the first attempt failed: %v", err)
				}
				err := w.postOne(context.Background(), d)
				if got := classify.New(nil).Classify(err); got.Class != classify.Network {
					t.Errorf("the second attempt is %v (%s), want network: %v", got.Class, got.Rule, err)
				}
				if n := seen.Load(); n != 2 {
					t.Errorf("two attempts made %d requests", n)
				}
			})
		}
	}
}

// breaksAtSecond serves HTTP by hand: on each connection it answers the first request, reads the second to its end and
// ends the connection without an answer.
func breaksAtSecond(t *testing.T, end func(*net.TCPConn)) (url string, seen *atomic.Int32) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	seen = new(atomic.Int32)
	serve := func(c *net.TCPConn) {
		defer end(c)
		in := bufio.NewReader(c)
		for n := range 2 {
			r, err := http.ReadRequest(in)
			if err != nil {
				return
			}
			_, _ = io.Copy(io.Discard, r.Body)
			seen.Add(1)
			if n == 0 {
				_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
			}
		}
	}
	go func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			go serve(c.(*net.TCPConn))
		}
	}()
	return "http://" + listener.Addr().String(), seen
}
