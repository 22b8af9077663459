package expression

import (
	"errors"
	"fmt"
	"net"
	"os"
	"reflect"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/redeliver/redeliver/classify"
)

// holds asks an expression about a failure by a rule, as the engine does.
func holds(t testing.TB, text string, in *classify.Context, err error) bool {
	t.Helper()
	e, wrong := Compile(text)
	if wrong != nil {
		t.Fatalf("%s: %v", text, wrong)
	}
	f := classify.New(classify.Rules{classify.When(classify.System, e.Condition())}).ClassifyIn(in, err)
	if strings.Contains(f.Rule, "panicked") {
		t.Fatalf("%s: %s", text, f.Rule)
	}
	return f.UserRule == 1
}

type answered struct{ status int }

func (a answered) Error() string             { return fmt.Sprintf("quota: %d", a.status) }
func (a answered) HTTPStatus() int           { return a.status }
func (a answered) RetryAfter() time.Duration { return 90 * time.Second }
func (a answered) SQLState() string          { return "40001" }
func (a answered) GRPCStatus() grpcStatus    { return 14 }

type grpcStatus uint32

func (g grpcStatus) Code() uint32 { return uint32(g) }

func TestExpressions(t *testing.T) {
	in := &classify.Context{
		Job: classify.Job{Type: "invoice", User: "u", Project: "p", Tenant: "acme"}, Topic: "orders", Dependency: "ledger", Attempt: 3,
		Header: func(name string) ([]byte, bool) { return []byte("eu-1"), name == "region" },
	}
	refused := &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
	for text, want := range map[string]bool{
		`status == 503`:                                       true,
		`status in 500..599`:                                  true,
		`status in [409, 410]`:                                false,
		`error contains "quota"`:                              true,
		`error matches "^quota: \\d+$"`:                       true,
		`error startsWith "quota" and error endsWith "503"`:   true,
		`not (error contains "x") && !(status < 500)`:         true,
		`retry_after > 60`:                                    true,
		`sqlstate startsWith "40"`:                            true,
		`grpc == "UNAVAILABLE"`:                               true,
		`class == "transient"`:                                true,
		`type == "expression.answered"`:                       true,
		`"expression.answered" in types`:                      true,
		`job_type == "invoice" and user == "u"`:               true,
		`project == "p" and tenant == "acme"`:                 true,
		`topic == "orders" and dependency == "ledger"`:        true,
		`attempt >= 3`:                                        true,
		`header("region") startsWith "eu"`:                    true,
		`header("nowhere") == ""`:                             true,
		`len(error) > 3 ? upper(tenant) == "ACME" : false`:    true,
		`lower(trim(" A ")) == "a"`:                           true,
		`true`:                                                true,
		"status == 503 # with a comment\n and attempt == 3  ": true,
	} {
		text = strings.ReplaceAll(text, "# with a comment", "/* with a comment */")
		if got := holds(t, text, in, answered{503}); got != want {
			t.Errorf("%s: got %v", text, got)
		}
	}
	if !holds(t, `type == "syscall.Errno" and "*net.OpError" in types and class == "network" and status == 0 and header("x") == ""`, &classify.Context{}, refused) {
		t.Error("a refused connection is not known")
	}
}

func TestMistakesHaveAPlace(t *testing.T) {
	for _, tt := range []struct {
		text         string
		line, column int
		want         string
		unknown      string
	}{
		{`statuss == 503`, 1, 1, "unknown name statuss", "statuss"},
		{"status == 503 and\n  tenent == \"a\"", 2, 3, "unknown name tenent", "tenent"},
		{`grün == 1`, 1, 1, "unknown name grün", "grün"},
		{`status == "503"`, 1, 8, "mismatched types int and string", ""},
		{`status`, 1, 1, "expected bool, but got int", ""},
		{`status == `, 1, 10, "unexpected token EOF", ""},
		{`error matches "("`, 1, 7, "error parsing regexp", ""},
		{`let x = 1; x == status`, 1, 5, "let is not part of this language", ""},
		{`any(types, # == "x")`, 1, 1, "any is not part of this language: its functions are header, len", ""},
		{`header(1) == ""`, 1, 8, "cannot use int as argument", ""},
		{`len(filter(types, true)) > 0`, 1, 5, "filter is not part of this language", ""},
		{`now() == now()`, 1, 1, "unknown name now", "now"},
		{strings.Repeat("true and ", 200) + "true", 1, 1131, "exceeds maximum allowed nodes", ""},
		{strings.Repeat(" ", 5000) + "true", 1, 1, "longer than 4096 bytes", ""},
		{``, 1, 1, "unexpected token EOF", ""},
	} {
		_, err := Compile(tt.text)
		var e *Error
		if !errors.As(err, &e) {
			t.Errorf("%s: got %v", tt.text, err)
			continue
		}
		if !strings.Contains(e.Problem, tt.want) || e.Unknown != tt.unknown || strings.Contains(e.Problem, "\n") {
			t.Errorf("%.60s: got %q (%q), want %q", tt.text, e.Problem, e.Unknown, tt.want)
		}
		if e.Line != tt.line || e.Column != tt.column {
			t.Errorf("%.60s: got line %d column %d, want %d, %d (%s)", tt.text, e.Line, e.Column, tt.line, tt.column, e.Problem)
		}
	}
}

