package classify_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/redeliver/redeliver/classify"
)

// errRefused is what an HTTP client returns when nobody listens.
var errRefused = fmt.Errorf("charge: %w", &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)})

func TestConditions(t *testing.T) {
	in := classify.Context{
		Job:   classify.Job{Type: "invoice", User: "u-1", Project: "p-1", Tenant: "acme"},
		Topic: "orders", Dependency: "payments", Attempt: 3,
		Header: func(name string) ([]byte, bool) { return []byte("eu-west-1"), name == "region" },
	}
	fiveHundreds, _ := classify.ParseStatuses("5xx")
	re := regexp.MustCompile
	for _, tt := range []struct {
		condition classify.Condition
		err       error
		want      bool
		name      string
		found     string
	}{
		{classify.Text(re("refused$")), errRefused, true, `match "refused$"`, `the text is "charge: dial tcp: connect: connection refused"`},
		{classify.Text(re("^refused")), errRefused, false, `match "^refused"`, ""},

		{classify.Type("*net.OpError"), errRefused, true, "type *net.OpError", "the types are *fmt.wrapError, *net.OpError, *os.SyscallError, syscall.Errno"},
		{classify.Type("syscall.Errno"), errRefused, true, "type syscall.Errno", ""},
		{classify.Type("net.OpError"), errRefused, false, "type net.OpError", ""},
		{classify.Type("OpError"), errRefused, false, "type OpError", ""},
		{classify.Type("*net.*"), errRefused, true, "type *net.*", ""},
		{classify.Type("*.Errno"), errRefused, true, "type *.Errno", ""},
		{classify.Type("*Syscall*"), errRefused, true, "type *Syscall*", ""},
		{classify.Type("*Error"), errRefused, true, "type *Error", ""},
		{classify.Type("*syscall.Errno"), errRefused, false, "type *syscall.Errno", ""}, // it is no pointer
		{classify.Type("syscall.Err??"), errRefused, true, "type syscall.Err??", ""},
		{classify.Type("syscall.Err?"), errRefused, false, "type syscall.Err?", ""},
		{classify.Type("ValueError"), remote{"ValueError"}, true, "type ValueError", "the types are ValueError"},
		{classify.Type("classify_test.remote"), remote{""}, true, "type classify_test.remote", ""},

		{classify.StatusIn(classify.StatusesOf(409, 503)), statusOf(503, io.EOF), true, "status 409/503", "the status is 503"},
		{classify.StatusIn(fiveHundreds), fmt.Errorf("x: %w", statusOf(599, io.EOF)), true, "status 5xx", "the status is 599"},
		{classify.StatusIn(fiveHundreds), io.EOF, false, "status 5xx", "there is no status"},

		{classify.GRPC("UNAVAILABLE", "ABORTED"), fmt.Errorf("x: %w", grpcError(14)), true, "grpc UNAVAILABLE/ABORTED", "the gRPC status is UNAVAILABLE"},
		{classify.GRPC("ABORTED"), grpcError(14), false, "grpc ABORTED", "the gRPC status is UNAVAILABLE"},
		{classify.GRPC("ABORTED"), grpcError(0), false, "grpc ABORTED", "there is no gRPC status"},
		{classify.GRPC("ABORTED"), grpcError(99), false, "grpc ABORTED", "the gRPC status is 99"},

		{classify.SQLState("40001"), fmt.Errorf("x: %w", sqlError("40001")), true, "sqlstate 40001", "the SQLSTATE is 40001"},
		{classify.SQLState("23", "40"), sqlError("40P01"), true, "sqlstate 23/40", "the SQLSTATE is 40P01"},
		{classify.SQLState("40001"), sqlError("40P01"), false, "sqlstate 40001", ""},
		{classify.SQLState("40"), sqlError("4"), false, "sqlstate 40", "there is no SQLSTATE"},

		{classify.Header("region", re("^eu-")), io.EOF, true, `header region "^eu-"`, `the header is "eu-west-1"`},
		{classify.Header("region", re("^us-")), io.EOF, false, `header region "^us-"`, ""},
		{classify.Header("zone", re("")), io.EOF, false, `header zone ""`, "there is no such header"},

		{classify.JobType("refund", "invoice"), io.EOF, true, "job_type refund/invoice", `it is "invoice"`},
		{classify.JobType("refund"), io.EOF, false, "job_type refund", ""},
		{classify.User("u-1"), io.EOF, true, "user u-1", ""},
		{classify.Project("p-1"), io.EOF, true, "project p-1", ""},
		{classify.Tenant("acme"), io.EOF, true, "tenant acme", ""},
		{classify.Topic("orders"), io.EOF, true, "topic orders", ""},
		{classify.Dependency("mail"), io.EOF, false, "dependency mail", `it is "payments"`},

		{classify.Where("third", func(f classify.Facts) (bool, error) { return f.Context().Attempt == 3, nil }), io.EOF, true, "third", "it is true"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := classify.New(classify.Rules{classify.When(classify.System, tt.condition)})
			got := c.ClassifyIn(&in, tt.err)
			if matched := got.Rule == "user rule 1: "+tt.name; matched != tt.want {
				t.Errorf("matched %v, want %v: %v by %q", matched, tt.want, got.Class, got.Rule)
			}
			finding := c.Explain(&in, tt.err).Rules[0].Findings[0]
			if finding.Condition != tt.name || finding.Holds != tt.want || tt.found != "" && finding.Found != tt.found {
				t.Errorf("explained as %+v, want %q", finding, tt.found)
			}
			if tt.want && strings.Contains(tt.name, "acme") && c.Classify(tt.err).Class == classify.System {
				t.Error("matched without a context")
			}
		})
	}
}

