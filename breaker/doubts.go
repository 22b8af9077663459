package breaker

import "time"

// doubts are what a breaker has learned about its suspicions, see the package comment: each one that the probes have
// proved wrong doubles what the next one takes, so that records that fail for ever do not open it again and again where
// little else is called.
type doubts struct {
	wrong int
	until time.Time // when that is forgotten
}

const (
	// maxDoubt bounds the doubling: 64 times the minimum of calls.
	maxDoubt = 6
	// doubtFor is for how many times OpenFor a wrong suspicion is remembered.
	doubtFor = 10
)

// proved notes that what was suspected was not so.
func (d *doubts) proved(now time.Time, openFor time.Duration) {
	if now.After(d.until) {
		d.wrong = 0
	}
	d.wrong = min(d.wrong+1, maxDoubt)
	d.until = now.Add(doubtFor * openFor)
}

// enough is how many failures without a success make a suspicion.
func (d *doubts) enough(minimumCalls int) int {
	if d.wrong > 0 && time.Now().After(d.until) {
		d.forget()
	}
	return minimumCalls << d.wrong
}

func (d *doubts) forget() { *d = doubts{} }
