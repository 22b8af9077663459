package admin

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redeliver/redeliver/consumer"
	"github.com/redeliver/redeliver/internal/certs"
)

// get returns status and body of a request.
func (b *bench) get(t *testing.T, path string) (int, string) {
	t.Helper()
	r, err := http.Get("http://" + b.server.Addr() + path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return r.StatusCode, string(body)
}

func TestHealthIsThatOfTheWorstPipeline(t *testing.T) {
	tests := []struct {
		name    string
		change  func(*bench)
		healthz int
		status  string
		readyz  int
		says    []string // in readyz
		reasons string   // in the verbose answer, joined
	}{
		{"all is well", func(*bench) {}, 200, "healthy", 200, []string{"ok"}, ""},
		{"degraded is alive", func(b *bench) {
			b.clicks.stats.Health, b.clicks.stats.Score, b.clicks.stats.SuccessRate = consumer.Degraded, 0.6, 0.7
			b.clicks.stats.Reasons = []string{"breaker open"}
		}, 200, "degraded", 200, []string{"ok"}, "clicks: breaker open"},
		{"unhealthy", func(b *bench) {
			b.orders.stats.Health, b.orders.stats.Score = consumer.Unhealthy, 0.1
			b.orders.stats.Reasons = []string{"holds"}
		}, 503, "unhealthy", 200, []string{"ok"}, "orders: holds"},
		{"not ready", func(b *bench) {
			b.orders.stats.Ready, b.orders.stats.NotReady = false, "no broker answers"
		}, 200, "healthy", 503, []string{"orders: no broker answers\n"}, "orders: not ready: no broker answers"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			b := setup(t)
			test.change(b)
			code, body := b.get(t, "/healthz")
			equal(t, "healthz", code, test.healthz)
			equal(t, "healthz", body, test.status+"\n")
			code, body = b.get(t, "/healthz?verbose")
			equal(t, "verbose healthz", code, test.healthz)
			var h Health
			if err := json.Unmarshal([]byte(body), &h); err != nil {
				t.Fatalf("%v: %s", err, body)
			}
			equal(t, "status", h.Status, test.status)
			equal(t, "score", h.Score, min(b.orders.stats.Score, b.clicks.stats.Score))
			equal(t, "success rate", h.SuccessRate, min(b.orders.stats.SuccessRate, b.clicks.stats.SuccessRate))
			equal(t, "reasons", strings.Join(h.Reasons, "|"), test.reasons)
			code, body = b.get(t, "/readyz")
			equal(t, "readyz", code, test.readyz)
			contains(t, "readyz", body, test.says...)
			code, _ = b.get(t, "/livez")
			equal(t, "livez", code, 200)
		})
	}
}

func TestTheProcessMayNotBeReady(t *testing.T) {
	b := setup(t, func(c *Config) { c.NotReady = func() string { return "no broker answers at localhost:9092" } })
	code, body := b.get(t, "/readyz")
	equal(t, "readyz", code, 503)
	equal(t, "readyz", body, "no broker answers at localhost:9092\n")
	_, body = b.get(t, "/api/v1/status")
	contains(t, "status", body, `"not_ready":"no broker answers at localhost:9092"`)
}

// Nobody is asked who he is at /readyz, so nobody learns there how the cluster's hosts and topics are called; users learn it elsewhere.
func TestReadyTellsStrangersNoMoreThanNo(t *testing.T) {
	b := setup(t, withUsers, func(c *Config) { c.NotReady = func() string { return "no broker answers at kafka-1.internal:9092" } })
	code, body := b.get(t, "/readyz")
	equal(t, "readyz", code, 503)
	equal(t, "readyz", body, "not ready: users are told why at /healthz?verbose\n")
}

func TestMetricsAreServed(t *testing.T) {
	code, body := setup(t).get(t, "/metrics")
	equal(t, "status", code, 200)
	contains(t, "metrics", body, "redeliver_in_flight 1")
}

// A page that a browser on this machine shows must neither change nor read anything.
func TestTheGuard(t *testing.T) {
	tests := []struct {
		name   string
		method string
		path   string
		host   string // "": the address
		header http.Header
		want   int
	}{
		{"a command", "POST", "/api/v1/pipelines/orders/pause", "", http.Header{"Content-Type": {"application/json; charset=utf-8"}}, 200},
		{"localhost", "GET", "/api/v1/status", "localhost:8080", nil, 200},
		{"IPv6", "GET", "/api/v1/status", "[::1]:8080", nil, 200},
		{"a name that resolves to the loopback", "GET", "/api/v1/status", "evil.example:8080", nil, 403},
		{"such a name, for metrics", "GET", "/metrics", "evil.example", nil, 403},
		{"such a name, for health", "GET", "/healthz", "localhost.evil.example", nil, 403},
		{"a form", "POST", "/api/v1/pipelines/orders/pause", "", http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}, 415},
		{"nothing said", "POST", "/api/v1/pipelines/orders/pause", "", nil, 415},
		{"from another page", "POST", "/api/v1/pipelines/orders/pause", "", http.Header{"Content-Type": {"application/json"}, "Sec-Fetch-Site": {"cross-site"}}, 403},
		{"from another page, in an old browser", "POST", "/api/v1/pipelines/orders/pause", "", http.Header{"Content-Type": {"application/json"}, "Origin": {"http://evil.example"}}, 403},
		{"a change by GET", "GET", "/api/v1/pipelines/orders/pause", "", nil, 405},
		{"no such path", "GET", "/api/v1/secrets", "", nil, 404},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			b := setup(t)
			r, err := http.NewRequest(test.method, "http://"+b.server.Addr()+test.path, nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Host = test.host
			for name, values := range test.header {
				r.Header[name] = values
			}
			response, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			response.Body.Close()
			equal(t, "status", response.StatusCode, test.want)
			if done := len(b.orders.told) == 1; done != (test.want == 200 && test.method == "POST") {
				t.Errorf("told %q", b.orders.told)
			}
			if response.Header.Get("Access-Control-Allow-Origin") != "" {
				t.Error("other origins are let in")
			}
		})
	}
}

