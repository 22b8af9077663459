package classify

import "fmt"

// An Explanation says how a failure came to its class, for people.
type Explanation struct {
	// Failure is what [Classifier.ClassifyIn] says.
	Failure Failure
	// Rules are the user's rules in their order, with what was found when they
	// were asked. None is asked when the error is marked.
	Rules []Trial
	// BuiltIn is what the error is without the user's rules, and BuiltInRule
	// which built-in rule says so.
	BuiltIn     Class
	BuiltInRule string
}

// A Trial is one of the user's rules and what came of it.
type Trial struct {
	Rule    string // as [Rule.String] describes it
	Asked   bool   // else a rule before it decided
	Matched bool
	// Findings are what the rule asks, in order. A rule that is a function has
	// none. All are looked at, also behind one that does not hold.
	Findings []Finding
	// Problem says that the rule panicked, and with what.
	Problem string
}

// A Finding is one condition of a rule.
type Finding struct {
	Condition string // as [Condition.String] describes it
	Holds     bool
	Found     string // what is there
}

// RuleInfo is one of a classifier's rules, for people.
type RuleInfo struct {
	Number    int    // from 1, as in [Failure.UserRule]
	Rule      string // as [Rule.String] describes it
	Class     Class  // that it gives; None where a function decides
	Treatment        // of what it matches, that of the class included
}

// Rules returns the user's rules in their order.
func (c *Classifier) Rules() []RuleInfo {
	if c == nil {
		return nil
	}
	var all []RuleInfo
	for _, r := range c.rules {
		all = append(all, RuleInfo{r.number, r.name, r.class, r.treatment.over(c.Treatment(r.class))})
	}
	return all
}

// Explain says what kind of failure err is, as [Classifier.ClassifyIn] does, and
// how every rule came to its answer. It is for people who try their rules, and
// slower. Like ClassifyIn it never panics.
func (c *Classifier) Explain(in *Context, err error) Explanation {
	e := Explanation{Failure: c.ClassifyIn(in, err)}
	if err == nil {
		return e
	}
	builtIn := New(nil).Classify(err)
	e.BuiltIn, e.BuiltInRule = builtIn.Class, builtIn.Rule
	if c == nil {
		return e
	}
	decided := isMarked(err)
	for i := range c.rules {
		t := Trial{Rule: c.rules[i].name}
		if !decided {
			c.rules[i].try(in, err, &t)
			decided = t.Matched || t.Problem != ""
		}
		e.Rules = append(e.Rules, t)
	}
	return e
}

func isMarked(err error) (is bool) {
	defer func() { _ = recover() }() // of an error that cannot be looked at
	_, _, _, is = marked(treeOf(err))
	return is
}

// try asks a rule once more, condition by condition.
func (r *Rule) try(in *Context, err error, t *Trial) {
	t.Asked = true
	defer func() {
		if p := recover(); p != nil {
			t.Problem = fmt.Sprint(p)
		}
	}()
	q := &query{treeOf(err), in}
	for _, one := range r.conditions {
		_, holds := one.holds(q)
		t.Findings = append(t.Findings, Finding{Condition: one.name, Holds: holds, Found: one.found(q)})
	}
	_, _, t.Matched = r.find(q)
}
