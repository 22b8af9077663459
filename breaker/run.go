package breaker

import "math"

// A run is a stretch of failures that no success has ended: how a breaker sees
// a dependency die whose old successes still fill the window. The package
// comment tells why and how.
type run struct {
	failures   int
	stragglers int    // successes since the first failure, of calls begun before it
	mark       uint64 // how many calls had begun when the first failure ended
	ended      int    // calls that began after mark and have ended
}

// failed counts a failure of the call with that serial number. begun is how many
// calls have begun so far.
func (r *run) failed(serial, begun uint64) {
	if r.failures == 0 {
		*r = run{mark: begun}
	}
	r.failures++
	r.over(serial)
}

func (r *run) succeeded(serial uint64) {
	if serial > r.mark {
		r.reset()
		return
	}
	r.stragglers++
}

// over counts a call that is no longer in flight.
func (r *run) over(serial uint64) {
	if serial > r.mark {
		r.ended++
	}
}

func (r *run) reset() {
	*r = run{}
}

// dead reports whether the run has enough failures, and so many of all its calls
// failed, even if those in flight should all succeed, that it is no accident: by
// three standard deviations more than of as many calls that each fail with the
// probability failureRate.
func (r *run) dead(begun uint64, minimumCalls int, failureRate float64) bool {
	inFlight := max(0, int(begun-r.mark)-r.ended)
	calls := float64(r.failures + r.stragglers + inFlight)
	deviation := math.Sqrt(calls * failureRate * (1 - failureRate))
	return r.failures >= minimumCalls && float64(r.failures) >= calls*failureRate+3*deviation
}
