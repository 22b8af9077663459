package config

import (
	"fmt"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v4"
)

var variableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// interpolate replaces ${VAR} and ${VAR:-default} in a scalar from the environment. As in a shell, the default is for a
// variable that is not set and for one that is empty; $${ is a plain ${. What is put in stays text: it is never read as
// YAML again, and not replaced again.
func (r *resolver) interpolate(n *yaml.Node) string {
	var b strings.Builder
	rest := n.Value
	for {
		before, after, found := strings.Cut(rest, "${")
		if !found {
			b.WriteString(rest)
			return b.String()
		}
		if strings.HasSuffix(before, "$") {
			b.WriteString(before + "{")
			rest = after
			continue
		}
		b.WriteString(before)
		inside, behind, closed := strings.Cut(after, "}")
		if !closed {
			r.problem(r.inside(n, "${"+after), "${ is not closed with }; for a plain ${ write $${")
			return b.String()
		}
		b.WriteString(r.variable(n, inside))
		rest = behind
	}
}

// variable returns what ${inside} stands for.
func (r *resolver) variable(n *yaml.Node, inside string) string {
	name, fallback, hasFallback := strings.Cut(inside, ":-")
	if !variableName.MatchString(name) {
		r.problem(r.inside(n, "${"+inside+"}"), fmt.Sprintf("%s is no name of an environment variable; write ${NAME} or ${NAME:-default}, or $${ for a plain ${", quote(name)))
		return ""
	}
	if strings.Contains(fallback, "${") {
		r.problem(r.inside(n, "${"+inside+"}"), fmt.Sprintf("the default of %s has a variable in it, which is not replaced; write a plain text: ${%s:-default}", name, name))
		return ""
	}
	text, set := r.lookup(name)
	switch {
	case hasFallback && text == "":
		return fallback
	case !set:
		r.problem(r.inside(n, "${"+inside+"}"), fmt.Sprintf("the environment variable %s is not set; set it, or give a default: ${%s:-default}", name, name))
	}
	return text
}

// inside finds the place of a part of a scalar in the file: on its first line or on the deeper ones below. An escaped
// scalar may not show it as it is; then the place of the scalar has to do.
func (r *resolver) inside(n *yaml.Node, part string) Place {
	part, _, _ = strings.Cut(part, "\n")
	column, indent := n.Column, indentation(r.line(n.Line))
	for line := n.Line; line <= len(r.lines); line++ {
		text := r.lines[line-1]
		if line > n.Line && strings.TrimSpace(text) != "" && indentation(text) <= indent {
			break
		}
		if runes := []rune(text); column-1 <= len(runes) {
			if before, _, found := strings.Cut(string(runes[column-1:]), part); found {
				return Place{line, column + len([]rune(before))}
			}
		}
		column = 1
	}
	return Place{n.Line, n.Column}
}
