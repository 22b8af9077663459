package config

import (
	"regexp"

	"github.com/google/jsonschema-go/jsonschema"
)

// patterns is a list of regular expressions, each of which matches something that is not empty.
func patterns(name string, p *[]string) key {
	k := words(name, p)
	k.want = "a list of regular expressions"
	k.example = `['\b\d{16}\b']`
	read := k.read
	k.read = func(v *value) *mistake {
		if wrong := read(v); wrong != nil {
			return wrong
		}
		for i, text := range *p {
			pattern, err := regexp.Compile(text)
			switch {
			case err != nil:
				return wrongf(v.items[i], "%v", err)
			case pattern.MatchString(""):
				return wrongf(v.items[i], "%s matches nothing too, and so everything", quote(text))
			}
		}
		return nil
	}
	k.shape.Items = &jsonschema.Schema{Type: "string"}
	return k
}
