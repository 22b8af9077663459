package webhook

import (
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/redeliver/redeliver/classify"
	"github.com/redeliver/redeliver/consumer"
)

func TestANoticeIsPosted(t *testing.T) {
	var got map[string]any
	var header http.Header
	status := http.StatusNoContent
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header = r.Header
		body, _ := io.ReadAll(r.Body)
		if err := json.Unmarshal(body, &got); err != nil || r.Method != http.MethodPost {
			t.Errorf("got %s %q: %v", r.Method, body, err)
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, "no channel")
	}))
	defer service.Close()
	var log strings.Builder
	n, err := NewNotifier(Config{URL: service.URL, Headers: map[string]string{"Authorization": "Bearer x"}, Timeout: time.Minute}, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	at := time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC)
	told := consumer.Notice{
		Pipeline: "orders", Dependency: "ledger", Class: classify.Authentication, Severity: classify.Critical, Handling: classify.Hold,
		Rule: "built-in: HTTP status 401", Count: 12, Since: at, ID: "orders/3/7", Topic: "orders", Attempt: 2, Error: "401 Unauthorized",
		Job: classify.Job{Tenant: "acme"}, NotBefore: at.Add(time.Minute),
	}
	n.Tell(t.Context(), told)
	want := map[string]any{
		"pipeline": "orders", "dependency": "ledger", "class": "authentication", "severity": "critical", "handling": "hold",
		"rule": "built-in: HTTP status 401", "count": 12.0, "since": "2026-03-14T12:00:00Z", "id": "orders/3/7", "topic": "orders",
		"attempt": 2.0, "error": "401 Unauthorized", "job": map[string]any{"tenant": "acme"}, "not_before": "2026-03-14T12:01:00Z",
		"text": "orders: 12 calls failed (authentication, critical), first orders/3/7: 401 Unauthorized",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if header.Get("Content-Type") != "application/json" || header.Get("Authorization") != "Bearer x" {
		t.Errorf("got the headers %v", header)
	}
	if log.Len() > 0 {
		t.Errorf("a notice that arrived is told of: %s", log.String())
	}

	status = http.StatusNotFound
	n.Tell(t.Context(), told)
	for _, part := range []string{"could not be posted", "pipeline=orders", "failures=12", "404 Not Found"} {
		if !strings.Contains(log.String(), part) {
			t.Errorf("the log lacks %q: %s", part, log.String())
		}
	}
}

// A service that does not answer costs a notice, and no more time than it may.
func TestANoticeHasATimeout(t *testing.T) {
	release := make(chan struct{})
	service := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	defer service.Close()
	defer close(release)
	var log strings.Builder
	n, err := NewNotifier(Config{URL: service.URL, Timeout: 10 * time.Millisecond}, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	n.Tell(t.Context(), consumer.Notice{})
	if !strings.Contains(log.String(), "no answer in time") {
		t.Errorf("got %s", log.String())
	}
}

func TestANotifierNeedsAnAddress(t *testing.T) {
	if _, err := NewNotifier(Config{URL: "localhost"}, slog.Default()); err == nil || !strings.Contains(err.Error(), "http:// or https://") {
		t.Errorf("got %v", err)
	}
}
