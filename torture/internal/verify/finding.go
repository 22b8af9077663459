package verify

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/redeliver/redeliver/torture/internal/fate"
	"github.com/redeliver/redeliver/torture/internal/service"
)

// Finding is the verdict on one promise.
type Finding struct {
	Promise  string
	Counts   []string // what was counted, in words
	Broken   int      // how often the promise was broken
	Examples []string // of that
}

// examples is how many cases of a broken promise are shown.
const examples = 8

func (f *Finding) broken(format string, args ...any) {
	if f.Broken++; len(f.Examples) < examples {
		f.Examples = append(f.Examples, fmt.Sprintf(format, args...))
	}
}

func (f *Finding) count(format string, args ...any) {
	f.Counts = append(f.Counts, fmt.Sprintf(format, args...))
}

// Judge holds a run to the promises. It sorts the history's calls.
func Judge(h *History) []Finding {
	byBegin := func(a, b *Call) int { return cmp.Compare(a.Begin, b.Begin) }
	slices.SortFunc(h.Calls, byBegin)
	h.each(func(l *Life) { slices.SortFunc(l.Calls, byBegin) })
	return []Finding{
		judgeLoss(h), judgeEarly(h), judgeAttempts(h), judgeOrder(h), judgeRepeats(h),
		judgeIntact(h), judgeFenced(h), judgeRouting(h),
	}
}

// Print writes a verdict, and reports whether every promise was kept.
func Print(w io.Writer, findings []Finding) (kept bool) {
	kept = true
	for _, f := range findings {
		word := "kept  "
		if f.Broken > 0 {
			word, kept = "BROKEN", false
		}
		fmt.Fprintf(w, "%-16s %s  %s\n", f.Promise, word, strings.Join(f.Counts, "; "))
		for _, e := range f.Examples {
			fmt.Fprintf(w, "%-16s         - %s\n", "", e)
		}
		if more := f.Broken - len(f.Examples); more > 0 && len(f.Examples) > 0 {
			fmt.Fprintf(w, "%-16s         - and %d more\n", "", more)
		}
	}
	return kept
}

// failed reports whether an outcome is a failure, which is an attempt.
func failed(o service.Outcome) bool {
	switch o {
	case outcome(fate.Failed), outcome(fate.Refused), outcome(fate.Asked), outcome(fate.AskedFar), service.TimedOut:
		return true
	}
	return false
}

func outcome(a fate.Answer) service.Outcome { return service.Outcome(a.String()) }

// timedOut reports whether a call of the record ever did: a failure that is not the record's fate.
func timedOut(l *Life) bool {
	return slices.ContainsFunc(l.Calls, func(c *Call) bool { return c.Outcome == service.TimedOut })
}
