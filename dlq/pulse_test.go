package dlq

import (
	"errors"
	"testing"
	"time"
)

// TestPulse: who writes is alive while its signs of life go on, wherever its clock stands, and for a lease after the last one; a clock that is off is told once.
func TestPulse(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		off  time.Duration
		told bool
	}{
		"the same clock":   {0, false},
		"a little off":     {-10 * time.Second, false},
		"behind":           {-20 * time.Second, true},
		"ahead":            {20 * time.Second, true},
		"in the last year": {-365 * 24 * time.Hour, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, start, told := new(pulse), time.Now(), 0
			look := func(at time.Duration, sign Writer) bool {
				t.Helper()
				now := start.Add(at)
				if by := p.skew(sign, now, now); by != 0 {
					if told++; by < 0 != (c.off < 0) || (by-c.off).Abs() > 5*time.Second {
						t.Errorf("after %v the clock is told to be off by %v, and is by %v", at, by, c.off)
					}
				}
				return p.beats(sign, now)
			}
			signed := func(at time.Duration) Writer {
				return Writer{Run: "a", At: start, Alive: start.Add(at + c.off)}
			}
			at := time.Duration(0)
			for ; at < time.Minute; at += 4 * time.Second { // the sign is of two seconds before
				if !look(at, signed(at-2*time.Second)) {
					t.Fatalf("after %v it counts as dead", at)
				}
			}
			last := signed(at - 6*time.Second)
			for _, later := range []time.Duration{0, 5 * time.Second, 10 * time.Second} {
				if !look(at+later, last) {
					t.Errorf("%v after its last sign was seen it counts as dead", 4*time.Second+later)
				}
			}
			if look(at+12*time.Second, last) {
				t.Error("a lease after its last sign was seen it counts as alive")
			}
			if (told == 1) != c.told || told > 1 {
				t.Errorf("told %d times", told)
			}
			ended := signed(at)
			ended.Ended = true
			if look(at+14*time.Second, ended) || look(at+15*time.Second, Writer{}) {
				t.Error("who has ended, or nobody, counts as alive")
			}
		})
	}
}

// A look that takes long, as the first one in a long ledger, is no clock that is off.
func TestPulseOfALongLook(t *testing.T) {
	t.Parallel()
	p, start := new(pulse), time.Now()
	at := func(s int) time.Time { return start.Add(time.Duration(s) * time.Second) }
	p.skew(Writer{Run: "a", Alive: at(-1)}, at(0), at(60))
	p.beats(Writer{Run: "a", Alive: at(-1)}, at(60))
	if by := p.skew(Writer{Run: "a", Alive: at(2)}, at(63), at(64)); by != 0 {
		t.Errorf("it is told to be off by %v", by)
	}
}

// TestWhoIsFencedWaits: a replay that somebody took away is left alone for a while, longer each time; one that ended well is not.
func TestWhoIsFencedWaits(t *testing.T) {
	t.Parallel()
	now := time.Now()
	one := &Task{ID: "a", State: TaskInterrupted, At: now, Change: now}
	w := &attendant{queue: new(Queue), ledger: newLedger(), failed: make(map[string]backoff)}
	w.ledger.tasks[one.ID] = one
	free := func(after time.Duration) bool {
		_, ok := w.next(now.Add(after))
		return ok
	}
	for _, wait := range []time.Duration{attendSoon, 2 * attendSoon, 4 * attendSoon} {
		w.left(one.ID, &FencedError{}, now)
		if free(wait-time.Second) || !free(wait+time.Second) {
			t.Errorf("it is not left alone for %v", wait)
		}
	}
	w.left(one.ID, nil, now)
	if !free(time.Second) {
		t.Error("one that was not taken away is left alone")
	}
	w.left(one.ID, errors.New("refused"), now)
	if free(attendSoon - time.Second) {
		t.Error("one that failed is not left alone")
	}
}
