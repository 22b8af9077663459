package config

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/redeliver/redeliver/classify"
	"github.com/redeliver/redeliver/internal/expression"
	"github.com/redeliver/redeliver/internal/webhook"
	"github.com/redeliver/redeliver/retrytopics"
)

// rulePath is the path of a rule below its pipeline.
func rulePath(i int) string { return fmt.Sprintf("classify.rules[%d]", i) }

// classifyRules judge the rules one by one, and who is to be told of what.
func (r *reader) classifyRules(p *Pipeline, at string) {
	for i := range p.Classify.Rules {
		if path := at + "." + rulePath(i); !r.anyBad(path) {
			r.classRule(p, &p.Classify.Rules[i], path)
		}
	}
	r.shadowRules(p, at)
	r.handlingRules(p, at)
	r.notifyRules(p, at+".classify")
}

// shadowRules report rules that can never be the first to match: all that an earlier one asks, they ask too.
func (r *reader) shadowRules(p *Pipeline, at string) {
	if r.anyBad(at + ".classify.rules") {
		return
	}
	asked := make([][]string, len(p.Classify.Rules))
	for i := range p.Classify.Rules {
		asked[i] = p.Classify.Rules[i].asks()
		for j := range i {
			if len(asked[j]) > 0 && !slices.ContainsFunc(asked[j], func(one string) bool { return !slices.Contains(asked[i], one) }) {
				r.wrong(at+"."+rulePath(i), "%s never applies: %s (%s) matches all that it matches and comes first; put the narrower one first, or remove one",
					rulePath(i), rulePath(j), strings.Join(asked[j], " and "))
				break
			}
		}
	}
}

// asks are the conditions of a rule as texts. Unlike its conditions they can be had of a rule that is wrong.
func (r *ClassRule) asks() []string {
	var all []string
	add := func(name, value string) {
		if value != "" {
			all = append(all, name+" "+value)
		}
	}
	quoted := func(name, value string) {
		if value != "" {
			add(name, fmt.Sprintf("%q", value))
		}
	}
	quoted("match", r.Match)
	add("type", r.Type)
	add("status", r.Status.String())
	for _, name := range slices.Sorted(maps.Keys(r.Header)) {
		quoted("header "+name, r.Header[name])
	}
	add("grpc", strings.Join(r.GRPC, "/"))
	add("sqlstate", strings.Join(r.SQLState, "/"))
	add("job_type", strings.Join(r.JobType, "/"))
	add("user", strings.Join(r.User, "/"))
	add("project", strings.Join(r.Project, "/"))
	add("tenant", strings.Join(r.Tenant, "/"))
	add("topic", strings.Join(r.Topic, "/"))
	add("dependency", strings.Join(r.Dependency, "/"))
	add("when", r.When)
	return all
}

// handlingRules report what the treatment of failures does not leave to others, and others want.
func (r *reader) handlingRules(p *Pipeline, at string) {
	for i, rule := range p.Classify.Rules {
		r.deadLetterRule(p, rule.Handling, at+"."+rulePath(i)+".handling")
	}
	for i, t := range p.Classify.Classes {
		class := allClasses[i].String()
		path := at + ".classify.classes." + class + ".handling"
		r.deadLetterRule(p, t.Handling, path)
		if t.Handling == "" || t.Handling == "retry" || !r.sound(path) {
			continue
		}
		for j, o := range p.Retry.Overrides {
			if o.Class == class && r.sound(fmt.Sprintf("%s.retry.overrides[%d]", at, j)) {
				r.warning(r.place(path), fmt.Sprintf("%s: retry.overrides[%d] does not apply to what is handled so: %s is not retried", short(path), j, class))
			}
		}
	}
}

// deadLetterRule wants dead letters to be kept where failures are to become some.
func (r *reader) deadLetterRule(p *Pipeline, handling, path string) {
	if handling == "dead_letter" && !p.DLQ.Enabled && r.sound(path, path[:strings.Index(path, ".classify")]+".dlq.enabled") {
		r.wrong(path, "%s: no dead letters are kept (dlq.enabled: false); write hold or drop, or enable them", short(path))
	}
}

