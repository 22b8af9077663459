package admin

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/redeliver/redeliver/internal/certs/certstest"
)

const (
	operatorsToken = "the-token-of-ops-0123456789"
	viewersToken   = "the-token-of-eve-0123456789"
)

func withUsers(c *Config) {
	c.Users = []User{
		{Name: "ops", Role: Operator, Token: func() (string, error) { return operatorsToken, nil }},
		{Name: "eve", Role: Viewer, Token: func() (string, error) { return viewersToken, nil }},
	}
}

// request is one as it goes over the wire, with a token.
func request(line, token string, headers ...string) string {
	if token != "" {
		headers = append(headers, "Authorization: Bearer "+token)
	}
	return line + " HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n" + strings.Join(append(headers, "", ""), "\r\n")
}

const asJSON = "Content-Type: application/json"

// skipping is a change whose body is this.
func skipping(body string) string {
	return request("POST /api/v1/skip", operatorsToken, asJSON, fmt.Sprint("Content-Length: ", len(body))) + body
}

// hostile is what is sent to the server, as it goes over the wire, and what comes of it: a status, or that the connection ends.
type hostile struct {
	what    string
	says    string
	becomes string
	alone   bool // the server has no users, as on the loopback
}

var hostiles = []hostile{
	{what: "no credential", says: request("GET /api/v1/status", ""), becomes: "401 Unauthorized"},
	{what: "no credential, for metrics", says: request("GET /metrics", ""), becomes: "401 Unauthorized"},
	{what: "a wrong token", says: request("GET /api/v1/status", "the-token-of-ops-9876543210"), becomes: "401 Unauthorized"},
	{what: "the beginning of a token", says: request("GET /api/v1/status", operatorsToken[:20]), becomes: "401 Unauthorized"},
	{what: "an empty token", says: request("GET /api/v1/status", "", "Authorization: Bearer "), becomes: "401 Unauthorized"},
	{what: "a token as a password", says: request("GET /api/v1/status", "", "Authorization: Basic b3BzOnRoZS10b2tlbg=="), becomes: "401 Unauthorized"},
	{what: "two tokens, of which one is right", says: request("GET /api/v1/status", operatorsToken, "Authorization: Bearer wrong"), becomes: "401 Unauthorized"},
	{what: "a path that winds round the credential", says: request("GET /livez/../api/v1/status", ""), becomes: "401 Unauthorized"},
	{what: "a change by a viewer", says: request("POST /api/v1/pipelines/orders/pause", viewersToken, asJSON, "Content-Length: 0"), becomes: "403 Forbidden"},
	{what: "a change by DELETE", says: request("DELETE /api/v1/pipelines/orders/pause", operatorsToken), becomes: "405 Method Not Allowed"},
	{what: "TRACE", says: request("TRACE /api/v1/status", operatorsToken), becomes: "405 Method Not Allowed"},
	{what: "a name with line breaks", says: request("POST /api/v1/pipelines/a%0D%0Alevel=INFO/pause", operatorsToken, asJSON, "Content-Length: 0"), becomes: "404 Not Found"},
	{what: "a header of 64 KiB", says: request("GET /livez", "", "X-A: "+strings.Repeat("a", 64<<10)), becomes: "431 Request Header Fields Too Large"},
	{what: "ten thousand headers", says: request("GET /livez", "", strings.TrimSuffix(strings.Repeat("X-A: b\r\n", 10_000), "\r\n")), becomes: "431 Request Header Fields Too Large"},
	{what: "a body of 1 MiB", says: skipping(`{"topic":"` + strings.Repeat("a", 1<<20) + `"}`), becomes: "400 Bad Request"},
	{what: "JSON that is nested without end", says: skipping(strings.Repeat("[", 16_000)), becomes: "400 Bad Request"},
	{what: "an offset beyond all numbers", says: skipping(`{"topic":"orders","offset":1e400,"reason":"x"}`), becomes: "400 Bad Request"},
	{what: "an offset below zero", says: skipping(`{"topic":"orders","offset":-1,"reason":"x"}`), becomes: "400 Bad Request"},
	{what: "a key that there is not", says: skipping(`{"topic":"orders","reason":"x","admin":true}`), becomes: "400 Bad Request"},
	{what: "two lengths", says: request("POST /api/v1/skip", operatorsToken, asJSON, "Content-Length: 2", "Content-Length: 5") + "{}   ", becomes: "400 Bad Request"},
	{what: "a length below zero", says: request("POST /api/v1/skip", operatorsToken, asJSON, "Content-Length: -5"), becomes: "400 Bad Request"},
	{what: "a header with a line break before its colon", says: request("GET /livez", "", "X-A\r\n : b"), becomes: "400 Bad Request"},
	{what: "another protocol", says: "SSH-2.0-OpenSSH_9.9\r\n\r\n", becomes: "400 Bad Request"},
	{what: "HTTP/2 without TLS", says: "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", becomes: "401 Unauthorized"},
	{what: "a length that is not kept", says: request("POST /api/v1/skip", operatorsToken, asJSON, "Content-Length: 100") + "{", becomes: "400 Bad Request"},
	{what: "a header without end", says: "GET /livez HTTP/1.1\r\nHost: a\r\nX-", becomes: "400 Bad Request"},
	{what: "nothing at all", says: "", becomes: "the connection ends"},
	{what: "a page whose name was made to resolve to the loopback", says: "GET /api/v1/status HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n", becomes: "403 Forbidden", alone: true},
	{what: "a form on a page", says: request("POST /api/v1/pipelines/orders/pause", "", "Content-Type: application/x-www-form-urlencoded", "Content-Length: 0"), becomes: "415 Unsupported Media Type", alone: true},
	{what: "a script on a page", says: request("POST /api/v1/pipelines/orders/pause", "", asJSON, "Sec-Fetch-Site: cross-site", "Content-Length: 0"), becomes: "403 Forbidden", alone: true},
}

