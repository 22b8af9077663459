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
		{`.`, `["\ud83d\ude00","\\\\ud800","\\ud800"]`, `["😀","\\\\ud800","\\ud800"]`, ""},
		{`.`, `{"a":"\ud800"}`, "", "no Unicode"},
		{`.`, `{"\ud800\u0041":1}`, "", "no Unicode"},
		{`.`, `["\ude00\ud83d"]`, "", "no Unicode"},
		{`.`, "[\"\xff\"]", "", "no Unicode"},
		{`empty`, `{}`, "", "no outcome"},
		{`.[]`, `[1,2]`, "", "more than one outcome"},
		{`.a.b`, `{"a":[]}`, "", "expected an object"},
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
	if run, err := Compile(`. # a \`); err != nil {
		t.Error(err)
	} else if got, err := run([]byte(`1`)); err != nil || string(got) != "1" {
		t.Errorf("got %s, %v", got, err)
	}
	for _, program := range []string{`.a = `, `nosuch(1)`, `input`} {
		if _, err := Compile(program); err == nil || !strings.Contains(err.Error(), program) {
			t.Errorf("%q compiles: %v", program, err)
		}
	}
	for program, why := range map[string]string{
		`.a = env.HOME`: "asks for the environment", `.a = $ENV.HOME`: "asks for the environment", `.a = "\ud800"`: "is no Unicode", ".a = \"\xff\"": "is no Unicode",
	} {
		if _, err := Compile(program); err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%q compiles: %v", program, err)
		}
	}
}

// TestErrorsShowNothingOfTheDocument: what a program fails on is named by its type, and no value or name of the document is.
func TestErrorsShowNothingOfTheDocument(t *testing.T) {
	const document = `{"s":"secret42","n":4242,"a":["secret42",4242],"o":{"secret42":4242},"neg":-4242,"big":4242424242,"j":"{secret42","re":"(secret42","f":"%Q secret42","zero":0,"and":"x and secret42 (4242) cannot be applied to: 4242"}`
	for program, want := range map[string]string{
		`.s.x`: "expected an object but got: string", `.a.x`: "expected an object but got: array", `.n[0]`: "expected an array but got: number", `.o[.n]`: "",
		`.n[]`: "cannot iterate over: number", `.a[.s]`: "", `{(.n): 1}`: "expected a string for object key but got: number", `.a[.neg] = 1`: "", `.a[.big] = 1`: "setpath cannot be applied",
		`.s + .n`: "cannot add: string and number", `.and + .n`: "cannot add: string and number", `.o - .a`: "cannot subtract: object and array", `.s * .a`: "cannot multiply: string and array",
		`.n / .zero`: "cannot divide number by: number", `.n % .zero`: "cannot modulo number by: number", `-.s`: "cannot negate: string", `.n | keys`: "keys cannot be applied to: number",
		`.s | tonumber`: "tonumber cannot be applied to what it is given", `.a | tonumber`: "tonumber cannot be applied to: array", `.j | fromjson`: "fromjson cannot be applied to what it is given",
		`.and | fromjson`: "fromjson cannot be applied to", `.s | test(.n)`: "", `.re as $r | .s | test($r)`: "", `.n | ltrimstr(.s) | startswith("a")`: "", `.f as $f | .s | strptime($f)`: "",
		`[.o] | @csv`: "@csv cannot format an array including: object", `error(.s)`: "raises an error", `error(.o)`: "raises an error", `"a \(.s)" | error`: "raises an error", `.s | halt_error`: "raises an error",
		`error("it is closed")`: "error: it is closed", `.s | @base64d`: "", `.a | implode`: "", `.s | mktime`: "", `getpath(["s", "x"])`: "", `.s | setpath(["x"]; 1)`: "", `delpaths([.s])`: "",
		`try error(.s) catch error(.)`: "raises an error", `.a | join(.o)`: "", `.s | splits(.n)`: "", `label $out | .a | flatten(-4242)`: "flatten depth should not be negative",
		`.a | first(.[] | .x)`: "", `.s | todate`: "", `.n | .[1:2]`: "", `.s | .[.:]`: "", `.a | min_by(.x)`: "", `.a | sort_by(.x)`: "", `.a | from_entries`: "", `.s | explode | .[0].x`: "expected an object",
		`path(.n + 1)`: "", `.s |= empty | .s.x = 1 | .n.x = 1`: "",
	} {
		run, err := Compile(program)
		if err != nil {
			t.Fatalf("%s: %v", program, err)
		}
		outcome, err := run([]byte(document))
		if err == nil {
			if want != "" {
				t.Errorf("%s: %s, want an error", program, outcome)
			}
			continue
		}
		text := err.Error()
		if strings.Contains(text, "secret") || strings.Contains(strings.ReplaceAll(text, "-4242", ""), "42") || !strings.Contains(text, want) {
			t.Errorf("%s: %q, want %q and nothing of the document", program, text, want)
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
