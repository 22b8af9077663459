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

func TestAQuotaTakesSoManyCallsAWindow(t *testing.T) {
	trace := &Trace{Quota: 2, Arrivals: []time.Duration{1, 2, 3, 4, 5}}
	d := dependency{Trace: trace}
	for i, want := range []classify.Class{classify.None, classify.None, classify.RateLimited} {
		if got := d.call(time.Second, i, 1); got != want {
			t.Errorf("call %d: got %v, want %v", i+1, got, want)
		}
	}
	if got := d.call(quotaWindow, 2, 2); got != classify.None {
		t.Errorf("in the next window: got %v, want success", got)
	}
	r := Run(trace, Optimum(trace))
	if r.Wasted != 0 || r.Wait(1) < 2*quotaWindow-5 || r.Wait(1) > 2*quotaWindow {
		t.Errorf("optimum: got %+v, want three records in two windows, and no retry wasted", r)
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
