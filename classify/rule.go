package classify

import (
	"fmt"
	"reflect"
	"regexp"
)

// Rules are a user's own rules, the first match wins. All of them come before
// the built-in rules.
type Rules []Rule

// A Rule gives a class to the errors that it matches. Rules are made by [As],
// [Is], [Match], [MatchRegexp], [Status] and [Func]; the zero Rule matches
// nothing.
//
// A rule is immutable and safe for concurrent use, as long as the function given
// to [Func] is.
type Rule struct {
	name string
	// find returns the index of the node that matches, and the class.
	find func(t tree) (int, Class, bool)
}

// String describes the rule: `match "quota"`.
func (r Rule) String() string {
	if r.find == nil {
		return "empty rule"
	}
	return r.name
}

// As matches an error that is of type E, or wraps or joins one: what errors.As
// would find. E may be an interface.
//
//	classify.As[*pgconn.PgError](classify.Transient)
//
// It panics if c is not one of the seven classes.
func As[E error](c Class) Rule {
	mustBeClass("As", c)
	return Rule{
		name: "as " + reflect.TypeFor[E]().String(),
		find: func(t tree) (int, Class, bool) {
			for i := range t {
				if _, ok := as[E](t[i].err); ok {
					return i, c, true
				}
			}
			return 0, None, false
		},
	}
}

// Is matches target and every error that wraps or joins it: what errors.Is
// would find.
//
// It panics if target is nil or c is not one of the seven classes.
func Is(target error, c Class) Rule {
	mustBeClass("Is", c)
	if target == nil {
		panic("classify.Is: the target is nil: name the error to match")
	}
	return Rule{
		name: fmt.Sprintf("is %q", target),
		find: func(t tree) (int, Class, bool) {
			for i := range t {
				if is(t[i].err, target) {
					return i, c, true
				}
			}
			return 0, None, false
		},
	}
}

// Match matches an error whose whole text contains the regular expression
// pattern (package regexp's syntax; not anchored).
//
// Like regexp.MustCompile it panics on a pattern that does not compile, and if c
// is not one of the seven classes. Use [MatchRegexp] for patterns from outside.
func Match(pattern string, c Class) Rule {
	return MatchRegexp(regexp.MustCompile(pattern), c)
}

// MatchRegexp is [Match] for a compiled expression. It panics if re is nil or c
// is not one of the seven classes.
func MatchRegexp(re *regexp.Regexp, c Class) Rule {
	mustBeClass("Match", c)
	if re == nil {
		panic("classify.MatchRegexp: the expression is nil: compile one with regexp.Compile")
	}
	return Rule{
		name: fmt.Sprintf("match %q", re),
		find: func(t tree) (int, Class, bool) {
			if !re.MatchString(t[0].err.Error()) {
				return 0, None, false
			}
			// Where a single cause has the text, that one decided.
			for i := range t {
				if t[i].leaf && re.MatchString(t[i].err.Error()) {
					return i, c, true
				}
			}
			return 0, c, true
		},
	}
}

// Status matches an error that carries the HTTP status code, see the package
// comment for how. Codes run from 100 to 599.
//
// It panics if the code is out of that range or c is not one of the seven
// classes.
func Status(code int, c Class) Rule {
	mustBeClass("Status", c)
	if !isStatus(code) {
		panic(fmt.Sprintf("classify.Status: %d is no HTTP status: give one from 100 to 599", code))
	}
	return Rule{
		name: fmt.Sprintf("status %d", code),
		find: func(t tree) (int, Class, bool) {
			for i := range t {
				if statusOf(t[i].err) == code {
					return i, c, true
				}
			}
			return 0, None, false
		},
	}
}

// Func matches where f returns true, with the class that f returns. f gets the
// error as the handler returned it, must be safe for concurrent use, and should
// not block. The name stands in [Failure.Rule].
//
// An answer that is not one of the seven classes is taken for no match. If f
// panics, the error is transient and [Failure.Rule] tells of the panic. Func
// itself panics if f is nil.
func Func(name string, f func(error) (Class, bool)) Rule {
	if f == nil {
		panic("classify.Func: the function is nil")
	}
	return Rule{
		name: fmt.Sprintf("func %q", name),
		find: func(t tree) (int, Class, bool) {
			c, ok := f(t[0].err)
			return 0, c, ok && c.failure()
		},
	}
}

// as is one node's step of errors.As.
func as[E error](err error) (E, bool) {
	if e, ok := err.(E); ok {
		return e, true
	}
	if x, ok := err.(interface{ As(any) bool }); ok {
		e := new(E)
		ok = x.As(e)
		return *e, ok
	}
	var none E
	return none, false
}

// is is one node's step of errors.Is.
func is(err, target error) bool {
	if reflect.TypeOf(target).Comparable() && err == target {
		return true
	}
	x, ok := err.(interface{ Is(error) bool })
	return ok && x.Is(target)
}

func mustBeClass(function string, c Class) {
	if !c.failure() {
		panic(fmt.Sprintf("classify.%s: %v is no class of a failure: give one of %v", function, c, Classes()))
	}
}
