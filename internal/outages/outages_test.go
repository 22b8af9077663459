package outages

import (
	"reflect"
	"testing"
	"time"

	"github.com/redeliver/redeliver/classify"
)

func TestATraceDependsOnItsKindAndSeedAlone(t *testing.T) {
	for _, kind := range Kinds() {
		a, b, other := Generate(kind, 7), Generate(kind, 7), Generate(kind, 8)
		if !reflect.DeepEqual(a, b) {
			t.Errorf("%s: two traces of one seed differ", kind)
		}
		if reflect.DeepEqual(a.Arrivals, other.Arrivals) {
			t.Errorf("%s: two seeds give one trace", kind)
		}
	}
}

func TestTrainingAndEvaluationShareNoSeed(t *testing.T) {
	training := make(map[uint64]bool)
	for _, s := range TrainingSeeds() {
		training[s] = true
	}
	for _, s := range EvaluationSeeds() {
		if training[s] {
			t.Errorf("seed %d is in both sets", s)
		}
	}
}

// one is a trace with one record for each arrival, and one outage.
func one(o Outage, arrivals ...time.Duration) *Trace {
	return &Trace{Arrivals: arrivals, Outages: []Outage{o}}
}

func TestARecordIsTriedByThePolicyUntilTheOutageEnds(t *testing.T) {
	trace := one(Outage{Start: 0, End: 20 * time.Second, Share: 1}, 10*time.Second)
	r := Run(trace, Exponential()) // at 1s, 4s, 13s, longer by up to a quarter
	if r.Records != 1 || r.Recovered != 1 || r.Wasted != 2 || r.Retries != 3 {
		t.Errorf("got %+v, want two wasted retries and a third that succeeds", r)
	}
	if w := r.Wait(0.5); w < 13*time.Second || w > 17*time.Second {
		t.Errorf("recovered after %v, want 13s to 16.25s", w)
	}
	r = Run(trace, Optimum(trace))
	if r.Wasted != 0 || r.Wait(0.5) != 10*time.Second {
		t.Errorf("optimum: got %+v, want one retry at the very end of the outage", r)
	}
}

func TestWhatIsGivenUpHasWaitedForEver(t *testing.T) {
	trace := one(Outage{Start: 0, End: time.Hour, Share: 1}, 0, time.Second, 2*time.Hour)
	r := Run(trace, Fixed())
	if r.Dead != 2 || r.Wasted != 10 || r.Wait(0.5) != Never {
		t.Errorf("got %+v, want two dead records with five wasted retries each", r)
	}
}

func TestAQuotaComesBackWithTheNextMinute(t *testing.T) {
	trace := Generate(Limits, 1)
	if len(trace.Outages) == 0 {
		t.Fatal("no quota was used up")
	}
	for _, o := range trace.Outages {
		if o.End%quotaWindow != 0 || o.End-o.Start > quotaWindow {
			t.Errorf("used up from %v to %v, want at most the rest of a minute", o.Start, o.End)
		}
	}
	d := dependency{Trace: trace}
	if got := d.call(trace.Outages[0].Start, 1, 1); got != classify.RateLimited {
		t.Errorf("got %v, want %v", got, classify.RateLimited)
	}
	if got := d.call(trace.Outages[0].End, 1, 2); got != classify.None {
		t.Errorf("in the next minute: got %v, want success", got)
	}
}

func TestTheFirstFailuresAreTheSameForAllPolicies(t *testing.T) {
	for _, kind := range Kinds() {
		all := Evaluate(kind, TrainingSeeds()[:2], Contenders())
		optimum := all["optimum"]
		if optimum.Wasted != 0 || optimum.Dead != 0 {
			t.Errorf("%s: the optimum wastes %d retries and gives up %d records", kind, optimum.Wasted, optimum.Dead)
		}
		for name, r := range all {
			if r.Records != optimum.Records || r.Records == 0 || r.Recovered+r.Dead != r.Records {
				t.Errorf("%s, %s: %d records, of which %d recovered and %d were given up; want %d", kind, name, r.Records, r.Recovered, r.Dead, optimum.Records)
			}
			if r.Wait(0.5) < optimum.Wait(0.5) {
				t.Errorf("%s, %s: median %v is below the optimum's %v", kind, name, r.Wait(0.5), optimum.Wait(0.5))
			}
		}
	}
}

func TestAShareOfTheCallsFails(t *testing.T) {
	trace := one(Outage{End: time.Hour, Share: 0.3})
	byRecord := one(Outage{End: time.Hour, Share: 0.3, ByRecord: true})
	failed, changed := 0, 0
	for i := range 10_000 {
		if trace.hits(0, i, 1) {
			failed++
		}
		if byRecord.hits(0, i, 1) != byRecord.hits(0, i, 2) {
			changed++
		}
	}
	if failed < 2700 || failed > 3300 {
		t.Errorf("%d of 10000 calls failed, want about 3000", failed)
	}
	if changed > 0 {
		t.Errorf("%d records were hit by one call and not by another of the same outage", changed)
	}
}
