package sim

import (
	"slices"
	"testing"
	"time"
)

// What stands behind a transaction of its partition could be read when that was over, and not when it was written.
func TestWhatIsBehindAnOpenTransaction(t *testing.T) {
	at := func(d time.Duration) Moment { return Moment{Tick: int64(d), At: time.Unix(0, 0).Add(d)} }
	other := Partition{source.Topic, source.Number + 1}
	h := &History{Produced: []Produced{
		{Place: Place{source, 2}, At: at(1 * time.Second)},
		{Place: Place{source, 1}, At: at(9 * time.Second), transaction: true, Aborted: true},
		{Place: Place{source, 0}, At: at(2 * time.Second)},
		{Place: Place{other, 3}, At: at(1 * time.Second)},
	}}
	open := newIndex(h).openUntil()
	if until := open[Place{source, 2}]; len(open) != 1 || !until.Equal(h.Produced[1].At.At) {
		t.Errorf("behind the transaction is %v, want %s until %v", open, h.Produced[0].Place, h.Produced[1].At.At)
	}
}

// A member may have no credit for another dead letter from when it may have used up what it has, until successes have earned some.
func TestCreditIsSpentAndEarned(t *testing.T) {
	for _, tt := range []struct {
		burst      int
		perSuccess float64
		until      int // the call from whose end on; 0: to the end, below 0: it has credit all the time
	}{{2, 4, 13}, {2, 0.5, 14}, {2, 0.1, 0}, {4, 0.1, -1}, {-1, 0, -1}} {
		p := newTape()
		p.h.Terms.Burst, p.h.Terms.PerSuccess, p.h.Terms.Policy.MaxRetries = tt.burst, tt.perSuccess, 0
		began := p.at
		var refused []bool
		const apart = 2 * time.Second
		for n := range 20 { // those from 10 to 12 die, then they succeed
			result := Succeeded
			if n >= 10 && n < 13 {
				result = Failed
			}
			at := p.produce("k", "v")
			p.call("m1", at, at, 1, result, "permanent")
			p.pass(apart - 10*time.Millisecond)
		}
		p.pass(time.Minute)
		p.h.Ended = p.now()
		x := newIndex(p.h)
		for i := range p.h.Calls {
			if c := &p.h.Calls[i]; c.Result == Failed {
				refused = append(refused, x.mayBeRefused(c))
			}
		}
		spans := x.penniless()["m1"]
		want, dies := Span{began.Add(11*apart + 10*time.Millisecond), p.h.Ended.At}, []bool{false, false, true}
		switch {
		case tt.until > 0:
			want.To = began.Add(time.Duration(tt.until)*apart + 10*time.Millisecond)
		case tt.until < 0:
			dies[2] = false
		}
		if penniless := tt.until >= 0; penniless != (len(spans) == 1) || penniless && spans[0] != want {
			t.Errorf("%+v: no credit in %v, want %v", tt, spans, want)
		}
		if !slices.Equal(refused, dies) {
			t.Errorf("%+v: the dead letters may be refused: %v, want %v", tt, refused, dies)
		}
	}
}

// A breaker may be open from as many failures on as it opens at, until so many calls were well that it must have closed.
func TestABreakerIsNotInDoubtForEver(t *testing.T) {
	type call struct {
		result Result
		lasts  time.Duration
	}
	const lasts = 10 * time.Millisecond
	fail, well, slow := call{Failed, lasts}, call{Succeeded, lasts}, call{Succeeded, slowCall}
	for _, tt := range []struct {
		name  string
		calls []call // one every ten seconds
		from  int    // the call that it is in doubt from, -1: none
		to    int    // and until, -1: to the end
	}{
		{"it has not failed often enough", []call{fail, well, well}, -1, 0},
		{"it has failed often enough", []call{well, fail, fail, well, well}, 2, -1},
		{"all is well again", []call{fail, fail, well, well, well, well, well}, 1, 5},
		{"a failure in between", []call{fail, fail, well, well, well, fail, well, well, well, well, well}, 1, 9},
		{"a call that is slow", []call{fail, fail, well, well, well, slow, well, well, well, well, well}, 1, 9},
		{"failures of long ago", []call{fail, well, well, well, well, well, well, fail, well}, -1, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newTape()
			p.h.Terms.BreakerCalls, p.h.Terms.BreakerRate, p.h.Terms.Probes = 2, 1, 2
			for _, c := range tt.calls {
				at := p.produce("k", "v")
				made := p.call("m1", at, at, 1, c.result, "transient")
				p.pass(c.lasts - 10*time.Millisecond)
				made.End.At = p.at
				p.pass(10*time.Second - c.lasts)
			}
			p.h.Ended = p.now()
			x := newIndex(p.h)
			var want []Span
			if tt.from >= 0 {
				want = []Span{{p.h.Calls[tt.from].End.At, p.h.Ended.At}}
				if tt.to >= 0 {
					want[0].To = p.h.Calls[tt.to].End.At
				}
			}
			if got := x.doubtful["m1"]; !slices.Equal(got, want) {
				t.Errorf("in doubt %v, want %v", got, want)
			}
			for i := range p.h.Calls {
				if c := &p.h.Calls[i]; c.Result == Failed && x.mayBeFree(c) != (tt.from >= 0 && i >= tt.from && (tt.to < 0 || i <= tt.to)) {
					t.Errorf("the failure %d may be free: %v", i, x.mayBeFree(c))
				}
			}
		})
	}
}
