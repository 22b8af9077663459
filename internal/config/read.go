package config

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"go.yaml.in/yaml/v4"
)

// reader puts the values of a document where their keys are bound, and remembers where each stood.
type reader struct {
	*document
	places    map[string]Place // by concrete path: pipelines[0].retry.tiers
	keyPlaces map[string]Place // of the key itself
	values    map[string]*value
	root      []key
	meant     map[string]bool        // paths of keys that are there, misspelt
	bad       map[string]bool        // paths that are missing or could not be read: no rule looks at them
	optional  func(path string) bool // a required key that may be missing this time
}

// section reads a section's values. v is nil where the section is not in the file.
func (r *reader) section(keys []key, v *value, path string) {
	if v != nil && v.kind == mapping {
		for _, e := range v.entries {
			if !slices.ContainsFunc(keys, func(k key) bool { return k.name == e.name }) && !(path == "" && strings.HasPrefix(e.name, "x-")) {
				r.tell(e.value, e.at, r.unknown(e.name, path, keys))
			}
		}
	}
	for _, k := range keys {
		r.key(k, v, join(path, k.name))
	}
}

// key reads one key of section v, or gives it its default.
func (r *reader) key(k key, section *value, path string) {
	v := section.get(k.name)
	if v != nil {
		r.places[path], r.values[path] = v.at, v
		for _, e := range section.entries {
			if e.name == k.name {
				r.keyPlaces[path] = e.at
			}
		}
	}
	switch {
	case k.keys != nil:
		r.subsection(k, v, path)
	case k.elements != nil:
		r.list(k, v, path)
	case v == nil && k.need && !r.optional(path):
		r.missing(k, path)
	case v == nil:
		r.setDefault(k)
	case v.kind == null:
		r.spoil(k, path)
		r.tell(v, r.keyPlaces[path], fmt.Sprintf("%s has no value; write %s, or remove the key", short(path), r.write(k)))
	default:
		r.set(k, v, path)
	}
}

func (r *reader) subsection(k key, v *value, path string) {
	if v == nil && k.optional {
		return
	}
	if v != nil && v.kind != mapping && v.kind != null {
		r.bad[path] = true
		r.tell(v, v.at, fmt.Sprintf("%s is %s; it holds the keys %s", short(path), v.kind, names(k.keys)))
		v = nil
	}
	r.section(k.keys, v, path)
}

func (r *reader) list(k key, v *value, path string) {
	k.elements.resize(0)
	switch {
	case v == nil:
		if k.need && !r.optional(path) {
			r.missing(k, path)
		}
		return
	case v.kind == null || v.kind == list && len(v.items) == 0:
		if k.need && !r.optional(path) {
			r.bad[path] = true
			r.tell(v, r.keyPlaces[path], fmt.Sprintf("%s is empty; add %s", short(path), r.write(k)))
		}
		return
	case v.kind != list:
		r.bad[path] = true
		r.tell(v, v.at, fmt.Sprintf("%s is %s, not a list; begin each element with a dash: %s", short(path), v.kind, r.write(k)))
		return
	}
	k.elements.resize(len(v.items))
	for i, item := range v.items {
		at := fmt.Sprintf("%s[%d]", path, i)
		r.places[at], r.keyPlaces[at] = item.at, item.at
		if item.kind != mapping {
			r.bad[at] = true
			r.tell(item, item.at, fmt.Sprintf("an element of %s is %s; it holds the keys %s", k.name, item.kind, names(k.elements.any)))
			item = nil
		}
		r.section(k.elements.keys(i), item, at)
	}
}

// tell reports a mistake in a value, once: one that a pipeline got from defaults: is reported there.
func (r *reader) tell(v *value, at Place, message string) {
	if !v.inherited {
		r.problem(at, message)
	}
}

// set reads a value into its place.
func (r *reader) set(k key, v *value, path string) {
	if k.secret {
		r.hide(v)
	}
	if v.isBroken() {
		r.spoil(k, path) // told already
		return
	}
	if instead, later := k.later[v.text]; later && v.kind == scalar {
		r.spoil(k, path)
		r.tell(v, v.at, fmt.Sprintf("%s: %s is not in this version of Redeliver yet; write %s: %s", short(path), v.text, k.name, instead))
		return
	}
	wrong := k.read(v)
	for i, item := range v.items {
		r.places[fmt.Sprintf("%s[%d]", path, i)] = item.at
	}
	if wrong == nil {
		return
	}
	r.spoil(k, path)
	text := wrong.text
	if !strings.Contains(text, "did you mean") {
		text += fmt.Sprintf("; want %s: %s", k.want, r.write(k))
	}
	r.tell(v, wrong.at.at, short(path)+": "+text)
}

// spoil gives a key that could not be read its default, and keeps the rules from judging it.
func (r *reader) spoil(k key, path string) {
	r.bad[path] = true
	r.setDefault(k)
}

// setDefault reads the default the way a value of the file is read.
func (r *reader) setDefault(k key) {
	if k.def == "" {
		return
	}
	if wrong := k.read(parsed(k.def)); wrong != nil {
		panic("config: the default of " + k.name + ": " + wrong.text) // a mistake in keys.go
	}
}

