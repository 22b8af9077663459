package config

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/jsonschema-go/jsonschema"
)

// The kinds of values. Each function describes a key of one kind that is bound to a place.

// oneScalar is a key whose value is one scalar. wrong returns "" after setting the place, or what is wrong with the text;
// what to write instead is added by the reader.
func oneScalar(name, want, example string, wrong func(text string) string) key {
	return key{
		name: name, want: want, example: example,
		read: func(v *value) *mistake {
			if v.kind != scalar {
				return wrongf(v, "%s is not %s", v.kind, want)
			}
			if text := wrong(v.text); text != "" {
				return wrongf(v, "%s", text)
			}
			return nil
		},
	}
}

// text is any text.
func text(name string, p *string) key {
	k := oneScalar(name, "text", "some-text", func(s string) string { *p = s; return "" })
	k.write = func() any { return *p }
	k.shape = jsonschema.Schema{Types: []string{"string", "number", "boolean"}}
	return k
}

// choice is one of some words.
func choice(name string, p *string, words ...string) key {
	k := oneScalar(name, "one of "+strings.Join(words, ", "), words[0], func(s string) string {
		if !slices.Contains(words, s) {
			if near := Nearest(s, words); near != "" {
				return fmt.Sprintf("%s is unknown; did you mean %s?", quote(s), near)
			}
			return quote(s) + " is unknown"
		}
		*p = s
		return ""
	})
	k.write = func() any { return *p }
	k.shape = jsonschema.Schema{Type: "string", Enum: anys(words)}
	return k
}

// number is a whole number from lo to hi.
func number(name string, p *int, lo, hi int) key {
	want := fmt.Sprintf("a whole number from %d to %d", lo, hi)
	k := oneScalar(name, want, strconv.Itoa(max(lo, 1)), func(s string) string {
		n, err := strconv.Atoi(s)
		if err != nil {
			return quote(s) + " is no whole number"
		}
		if n < lo || n > hi {
			return fmt.Sprintf("%d is out of range", n)
		}
		*p = n
		return ""
	})
	k.write = func() any { return *p }
	k.shape = jsonschema.Schema{Type: "integer", Minimum: jsonschema.Ptr(float64(lo)), Maximum: jsonschema.Ptr(float64(hi))}
	return k
}

// fraction is a number above lo, up to hi.
func fraction(name string, p *float64, lo, hi float64) key {
	want := fmt.Sprintf("a number above %g, up to %g", lo, hi)
	return decimal(name, p, want, hi, func(f float64) bool { return f > lo && f <= hi },
		jsonschema.Schema{Type: "number", ExclusiveMinimum: &lo, Maximum: &hi})
}

// factor is a number from lo to hi.
func factor(name string, p *float64, lo, hi float64) key {
	want := fmt.Sprintf("a number from %g to %g", lo, hi)
	return decimal(name, p, want, hi, func(f float64) bool { return f >= lo && f <= hi },
		jsonschema.Schema{Type: "number", Minimum: &lo, Maximum: &hi})
}

func decimal(name string, p *float64, want string, hi float64, in func(float64) bool, shape jsonschema.Schema) key {
	k := oneScalar(name, want, "0.5", func(s string) string {
		f, err := strconv.ParseFloat(s, 64)
		if percent, isPercent := strings.CutSuffix(s, "%"); isPercent && hi <= 1 {
			if f, err := strconv.ParseFloat(strings.TrimSpace(percent), 64); err == nil && in(f/100) {
				return fmt.Sprintf("%s is no number; did you mean %g?", quote(s), f/100)
			}
		}
		if err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
			return quote(s) + " is no number"
		}
		if !in(f) {
			return fmt.Sprintf("%g is out of range", f)
		}
		*p = f
		return ""
	})
	k.write = func() any { return *p }
	k.shape = shape
	return k
}

// toggle is true or false.
func toggle(name string, p *bool) key {
	k := oneScalar(name, "true or false", "true", func(s string) string {
		switch s {
		case "true", "false":
			*p = s == "true"
			return ""
		}
		switch strings.ToLower(s) {
		case "yes", "on", "y", "1", "true":
			return quote(s) + " is not true or false; did you mean true?"
		case "no", "off", "n", "0", "false":
			return quote(s) + " is not true or false; did you mean false?"
		}
		return quote(s) + " is not true or false"
	})
	k.write = func() any { return *p }
	k.shape = jsonschema.Schema{Type: "boolean"}
	return k
}

