package classify_test

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/redeliver/redeliver/classify"
)

var errQuota = errors.New("quota of tenant 7 used up")

func TestUserRules(t *testing.T) {
	always := func(c classify.Class) func(error) (classify.Class, bool) {
		return func(error) (classify.Class, bool) { return c, true }
	}
	for _, tt := range []struct {
		name  string
		rules classify.Rules
		err   error
		want  classify.Class
		rule  string
		typ   string
	}{
		{
			"as, deep in the tree",
			classify.Rules{classify.As[*fs.PathError](classify.Permanent)},
			errors.Join(errQuota, fmt.Errorf("x: %w", &fs.PathError{Op: "open", Path: "p", Err: syscall.EMFILE})),
			classify.Permanent, "user rule 1: as *fs.PathError", "syscall.Errno",
		},
		{
			"as an interface",
			classify.Rules{classify.As[net.Error](classify.Transient)},
			&net.OpError{Op: "dial", Err: syscall.ECONNREFUSED},
			classify.Transient, "user rule 1: as net.Error", "syscall.Errno",
		},
		{
			"as, by the error's own As",
			classify.Rules{classify.As[*fs.PathError](classify.Permanent)},
			asPathError{},
			classify.Permanent, "user rule 1: as *fs.PathError", "classify_test.asPathError",
		},
		{
			"is",
			classify.Rules{classify.Is(errQuota, classify.RateLimited)},
			fmt.Errorf("charge: %w", errQuota),
			classify.RateLimited, `user rule 1: is "quota of tenant 7 used up"`, "*errors.errorString",
		},
		{
			"is, by the error's own Is",
			classify.Rules{classify.Is(fs.ErrPermission, classify.Transient)},
			&fs.PathError{Op: "open", Path: "p", Err: syscall.EACCES},
			classify.Transient, `user rule 1: is "permission denied"`, "syscall.Errno",
		},
		{
			"match, over the wrapper's text too",
			classify.Rules{classify.Match(`^order \d+: `, classify.Validation)},
			fmt.Errorf("order 12: %w", io.EOF),
			classify.Validation, `user rule 1: match "^order \\d+: "`, "*errors.errorString",
		},
		{
			"match names the joined cause whose text it was",
			classify.Rules{classify.Match(`refused`, classify.Transient)},
			errors.Join(errQuota, syscall.ECONNREFUSED),
			classify.Transient, `user rule 1: match "refused"`, "syscall.Errno",
		},
		{
			"a compiled expression",
			classify.Rules{classify.MatchRegexp(regexp.MustCompile(`(?i)QUOTA`), classify.RateLimited)},
			errQuota,
			classify.RateLimited, `user rule 1: match "(?i)QUOTA"`, "*errors.errorString",
		},
		{
			"status",
			classify.Rules{classify.Status(409, classify.Transient)},
			fmt.Errorf("charge: %w", response{409}),
			classify.Transient, "user rule 1: status 409", "classify_test.response",
		},
		{
			"another status",
			classify.Rules{classify.Status(409, classify.Transient)},
			response{422},
			classify.Validation, "built-in: HTTP status 422", "classify_test.response",
		},
		{
			"func",
			classify.Rules{classify.Func("vendor", always(classify.System))},
			errQuota,
			classify.System, `user rule 1: func "vendor"`, "*errors.errorString",
		},
		{
			"first match wins",
			classify.Rules{
				classify.Match("nothing like it", classify.Permanent),
				{}, // matches nothing
				classify.Is(errQuota, classify.RateLimited),
				classify.Match("quota", classify.Permanent),
			},
			errQuota,
			classify.RateLimited, `user rule 3: is "quota of tenant 7 used up"`, "*errors.errorString",
		},
		{
			"before the built-in rules",
			classify.Rules{classify.As[syscall.Errno](classify.Permanent)},
			syscall.ECONNREFUSED,
			classify.Permanent, "user rule 1: as syscall.Errno", "syscall.Errno",
		},
		{
			"an answer that is no class is no match",
			classify.Rules{classify.Func("a", always(classify.None)), classify.Func("b", always(99))},
			io.EOF,
			classify.Network, "built-in: io.EOF", "*errors.errorString",
		},
		{
			"a rule that panics decides nothing",
			classify.Rules{
				classify.Match("nothing like it", classify.Permanent),
				classify.Func("vendor", func(error) (classify.Class, bool) { panic("boom") }),
			},
			errQuota,
			classify.Transient, `default: user rule 2: func "vendor" panicked: boom`, "*errors.errorString",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := classify.New(tt.rules).Classify(tt.err)
			if got.Class != tt.want || got.Rule != tt.rule || got.Type != tt.typ {
				t.Errorf("got  %v by %q, cause %s\nwant %v by %q, cause %s", got.Class, got.Rule, got.Type, tt.want, tt.rule, tt.typ)
			}
			if got.Message != tt.err.Error() {
				t.Errorf("message: got %q, want %q", got.Message, tt.err)
			}
		})
	}
}

