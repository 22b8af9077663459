package classify

import (
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
)

// A Condition is one thing that has to hold for a rule to match, see [When]. It
// is immutable and safe for concurrent use, as long as the function given to
// [Where] is.
type Condition struct {
	name string
	// holds also returns the node that it found, -1 where it is about none.
	holds func(q *query) (at int, ok bool)
	// found says what is there, for people.
	found func(q *query) string
	// inContext says that it looks at more than the error.
	inContext bool
}

// String describes the condition: `match "quota"`, `status 5xx`.
func (c Condition) String() string { return c.name }

// When matches where all conditions hold, each anywhere in the error tree.
//
// It panics if c is not one of the seven classes or there are no conditions.
func When(c Class, conditions ...Condition) Rule {
	mustBeClass("When", c)
	if len(conditions) == 0 {
		panic("classify.When: a rule without conditions would match everything: give at least one")
	}
	names := make([]string, len(conditions))
	for i, one := range conditions {
		if one.holds == nil {
			panic("classify.When: one of the conditions is empty: make it with one of the functions that return a Condition")
		}
		names[i] = one.name
	}
	conditions = slices.Clone(conditions)
	return Rule{
		name:       strings.Join(names, " and "),
		conditions: conditions,
		class:      c,
		find: func(q *query) (int, Class, bool) {
			at := -1
			for i := range conditions {
				node, ok := conditions[i].holds(q)
				if !ok {
					return 0, None, false
				}
				if at < 0 {
					at = node
				}
			}
			return max(at, 0), c, true
		},
	}
}

// Text holds for an error whose whole text contains the regular expression. It
// panics if re is nil.
func Text(re *regexp.Regexp) Condition {
	if re == nil {
		panic("classify.Text: the expression is nil: compile one with regexp.Compile")
	}
	return Condition{
		name: fmt.Sprintf("match %q", re),
		holds: func(q *query) (int, bool) {
			if !re.MatchString(q.tree[0].err.Error()) {
				return 0, false
			}
			// Where a single cause has the text, that one decided.
			for i := range q.tree {
				if q.tree[i].leaf && re.MatchString(q.tree[i].err.Error()) {
					return i, true
				}
			}
			return 0, true
		},
		found: func(q *query) string { return fmt.Sprintf("the text is %q", cut(q.tree[0].err.Error(), 160)) },
	}
}

// Type holds for an error that is, wraps or joins one of the type: its name as
// %T prints it, such as "*net.OpError", or a pattern of it, in which * stands
// for any characters and ? for one. A star before the name of a package is the
// pointer's: "*net.*" is a pointer to any type of package net. An error with a
// method ErrorType() string has the type that it says.
func Type(pattern string) Condition {
	return Condition{
		name: fmt.Sprintf("type %s", pattern),
		holds: func(q *query) (int, bool) {
			for i := range q.tree {
				if matchesType(pattern, typeOf(q.tree[i].err)) {
					return i, true
				}
			}
			return 0, false
		},
		found: foundTypes,
	}
}

// StatusIn holds for an error that carries one of the HTTP statuses, see the
// package comment for how. It panics if there are none.
func StatusIn(s Statuses) Condition {
	if s.Empty() {
		panic("classify.StatusIn: no status is named: make the set with StatusesOf or ParseStatuses")
	}
	return Condition{
		name: "status " + s.String(),
		holds: func(q *query) (int, bool) {
			for i := range q.tree {
				if s.Has(statusOf(q.tree[i].err)) {
					return i, true
				}
			}
			return 0, false
		},
		found: func(q *query) string {
			if code := q.tree.status(); code != 0 {
				return fmt.Sprintf("the status is %d", code)
			}
			return "there is no status"
		},
	}
}

// GRPC holds for an error that carries one of the gRPC statuses, by their names
// such as "UNAVAILABLE". It panics on a name that [CheckGRPC] does not know, and
// if there are none.
func GRPC(names ...string) Condition {
	if len(names) == 0 {
		panic("classify.GRPC: no status is named")
	}
	for _, name := range names {
		if err := CheckGRPC(name); err != nil {
			panic("classify.GRPC: " + err.Error())
		}
	}
	return Condition{
		name: "grpc " + strings.Join(names, "/"),
		holds: func(q *query) (int, bool) {
			for i := range q.tree {
				if code, ok := grpcCode(q.tree[i].err); ok && code != 0 && slices.Contains(names, grpcName(code)) {
					return i, true
				}
			}
			return 0, false
		},
		found: func(q *query) string {
			if _, name := q.tree.grpc(); name != "" {
				return "the gRPC status is " + name
			}
			return "there is no gRPC status"
		},
	}
}

