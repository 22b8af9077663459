package main

import (
	"cmp"
	"fmt"
	"io"
	"reflect"
	"strconv"
	"time"

	"github.com/redeliver/redeliver/classify"
	"github.com/redeliver/redeliver/dlq"
	"github.com/redeliver/redeliver/internal/config"
	"github.com/redeliver/redeliver/retrytopics"
)

// tried is what the rules said, as -o json prints it.
type tried struct {
	Pipeline string      `json:"pipeline"`
	ID       string      `json:"id,omitempty"`  // of a dead letter
	Was      string      `json:"was,omitempty"` // its class when it died
	Error    string      `json:"error"`
	Type     string      `json:"type"`
	Class    string      `json:"class"`
	Severity string      `json:"severity"`
	Handling string      `json:"handling"`
	Notify   bool        `json:"notify"`
	Decided  string      `json:"decided_by"`
	Rule     int         `json:"rule"`           // the number of the rule that decided, from 1; 0: none of the configuration's
	Then     string      `json:"then"`           // what becomes of the record
	BuiltIn  builtInView `json:"without_rules"`  // what the built-in rules say
	Rules    []ruleView  `json:"rules"`          // of the configuration
	Note     string      `json:"note,omitempty"` // what else is to be known
}

type builtInView struct {
	Class string `json:"class"`
	Rule  string `json:"rule"`
}

type ruleView struct {
	Rule       int             `json:"rule"`  // from 1
	Place      string          `json:"place"` // in the file
	Class      string          `json:"class"`
	Asked      bool            `json:"asked"` // else one before it decided
	Matched    bool            `json:"matched"`
	Problem    string          `json:"problem,omitempty"`
	Conditions []conditionView `json:"conditions"`
}

type conditionView struct {
	Condition string `json:"condition"`
	Holds     bool   `json:"holds"`
	Found     string `json:"found"`
}

func triedOf(c *config.Config, p *config.Pipeline, schedule *retrytopics.Schedule, in *classify.Context, e classify.Explanation) *tried {
	f := e.Failure
	t := &tried{
		Pipeline: p.Name, Error: f.Message, Type: f.Type, Class: f.Class.String(), Severity: f.Severity.String(),
		Handling: f.Handling.String(), Notify: f.Notify, Decided: f.Rule, Rule: f.UserRule,
		Then:    fateOf(p, schedule, in, &f),
		BuiltIn: builtInView{e.BuiltIn.String(), e.BuiltInRule}, Rules: []ruleView{},
	}
	for i, r := range e.Rules {
		view := ruleView{
			Rule: i + 1, Place: c.At(p.Path(fmt.Sprintf("classify.rules[%d]", i))), Class: p.Classify.Rules[i].Class,
			Asked: r.Asked, Matched: r.Matched, Problem: r.Problem, Conditions: []conditionView{},
		}
		for _, found := range r.Findings {
			view.Conditions = append(view.Conditions, conditionView{found.Condition, found.Holds, found.Found})
		}
		t.Rules = append(t.Rules, view)
	}
	return t
}

