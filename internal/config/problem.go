package config

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"unicode/utf8"
)

// Place is where something stands in a file: line and column from 1, the column in characters.
type Place struct {
	Line   int
	Column int
}

// Problem is one mistake in a configuration file, or one warning about it.
type Problem struct {
	File    string `json:"file"`
	Line    int    `json:"line"`
	Column  int    `json:"column"`
	Message string `json:"message"` // what is wrong and what would be right
	Source  string `json:"source"`  // the line, secrets masked
}

// Error returns file:line:column: message, and the line with a caret under the place.
func (p Problem) Error() string {
	head := fmt.Sprintf("%s:%d:%d: %s", p.File, p.Line, p.Column, p.Message)
	if strings.TrimSpace(p.Source) == "" {
		return head
	}
	source, column := window(p.Source, p.Column)
	number := fmt.Sprintf("%5d", p.Line)
	return fmt.Sprintf("%s\n%s | %s\n%s | %s^", head, number, source, strings.Repeat(" ", len(number)), blank(source, column-1))
}

// window cuts a long line around a column and returns the column in what is left.
func window(line string, column int) (string, int) {
	const before, width = 60, 120
	runes := []rune(line)
	if len(runes) <= width {
		return line, column
	}
	from := max(0, column-1-before)
	to := min(len(runes), from+width)
	text, shift := string(runes[from:to]), 0
	if from > 0 {
		text, shift = "…"+text, 1
	}
	if to < len(runes) {
		text += "…"
	}
	return text, column - from + shift
}

// blank is as wide as the first n characters of line: tabs stay tabs, so that the caret stands right in every editor.
func blank(line string, n int) string {
	var b strings.Builder
	for _, r := range line {
		if n--; n < 0 {
			return b.String()
		}
		if r != '\t' {
			r = ' '
		}
		b.WriteRune(r)
	}
	b.WriteString(strings.Repeat(" ", max(n, 0)))
	return b.String()
}

// Problems are all mistakes of a file, in its order. As an error it is never empty.
type Problems []Problem

// Error returns the problems one after another.
func (ps Problems) Error() string {
	texts := make([]string, len(ps))
	for i, p := range ps {
		texts[i] = p.Error()
	}
	return strings.Join(texts, "\n")
}

// Summary says in a line how many mistakes there are.
func (ps Problems) Summary() string {
	if len(ps) == 1 {
		return ps[0].File + ": 1 mistake"
	}
	return fmt.Sprintf("%s: %d mistakes", ps[0].File, len(ps))
}

// FileError is a configuration file that cannot be read at all.
type FileError struct {
	Path string
	Err  error
}

func (e *FileError) Error() string {
	if errors.Is(e.Err, fs.ErrNotExist) {
		where := ""
		if whole, err := filepath.Abs(e.Path); err == nil && whole != e.Path {
			where = fmt.Sprintf(" (looked for %s)", whole)
		}
		return fmt.Sprintf("there is no configuration file %s%s; name one with -c FILE, or begin one with: redeliver config example > config.yaml", e.Path, where)
	}
	return fmt.Sprintf("the configuration file %s cannot be read: %v", e.Path, cause(e.Err))
}

// Unwrap returns the cause.
func (e *FileError) Unwrap() error { return e.Err }

// cause leaves out the operation and the path that a file error repeats.
func cause(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}

// quote shows a text in a message, cut where it is long.
func quote(s string) string {
	const most = 60
	if utf8.RuneCountInString(s) > most {
		s = string([]rune(s)[:most]) + "…"
	}
	return fmt.Sprintf("%q", s)
}

func placeText(file string, at Place) string {
	return fmt.Sprintf("%s:%d:%d", file, at.Line, at.Column)
}
