package main

import (
	"fmt"
	"io"
	"reflect"
	"strings"
	"time"

	"github.com/redeliver/redeliver/classify"
	"github.com/redeliver/redeliver/internal/config"
	"github.com/redeliver/redeliver/retrytopics"
)

// timetable is what happens to a pipeline's failing records.
type timetable struct {
	Pipeline string        `json:"pipeline"`
	Group    string        `json:"group"`
	Policy   string        `json:"policy"`
	Topics   []string      `json:"retry_topics"`
	Dead     string        `json:"dead_letters"` // topic, or what happens instead
	Cases    []failureCase `json:"cases"`

	Treatments []treatmentCase `json:"treatments"` // of the rules, and of what no rule matches by class

	Experiment string             `json:"experiment,omitempty"`
	Variants   []variantTimetable `json:"variants,omitempty"`

	fate string // of a record that is given up: dead, held, dropped
}

// failureCase are the failures that are treated alike.
type failureCase struct {
	Failures []string      `json:"failures"` // classes, or an override's name
	Rule     string        `json:"rule"`     // the strategy
	Retried  bool          `json:"retried"`
	Attempts []attemptStep `json:"attempts"`
	End      string        `json:"end"`               // why a record is dead after the last
	Treated  string        `json:"treated,omitempty"` // what happens instead, as classify says for such failures
}

// attemptStep is an attempt, or several in a row that are alike.
type attemptStep struct {
	From    int      `json:"attempt"`
	To      int      `json:"to_attempt"`
	Delay   string   `json:"delay"` // before each of them
	Latest  string   `json:"latest"`
	InPlace bool     `json:"in_place,omitempty"`
	Tiers   []string `json:"tiers"`
	Rest    string   `json:"rest"`   // waited out in the lane after the last tier
	Copies  int      `json:"copies"` // made up to the last of them
	Sum     string   `json:"sum"`    // of the delays up to the last of them
}

// timetables describes every pipeline of a checked configuration.
func timetables(c *config.Config) []timetable {
	var all []timetable
	for i := range c.Pipelines {
		all = append(all, timetableOf(&c.Pipelines[i]))
	}
	return all
}

func timetableOf(p *config.Pipeline) timetable {
	schedule, err := p.Policy().Compile()
	if err != nil {
		panic("the policy of a checked configuration: " + err.Error())
	}
	t := timetable{Pipeline: p.Name, Group: p.Group, Policy: policyText(p)}
	t.Experiment, t.Variants = variantTimetables(schedule)
	names, source := p.Names(), exampleSource(p)
	for _, tier := range schedule.Tiers() {
		t.Topics = append(t.Topics, shownName(names.RetryTopic(source, tier)))
	}
	if p.Retry.HoldKey {
		t.Topics = append(t.Topics, shownName(names.RetryTopic(source, retrytopics.Park)))
	}
	switch {
	case p.DLQ.Enabled:
		t.Dead, t.fate = shownName(names.DLQTopic(source)), "dead"
	case p.DLQ.Exhausted == "drop":
		t.Dead, t.fate = "none: what is given up is dropped", "dropped"
	default:
		t.Dead, t.fate = "none: what is given up is held in place until it is released or skipped", "held"
	}
	classifier := p.Classifier()
	for _, class := range classify.Classes() {
		t.add(p, schedule, class.String(), retrytopics.Question{Failed: retrytopics.Failed{Class: class}}, classifier.Treatment(class))
	}
	for i, o := range schedule.Overrides() {
		if o.Status.Empty() && o.Topic == "" && o.Job == (classify.Job{}) {
			continue // shown with its class
		}
		if f, ok := schedule.Example(i); ok {
			class := f.Class // or that of its status, whose treatment it has
			if o.Class == classify.None && f.Status != 0 {
				class = max(classify.OfStatus(f.Status), classify.Transient)
			}
			t.add(p, schedule, o.Name(), retrytopics.Question{Failed: f, Topic: o.Topic}, classifier.Treatment(class))
		}
	}
	t.Treatments = treatmentsOf(classifier)
	return t
}

// add puts failures with one timetable into one case.
func (t *timetable) add(p *config.Pipeline, s *retrytopics.Schedule, name string, q retrytopics.Question, treatment classify.Treatment) {
	rule := "the policy"
	override := s.Override(q.Failed, q.Topic)
	if override >= 0 {
		rule = fmt.Sprintf("override %d", override+1)
		if strategy := p.Policy().Overrides[override].Strategy; strategy != nil {
			rule += ": " + strategy.String()
		}
	}
	q.Always = treatment.Handling == classify.Retry
	steps := s.TimetableOf(q)
	c := failureCase{Failures: []string{name}, Rule: rule, Retried: len(steps) > 1, Attempts: fold(steps), End: string(steps[len(steps)-1].End)}
	if c.Treated = treated(treatment, t.fate); c.Treated != "" {
		c.Rule, c.Retried, c.Attempts, c.End = "classify", false, fold(steps[:1]), ""
	}
	for i, other := range t.Cases {
		if other.Rule == c.Rule && other.End == c.End && other.Treated == c.Treated && reflect.DeepEqual(other.Attempts, c.Attempts) {
			t.Cases[i].Failures = append(other.Failures, name)
			return
		}
	}
	t.Cases = append(t.Cases, c)
}

