package adaptive

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/redeliver/redeliver/classify"
)

var (
	noon   = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	shop   = Key{Dependency: "shop", Class: classify.Transient}
	limits = &Limits{Min: 100 * time.Millisecond, Max: time.Minute, Configured: exponential()}
)

// exponential is 1s, 3s, 9s, 27s, and 60s from then on.
func exponential() (all []time.Duration) {
	for d := time.Second; len(all) < Ahead; d = min(3*d, time.Minute) {
		all = append(all, d)
	}
	return all
}

// outage teaches a learner records that recover after a time: each retry of the configured strategy up to then fails.
func outage(l *Learner, at time.Time, recovers time.Duration) {
	from, to := time.Duration(0), time.Duration(0)
	for _, d := range limits.Configured {
		to += d
		l.Observe(Retry{Key: shop, From: from, To: to, Succeeded: to >= recovers, At: at.Add(to)})
		if to >= recovers {
			return
		}
		from = to
	}
}

// ask asks for the delay of a record that has just failed for the first time.
func ask(l *Learner, at time.Time) time.Duration {
	return l.Delay(Question{Key: shop, Left: 5, Limits: limits, At: at})
}

// days teaches an outage every hour, of lengths drawn anew each time.
func days(l *Learner, hours int, lasts func(*rand.Rand) time.Duration) time.Time {
	r := rand.New(rand.NewPCG(1, 2))
	for i := range hours {
		outage(l, noon.Add(time.Duration(i)*time.Hour), lasts(r))
	}
	return noon.Add(time.Duration(hours) * time.Hour)
}

func TestNothingIsAdvisedUntilEnoughIsKnown(t *testing.T) {
	l := NewLearner(Config{Minimum: 5, HalfLife: 1000 * time.Hour})
	at := noon
	for i := range 5 {
		if d := ask(l, at); d != 0 {
			t.Fatalf("after %d outages the advice is %v, want none", i, d)
		}
		outage(l, at, 500*time.Millisecond)
		at = at.Add(time.Hour)
	}
	outage(l, at, 500*time.Millisecond)
	if d := ask(l, at.Add(time.Hour)); d == 0 {
		t.Error("after 6 outages there is no advice")
	}
}

func TestRecordsOfOneOutageAreLittleMoreThanOneObservation(t *testing.T) {
	l := NewLearner(Config{Minimum: 10})
	for range 1000 {
		outage(l, noon, 500*time.Millisecond)
	}
	if d := ask(l, noon.Add(time.Second)); d != 0 {
		t.Errorf("a thousand records of one outage give the advice %v, want none", d)
	}
}

func TestAttemptsThatNeverSucceedAreLeftOut(t *testing.T) {
	l := NewLearner(Config{HalfLife: 1000 * time.Hour})
	at := days(l, 300, func(r *rand.Rand) time.Duration { return 30*time.Second + time.Duration(r.IntN(25))*time.Second })
	if d := ask(l, at); d < 8*time.Second {
		t.Errorf("outages take 30s to 55s, and the first retry is advised after %v; want the retries after 1s and 4s left out", d)
	}
}

func TestAShortOutageIsTriedAsSoonAsTheConfiguredStrategyWould(t *testing.T) {
	l := NewLearner(Config{})
	at := days(l, 100, func(r *rand.Rand) time.Duration { return time.Duration(200+r.IntN(700)) * time.Millisecond })
	if d := ask(l, at); d < 500*time.Millisecond || d > 1100*time.Millisecond {
		t.Errorf("outages take less than a second, and the first retry is advised after %v", d)
	}
}

// The strategy tries after 13s and after 40s. Where all outages end in between, nobody waits for the latter.
func TestARecoveryThatComesSoonerIsWorthSomething(t *testing.T) {
	l := NewLearner(Config{})
	at := noon
	for i := range 100 {
		at = at.Add(time.Hour)
		ends := 16*time.Second + time.Duration(i%8)*time.Second
		for _, retry := range []time.Duration{ends - 500*time.Millisecond, ends + 500*time.Millisecond} {
			l.Observe(Retry{Key: shop, From: retry - time.Second, To: retry, Succeeded: retry > ends, At: at.Add(retry)})
		}
	}
	d := l.Delay(Question{Key: shop, Since: 13 * time.Second, Left: 3, Limits: limits, At: at.Add(time.Hour)})
	if d < 5*time.Second || d > 20*time.Second {
		t.Errorf("outages take 16s to 23s, and who failed after 13s is tried again %v later; want it before the 27s of the strategy", d)
	}
}

// With jitter the first retry comes after 1s to 1.25s. One that came early and failed has been made: it was made once more, for the
// records that recover until the time at which it comes on average.
func TestARetryThatCameEarlyByChanceIsNotMadeTwice(t *testing.T) {
	jittered := &Limits{Min: 100 * time.Millisecond, Max: time.Minute, Jitter: 0.05, ConfiguredJitter: 0.125, Configured: exponential()}
	l, at := NewLearner(Config{}), noon
	for range 100 { // half of what fails after a second is well a tenth of a second later
		for _, succeeded := range []bool{true, false} {
			at = at.Add(time.Hour)
			l.Observe(Retry{Key: shop, To: 1040 * time.Millisecond, At: at})
			l.Observe(Retry{Key: shop, From: 1040 * time.Millisecond, To: 1150 * time.Millisecond, Succeeded: succeeded, At: at.Add(110 * time.Millisecond)})
		}
	}
	after := func(since time.Duration) time.Duration {
		return l.Delay(Question{Key: shop, Since: since, Left: 4, Limits: jittered, At: at})
	}
	want := after(1125 * time.Millisecond)
	for _, since := range []time.Duration{time.Second, 1020 * time.Millisecond, 1060 * time.Millisecond, 1120 * time.Millisecond} {
		if d := after(since); (d - want).Abs() > time.Millisecond {
			t.Errorf("after a retry that failed at %v the next is advised %v later, and after one that came when it does on average %v", since, d, want)
		}
	}
}

