package dlq

import (
	"math/rand/v2"
	"regexp"
	"testing"
)

// What was compiled for POSIX takes the ends of lines, and "?" behind a repetition, otherwise, and says of itself only its text: it is tried on every text.
func TestExpressionsForPOSIX(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(7, 2))
	for expression, perl := range map[string]bool{
		`^a`: false, `a$`: false, `[^b]a`: false, `a.b`: true, `^$`: false, `a|b`: true, `(ab)+?`: false, `[0-9]{2}?x`: false, `^a{2}?$`: false, `c^{3}?`: false, `1+-2`: true,
	} {
		for _, compile := range []func(string) *regexp.Regexp{regexp.MustCompile, regexp.MustCompilePOSIX} {
			whole := compile(expression)
			m := newTextMatch(whole)
			for range 5000 {
				text := randomText(r)
				if got, want := m.match(text), whole.Match(text); got != want {
					t.Fatalf("%q and %q: %t, want %t", expression, text, got, want)
				}
			}
		}
		if is := perlish(regexp.MustCompile(expression)); !is {
			t.Errorf("%q of regexp.Compile is taken for one for POSIX", expression)
		}
		if is := perlish(regexp.MustCompilePOSIX(expression)); is != perl {
			t.Errorf("%q for POSIX is what regexp.Compile makes of it: %t", expression, is)
		}
	}
}
