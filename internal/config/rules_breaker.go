package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/redeliver/redeliver/breaker"
)

// breakerRules judge one breaker of a pipeline; at is its path. They also fill in what follows from other keys.
func (r *reader) breakerRules(p *Pipeline, b *Breaker, at string) {
	calls, minimum := at+".window", at+".minimum_calls"
	switch {
	case b.WindowCalls == 0 || b.MinimumCalls <= b.WindowCalls || !r.sound(calls, minimum):
	case !r.given(minimum):
		b.MinimumCalls = b.WindowCalls
	default:
		r.wrong(minimum, "breaker.minimum_calls, %d, is more than the %d calls that breaker.window holds: the breaker would never open; lower it or raise window", b.MinimumCalls, b.WindowCalls)
	}
	r.breakerWaitRules(p, b, at)
	if mode := at + ".mode"; !b.Enabled && r.given(mode) && b.Mode != "disabled" && r.sound(mode, at+".enabled") {
		r.wrong(mode, "breaker.mode: %s and enabled: false contradict one another; remove one of them", b.Mode)
	}
	r.breakerClassRules(b, at)
	r.breakerPartRules(b, at)
}

// breakersRules judge the breakers beside the first one.
func (r *reader) breakersRules(p *Pipeline, at string) {
	seen := []string{p.Breaker.Dependency}
	for i := range p.Breakers {
		path := fmt.Sprintf("%s.breakers[%d]", at, i)
		dependency := path + ".dependency"
		switch name := p.Breakers[i].Dependency; {
		case !r.sound(dependency):
		case name == "":
			r.wrong(dependency, "breakers: dependency is empty; name what the handler calls, as Redeliver-Dependency does")
		case slices.Contains(seen, name):
			r.wrong(dependency, "breakers: the dependency %s is there twice, or is that of breaker; give each another name", quote(name))
		default:
			seen = append(seen, name)
		}
		r.breakerRules(p, &p.Breakers[i], path)
	}
	if most := 15; len(p.Breakers) > most {
		r.wrong(at+".breakers", "breakers: %d are too many; give at most %d", len(p.Breakers), most)
	}
}

// breakerPartRules judge how a dependency is watched part by part.
func (r *reader) breakerPartRules(b *Breaker, at string) {
	by, parts, scope := at+".by", at+".parts", at+".scope"
	if !r.sound(by) {
		return
	}
	kind, name, named := strings.Cut(b.By, ":")
	switch {
	case b.By == "" || b.By == "tenant":
	case (kind == "header" || kind == "host") && strings.TrimSpace(name) != "":
	case (kind == "header" || kind == "host") && !named:
		r.wrong(by, "breaker.by: %s needs the name of a header; write for example by: %s:x-callback-url", kind, kind)
	default:
		r.wrong(by, "breaker.by: %s is none of tenant, header:NAME, host:NAME", quote(b.By))
	}
	if b.By == "" && r.given(parts) && b.Parts != breaker.DefaultParts && r.sound(parts) {
		r.warning(r.place(parts), "breaker.parts has no effect without breaker.by")
	}
	if b.By != "" && b.Scope == "fleet" && r.sound(scope) {
		r.wrong(by, "breaker.by and scope: fleet do not go together: parts are watched by each process for itself; remove one of them")
	}
}

// breakerWaitRules judge how long the breaker stays open and half-open.
func (r *reader) breakerWaitRules(p *Pipeline, b *Breaker, at string) {
	openFor, longest, multiplier, jitter, limit := at+".open_for", at+".open_max", at+".open_multiplier", at+".open_jitter", at+".half_open_for"
	switch {
	case b.OpenMax >= b.OpenFor || !r.sound(openFor, longest):
	case !r.given(longest):
		b.OpenMax = b.OpenFor
	default:
		r.wrong(longest, "breaker.open_max, %s, is below open_for, %s: raise it, or lower open_for", formatDuration(b.OpenMax), r.shown(openFor, formatDuration(b.OpenFor)))
	}
	if r.given(longest) && b.OpenMultiplier == 1 && r.sound(longest, multiplier) && b.OpenMax > b.OpenFor && b.OpenMax != breaker.DefaultOpenMax {
		r.warning(r.place(longest), "breaker.open_max has no effect: waits do not grow while open_multiplier is 1")
	}
	if !r.given(jitter) && b.OpenMultiplier > 1 {
		b.OpenJitter = breaker.DefaultOpenJitter
	}
	switch {
	case b.HalfOpenFor == 0 || b.HalfOpenFor > p.Handler.Timeout || !r.sound(limit, p.path+".handler.timeout"):
	case r.given(limit):
		r.wrong(limit, "breaker.half_open_for, %s, must be longer than handler.timeout, %s: a probe that takes as long as it may would count as failed; raise it, or write 0 for no limit",
			formatDuration(b.HalfOpenFor), r.shown(p.path+".handler.timeout", formatDuration(p.Handler.Timeout)))
	}
	if !r.given(limit) {
		b.HalfOpenFor = max(b.HalfOpenFor, 2*p.Handler.Timeout)
	}
}

// breakerClassRules judge which classes count.
func (r *reader) breakerClassRules(b *Breaker, at string) {
	classes, ignore := at+".classes", at+".ignore"
	if !r.sound(classes, ignore) {
		return
	}
	if len(b.Classes) == 0 {
		r.wrong(classes, "breaker.classes is empty: the breaker would never open; name the classes that count, or write enabled: false beside it")
	}
	if r.given(classes) && len(b.Ignore) > 0 {
		r.wrong(ignore, "breaker.ignore and breaker.classes say the same thing in two ways: remove one of them")
	}
	counting := slices.DeleteFunc(slices.Clone(b.Classes), func(class string) bool { return slices.Contains(b.Ignore, class) })
	if len(b.Ignore) > 0 && len(counting) == 0 {
		r.wrong(ignore, "breaker.ignore names every class that counts: the breaker would never open; remove some, or write enabled: false beside it")
	}
	r.knownClasses(classes, "breaker.classes", b.Classes)
	r.knownClasses(ignore, "breaker.ignore", b.Ignore)
	if len(b.Ignore) > 0 {
		b.Classes, b.Ignore = counting, nil
	}
}

// knownClasses refuse what is no class in a list of them.
func (r *reader) knownClasses(path, key string, classes []string) {
	all := classNames()
	for i, class := range classes {
		if slices.Contains(all, class) {
			continue
		}
		remedy := "the classes are " + strings.Join(all, ", ")
		if near := Nearest(class, all); near != "" {
			remedy = "did you mean " + near + "?"
		}
		r.wrong(fmt.Sprintf("%s[%d]", path, i), "%s: there is no class %s; %s", key, quote(class), remedy)
	}
}
