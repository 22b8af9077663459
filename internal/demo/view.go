package demo

import (
	"time"

	"github.com/redeliver/redeliver/breaker"
	"github.com/redeliver/redeliver/consumer"
)

// view is what a presenter shows: the figures of one moment.
type view struct {
	elapsed time.Duration
	asked   time.Duration // 0: until it is interrupted

	step   step
	words  string
	events []event // the last ones, oldest first

	in, waiting, inFlight, slots, done, dead int
	inRate, doneRate                         float64   // a second
	history                                  []float64 // done in each half second, oldest first
	usual                                    float64   // of it, when all goes well

	tiers   []tierView
	breaker breakerView

	broker, admin string // addresses
}

// tierView is a retry topic: how many orders wait there, and when the first one is due.
type tierView struct {
	name  string
	count int
	known bool // due is
	due   time.Duration
}

type breakerView struct {
	name  string
	state breaker.State
	left  time.Duration // until an open breaker probes
	calls int           // of half-open, that succeeded
}

// viewer makes views.
type viewer struct {
	*stage
	feed  *feed
	tally *tally
	asked time.Duration

	samples  []sample // of the last seconds, oldest first
	history  []float64
	lastStep int // of the history
	lastDone int
}

type sample struct {
	at       time.Duration
	in, done int
}

const (
	rateOver    = 2 * time.Second // that a throughput is taken over
	historyStep = 500 * time.Millisecond
	historyLen  = 20
)

// view takes the figures of now. The counts of what goes out of a place are read before those of what comes in, so that
// none looks negative.
func (v *viewer) view() view {
	s := v.pipeline.Stats()
	now := view{
		elapsed: time.Since(v.feed.began), asked: v.asked,
		inFlight: s.InFlight, slots: s.Concurrency, done: int(s.Completed), dead: v.tally.open(),
		breaker: breakerView{name: s.Breaker.Dependency, state: s.Breaker.State, left: time.Until(s.Breaker.OpenUntil), calls: s.Breaker.ProbesSucceeded},
		broker:  v.broker.Addr(), admin: v.admin.Addr(),
	}
	for _, d := range v.pace.tiers {
		now.tiers = append(now.tiers, v.tier(s, d))
	}
	now.in = int(v.load.acked.Load())
	now.waiting = max(0, now.in-settledIn(s, sourceTopic)-s.InFlight)
	now.step, now.words, now.events = v.feed.scene()
	v.measure(&now)
	return now
}

func (v *viewer) tier(s consumer.Stats, d time.Duration) tierView {
	topic := names.RetryTopic(sourceTopic, d)
	t := tierView{name: tierName(d), count: max(0, v.tally.copies(topic)-settledIn(s, topic))}
	for _, ts := range s.Topics {
		if ts.Topic == topic && !ts.OldestDue.IsZero() {
			t.known, t.due = true, time.Until(ts.OldestDue)
		}
	}
	return t
}

// measure fills in the throughput.
func (v *viewer) measure(now *view) {
	v.samples = append(v.samples, sample{now.elapsed, now.in, now.done})
	for len(v.samples) > 2 && now.elapsed-v.samples[1].at >= rateOver {
		v.samples = v.samples[1:]
	}
	from := v.samples[0]
	if over := (now.elapsed - from.at).Seconds(); over > 0 {
		now.inRate, now.doneRate = float64(now.in-from.in)/over, float64(now.done-from.done)/over
	}
	now.history, now.usual = v.record(*now), float64(v.pace.rate)*historyStep.Seconds()
}

// record keeps how many orders were done in each half second.
func (v *viewer) record(now view) []float64 {
	at := int(now.elapsed / historyStep)
	if len(v.history) == 0 || at > v.lastStep {
		v.history = append(v.history, float64(now.done-v.lastDone))
		v.history = v.history[max(0, len(v.history)-historyLen):]
		v.lastStep, v.lastDone = at, now.done
	}
	return v.history
}

// settledIn counts the records of a topic that the engine is through with.
func settledIn(s consumer.Stats, topic string) (n int) {
	for _, t := range s.Topics {
		if t.Topic == topic {
			for _, count := range t.Outcomes {
				n += int(count)
			}
		}
	}
	return n
}
