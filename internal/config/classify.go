package config

import (
	"maps"
	"regexp"
	"slices"
	"time"

	"github.com/redeliver/redeliver/classify"
	"github.com/redeliver/redeliver/internal/expression"
)

// Classify says what kind of failure an error is, and how failures are treated.
type Classify struct {
	Rules   []ClassRule
	Classes [len(allClasses)]Treatment // in the order of classify.Classes
	Notify  NotifyHook
}

// allClasses are as many as there are classes.
var allClasses = [...]classify.Class{classify.Transient, classify.RateLimited, classify.Network, classify.System, classify.Permanent, classify.Validation, classify.Authentication}

// Treatment is how failures of a class, or of a rule, are treated. What it does not say is the class's, or the default.
type Treatment struct {
	Severity string // low, medium, high, critical, "": not said
	Handling string // retry, dead_letter, hold, drop, "": not said
	Notify   bool
}

// NotifyHook is where notices of failures are posted to.
type NotifyHook struct {
	URL     string // "": nowhere
	Headers map[string]string
	Timeout time.Duration
}

// ClassRule gives a class to the failures for which all of its conditions hold.
type ClassRule struct {
	Match      string            // a regular expression over the error's text, "": any
	Type       string            // a Go type or a pattern of it, "": any
	Status     classify.Statuses // empty: any
	GRPC       []string
	SQLState   []string
	Header     map[string]string // regular expressions over headers' values
	JobType    []string
	User       []string
	Project    []string
	Tenant     []string
	Topic      []string
	Dependency []string
	When       string // an expression, "": none
	Class      string
	Treatment
}

func classifyKeys(c *Classify) []key {
	classes := make([]key, len(allClasses))
	for i, class := range allClasses {
		classes[i] = section(class.String(), treatmentKeys(&c.Classes[i], class.Severity().String())...).
			means("How failures of class " + class.String() + " are treated.")
	}
	return []key{
		sections("rules", &c.Rules, ClassRule{}, ruleKeys).like("[{match: \"connection reset\", class: network}]").
			means("First match wins, then the built-in rules. All conditions of a rule must hold."),
		section("classes", classes...).
			means("How failures are treated, by class; a rule may say otherwise."),
		section("notify",
			text("url", &c.Notify.URL).accepting("an http or https URL").like(`"http://127.0.0.1:9000/notices"`).
				means("Where notices of failures with notify: true are posted to, as JSON: the first of a kind at once, further ones together and ever more rarely. It never delays or fails a record."),
			textMap("headers", &c.Notify.Headers).hidden().
				means("Request headers that are sent with every notice."),
			duration("timeout", &c.Notify.Timeout, time.Millisecond, time.Minute).byDefault("5s").like("5s").
				means("The longest that posting one notice may take."),
		).means("Who is told of failures."),
	}
}

func treatmentKeys(t *Treatment, severity string) []key {
	return []key{
		choice("severity", &t.Severity, texts(classify.Severities())...).byDefault(severity).like("high").
			means("How much such failures are worth somebody's attention: in headers, metrics, log and notices."),
		choice("handling", &t.Handling, texts(classify.Handlings())...).computed("retry for what is retriable, dead_letter for the rest").like("hold").
			means("What becomes of the record: retry it by the policy, make a dead letter of it at its first failure, hold it in place until it is released or skipped, or drop it."),
		toggle("notify", &t.Notify).byDefault("false").
			means("Tell whoever is notified, see classify.notify."),
	}
}

func texts[T interface{ String() string }](all []T) []string {
	var names []string
	for _, one := range all {
		names = append(names, one.String())
	}
	return names
}

