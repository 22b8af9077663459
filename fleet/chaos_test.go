package fleet

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redeliver/redeliver/breaker"
)

// most returns how many breakers were half-open at once at the most while a time passed.
func (f *fleetOf) most(d time.Duration) (most int) {
	for end := time.Now().Add(d); time.Now().Before(end); {
		time.Sleep(100 * time.Millisecond)
		most = max(most, f.states()[breaker.HalfOpen])
	}
	return most
}

// TestRecordsThatAreWrittenTwiceOrUnheard writes every other record twice, and leaves some writers without an answer: there is one
// prober at a time all the same, and everybody closes in the end.
func TestRecordsThatAreWrittenTwiceOrUnheard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const openFor, halfOpen = 20 * time.Second, 3
		f := start(t, 10, breaker.Config{OpenFor: openFor, HalfOpenCalls: halfOpen}, nil)
		defer f.stop()
		f.log.twice, f.log.deaf = 0.5, 0.3
		f.service.set(true)
		time.Sleep(10 * time.Second)
		f.all(t, "in the outage", breaker.Open)
		began := time.Now()
		if n := f.most(5 * time.Minute); n > 1 {
			t.Errorf("%d processes probed at once", n)
		}
		// A prober that does not hear that it was written that its probes have failed says so again, which is another episode.
		if n, most := len(f.service.since(began)), halfOpen*int(5*time.Minute/openFor); n == 0 || n > most {
			t.Errorf("%d probes, want %d at most", n, most)
		}
		f.service.set(false)
		time.Sleep(openFor + 10*time.Second)
		f.all(t, "in the end", breaker.Closed)
	})
}

// TestClocksThatDiffer has a process read, when it starts, of an episode that began an hour ago by the clock of who opened it, and
// just now by the log's: it asks in vain until it is time.
func TestClocksThatDiffer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, skew := range []time.Duration{-time.Hour, time.Hour} {
			f := start(t, 0, breaker.Config{}, nil)
			const openFor = 30 * time.Second
			open := record{subject: subject{name: dependency}, kind: kindOpen, By: "other", At: time.Now().Add(skew), Wait: openFor}
			f.log.records = append(f.log.records, stored{time.Now(), open.key(), open.value()})
			opened := time.Now()
			m := f.join(t, f.ctx, breaker.Config{OpenFor: openFor}, nil)
			<-m.Ready()
			f.all(t, "as soon as it is ready", breaker.Open)
			time.Sleep(openFor - time.Second)
			if n := len(f.service.since(opened)); n > 0 {
				t.Errorf("skew %v: %d calls before it was time", skew, n)
			}
			time.Sleep(openFor + 5*time.Second)
			f.all(t, "when it is time", breaker.Closed)
			f.stop()
			if n := f.log.kinds()[kindProbe]; n > int(openFor/again)+2 {
				t.Errorf("skew %v: %d claims were written", skew, n)
			}
		}
	})
}

// TestWhateverHappensToTheTopic lets the topic go away, come back, be made again and lose answers at random, and the service too:
// when all is well again everybody is closed, and when the service is down at the end everybody is open.
func TestWhateverHappensToTheTopic(t *testing.T) {
	for seed := range uint64(20) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				random := rand.New(rand.NewPCG(seed, 7))
				f := start(t, 6, breaker.Config{OpenFor: 20 * time.Second}, nil)
				defer f.stop()
				f.log.deaf, f.log.twice = 0.1, 0.1
				for range 12 {
					switch random.IntN(5) {
					case 0:
						f.log.change(func() { f.log.away = true })
					case 1, 2:
						f.log.change(func() { f.log.away = false })
					case 3:
						f.log.change(func() { f.log.era++; f.log.records = nil })
					case 4:
						f.service.set(!f.service.down)
					}
					time.Sleep(time.Duration(random.IntN(40)) * time.Second)
				}
				down := random.IntN(2) == 0
				f.log.change(func() { f.log.away = false })
				f.service.set(down)
				want := breaker.Closed
				if down {
					want = breaker.Open
				}
				time.Sleep(90 * time.Second)
				if n := f.states(); n[want]+n[breaker.HalfOpen] != len(f.breakers) || n[breaker.HalfOpen] > 1 {
					t.Errorf("service down: %v, and the breakers are %v", down, n)
				}
			})
		})
	}
}
