package webhook

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/redeliver/redeliver/classify"
	"github.com/redeliver/redeliver/internal/certs/certstest"
)

// trusting lets a webhook trust an authority.
func trusting(t *testing.T, c Config, authority *certstest.Authority) *Webhook {
	t.Helper()
	w := open(t, c)
	w.transport.TLSClientConfig = &tls.Config{RootCAs: authority.Pool()}
	return w
}

// A service that has HTTP/2 is spoken to in it where that was asked for, and calls side by side share a connection. Else all is as ever.
func TestHTTP2WhereItIsAskedForAndSpoken(t *testing.T) {
	const concurrency = 16
	authority := certstest.New(t, "services")
	for name, tt := range map[string]struct {
		asked, spoken bool
		protocol      string
		least, most   int32
	}{
		"asked for and spoken": {asked: true, spoken: true, protocol: "HTTP/2.0", least: 1, most: 1},
		"not asked for":        {spoken: true, protocol: "HTTP/1.1", least: concurrency, most: concurrency + 1},
		"not spoken":           {asked: true, protocol: "HTTP/1.1", least: concurrency, most: concurrency + 1},
	} {
		t.Run(name, func(t *testing.T) {
			var connections atomic.Int32
			var arrived sync.WaitGroup // all calls are in flight before one is answered
			arrived.Add(1)
			server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if body, err := io.ReadAll(r.Body); err != nil || string(body) != string(order().value) || r.Header.Get("Redeliver-Id") != order().id {
					t.Errorf("%v: %q of %q", err, body, r.Header)
				}
				if r.Proto != tt.protocol {
					t.Errorf("it is spoken to in %s, want %s", r.Proto, tt.protocol)
				}
				arrived.Done()
				arrived.Wait()
			}))
			server.EnableHTTP2 = tt.spoken
			server.TLS = &tls.Config{Certificates: []tls.Certificate{authority.Sign(t, "orders")}}
			server.Config.ErrorLog = discardLog()
			server.Config.ConnState = func(_ net.Conn, s http.ConnState) {
				if s == http.StateNew {
					connections.Add(1)
				}
			}
			server.StartTLS()
			defer server.Close()
			w := trusting(t, Config{URL: server.URL, HTTP2: tt.asked, Concurrency: concurrency}, authority)
			// Until a first connection is known to speak HTTP/2 each call opens one of its own.
			if err := w.postOne(context.Background(), order()); err != nil {
				t.Fatal(err)
			}
			var calls sync.WaitGroup
			arrived.Add(concurrency)
			for range concurrency {
				calls.Go(func() {
					if err := w.postOne(context.Background(), order()); err != nil {
						t.Error(err)
					}
				})
			}
			calls.Wait()
			if n := connections.Load(); n < tt.least || n > tt.most {
				t.Errorf("%d calls made %d connections, want %d to %d", concurrency, n, tt.least, tt.most)
			}
		})
	}
}

// honest-attempts: a request that the service has read and then refused is not sent again, as Go's client would, whatever its body.
func TestOneAttemptIsOneRequestOverHTTP2(t *testing.T) {
	authority := certstest.New(t, "services")
	for name, value := range map[string][]byte{"a body": []byte("v"), "an empty body": {}, "a null value": nil} {
		for reason, code := range map[string]uint32{"protocol error": 1, "refused": 7} {
			t.Run(name+", "+reason, func(t *testing.T) {
				url, seen := resetsStreams(t, authority, code)
				w := trusting(t, Config{URL: url, HTTP2: true}, authority)
				d := order()
				d.value = value
				err := w.postOne(context.Background(), d)
				if got := classify.New(nil).Classify(err); got.Class != classify.Network || !strings.HasPrefix(err.Error(), "no answer: ") {
					t.Errorf("got %v (%s): %v; want network", got.Class, got.Rule, err)
				}
				if n := seen.Load(); n != 1 {
					t.Errorf("one attempt made %d requests", n)
				}
			})
		}
	}
}

// Frames of HTTP/2 (RFC 9113, section 6), as far as the test speaks it.
const (
	frameData, frameHeaders, frameReset, frameSettings = 0, 1, 3, 4

	flagEnd, flagAck = 1, 1

	preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
)

// resetsStreams serves HTTP/2 by hand: it reads each request to its end, counts it, and resets its stream with a code.
func resetsStreams(t *testing.T, authority *certstest.Authority, code uint32) (url string, seen *atomic.Int32) {
	t.Helper()
	seen = new(atomic.Int32)
	known := &tls.Config{Certificates: []tls.Certificate{authority.Sign(t, "orders")}, NextProtos: []string{"h2"}}
	serve := func(c net.Conn) {
		defer c.Close()
		in := bufio.NewReader(c)
		if _, err := io.ReadFull(in, make([]byte, len(preface))); err != nil || writeFrame(c, frameSettings, 0, 0, nil) != nil {
			return
		}
		for {
			var head [9]byte
			if _, err := io.ReadFull(in, head[:]); err != nil {
				return
			}
			length, kind, flags, stream := binary.BigEndian.Uint32(head[:])>>8, head[3], head[4], binary.BigEndian.Uint32(head[5:])
			if _, err := io.CopyN(io.Discard, in, int64(length)); err != nil {
				return
			}
			var err error
			switch {
			case kind == frameSettings && flags&flagAck == 0:
				err = writeFrame(c, frameSettings, flagAck, 0, nil)
			case (kind == frameHeaders || kind == frameData) && flags&flagEnd != 0:
				seen.Add(1)
				err = writeFrame(c, frameReset, 0, stream, binary.BigEndian.AppendUint32(nil, code))
			}
			if err != nil {
				return
			}
		}
	}
	plain := byHand(t, func(c net.Conn) { serve(tls.Server(c, known)) })
	return "https" + strings.TrimPrefix(plain, "http"), seen
}

func writeFrame(c net.Conn, kind, flags byte, stream uint32, payload []byte) error {
	frame := binary.BigEndian.AppendUint32(nil, uint32(len(payload)))[1:]
	frame = append(frame, kind, flags)
	frame = binary.BigEndian.AppendUint32(frame, stream)
	_, err := c.Write(append(frame, payload...))
	return err
}
