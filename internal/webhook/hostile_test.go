package webhook

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redeliver/redeliver/classify"
	"github.com/redeliver/redeliver/internal/loopback"
)

// byHand serves each connection with serve, on loopback.
func byHand(t *testing.T, serve func(net.Conn)) (url string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			go serve(c)
		}
	}()
	return "http://" + listener.Addr().String()
}

// says answers the first bytes of a request with text and hangs up.
func says(text string) func(net.Conn) {
	return func(c net.Conn) {
		defer c.Close()
		_, _ = c.Read(make([]byte, 64<<10))
		_, _ = io.WriteString(c, text)
	}
}

// What never becomes an answer is class network, whatever broke.
func TestNoAnswerIsNetwork(t *testing.T) {
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	unknownCA := httptest.NewUnstartedServer(http.NotFoundHandler())
	unknownCA.Config.ErrorLog = discardLog()
	unknownCA.StartTLS()
	defer unknownCA.Close()
	tests := []struct {
		name string
		url  func(t *testing.T) string
		text string // in the error
	}{
		{"refused", func(t *testing.T) string {
			address, err := loopback.FreeAddress()
			if err != nil {
				t.Fatal(err)
			}
			return "http://" + address
		}, "refused"},
		{"closed before the answer", func(t *testing.T) string { return byHand(t, says("")) }, "EOF"},
		{"closed within the header", func(t *testing.T) string { return byHand(t, says("HTTP/1.1 200 OK\r\nContent-")) }, "broken"},
		{"reset", func(t *testing.T) string {
			return byHand(t, func(c net.Conn) { _ = c.(*net.TCPConn).SetLinger(0); c.Close() })
		}, ""},
		{"no HTTP", func(t *testing.T) string { return byHand(t, says("SSH-2.0-OpenSSH_9.9\r\n\r\n")) }, "malformed"},
		{"a header without end", func(t *testing.T) string {
			return byHand(t, says("HTTP/1.1 200 OK\r\nX: "+strings.Repeat("x", 4*maxResponseHeader)))
		}, "headers exceeded"},
		{"ten thousand headers", func(t *testing.T) string {
			return byHand(t, says("HTTP/1.1 200 OK\r\n"+strings.Repeat("X: xxxxxxxx\r\n", 10_000)+"\r\n"))
		}, "headers exceeded"},
		{"two lengths", func(t *testing.T) string {
			return byHand(t, says("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx"))
		}, "Content-Length"},
		{"a length below zero", func(t *testing.T) string {
			return byHand(t, says("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n"))
		}, "Content-Length"},
		{"a status that is none", func(t *testing.T) string { return byHand(t, says("HTTP/1.1 2xx OK\r\n\r\n")) }, "malformed"},
		{"answers before the answer without end", func(t *testing.T) string {
			return byHand(t, says(strings.Repeat("HTTP/1.1 102 Processing\r\n\r\n", 10_000)))
		}, "headers exceeded"},
		{"TLS to a plain server", func(*testing.T) string { return "https" + strings.TrimPrefix(plain.URL, "http") }, "TLS handshake"},
		{"a certificate that nobody signed", func(*testing.T) string { return unknownCA.URL }, "certificate"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := open(t, Config{URL: test.url(t)})
			err := w.postOne(context.Background(), order())
			if err == nil {
				t.Fatal("the attempt succeeded")
			}
			failure := classify.New(nil).Classify(err)
			if failure.Class != classify.Network || !strings.Contains(err.Error(), test.text) {
				t.Errorf("got %v (%s): %v; want network, with %q", failure.Class, failure.Rule, err, test.text)
			}
			if !strings.HasPrefix(err.Error(), "no answer: ") || !strings.Contains(err.Error(), " (POST http") {
				t.Errorf("%q does not say what happened and where", err)
			}
		})
	}
}

// virtual opens a Webhook whose connections are pipes to a server in the same bubble of virtual time.
func virtual(t *testing.T, c Config, h http.HandlerFunc) *Webhook {
	t.Helper()
	c.URL = "http://service/orders"
	w := open(t, c)
	l := &pipeListener{conns: make(chan net.Conn), closed: make(chan struct{})}
	w.transport.Proxy = nil
	w.transport.DialContext = l.dial
	server := &http.Server{ErrorLog: discardLog(), Handler: http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // a server notices that a client has left only after that
		h(rw, r)
	})}
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	t.Cleanup(func() {
		w.Close()
		server.Close()
		<-served
	})
	return w
}

func TestAServiceThatNeverAnswersIsTransient(t *testing.T) {
	for _, test := range []struct {
		name     string
		timeout  time.Duration // configured
		deadline time.Duration // of the call
		want     time.Duration
	}{
		{"by the context of the call", 0, 25 * time.Second, 25 * time.Second},
		{"by the configured time-out", 5 * time.Second, 25 * time.Second, 5 * time.Second},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := virtual(t, Config{Timeout: test.timeout}, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
				ctx, cancel := context.WithTimeout(context.Background(), test.deadline)
				defer cancel()
				began := time.Now()
				err := w.postOne(ctx, order())
				if took := time.Since(began); took != test.want {
					t.Errorf("it took %v, want %v", took, test.want)
				}
				if failure := classify.New(nil).Classify(err); failure.Class != classify.Transient || !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("got %v (%s): %v; want transient", failure.Class, failure.Rule, err)
				}
			})
		})
	}
}

func TestStoppingEndsTheRequestAndSaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := virtual(t, Config{}, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
		ctx, cancel := context.WithCancel(context.Background())
		time.AfterFunc(time.Second, cancel)
		if err := w.postOne(ctx, order()); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want the context's error in it", err)
		}
	})
}

// The status line decides; a body that drips for ever costs a second, not the handler's time-out.
func TestABodyThatDripsForEver(t *testing.T) {
	for _, status := range []int{200, 503} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := virtual(t, Config{}, func(rw http.ResponseWriter, r *http.Request) {
					rw.WriteHeader(status)
					tick := time.NewTicker(100 * time.Millisecond)
					defer tick.Stop()
					for r.Context().Err() == nil {
						_, _ = io.WriteString(rw, "drip ")
						_ = http.NewResponseController(rw).Flush()
						select {
						case <-tick.C:
						case <-r.Context().Done():
						}
					}
				})
				ctx, cancel := context.WithTimeout(context.Background(), 25*time.Second)
				defer cancel()
				began := time.Now()
				err := w.postOne(ctx, order())
				if took := time.Since(began); took > drainTime {
					t.Errorf("it took %v, want %v at most", took, drainTime)
				}
				if failure := classify.New(nil).Classify(err); failure.Class != classify.OfStatus(status) {
					t.Errorf("got %v: %v", failure.Class, err)
				}
				if status == 503 && !strings.Contains(err.Error(), "drip drip") {
					t.Errorf("the excerpt is missing: %v", err)
				}
			})
		})
	}
}

func TestABodyWithoutEndIsNotRead(t *testing.T) {
	var sent atomic.Int64
	synctest.Test(t, func(t *testing.T) {
		w := virtual(t, Config{}, func(rw http.ResponseWriter, r *http.Request) {
			rw.WriteHeader(http.StatusInternalServerError)
			block := []byte(strings.Repeat("x", 32<<10))
			for {
				n, err := rw.Write(block)
				sent.Add(int64(n))
				if err != nil {
					return
				}
			}
		})
		if err := w.postOne(context.Background(), order()); len(err.Error()) > excerptLimit+200 {
			t.Errorf("the error has %d bytes", len(err.Error()))
		}
	})
	if n := sent.Load(); n > 4*drainLimit {
		t.Errorf("%d bytes were taken from the service", n)
	}
}

// A body that is not as long as was said, or of no form at all, changes nothing of what the status has said.
func TestABodyThatIsNotWhatWasSaid(t *testing.T) {
	for name, text := range map[string]string{
		"shorter than its length": "Content-Length: 100\r\n\r\nshort",
		"longer than its length":  "Content-Length: 1\r\n\r\nlonger",
		"chunks that are none":    "Transfer-Encoding: chunked\r\n\r\nzz\r\n",
		"a chunk without end":     "Transfer-Encoding: chunked\r\n\r\nffffffff\r\nx",
		"packed, and not":         "Content-Encoding: gzip\r\nContent-Length: 5\r\n\r\nplain",
	} {
		for _, status := range []int{200, 422, 503} {
			t.Run(fmt.Sprint(name, ", ", status), func(t *testing.T) {
				w := open(t, Config{URL: byHand(t, says(fmt.Sprintf("HTTP/1.1 %d Of Its Own\r\n%s", status, text)))})
				err := w.postOne(context.Background(), order())
				if failure := classify.New(nil).Classify(err); failure.Class != classify.OfStatus(status) {
					t.Errorf("got %v: %v, want %v", failure.Class, err, classify.OfStatus(status))
				}
			})
		}
	}
}

func TestSwitchingProtocolsIsAFailure(t *testing.T) {
	url := byHand(t, says("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n"))
	w := open(t, Config{URL: url})
	if err := w.postOne(context.Background(), order()); err == nil {
		t.Error("101 was taken for a success")
	}
}

// The pool keeps as many connections as calls are in flight, also when answers are failures with a body.
func TestConnectionsAreKept(t *testing.T) {
	const concurrency, rounds = 16, 20
	var connections atomic.Int32
	var arrived sync.WaitGroup // all calls of a round are in flight before one is answered
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		arrived.Done()
		arrived.Wait()
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = io.WriteString(w, strings.Repeat("x", 8<<10))
	}))
	server.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			connections.Add(1)
		}
	}
	server.Start()
	defer server.Close()
	w := open(t, Config{URL: server.URL, Concurrency: concurrency})
	for range rounds {
		var calls sync.WaitGroup
		arrived.Add(concurrency)
		for range concurrency {
			calls.Go(func() { _ = w.postOne(context.Background(), order()) })
		}
		calls.Wait()
	}
	// A connection goes back to the pool a moment after its answer was read, so that a round may open a few more.
	if n := connections.Load(); n > 2*concurrency {
		t.Errorf("%d calls made %d connections, want about %d", rounds*concurrency, n, concurrency)
	}
}
