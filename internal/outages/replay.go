package outages

import (
	"container/heap"
	"math"
	"slices"
	"time"

	"github.com/redeliver/redeliver/classify"
)

// Result is what came of the records of which an attempt failed. Records that succeed at once are no policy's merit.
type Result struct {
	Records   int             // of which the first attempt failed
	Recovered int             // of them
	Dead      int             // of them
	Retries   int             // attempts after the first ones
	Wasted    int             // retries that failed
	Waits     []time.Duration // from the first failure to the success, of those that recovered
}

// add puts the records of another run beside those of r.
func (r *Result) add(o Result) {
	r.Records += o.Records
	r.Recovered += o.Recovered
	r.Dead += o.Dead
	r.Retries += o.Retries
	r.Wasted += o.Wasted
	r.Waits = append(r.Waits, o.Waits...)
}

// Never stands for a time to recovery of records that are given up.
const Never = time.Duration(math.MaxInt64)

// Wait returns the time to recovery that a share of the failed records had, or less. A record that was given up
// has waited for ever, so that giving up early makes no policy look quick.
func (r *Result) Wait(share float64) time.Duration {
	if r.Records == 0 {
		return 0
	}
	slices.Sort(r.Waits)
	i := max(int(math.Ceil(share*float64(r.Records)))-1, 0)
	if i >= len(r.Waits) {
		return Never
	}
	return r.Waits[i]
}

// Run replays a trace under a policy. What waits at the end of the trace is followed until it has recovered or is given
// up: calls then fail no more.
func Run(t *Trace, p Policy) (r Result) {
	d := dependency{Trace: t}
	var waiting due
	next := 0
	for next < len(t.Arrivals) || len(waiting) > 0 {
		var a Attempt
		if next < len(t.Arrivals) && (len(waiting) == 0 || t.Arrivals[next] < waiting[0].At) {
			a = Attempt{At: t.Arrivals[next], record: next}
			next++
		} else {
			a = heap.Pop(&waiting).(Attempt)
		}
		a.Attempts++
		a.U = t.chance(a.record, a.Attempts, 3)
		a.Class = d.call(a.At, a.record, a.Attempts)
		first := a.Attempts == 1
		if !first {
			r.Retries++
		}
		if a.Class == classify.None {
			if !first {
				p.Succeeded(a)
				r.Recovered++
				r.Waits = append(r.Waits, a.At-a.FirstFailed)
			}
			continue
		}
		if first {
			r.Records++
		} else {
			r.Wasted++
		}
		delay, again := p.Failed(a)
		if !again {
			r.Dead++
			continue
		}
		if first {
			a.FirstFailed = a.At
		}
		a.LastFailed, a.LastClass = a.At, a.Class
		a.At += delay
		heap.Push(&waiting, a)
	}
	return r
}

// due is a heap of attempts by their time; of those at one time the record that came first goes first.
type due []Attempt

func (d due) Len() int { return len(d) }
func (d due) Less(i, j int) bool {
	return d[i].At < d[j].At || d[i].At == d[j].At && d[i].record < d[j].record
}
func (d due) Swap(i, j int) { d[i], d[j] = d[j], d[i] }
func (d *due) Push(a any)   { *d = append(*d, a.(Attempt)) }
func (d *due) Pop() any {
	last := (*d)[len(*d)-1]
	*d = (*d)[:len(*d)-1]
	return last
}
