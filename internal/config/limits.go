package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/redeliver/redeliver/consumer"
	"github.com/redeliver/redeliver/limit"
)

// Limit bounds how often a pipeline's handler is called.
type Limit struct {
	Name    string
	Rate    limit.Rate
	Burst   int    // 0: the calls of a tenth of a second, at least 1
	By      string // pipeline, dependency, a job header's name without redeliver-, or header:NAME
	MaxKeys int
}

// anyHeader is how a limit by a header of the producer's own begins.
const anyHeader = "header:"

// jobHeaders are the headers that need no prefix to be limited by.
var jobHeaders = []string{"user", "project", "tenant", "job-type"}

func limitKeys(l *Limit) []key {
	return []key{
		text("name", &l.Name).required().accepting("letters, digits and '-'").like("per-user").matching(namePattern).
			means("Names the limit in metrics and status: letters, digits, '-'. Unique in the pipeline; pipelines of one process share a limit by: dependency of one name."),
		rate("rate", &l.Rate).required().
			means("How many calls start in a time, in this process: a number, and /s, /m or /h. A batch counts each of its records."),
		number("burst", &l.Burst, 0, 1_000_000).byDefault("0").like("10").
			means("How many of them may start at once after a pause; 0 is those of a tenth of a second, at least one."),
		limitedBy("by", &l.By).byDefault("pipeline").
			means("What the rate is of. pipeline and dependency spread all calls over time. A header limits each of its values: what is over the limit waits, without using an attempt, for less than the shortest tier in place, else over the tiers; others go on. A record without the header is not limited."),
		number("max_keys", &l.MaxKeys, 1, 10_000_000).byDefault("10000").like("10000").
			means("The most values of the header that are known at once; the one that was asked for longest ago is forgotten first."),
	}
}

// rate is so many calls in a time.
func rate(name string, p *limit.Rate) key {
	k := oneScalar(name, "a rate", "100/s", func(s string) string {
		r, err := limit.Parse(s)
		if err == nil {
			*p = r
			return ""
		}
		for _, wrong := range [][2]string{{"/sec", "/s"}, {"/second", "/s"}, {"/min", "/m"}, {"/minute", "/m"}, {"/hour", "/h"}, {"ps", "/s"}, {"", "/s"}} {
			if before, found := strings.CutSuffix(strings.ToLower(s), wrong[0]); found {
				if r, err := limit.Parse(strings.TrimSpace(before) + wrong[1]); err == nil {
					return fmt.Sprintf("%s is no rate; did you mean %v?", quote(s), r)
				}
			}
		}
		return err.Error()
	})
	k.write = func() any { return p.String() }
	k.shape = jsonschema.Schema{Type: "string", Pattern: `^[0-9]+(\.[0-9]+)? ?/ ?[smh]$`}
	return k
}

// limitedBy is what a limit is of.
func limitedBy(name string, p *string) key {
	known := append([]string{"pipeline", "dependency"}, jobHeaders...)
	k := oneScalar(name, "one of "+strings.Join(known, ", ")+", or header:NAME", "user", func(s string) string {
		header, isHeader := strings.CutPrefix(s, anyHeader)
		switch {
		case slices.Contains(known, s) || isHeader && header != "":
			*p = s
			return ""
		case isHeader:
			return quote(s) + " names no header"
		}
		if near := Nearest(s, known); near != "" {
			return fmt.Sprintf("%s is unknown; did you mean %s?", quote(s), near)
		}
		return fmt.Sprintf("%s is unknown; for a header write header:%s", quote(s), s)
	})
	k.write = func() any { return *p }
	k.shape = jsonschema.Schema{AnyOf: []*jsonschema.Schema{{Enum: anys(known)}, {Type: "string", Pattern: "^" + anyHeader + ".+"}}}
	return k
}

// header is the header that the limit goes by, "" for none.
func (l Limit) header() string {
	if name, is := strings.CutPrefix(l.By, anyHeader); is {
		return name
	}
	if slices.Contains(jobHeaders, l.By) {
		return "redeliver-" + l.By
	}
	return ""
}

func (l Limit) limit() consumer.Limit {
	out := consumer.Limit{Name: l.Name, Rate: l.Rate, Burst: l.Burst, Header: l.header()}
	switch {
	case out.Header != "":
		out.Per, out.MaxKeys = consumer.PerHeader, l.MaxKeys
	case l.By == "dependency":
		out.Per = consumer.PerDependency
	}
	return out
}

func (p *Pipeline) limits() (all []consumer.Limit) {
	for _, l := range p.Limits {
		all = append(all, l.limit())
	}
	return all
}

// maxLimits is how many limits a pipeline may have.
const maxLimits = 8

func (r *reader) limitRules(p *Pipeline, at string) {
	at += ".limits"
	if len(p.Limits) > maxLimits {
		r.wrong(at, "limits: there are %d, at most %d: each is asked for each record", len(p.Limits), maxLimits)
		return
	}
	for i, l := range p.Limits {
		path := fmt.Sprintf("%s[%d]", at, i)
		name, by := path+".name", path+".by"
		if r.sound(name) {
			if !legalName.MatchString(l.Name) {
				r.wrong(name, "limits[%d].name: %s has other characters than letters, digits and '-'; write for example %s", i, quote(l.Name), legalised(l.Name))
			} else if slices.ContainsFunc(p.Limits[:i], func(o Limit) bool { return o.Name == l.Name }) {
				r.wrong(name, "limits[%d].name: %s is there twice; limits of a pipeline have names of their own", i, l.Name)
			}
		}
		if l.header() != "" && p.Ordering == "partition" && r.sound(by) {
			r.wrong(by, "limits[%d].by: %s does not go with ordering: partition: what waits would stop all others of its partition; write ordering: key, or limit the pipeline", i, l.By)
		}
	}
}

// sharedLimitRules refuse two limits of one name and dependency that are configured differently: they are one.
func (r *reader) sharedLimitRules(first, second *Pipeline, at string) {
	if first.Breaker.Dependency != second.Breaker.Dependency {
		return
	}
	for i, l := range second.Limits {
		for _, o := range first.Limits {
			path := fmt.Sprintf("%s.limits[%d]", at, i)
			if l.By != "dependency" || o.By != "dependency" || l.Name != o.Name || l.Rate == o.Rate && l.Burst == o.Burst || !r.sound(path+".name", path+".rate", path+".burst", path+".by") {
				continue
			}
			r.wrong(path+".rate", "limits[%d].rate: %s is %v with burst %d here and %v with burst %d in pipeline %s, and both share the limit of %s; write the same in both, or give one another name",
				i, l.Name, l.Rate, l.Burst, o.Rate, o.Burst, first.Name, second.Breaker.Dependency)
		}
	}
}