// ownValues are the values of YAML of our own by their texts: the defaults of keys, which every pipeline of a file has. Values are
// not changed.
var ownValues sync.Map

// parsed makes a value of YAML of our own.
func parsed(text string) *value {
	if known, ok := ownValues.Load(text); ok {
		return known.(*value)
	}
	v := parse(text)
	ownValues.Store(text, v)
	return v
}

func parse(text string) *value {
	var n yaml.Node
	if err := yaml.Unmarshal([]byte(text), &n); err != nil {
		panic("config: " + text + ": " + err.Error()) // a mistake in keys.go
	}
	d := newDocument("", []byte(text))
	return d.resolve(n.Content[0], func(string) (string, bool) { return "", false })
}

// missing reports a key that has to be there at the section that lacks it.
func (r *reader) missing(k key, path string) {
	above := path[:max(0, strings.LastIndexByte(path, '.'))]
	if r.bad[path] = true; r.meant[path] || !r.sound(above) {
		return // what is wrong is told already
	}
	// The section that lacks it is the nearest one that is in the file; what is between is shown around the example.
	parent, inner := path[:max(0, strings.LastIndexByte(path, '.'))], r.write(k)
	for parent != "" && !r.given(parent) {
		cut := strings.LastIndexByte(parent, '.')
		inner = fmt.Sprintf("%s: {%s}", parent[cut+1:], inner)
		parent = parent[:max(0, cut)]
	}
	where := short(parent)
	switch {
	case parent == "":
		where = "the file"
	case where == "":
		where = "this pipeline"
	}
	lacks := strings.TrimPrefix(strings.TrimPrefix(path, parent), ".")
	r.problem(r.keyPlace(parent), fmt.Sprintf("%s lacks %s, %s; add %s", where, lacks, k.want, inner))
}

// keyPlace returns where the key of a path stands, or the nearest one above that is in the file.
func (r *reader) keyPlace(path string) Place { return nearestPlace(r.keyPlaces, path) }

// place returns where the value of a path stands, or the key of the nearest section above that is in the file.
func (r *reader) place(path string) Place {
	if at, ok := r.places[path]; ok {
		return at
	}
	return r.keyPlace(path)
}

func nearestPlace(places map[string]Place, path string) Place {
	for {
		if at, ok := places[path]; ok {
			return at
		}
		cut := strings.LastIndexAny(path, ".[")
		if cut < 0 {
			return Place{1, 1}
		}
		path = path[:cut]
	}
}

// write shows how a key is written.
func (r *reader) write(k key) string {
	example := k.example
	if example == "" {
		example = k.def
	}
	if k.keys != nil {
		return k.name + ": {...}"
	}
	if strings.HasPrefix(example, "\n") {
		return k.name + ":" + example
	}
	return k.name + ": " + example
}

// unknown says what a key that does not exist may have meant.
func (r *reader) unknown(name, path string, keys []key) string {
	here := short(path)
	switch {
	case path == "":
		here = "the file"
	case here == "":
		here = "a pipeline"
	}
	text := fmt.Sprintf("%s has no key %s", here, quote(name))
	all := make([]string, len(keys))
	for i, k := range keys {
		all[i] = k.name
	}
	if path == "defaults" && (name == "name" || name == "group") {
		return text + ": each pipeline has its own"
	}
	if near := Nearest(name, all); near != "" {
		r.meant[join(path, near)] = true
		return text + "; did you mean " + near + "?"
	}
	if homes := r.homes(name, path); len(homes) > 0 {
		return text + "; it belongs " + strings.Join(homes, " or ")
	}
	return text + "; its keys are " + strings.Join(all, ", ")
}

// homes are the sections that do have a key of this name, seen from the pipeline or from the file.
func (r *reader) homes(name, path string) []string {
	var homes []string
	inPipeline := strings.HasPrefix(path, "pipelines[") || path == "defaults" || strings.HasPrefix(path, "defaults.")
	walk(r.root, "", func(at string, k key) {
		if k.name != name || strings.HasPrefix(at, "defaults.") || strings.HasPrefix(at, "clusters[") && !strings.HasPrefix(path, "clusters[") {
			return
		}
		section := at[:max(0, strings.LastIndexByte(at, '.'))]
		home := "under " + section
		local, isLocal := strings.CutPrefix(section, "pipelines[]")
		switch {
		case section == "":
			home = "at the top of the file"
		case isLocal && inPipeline && local != "":
			home = "under " + local[1:]
		case isLocal && inPipeline:
			home = "under the pipeline itself"
		}
		if !slices.Contains(homes, home) {
			homes = append(homes, home)
		}
	})
	if len(homes) > 3 {
		return nil
	}
	return homes
}

// short is a path as messages show it: a pipeline's own keys without the pipeline, which the place tells.
func short(path string) string {
	if rest, ok := strings.CutPrefix(path, "pipelines["); ok {
		_, rest, _ = strings.Cut(rest, "]")
		return strings.TrimPrefix(rest, ".")
	}
	return path
}

func names(keys []key) string {
	all := make([]string, len(keys))
	for i, k := range keys {
		all[i] = k.name
	}
	return strings.Join(all, ", ")
}
