package fleet

import (
	"maps"
	"slices"
	"time"
)

// State is what the records of a control topic say together.
type State struct {
	breakers  map[string]*breakerState
	pipelines map[string]Order // by group
	clock     time.Time        // the log's: the latest timestamp in it
}

// breakerState is what is agreed on about one breaker.
type breakerState struct {
	order   Order // the zero order: none was given
	episode episode
	closed  bool // the episode is over
	lease   lease

	// restate says that the close which counts was overwritten by a void one: compaction would leave that alone.
	restate bool
}

// episode is one outage, from an open on.
type episode struct {
	id        int64 // the offset of its open
	at        time.Time
	wait      time.Duration
	inARow    int
	suspected bool
	by        string
	why       string
	said      time.Time // by the writer's clock
}

// lease is the right to probe.
type lease struct {
	offset int64 // of the claim that it began with, or was renewed by last
	member string
	by     string
	at     time.Time
	length time.Duration
	said   time.Time // by the holder's clock, when it claimed it, or last renewed it
}

// none is the id of no episode, and the offset of no lease.
const none = -1

func newState() *State {
	return &State{breakers: map[string]*breakerState{}, pipelines: map[string]Order{}}
}

// outcome is what became of a record that was applied.
type outcome uint8

const (
	applied outcome = iota
	void            // it is about something that is over, or that another has
)

// apply applies the next record of the log: what it does depends on nothing else than the records before it.
func (s *State) apply(offset int64, at time.Time, r record) outcome {
	if at.After(s.clock) {
		s.clock = at // the clock of a new leader may be behind
	}
	if r.subject.pipeline {
		s.pipelines[r.subject.name] = orderOf(r)
		return applied
	}
	b := s.breakers[r.subject.name]
	if b == nil {
		b = &breakerState{episode: episode{id: none}, closed: true, lease: lease{offset: none}}
		s.breakers[r.subject.name] = b
	}
	switch r.kind {
	case kindOrder:
		b.order, b.closed, b.restate = orderOf(r), true, false
	case kindOpen:
		b.episode = episode{id: offset, at: s.clock, wait: r.Wait, inARow: r.InARow, suspected: r.Suspected, by: r.By, why: r.Why, said: r.At}
		b.closed, b.restate, b.lease = false, false, lease{offset: none}
	case kindClose:
		return b.end(r)
	case kindProbe:
		return b.claim(offset, s.clock, r)
	}
	return applied
}

func (b *breakerState) end(r record) outcome {
	switch {
	case r.Episode != b.episode.id:
		b.restate = b.closed && b.episode.id != none
		return void
	case b.closed:
		b.restate = false
		return void
	}
	b.closed = true
	return applied
}

func (b *breakerState) claim(offset int64, clock time.Time, r record) outcome {
	due := !clock.Before(b.episode.at.Add(b.episode.wait)) || r.Early && b.episode.suspected
	held := b.lease.offset != none && clock.Before(b.lease.at.Add(b.lease.length))
	if b.closed || r.Episode != b.episode.id || !due || held && r.Member != b.lease.member {
		return void
	}
	b.lease = lease{offset: offset, member: r.Member, by: r.By, at: clock, length: r.Lease, said: r.At}
	return applied
}

// open reports whether an episode is under way.
func (b *breakerState) open() bool { return b != nil && !b.closed && b.episode.id != none }

// of returns what is agreed on about a breaker, which may be nothing.
func (s *State) of(dependency string) breakerState {
	if b := s.breakers[dependency]; b != nil {
		return *b
	}
	return breakerState{episode: episode{id: none}, closed: true, lease: lease{offset: none}}
}

// BreakerState is what is agreed on about one breaker, for people.
type BreakerState struct {
	Dependency string
	Open       bool // an episode is under way
	Episode    int64
	Since      time.Time // by the log's clock
	By         string    // whose breaker opened first
	Why        string
	Prober     string // who probes; "": nobody does
	Order      Order  // the latest; its wish is "" when none was given
}

// Breakers returns what is agreed on about each breaker, sorted by name.
func (s *State) Breakers() (all []BreakerState) {
	for _, name := range slices.Sorted(maps.Keys(s.breakers)) {
		b := s.breakers[name]
		one := BreakerState{Dependency: name, Open: b.open(), Order: b.order}
		if one.Open {
			one.Episode, one.Since, one.By, one.Why = b.episode.id, b.episode.at, b.episode.by, b.episode.why
			one.Prober = b.lease.by
		}
		all = append(all, one)
	}
	return all
}

// Pipelines returns the latest order for each pipeline, sorted by group.
func (s *State) Pipelines() (all []Order) {
	for _, group := range slices.Sorted(maps.Keys(s.pipelines)) {
		all = append(all, s.pipelines[group])
	}
	return all
}