func ruleKeys(r *ClassRule) []key {
	keys := []key{
		text("match", &r.Match).accepting("a regular expression").like(`"connection reset"`).means("A regular expression over the error's text."),
		text("type", &r.Type).accepting("a Go type as %T prints it").like(`"*net.OpError"`).
			means("The Go type of the error or of one that it wraps, as dead letters show it, or a pattern of it, in which * stands for any characters: \"*net.*\"."),
		statuses("status", &r.Status).like("409").means("An HTTP status, all of a hundred (5xx), or a list of these."),
		wordOrWords("grpc", &r.GRPC).accepting("the name of a gRPC status, or a list of these").like("UNAVAILABLE").means("A gRPC status, or several."),
		wordOrWords("sqlstate", &r.SQLState).accepting("an SQLSTATE, or a list of these").like(`"40001"`).
			means("An SQLSTATE, the two characters of a whole group (\"40\"), or a list of these. Write it in quotes."),
		textMap("header", &r.Header).accepting("a section of header names and regular expressions").like("{region: \"^eu-\"}").
			means("Headers of the record: of each a regular expression over its value; all must match."),
	}
	for _, k := range []struct {
		name   string
		values *[]string
		like   string
		what   string
	}{
		{"job_type", &r.JobType, "invoice", "The record's redeliver-job-type, or several."},
		{"user", &r.User, "u-17", "The record's redeliver-user, or several."},
		{"project", &r.Project, "p-4", "The record's redeliver-project, or several."},
		{"tenant", &r.Tenant, "acme", "The record's redeliver-tenant, or several."},
		{"topic", &r.Topic, "orders", "The source topic of the record, or several."},
		{"dependency", &r.Dependency, "payments-api", "The dependency that was called, or several; see breaker.dependency."},
	} {
		keys = append(keys, wordOrWords(k.name, k.values).like(k.like).means(k.what))
	}
	keys = append(keys,
		text("when", &r.When).accepting("an expression that is true or false").like(`'status in 500..599 and tenant == "acme"'`).
			means("A small expression, for the rest: over error, type, types, class (without rules), status, grpc, sqlstate, retry_after (seconds), attempt, topic, dependency, job_type, user, project, tenant and header(\"name\"), with and, or, not, ==, <, in, contains, startsWith, endsWith, matches."),
		choice("class", &r.Class, classNames()...).required().like("network").means("The class that such failures have."),
	)
	for _, k := range treatmentKeys(&r.Treatment, "") {
		k.def, k.otherwise = "", ofTheClass
		keys = append(keys, k)
	}
	return keys
}

// ofTheClass is what a rule's keys are where it does not give them.
const ofTheClass = "the class's"

// classRules returns the rules for the engine. The configuration's rules have judged them.
func (p *Pipeline) classRules() classify.Rules {
	var all classify.Rules
	for i := range p.Classify.Rules {
		rule := &p.Classify.Rules[i]
		class, _ := classify.Parse(rule.Class)
		all = append(all, classify.When(class, rule.conditions()...).Treated(rule.treatment(p.given(rulePath(i)+".notify"))))
	}
	return all
}

// Classifier returns what says what kind of failure an error is, as the engine has it.
func (p *Pipeline) Classifier() *classify.Classifier {
	return classify.New(p.classRules()).With(p.treatments())
}

// treatments returns how failures are treated by class.
func (p *Pipeline) treatments() classify.Treatments {
	all := classify.Treatments{}
	for i, t := range p.Classify.Classes {
		if t != (Treatment{}) {
			all[allClasses[i]] = t.treatment(false)
		}
	}
	return all
}

// treatment is t for the engine; quiet says that notify: false is written.
func (t Treatment) treatment(notifyGiven bool) classify.Treatment {
	out := classify.Treatment{Notify: t.Notify, Quiet: notifyGiven && !t.Notify}
	out.Severity, _ = classify.ParseSeverity(t.Severity) // one of the names that the key allows, or none
	for _, h := range classify.Handlings() {
		if h.String() == t.Handling {
			out.Handling = h
		}
	}
	return out
}

// conditions are what must hold, in the order of the keys.
func (r *ClassRule) conditions() []classify.Condition {
	var all []classify.Condition
	if r.Match != "" {
		all = append(all, classify.Text(regexp.MustCompile(r.Match)))
	}
	if r.Type != "" {
		all = append(all, classify.Type(r.Type))
	}
	if !r.Status.Empty() {
		all = append(all, classify.StatusIn(r.Status))
	}
	if len(r.GRPC) > 0 {
		all = append(all, classify.GRPC(r.GRPC...))
	}
	if len(r.SQLState) > 0 {
		all = append(all, classify.SQLState(r.SQLState...))
	}
	for _, name := range slices.Sorted(maps.Keys(r.Header)) {
		all = append(all, classify.Header(name, regexp.MustCompile(r.Header[name])))
	}
	for _, one := range []struct {
		values    []string
		condition func(...string) classify.Condition
	}{
		{r.JobType, classify.JobType}, {r.User, classify.User}, {r.Project, classify.Project},
		{r.Tenant, classify.Tenant}, {r.Topic, classify.Topic}, {r.Dependency, classify.Dependency},
	} {
		if len(one.values) > 0 {
			all = append(all, one.condition(one.values...))
		}
	}
	if r.When != "" {
		if e, err := expression.Compile(r.When); err == nil {
			all = append(all, e.Condition())
		}
	}
	return all
}
