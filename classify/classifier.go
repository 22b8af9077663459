package classify

import (
	"fmt"
	"slices"
	"time"
)

// A Classifier says what kind of failure an error is. It is immutable and safe
// for concurrent use; a nil Classifier has the built-in rules alone.
type Classifier struct {
	rules     []userRule
	byClass   byClass
	inContext bool
}

type userRule struct {
	Rule
	label  string // as Failure.Rule tells it
	number int    // from 1
}

// New returns a classifier that asks rules, in their order, before the built-in
// rules. The slice is copied.
func New(rules Rules) *Classifier {
	c := &Classifier{byClass: defaultTreatments}
	for i, r := range rules {
		if r.find != nil {
			c.rules = append(c.rules, userRule{r, fmt.Sprintf("user rule %d: %s", i+1, r.name), i + 1})
		}
		for _, one := range r.conditions {
			c.inContext = c.inContext || one.inContext
		}
	}
	return c
}

// With returns a classifier with the same rules and these treatments of the
// classes. It panics on a severity, a handling or a class that there is not.
func (c *Classifier) With(t Treatments) *Classifier {
	for class, one := range t {
		mustBeClass("Classifier.With", class)
		if wrong := one.check(); wrong != "" {
			panic(fmt.Sprintf("classify.Classifier.With: %v: %s", class, wrong))
		}
	}
	with := Classifier{}
	if c != nil {
		with = *c
	}
	with.byClass = treatmentsOf(t)
	return &with
}

// NeedsContext reports whether any rule looks at more than the error: else the
// context may be left out.
func (c *Classifier) NeedsContext() bool { return c != nil && c.inContext }

// Classify says what kind of failure err is and which rule decided. It never
// fails and never panics, whatever err's own methods do: an error that no rule
// knows, and one that panics when it is looked at, is [Transient]. A nil error
// is no failure, with class [None].
func (c *Classifier) Classify(err error) Failure { return c.ClassifyIn(&nowhere, err) }

// nowhere is the context of a failure of which only the error is known.
var nowhere Context

// ClassifyIn is Classify for a failure of which more is known than its error.
func (c *Classifier) ClassifyIn(in *Context, err error) (f Failure) {
	if err == nil {
		return Failure{Rule: "no error"}
	}
	asking := "" // the user's rule that is being asked
	defer func() {
		if p := recover(); p != nil {
			f = c.unreadable(err, asking, p)
		}
	}()

	t := treeOf(err)
	at, class, rule, ok := marked(t)
	var decided userRule
	if !ok && c != nil {
		at, class, decided, ok = c.user(t, in, &asking)
		rule = decided.label
	}
	if !ok {
		at, class, rule, ok = builtIn(t)
	}
	if !ok {
		at, class, rule = 0, Transient, "default"
	}
	return Failure{
		Class:      class,
		Treatment:  decided.treatment.over(c.Treatment(class)),
		Type:       typeOf(t[t.cause(at)].err),
		Message:    err.Error(),
		Rule:       rule,
		UserRule:   decided.number,
		Status:     t.status(),
		RetryAfter: t.retryAfter(),
	}
}

// Mark gives err a class that no rule can change: of several marks in a tree the
// outermost counts. The text and the causes of err stay as they are.
//
// A caller that knows better than any rule uses it: what recovers a panic marks
// it [System]. A nil err gives nil, and a c that is none of the seven classes
// gives err unmarked.
func Mark(err error, c Class) error {
	if err == nil || !c.failure() {
		return err
	}
	return &mark{err: err, class: c}
}

type mark struct {
	err   error
	class Class
}

func (m *mark) Error() string { return m.err.Error() }
func (m *mark) Unwrap() error { return m.err }

func marked(t tree) (at int, class Class, rule string, ok bool) {
	for i := range t {
		if m, ok := t[i].err.(*mark); ok {
			return i, m.class, "marked " + m.class.String(), true
		}
	}
	return 0, None, "", false
}

// user asks the user's rules. They get a tree of their own, so that the one that the built-in rules look at costs no allocation.
func (c *Classifier) user(t tree, in *Context, asking *string) (at int, class Class, decided userRule, ok bool) {
	if len(c.rules) == 0 {
		return 0, None, userRule{}, false
	}
	q := &query{slices.Clone(t), in}
	for i := range c.rules {
		r := &c.rules[i]
		*asking = r.label
		if at, class, ok := r.find(q); ok {
			return at, class, *r, true
		}
	}
	*asking = ""
	return 0, None, userRule{}, false
}

// Treatment returns how failures of a class are treated where no rule says
// otherwise.
func (c *Classifier) Treatment(class Class) Treatment {
	if c == nil || c.byClass[class].Severity == SeverityNone { // the zero Classifier
		return defaultTreatments[class]
	}
	return c.byClass[class]
}

// status returns the first HTTP status in the tree, 0 if there is none.
func (t tree) status() int {
	for i := range t {
		if code := statusOf(t[i].err); code != 0 {
			return code
		}
	}
	return 0
}

// retryAfter returns the first wait that the tree asks for, 0 if none.
func (t tree) retryAfter() time.Duration {
	for i := range t {
		if x, ok := t[i].err.(interface{ RetryAfter() time.Duration }); ok {
			if wait := x.RetryAfter(); wait > 0 {
				return wait
			}
		}
	}
	return 0
}

// unreadable is the failure of an error that cannot be looked at because one of
// its methods, or a user's rule, panics: a nil pointer in an error, mostly. fmt
// prints such a value without panicking itself.
func (c *Classifier) unreadable(err error, asking string, p any) Failure {
	why := fmt.Sprintf("default: a method of the error panicked: %v", p)
	if asking != "" {
		why = fmt.Sprintf("default: %s panicked: %v", asking, p)
	}
	return Failure{
		Class:     Transient,
		Treatment: c.Treatment(Transient),
		Type:      fmt.Sprintf("%T", err),
		Message:   fmt.Sprint(err),
		Rule:      why,
	}
}
