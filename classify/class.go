package classify

import (
	"fmt"
	"strings"
)

// A Class is a kind of failure. It decides whether a failed record is retried.
type Class uint8

// The seven classes, and None for what is no failure.
const (
	None           Class = iota // no failure
	Transient                   // passes by itself: a server's time-out, a 503
	RateLimited                 // too much was asked: a 429, a quota
	Network                     // no connection, or a broken one: refused, reset, DNS, TLS
	System                      // this machine or process: resources exhausted, a panic
	Permanent                   // will not change: gone, unsupported
	Validation                  // the data is wrong: a missing field, a wrong format
	Authentication              // not allowed: bad credentials, forbidden
)

var classNames = [...]string{
	None:           "none",
	Transient:      "transient",
	RateLimited:    "rate_limited",
	Network:        "network",
	System:         "system",
	Permanent:      "permanent",
	Validation:     "validation",
	Authentication: "authentication",
}

// Classes returns the seven classes, the retriable ones first. None is not
// among them.
func Classes() []Class {
	return []Class{Transient, RateLimited, Network, System, Permanent, Validation, Authentication}
}

// Parse returns the class of that name. Names are exact: lower case, with an
// underscore in "rate_limited". The error of an unknown name lists the classes
// and suggests the nearest; "none" is no class of a failure and an error too.
func Parse(name string) (Class, error) {
	for _, c := range Classes() {
		if classNames[c] == name {
			return c, nil
		}
	}
	names := strings.Join(classNames[Transient:], ", ")
	if near, ok := nearest(name); ok {
		return None, fmt.Errorf("unknown failure class %q: did you mean %q? the classes are %s", name, near, names)
	}
	return None, fmt.Errorf("unknown failure class %q: the classes are %s", name, names)
}

// String returns the class's name as it stands in headers, metrics and
// configuration: "transient", "rate_limited", and so on; "none" for None.
func (c Class) String() string {
	if int(c) < len(classNames) {
		return classNames[c]
	}
	return fmt.Sprintf("class(%d)", uint8(c))
}

// Retriable reports whether failures of the class are tried again unless the
// policy says otherwise: transient, rate_limited, network and system.
func (c Class) Retriable() bool {
	return c >= Transient && c <= System
}

// MarshalText writes the class's name. A value that is no class is an error.
func (c Class) MarshalText() ([]byte, error) {
	if int(c) >= len(classNames) {
		return nil, fmt.Errorf("cannot write %v: it is no failure class", c)
	}
	return []byte(classNames[c]), nil
}

// UnmarshalText reads what MarshalText wrote: a name that [Parse] knows, or
// "none". On an error the class is left as it was.
func (c *Class) UnmarshalText(text []byte) error {
	if string(text) == classNames[None] {
		*c = None
		return nil
	}
	parsed, err := Parse(string(text))
	if err != nil {
		return err
	}
	*c = parsed
	return nil
}

// failure reports whether c is one of the seven.
func (c Class) failure() bool {
	return c > None && int(c) < len(classNames)
}

// nearest finds the class name that a mistyped one was meant to be: at most a
// third of it mistyped, ignoring case and the kind of separator.
func nearest(name string) (string, bool) {
	if len(name) > 64 {
		return "", false
	}
	name = strings.NewReplacer("-", "_", " ", "_").Replace(strings.ToLower(name))
	best, bestDistance := "", len(name)
	for _, c := range Classes() {
		candidate := classNames[c]
		d := editDistance(name, candidate)
		if strings.HasPrefix(candidate, name) && len(name) >= 3 {
			d = 1 // an abbreviation: "auth", "perm"
		}
		if d <= max(1, len(candidate)/3) && (best == "" || d < bestDistance) {
			best, bestDistance = candidate, d
		}
	}
	return best, best != ""
}

// editDistance is the Levenshtein distance, in bytes: class names are ASCII.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			substitution := diagonal
			if a[i] != b[j] {
				substitution++
			}
			diagonal = row[j+1]
			row[j+1] = min(row[j]+1, row[j+1]+1, substitution)
		}
	}
	return row[len(b)]
}