// fold makes one line of attempts in a row that are alike; its sum is that of the last.
func fold(steps []retrytopics.Step) []attemptStep {
	var out []attemptStep
	for _, s := range steps {
		tiers := make([]string, len(s.Hops))
		for i, hop := range s.Hops {
			tiers[i] = retrytopics.Canonical(hop)
		}
		step := attemptStep{
			From: s.Attempt, To: s.Attempt,
			Delay: spoken(s.Delay), Latest: spoken(s.Latest), InPlace: s.InPlace,
			Tiers: tiers, Rest: spoken(s.Rest), Copies: s.Copies, Sum: spoken(s.Sum),
		}
		if n := len(out); n > 0 {
			last := out[n-1]
			if last.From > 1 && last.Delay == step.Delay && last.InPlace == step.InPlace && reflect.DeepEqual(last.Tiers, step.Tiers) && last.Rest == step.Rest {
				out[n-1].To, out[n-1].Copies, out[n-1].Sum = step.To, step.Copies, step.Sum
				continue
			}
		}
		out = append(out, step)
	}
	return out
}

// spoken writes a duration without its zero parts, a minute like the tier that it mostly is.
func spoken(d time.Duration) string {
	if d == time.Minute {
		return "60s"
	}
	text := d.String()
	text = strings.TrimSuffix(text, "m0s") + map[bool]string{true: "m"}[strings.HasSuffix(text, "m0s")]
	return strings.TrimSuffix(text, "h0m") + map[bool]string{true: "h"}[strings.HasSuffix(text, "h0m")]
}

// anySource stands for the topics of a pattern. It is a legal name: the braces of {topic} would be replaced.
const anySource = "any-topic-that-matches"

// exampleSource is the source topic whose names are shown: the first that is no pattern.
func exampleSource(p *config.Pipeline) string {
	for _, topic := range p.Topics {
		if _, is := config.Pattern(topic); !is {
			return topic
		}
	}
	return anySource
}

// shownName is a topic's name with {topic} for the topics of a pattern.
func shownName(topic string) string { return strings.ReplaceAll(topic, anySource, "{topic}") }

func policyText(p *config.Pipeline) string {
	r := p.Retry
	text := p.Policy().Strategy.String()
	text += fmt.Sprintf(", %d %s", r.MaxRetries, map[bool]string{true: "retry", false: "retries"}[r.MaxRetries == 1])
	if r.Jitter {
		text += ", jitter up to 25 %"
	} else {
		text += ", no jitter"
	}
	if r.Adaptive.Enabled {
		text += "; these are the delays until others are learned"
	}
	if r.TotalTimeout > 0 {
		text += ", given up at the first failure that comes more than " + spoken(r.TotalTimeout) + " after the first one"
	}
	return text
}

// print writes the timetable for people.
func (t timetable) print(w io.Writer) error {
	fmt.Fprintf(w, "\npipeline %s, group %s: %s\n", t.Pipeline, t.Group, t.Policy)
	fmt.Fprintf(w, "  retry topics  %s\n  dead letters  %s\n", strings.Join(t.Topics, "\n                "), t.Dead)
	for _, c := range t.Cases {
		fmt.Fprintf(w, "\n  %s", strings.Join(c.Failures, ", "))
		if c.Treated != "" {
			fmt.Fprintf(w, ": %s\n", c.Treated)
			continue
		}
		if c.Rule != "the policy" {
			fmt.Fprintf(w, " (%s)", c.Rule)
		}
		if !c.Retried {
			fmt.Fprintf(w, ": not retried, %s at the first failure\n", t.fate)
			continue
		}
		fmt.Fprintln(w)
		if err := c.print(w, t.fate); err != nil {
			return err
		}
	}
	if err := t.printVariants(w); err != nil {
		return err
	}
	return t.printTreatments(w)
}

func (c failureCase) print(w io.Writer, fate string) error {
	lines := [][]string{{"  ", "ATTEMPT", "DELAY", "WITH JITTER", "OVER", "COPIES", "SUM"}}
	last := 0
	for _, s := range c.Attempts {
		number := fmt.Sprint(s.From)
		if s.To > s.From {
			number = fmt.Sprintf("%d-%d", s.From, s.To)
		}
		delay, latest := s.Delay, "to "+s.Latest
		if s.From == 1 {
			delay = "-"
		}
		if s.Latest == s.Delay || s.From == 1 {
			latest = ""
		}
		lines = append(lines, []string{"  ", number, delay, latest, s.over(), fmt.Sprint(s.Copies), s.Sum})
		last = s.To
	}
	if err := printTable(w, lines, []bool{false, true, true, false, false, true, true}); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "    %s after attempt %d (%s)\n", fate, last, c.End)
	return err
}

// over says which way a delay is waited.
func (s attemptStep) over() string {
	switch {
	case s.From == 1:
		return ""
	case s.InPlace:
		return "on the spot"
	}
	way := strings.Join(s.Tiers, " + ")
	if s.Rest != "0s" {
		way = strings.TrimPrefix(way+" + "+s.Rest+" in the lane", " + ")
	}
	return way
}
