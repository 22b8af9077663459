package classify_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/redeliver/redeliver/classify"
)

func TestClassify(t *testing.T) {
	syntax := json.Unmarshal([]byte("{"), new(any))
	for _, tt := range []struct {
		name string
		err  error
		want classify.Failure
	}{
		{
			"no error is no failure",
			nil,
			classify.Failure{Class: classify.None, Rule: "no error"},
		},
		{
			"what no rule knows is transient",
			fmt.Errorf("order 7: %w", errors.New("odd")),
			classify.Failure{Class: classify.Transient, Type: "*errors.errorString", Message: "order 7: odd", Rule: "default"},
		},
		{
			"what a server asked for is kept",
			fmt.Errorf("charge: %w", throttled{429, 30 * time.Second}),
			classify.Failure{
				Class: classify.RateLimited, Type: "classify_test.throttled", Message: "charge: throttled",
				Rule: "built-in: HTTP status 429", Status: 429, RetryAfter: 30 * time.Second,
			},
		},
		{
			"whatever the class",
			classify.Mark(throttled{200, time.Second}, classify.Permanent),
			classify.Failure{
				Class: classify.Permanent, Type: "classify_test.throttled", Message: "throttled",
				Rule: "marked permanent", Status: 200, RetryAfter: time.Second,
			},
		},
		{
			"a wait that is over is none, a status out of range too",
			throttled{1000, -time.Second},
			classify.Failure{Class: classify.Transient, Type: "classify_test.throttled", Message: "throttled", Rule: "default"},
		},
		{
			"of joined errors the first that a rule knows decides",
			errors.Join(errors.New("odd"), syntax, syscall.ECONNREFUSED),
			classify.Failure{
				Class: classify.Validation, Type: "*json.SyntaxError", Message: "odd\nunexpected end of JSON input\nconnection refused",
				Rule: "built-in: json.SyntaxError",
			},
		},
		{
			"a known wrapper is not a reason to forget the cause's name",
			statusOf(503, fmt.Errorf("x: %w", io.EOF)),
			classify.Failure{
				Class: classify.Transient, Type: "*errors.errorString", Message: "status 503: x: EOF",
				Rule: "built-in: HTTP status 503", Status: 503,
			},
		},
		{
			"nil causes are none",
			joined{nil, nil, syscall.EPIPE},
			classify.Failure{Class: classify.Network, Type: "syscall.Errno", Message: "joined", Rule: "built-in: EPIPE"},
		},
		{
			"an error without causes is its own",
			joined{},
			classify.Failure{Class: classify.Transient, Type: "classify_test.joined", Message: "joined", Rule: "default"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.want.Severity = tt.want.Class.Severity()
			if diff := cmp.Diff(tt.want, classify.New(nil).Classify(tt.err)); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestMark(t *testing.T) {
	inner := classify.Mark(io.EOF, classify.Validation)
	outer := classify.Mark(fmt.Errorf("x: %w", inner), classify.System)
	c := classify.New(classify.Rules{classify.Is(io.EOF, classify.Permanent)})

	if got := c.Classify(outer); got.Class != classify.System || got.Rule != "marked system" || got.Type != "*errors.errorString" {
		t.Errorf("the outermost mark: got %v by %q, cause %s", got.Class, got.Rule, got.Type)
	}
	if got := c.Classify(fmt.Errorf("y: %w", inner)); got.Class != classify.Validation {
		t.Errorf("a mark is above the rules: got %v by %q", got.Class, got.Rule)
	}
	if !errors.Is(outer, io.EOF) || outer.Error() != "x: EOF" {
		t.Errorf("a mark changes nothing else: got %q", outer)
	}
	if classify.Mark(nil, classify.System) != nil {
		t.Error("no error was marked")
	}
	for _, none := range []classify.Class{classify.None, 8} {
		if classify.Mark(io.EOF, none) != io.EOF {
			t.Errorf("%v was marked", none)
		}
	}
}

// Bad errors get an answer too: whatever their methods do, Classify returns.
func TestClassifySurvives(t *testing.T) {
	var typedNil *broken
	cycle := &circle{}
	cycle.next = cycle
	shared := error(io.EOF)
	for range 64 {
		shared = joined{shared, shared} // 2^64 paths
	}
	for _, tt := range []struct {
		name string
		err  error
		want classify.Class
		rule string
	}{
		{"a nil pointer in an error", typedNil, classify.Transient, "default: a method of the error panicked: runtime error"},
		{"a method that panics", &broken{"x"}, classify.Transient, "default: a method of the error panicked: no status today"},
		{"a cycle", cycle, classify.Transient, "default"},
		{"shared causes", shared, classify.Network, "built-in: io.EOF"},
		{"an error that cannot be compared", list{io.EOF}, classify.Transient, "default"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := classify.New(classify.Rules{classify.Is(io.ErrNoProgress, classify.System), classify.Is(list{}, classify.System)})
			got := c.Classify(tt.err)
			if got.Class != tt.want || !strings.HasPrefix(got.Rule, tt.rule) {
				t.Errorf("got %v by %q, want %v by %q", got.Class, got.Rule, tt.want, tt.rule)
			}
			if got.Type == "" || got.Message == "" {
				t.Errorf("an error without a name: %+v", got)
			}
		})
	}
}

func TestClassifyConcurrently(t *testing.T) {
	rules := classify.Rules{classify.Match("quota", classify.RateLimited)}
	c := classify.New(rules)
	rules[0] = classify.Match("quota", classify.Permanent) // the classifier has its own
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 100 {
				if got := c.Classify(errQuota); got.Class != classify.RateLimited {
					t.Errorf("got %v by %q", got.Class, got.Rule)
				}
			}
		})
	}
	wg.Wait()
}

type throttled struct {
	status int
	wait   time.Duration
}

func (e throttled) Error() string             { return "throttled" }
func (e throttled) StatusCode() int           { return e.status }
func (e throttled) RetryAfter() time.Duration { return e.wait }

type withStatus struct {
	code  int
	cause error
}

func statusOf(code int, cause error) error { return withStatus{code, cause} }

func (e withStatus) Error() string   { return fmt.Sprintf("status %d: %v", e.code, e.cause) }
func (e withStatus) HTTPStatus() int { return e.code }
func (e withStatus) Unwrap() error   { return e.cause }

type joined []error

func (joined) Error() string     { return "joined" }
func (e joined) Unwrap() []error { return e }

type broken struct{ text string }

func (b *broken) Error() string   { return b.text }
func (b *broken) StatusCode() int { panic("no status today") }
func (b *broken) Unwrap() error   { _ = b.text; return nil }

type circle struct{ next error }

func (*circle) Error() string   { return "round and round" }
func (c *circle) Unwrap() error { return c.next }

type list []error

func (list) Error() string { return "list" }
