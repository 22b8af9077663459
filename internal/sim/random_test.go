//go:build synctests

package sim

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

var (
	seeds     = flag.Int("sim.seeds", 20, "how many random scenarios are run")
	firstSeed = flag.Uint64("sim.first", 1, "the first seed")
	oneSeed   = flag.Uint64("sim.seed", 0, "run this seed alone, and say what it is made of")
	trace     = flag.String("sim.trace", "", "with -sim.seed: a file that every call is written to")
	times     = flag.Int("sim.times", 1, "how often each seed is run")
)

// stormy is more calls than any record takes.
const stormy = 50

// TestRandom holds random scenarios to every promise, and says how often each promise and each fault was put to the test.
func TestRandom(t *testing.T) {
	var mu sync.Mutex
	total, virtual, faults := newReport(), time.Duration(0), make(map[string]int)
	runs := 0
	t.Cleanup(func() {
		var kinds []string
		for _, k := range slices.Sorted(maps.Keys(faults)) {
			kinds = append(kinds, fmt.Sprintf("%s %d", k, faults[k]))
		}
		fmt.Printf("simulated %.1f hours in %d runs\nfaults: %s\n%s", virtual.Hours(), runs, strings.Join(kinds, "; "), total.Exercise())
	})
	list := make([]uint64, 0, *seeds)
	for i := range *seeds {
		list = append(list, *firstSeed+uint64(i))
	}
	if *oneSeed != 0 {
		list = []uint64{*oneSeed}
	}
	for _, seed := range list {
		for n := range *times {
			t.Run(fmt.Sprintf("seed=%d/%d", seed, n), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					p := NewPlan(seed)
					if *oneSeed != 0 {
						fmt.Print(p)
					}
					began := time.Now()
					w, h := p.Run(t)
					if n := len(h.Calls); n > stormy*(len(p.Records)+1) { // the checks would take for ever
						if *trace != "" {
							_ = os.WriteFile(*trace, []byte(h.Trace()), 0o644)
						}
						t.Fatalf("seed %d: %d calls of %d records: a storm\n%s%s", seed, n, len(p.Records), p, w.Log())
					}
					r := Check(h)
					if *oneSeed != 0 {
						t.Logf("\n%s", r.Exercise())
					}
					if *trace != "" {
						if err := os.WriteFile(*trace, []byte(h.Trace()), 0o644); err != nil {
							t.Error(err)
						}
					}
					if len(r.Violations) > 0 {
						t.Logf("%s", p)
					}
					for _, v := range r.Violations {
						t.Errorf("seed %d: %s", seed, v)
					}
					if t.Failed() && *oneSeed != 0 {
						t.Logf("log of the members:\n%s", w.Log())
					}
					mu.Lock()
					defer mu.Unlock()
					total.Add(r)
					runs++
					virtual += time.Since(began)
					for k, n := range w.Faults() {
						faults[k] += n
					}
				})
			})
		}
	}
}
