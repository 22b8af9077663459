package config

import (
	"fmt"
	"math"
	"strings"

	"go.yaml.in/yaml/v4"
)

// most is the number of values that a file may unfold to once its aliases are followed.
const most = 100_000

// resolver turns the nodes of a document into values: it follows aliases, applies merge keys and replaces variables.
type resolver struct {
	*document
	lookup func(string) (string, bool)
	done   map[*yaml.Node]*value
	sizes  map[*value]int // of the unfolded tree
	open   map[*yaml.Node]bool
}

// resolve returns the values of a document, nil after noting that there are too many.
func (d *document) resolve(root *yaml.Node, lookup func(string) (string, bool)) *value {
	r := &resolver{document: d, lookup: lookup, done: map[*yaml.Node]*value{}, sizes: map[*value]int{}, open: map[*yaml.Node]bool{}}
	v := r.value(root)
	if r.sizes[v] > most {
		d.problem(v.at, fmt.Sprintf("the aliases (*name) of this file unfold to more than %d values", most))
		return nil
	}
	return v
}

// value resolves a node once; an alias gives the value of its anchor.
func (r *resolver) value(n *yaml.Node) *value {
	if v, ok := r.done[n]; ok {
		return v
	}
	at := Place{n.Line, n.Column}
	if r.open[n] {
		r.problem(at, "an anchor (&name) contains its own alias")
		return &value{kind: null, at: at}
	}
	r.open[n] = true
	v := r.node(n, at)
	delete(r.open, n)
	r.done[n] = v
	if _, ok := r.sizes[v]; !ok {
		r.sizes[v] = r.size(v)
	}
	return v
}

func (r *resolver) size(v *value) int {
	n := 1
	for _, item := range v.items {
		n += r.sizes[item]
	}
	for _, e := range v.entries {
		n += r.sizes[e.value]
	}
	return min(n, math.MaxInt32)
}

func (r *resolver) node(n *yaml.Node, at Place) *value {
	if n.Tag != "" && !strings.HasPrefix(n.Tag, "!!") {
		r.problem(at, fmt.Sprintf("the tag %s means nothing here; remove it", n.Tag))
	}
	switch n.Kind {
	case yaml.AliasNode:
		if n.Alias == nil {
			return &value{kind: null, at: at}
		}
		return r.value(n.Alias)
	case yaml.SequenceNode:
		v := &value{kind: list, at: at}
		for _, item := range n.Content {
			v.items = append(v.items, r.value(item))
		}
		return v
	case yaml.MappingNode:
		return r.mapping(n, at)
	}
	if n.Tag == "!!null" {
		return &value{kind: null, at: at}
	}
	before := len(r.problems)
	text := r.interpolate(n)
	return &value{kind: scalar, text: text, at: at, broken: len(r.problems) > before}
}

// mapping resolves a mapping and what it merges with <<. A key of its own is stronger than a merged one, an earlier
// merged mapping than a later one.
func (r *resolver) mapping(n *yaml.Node, at Place) *value {
	v := &value{kind: mapping, at: at}
	first := map[string]Place{}
	var merged []*value
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, keyAt := n.Content[i], Place{n.Content[i].Line, n.Content[i].Column}
		switch {
		case k.Tag == "!!merge":
			merged = append(merged, r.merged(n.Content[i+1])...)
			continue
		case k.Kind != yaml.ScalarNode:
			r.problem(keyAt, "a key is a plain name, no list or section")
			continue
		}
		content := r.value(n.Content[i+1])
		if before, twice := first[k.Value]; twice {
			r.problem(keyAt, fmt.Sprintf("the key %s stands here a second time, first in line %d; remove one", quote(k.Value), before.Line))
			continue
		}
		first[k.Value] = keyAt
		v.entries = append(v.entries, entry{name: k.Value, at: keyAt, value: content})
	}
	for _, m := range merged {
		for _, e := range m.entries {
			if _, own := first[e.name]; !own {
				first[e.name] = e.at
				v.entries = append(v.entries, e)
			}
		}
	}
	return v
}

// merged returns the mappings that stand behind <<: one, or a list of them.
func (r *resolver) merged(n *yaml.Node) []*value {
	v := r.value(n)
	var all []*value
	switch v.kind {
	case mapping:
		return []*value{v}
	case list:
		for _, item := range v.items {
			if item.kind != mapping {
				all = nil
				break
			}
			all = append(all, item)
		}
	}
	if all == nil {
		r.problem(Place{n.Line, n.Column}, "<< merges a section or a list of sections, like <<: *base")
	}
	return all
}
