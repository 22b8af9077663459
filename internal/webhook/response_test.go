package webhook

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/redeliver/redeliver/classify"
	"github.com/redeliver/redeliver/consumer"
)

// The contract's table, and what it leaves to "other".
func TestAStatusHasItsClass(t *testing.T) {
	named := map[int]classify.Class{
		408: classify.Transient, 425: classify.Transient,
		429: classify.RateLimited,
		401: classify.Authentication, 403: classify.Authentication,
		400: classify.Validation, 405: classify.Validation, 409: classify.Validation, 411: classify.Validation,
		413: classify.Validation, 414: classify.Validation, 415: classify.Validation, 422: classify.Validation,
		404: classify.Permanent, 410: classify.Permanent, 501: classify.Permanent,
	}
	w := open(t, Config{URL: "http://127.0.0.1/orders"})
	for status := 200; status <= 599; status++ {
		want, ok := named[status]
		switch {
		case ok:
		case status < 300:
			want = classify.None
		case status < 500:
			want = classify.Permanent
		default:
			want = classify.Transient
		}
		err := w.outcome(answer{url: w.name, status: status, header: http.Header{}}.verdict(), 1)
		if got := classify.New(nil).Classify(err); got.Class != want {
			t.Errorf("%d is %v (%s), want %v", status, got.Class, got.Rule, want)
		}
	}
}

// A status, even one of the table, is for the user's own rules first.
func TestAUsersRuleComesBeforeTheTable(t *testing.T) {
	rules := classify.New(classify.Rules{classify.Status(409, classify.Transient), classify.Match("sold out", classify.Permanent)})
	if got := rules.Classify(&StatusError{Status: 409}); got.Class != classify.Transient {
		t.Errorf("409 is %v (%s), want transient", got.Class, got.Rule)
	}
	if got := rules.Classify(&StatusError{Status: 503, Excerpt: "sold out"}); got.Class != classify.Permanent {
		t.Errorf("sold out is %v (%s), want permanent", got.Class, got.Rule)
	}
}

func TestTheServiceDecides(t *testing.T) {
	const policy = 7 * time.Second
	status := func(code int, change ...func(*StatusError)) *StatusError {
		e := &StatusError{URL: "http://127.0.0.1/orders", Status: code}
		for _, c := range change {
			c(e)
		}
		return e
	}
	after := func(d time.Duration) func(*StatusError) { return func(e *StatusError) { e.After = d } }
	note := func(s string) func(*StatusError) { return func(e *StatusError) { e.Note = s } }
	tests := []struct {
		name   string
		status int
		header string // Name: value, separated by " | "
		want   error
	}{
		{"success", 204, "", nil},
		{"a failure", 503, "", status(503)},
		{"a failure with seconds", 503, "Retry-After: 90", status(503, after(90*time.Second))},
		{"a quota with a day of seconds", 429, "Retry-After: 86400", status(429, after(time.Hour))},
		{"no end of seconds", 429, "Retry-After: 99999999999999999999999", status(429, after(time.Hour))},
		{"a date, by the service's clock", 503, "Date: Mon, 02 Jan 2006 15:04:05 GMT | Retry-After: Mon, 02 Jan 2006 15:05:05 GMT", status(503, after(time.Minute))},
		{"a date that is over", 503, "Date: Mon, 02 Jan 2006 15:04:05 GMT | Retry-After: Mon, 02 Jan 2006 15:03:05 GMT", status(503)},
		{"a date beyond the bound", 503, "Retry-After: Fri, 31 Dec 9999 23:59:59 GMT", status(503, after(time.Hour))},
		{"Retry-After that says nothing", 503, "Retry-After: soon", status(503)},
		{"Retry-After below zero", 503, "Retry-After: -3", status(503)},
		{"Retry-After on a success", 200, "Retry-After: 9", nil},

		{"retry a success", 200, "Redeliver-Action: retry | Redeliver-Delay: 30s", consumer.RetryAfter(30*time.Second, classify.Mark(status(200), classify.Transient))},
		{"retry a success, at the policy's delay", 200, "Redeliver-Action: retry", consumer.Retriable(classify.Mark(status(200), classify.Transient))},
		{"retry what is not retried", 401, "Redeliver-Action: retry | Redeliver-Delay: 2d", consumer.RetryAfter(48*time.Hour, status(401))},
		{"retry with Retry-After", 404, "Redeliver-Action: retry | Retry-After: 9", consumer.Retriable(status(404, after(9*time.Second)))},
		{"retry with a delay that cannot be read", 500, "Redeliver-Action: retry | Redeliver-Delay: soon", consumer.Retriable(status(500, note(`the delay "soon" is not one like 30s`)))},
		{"retry with a delay below zero", 500, "Redeliver-Action: retry | Redeliver-Delay: -1s", consumer.Retriable(status(500, note(`the delay "-1s" is not one like 30s`)))},
		{"snooze", 200, "Redeliver-Action: snooze | Redeliver-Delay: 1m", consumer.Snooze(time.Minute)},
		{"snooze at the policy's delay", 503, "Redeliver-Action: snooze", consumer.Snooze(policy)},
		{"snooze with Retry-After", 503, "Redeliver-Action: snooze | Retry-After: 9", consumer.Snooze(9 * time.Second)},
		{"dead-letter a success", 200, "Redeliver-Action: dead-letter", consumer.DeadLetter(classify.Mark(status(200), classify.Permanent))},
		{"dead-letter what would be retried", 503, "Redeliver-Action: dead-letter", consumer.DeadLetter(status(503))},
		{"drop", 500, "Redeliver-Action: drop", consumer.Drop("500 Internal Server Error (POST http://127.0.0.1/orders)")},
		{"case and spaces", 500, "Redeliver-Action:  SNOOZE  | Redeliver-Delay: 1m ", consumer.Snooze(time.Minute)},
		{
			"an unknown action is no success", 200, "Redeliver-Action: dead_letter",
			consumer.Retriable(classify.Mark(status(200, note(`the action "dead_letter" is none of retry, snooze, dead-letter, drop`)), classify.Transient)),
		},
		{"an unknown action on a failure", 404, "Redeliver-Action: explode", status(404, note(`the action "explode" is none of retry, snooze, dead-letter, drop`))},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			h := http.Header{}
			for line := range strings.SplitSeq(test.header, " | ") {
				if name, value, ok := strings.Cut(line, ":"); ok {
					h.Add(strings.TrimSpace(name), strings.TrimPrefix(value, " "))
				}
			}
			w := open(t, Config{URL: "http://127.0.0.1/orders", PolicyDelay: func(int) time.Duration { return policy }})
			got := w.outcome(answer{url: w.name, status: test.status, header: h}.verdict(), 1)
			// DeepEqual sees the unexported fields in which steering errors differ.
			if !reflect.DeepEqual(got, test.want) {
				t.Errorf("got %#v\nwant %#v", got, test.want)
			}
		})
	}
}