// All conditions of a rule must hold; without a context those about it do not.
func TestWhenWantsAllConditions(t *testing.T) {
	c := classify.New(classify.Rules{
		classify.When(classify.Validation, classify.StatusIn(classify.StatusesOf(409)), classify.Text(regexp.MustCompile("stale")), classify.Tenant("acme")),
	})
	in := classify.Context{Job: classify.Job{Tenant: "acme"}}
	stale := statusOf(409, errors.New("stale"))
	for _, tt := range []struct {
		name string
		in   classify.Context
		err  error
		want bool
	}{
		{"all", in, stale, true},
		{"another text", in, statusOf(409, errors.New("fresh")), false},
		{"another status", in, statusOf(410, errors.New("stale")), false},
		{"another tenant", classify.Context{Job: classify.Job{Tenant: "b"}}, stale, false},
		{"no context", classify.Context{}, stale, false},
	} {
		got := c.ClassifyIn(&tt.in, tt.err)
		if matched := got.Rule == `user rule 1: status 409 and match "stale" and tenant acme`; matched != tt.want {
			t.Errorf("%s: matched %v, want %v (%q)", tt.name, matched, tt.want, got.Rule)
		}
	}
	if !c.NeedsContext() || classify.New(classify.Rules{classify.Status(409, classify.Transient)}).NeedsContext() || (*classify.Classifier)(nil).NeedsContext() {
		t.Error("NeedsContext is wrong")
	}
}

