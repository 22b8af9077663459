package config

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/jsonschema-go/jsonschema"
	"go.yaml.in/yaml/v4"
)

// schemaAccepts validates a file's text by the schema.
func schemaAccepts(t *testing.T, schema *jsonschema.Resolved, text string) error {
	t.Helper()
	var values any
	if err := yaml.Unmarshal([]byte(text), &values); err != nil {
		t.Fatal(err)
	}
	asJSON, err := json.Marshal(values) // an editor sees JSON's types
	if err != nil {
		t.Fatal(err)
	}
	var instance any
	if err := json.Unmarshal(asJSON, &instance); err != nil {
		t.Fatal(err)
	}
	return schema.Validate(instance)
}

// resolved reads the schema back from what `config schema` prints, defaults checked against it.
func resolved(t *testing.T) *jsonschema.Resolved {
	t.Helper()
	text, err := json.Marshal(Schema())
	if err != nil {
		t.Fatal(err)
	}
	var printed jsonschema.Schema
	if err := json.Unmarshal(text, &printed); err != nil {
		t.Fatal(err)
	}
	schema, err := printed.Resolve(&jsonschema.ResolveOptions{ValidateDefaults: true})
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

func TestTheSchemaAcceptsWhatIsRight(t *testing.T) {
	schema := resolved(t)
	for name, text := range map[string]string{
		"example":  Example,
		"contract": string(contract(t)),
		"variables": `
kafka: {brokers: "${BROKERS}"}
topics: {create: "${CREATE}", replication_factor: "${RF:-3}"}
defaults: {drain: "${DRAIN:-30s}", retry: {tiers: auto, strategy: linear}}
x-anchors: {a: 1}
pipelines:
  - name: orders
    breaker: {window: 100, failure_rate: 1, slow_call: 0}
`,
		"empty sections": "kafka:\ndefaults:\npipelines:\n  - name: a\n    retry:\n",
	} {
		if err := schemaAccepts(t, schema, text); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestTheSchemaRefusesWhatIsWrong(t *testing.T) {
	schema := resolved(t)
	for name, text := range map[string]string{
		"no pipelines":        "kafka: {brokers: [a:1]}",
		"no name":             "pipelines: [{topics: [a]}]",
		"unknown key":         "pipelines: [{name: a, toppics: [a]}]",
		"unknown word":        "pipelines: [{name: a, ordering: keys}]",
		"out of range":        "pipelines: [{name: a, concurrency: 0}]",
		"not a duration":      "pipelines: [{name: a, drain: 30}]",
		"not a size":          "pipelines: [{name: a, window: {bytes: 64MB}}]",
		"name under defaults": "defaults: {name: a}\npipelines: [{name: a}]",
		"rule without class":  "pipelines: [{name: a, classify: {rules: [{match: x}]}}]",
		"tiers of another":    "pipelines: [{name: a, retry: {tiers: soon}}]",
	} {
		if err := schemaAccepts(t, schema, text); err == nil {
			t.Errorf("%s: accepted:\n%s", name, text)
		}
	}
}

// The schema, the table of keys and the reader are one: a mistake of a single value that the schema refuses is one for
// the reader, too, and a key of the table is one of the schema.
func TestTheSchemaKnowsEveryKeyWithItsMeaning(t *testing.T) {
	root := Schema()
	walk(fileKeys(new(Config)), "", func(path string, k key) {
		s := root
		for name := range strings.SplitSeq(path, ".") {
			name, isList := strings.CutSuffix(name, "[]")
			s = s.Properties[name]
			if isList && s != nil {
				s = s.Items
			}
			if s == nil {
				t.Fatalf("the schema lacks %s", path)
			}
		}
		if k.doc == "" || !strings.HasPrefix(s.Description, k.doc) && s.Properties == nil {
			t.Errorf("%s: the description is %q, the key's %q", path, s.Description, k.doc)
		}
		if k.def != "" && s.Default == nil {
			t.Errorf("%s: the schema lacks the default %s", path, k.def)
		}
		if k.read != nil && k.write == nil {
			t.Errorf("%s can be read and not printed", path)
		}
	})
}
