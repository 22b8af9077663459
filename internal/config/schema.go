package config

import (
	"encoding/json"
	"strings"

	"github.com/google/jsonschema-go/jsonschema"
)

// Schema returns the JSON Schema (2020-12) of a configuration file, for editors. It knows every key with its meaning,
// default and bounds; what holds across keys only Parse knows.
func Schema() *jsonschema.Schema {
	root := sectionSchema(fileKeys(new(Config)), true)
	root.Schema = "https://json-schema.org/draft/2020-12/schema"
	root.ID = "https://github.com/redeliver/redeliver/config.schema.json"
	root.Title = "Redeliver configuration"
	root.Type, root.Types = "object", nil
	root.PatternProperties = map[string]*jsonschema.Schema{"^x-": {Description: "Yours: a place for anchors."}}
	return root
}

// sectionSchema describes a section. Where it stands alone its required keys are required; under defaults none is.
func sectionSchema(keys []key, whole bool) *jsonschema.Schema {
	s := &jsonschema.Schema{
		Types:                []string{"object", "null"},
		Properties:           map[string]*jsonschema.Schema{},
		AdditionalProperties: &jsonschema.Schema{Not: &jsonschema.Schema{}},
	}
	for _, k := range keys {
		complete := whole && k.name != "defaults"
		s.Properties[k.name] = k.describe(complete)
		s.PropertyOrder = append(s.PropertyOrder, k.name)
		if k.need && !k.elsewhere && complete {
			s.Required = append(s.Required, k.name)
		}
	}
	return s
}

func (k key) describe(whole bool) *jsonschema.Schema {
	var s *jsonschema.Schema
	switch {
	case k.keys != nil:
		s = sectionSchema(k.keys, whole)
	case k.elements != nil:
		item := sectionSchema(k.elements.any, whole)
		item.Type, item.Types = "object", nil
		s = &jsonschema.Schema{Types: []string{"array", "null"}, Items: item}
		if k.need && whole {
			s.Type, s.Types, s.MinItems = "array", nil, jsonschema.Ptr(1)
		}
	default:
		s = k.shape.CloneSchemas()
		s = withVariables(s)
	}
	s.Description = k.doc
	if k.otherwise != "" {
		s.Description += " Default: " + strings.TrimPrefix(strings.TrimSpace(k.def+", "+k.otherwise), ", ") + "."
	}
	if k.def != "" {
		s.Default = defaultJSON(k)
	}
	return s
}

// withVariables also allows a value with an environment variable in it, which is text to an editor whatever it stands
// for.
func withVariables(s *jsonschema.Schema) *jsonschema.Schema {
	if s.Type == "array" || s.Type == "object" || len(s.Types) > 0 && s.Pattern == "" && s.Enum == nil {
		return s
	}
	variable := &jsonschema.Schema{Type: "string", Pattern: `\$\{`}
	if s.AnyOf != nil {
		s.AnyOf = append(s.AnyOf, variable)
		return s
	}
	return &jsonschema.Schema{AnyOf: []*jsonschema.Schema{s, variable}}
}

// defaultJSON is the default as JSON, made from the YAML that the file's reader takes it from.
func defaultJSON(k key) json.RawMessage {
	text, err := json.Marshal(jsonOf(parsed(k.def), k))
	if err != nil {
		panic("config: the default of " + k.name + ": " + err.Error()) // a mistake in keys.go
	}
	return text
}

func jsonOf(v *value, k key) any {
	if v.kind == list {
		items := make([]any, len(v.items))
		for i, item := range v.items {
			items[i] = item.text
		}
		return items
	}
	// Numbers and truth values are written as such where the schema has them.
	var plain any
	if k.shape.Type != "string" && json.Unmarshal([]byte(v.text), &plain) == nil {
		return plain
	}
	return v.text
}
