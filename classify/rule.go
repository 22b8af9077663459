package classify

import (
	"fmt"
	"reflect"
	"regexp"
	"strings"
)

// Rules are a user's own rules, the first match wins. All of them come before
// the built-in rules.
type Rules []Rule

// A Rule gives a class to the errors that it matches. Rules are made by [As],
// [Is], [Match], [MatchRegexp], [Status] and [Func], and of several conditions
// by [When]; the zero Rule matches nothing.
//
// A rule is immutable and safe for concurrent use, as long as the functions
// given to [Func] and [Where] are.
type Rule struct {
	name string
	// find returns the index of the node that matches, and the class.
	find func(q *query) (int, Class, bool)
	// conditions are what find asks, where it does not ask a function.
	conditions []Condition
	class      Class // None where a function says
	treatment  Treatment
}

// Treated returns the rule with a treatment for the failures that it matches.
// What it leaves out is that of their class. It panics on a severity or a
// handling that there is not.
func (r Rule) Treated(t Treatment) Rule {
	if wrong := t.check(); wrong != "" {
		panic("classify.Rule.Treated: " + wrong)
	}
	r.treatment = t
	return r
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
	return When(c, Condition{
		name: "as " + reflect.TypeFor[E]().String(),
		holds: func(q *query) (int, bool) {
			for i := range q.tree {
				if _, ok := as[E](q.tree[i].err); ok {
					return i, true
				}
			}
			return 0, false
		},
		found: foundTypes,
	})
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
	return When(c, Condition{
		name: fmt.Sprintf("is %q", target),
		holds: func(q *query) (int, bool) {
			for i := range q.tree {
				if is(q.tree[i].err, target) {
					return i, true
				}
			}
			return 0, false
		},
		found: foundTypes,
	})
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
	return When(c, Text(re))
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
	return When(c, StatusIn(StatusesOf(code)))
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
		find: func(q *query) (int, Class, bool) {
			c, ok := f(q.tree[0].err)
			return 0, c, ok && c.failure()
		},
	}
}

func foundTypes(q *query) string { return "the types are " + strings.Join(q.tree.types(), ", ") }

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

type equaler interface{ Is(error) bool }

// is is one node's step of errors.Is.
func is(err, target error) bool {
	if reflect.TypeOf(target).Comparable() && err == target {
		return true
	}
	x, ok := err.(equaler)
	return ok && x.Is(target)
}

func mustBeClass(function string, c Class) {
	if !c.failure() {
		panic(fmt.Sprintf("classify.%s: %v is no class of a failure: give one of %v", function, c, Classes()))
	}
}
