package dlq

import (
	"reflect"
	"regexp"
	"regexp/syntax"
)

// perlish says whether an expression means what [regexp.Compile] makes of its text, which is all that can be asked of it: [regexp.CompilePOSIX] takes
// the ends of lines, and "+?", otherwise.
func perlish(re *regexp.Regexp) bool {
	if !longest(re) {
		return true
	}
	perl, err := programOf(re.String(), syntax.Perl)
	if err != nil {
		return false
	}
	posix, err := programOf(re.String(), syntax.POSIX)
	return err != nil || posix.String() == perl.String()
}

// longest says whether an expression prefers the longest match, as all have it that are compiled for POSIX.
func longest(re *regexp.Regexp) bool {
	field := reflect.ValueOf(re).Elem().FieldByName("longest") // it has no other way to be asked
	return field.Kind() != reflect.Bool || field.Bool()
}

// programOf is what package regexp makes of an expression.
func programOf(expr string, flags syntax.Flags) (*syntax.Prog, error) {
	tree, err := syntax.Parse(expr, flags)
	if err != nil {
		return nil, err
	}
	return syntax.Compile(tree.Simplify())
}
