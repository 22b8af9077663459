package adaptive

import (
	"errors"
	"fmt"
	"math"
	"time"
)

// Memory is what a learner knows of what outages of one dependency and class are like, to be kept outside of the process. What
// it knows of the outage that is under way is not in it: within a minute that would be wrong.
type Memory struct {
	Key
	// At is when it was what is known.
	At time.Time
	// Observations is how much it is, in observations that have nothing to do with each other.
	Observations float64
	// Waited and Recovered are, by time since an outage began, how many records waited then, and how many of them recovered. There
	// are three buckets for each doubling of the time, the first ends after 50 ms, and after the last one given there is nothing.
	Waited, Recovered []float64
}

const (
	// maxKeys bounds about how many dependencies and classes a learner learns. A pipeline has sixteen dependencies at most.
	maxKeys = 256
	// maxObservations bounds a memory: more could not be forgotten within days.
	maxObservations = 1e6
	// slack is what rounding may do to a memory.
	slack = 1.01
	// news is by which factor one must know more than another to be believed, or to be kept, in its place.
	news = 1.05
	// leastNews is how much must be known to be kept, in observations.
	leastNews = 1
)

// Check says what is wrong with a memory that somebody else wrote.
func (m *Memory) Check() error {
	if !within(m.Observations, maxObservations) {
		return fmt.Errorf("it is of %g observations", m.Observations)
	}
	if len(m.Waited) > buckets || len(m.Recovered) > buckets {
		return fmt.Errorf("it has %d and %d buckets, at most %d are read", len(m.Waited), len(m.Recovered), buckets)
	}
	most, recovered := m.Observations*slack, 0.0
	for i, n := range m.Waited {
		if !within(n, most) {
			return fmt.Errorf("in bucket %d %g waited of %g", i, n, m.Observations)
		}
	}
	for i, n := range m.Recovered {
		if recovered += n; !within(n, most) || recovered > most {
			return fmt.Errorf("up to bucket %d %g recovered of %g", i, recovered, m.Observations)
		}
	}
	return nil
}

// within reports whether a number is one from 0 to most.
func within(n, most float64) bool { return n >= 0 && n <= most && !math.IsNaN(n) }

// kept is what is known to be kept outside, and since when.
type kept struct {
	observations float64
	at           time.Time
}

// now is how much of it still counts.
func (k kept) now(now time.Time, halfLife time.Duration) float64 {
	if k.at.IsZero() {
		return 0
	}
	return k.observations * faded(max(now.Sub(k.at), 0), halfLife)
}

// errFull is why a memory is not taken.
var errFull = errors.New("too many dependencies and classes are known already")

// Recall takes notice of what is kept outside, whoever has learned it. Where that knows more than this learner, it takes the place of what
// this one has learned; they are not added up, for processes that meet the same outages do not know more together. The error
// says why a memory is not taken.
func (l *Learner) Recall(m Memory, now time.Time) error {
	if err := m.Check(); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	k := l.known(m.Key)
	if k == nil {
		return errFull
	}
	k.fade(now, l.config.HalfLife)
	k.kept = kept{m.Observations, m.At}
	if still := k.kept.now(now, l.config.HalfLife); still > news*k.long.weight {
		k.long = curve{weight: m.Observations}
		copy(k.long.waited[:], m.Waited)
		copy(k.long.recovered[:], m.Recovered)
		k.long.fade(still / m.Observations)
		clear(k.plans)
	}
	return nil
}

// Unkept returns what is known and worth keeping: more than what is known to be kept by a twentieth of that. So a
// fleet of learners writes little, however many they are: those that know no more than what one of them wrote are silent.
func (l *Learner) Unkept(now time.Time) (all []Memory) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for key, k := range l.beliefs {
		k.fade(now, l.config.HalfLife)
		if w := k.long.weight; w < leastNews || w > maxObservations || w <= news*k.kept.now(now, l.config.HalfLife) {
			continue
		}
		m := Memory{Key: key, At: now, Observations: k.long.weight}
		m.Waited, m.Recovered = withoutEnd(k.long.waited), withoutEnd(k.long.recovered)
		all = append(all, m)
	}
	return all
}

// withoutEnd leaves out the last buckets in which there is nothing.
func withoutEnd(all [buckets]float64) []float64 {
	n := buckets
	for n > 0 && all[n-1] == 0 {
		n--
	}
	return all[:n:n]
}

// Unkeep takes notice that what was kept outside is lost.
func (l *Learner) Unkeep() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, k := range l.beliefs {
		k.kept = kept{}
	}
}
