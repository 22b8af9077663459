package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/google/jsonschema-go/jsonschema"
)

// choices is a list of some words, each at most once.
func choices(name string, p *[]string, all ...string) key {
	k := words(name, p)
	k.want = "a list of " + strings.Join(all, ", ")
	k.example = "[" + all[0] + "]"
	read := k.read
	k.read = func(v *value) *mistake {
		if wrong := read(v); wrong != nil {
			return wrong
		}
		for i, word := range *p {
			switch {
			case !slices.Contains(all, word):
				text := quote(word) + " is unknown"
				if near := Nearest(word, all); near != "" {
					text = fmt.Sprintf("%s is unknown; did you mean %s?", quote(word), near)
				}
				return wrongf(v.items[i], "%s", text)
			case slices.Contains((*p)[:i], word):
				return wrongf(v.items[i], "%s is there twice", quote(word))
			}
		}
		return nil
	}
	k.shape.Items = &jsonschema.Schema{Type: "string", Enum: anys(all)}
	k.shape.UniqueItems = true
	return k
}