func TestRulesThatCannotBe(t *testing.T) {
	for want, make := range map[string]func() classify.Rule{
		"classify.As: none is no class":           func() classify.Rule { return classify.As[net.Error](classify.None) },
		"classify.Is: class(9) is no class":       func() classify.Rule { return classify.Is(io.EOF, 9) },
		"classify.Is: the target is nil":          func() classify.Rule { return classify.Is(nil, classify.Network) },
		"classify.Match: none is no class":        func() classify.Rule { return classify.Match("x", classify.None) },
		"missing closing ]":                       func() classify.Rule { return classify.Match("[", classify.Network) },
		"the expression is nil":                   func() classify.Rule { return classify.MatchRegexp(nil, classify.Network) },
		"classify.Status: none is no class":       func() classify.Rule { return classify.Status(409, classify.None) },
		"classify.Status: 42 is no HTTP status":   func() classify.Rule { return classify.Status(42, classify.Network) },
		"classify.Func: the function is nil":      func() classify.Rule { return classify.Func("f", nil) },
		"give one of [transient rate_limited net": func() classify.Rule { return classify.Status(409, 8) },
	} {
		t.Run(want, func(t *testing.T) {
			defer func() {
				if p := fmt.Sprint(recover()); !strings.Contains(p, want) {
					t.Errorf("got the panic %q, want %q", p, want)
				}
			}()
			t.Errorf("made a rule: %v", make())
		})
	}
}

func TestRulesDescribeThemselves(t *testing.T) {
	for want, r := range map[string]classify.Rule{
		`match "quota"`: classify.Match("quota", classify.RateLimited),
		"status 409":    classify.Status(409, classify.Transient),
		"empty rule":    {},
	} {
		if got := r.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func FuzzMatch(f *testing.F) {
	f.Add("quota", "the quota is used up")
	f.Add("(a+)+$", "aaaaaaaaaaaaaaaaaaaaaaaa!")
	f.Add(`\xff`, "\xff")
	f.Fuzz(func(t *testing.T, pattern, text string) {
		re, err := regexp.Compile(pattern)
		if err != nil {
			t.Skip("no regular expression")
		}
		c := classify.New(classify.Rules{classify.MatchRegexp(re, classify.RateLimited)})
		got := c.Classify(fmt.Errorf("x: %w", errors.New(text))).Class
		if want := re.MatchString("x: " + text); want != (got == classify.RateLimited) {
			t.Errorf("%q in %q: got %v, want a match: %v", pattern, text, got, want)
		}
	})
}

type response struct{ code int }

func (r response) Error() string   { return fmt.Sprint("the server answered ", r.code) }
func (r response) HTTPStatus() int { return r.code }

type asPathError struct{}

func (asPathError) Error() string { return "like a path" }
func (asPathError) As(target any) bool {
	p, ok := target.(**fs.PathError)
	if ok {
		*p = &fs.PathError{Op: "open"}
	}
	return ok
}
