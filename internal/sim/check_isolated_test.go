package sim

import (
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

// A member has no credit for another dead letter from the one on that uses up what it may write without a success.
func TestSpentCredit(t *testing.T) {
	for burst, want := range map[int]bool{1: true, 2: false, -1: false} {
		h := goodRun()
		h.Terms.Burst = burst
		from, spent := newIndex(h).spent()["m2"]
		if spent != want || spent && from != h.Calls[thirdDies].End {
			t.Errorf("burst %d: spent %v from %v, want %v from %v", burst, spent, from, want, h.Calls[thirdDies].End)
		}
	}
}
