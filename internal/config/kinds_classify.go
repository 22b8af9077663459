package config

import (
	"strconv"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/redeliver/redeliver/classify"
)

// statuses is an HTTP status, all of a hundred (5xx), or a list of these.
func statuses(name string, p *classify.Statuses) key {
	k := key{
		name: name, want: "an HTTP status, all of a hundred, like 5xx, or a list of these",
		read: func(v *value) *mistake {
			items := v.items
			switch {
			case v.kind == scalar:
				items = []*value{v}
			case v.kind != list:
				return wrongf(v, "%s is no HTTP status", v.kind)
			case len(items) == 0:
				return wrongf(v, "the list is empty")
			}
			names := make([]string, 0, len(items))
			for _, item := range items {
				if item.kind != scalar {
					return wrongf(item, "%s is no HTTP status", item.kind)
				}
				if _, err := classify.ParseStatuses(item.text); err != nil {
					return wrongf(item, "%s is no HTTP status", quote(item.text))
				}
				names = append(names, item.text)
			}
			set, err := classify.ParseStatuses(names...)
			if err != nil {
				return wrongf(v, "%v", err)
			}
			*p = set
			return nil
		},
	}
	k.write = func() any {
		var all []any
		for _, name := range p.Names() {
			if code, err := strconv.Atoi(name); err == nil {
				all = append(all, code)
			} else {
				all = append(all, name)
			}
		}
		if len(all) == 1 {
			return all[0]
		}
		return all
	}
	number := &jsonschema.Schema{Type: "integer", Minimum: jsonschema.Ptr(100.0), Maximum: jsonschema.Ptr(599.0)}
	hundred := &jsonschema.Schema{Type: "string", Pattern: `^[1-5]([xX]{2}|[0-9]{2})$`}
	one := &jsonschema.Schema{AnyOf: []*jsonschema.Schema{number, hundred}}
	k.shape = jsonschema.Schema{AnyOf: []*jsonschema.Schema{number, hundred, {Type: "array", Items: one, MinItems: jsonschema.Ptr(1)}}}
	return k
}

// wordOrWords is a text, or a list of texts.
func wordOrWords(name string, p *[]string) key {
	k := words(name, p)
	read := k.read
	k.want, k.example = "a text, or a list of texts", "some-text"
	k.read = func(v *value) *mistake {
		if v.kind == scalar {
			v = &value{kind: list, items: []*value{v}, at: v.at}
		}
		if v.kind == list && len(v.items) == 0 {
			return wrongf(v, "the list is empty")
		}
		return read(v)
	}
	k.write = func() any {
		if len(*p) == 1 {
			return (*p)[0]
		}
		return *p
	}
	k.shape = jsonschema.Schema{Types: []string{"array", "string", "number", "boolean"}, Items: k.shape.Items}
	return k
}