// fateOf says what becomes of the record after this attempt, as if all before it had failed alike.
func fateOf(p *config.Pipeline, schedule *retrytopics.Schedule, in *classify.Context, f *classify.Failure) string {
	up := "becomes a dead letter"
	if !p.DLQ.Enabled {
		up = map[bool]string{true: "is dropped", false: "is held, as dead letters are disabled"}[p.DLQ.Exhausted == "drop"]
	}
	switch f.Handling {
	case classify.DeadLetter:
		return "the record " + up + " (handling: dead_letter)"
	case classify.Hold:
		return "the record is held until it is released or skipped (handling: hold)"
	case classify.Drop:
		return "the record is dropped (handling: drop)"
	}
	q := retrytopics.Question{
		Failed: retrytopics.Failed{Class: f.Class, Status: f.Status, RetryAfter: f.RetryAfter, Job: in.Job},
		Topic:  in.Topic, Now: time.Unix(1, 0), Always: f.Handling == classify.Retry,
	}
	override := schedule.Override(q.Failed, in.Topic)
	by := "the policy"
	if override >= 0 {
		by = fmt.Sprintf("override %d, %s", override+1, schedule.Overrides()[override].Name())
	}
	var answer retrytopics.Answer
	for attempt := 1; attempt <= in.Attempt; attempt++ {
		q.Attempts = attempt
		answer = schedule.Next(q)
		q.Counts = answer.Counts
		q.InPlaceTries = map[bool]int{true: q.InPlaceTries + 1}[answer.Verdict == retrytopics.TryInPlace]
	}
	switch answer.Verdict {
	case retrytopics.TryInPlace:
		return fmt.Sprintf("attempt %d follows on the spot after %s (%s)", in.Attempt+1, spoken(answer.Delay), by)
	case retrytopics.Retry:
		return fmt.Sprintf("attempt %d follows after %s (%s)", in.Attempt+1, spoken(answer.Delay), by)
	}
	return fmt.Sprintf("the record %s (%s, by %s)", up, answer.Verdict.Reason(), by)
}

// died adds what is to be known about a dead letter.
func (t *tried) died(e dlq.Entry) {
	if len(e.State.Error) >= retrytopics.MaxErrorSize-len("…") {
		t.note("the text was cut when the record died: rules have seen more of it")
	}
	if t.Was != t.Class && t.Was != classify.None.String() {
		t.note("it was " + t.Was + " when it died: the rules have changed since, the error carried what a dead letter does not keep (give it with flags), or the handler marked it")
	}
}

// note adds what is to be said beside the verdict, "" for nothing.
func (t *tried) note(text string) {
	if t.Note != "" && text != "" {
		text = t.Note + "; " + text
	}
	t.Note = cmp.Or(text, t.Note)
}

// print tells it to people.
func (t *tried) print(w io.Writer) error {
	lines := [][]string{}
	line := func(name, text string) {
		if text != "" {
			lines = append(lines, []string{name, printable(text)})
		}
	}
	line("pipeline", t.Pipeline)
	line("dead letter", t.ID)
	line("error", t.Error)
	line("type", t.Type)
	line("class", t.Class)
	line("severity", t.Severity)
	line("decided by", t.Decided)
	if t.Rule > 0 {
		line("", t.Rules[t.Rule-1].Place)
		line("without it", t.BuiltIn.Class+", "+t.BuiltIn.Rule)
	}
	line("then", t.Then)
	if t.Notify {
		line("notified", "whoever is named by classify.notify.url")
	}
	line("note", t.Note)
	if err := printTable(w, lines, []bool{false, false}); err != nil {
		return err
	}
	return t.printRules(w)
}

// printRules shows each rule with what it asks.
func (t *tried) printRules(w io.Writer) error {
	if len(t.Rules) == 0 {
		_, err := fmt.Fprintln(w, "\nThe pipeline has no rules of its own (classify.rules).")
		return err
	}
	table := [][]string{{"RULE", "CLASS", "CONDITION", "HOLDS", "FOUND"}}
	for _, r := range t.Rules {
		number, class := strconv.Itoa(r.Rule), r.Class
		if r.Matched {
			number += " *"
		}
		switch {
		case !r.Asked:
			table = append(table, []string{number, class, "not asked", "", "what came before has decided"})
			continue
		case r.Problem != "":
			table = append(table, []string{number, class, "failed", "", printable(r.Problem)})
		}
		for _, one := range r.Conditions {
			table = append(table, []string{number, class, printable(one.Condition), map[bool]string{true: "yes", false: "no"}[one.Holds], printable(one.Found)})
			number, class = "", ""
		}
	}
	fmt.Fprintln(w)
	return printTable(w, table, make([]bool, 5))
}

// typeName is the type of an error as dead letters show it.
func typeName(err error) string { return reflect.TypeOf(err).String() }
