package config

import "slices"

// kind is what a value of the file is.
type kind uint8

const (
	null    kind = iota // nothing, ~ or null
	scalar              // text, a number, true or false
	list                // - a or [a]
	mapping             // a: b or {a: b}
)

// String names the kind in messages.
func (k kind) String() string {
	return [...]string{"nothing", "a plain value", "a list", "a section of keys"}[k]
}

// value is a node of the file: aliases are followed, merge keys are applied, variables are replaced. It is not changed
// once it is made, so that an anchor's value may stand at several places of the tree.
type value struct {
	kind      kind
	text      string // of a scalar
	items     []*value
	entries   []entry // of a mapping, in the order of the file
	at        Place
	inherited bool // stands under defaults:
	broken    bool // of a scalar: a variable in it could not be replaced, which is told
}

// isBroken says whether the value, or an element of it, is broken.
func (v *value) isBroken() bool {
	return v.broken || slices.ContainsFunc(v.items, (*value).isBroken) ||
		slices.ContainsFunc(v.entries, func(e entry) bool { return e.value.isBroken() })
}

// entry is a key of a mapping and its value.
type entry struct {
	name  string
	at    Place
	value *value
}

// get returns the value of a key, nil when there is none.
func (v *value) get(name string) *value {
	if v == nil {
		return nil
	}
	for i := range v.entries {
		if v.entries[i].name == name {
			return v.entries[i].value
		}
	}
	return nil
}

// inherit returns v as something that came from defaults.
func (v *value) inherit() *value {
	if v == nil {
		return nil
	}
	c := *v
	c.inherited = true
	c.items, c.entries = nil, nil
	for _, item := range v.items {
		c.items = append(c.items, item.inherit())
	}
	for _, e := range v.entries {
		e.value = e.value.inherit()
		c.entries = append(c.entries, e)
	}
	return &c
}

// under merges defaults under v: sections key by key at every depth, anything else as a whole, v's own value first. A
// section without content is an empty section.
func (v *value) under(defaults *value) *value {
	switch {
	case v == nil || v.kind == null && defaults != nil && defaults.kind == mapping:
		return defaults
	case defaults == nil || v.kind != mapping || defaults.kind != mapping:
		return v
	}
	merged := *v
	merged.entries = nil
	for _, e := range v.entries {
		e.value = e.value.under(defaults.get(e.name))
		merged.entries = append(merged.entries, e)
	}
	for _, e := range defaults.entries {
		if v.get(e.name) == nil {
			merged.entries = append(merged.entries, e)
		}
	}
	return &merged
}
