package admin

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/redeliver/redeliver/internal/loopback"
)

func TestStatusTravelsWhole(t *testing.T) {
	b := setup(t)
	got, err := b.client.Status(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "pipelines", len(got.Pipelines), 2)
	want := PipelineStatus{
		Pipeline: "orders", Group: "g-orders", Phase: "running", Ready: true, Health: "healthy", Score: 1, SuccessRate: 1,
		Received: 10, Completed: 8, InFlight: 1, Concurrency: 64, Lag: 3, Retries: 1,
		Topics: []TopicStatus{
			{Topic: "orders", Source: "orders", Tier: "source", Backlog: 3},
			{Topic: "orders.retry-60s", Source: "orders", Tier: "60s", Backlog: 1, OldestDue: &noon, RetentionLeft: 3600},
		},
		Paused:       map[string]int{"due": 1},
		Partitions:   []PartitionStatus{{Topic: "orders.retry-60s", Partition: 1, Paused: []string{"due"}, PausedFor: 3}},
		Held:         []HeldStatus{{ID: "orders/1/2", To: "orders.dlq", Since: noon, Tries: 7, Error: "not enough replicas"}},
		WaitsFor:     []string{"/more-.*/"},
		HeldByPolicy: 101,
		Exhausted: []ExhaustedStatus{{ID: "orders/1/3", Topic: "orders.retry-60s", Partition: 1, Offset: 7, Since: noon, Attempts: 4,
			Class: "network", Severity: "medium", Reason: "exhausted", Asked: true, Error: "refused"}},
		DeadLetters: []DeadLetterStatus{{Class: "network", Severity: "medium", Reason: "exhausted", Count: 4}},
		Admission:   &AdmissionStatus{Credit: 996, Burst: 1000},
		Breakers:    []BreakerStatus{{Dependency: "ledger", State: "metrics_only", Mode: "metrics_only", Would: "open"}},
		Parts: []PartsStatus{{Dependency: "orders-api", Known: 3, States: map[string]int{"open": 1, "closed": 2},
			NotClosed: []BreakerStatus{{Dependency: "orders-api/acme", State: "open", Mode: "auto"}}}},
		Breaker: &BreakerStatus{Dependency: "orders-api", State: "open", Mode: "auto", OpenUntil: &noon},
	}
	if diff := cmp.Diff(want, got.Pipelines[0]); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

func TestBreakersAreListed(t *testing.T) {
	got, err := setup(t).client.Breakers(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	want := []BreakerStatus{{Dependency: "payments/api", State: "half_open", Mode: "auto", Since: noon, FailureRate: 0.5}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

func TestBreakerEventsAreListed(t *testing.T) {
	client := setup(t).client
	got, err := client.BreakerEvents(context.Background(), "payments/api")
	if err != nil {
		t.Fatal(err)
	}
	want := []BreakerEvent{
		{Dependency: "payments/api", At: noon, From: "closed", To: "open", Why: "20 failures in a row"},
		{Dependency: "payments/api", At: noon.Add(time.Minute), From: "open", To: "half_open", Would: true},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	if _, err := client.BreakerEvents(context.Background(), "nobody"); err == nil || !strings.Contains(err.Error(), "the breakers are payments/api") {
		t.Errorf("another breaker: %v", err)
	}
}

func TestChanges(t *testing.T) {
	ctx := context.Background()
	tests := []struct {
		name    string
		do      func(*Client) (string, error)
		orders  []string // what the pipeline was told
		breaker []string // what the breaker was told
		says    string   // in the message or the error
		refused int      // status; 0: done
		logs    string   // in the audit log
	}{
		{"open", func(c *Client) (string, error) { return c.Breaker(ctx, "payments/api", "open") }, nil, []string{"force forced_open"}, "until close or auto", 0, `change="breaker open" dependency=payments/api by=ann@desk from=127.0.0.1:`},
		{"close", func(c *Client) (string, error) { return c.Breaker(ctx, "payments/api", "close") }, nil, []string{"force disabled"}, "until open or auto", 0, `change="breaker close"`},
		{"auto", func(c *Client) (string, error) { return c.Breaker(ctx, "payments/api", "auto") }, nil, []string{"auto"}, "measures again", 0, `change="breaker auto"`},
		{"another action", func(c *Client) (string, error) { return c.Breaker(ctx, "payments/api", "smash") }, nil, nil, `not "smash"`, 404, ""},
		{"metrics-only", func(c *Client) (string, error) { return c.Breaker(ctx, "payments/api", "metrics-only") }, nil, []string{"force metrics_only"}, "tells what it would do", 0, `change="breaker metrics-only"`},
		{"another breaker", func(c *Client) (string, error) { return c.Breaker(ctx, "nobody", "open") }, nil, nil, "the breakers are payments/api", 404, ""},

		{"pause", func(c *Client) (string, error) { return c.Pause(ctx, "orders") }, []string{"pause"}, nil, "paused until resume", 0, "change=pause pipeline=orders"},
		{"pause another", func(c *Client) (string, error) { return c.Pause(ctx, "nobody") }, nil, nil, "the pipelines are orders, clicks", 404, ""},
		{"resume", func(c *Client) (string, error) { return c.Resume(ctx, "orders", 0) }, []string{"resume 0"}, nil, "goes on", 0, "change=resume pipeline=orders admit=0"},
		{"resume and admit", func(c *Client) (string, error) { return c.Resume(ctx, "orders", 50) }, []string{"resume 50"}, nil, "50 dead letters", 0, "admit=50"},
		{"admit nonsense", func(c *Client) (string, error) {
			return c.change(ctx, "/api/v1/pipelines/orders/resume?admit=-1", struct{}{})
		}, nil, nil, "1 or more", 400, ""},

		{"skip", func(c *Client) (string, error) {
			return c.Skip(ctx, Skip{Topic: "orders", Partition: 1, Offset: 2, Reason: " poison\n"})
		}, []string{"skip orders/1/2: poison"}, nil, "skipped orders/1/2", 0, "change=skip pipeline=orders topic=orders partition=1 offset=2 reason=poison"},
		{"skip what is not held", func(c *Client) (string, error) {
			return c.Skip(ctx, Skip{Topic: "orders", Partition: 9, Offset: 2, Reason: "x"})
		}, nil, nil, "it is done", 409, ""},
		{"skip without a reason", func(c *Client) (string, error) {
			return c.Skip(ctx, Skip{Topic: "orders", Partition: 1, Offset: 2, Reason: " "})
		}, nil, nil, "reason is missing", 400, ""},
		{"skip no record", func(c *Client) (string, error) {
			return c.Skip(ctx, Skip{Topic: "orders", Partition: -1, Offset: 2, Reason: "x"})
		}, nil, nil, "must name a record", 400, ""},
		{"skip in a topic that nobody reads", func(c *Client) (string, error) {
			return c.Skip(ctx, Skip{Topic: "other", Partition: 1, Offset: 2, Reason: "x"})
		}, nil, nil, "no pipeline here reads", 404, ""},
		{"skip in another pipeline", func(c *Client) (string, error) {
			return c.Skip(ctx, Skip{Pipeline: "nobody", Topic: "orders", Partition: 1, Offset: 2, Reason: "x"})
		}, nil, nil, "the pipelines are", 404, ""},
		{"release", func(c *Client) (string, error) {
			return c.Release(ctx, Release{Topic: "orders", Partition: 1, Offset: 2})
		}, []string{"release orders/1/2"}, nil, "released orders/1/2", 0, "change=release pipeline=orders topic=orders partition=1 offset=2"},
		{"release all", func(c *Client) (string, error) {
			return c.Release(ctx, Release{Pipeline: "orders", All: true})
		}, []string{"release all"}, nil, "released 3 held records", 0, "change=release pipeline=orders records=3"},
		{"release all of nobody", func(c *Client) (string, error) { return c.Release(ctx, Release{All: true}) }, nil, nil, "the pipelines are", 404, ""},
		{"release what is not held", func(c *Client) (string, error) {
			return c.Release(ctx, Release{Topic: "orders", Partition: 9, Offset: 2})
		}, nil, nil, "cannot be released: it is done", 409, ""},
		{"release no record", func(c *Client) (string, error) { return c.Release(ctx, Release{Offset: 2}) }, nil, nil, "must name a record, or all must be true", 400, ""},
		{"release in a topic that nobody reads", func(c *Client) (string, error) { return c.Release(ctx, Release{Topic: "other"}) }, nil, nil, "no pipeline here reads", 404, ""},
		{"a release with a typing error", func(c *Client) (string, error) {
			return c.change(ctx, "/api/v1/release", map[string]any{"topik": "orders"})
		}, nil, nil, `unknown field "topik"`, 400, ""},
		{"a body with a typing error", func(c *Client) (string, error) {
			return c.change(ctx, "/api/v1/skip", map[string]any{"topik": "orders"})
		}, nil, nil, `unknown field "topik"`, 400, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			b := setup(t)
			message, err := test.do(b.client)
			var refused *RefusedError
			if errors.As(err, &refused) {
				message = refused.Message
				equal(t, "status", refused.Status, test.refused)
			} else if err != nil {
				t.Fatal(err)
			}
			if (err == nil) != (test.refused == 0) {
				t.Errorf("got %v", err)
			}
			contains(t, "message", message, test.says)
			told(t, b.orders.told, test.orders...)
			told(t, b.breaker.told, test.breaker...)
			told(t, b.clicks.told)
			if test.logs == "" {
				equal(t, "log", b.log.String(), "")
			}
			contains(t, "log", b.log.String(), test.logs)
		})
	}
}

func TestATopicOfTwoPipelinesNeedsAName(t *testing.T) {
	b := setup(t)
	b.clicks.stats.Topics = append(b.clicks.stats.Topics, b.orders.stats.Topics[0])
	skip := Skip{Topic: "orders", Partition: 1, Offset: 2, Reason: "x"}
	_, err := b.client.Skip(context.Background(), skip)
	var refused *RefusedError
	if !errors.As(err, &refused) {
		t.Fatalf("got %v", err)
	}
	contains(t, "message", refused.Message, "they are orders, clicks")
	skip.Pipeline = "orders"
	if _, err := b.client.Skip(context.Background(), skip); err != nil {
		t.Error(err)
	}
}

func TestNobodyAnswers(t *testing.T) {
	nobody, err := loopback.FreeAddress()
	if err != nil {
		t.Fatal(err)
	}
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write([]byte("<html>")) }))
	defer other.Close()
	missing := httptest.NewServer(http.NotFoundHandler())
	defer missing.Close()
	for _, address := range []string{nobody, other.URL, missing.URL} {
		c, err := NewClient(address, "")
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		_, err = c.Status(ctx)
		cancel()
		var unreachable *UnreachableError
		if !errors.As(err, &unreachable) {
			t.Errorf("%s: got %v", address, err)
		}
	}
}

func TestAnAddressThatIsNone(t *testing.T) {
	for _, address := range []string{"", "ftp://host", "http://", "://"} {
		if _, err := NewClient(address, ""); err == nil {
			t.Errorf("%q was taken", address)
		}
	}
}
