package classify

import "fmt"

// A Handling says what becomes of a record at a failure.
type Handling uint8

// The ways to handle a failure.
const (
	// ByClass retries what is retriable by the policy, and makes a dead letter
	// of the rest. It is the default.
	ByClass Handling = iota
	// Retry retries by the policy even a class that is not retriable.
	Retry
	// DeadLetter makes a dead letter at the first failure.
	DeadLetter
	// Hold keeps the record unsettled from its first failure on, until an
	// operator releases or skips it.
	Hold
	// Drop settles the record at its first failure, without a trace but for
	// counts and log.
	Drop
)

var handlingNames = [...]string{ByClass: "by_class", Retry: "retry", DeadLetter: "dead_letter", Hold: "hold", Drop: "drop"}

// Handlings returns the handlings that can be asked for.
func Handlings() []Handling { return []Handling{Retry, DeadLetter, Hold, Drop} }

// String returns the handling's name in configuration: "retry", "dead_letter",
// "hold", "drop"; "by_class" for ByClass.
func (h Handling) String() string {
	if int(h) < len(handlingNames) {
		return handlingNames[h]
	}
	return fmt.Sprintf("handling(%d)", uint8(h))
}

// A Treatment is how failures of a class, or of a rule, are treated. What it
// leaves out is the class's, or the default.
type Treatment struct {
	// Severity defaults to [Class.Severity].
	Severity Severity
	// Handling defaults to ByClass.
	Handling Handling
	// Notify tells whoever wants to be notified of such failures. Defaults to
	// false.
	Notify bool
	// Quiet, in a rule, keeps its failures from being notified of even where
	// their class is.
	Quiet bool
}

// Treatments are the treatments by class. Classes that are not in it have the
// default.
type Treatments map[Class]Treatment

// over fills in what t leaves out.
func (t Treatment) over(base Treatment) Treatment {
	if t.Severity == SeverityNone {
		t.Severity = base.Severity
	}
	if t.Handling == ByClass {
		t.Handling = base.Handling
	}
	t.Notify = (t.Notify || base.Notify) && !t.Quiet
	t.Quiet = false
	return t
}

// check says what is wrong with a treatment, "" for nothing.
func (t Treatment) check() string {
	switch {
	case t.Severity > Critical:
		return fmt.Sprintf("%v is no severity: give one of %v", t.Severity, Severities())
	case t.Handling > Drop:
		return fmt.Sprintf("%v is no handling: give one of %v", t.Handling, Handlings())
	}
	return ""
}

// byClass are the treatments of all classes, filled in.
type byClass [len(classNames)]Treatment

func treatmentsOf(given Treatments) (all byClass) {
	for _, c := range Classes() {
		all[c] = given[c].over(Treatment{Severity: c.Severity()})
	}
	return all
}

var defaultTreatments = treatmentsOf(nil)
