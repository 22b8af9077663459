package dlq

import (
	"math/rand/v2"
	"regexp"
	"testing"
)

// A text that an expression matches is tried, whatever it is made of, and most others are not.
func TestTextsThatMatchAreTried(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 1))
	for expression, spared := range map[string]bool{
		`\b\d{13,16}\b`: true, `[0-9]{4}( ?[0-9]{4}){3}`: true, `\d{3}-\d{2}-\d{4}`: true, `card=(\d{6,})`: true, `(?i)[a-f0-9]{8}`: false, `(?i)iban [a-z]{2}\d{2}`: false,
		`([0-9]{2}){3}`: true, `([0-9]{7})?`: false, `[0-9]{0,9}`: false, `[0-9]{5}|x`: false, `(?:[0-9]{3}x)+`: true, `(?:[0-9]{3}x)*`: false, `[^a-z]{4}`: false, `[é0-9]{4}`: false,
		`^[0-9]{3}$`: true, `(?m)^[0-9]{3}$`: true, `abc|abd`: true, `a{3}`: true, `.{6}1{2}`: false, `(?i)k{2}`: false, `(?i)abc`: false, `\x00{2}`: true, `[[:^alpha:]]{2}`: false, ``: false, `\x{FFFD}`: false, `1\x{FFFD}+`: false, `^\x{D800}`: false,
	} {
		m := newTextMatch(regexp.MustCompile(expression))
		tried, matched := 0, 0
		for range 20_000 {
			text := make([]byte, r.IntN(30))
			letters := []string{"0123456789", "01 -x", "abckK\u212a19", "ab\x00\xffé1c9d 0"}[r.IntN(4)]
			for i := range text {
				text[i] = letters[r.IntN(len(letters))]
			}
			is, may := m.whole.Match(text), m.may(text)
			if is && !may {
				t.Fatalf("%s matches %q, which is not tried", expression, text)
			}
			if m.match(text) != is {
				t.Fatalf("%s and %q: %t", expression, text, !is)
			}
			if may {
				tried++
			}
			if is {
				matched++
			}
		}
		if spared && tried > 2*matched+8000 {
			t.Errorf("%s: %d of 20000 texts are tried, of which %d match", expression, tried, matched)
		}
	}
}