func TestWhereKnowsTheFacts(t *testing.T) {
	var got map[string]any
	c := classify.New(classify.Rules{classify.When(classify.System, classify.Where("facts", func(f classify.Facts) (bool, error) {
		got = map[string]any{
			"type": f.Type(), "types": len(f.Types()), "status": f.Status(), "grpc": f.GRPC(), "sqlstate": f.SQLState(),
			"wait": f.RetryAfter(), "class": f.Class(), "error": f.Error().Error(), "topic": f.Context().Topic,
		}
		return false, nil
	}))})
	c.ClassifyIn(&classify.Context{Topic: "orders"}, errors.Join(throttled{429, time.Second}, grpcError(14), sqlError("40001"), context.Canceled))
	want := map[string]any{
		"type": "classify_test.throttled", "types": 5, "status": 429, "grpc": "UNAVAILABLE", "sqlstate": "40001",
		"wait": time.Second, "class": classify.RateLimited, "error": "throttled\ngRPC\n40001\ncontext canceled", "topic": "orders",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	c.Classify(errors.New("odd"))
	if got["class"] != classify.Transient {
		t.Errorf("what no rule knows is %v", got["class"])
	}
}

// A condition that fails decides nothing, and says so.
func TestWhereThatFails(t *testing.T) {
	c := classify.New(classify.Rules{classify.When(classify.System, classify.Where("odd", func(classify.Facts) (bool, error) { return true, errors.New("no such luck") }))})
	got := c.Classify(io.EOF)
	if got.Class != classify.Transient || got.Rule != "default: user rule 1: odd panicked: no such luck" {
		t.Errorf("got %v by %q", got.Class, got.Rule)
	}
	if e := c.Explain(&classify.Context{}, io.EOF); e.Rules[0].Problem != "no such luck" || e.Rules[0].Matched {
		t.Errorf("explained as %+v", e.Rules[0])
	}
}

func TestConditionsThatCannotBe(t *testing.T) {
	for want, make := range map[string]func() any{
		"a rule without conditions would match everything": func() any { return classify.When(classify.System) },
		"one of the conditions is empty":                   func() any { return classify.When(classify.System, classify.Condition{}) },
		"none is no class of a failure":                    func() any { return classify.When(classify.None, classify.Topic("x")) },
		"classify.Text: the expression is nil":             func() any { return classify.Text(nil) },
		"classify.Header: the expression is nil":           func() any { return classify.Header("x", nil) },
		"classify.Where: the function is nil":              func() any { return classify.Where("x", nil) },
		"no status is named: make the set":                 func() any { return classify.StatusIn(classify.Statuses{}) },
		"classify.GRPC: no status":                         func() any { return classify.GRPC() },
		"did you mean UNAVAILABLE?":                        func() any { return classify.GRPC("unavailable") },
		"the statuses are CANCELLED":                       func() any { return classify.GRPC("OK") },
		"classify.SQLState: no state":                      func() any { return classify.SQLState() },
		`"4000" is no SQLSTATE`:                            func() any { return classify.SQLState("4000") },
		"a condition by tenant needs values":               func() any { return classify.Tenant() },
		"a condition by user needs values":                 func() any { return classify.User("") },
		"is no handling: give one of [retry":               func() any { return classify.Status(409, classify.System).Treated(classify.Treatment{Handling: 9}) },
		"is no severity: give one of [low":                 func() any { return classify.Status(409, classify.System).Treated(classify.Treatment{Severity: 9}) },
		"classify.Classifier.With: network: ":              func() any { return classify.New(nil).With(classify.Treatments{classify.Network: {Severity: 9}}) },
		"classify.Classifier.With: none is no class":       func() any { return classify.New(nil).With(classify.Treatments{classify.None: {}}) },
	} {
		t.Run(want, func(t *testing.T) {
			defer func() {
				if p := fmt.Sprint(recover()); !strings.Contains(p, want) {
					t.Errorf("got the panic %q, want %q", p, want)
				}
			}()
			t.Errorf("made %v", make())
		})
	}
}

func TestTreatments(t *testing.T) {
	rules := classify.Rules{
		classify.Status(409, classify.Network).Treated(classify.Treatment{Severity: classify.Critical, Quiet: true}),
		classify.Status(410, classify.Network).Treated(classify.Treatment{Handling: classify.Drop}),
	}
	c := classify.New(rules).With(classify.Treatments{
		classify.Network:    {Severity: classify.High, Handling: classify.Hold, Notify: true},
		classify.Validation: {Handling: classify.DeadLetter},
	})
	for _, tt := range []struct {
		name string
		c    *classify.Classifier
		err  error
		want classify.Treatment
	}{
		{"the default", nil, syscall.EPIPE, classify.Treatment{Severity: classify.Medium}},
		{"a classifier without treatments", classify.New(rules), statusOf(400, io.EOF), classify.Treatment{Severity: classify.Medium}},
		{"a zero classifier", new(classify.Classifier), grpcError(16), classify.Treatment{Severity: classify.Critical}},
		{"that of the class", c, syscall.EPIPE, classify.Treatment{Severity: classify.High, Handling: classify.Hold, Notify: true}},
		{"with its own severity", c, statusOf(400, io.EOF), classify.Treatment{Severity: classify.Medium, Handling: classify.DeadLetter}},
		{"the rule's is above the class's", c, statusOf(409, io.EOF), classify.Treatment{Severity: classify.Critical, Handling: classify.Hold}},
		{"part by part", c, statusOf(410, io.EOF), classify.Treatment{Severity: classify.High, Handling: classify.Drop, Notify: true}},
		{"a class that nothing is said of", c, statusOf(401, io.EOF), classify.Treatment{Severity: classify.Critical}},
		{"a mark has that of its class", c, classify.Mark(io.EOF, classify.Network), classify.Treatment{Severity: classify.High, Handling: classify.Hold, Notify: true}},
		{"so has an error that cannot be read", c, &broken{"x"}, classify.Treatment{Severity: classify.Low}},
		{"no error", c, nil, classify.Treatment{}},
	} {
		if got := tt.c.Classify(tt.err).Treatment; got != tt.want {
			t.Errorf("%s: got %+v, want %+v", tt.name, got, tt.want)
		}
	}
}

func TestSeveritiesAndHandlingsHaveNames(t *testing.T) {
	for _, s := range classify.Severities() {
		if got, err := classify.ParseSeverity(s.String()); got != s || err != nil {
			t.Errorf("%v: got %v, %v", s, got, err)
		}
	}
	for _, wrong := range []string{"", "none", "Low", "urgent"} {
		if _, err := classify.ParseSeverity(wrong); err == nil || !strings.Contains(err.Error(), "low, medium, high, critical") {
			t.Errorf("%q: got %v", wrong, err)
		}
	}
	if got := fmt.Sprint(classify.Handlings(), classify.ByClass, classify.Handling(9), classify.Severity(9)); got != "[retry dead_letter hold drop] by_class handling(9) severity(9)" {
		t.Errorf("got %s", got)
	}
	for _, class := range classify.Classes() {
		if class.Severity() == classify.SeverityNone {
			t.Errorf("%v has no severity", class)
		}
	}
	if classify.None.Severity() != classify.SeverityNone {
		t.Error("no failure has a severity")
	}
}

func TestExplain(t *testing.T) {
	c := classify.New(classify.Rules{
		classify.When(classify.Permanent, classify.StatusIn(classify.StatusesOf(404)), classify.Topic("orders")),
		classify.Func("never", func(error) (classify.Class, bool) { return 0, false }),
		classify.Match("EOF", classify.Transient),
		classify.Match("E", classify.Validation),
	})
	err := fmt.Errorf("read: %w", io.EOF)
	got := c.Explain(&classify.Context{Topic: "orders"}, err)
	want := classify.Explanation{
		Failure: c.ClassifyIn(&classify.Context{Topic: "orders"}, err),
		BuiltIn: classify.Network, BuiltInRule: "built-in: io.EOF",
		Rules: []classify.Trial{
			{Rule: "status 404 and topic orders", Asked: true, Findings: []classify.Finding{
				{Condition: "status 404", Found: "there is no status"}, {Condition: "topic orders", Holds: true, Found: `it is "orders"`},
			}},
			{Rule: `func "never"`, Asked: true},
			{Rule: `match "EOF"`, Asked: true, Matched: true, Findings: []classify.Finding{{Condition: `match "EOF"`, Holds: true, Found: `the text is "read: EOF"`}}},
			{Rule: `match "E"`},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if got := c.Explain(&classify.Context{}, classify.Mark(err, classify.System)); got.Rules[2].Asked || got.Failure.Class != classify.System {
		t.Errorf("a marked error: got %+v", got)
	}
	infos := c.Rules()
	if len(infos) != 4 || infos[0] != (classify.RuleInfo{1, "status 404 and topic orders", classify.Permanent, classify.Treatment{Severity: classify.High}}) || infos[1].Class != classify.None || (*classify.Classifier)(nil).Rules() != nil {
		t.Errorf("the rules are %+v", infos)
	}
	if got := c.Explain(&classify.Context{}, nil); got.Rules != nil || got.Failure.Class != classify.None {
		t.Errorf("no error: got %+v", got)
	}
	if got := (*classify.Classifier)(nil).Explain(&classify.Context{}, &broken{"x"}); got.Failure.Class != classify.Transient {
		t.Errorf("an error that cannot be read: got %+v", got)
	}
}

// remote stands in for an error of another program.
type remote struct{ typ string }

func (r remote) Error() string     { return "remote" }
func (r remote) ErrorType() string { return r.typ }

type sqlError string

func (e sqlError) Error() string    { return string(e) }
func (e sqlError) SQLState() string { return string(e) }

type grpcError uint32

func (grpcError) Error() string          { return "gRPC" }
func (e grpcError) GRPCStatus() grpcCode { return grpcCode(e) }

type grpcCode uint32

func (c grpcCode) Code() uint32 { return uint32(c) }
