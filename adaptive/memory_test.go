package adaptive

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/redeliver/redeliver/classify"
)

// taught is a learner of a hundred outages of half a minute to a minute, and when that was.
func taught() (*Learner, time.Time) {
	l := NewLearner(Config{})
	at := days(l, 100, func(r *rand.Rand) time.Duration { return 30*time.Second + time.Duration(r.IntN(25))*time.Second })
	return l, at.Add(time.Hour) // the last outage is over
}

// only returns the one memory that is worth keeping.
func only(t *testing.T, l *Learner, at time.Time) Memory {
	t.Helper()
	all := l.Unkept(at)
	if len(all) != 1 {
		t.Fatalf("%d memories are worth keeping, want one: %+v", len(all), all)
	}
	return all[0]
}

func TestWhoRecallsAdvisesWhatWasLearned(t *testing.T) {
	before, at := taught()
	m := only(t, before, at)
	after := NewLearner(Config{})
	if d := ask(after, at); d != 0 {
		t.Fatalf("a new learner advises %v", d)
	}
	if err := after.Recall(m, at); err != nil {
		t.Fatal(err)
	}
	if got, want := ask(after, at), ask(before, at); got != want || got < 2*time.Second {
		t.Errorf("advised %v after a restart, and %v without one", got, want)
	}
	if l := after.Lessons(at)[0]; !l.Kept.Equal(at) {
		t.Errorf("it is kept since %v, want %v", l.Kept, at)
	}
	if l := before.Lessons(at)[0]; !l.Kept.IsZero() {
		t.Errorf("it is kept since %v, and nobody has", l.Kept)
	}
}

func TestWhatIsKeptFadesMeanwhile(t *testing.T) {
	before, at := taught()
	m := only(t, before, at)
	after, later := NewLearner(Config{}), at.Add(3*DefaultHalfLife)
	if err := after.Recall(m, later); err != nil {
		t.Fatal(err)
	}
	if got, want := after.Lessons(later)[0].Observations, m.Observations/8; math.Abs(got-want) > 0.01*want {
		t.Errorf("after three half-lives %g observations are known, want %g", got, want)
	}
}

func TestOnlyWhatIsNewIsKept(t *testing.T) {
	l, at := taught()
	if err := l.Recall(only(t, l, at), at); err != nil {
		t.Fatal(err)
	}
	if all := l.Unkept(at.Add(DefaultHalfLife)); len(all) != 0 {
		t.Errorf("%d memories are worth keeping that are kept", len(all))
	}
	l.Unkeep()
	only(t, l, at)
	if all := NewLearner(Config{}).Unkept(at); len(all) != 0 {
		t.Errorf("%d memories of nothing are worth keeping", len(all))
	}
}

// Records of one outage in two processes are one outage: what is read is not added to what is known.
func TestWhoKnowsMoreIsBelieved(t *testing.T) {
	much, at := taught()
	little := NewLearner(Config{})
	for i := range 20 {
		outage(little, at.Add(time.Duration(i-20)*time.Hour), time.Second)
	}
	m, known := only(t, much, at), little.Lessons(at)[0].Observations
	less := only(t, little, at)
	if err := much.Recall(less, at); err != nil {
		t.Fatal(err)
	}
	if got := much.Lessons(at)[0].Observations; got != m.Observations {
		t.Errorf("who knows more knows %g after reading less, want %g", got, m.Observations)
	}
	if only(t, much, at); known >= m.Observations {
		t.Fatalf("the other knows %g of %g", known, m.Observations)
	}
	if err := little.Recall(m, at); err != nil {
		t.Fatal(err)
	}
	if got := little.Lessons(at)[0].Observations; math.Abs(got-m.Observations) > 0.001 {
		t.Errorf("who knew less knows %g, want what was read, %g", got, m.Observations)
	}
}

func TestADamagedMemoryIsRefused(t *testing.T) {
	for name, m := range map[string]Memory{
		"negative":              {Observations: -1},
		"no number":             {Observations: math.NaN()},
		"for ever":              {Observations: 1e9},
		"too many buckets":      {Observations: 10, Waited: make([]float64, buckets+1)},
		"more waited":           {Observations: 10, Waited: []float64{11}},
		"negative waits":        {Observations: 10, Waited: []float64{-0.1}},
		"more recovered in sum": {Observations: 10, Recovered: []float64{6, 6}},
		"recovered no number":   {Observations: 10, Recovered: []float64{math.NaN()}},
	} {
		l, at := taught()
		m.Key = shop
		want := ask(l, at)
		if err := l.Recall(m, at); err == nil {
			t.Errorf("%s: it was taken", name)
		}
		if got := ask(l, at); got != want {
			t.Errorf("%s: the advice was %v and is %v", name, want, got)
		}
	}
}

func TestKeysAreBounded(t *testing.T) {
	l, at := taught()
	for i := range 10 * maxKeys {
		key := Key{Dependency: string(rune('a' + i)), Class: classify.Network}
		l.Observe(Retry{Key: key, To: time.Second, At: at})
		l.Delay(Question{Key: key, Limits: limits, At: at})
	}
	if n := len(l.Lessons(at)); n != maxKeys {
		t.Errorf("%d keys are known, want %d", n, maxKeys)
	}
	if err := l.Recall(Memory{Key: Key{Dependency: "another", Class: classify.System}, At: at, Observations: 20}, at); err == nil {
		t.Error("one more memory was taken")
	}
	if ask(l, at) == 0 {
		t.Error("what was known before is not")
	}
}
