package jq

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestPrograms(t *testing.T) {
	for _, c := range []struct{ program, document, want, err string }{
		{`.`, `{"b":1,"a":[null,"x<y"]}`, `{"a":[null,"x<y"],"b":1}`, ""},
		{`.amount = 2`, `{"amount":1,"id":12345678901234567890123}`, `{"amount":2,"id":12345678901234567890123}`, ""},
		{`del(.note)`, `{"note":"x"}`, `{}`, ""},
		{`.lines | length`, `{"lines":[1,2]}`, `2`, ""},
		{`null`, `{}`, `null`, ""},
		{`.`, ``, "", "no JSON"},
		{`.`, `{} {}`, "", "no JSON"},
		{`.`, "\xff\x00", "", "no JSON"},
		{`empty`, `{}`, "", "no outcome"},
		{`.[]`, `[1,2]`, "", "more than one outcome"},
		{`.a.b`, `{"a":[]}`, "", "expected an object"},
		{`env.HOME`, `{}`, `null`, ""},
	} {
		run, err := Compile(c.program)
		if err != nil {
			t.Fatalf("%s: %v", c.program, err)
		}
		got, err := run([]byte(c.document))
		if c.err == "" && (err != nil || string(got) != c.want) || c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)) {
			t.Errorf("%s of %q: got %s, %v", c.program, c.document, got, err)
		}
	}
	for _, program := range []string{`.a = `, `nosuch(1)`, `input`} {
		if _, err := Compile(program); err == nil || !strings.Contains(err.Error(), program) {
			t.Errorf("%q compiles: %v", program, err)
		}
	}
}

// FuzzDocument: what a program is given is read as JSON is, whole or not at all, and what it leaves alone stays what it was.
func FuzzDocument(f *testing.F) {
	for _, document := range []string{`{"a":[1,2.5,null,"x"]}`, `12345678901234567890`, `"\ud800"`, `{`, `1e999`, `[[[[]]]]`} {
		f.Add([]byte(document))
	}
	run, err := Compile(".")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, document []byte) {
		got, err := run(document)
		if err == nil && (!json.Valid(document) || !json.Valid(got)) {
			t.Fatalf("%q became %q", document, got)
		}
		if err == nil {
			again, err := run(got)
			if err != nil || string(again) != string(got) {
				t.Fatalf("%q became %q and then %q: %v", document, got, again, err)
			}
		}
	})
}