func TestTheErrorTellsWhatTheServiceSaid(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "3")
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = w.Write([]byte("database\r\n\tis \x1b[31mdown\xff " + strings.Repeat("x", 10_000)))
	}))
	defer server.Close()
	w := open(t, Config{URL: "http://user:secret@" + server.Listener.Addr().String() + "/orders?token=secret"})
	err := w.postOne(context.Background(), order())
	text := err.Error()
	before, after := "503 Service Unavailable: database is [31mdown xxx", "xxx… (POST "+server.URL+"/orders)" // which says that there was more
	if !strings.HasPrefix(text, before) || !strings.HasSuffix(text, after) {
		t.Errorf("got %q, want %q...%q", text, before, after)
	}
	if strings.Contains(text, "secret") || len(text) > excerptLimit+200 {
		t.Errorf("a secret, or %d bytes: %q", len(text), text)
	}
	failure := classify.New(nil).Classify(err)
	if failure.Status != 503 || failure.RetryAfter != 3*time.Second || failure.Type != "*webhook.StatusError" {
		t.Errorf("classified as %+v", failure)
	}
}

func TestARedirectIsAnAnswer(t *testing.T) {
	followed := false
	target := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { followed = true }))
	defer target.Close()
	for _, status := range []int{301, 302, 303, 307, 308} {
		server := httptest.NewServer(http.RedirectHandler(target.URL, status))
		w := open(t, Config{URL: server.URL})
		err := w.postOne(context.Background(), order())
		if got := classify.New(nil).Classify(err); got.Class != classify.Permanent || got.Status != status {
			t.Errorf("%d is %v: %v", status, got.Class, err)
		}
		server.Close()
	}
	if followed {
		t.Error("a redirect was followed")
	}
}

func TestConnectionErrorUnwraps(t *testing.T) {
	cause := errors.New("cause")
	if err := error(&ConnectionError{URL: "http://h", Err: cause}); !errors.Is(err, cause) {
		t.Error("the cause is hidden")
	}
}

// A list of dead letters shows the beginning of an error only: the status must be in it, however long the address.
func TestErrorsBeginWithWhatHappened(t *testing.T) {
	address := "https://payments.internal.example.com/v1/orders/" + strings.Repeat("x", 80)
	for _, test := range []struct {
		err  error
		want string
	}{
		{&StatusError{URL: address, Status: 503, Excerpt: "maintenance"}, "503 Service Unavailable: maintenance (POST " + address + ")"},
		{&ConnectionError{URL: address, Err: io.EOF}, "no answer: EOF (POST " + address + ")"},
	} {
		if got := test.err.Error(); got != test.want {
			t.Errorf("got %q, want %q", got, test.want)
		}
	}
}