func (r *reader) classRule(p *Pipeline, rule *ClassRule, path string) {
	what := short(path)
	r.mustCompile(path+".match", rule.Match)
	for _, name := range slices.Sorted(maps.Keys(rule.Header)) {
		switch own := retrytopics.IsOwnHeader(name); {
		case name == "":
			r.wrong(path+".header", "%s.header: a name is empty; write the name of a header: {region: \"^eu-\"}", what)
		case own:
			r.wrong(r.entryPath(path+".header", name), "%s.header: %s is Redeliver's own, which says something else on every attempt; name a header of the producer's", what, name)
		default:
			r.mustCompile(r.entryPath(path+".header", name), rule.Header[name])
		}
	}
	for i, name := range rule.GRPC {
		if err := classify.CheckGRPC(name); err != nil {
			r.wrong(r.itemPath(path+".grpc", i), "%s.grpc: %v", what, err)
		}
	}
	for i, state := range rule.SQLState {
		if err := classify.CheckSQLState(state); err != nil {
			r.wrong(r.itemPath(path+".sqlstate", i), "%s.sqlstate: %v", what, err)
		}
	}
	for name, values := range map[string][]string{
		"job_type": rule.JobType, "user": rule.User, "project": rule.Project, "tenant": rule.Tenant, "topic": rule.Topic, "dependency": rule.Dependency,
	} {
		for i, value := range values {
			if value == "" {
				r.wrong(r.itemPath(path+"."+name, i), "%s.%s is empty; write what it has to be, or remove the key", what, name)
			}
		}
	}
	r.readTopics(p, rule, path)
	r.typeRule(rule, path)
	r.whenRule(rule, path)
	if rule.empty() && !r.given(path+".when") && !r.misspelt(path) {
		r.wrong(path, "%s matches nothing; add match: a regular expression over the error's text, or another condition: %s", what, strings.Join(conditionNames(), ", "))
	}
}

// misspelt says whether a section has a key that it does not know, which is told.
func (r *reader) misspelt(path string) bool {
	for meant := range r.meant {
		if strings.HasPrefix(meant, path+".") {
			return true
		}
	}
	return false
}

// empty says whether a rule has no conditions.
func (r *ClassRule) empty() bool {
	return r.Match == "" && r.Type == "" && r.Status.Empty() && r.When == "" && len(r.Header) == 0 &&
		len(r.GRPC)+len(r.SQLState)+len(r.JobType)+len(r.User)+len(r.Project)+len(r.Tenant)+len(r.Topic)+len(r.Dependency) == 0
}

// conditionNames are the keys of a rule that are conditions.
func conditionNames() []string {
	var names []string
	for _, k := range ruleKeys(new(ClassRule)) {
		if k.name == "class" {
			break
		}
		names = append(names, k.name)
	}
	return names
}

// mustCompile reports a text that is no regular expression.
func (r *reader) mustCompile(path, text string) {
	if _, err := regexp.Compile(text); err != nil {
		r.wrong(path, "%s is no regular expression: %s", short(path), regexpCause(err))
	}
}

// itemPath is the path of an element of a list that may also be written as one value.
func (r *reader) itemPath(path string, i int) string {
	if item := fmt.Sprintf("%s[%d]", path, i); r.given(item) {
		return item
	}
	return path
}

// entryPath notes where an entry of a section with names of the user's own stands, and returns its path.
func (r *reader) entryPath(path, name string) string {
	entry := path + "." + name
	if v := r.values[path]; v != nil {
		for _, e := range v.entries {
			if e.name == name {
				r.places[entry], r.keyPlaces[entry] = e.value.at, e.at
			}
		}
	}
	return entry
}

// readTopics report topics that the pipeline does not read, where it names all that it does.
func (r *reader) readTopics(p *Pipeline, rule *ClassRule, path string) {
	if len(p.Topics) == 0 || slices.ContainsFunc(p.Topics, func(t string) bool { _, is := patternOf(t); return is }) {
		return
	}
	for i, topic := range rule.Topic {
		if topic == "" || slices.Contains(p.Topics, topic) || r.values[path+".topic"].inherited {
			continue
		}
		remedy := "its topics are " + strings.Join(p.Topics, ", ")
		if near := Nearest(topic, p.Topics); near != "" {
			remedy = "did you mean " + near + "?"
		}
		r.wrong(r.itemPath(path+".topic", i), "%s.topic: the pipeline does not read the topic %s; %s", short(path), quote(topic), remedy)
	}
}

var typeName = regexp.MustCompile(`^[\pL_*?][^\s]*$`)