// SQLState holds for an error that carries one of the SQLSTATEs: five characters,
// or the two that name a group of them. It panics on any other text, and if
// there are none.
func SQLState(states ...string) Condition {
	if len(states) == 0 {
		panic("classify.SQLState: no state is named")
	}
	for _, state := range states {
		if err := CheckSQLState(state); err != nil {
			panic("classify.SQLState: " + err.Error())
		}
	}
	return Condition{
		name: "sqlstate " + strings.Join(states, "/"),
		holds: func(q *query) (int, bool) {
			for i := range q.tree {
				is := sqlStateOf(q.tree[i].err)
				if is != "" && slices.ContainsFunc(states, func(state string) bool { return strings.HasPrefix(is, state) }) {
					return i, true
				}
			}
			return 0, false
		},
		found: func(q *query) string {
			if _, state := q.tree.sqlState(); state != "" {
				return "the SQLSTATE is " + state
			}
			return "there is no SQLSTATE"
		},
	}
}

// Header holds where the record has a header of that name whose value contains
// the regular expression. It panics if re is nil.
func Header(name string, re *regexp.Regexp) Condition {
	if re == nil {
		panic("classify.Header: the expression is nil: compile one with regexp.Compile")
	}
	return Condition{
		name:      fmt.Sprintf("header %s %q", name, re),
		inContext: true,
		holds: func(q *query) (int, bool) {
			value, ok := q.in.header(name)
			return -1, ok && re.MatchString(value)
		},
		found: func(q *query) string {
			if value, ok := q.in.header(name); ok {
				return fmt.Sprintf("the header is %q", cut(value, 160))
			}
			return "there is no such header"
		},
	}
}

// JobType holds where the record's job is of one of the types.
func JobType(values ...string) Condition {
	return oneOf("job_type", values, func(c *Context) string { return c.Type })
}

// User holds where the record's job is one of these users'.
func User(values ...string) Condition {
	return oneOf("user", values, func(c *Context) string { return c.User })
}

// Project holds where the record's job belongs to one of the projects.
func Project(values ...string) Condition {
	return oneOf("project", values, func(c *Context) string { return c.Project })
}

// Tenant holds where the record's job is one of these tenants'.
func Tenant(values ...string) Condition {
	return oneOf("tenant", values, func(c *Context) string { return c.Tenant })
}

// Topic holds where the record first stood in one of the topics.
func Topic(values ...string) Condition {
	return oneOf("topic", values, func(c *Context) string { return c.Topic })
}

// Dependency holds where one of the dependencies was called.
func Dependency(values ...string) Condition {
	return oneOf("dependency", values, func(c *Context) string { return c.Dependency })
}

func oneOf(name string, values []string, of func(*Context) string) Condition {
	if len(values) == 0 || slices.Contains(values, "") {
		panic("classify: a condition by " + name + " needs values that are not empty")
	}
	values = slices.Clone(values)
	return Condition{
		name:      name + " " + strings.Join(values, "/"),
		inContext: true,
		holds:     func(q *query) (int, bool) { return -1, slices.Contains(values, of(q.in)) },
		found: func(q *query) string {
			if is := of(q.in); is != "" {
				return fmt.Sprintf("it is %q", cut(is, 160))
			}
			return "it is not known"
		},
	}
}

// Where holds where f says so. The name stands in [Failure.Rule]. f must be safe
// for concurrent use, and should not block. When it returns an error or panics,
// the failure is transient and [Failure.Rule] tells of it. Where itself panics
// if f is nil.
func Where(name string, f func(Facts) (bool, error)) Condition {
	if f == nil {
		panic("classify.Where: the function is nil")
	}
	holds := func(q *query) bool {
		ok, err := f(Facts{q})
		if err != nil {
			panic(err)
		}
		return ok
	}
	return Condition{
		name:      name,
		inContext: true,
		holds:     func(q *query) (int, bool) { return -1, holds(q) },
		found:     func(q *query) string { return fmt.Sprintf("it is %v", holds(q)) },
	}
}

// typeOf names an error's type: as it says itself, or as %T prints it.
func typeOf(err error) string {
	if x, ok := err.(interface{ ErrorType() string }); ok {
		if name := x.ErrorType(); name != "" {
			return name
		}
	}
	return reflect.TypeOf(err).String()
}

// matchesType matches a type's name with a pattern, see [Type].
func matchesType(pattern, name string) bool {
	if pattern == name {
		return true
	}
	if rest, ok := strings.CutPrefix(pattern, "*"); ok && pointed.MatchString(rest) {
		name, ok = strings.CutPrefix(name, "*")
		return ok && matchesGlob(rest, name)
	}
	return matchesGlob(pattern, name)
}

// pointed is the name of a type in a package, after a pointer's star.
var pointed = regexp.MustCompile(`^[\pL_][\pL_0-9]*\.`)

// matchesGlob matches a text with a pattern in which * stands for any characters
// and ? for one byte, in linear space and at most quadratic time.
func matchesGlob(pattern, text string) bool {
	star, after := -1, 0 // the last star, and where the text behind it was tried
	p, t := 0, 0
	for t < len(text) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, after = p, t
			p++
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == text[t]):
			p, t = p+1, t+1
		case star >= 0:
			after++
			p, t = star+1, after
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}
