package demo

import "fmt"

// letterKind is what /metrics counts dead letters by.
type letterKind struct{ class, reason string }

// totals are what the raw topics, the commits and the service tell, added up over the lives of all orders.
type totals struct {
	orders    int // records of the source topic, without what a replay put there
	strangers int // of them written by somebody else than the load
	orphans   int // lives of which no order was seen

	done      int
	when      map[string]int // of done: by the topic of the last attempt, and afterReplay
	above     int            // of done: above the group's commit, so that the next start would call them again
	waiting   map[string]int // by topic
	open      int            // dead letters that nothing was done about
	discarded int            // dead letters that an operator gave up
	replays   int            // times that a dead letter was put back

	outcomes map[outcome]int
	attempts map[string]int // by class, success among them
	letters  map[letterKind]int

	calls int // that the service saw
	paid  int // of them answered well
	free  int // of them failed without costing an attempt
	early int // of them before their time

	misfits int      // orders whose calls are not what their headers say
	samples []string // some of them
}

// afterReplay stands in totals.when for orders that were dead letters before they were done.
const afterReplay = "replay"

// success is the class of attempts that succeeded.
const success = "none"

// maxSamples bounds how many misfits are told.
const maxSamples = 5

func newTotals() *totals {
	return &totals{when: map[string]int{}, waiting: map[string]int{}, outcomes: map[outcome]int{}, attempts: map[string]int{}, letters: map[letterKind]int{}}
}

// fate is what became of an order.
type fate uint8

const (
	waiting fate = iota
	done
	doneAbove // done, and above the group's commit
	dead
	discarded
)

// fateOf reads an order's fate from where it was seen last: once that is behind the group's commit it is done, for
// nothing was written about it after that.
func fateOf(l life, calls []call, committed func(place) bool, discardedAt func(place) bool) fate {
	last := l[len(l)-1]
	switch {
	case last.kind == letters && discardedAt(last.place):
		return discarded
	case last.kind == letters:
		return dead
	case committed(last.place):
		return done
	case paid(calls) > 0:
		return doneAbove
	}
	return waiting
}

// add counts one arranged life.
func (t *totals) add(id string, l life, calls []call, f fate) {
	first, last := l[0], l[len(l)-1]
	switch {
	case first.kind != source:
		t.orphans++
	case first.stranger:
		t.strangers++
		fallthrough
	default:
		t.orders++
	}
	switch f {
	case done, doneAbove:
		t.done++
		t.outcomes[outcome{last.topic, "done"}]++
		t.attempts[success]++
		if last.replays > 0 {
			t.when[afterReplay]++
		} else {
			t.when[last.topic]++
		}
		if f == doneAbove {
			t.above++
		}
	case waiting:
		t.waiting[last.topic]++
	case dead:
		t.open++
	case discarded:
		t.discarded++
	}
	for _, o := range l.outcomes() {
		t.outcomes[o]++
	}
	for i, s := range l {
		if s.kind == letters {
			t.letters[letterKind{s.class, s.reason}]++
		}
		if i > 0 && s.replays > l[i-1].replays {
			t.replays++
		}
	}
	for _, a := range last.history {
		t.attempts[a.Class]++
	}
	t.compare(id, l, calls, f)
}

// compare counts the calls for an order, and whether they are what its headers say.
func (t *totals) compare(id string, l life, calls []call, f fate) {
	free, fits := l.fits(calls)
	good := paid(calls)
	t.calls += len(calls)
	t.paid += good
	t.free += free
	t.early += l.early(calls)
	if fits && (good == 1) == (f == done || f == doneAbove) {
		return
	}
	t.misfits++
	if len(t.samples) < maxSamples {
		t.samples = append(t.samples, misfit(id, l, calls, f))
	}
}

// misfit tells an order whose calls are not what its headers say.
func misfit(id string, l life, calls []call, f fate) string {
	last := l[len(l)-1]
	text := fmt.Sprintf("%s is %s in %s with %d failures in its headers", id, f, last.topic, l.failures())
	if len(calls) == 0 {
		return text + ", and the service was never called for it"
	}
	text += "; the service saw"
	for _, c := range calls {
		text += fmt.Sprintf(" attempt %d: %d,", c.attempt, c.status)
	}
	return text[:len(text)-1]
}

func (f fate) String() string {
	return [...]string{"waiting", "done", "done", "dead", "discarded"}[f]
}

// failed counts the attempts that failed.
func (t *totals) failed() int { return sum(t.attempts) - t.attempts[success] }

// outcome counts an outcome over all topics.
func (t *totals) outcome(name string) (n int) {
	for o, count := range t.outcomes {
		if o.name == name {
			n += count
		}
	}
	return n
}

func sum[K comparable](counts map[K]int) (n int) {
	for _, count := range counts {
		n += count
	}
	return n
}
