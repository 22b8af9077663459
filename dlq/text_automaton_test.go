package dlq

import (
	"math/rand/v2"
	"regexp"
	"regexp/syntax"
	"strings"
	"sync"
	"testing"
)

// expressions that the automaton knows, with what is particular about them.
var automatonExpressions = []string{
	``, `a`, `s.*e`, `(?i)ERROR: S`, `^a`, `a$`, `^a$`, `^$`, `$^`, `^`, `$`, `a|^b|c$`, `(^|x)a`, `a($|x)`, `^*a`, `(a|b)*c`, `(?i)k`, `(?i)ſs`, `[^a]`, `[^a\n]b`, `.`, `(?s).`, `a.b`,
	`(?s)a.b`, `\d{3}-\d{2}`, `[a-c]{2,4}x`, `\pL+\d`, `é`, `[à-ü]x`, `\x{FFFD}`, `a\x{FFFD}+`, `[^\x{D800}]`, `\x{10FFFF}`, `[^\x00-\x{10FFFF}]`, `a*`, `(?:)`, `x*^a`, `(a$)?b`, `(?U)a+b`, `(?i)straße`, `\Aab`, `ab\z`, `(^a|b$)c?$`,
	`(x+x+)+y`, `(?i:a)B`, `a\nb`, `$a`, `(|a)$`, `[[:alpha:]]1`, `\bab`, `ab\b`, `\b`, `\B`, `a\B`, `(?m)^a`, `(?m)a$`, `(?m)^$`, `(?m)$\n^`, `(?m)$^`, `\b$`, `^\b`, `(?m)(^|\b)b(\B|$)`,
	`\bs.*\b`, `(\b|x)*a`, `\B$`, `(?i)\bk\b`, `x|\bé`, `$\b`, `\b\B`,
}

// The automaton says what the expression says, of texts of all kinds, or that it is not sure.
func TestAutomaton(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(7, 1))
	for _, expression := range automatonExpressions {
		whole := regexp.MustCompile(expression)
		a := newAutomaton(expression)
		if a == nil {
			t.Errorf("%q: there is no automaton", expression)
			continue
		}
		unsure := 0
		for range 5000 {
			text := randomText(r)
			got, sure := a.match(text)
			if !sure {
				unsure++
			} else if want := whole.Match(text); got != want {
				t.Fatalf("%q and %q: %t, want %t", expression, text, got, want)
			}
		}
		if unsure > 2500 {
			t.Errorf("%q: %d of 5000 texts were left to the expression", expression, unsure)
		}
	}
	for _, expression := range []string{`[`, `^\x{D800}$`, `a\x{DFFF}b`, strings.Repeat(`(a|b)c?`, 1000)} {
		if newAutomaton(expression) != nil {
			t.Errorf("%.20q: there is an automaton", expression)
		}
	}
}

// An expression with many states, or that takes long to build, is left to itself from there on.
func TestAutomatonThatGrows(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(7, 3))
	for _, expression := range []string{`a.{17}e`, `(a.{0,400}b.{9}c){2}x`} {
		whole, a := regexp.MustCompile(expression), newAutomaton(expression)
		if a == nil {
			t.Fatalf("%.30q: there is no automaton", expression)
		}
		unsure := 0
		for range 2000 {
			text := make([]byte, 1+r.IntN(300))
			for i := range text {
				text[i] = "abcd"[r.IntN(4)]
			}
			got, sure := a.match(text)
			if !sure {
				unsure++
			} else if got != whole.Match(text) {
				t.Fatalf("%.30q and %q: %t", expression, text, got)
			}
		}
		t.Logf("%.30q: %d states of %d, %d places looked at, %d of 2000 texts left", expression, len(a.states), len(a.atEnd), a.work, unsure)
		if unsure == 0 || unsure == 2000 {
			t.Errorf("%.30q: %d of 2000 texts left", expression, unsure)
		}
		if len(a.states) > len(a.atEnd) || a.work > automatonWork+2*automatonSize {
			t.Errorf("%.30q: %d states of %d, %d places looked at", expression, len(a.states), len(a.atEnd), a.work)
		}
	}
}

// Many use one automaton at a time.
func TestAutomatonOfMany(t *testing.T) {
	t.Parallel()
	whole := regexp.MustCompile(`(?i)a[b-d]*1.e$`)
	a := newAutomaton(whole.String())
	var all sync.WaitGroup
	for n := range uint64(4) {
		all.Go(func() {
			r := rand.New(rand.NewPCG(7, n))
			for range 5000 {
				text := randomText(r)
				if got, sure := a.match(text); sure && got != whole.Match(text) {
					t.Errorf("%q: %t", text, got)
					return
				}
			}
		})
	}
	all.Wait()
}

func randomText(r *rand.Rand) []byte {
	letters := []string{"ab", "abcx1", "sße ſKk\u212a", "aB\nb", "ab\x00\xff\xc3é\u00e01-2", "a1 Error: s", "\ufffd\U0010ffffa\xed\xa0\x80"}[r.IntN(7)]
	text := make([]byte, 0, 40)
	for range r.IntN(14) {
		at := r.IntN(len(letters))
		text = append(text, letters[at:min(len(letters), at+1+r.IntN(3))]...)
	}
	return text
}

// FuzzAutomaton holds the automaton to package regexp.
func FuzzAutomaton(f *testing.F) {
	for _, expression := range automatonExpressions {
		f.Add(expression, []byte("ab"), []byte("a1 Error: s\né"))
	}
	f.Fuzz(func(t *testing.T, expression string, text, other []byte) {
		whole, err := regexp.Compile(expression)
		if err != nil {
			return
		}
		a := newAutomaton(expression)
		if tree, _ := syntax.Parse(expression, syntax.Perl); a == nil || len(tree.String()) > 1000 {
			return
		}
		for _, text := range [][]byte{text, other, append(text[:len(text):len(text)], other...), text} {
			if got, sure := a.match(text); sure && got != whole.Match(text) {
				t.Fatalf("%q and %q: %t", expression, text, got)
			}
		}
	})
}

func BenchmarkTextMatch(b *testing.B) {
	texts := [][]byte{
		[]byte(`*net.OpError: dial tcp 10.17.201.33:8443: payments: connection refused`), []byte(`*webhook.AnswerError: stock: status 503 after 12345ms`),
		[]byte(`*errors.errorString: billing: attempt 123456 of request 7d3f0b8e-5b1c-4a2d-8c3e-1f2a3b4c5d6e timed out`),
	}
	for _, expression := range []string{`s.*e`, `(?i)ERROR: S`, `\d+ of .*timed`, `(?i)refused|timed out`, `(?i)a.*b.*c.*d.*e`, `\d{3,}.*\d{2}`} {
		whole := regexp.MustCompile(expression)
		for name, match := range map[string]func([]byte) bool{"regexp": whole.Match, "index": newTextMatch(whole).match} {
			b.Run(expression+"/"+name, func(b *testing.B) {
				for i := range b.N {
					match(texts[i%len(texts)])
				}
			})
		}
	}
}
