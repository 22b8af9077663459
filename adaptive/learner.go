package adaptive

import (
	"cmp"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/redeliver/redeliver/classify"
)

// Defaults of a [Config].
const (
	DefaultHalfLife = 24 * time.Hour
	DefaultMinimum  = 10
)

// Config says how to learn.
type Config struct {
	// AttemptCost is the price of an attempt, in first delays of the configured strategy: so much longer a record may wait
	// for one attempt less. Defaults to 0.25.
	AttemptCost float64
	// HalfLife is after which time an observation counts half. Defaults to a day.
	HalfLife time.Duration
	// Minimum is how much must be known before there is advice, in observations that have nothing to do with each
	// other. Defaults to 10.
	Minimum int
}

// Key is what is learned about.
type Key struct {
	Dependency string
	Class      classify.Class
}

// Retry is a retry that has ended.
type Retry struct {
	Key
	// From is when the attempt before it failed, To when this one ended, both since the record's first failure.
	From, To time.Duration
	// Succeeded says how it ended.
	Succeeded bool
	// At is when it ended.
	At time.Time
}

// Question is a record that has failed.
type Question struct {
	Key
	// Since is how long ago it first failed; 0: just now.
	Since time.Duration
	// Left is the number of retries that it may still have, the one included whose delay is asked for.
	Left int
	// Limits of its policy.
	Limits *Limits
	// At is now.
	At time.Time
}

// Learner learns from retries which delays are best. It may be used concurrently.
type Learner struct {
	config Config

	mu      sync.Mutex
	beliefs map[Key]*known
	grids   map[*Limits]*grid
}

// known is a belief and the plans over it.
type known struct {
	belief
	spells spells
	plans  map[planKey]*madePlan
	kept   kept
	last   map[*Limits]Advice
}

// planKey says what a plan is for: a policy, and records that failed so long after the outage began.
type planKey struct {
	limits *Limits
	older  int // in buckets
}

// madePlan is a plan that is used until what it was made of has changed.
type madePlan struct {
	*plan
	made time.Time
	seen int // observations since
}

// A plan is used for so many observations, and for so long.
const (
	planObservations = 40
	planLasts        = 5 * time.Second
)

// NewLearner returns a learner that knows nothing.
func NewLearner(c Config) *Learner {
	c.AttemptCost = cmp.Or(c.AttemptCost, DefaultAttemptCost)
	c.HalfLife = cmp.Or(c.HalfLife, DefaultHalfLife)
	c.Minimum = cmp.Or(c.Minimum, DefaultMinimum)
	return &Learner{config: c, beliefs: make(map[Key]*known), grids: make(map[*Limits]*grid)}
}

// Observe learns from a retry.
func (l *Learner) Observe(r Retry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	k := l.known(r.Key)
	if k == nil {
		return
	}
	k.fade(r.At, l.config.HalfLife)
	from, first := r.At.Add(r.From-r.To), r.At.Add(-r.To)
	if r.Succeeded {
		k.spells.succeeded(from)
	} else {
		k.spells.failed(r.At, from)
	}
	older := k.spells.older(first)
	r.From, r.To = r.From+older, r.To+older
	k.observe(r)
	for _, p := range k.plans {
		p.seen++
	}
}

// Delay returns the best delay for a record that has failed, without jitter. It returns 0 while too little is known.
func (l *Learner) Delay(q Question) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	k := l.known(q.Key)
	if k == nil {
		return 0
	}
	if q.Since == 0 {
		k.spells.failed(q.At, time.Time{})
	}
	if k.long.weight < float64(l.config.Minimum) {
		return 0
	}
	key := planKey{q.Limits, int(position(k.spells.older(q.At.Add(-q.Since)).Seconds()))}
	p := k.plans[key]
	if p == nil || p.seen >= planObservations || q.At.Sub(p.made) > planLasts {
		k.fade(q.At, l.config.HalfLife)
		h := k.hazards()
		p = &madePlan{plan: newPlan(l.grid(q.Limits), h.survival(), start(key.older)), made: q.At}
		k.plans[key] = p
	}
	delay, succeeds := p.choose(q.Since.Seconds(), q.Left)
	advice := Advice{Key: q.Key, At: q.At, Since: q.Since, Left: q.Left, Delay: seconds(delay), Succeeds: succeeds}
	k.last[q.Limits] = advice
	return advice.Delay
}

// known returns what is known about a key; nil: nothing is, and there are too many others.
func (l *Learner) known(key Key) *known {
	k := l.beliefs[key]
	if k == nil && len(l.beliefs) < maxKeys {
		k = &known{plans: make(map[planKey]*madePlan), last: make(map[*Limits]Advice)}
		l.beliefs[key] = k
	}
	return k
}

// grid returns the grid of a policy.
func (l *Learner) grid(limits *Limits) *grid {
	g := l.grids[limits]
	if g == nil {
		g = newGrid(limits, l.config.AttemptCost)
		l.grids[limits] = g
	}
	return g
}

// Advice is a delay that was advised.
type Advice struct {
	Key
	At       time.Time
	Since    time.Duration // of the record's first failure
	Left     int           // retries
	Delay    time.Duration
	Succeeds float64 // the chance of the attempt after it, as far as known
}

// Lesson is what was learned about one dependency and class.
type Lesson struct {
	Key
	// Observations is how much is known, in observations that have nothing to do with each other, and Minimum how much must be.
	Observations float64
	Minimum      int
	// Quarter, Half and NineTenths of the records have recovered after these times, by what outages are like; 0: later than a day.
	Quarter, Half, NineTenths time.Duration
	// Now is Half by what is seen in these minutes.
	Now time.Duration
	// Kept is when what is kept outside of the process was written; zero: it is in its memory only, see [Learner.Recall].
	Kept time.Time
	// Last is the last advice; its zero value: none yet.
	Last Advice
}

// Lessons returns what was learned, ordered by dependency and class.
func (l *Learner) Lessons(now time.Time) []Lesson {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := make([]Lesson, 0, len(l.beliefs))
	for key, k := range l.beliefs {
		k.fade(now, l.config.HalfLife)
		long := k.long.over(func(int) float64 { return priorHazard }, priorWeight)
		usual, recent := long.survival(), k.hazards()
		current := recent.survival()
		lesson := Lesson{
			Key: key, Observations: k.long.weight, Minimum: l.config.Minimum, Kept: k.kept.at,
			Quarter: usual.quantile(0.25), Half: usual.quantile(0.5), NineTenths: usual.quantile(0.9), Now: current.quantile(0.5),
		}
		for _, a := range k.last {
			if a.At.After(lesson.Last.At) {
				lesson.Last = a
			}
		}
		all = append(all, lesson)
	}
	slices.SortFunc(all, func(a, b Lesson) int {
		return cmp.Or(cmp.Compare(a.Dependency, b.Dependency), cmp.Compare(a.Class, b.Class))
	})
	return all
}

// quantile returns the time after which a share of the records has recovered; 0: later than the last bucket ends.
func (s *survival) quantile(share float64) time.Duration {
	want := math.Log(1 - share)
	for i := range buckets {
		if s[i+1] > want {
			continue
		}
		part := (s[i] - want) / (s[i] - s[i+1])
		return seconds(start(i) * math.Pow(start(i+1)/math.Max(start(i), firstBound.Seconds()/2), part))
	}
	return 0
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
