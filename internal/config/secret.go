package config

import "strings"

// masked stands for a secret wherever the configuration is printed.
const masked = "******"

// IsMask reports whether a secret is no more than what is printed in its place. Such a configuration can be looked at and validated, and everybody knows
// its secrets.
func IsMask(secret string) bool { return secret == masked }

// hide keeps a value out of the lines that are shown. A reference to the environment is no secret.
func (d *document) hide(v *value) {
	switch v.kind {
	case scalar:
		d.hideFrom(v.at)
	case list:
		for _, item := range v.items {
			d.hide(item)
		}
	case mapping:
		for _, e := range v.entries {
			d.hide(e.value)
		}
	}
}

// hideFrom hides the scalar that begins at a place, as far as its text can be told from what follows: rather too much
// than too little.
func (d *document) hideFrom(at Place) {
	runes := []rune(d.line(at.Line))
	if at.Column < 1 || at.Column > len(runes) {
		return
	}
	rest := runes[at.Column-1:]
	switch first := rest[0]; {
	case first == '"' || first == '\'':
		if strings.HasPrefix(string(rest[1:]), "${") {
			return
		}
		for i := 1; i < len(rest); i++ {
			if rest[i] == first {
				d.secrets = append(d.secrets, span{at.Line, at.Column, at.Column + i})
				return
			}
		}
		d.hideLines(at, func(line string) bool { return strings.ContainsRune(line, first) })
	case first == '|' || first == '>':
		indent := indentation(string(runes))
		d.hideLines(Place{at.Line, at.Column}, func(line string) bool {
			return strings.TrimSpace(line) != "" && indentation(line) <= indent
		})
	case strings.HasPrefix(string(rest), "${"):
	default:
		end := strings.IndexAny(string(rest), ",}")
		if end < 0 || !strings.ContainsAny(string(runes[:at.Column-1]), "{[") {
			d.secrets = append(d.secrets, span{at.Line, at.Column, 0})
			return
		}
		d.secrets = append(d.secrets, span{at.Line, at.Column, at.Column + len([]rune(string(rest)[:end])) - 1})
	}
}

// hideLines hides the rest of a line and the lines after it, through the first for which last holds.
func (d *document) hideLines(from Place, last func(string) bool) {
	d.secrets = append(d.secrets, span{from.Line, from.Column, 0})
	for line := from.Line + 1; line <= len(d.lines); line++ {
		if last(d.lines[line-1]) && indentation(d.lines[line-1]) <= indentation(d.lines[from.Line-1]) {
			return
		}
		d.secrets = append(d.secrets, span{line, 1, 0})
		if last(d.lines[line-1]) {
			return
		}
	}
}

func indentation(line string) int { return len(line) - len(strings.TrimLeft(line, " ")) }