func TestHostileRequests(t *testing.T) {
	for _, h := range hostiles {
		t.Run(h.what, func(t *testing.T) {
			b := setup(t, func(c *Config) {
				if !h.alone {
					withUsers(c)
				}
				c.timeouts = timeouts{header: 200 * time.Millisecond, read: 400 * time.Millisecond, idle: 200 * time.Millisecond}
			})
			conn, err := net.Dial("tcp", b.server.Addr())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
				t.Fatal(err)
			}
			// The server may have answered and closed before all was said.
			_, _ = io.WriteString(conn, h.says)
			if got := answerOf(t, conn); got != h.becomes {
				t.Errorf("got %s, want %s", got, h.becomes)
			}
			if len(b.orders.told) > 0 {
				t.Errorf("it has changed something: %v", b.orders.told)
			}
			for line := range strings.Lines(b.log.String()) {
				if !strings.HasPrefix(line, "time=") || strings.Contains(line, operatorsToken) {
					t.Errorf("the log has a line that is not its own, or a token: %q", line)
				}
			}
		})
	}
}

// answerOf returns the status that a connection is answered with, or that it ends without.
func answerOf(t *testing.T, conn net.Conn) string {
	t.Helper()
	line, err := bufio.NewReader(conn).ReadString('\n')
	if timeout, ok := err.(net.Error); ok && timeout.Timeout() {
		return "nothing, and the connection stays"
	}
	if _, status, ok := strings.Cut(strings.TrimSpace(line), " "); ok {
		return status
	}
	return "the connection ends"
}

// docs/hostile.md says what the tests say.
func TestTheTableOfHostileRequestsIsThatOfTheTests(t *testing.T) {
	page, err := os.ReadFile("../../docs/hostile.md")
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, h := range hostiles {
		want = append(want, fmt.Sprintf("| %s | %s |", h.what, h.becomes))
	}
	_, rest, _ := strings.Cut(string(page), "<!-- requests -->\n")
	table, _, _ := strings.Cut(rest, "<!-- end of requests -->")
	if diff := cmp.Diff("| what is sent | what it gets |\n|---|---|\n"+strings.Join(want, "\n")+"\n", table); diff != "" {
		t.Errorf("docs/hostile.md (-tests +page)\n%s", diff)
	}
}

