package limit

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var epoch = time.Unix(1_700_000_000, 0)

func TestRatesAreRead(t *testing.T) {
	for text, want := range map[string]Rate{
		"100/s": {100, time.Second}, "10/m": {10, time.Minute}, "3/h": {3, time.Hour}, "0.5/s": {0.5, time.Second}, "2 / s": {2, time.Second},
	} {
		got, err := Parse(text)
		if err != nil || got != want {
			t.Errorf("%s: got %v %v, want %v", text, got, err, want)
		}
		if back, err := Parse(got.String()); err != nil || back != got {
			t.Errorf("%s is written as %s, which is read as %v %v", text, got, back, err)
		}
	}
	for _, text := range []string{"", "100", "100/d", "/s", "x/s", "0/s", "-1/s", "Inf/s", "NaN/s", "1e9/s", "0.0001/h"} {
		if r, err := Parse(text); err == nil {
			t.Errorf("%q is read as %v, want an error", text, r)
		}
	}
}

// TestNeverMoreThanTheRate asks at random times for random keys, puts off what is refused and asks again when it is its
// turn. In no span of time does a key start more calls than its rate and burst allow, and those that were put off are not
// overtaken by ones that come later.
func TestNeverMoreThanTheRate(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rate := Rate{Calls: float64(rapid.IntRange(1, 50).Draw(t, "calls")), Per: time.Second}
		burst := rapid.IntRange(1, 5).Draw(t, "burst")
		l := NewKeyed(rate, burst, 0)
		type call struct {
			key   int
			at    time.Time
			first bool
		}
		var waiting []call
		started := make(map[int][]time.Time)
		now := epoch
		ask := func(c call) {
			key := fmt.Append(nil, c.key)
			if at := l.Ask(key, now, c.first); at.After(now) {
				if !c.first {
					waiting = append(waiting, call{c.key, at, false})
					return
				}
				waiting = append(waiting, call{c.key, l.PutOff(key, now), false})
				return
			}
			if c.first {
				for _, w := range waiting {
					if w.key == c.key && w.at.Before(now) {
						t.Fatalf("a call of key %d overtakes one that was put off until %v", c.key, w.at)
					}
				}
			}
			l.Take(key, now)
			started[c.key] = append(started[c.key], now)
		}
		for range rapid.IntRange(1, 300).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(0, 200).Draw(t, "ms")) * time.Millisecond)
			for i := 0; i < len(waiting); i++ {
				if c := waiting[i]; !c.at.After(now) {
					waiting = append(waiting[:i:i], waiting[i+1:]...)
					i--
					ask(c)
				}
			}
			for range rapid.IntRange(0, 4).Draw(t, "new") {
				ask(call{rapid.IntRange(0, 2).Draw(t, "key"), now, true})
			}
		}
		for key, times := range started {
			for i := range times {
				for j := i; j < len(times); j++ {
					span := times[j].Sub(times[i])
					if most := float64(burst) + span.Seconds()*rate.Calls; float64(j-i+1) > most+1e-6 {
						t.Fatalf("key %d started %d calls within %v at %v with a burst of %d", key, j-i+1, span, rate, burst)
					}
				}
			}
		}
	})
}

// TestKeysAreForgottenThatUseNothing sees that keys are bounded, that those that are as new are forgotten first, and that
// what is forgotten in use is counted.
func TestKeysAreForgottenThatUseNothing(t *testing.T) {
	l := NewKeyed(Rate{1, time.Second}, 1, 100)
	for i := range 1000 {
		l.Take(fmt.Append(nil, i), epoch.Add(time.Duration(i)*100*time.Millisecond)) // each is as new after a second
	}
	if l.Keys() != 100 || l.Forgot() != 0 {
		t.Errorf("%d keys are known of 100 and %d were forgotten in use, want none", l.Keys(), l.Forgot())
	}
	now := epoch.Add(time.Hour)
	for i := range 150 {
		l.Take(fmt.Append(nil, "at once", i), now)
	}
	if l.Keys() != 100 || l.Forgot() == 0 {
		t.Errorf("%d keys are known of 100, %d were forgotten in use", l.Keys(), l.Forgot())
	}
	if at := l.Ask([]byte("at once149"), now, true); !at.After(now) {
		t.Error("the newest was forgotten")
	}
}

// TestPacersServeByTurns lets two askers want everything: each gets half, in turns, and together they get the rate.
func TestPacersServeByTurns(t *testing.T) {
	p := NewPacer(Rate{10, time.Second}, 1)
	asks := []*Asker{p.Join(func() {}), p.Join(func() {})}
	var got [2]int
	for ms := range 10_000 {
		for i, a := range asks {
			if a.Take(epoch.Add(time.Duration(ms) * time.Millisecond)) {
				got[i]++
			}
		}
	}
	if sum := got[0] + got[1]; sum < 99 || sum > 101 || got[0] < 49 || got[1] < 49 {
		t.Errorf("two that want everything got %v calls in 10 s of 10/s", got)
	}
}

// TestPacersCallWhoIsNext sees that whoever was refused is called, and the next one when the first leaves.
func TestPacersCallWhoIsNext(t *testing.T) {
	p := NewPacer(Rate{1000, time.Second}, 1)
	called := make(chan int)
	one, two := p.Join(func() { called <- 1 }), p.Join(func() { called <- 2 })
	for one.Take(time.Now()) {
	}
	two.Take(time.Now())
	if i := <-called; i != 1 {
		t.Fatalf("%d was called, want the first in line", i)
	}
	one.Leave(time.Now())
	if i := <-called; i != 2 {
		t.Fatalf("%d was called, want the next in line", i)
	}
}

func TestRegistrySharesWhatIsAlike(t *testing.T) {
	r := NewRegistry()
	a, err := r.Get("api", Rate{10, time.Second}, 0)
	if err != nil {
		t.Fatal(err)
	}
	if b, err := r.Get("api", Rate{10, time.Second}, 1); err != nil || a != b {
		t.Errorf("got another pacer, or %v", err)
	}
	if _, err := r.Get("api", Rate{20, time.Second}, 0); err == nil {
		t.Error("one name has two rates")
	}
}

func BenchmarkKeyed(b *testing.B) {
	l := NewKeyed(Rate{1e6, time.Second}, 1_000_000, 0)
	keys := make([][]byte, 1000)
	for i := range keys {
		keys[i] = fmt.Append(nil, "user-", i)
		l.Take(keys[i], time.Now())
	}
	b.ReportAllocs()
	for i := range b.N {
		now := time.Now()
		if key := keys[i%len(keys)]; !l.Ask(key, now, true).After(now) {
			l.Take(key, now)
		}
	}
}