func TestWhileAnOutageLastsWhatFailsAnewWaitsLonger(t *testing.T) {
	l := NewLearner(Config{})
	at := days(l, 100, func(r *rand.Rand) time.Duration {
		if r.IntN(10) == 0 {
			return 5 * time.Minute
		}
		return 500 * time.Millisecond
	})
	quiet := ask(l, at)
	for i := range 200 { // for a minute retries fail, of records that failed first in that minute
		since := time.Duration(i) * 300 * time.Millisecond
		l.Observe(Retry{Key: shop, To: min(since, 20*time.Second), At: at.Add(since)})
	}
	during := ask(l, at.Add(time.Minute))
	after := ask(l, at.Add(time.Hour))
	if quiet > 2*time.Second || during < 5*quiet || after != quiet {
		t.Errorf("advised %v before the outage, %v during it, %v an hour later; want much more during it", quiet, during, after)
	}
}

func TestTheAdviceKeepsTheBounds(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 20 {
		l := NewLearner(Config{})
		within := &Limits{Min: time.Duration(1+r.IntN(5)) * time.Second, Jitter: 0.125, Configured: exponential()}
		within.Max = within.Min * time.Duration(1+r.IntN(30))
		at := days(l, 50, func(r *rand.Rand) time.Duration { return time.Duration(math.Exp(6*r.Float64())) * time.Second })
		for _, since := range []time.Duration{0, time.Millisecond, 7 * time.Second, time.Hour, 48 * time.Hour} {
			for _, left := range []int{0, 1, 5, 1000} {
				if d := l.Delay(Question{Key: shop, Since: since, Left: left, Limits: within, At: at}); d < within.Min || d > within.Max {
					t.Errorf("advised %v, want %v to %v", d, within.Min, within.Max)
				}
			}
		}
	}
}

func TestWhatWasSeenLongAgoIsForgotten(t *testing.T) {
	l := NewLearner(Config{HalfLife: time.Hour, Minimum: 20})
	at := days(l, 1, func(*rand.Rand) time.Duration { return time.Second })
	for range 100 {
		at = at.Add(2 * time.Minute)
		outage(l, at, time.Second)
	}
	if ask(l, at) == 0 {
		t.Fatal("no advice after a hundred outages")
	}
	if d := ask(l, at.Add(10*time.Hour)); d == 0 {
		t.Fatal("what was planned stays until it is observed anew")
	}
	at = at.Add(20 * time.Hour)
	outage(l, at, time.Second)
	if d := ask(l, at); d != 0 {
		t.Errorf("twenty half-lives later the advice is %v, want none", d)
	}
}

// The estimate is compared with what it was made of: times to recovery with a known distribution, seen through retries.
func TestTheCurveFindsTheDistributionBehindCensoredObservations(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	var c curve
	flat := func(int) float64 { return priorHazard }
	for range 20_000 {
		recovers := time.Duration(10 * r.ExpFloat64() * float64(time.Second)) // a mean of ten seconds
		known := c.over(flat, priorWeight)
		from := time.Duration(0)
		for {
			to := from + time.Duration(float64(from+time.Second)*r.Float64())
			if to >= recovers {
				c.succeeded(from, to, 1, &known)
				break
			}
			c.failed(from, to, 1)
			from = to
		}
	}
	h := c.over(flat, priorWeight)
	s := h.survival()
	for _, at := range []float64{1, 2, 5, 10, 20, 40} {
		got, want := math.Exp(s.at(at)), math.Exp(-at/10)
		if math.Abs(got-want) > 0.03 {
			t.Errorf("after %gs the chance to fail still is estimated as %.3f, and is %.3f", at, got, want)
		}
	}
}

func TestALessonSaysWhatWasLearned(t *testing.T) {
	l := NewLearner(Config{})
	at := days(l, 100, func(*rand.Rand) time.Duration { return 2 * time.Second })
	advised := ask(l, at)
	lessons := l.Lessons(at)
	if len(lessons) != 1 || lessons[0].Key != shop {
		t.Fatalf("got %+v, want one lesson about %v", lessons, shop)
	}
	got := lessons[0]
	if got.Half < time.Second || got.Half > 4*time.Second || got.Quarter > got.Half || got.Half > got.NineTenths {
		t.Errorf("quantiles %v, %v, %v; all recovered between 1s and 4s", got.Quarter, got.Half, got.NineTenths)
	}
	if got.Last.Delay != advised || got.Last.Succeeds <= 0 || got.Last.Succeeds > 1 {
		t.Errorf("last advice %+v, want %v", got.Last, advised)
	}
}

func BenchmarkObserve(b *testing.B) {
	l := NewLearner(Config{})
	days(l, 100, func(r *rand.Rand) time.Duration { return time.Duration(r.IntN(60)) * time.Second })
	b.ReportAllocs()
	for i := range b.N {
		l.Observe(Retry{Key: shop, From: time.Second, To: 4 * time.Second, Succeeded: i%2 == 0, At: noon})
	}
}

// A plan is made anew every forty observations or five seconds.
func BenchmarkDelay(b *testing.B) {
	l := NewLearner(Config{})
	at := days(l, 100, func(r *rand.Rand) time.Duration { return time.Duration(r.IntN(60)) * time.Second })
	b.ReportAllocs()
	for range b.N {
		l.Delay(Question{Key: shop, Since: 3 * time.Second, Left: 4, Limits: limits, At: at})
	}
}
