package chaos

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/redeliver/redeliver/torture/internal/upset"
)

// say prints a line, with the time since the run began.
func (r *run) say(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	at := time.Since(r.began)
	fmt.Fprintf(r.out, "[%02d:%02d] %s\n", int(at.Minutes()), int(at.Seconds())%60, fmt.Sprintf(format, args...))
}

// fault notes what is no promise's and still must not be, such as a member that ends by itself.
func (r *run) fault(err error) {
	r.say("FAULT: %v", err)
	r.mu.Lock()
	r.faults = append(r.faults, err)
	r.mu.Unlock()
}

// progress prints how far the run is.
func (r *run) progress() {
	p := r.verifier.latest()
	lag := "lag not known"
	if p.Lag >= 0 {
		lag = fmt.Sprintf("lag %d", p.Lag)
	}
	r.say("        produced %d, settled %d, calls %d, copies %d, %s", p.Produced, p.Settled, p.Calls, p.Copies, lag)
}

// summary prints the verdict, and what it was reached by.
func (r *run) summary(verdict string, faults []error) {
	counts := r.diary.Counts()
	var done []string
	for _, k := range slices.SortedFunc(maps.Keys(counts), func(a, b upset.Kind) int { return cmp.Compare(a, b) }) {
		done = append(done, fmt.Sprintf("%s %d", k, counts[k]))
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	fmt.Fprintf(r.out, "\n%s\nupsets           %s; the longest clean stop took %.1fs\n",
		verdict, strings.Join(done, ", "), r.diary.Longest(upset.Stop).Seconds())
	for _, f := range faults {
		fmt.Fprintf(r.out, "FAULT            %v\n", f)
	}
}
