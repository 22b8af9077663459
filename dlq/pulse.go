package dlq

import "time"

// pulse tells whether who writes to a queue is alive, for one who looks again and again: by whether its signs of life go on, on the clock of who looks. The
// times in them are of another machine's clock, which may be off by more than a lease: who compares them once takes a call that is under way for dead, and two
// who do so fence each other for as long as there is something to do.
type pulse struct {
	sign   Writer    // the last one
	seen   time.Time // when it was
	looked time.Time // when the last look began; zero: there was none
	skewed string    // the run of which it was told that its clock is off
}

// beats says whether the writer is alive, whose last sign this is. At the first look any may be old: it counts as new, so that one whose process was killed
// is missed a lease later at most.
func (p *pulse) beats(last Writer, now time.Time) bool {
	if last != p.sign {
		p.sign, p.seen = last, now
	}
	return last.Run != "" && !last.Ended && now.Sub(p.seen) < leaseTime
}

// skew says by how much the clock of the writer is ahead of this one's at least, negative for behind, where that is a lease or more: whoever reads the ledger
// once on this machine takes it for dead. It says so once of each run; 0 otherwise. It is to be called at each look, before beats: a sign that is new was
// written after the look before began.
func (p *pulse) skew(last Writer, began, now time.Time) (by time.Duration) {
	if last != p.sign && last.Run != "" && last.Run != p.skewed && !p.looked.IsZero() && !last.Ended {
		ahead, behind := last.Alive.Sub(now), p.looked.Sub(last.Alive)
		switch {
		case ahead >= leaseTime:
			by = ahead
		case behind >= leaseTime:
			by = -behind
		}
	}
	if by != 0 {
		p.skewed = last.Run
	}
	p.looked = began
	return by
}
