package config

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// YAML returns the whole configuration as it is in force: the defaults written out, what `defaults:` says merged into
// every pipeline, variables replaced, and secrets masked.
func (c *Config) YAML() (string, error) {
	p := printer{places: c.places}
	root := p.section(fileKeys(c), "", "defaults")
	text, err := yaml.Dump(root, yaml.WithIndent(2), yaml.WithLineWidth(-1), yaml.WithFlowSimpleCollections())
	return string(text), err
}

// Values returns what YAML prints as maps, lists and plain values, for JSON.
func (c *Config) Values() (map[string]any, error) {
	text, err := c.YAML()
	if err != nil {
		return nil, err
	}
	var values map[string]any
	return values, yaml.Unmarshal([]byte(text), &values)
}

type printer struct{ places map[string]Place }

// section writes the keys that say something: those that stand in the file and those that have a default.
func (p printer) section(keys []key, path string, leaveOut ...string) *yaml.Node {
	n := &yaml.Node{Kind: yaml.MappingNode}
	add := func(name string, v *yaml.Node) {
		n.Content = append(n.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: name}, v)
	}
	for _, k := range keys {
		if k.name == "strategy" {
			// What the strategy does not have is no part of what is in force.
			leaveOut = slices.AppendSeq(slices.Clone(leaveOut), maps.Keys(notOf[fmt.Sprint(k.write())]))
		}
		if k.name == "group_protocol" && k.write() == "consumer" {
			leaveOut = append(slices.Clone(leaveOut), "session_timeout")
		}
		at := join(path, k.name)
		_, given := p.places[at]
		switch {
		case slices.Contains(leaveOut, k.name):
		case k.keys != nil:
			if given || !k.optional {
				if s := p.section(k.keys, at); len(s.Content) > 0 {
					add(k.name, s)
				}
			}
		case k.elements != nil:
			if list := p.list(k, at); len(list.Content) > 0 {
				add(k.name, list)
			}
		case given || k.def != "" || k.otherwise != "" && k.otherwise != thePipelines && k.otherwise != ofTheClass && k.write() != "":
			add(k.name, p.value(k))
		}
	}
	return n
}

func (p printer) list(k key, path string) *yaml.Node {
	n := &yaml.Node{Kind: yaml.SequenceNode}
	for i := range k.elements.count() {
		n.Content = append(n.Content, p.section(k.elements.keys(i), fmt.Sprintf("%s[%d]", path, i)))
	}
	return n
}

func (p printer) value(k key) *yaml.Node {
	v := k.write()
	switch text := v.(type) {
	case string:
		switch {
		case k.secret && text != "":
			v = masked
		default:
			v = maskURL(text)
		}
	case []string:
		if k.secret && len(text) > 0 {
			v = []string{masked}
		}
	case map[string]string:
		shown := make(map[string]string, len(text))
		for name := range text {
			shown[name] = masked
		}
		if !k.secret {
			shown = text
		}
		v = shown
	}
	var n yaml.Node
	if err := n.Encode(v); err != nil {
		panic("config: print " + k.name + ": " + err.Error()) // only plain values, lists and maps of them
	}
	if n.Kind == yaml.SequenceNode {
		n.Style = yaml.FlowStyle
	}
	return &n
}

// withScheme is what begins as a URL does (RFC 3986, section 3.1): a proxy may be socks5://, and HTTP:// is http://.
var withScheme = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9+.-]*://`)

// maskURL hides user and password of a URL, and its query, which may hold a token.
func maskURL(s string) string {
	if !withScheme.MatchString(s) {
		return s
	}
	scheme, rest, _ := strings.Cut(s, "://")
	rest, query, hasQuery := strings.Cut(rest, "?")
	if at := strings.LastIndex(rest, "@"); at >= 0 {
		rest = masked + rest[at:]
	}
	if hasQuery && query != "" {
		rest += "?" + masked
	}
	return scheme + "://" + rest
}