// typeRule reports what no type can be called. A name without its package is the most likely mistake.
func (r *reader) typeRule(rule *ClassRule, path string) {
	switch t := rule.Type; {
	case t == "":
	case !typeName.MatchString(t):
		r.wrong(path+".type", "%s.type: %s is no name of a Go type; write it as dead letters show it, like *net.OpError, or a pattern, like *net.*", short(path), quote(t))
	case !strings.ContainsAny(t, ".*?"):
		r.warning(r.place(path+".type"), fmt.Sprintf("%s.type: %s has no package, as Go types have; unless errors say so themselves, write it like %s", short(path), quote(t), "*pkg."+t))
	}
}

// whenRule reports what is wrong with an expression, where it is wrong.
func (r *reader) whenRule(rule *ClassRule, path string) {
	path += ".when"
	if !r.given(path) {
		return
	}
	if strings.TrimSpace(rule.When) == "" {
		r.wrong(path, "%s: the expression is empty; write one like 'status in 500..599 and tenant == \"acme\"', or remove the key", short(path))
		return
	}
	_, err := expression.Compile(rule.When)
	var wrong *expression.Error
	if !errors.As(err, &wrong) {
		return
	}
	problem := wrong.Problem
	if strings.Contains(problem, `Operator("=")`) {
		problem = "= compares nothing; write == for equal"
	}
	if wrong.Unknown != "" {
		known := append(expression.Names(), expression.Functions()...)
		problem = quote(wrong.Unknown) + " is unknown; the names are " + strings.Join(expression.Names(), ", ")
		if near := Nearest(wrong.Unknown, known); near != "" {
			problem = quote(wrong.Unknown) + " is unknown; did you mean " + near + "?"
		}
	}
	place, exact := r.inText(path, rule.When, wrong.Line, wrong.Column)
	if !exact {
		problem += fmt.Sprintf(" (line %d, column %d of the expression)", wrong.Line, wrong.Column)
	}
	r.problem(place, short(path)+": "+problem)
}

// inText returns where a place inside of a text stands in the file, and whether that is known: the text may be quoted, or a block
// (when: |), as long as the file has it letter by letter.
func (r *reader) inText(path, text string, line, column int) (at Place, exact bool) {
	at = r.place(path)
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	if line > len(lines) {
		return at, false
	}
	source := func(n int) []rune {
		if n < 1 || n > len(r.lines) {
			return nil
		}
		return []rune(r.lines[n-1])
	}
	first := source(at.Line)
	if at.Column < 1 || at.Column > len(first) {
		return at, false
	}
	if first[at.Column-1] == '|' {
		within := source(at.Line + line)
		indent := len(within) - len([]rune(strings.TrimLeft(string(within), " ")))
		extra := len([]rune(lines[line-1])) - len([]rune(strings.TrimLeft(lines[line-1], " ")))
		if strings.TrimSpace(string(within)) != strings.TrimSpace(lines[line-1]) {
			return at, false
		}
		return Place{at.Line + line, indent - extra + column}, true
	}
	start := at.Column - 1
	if c := first[start]; c == '"' || c == '\'' {
		start++
	}
	if len(lines) > 1 || !strings.HasPrefix(string(first[start:]), lines[0]) {
		return at, false
	}
	return Place{at.Line, start + column}, true
}

// notifyRules want somebody to be told where a rule or a class says so.
func (r *reader) notifyRules(p *Pipeline, at string) {
	hook, url := at+".notify", at+".notify.url"
	if r.anyBad(hook) {
		return
	}
	n := p.Classify.Notify
	if n.URL != "" {
		if err := (webhook.Config{URL: n.URL, Headers: n.Headers}).Validate(); err != nil {
			r.wrong(url, "%s: %v", short(hook), err)
		}
		return
	}
	if r.given(url) {
		r.wrong(url, "%s is empty; write the address that notices are posted to, or remove the key", short(url))
		return
	}
	var wants []string
	for i := range p.Classify.Rules {
		wants = append(wants, at+fmt.Sprintf(".rules[%d].notify", i))
	}
	for _, class := range allClasses {
		wants = append(wants, at+".classes."+class.String()+".notify")
	}
	for _, path := range wants {
		if v := r.values[path]; v != nil && v.text == "true" && r.sound(path) {
			r.wrong(path, "%s: nobody is there to be told; add classify: {notify: {url: \"http://127.0.0.1:9000/notices\"}}, or write notify: false", short(path))
		}
	}
}