// Whatever is asked, an answer is bounded: a list that would be long is an error, and the rule says so.
func TestAnswersAreBounded(t *testing.T) {
	e, err := Compile(`attempt in (attempt..(attempt + 1000000))`)
	if err != nil {
		t.Fatal(err)
	}
	f := classify.New(classify.Rules{classify.When(classify.System, e.Condition())}).Classify(errors.New("x"))
	if f.UserRule != 0 || !strings.Contains(f.Rule, "memory budget exceeded") {
		t.Errorf("got %v by %q", f.Class, f.Rule)
	}
}

func TestNamesAreThoseOfTheLanguage(t *testing.T) {
	var tags []string
	for i := range reflect.TypeFor[facts]().NumField() {
		tags = append(tags, reflect.TypeFor[facts]().Field(i).Tag.Get("expr"))
	}
	slices.Sort(tags)
	if !slices.Equal(tags, Names()) {
		t.Errorf("Names are %v, want %v", Names(), tags)
	}
}

func TestAConditionHasAShortName(t *testing.T) {
	e, err := Compile("status == 503\n   and " + strings.Repeat("tenant == \"é\" or ", 20) + "true")
	if err != nil {
		t.Fatal(err)
	}
	name := e.Condition().String()
	if !strings.HasPrefix(name, `when status == 503 and tenant == "é"`) || len(name) > 140 || !strings.HasSuffix(name, "…") {
		t.Errorf("got %q", name)
	}
}

func TestExpressionsAreAskedConcurrently(t *testing.T) {
	e, err := Compile(`status == 503 and tenant == "acme" and error contains "quota"`)
	if err != nil {
		t.Fatal(err)
	}
	c := classify.New(classify.Rules{classify.When(classify.System, e.Condition())})
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			in := classify.Context{Job: classify.Job{Tenant: []string{"acme", "b"}[i%2]}}
			for range 200 {
				if got := c.ClassifyIn(&in, answered{503}); (got.UserRule == 1) != (in.Tenant == "acme") {
					t.Errorf("%s: by %q", in.Tenant, got.Rule)
				}
			}
		})
	}
	all.Wait()
}

func FuzzCompile(f *testing.F) {
	for _, seed := range []string{`status == 503`, `error matches "a("`, "a\nb", `header("x") in ["y"]`, `{"a": 1}.a == 1`, `let a = 1; a == 1`, "\xff", `1..1000000 == []`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		e, err := Compile(text)
		var wrong *Error
		if err != nil && (!errors.As(err, &wrong) || wrong.Line < 1 || wrong.Column < 1 || strings.Contains(wrong.Problem, "\n")) {
			t.Fatalf("%q: %v", text, err)
		}
		if err == nil {
			c := classify.New(classify.Rules{classify.When(classify.System, e.Condition())})
			c.Classify(answered{503}) // whatever it says, it ends
		}
	})
}

func BenchmarkHolds(b *testing.B) {
	e, err := Compile(`status in 500..599 and tenant == "acme" and error contains "quota"`)
	if err != nil {
		b.Fatal(err)
	}
	c := classify.New(classify.Rules{classify.When(classify.System, e.Condition())})
	in := classify.Context{Job: classify.Job{Tenant: "acme"}}
	b.ReportAllocs()
	for b.Loop() {
		c.ClassifyIn(&in, answered{503})
	}
}