func TestGuessingTokensIsSlowedDown(t *testing.T) {
	b := setup(t, withUsers)
	statuses := make(map[int]int)
	for range failuresBurst + 10 {
		r, err := http.NewRequest("GET", "http://"+b.server.Addr()+"/metrics", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer wrong")
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		statuses[response.StatusCode]++
		if response.StatusCode == http.StatusTooManyRequests && response.Header.Get("Retry-After") != "1" {
			t.Errorf("Retry-After is %q", response.Header.Get("Retry-After"))
		}
	}
	if statuses[401] < failuresBurst || statuses[429] < 5 || statuses[401]+statuses[429] != failuresBurst+10 {
		t.Errorf("got %v, want %d times 401 and then 429", statuses, failuresBurst)
	}
	if lines := strings.Count(b.log.String(), "without a right credential"); lines > 6 {
		t.Errorf("%d lines in the log, want ever fewer:\n%s", lines, b.log)
	}
}

func TestEachMayDoWhatTheRoleAllows(t *testing.T) {
	b := setup(t, withUsers)
	ctx := t.Context()
	if _, err := b.client.With(viewersToken, nil).Status(ctx); err != nil {
		t.Errorf("a viewer: %v", err)
	}
	if _, err := b.client.With(viewersToken, nil).Pause(ctx, "orders"); err == nil || !strings.Contains(err.Error(), "eve is a viewer: a change needs the role operator") {
		t.Errorf("a change by a viewer: %v", err)
	}
	if _, err := b.client.With(operatorsToken, nil).Pause(ctx, "orders"); err != nil {
		t.Errorf("an operator: %v", err)
	}
	told(t, b.orders.told, "pause")
	// The log says who by the credential, whatever the command claims.
	contains(t, "the log", b.log.String(), "change=pause pipeline=orders by=ops")
	for path, want := range map[string]int{"/livez": 200, "/readyz": 200, "/healthz": 401, "/metrics": 401} {
		status, _ := b.get(t, path)
		equal(t, path+" without a credential", status, want)
	}
}

func TestTLSWithCertificatesOfUsers(t *testing.T) {
	// Of one name: a client does not send a certificate of an authority that the server does not name.
	ours, others := certstest.New(t, "authority"), certstest.New(t, "authority")
	b := setup(t, func(c *Config) {
		c.TLS = material(t, ours)
		c.Users = []User{{Name: "ops", Role: Operator, Certificate: "ops.example.com"}, {Name: "eve", Role: Viewer, Certificate: "eve.example.com"}}
	})
	client := func(certificates ...tls.Certificate) *Client {
		c, err := NewClient("https://"+b.server.Addr(), "somebody")
		if err != nil {
			t.Fatal(err)
		}
		return c.With("", &tls.Config{RootCAs: ours.Pool(), Certificates: certificates})
	}
	for what, tt := range map[string]struct {
		client *Client
		err    string // "": it is let in
	}{
		"an operator":                       {client(ours.Sign(t, "ops.example.com")), ""},
		"a viewer":                          {client(ours.Sign(t, "eve.example.com")), "eve is a viewer"},
		"a stranger":                        {client(ours.Sign(t, "mallory.example.com")), "say who you are"},
		"nobody":                            {client(), "say who you are"},
		"that name, from another authority": {client(others.Sign(t, "ops.example.com")), "tls: "},
	} {
		_, err := tt.client.Pause(t.Context(), "orders")
		if (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
			t.Errorf("%s: got %v, want %q", what, err, tt.err)
		}
	}
	if response, err := http.Get("http://" + b.server.Addr() + "/livez"); err != nil || response.StatusCode != http.StatusBadRequest {
		t.Errorf("plain HTTP: %v, %v", response, err)
	} else {
		response.Body.Close()
	}
}
