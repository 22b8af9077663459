package config

import (
	"bytes"
	"errors"
	"io"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
)

// document is the text of a file and what has been found wrong with it.
type document struct {
	file     string
	lines    []string
	secrets  []span
	problems Problems
	warnings Problems
	notices  Problems
	seen     map[Problem]bool
}

// span is a part of a line, columns in characters from 1; an end of 0 is the end of the line.
type span struct{ line, from, end int }

func newDocument(file string, text []byte) *document {
	return &document{file: file, lines: splitLines(string(text)), seen: map[Problem]bool{}}
}

// splitLines splits a text where YAML does, so that a parser's line numbers fit: at all line breaks of Unicode.
func splitLines(text string) []string {
	return strings.Split(lineBreaks.Replace(text), "\n")
}

var lineBreaks = strings.NewReplacer("\r\n", "\n", "\r", "\n", "\u0085", "\n", "\u2028", "\n", "\u2029", "\n")

// problem notes a mistake at a place; the same one twice, as a mistake under defaults is met in every pipeline, is one.
func (d *document) problem(at Place, message string) { d.note(&d.problems, at, message) }

func (d *document) warning(at Place, message string) { d.note(&d.warnings, at, message) }

func (d *document) notice(at Place, message string) { d.note(&d.notices, at, message) }

func (d *document) note(list *Problems, at Place, message string) {
	p := Problem{File: d.file, Line: max(at.Line, 1), Column: max(at.Column, 1), Message: message}
	if p.Line > len(d.lines) { // behind the end, where a parser misses something
		p.Line = max(len(d.lines), 1)
	}
	if !d.seen[p] {
		d.seen[p] = true
		*list = append(*list, p)
	}
}

// source returns a line as it may be shown.
func (d *document) source(line int) string {
	if line < 1 || line > len(d.lines) {
		return ""
	}
	runes := []rune(maskByName(d.lines[line-1]))
	for _, s := range d.secrets {
		if s.line != line || s.from > len(runes) {
			continue
		}
		end := s.end
		if end == 0 || end > len(runes) {
			end = len(runes)
		}
		for i := s.from - 1; i < end; i++ {
			runes[i] = '*'
		}
	}
	for i, r := range runes {
		if r != '\t' && !unicode.IsPrint(r) { // escape sequences would act on the terminal, other spaces look like blanks
			runes[i] = unicode.ReplacementChar
		}
	}
	return string(runes)
}

// Lines that cannot be parsed may hold secrets too: what follows a password or a token, and user and password in a URL.
var (
	secretKey = regexp.MustCompile(`(?i)\b(password|authorization|[\w-]*token|[\w-]*secret|[\w-]*api-?key)("|')?\s*:\s*("[^"]*"?|'[^']*'?|[^\s,}][^,}]*)`)
	userinfo  = regexp.MustCompile(`(://)([^/\s@"']+)@`)
)

// maskByName hides what looks like a secret, without changing the place of anything.
func maskByName(line string) string {
	stars := func(line string, re *regexp.Regexp, group int) string {
		for _, m := range re.FindAllStringSubmatchIndex(line, -1) {
			from, to := m[2*group], m[2*group+1]
			text := line[from:to]
			if bare := strings.Trim(text, `"'`); strings.HasPrefix(bare, "${") || bare == "" {
				continue // a reference is no secret
			}
			line = line[:from] + strings.Repeat("*", utf8.RuneCountInString(text)) + strings.Repeat("\x00", to-from-utf8.RuneCountInString(text)) + line[to:]
		}
		return strings.ReplaceAll(line, "\x00", "")
	}
	return stars(stars(line, secretKey, 3), userinfo, 2)
}

