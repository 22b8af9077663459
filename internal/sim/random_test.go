//go:build synctests

package sim

import (
	"flag"
	"fmt"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

var (
	seeds     = flag.Int("sim.seeds", 20, "how many random scenarios of each family are run")
	firstSeed = flag.Uint64("sim.first", 1, "the first seed")
	oneSeed   = flag.Uint64("sim.seed", 0, "run this seed alone, and say what it is made of")
	onePlan   = flag.String("sim.plan", "", "run this family of plans alone")
	trace     = flag.String("sim.trace", "", "with -sim.seed: a file that every call is written to")
	times     = flag.Int("sim.times", 1, "how often each seed is run")
	patience  = flag.Duration("sim.patience", 6*time.Hour, "in virtual time, how long a scenario may take until it is settled after its last fault")
	progress  = flag.Bool("sim.progress", false, "say on standard error how far it is")
)

// coverageSeeds is from how many seeds on everything that a family is for must have been put to the test.
const coverageSeeds = 100

// stormy is more calls than any record takes.
const stormy = 50

// TestRandom holds random scenarios to every promise, and says how often each promise and each fault was put to the test.
func TestRandom(t *testing.T) { random(t, "random") }

// TestRandomHeld does so with scenarios whose members hold keys.
func TestRandomHeld(t *testing.T) { random(t, "held") }

// TestRandomClosed does so with scenarios whose members keep keys closed behind dead letters, which operators replay and discard.
func TestRandomClosed(t *testing.T) { random(t, "closed") }

// TestRandomPaused does so with scenarios in which partitions change hands while they are paused.
func TestRandomPaused(t *testing.T) { random(t, "paused") }

// TestRandomFair does so with scenarios whose members hold limits, share slots between tenants, and let priorities go first.
func TestRandomFair(t *testing.T) { random(t, "fair") }

// random holds the scenarios of a family to every promise.
func random(t *testing.T, name string) {
	if _, known := families[*onePlan]; *onePlan != "" && !known {
		t.Fatalf("there are no plans %q", *onePlan)
	}
	if *onePlan != "" && *onePlan != name {
		t.Skipf("plans are %s alone", *onePlan)
	}
	f := families[name]
	var mu sync.Mutex
	tally, failed, began := NewTally(), 0, time.Now()
	list := make([]uint64, 0, *seeds)
	for i := range *seeds {
		list = append(list, *firstSeed+uint64(i))
	}
	if *oneSeed != 0 {
		list = []uint64{*oneSeed}
	}
	t.Cleanup(func() {
		fmt.Printf("plans %s: %s", name, tally)
		if len(list) < coverageSeeds {
			return
		}
		for _, what := range f.missing(tally) {
			t.Errorf("never put to the test by plans %s: %s", name, what)
		}
	})
	for _, seed := range list {
		for n := range *times {
			t.Run(fmt.Sprintf("seed=%d/%d", seed, n), func(t *testing.T) {
				t.Parallel()
				t.Cleanup(func() { // outside of the bubble
					mu.Lock()
					defer mu.Unlock()
					if t.Failed() {
						failed++
						fmt.Fprintf(os.Stderr, "seed %d of plans %s failed; alone: make sim SEED=%d PLAN=%s\n", seed, name, seed, name)
					}
					if *progress {
						fmt.Fprintf(os.Stderr, "%s: %d of %d seeds, %d failed, %.1f simulated hours in %v\n",
							name, tally.Runs, len(list)**times, failed, tally.Virtual.Hours(), time.Since(began).Round(time.Second))
					}
				})
				synctest.Test(t, func(t *testing.T) {
					began := time.Now()
					p := f.plan(seed)
					r, faults := runPlan(t, p)
					mu.Lock()
					defer mu.Unlock()
					tally.Add(p, r, faults, time.Since(began))
				})
			})
		}
	}
}

// runPlan lives a plan and holds it to the promises.
func runPlan(t *testing.T, p *Plan) (*Report, map[string]int) {
	if *oneSeed != 0 {
		fmt.Print(p)
	}
	w, h := p.Run(t, *patience)
	time.Sleep(time.Minute) // for clients that were closed while they dialled
	if *trace != "" {
		if err := os.WriteFile(*trace, []byte(h.Trace()), 0o644); err != nil {
			t.Error(err)
		}
	}
	if n := len(h.Calls); n > stormy*(len(p.Records)+1) { // the checks would take for ever
		t.Fatalf("seed %d: %d calls of %d records: a storm\n%s%s", p.Seed, n, len(p.Records), p, w.Log())
	}
	r := Check(h)
	if len(r.Violations) > 0 {
		t.Logf("%s", p)
	}
	for _, v := range r.Violations {
		t.Errorf("seed %d: %s", p.Seed, v)
	}
	if t.Failed() && *oneSeed != 0 {
		t.Logf("log of the members:\n%s", w.Log())
	}
	return r, w.Faults()
}
