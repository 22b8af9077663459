package main

import (
	"fmt"
	"io"
	"strconv"

	"github.com/redeliver/redeliver/classify"
)

// treatmentCase is how the failures of a class, or of a rule, are treated.
type treatmentCase struct {
	Rule     int    `json:"rule"`           // the number of the rule, from 1; 0: what no rule matches
	When     string `json:"when,omitempty"` // what the rule asks
	Class    string `json:"class"`
	Severity string `json:"severity"`
	Handling string `json:"handling"`
	Notify   bool   `json:"notify"`

	standard bool // it is what it is without the configuration
}

// treatmentsOf lists the rules in their order, and then the classes.
func treatmentsOf(c *classify.Classifier) []treatmentCase {
	var all []treatmentCase
	for _, r := range c.Rules() {
		all = append(all, treatmentCase{
			Rule: r.Number, When: r.Rule, Class: r.Class.String(),
			Severity: r.Severity.String(), Handling: handlingText(r.Class, r.Treatment), Notify: r.Notify,
		})
	}
	for _, class := range classify.Classes() {
		t := c.Treatment(class)
		all = append(all, treatmentCase{
			Class: class.String(), Severity: t.Severity.String(), Handling: handlingText(class, t), Notify: t.Notify,
			standard: t == classify.Treatment{Severity: class.Severity()},
		})
	}
	return all
}

// handlingText names what a handling that is not said comes to.
func handlingText(class classify.Class, t classify.Treatment) string {
	switch {
	case t.Handling != classify.ByClass:
		return t.Handling.String()
	case class.Retriable():
		return classify.Retry.String()
	}
	return classify.DeadLetter.String()
}

// treated is what becomes at once of failures that are not left to the policy, "" where they are.
func treated(t classify.Treatment, fate string) string {
	switch t.Handling {
	case classify.DeadLetter:
		return "not retried, " + fate + " at the first failure (handling: dead_letter)"
	case classify.Hold:
		return "held at the first failure, until released or skipped (handling: hold)"
	case classify.Drop:
		return "dropped at the first failure (handling: drop)"
	}
	return ""
}

// printTreatments shows the rules, and the classes whose treatment is not the usual one; nothing where there are none.
func (t timetable) printTreatments(w io.Writer) error {
	table := [][]string{{"  ", "RULE", "WHEN", "CLASS", "SEVERITY", "HANDLING", "NOTIFY"}}
	for _, c := range t.Treatments {
		if c.standard {
			continue
		}
		rule, when, notify := "-", "no rule matches", ""
		if c.Rule > 0 {
			rule, when = strconv.Itoa(c.Rule), clip(c.When, 80)
		}
		if c.Notify {
			notify = "yes"
		}
		table = append(table, []string{"  ", rule, printable(when), c.Class, c.Severity, c.Handling, notify})
	}
	if len(table) == 1 {
		return nil
	}
	fmt.Fprintln(w)
	return printTable(w, table, make([]bool, 7))
}
