package admin

import (
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"unicode"

	"github.com/redeliver/redeliver/breaker"
)

// FuzzClientAnswer: whatever answers at the process's address, the command gets an answer as the server writes it, a
// refusal, or is told that another program is there; and what it prints of it is text.
func FuzzClientAnswer(f *testing.F) {
	for _, body := range []string{`{"message":"done"}`, `{"error":"there is no pipeline"}`, `{"error":"\u001b[2J"}`, `{}`, `[]`, `null`, `<html>`, ``, `{"error":`, `{"pipelines":[{"pipeline":"p","score":1e400}]}`} {
		f.Add(200, body)
		f.Add(404, body)
	}
	c, err := NewClient("127.0.0.1:1", "me")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, status int, body string) {
		for _, into := range []any{new(Status), new([]BreakerStatus), new(Done)} {
			err := c.read(status, []byte(body), into)
			var gone *UnreachableError
			var refused *RefusedError
			switch {
			case err == nil && status != http.StatusOK:
				t.Fatalf("status %d counts as done", status)
			case err != nil && !errors.As(err, &gone) && !errors.As(err, &refused):
				t.Fatalf("got %T", err)
			case err != nil && strings.ContainsFunc(err.Error(), unprintable):
				t.Fatalf("prints %q", err.Error())
			}
		}
	})
}

func unprintable(r rune) bool { return !unicode.IsPrint(r) }

// FuzzServer: whatever is asked of the server, it answers, changes nothing without a change's header, and what it says to
// a change is JSON that the client reads.
func FuzzServer(f *testing.F) {
	f.Add("POST", "/api/v1/skip", "application/json", "localhost", "me", `{"topic":"orders","partition":1,"offset":2,"reason":"bad"}`)
	f.Add("POST", "/api/v1/pipelines/orders/resume?admit=5", "application/json", "127.0.0.1:8080", "me", `{}`)
	f.Add("POST", "/api/v1/breakers/payments%2Fapi/open", "application/json; charset=utf-8", "[::1]:1", "\x1b", ``)
	f.Add("GET", "/api/v1/status", "", "evil.example", "", ``)
	f.Add("DELETE", "/api/../healthz?verbose", "text/plain", "localhost", "", `{"reason":`)
	f.Add("POST", "/api/v1/skip", "application/json", "localhost", "", strings.Repeat("[", 10000))
	c, err := NewClient("127.0.0.1:1", "me")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, method, target, contentType, host, user, body string) {
		r, err := http.NewRequest(method, "http://localhost", strings.NewReader(body))
		if err != nil {
			return // no method that a server gets to see
		}
		if r.URL, err = r.URL.Parse(target); err != nil {
			return
		}
		r.Host = host
		r.Header.Set("Content-Type", contentType)
		r.Header.Set(userHeader, user)
		orders, dependency := healthyPipeline("orders"), &breakerFake{snapshot: breaker.Snapshot{Dependency: "payments/api"}}
		s := &Server{config: Config{
			Listen: "127.0.0.1:0", Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
			Pipelines: func() []Pipeline { return []Pipeline{orders} }, Breakers: func() []Breaker { return []Breaker{dependency} },
		}}
		w := httptest.NewRecorder()
		s.handler().ServeHTTP(w, r)
		changed := len(orders.told)+len(dependency.told) > 0
		if changed && (method != http.MethodPost || !strings.HasPrefix(strings.ToLower(strings.TrimSpace(contentType)), "application/json") || !isAddress(host)) {
			t.Fatalf("%s %s with %q from %q changed something: %v %v", method, target, contentType, host, orders.told, dependency.told)
		}
		if w.Code >= 500 && strings.HasPrefix(r.URL.Path, "/api/") {
			t.Fatalf("%s %s: status %d, %s", method, target, w.Code, w.Body)
		}
		if changed {
			var done Done
			if err := c.read(w.Code, w.Body.Bytes(), &done); err != nil || done.Message == "" {
				t.Fatalf("a change is answered with %s: %v", w.Body, err)
			}
		}
	})
}