func TestOnlyTheLoopbackUnlessAllowed(t *testing.T) {
	for listen, want := range map[string]string{
		"0.0.0.0:0": "admin.tls", ":0": "admin.tls", "192.0.2.1:0": "admin.tls", "example.com:0": "admin.tls",
		"8080": "host:port", "": "host:port", "127.0.0.1:0": "", "[::1]:0": "", "localhost:0": "",
	} {
		_, err := newServer(Config{Listen: listen})
		if (err == nil) != (want == "") || (err != nil && !strings.Contains(err.Error(), want)) {
			t.Errorf("%q: got %v, want %q", listen, err, want)
		}
	}
	token := func() (string, error) { return "a-token-of-ops", nil }
	for _, c := range []Config{{Listen: ":0", Insecure: true}, {Listen: ":0", TLS: new(certs.Material)}} {
		if _, err := newServer(c); err == nil || !strings.Contains(err.Error(), "admin.users") {
			t.Errorf("without users: %v", err)
		}
		c.Users = []User{{Name: "ops", Role: Operator, Token: token}}
		if _, err := newServer(c); err != nil {
			t.Error(err)
		}
	}
	b := setup(t, func(c *Config) { c.Users = []User{{Name: "ops", Token: token}} })
	r, _ := http.NewRequest("GET", "http://"+b.server.Addr()+"/healthz", nil)
	r.Host = "redeliver-0.example"
	r.Header.Set("Authorization", "Bearer a-token-of-ops")
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	equal(t, "any Host where there are users", response.StatusCode, 200)
}

func TestAnAddressInUse(t *testing.T) {
	b := setup(t)
	_, err := Start(Config{Listen: b.server.Addr()})
	if err == nil {
		t.Fatal("two servers on one address")
	}
	contains(t, "error", err.Error(), "admin.listen", b.server.Addr(), "choose another")
}

func TestABodyHasItsBounds(t *testing.T) {
	b := setup(t)
	err := b.client.do(context.Background(), "POST", "/api/v1/skip", Skip{Topic: "orders", Reason: strings.Repeat("x", maxBody)}, new(Done))
	var refused *RefusedError
	if !errors.As(err, &refused) || refused.Status != 400 || !strings.Contains(refused.Message, "too large") {
		t.Errorf("got %v", err)
	}
}

// Connections beyond the bound wait; one that ends makes room.
func TestConnectionsHaveTheirBound(t *testing.T) {
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := limit(inner, 2, 3)
	accepted := make(chan net.Conn)
	ended := make(chan error, 1)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				ended <- err
				return
			}
			accepted <- c
		}
	}()
	for range 3 {
		c, err := net.Dial("tcp", inner.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	first := <-accepted
	second := <-accepted
	defer second.Close()
	select {
	case <-accepted:
		t.Fatal("a third connection was accepted")
	case <-time.After(50 * time.Millisecond): // there is no signal for what does not happen
	}
	first.Close()
	first.Close() // once more frees nothing more
	third := <-accepted
	third.Close()
	l.Close()
	if err := <-ended; !errors.Is(err, net.ErrClosed) {
		t.Errorf("got %v", err)
	}
}

// Whoever opens connections without end, and says nothing, has a few of them, and keeps nobody else out: a probe that is not answered would have the
// process killed.
func TestOneAddressDoesNotTakeAllConnections(t *testing.T) {
	b := setup(t, func(c *Config) { c.timeouts = timeouts{header: time.Hour, read: time.Hour} }) // nothing else closes them
	port := b.server.Addr()[strings.LastIndex(b.server.Addr(), ":"):]
	var closed atomic.Int64
	var ended sync.WaitGroup
	flood := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}}
	var conns []net.Conn
	refused := make(chan struct{})
	for range maxConnections + maxOfAddress {
		c, err := flood.Dial("tcp", "127.0.0.1"+port)
		if err != nil {
			t.Skipf("a second address of the loopback: %v", err) // as on macOS
		}
		conns = append(conns, c)
		ended.Go(func() {
			if _, err := c.Read(make([]byte, 1)); err != nil && closed.Add(1) == maxConnections {
				close(refused)
			}
		})
	}
	select {
	case <-refused:
	case <-time.After(20 * time.Second):
		t.Fatalf("%d of %d connections were closed, want all but %d", closed.Load(), len(conns), maxOfAddress)
	}
	if code, _ := b.get(t, "/livez"); code != http.StatusOK {
		t.Errorf("meanwhile /livez says %d to another address", code)
	}
	for _, c := range conns {
		c.Close()
	}
	ended.Wait()
}

func TestCloseWaitsForRequestsInFlight(t *testing.T) {
	entered, leave := make(chan struct{}), make(chan struct{})
	s, err := Start(Config{Listen: "127.0.0.1:0", Metrics: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(entered)
		<-leave
		fmt.Fprint(w, "late")
	})})
	if err != nil {
		t.Fatal(err)
	}
	c, err := net.Dial("tcp", s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprint(c, "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
	<-entered
	closed := make(chan error)
	go func() { closed <- s.Close(context.Background()) }()
	close(leave)
	r, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	body, _ := io.ReadAll(r.Body)
	equal(t, "answer", string(body), "late")
	if err := <-closed; err != nil {
		t.Error(err)
	}
}
