package config

import (
	"fmt"
	"maps"
	"slices"

	"github.com/google/jsonschema-go/jsonschema"
)

// key describes one key of the configuration file and is bound to the place its value goes to.
type key struct {
	name string
	doc  string // for the schema and for people: a sentence or more

	// def is the default, as YAML. It is read like a value of the file, so that it cannot mean something else. Without
	// it the default is the zero value, or what otherwise says.
	def       string
	otherwise string

	want    string            // what a right value is, for messages: "a duration"
	example string            // of a right value, as YAML
	later   map[string]string // values that this version does not have yet, and what to do instead
	secret  bool              // never printed
	need    bool              // a file without it is wrong

	elsewhere bool // what is needed may also come from defaults: or from the command line

	// One of the following is set: keys of a section, elements of a list of sections, or read and write of a value.
	keys     []key
	optional bool // a section that is not there has no defaults and needs nothing
	elements *elements
	read     func(*value) *mistake // sets the bound place and returns nil, or says what is wrong
	write    func() any            // what the bound place holds, as YAML would write it
	shape    jsonschema.Schema     // what the schema says about the value, without doc and default
}

// mistake is what is wrong with a value, or with one inside it.
type mistake struct {
	at   *value
	text string
}

func wrongf(at *value, format string, args ...any) *mistake {
	return &mistake{at: at, text: fmt.Sprintf(format, args...)}
}

// elements is a list of sections.
type elements struct {
	resize func(n int) // to n new elements
	count  func() int
	keys   func(i int) []key // the keys of element i, bound to it
	any    []key             // the keys of no element in particular
}

func (k key) means(doc string) key        { k.doc = doc; return k }
func (k key) byDefault(def string) key    { k.def = def; return k }
func (k key) like(example string) key     { k.example = example; return k }
func (k key) computed(what string) key    { k.otherwise = what; return k }
func (k key) required() key               { k.need = true; return k }
func (k key) orElsewhere() key            { k.elsewhere = true; return k }
func (k key) hidden() key                 { k.secret = true; return k }
func (k key) onlyIfPresent() key          { k.optional = true; return k }
func (k key) accepting(want string) key   { k.want = want; return k }
func (k key) matching(pattern string) key { k.shape.Pattern = pattern; return k }

// notYet names a value that the file format knows and this version does not have; instead says what to write.
func (k key) notYet(value, instead string) key {
	k.later = maps.Clone(k.later)
	if k.later == nil {
		k.later = map[string]string{}
	}
	k.later[value] = instead
	return k
}

// section holds other keys.
func section(name string, keys ...key) key {
	return key{name: name, keys: keys, want: "a section of keys"}
}

// sections is a list of sections of the element type T, each of which begins as a copy of fresh.
func sections[T any](name string, all *[]T, fresh T, keys func(*T) []key) key {
	return key{
		name: name,
		want: "a list of sections",
		elements: &elements{
			resize: func(n int) { *all = slices.Repeat([]T{fresh}, n) },
			count:  func() int { return len(*all) },
			keys:   func(i int) []key { return keys(&(*all)[i]) },
			any:    keys(new(T)),
		},
	}
}

// sub returns the keys below k: of the section, or of any element.
func (k key) sub() []key {
	if k.elements != nil {
		return k.elements.any
	}
	return k.keys
}

// walk calls visit for the keys and all below them, with their paths: kafka.tls.enabled, pipelines[].retry.tiers.
func walk(keys []key, prefix string, visit func(path string, k key)) {
	for _, k := range keys {
		path := join(prefix, k.name)
		visit(path, k)
		if k.elements != nil {
			path += "[]"
		}
		walk(k.sub(), path, visit)
	}
}

func join(prefix, name string) string {
	if prefix == "" {
		return name
	}
	return prefix + "." + name
}
