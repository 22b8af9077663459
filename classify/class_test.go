package classify_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/redeliver/redeliver/classify"
)

func TestClasses(t *testing.T) {
	var got []string
	for _, c := range classify.Classes() {
		retried := "no"
		if c.Retriable() {
			retried = "yes"
		}
		got = append(got, c.String()+" "+retried)
	}
	want := []string{
		"transient yes", "rate_limited yes", "network yes", "system yes",
		"permanent no", "validation no", "authentication no",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if classify.None.Retriable() {
		t.Error("no failure is nothing to retry")
	}
	if got := classify.Class(12).String(); got != "class(12)" {
		t.Errorf("a class that is none: got %q", got)
	}
}

func TestParse(t *testing.T) {
	for _, c := range classify.Classes() {
		if got, err := classify.Parse(c.String()); got != c || err != nil {
			t.Errorf("Parse(%q): got %v, %v", c, got, err)
		}
	}
	for name, suggestion := range map[string]string{
		"rate-limited":          "rate_limited",
		"rate limited":          "rate_limited",
		"ratelimited":           "rate_limited",
		"Transient":             "transient",
		"transcient":            "transient",
		"netwrok":               "network",
		"auth":                  "authentication",
		"perm":                  "permanent",
		"validaton":             "validation",
		"sys":                   "system",
		"none":                  "",
		"":                      "",
		"x":                     "",
		"throttled":             "",
		strings.Repeat("a", 99): "",
	} {
		c, err := classify.Parse(name)
		if err == nil || c != classify.None {
			t.Errorf("Parse(%q): got %v, %v, want an error", name, c, err)
			continue
		}
		if suggestion == "" && strings.Contains(err.Error(), "did you mean") {
			t.Errorf("Parse(%q): suggests something: %v", name, err)
		}
		if suggestion != "" && !strings.Contains(err.Error(), `did you mean "`+suggestion+`"`) {
			t.Errorf("Parse(%q): got %v, want %q suggested", name, err, suggestion)
		}
		if !strings.HasSuffix(err.Error(), "the classes are transient, rate_limited, network, system, permanent, validation, authentication") {
			t.Errorf("Parse(%q): the error does not say what would be right: %v", name, err)
		}
	}
}

func TestClassAsText(t *testing.T) {
	all := append(classify.Classes(), classify.None)
	text, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	var back []classify.Class
	if err := json.Unmarshal(text, &back); err != nil || !slices.Equal(back, all) {
		t.Errorf("%s: got %v, %v", text, back, err)
	}
	if _, err := json.Marshal(classify.Class(8)); err == nil {
		t.Error("a class that is none was written")
	}
	c := classify.System
	if err := c.UnmarshalText([]byte("sytem")); err == nil || c != classify.System {
		t.Errorf("a wrong name: got %v, %v, want an error and the class unchanged", c, err)
	}
}