const durationPattern = `^([0-9]+(\.[0-9]+)?(d|h|m|s|ms|us|µs|ns))+$|^0$|^-1$`

// duration is a time from lo to hi.
func duration(name string, p *time.Duration, lo, hi time.Duration) key {
	want := fmt.Sprintf("a duration from %s to %s", formatDuration(lo), formatDuration(hi))
	k := oneScalar(name, want, "30s", func(s string) string {
		d, wrong := readDuration(s)
		switch {
		case wrong != "":
			return wrong
		case d < lo || d > hi:
			return formatDuration(d) + " is out of range"
		}
		*p = d
		return ""
	})
	k.write = func() any { return formatDuration(*p) }
	k.shape = durationShape(0)
	return k
}

// durationShape is a duration with its unit, or one of some numbers that need none.
func durationShape(numbers ...int) jsonschema.Schema {
	return jsonschema.Schema{AnyOf: []*jsonschema.Schema{{Type: "string", Pattern: durationPattern}, {Enum: anys(numbers)}}}
}

// durationOrForever is a duration from lo to hi, or -1.
func durationOrForever(name string, p *time.Duration, lo, hi time.Duration) key {
	k := duration(name, p, lo, hi)
	read := k.read
	k.want = "-1, for ever, or " + k.want
	k.shape = durationShape(-1)
	k.read = func(v *value) *mistake {
		if v.kind == scalar && v.text == "-1" {
			*p = -1
			return nil
		}
		return read(v)
	}
	return k
}

// readDuration also says what somebody probably meant.
func readDuration(s string) (time.Duration, string) {
	d, err := parseDuration(s)
	if err == nil {
		return d, ""
	}
	if _, err := strconv.ParseFloat(s, 64); err == nil {
		return 0, fmt.Sprintf("%s has no unit; did you mean %ss?", quote(s), s)
	}
	if compact := strings.ReplaceAll(s, " ", ""); compact != s {
		if _, err := parseDuration(compact); err == nil {
			return 0, fmt.Sprintf("%s is no duration; did you mean %s?", quote(s), compact)
		}
	}
	return 0, quote(s) + " is no duration; its units are d, h, m, s, ms"
}

// size is a number of bytes from lo to hi.
func size(name string, p *int64, lo, hi int64) key {
	want := fmt.Sprintf("a size from %s to %s", formatSize(lo), formatSize(hi))
	k := oneScalar(name, want, "64MiB", func(s string) string {
		n, err := parseSize(s)
		switch {
		case err != nil:
			for _, wrong := range [][2]string{{"kb", "KiB"}, {"mb", "MiB"}, {"gb", "GiB"}, {"kib", "KiB"}, {"mib", "MiB"}, {"gib", "GiB"}, {"k", "KiB"}, {"m", "MiB"}, {"g", "GiB"}} {
				if before, found := strings.CutSuffix(strings.ToLower(s), wrong[0]); found {
					return fmt.Sprintf("%s is no size; did you mean %s%s?", quote(s), strings.TrimSpace(before), wrong[1])
				}
			}
			return quote(s) + " is no size; its units are B, KiB, MiB, GiB"
		case n < lo || n > hi:
			return formatSize(n) + " is out of range"
		}
		*p = n
		return ""
	})
	k.write = func() any { return formatSize(*p) }
	k.shape = jsonschema.Schema{Types: []string{"string", "integer"}, Pattern: `^[0-9]+(\.[0-9]+)? ?(B|KiB|MiB|GiB)?$`}
	return k
}

// words is a list of texts.
func words(name string, p *[]string) key {
	k := key{
		name: name, want: "a list of texts", example: "[one, two]",
		read: func(v *value) *mistake {
			if v.kind != list {
				return wrongf(v, "%s is no list", v.kind)
			}
			texts := make([]string, 0, len(v.items))
			for _, item := range v.items {
				if item.kind != scalar {
					return wrongf(item, "%s is no text in a list of texts", item.kind)
				}
				texts = append(texts, item.text)
			}
			*p = texts
			return nil
		},
	}
	k.write = func() any { return *p }
	k.shape = jsonschema.Schema{Type: "array", Items: &jsonschema.Schema{Types: []string{"string", "number"}}}
	return k
}