// compose reads the text into the nodes of its one document. It returns nil after noting a problem when it cannot.
func (d *document) compose(text []byte) *yaml.Node {
	if !d.isText(text) {
		return nil
	}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	var first, second yaml.Node
	if err := decoder.Decode(&first); errors.Is(err, io.EOF) {
		d.problem(Place{}, "the file is empty: it needs at least one pipeline; print an example with: redeliver config example")
		return nil
	} else if err != nil {
		d.syntax(err)
		return nil
	}
	switch err := decoder.Decode(&second); {
	case err == nil:
		d.problem(Place{second.Line, second.Column}, "a second YAML document begins here; write everything in one document, or several files and a process for each")
		return nil
	case !errors.Is(err, io.EOF):
		d.syntax(err)
		return nil
	}
	if len(first.Content) == 0 {
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null", Line: 1, Column: 1}
	}
	return first.Content[0]
}

// isText notes what no YAML can be made of.
func (d *document) isText(text []byte) bool {
	if bytes.HasPrefix(text, []byte{0xff, 0xfe}) || bytes.HasPrefix(text, []byte{0xfe, 0xff}) {
		d.lines = nil
		d.problem(Place{}, "the file is UTF-16; save it as UTF-8")
		return false
	}
	line, column := 1, 1
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRune(text[i:])
		switch {
		case r == utf8.RuneError && size <= 1:
			d.problem(Place{line, column}, "the file is no UTF-8 text from here on; save it as UTF-8")
			return false
		case r < ' ' && r != '\t' && r != '\n' && r != '\r', r == 0x7f:
			d.problem(Place{line, column}, "a control character stands here; is this a YAML file?")
			return false
		case r == '\r' && bytes.HasPrefix(text[i+1:], []byte("\n")): // one break with what follows
		case strings.ContainsRune("\n\r\u0085\u2028\u2029", r):
			line, column = line+1, 0
		}
		i, column = i+size, column+1
	}
	return true
}

// syntax notes an error of the YAML parser in words that say what to do.
func (d *document) syntax(err error) {
	var load *yaml.LoadError
	if !errors.As(err, &load) {
		d.problem(Place{}, "the file is no YAML: "+err.Error())
		return
	}
	at := Place{load.Mark.Line, load.Mark.Column}
	message := "the file is no YAML here: " + load.Message
	if load.ContextMsg != "" && load.ContextMark.Line > 0 && load.ContextMark.Line != at.Line {
		message += " (" + load.ContextMsg + ")"
	}
	// An error at the end of the file is about what began earlier.
	if at.Line > len(d.lines) || strings.TrimSpace(strings.Join(d.lines[at.Line-1:], "")) == "" {
		if load.ContextMark.Line > 0 {
			at = Place{load.ContextMark.Line, load.ContextMark.Column}
			message = "the file ends before what begins here is complete: " + load.Message
		}
	}
	d.problem(at, message+hint(d.line(at.Line), at, load.Message))
}

func (d *document) line(n int) string {
	if n < 1 || n > len(d.lines) {
		return ""
	}
	return d.lines[n-1]
}

var bareVariable = regexp.MustCompile(`[\[{,:]\s*\$\{`)

// hint tells the usual cause of a syntax error.
func hint(line string, at Place, message string) string {
	indent := line[:len(line)-len(strings.TrimLeft(line, " \t"))]
	rest := ""
	if runes := []rune(line); at.Column >= 1 && at.Column <= len(runes) {
		rest = string(runes[at.Column-1:])
	}
	switch {
	case strings.Contains(indent, "\t"):
		return "; the line is indented with a tab: YAML wants spaces"
	case bareVariable.MatchString(line) && strings.ContainsAny(line, "[{"):
		return `; inside [...] and {...} a variable needs quotes: "${NAME}"`
	case strings.HasPrefix(rest, "@"), strings.HasPrefix(rest, "`"), strings.HasPrefix(rest, "%"):
		return "; put a value that begins with " + rest[:1] + " in quotes"
	case strings.Contains(message, "mapping values are not allowed"):
		return `; is the line indented too far, or does a value with ": " in it lack quotes?`
	case strings.Contains(message, "did not find expected key"), strings.Contains(message, "did not find expected '-'"):
		return "; are the lines of one section indented alike?"
	case strings.Contains(message, "unknown anchor"):
		return "; define it with & before, or put a value that begins with * in quotes"
	}
	return ""
}