// wordsOrCommas is a list of texts that may also be one text with commas, as environment variables hold lists.
func wordsOrCommas(name string, p *[]string) key {
	k := words(name, p)
	read := k.read
	k.read = func(v *value) *mistake {
		if v.kind == scalar {
			v = &value{kind: list, items: []*value{v}, at: v.at}
		}
		if wrong := read(v); wrong != nil {
			return wrong
		}
		var all []string
		for _, text := range *p {
			for part := range strings.SplitSeq(text, ",") {
				if part = strings.TrimSpace(part); part != "" {
					all = append(all, part)
				}
			}
		}
		*p = all
		return nil
	}
	k.shape = jsonschema.Schema{Types: []string{"array", "string"}, Items: k.shape.Items}
	return k
}

// textMap is a section with names of the user's own and texts.
func textMap(name string, p *map[string]string) key {
	k := key{
		name: name, want: "a section of names and texts", example: "{Authorization: \"Bearer ${TOKEN}\"}",
		read: func(v *value) *mistake {
			if v.kind != mapping {
				return wrongf(v, "%s is no section of names and texts", v.kind)
			}
			texts := make(map[string]string, len(v.entries))
			for _, e := range v.entries {
				if e.value.kind != scalar {
					return wrongf(e.value, "%s is %s, not a text", e.name, e.value.kind)
				}
				texts[e.name] = e.value.text
			}
			*p = texts
			return nil
		},
	}
	k.write = func() any { return *p }
	k.shape = jsonschema.Schema{Type: "object", AdditionalProperties: &jsonschema.Schema{Types: []string{"string", "number", "boolean"}}}
	return k
}

// tiers is a list of durations, or auto. That they ascend is for the policy to say.
func tiers(name string, p *[]time.Duration, auto *bool) key {
	k := key{
		name: name, want: "a list of ascending durations, or auto", example: "[1s, 10s, 60s]",
		read: func(v *value) *mistake {
			switch {
			case v.kind == scalar && v.text == "auto":
				*p, *auto = nil, true
				return nil
			case v.kind == scalar:
				return wrongf(v, "%s is neither a list nor auto", quote(v.text))
			case v.kind != list:
				return wrongf(v, "%s is no list of durations", v.kind)
			case len(v.items) == 0:
				return wrongf(v, "the list is empty")
			}
			delays := make([]time.Duration, 0, len(v.items))
			for _, item := range v.items {
				if item.kind != scalar {
					return wrongf(item, "%s is no duration", item.kind)
				}
				d, wrong := readDuration(item.text)
				if wrong != "" {
					return wrongf(item, "%s", wrong)
				}
				delays = append(delays, d)
			}
			*p, *auto = delays, false
			return nil
		},
	}
	k.write = func() any {
		if *auto {
			return "auto"
		}
		texts := make([]string, len(*p))
		for i, d := range *p {
			texts[i] = formatDuration(d)
		}
		return texts
	}
	item := &jsonschema.Schema{Type: "string", Pattern: durationPattern}
	k.shape = jsonschema.Schema{AnyOf: []*jsonschema.Schema{{Const: jsonschema.Ptr[any]("auto")}, {Type: "array", Items: item, MinItems: jsonschema.Ptr(1)}}}
	return k
}

// windowOf is a duration, or a number of calls.
func windowOf(name string, d *time.Duration, calls *int, lo, hi time.Duration, most int) key {
	want := fmt.Sprintf("a duration from %s to %s, or a number of calls from 1 to %d", formatDuration(lo), formatDuration(hi), most)
	k := oneScalar(name, want, "30s", func(s string) string {
		if n, err := strconv.Atoi(s); err == nil {
			if n < 1 || n > most {
				return fmt.Sprintf("%d calls are out of range", n)
			}
			*d, *calls = 0, n
			return ""
		}
		t, wrong := readDuration(s)
		switch {
		case wrong != "":
			return wrong
		case t < lo || t > hi:
			return formatDuration(t) + " is out of range"
		}
		*d, *calls = t, 0
		return ""
	})
	k.write = func() any {
		if *calls > 0 {
			return *calls
		}
		return formatDuration(*d)
	}
	number := &jsonschema.Schema{Type: "integer", Minimum: jsonschema.Ptr(1.0), Maximum: jsonschema.Ptr(float64(most))}
	k.shape = jsonschema.Schema{AnyOf: []*jsonschema.Schema{{Type: "string", Pattern: durationPattern}, number}}
	return k
}

func anys[T any](list []T) []any {
	out := make([]any, len(list))
	for i, v := range list {
		out[i] = v
	}
	return out
}
