package consumer

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/redeliver/redeliver/limit"
	"github.com/redeliver/redeliver/retrytopics"
)

// Limit bounds how many handler calls start in a time, in this process. A batch counts each of its records. What is over a
// limit waits and uses no attempt.
type Limit struct {
	// Name names the limit in metrics and status: letters, digits, '-'. Required, unique in the pipeline.
	Name string
	// Rate is how many calls start in a time. Required.
	Rate limit.Rate
	// Burst is how many of them may start at once after a pause. Defaults to those of a tenth of a second, at least one.
	Burst int
	// Per says what the rate is of. Defaults to PerPipeline.
	Per LimitScope
	// Header is the header whose values are limited each, with PerHeader: a job header, such as redeliver-user, or any of
	// the producer's own. A record without it is not limited. The last one counts where there are several.
	Header string
	// MaxKeys bounds the values that are known at once, with PerHeader. Defaults to 10000.
	MaxKeys int
}

// LimitScope says what a [Limit] is of.
type LimitScope uint8

const (
	// PerPipeline limits all calls of the pipeline: they are spread over time.
	PerPipeline LimitScope = iota
	// PerDependency limits all calls of the pipelines of the process with the same breaker dependency and Config.Pacers; they
	// have their turns.
	PerDependency
	// PerHeader limits the calls for each value of a header. What is over the limit is put off: for less than the shortest
	// tier in its lane, where those of its key wait behind it, and for longer, or where too many wait, over the tiers, where it leaves
	// the order of its key as a retry does. Records of other values go on.
	PerHeader
)

// String returns pipeline, dependency or header.
func (s LimitScope) String() string {
	if s > PerHeader {
		return fmt.Sprintf("LimitScope(%d)", uint8(s))
	}
	return [...]string{"pipeline", "dependency", "header"}[s]
}

// maxLimits bounds the limits of a pipeline: each is asked for each record.
const maxLimits = 8

// limits are a pipeline's limits by key. Whoever asks is given the rate of all of them or of none.
type limits struct {
	mu    sync.Mutex
	keyed []keyedLimit
}

type keyedLimit struct {
	Limit
	keys   *limit.Keyed
	putOff uint64 // records, each as often as it was
}

const (
	// reserveFor is how far off the turn of a record may be that waits for it, with its call counted already. One that
	// comes to it by more than that too late asks again.
	reserveFor = 100 * time.Millisecond
	// waitingPart is the part of its share of waiting records that a lane may fill with what limits put off.
	waitingPart = 2
)

// admit asks whether a call for a record with these headers may start now, which is when at is zero. Else at is when it is
// to ask again, or, if it is reserved, to start. first says that the record was not put off before, and has to stand behind
// those that were.
func (ls *limits) admit(headers []Header, now time.Time, first bool) (at time.Time, reserved bool) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	var keys [maxLimits][]byte
	latest := now
	for i := range ls.keyed {
		if keys[i] = lastValue(headers, ls.keyed[i].Header); keys[i] == nil {
			continue
		}
		if at := ls.keyed[i].keys.Ask(keys[i], now, first); at.After(latest) {
			latest = at
		}
	}
	if !latest.After(now) || !first && latest.Sub(now) <= reserveFor {
		for i := range ls.keyed {
			if keys[i] != nil {
				ls.keyed[i].keys.Take(keys[i], latest)
			}
		}
		if !latest.After(now) {
			return time.Time{}, false
		}
		return latest, true
	}
	for i := range ls.keyed {
		k := &ls.keyed[i]
		if keys[i] == nil || !k.keys.Ask(keys[i], now, first).After(now) {
			continue
		}
		k.putOff++
		if off := k.keys.PutOff(keys[i], now); off.After(at) {
			at = off
		}
	}
	return at, false
}

// within reports whether a call for a record with these headers could start now. It uses nothing, and puts nothing off.
func (ls *limits) within(headers []Header, now time.Time, first bool) bool {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	for i := range ls.keyed {
		if key := lastValue(headers, ls.keyed[i].Header); key != nil && ls.keyed[i].keys.Ask(key, now, first).After(now) {
			return false
		}
	}
	return true
}

// stands is asked for a record that waits behind others of its key. It returns when the record's turn is, if that is further off
// than a burst of what stands there already.
func (ls *limits) stands(headers []Header, now time.Time) (at time.Time) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	for i := range ls.keyed {
		k := &ls.keyed[i]
		key := lastValue(headers, k.Header)
		if key == nil {
			continue
		}
		if turn, over := k.keys.Stand(key, now); over {
			k.putOff++
			if turn.After(at) {
				at = turn
			}
		}
	}
	return at
}

// lastValue returns what limits and tenants tell records apart by: the value of the last header with the key, nil if there is none or it is empty.
func lastValue(headers []Header, key string) []byte {
	for i := len(headers) - 1; i >= 0; i-- {
		if headers[i].Key == key {
			if len(headers[i].Value) == 0 {
				return nil
			}
			return headers[i].Value
		}
	}
	return nil
}

// deferral is an entry on its way to a tier that it waits in, without an attempt.
type deferral struct {
	entry *entry
	tier  int
}

// overLimit reports whether an entry may not start by a limit, and sees to where it waits. It has its key. The strand's lock
// is held.
func (st *strand) overLimit(e *entry) bool {
	ls := st.p.limits
	if ls == nil {
		return false
	}
	now := time.Now()
	if e.reserved {
		e.reserved = false
		if now.Sub(e.due) <= reserveFor {
			return false
		}
	}
	at, reserved := ls.admit(e.record.Headers, now, e.lane.tier == 0 && !e.limited)
	if at.IsZero() {
		return false
	}
	e.limited, e.reserved = true, reserved
	st.postpone(e, at, now)
	return true
}

// withinLimit reports whether a limit lets an entry start now. One of whom another one has the key has to stand behind that one where
// it does not: put off by itself it would keep nobody of its key from going first.
func (st *strand) withinLimit(e *entry) bool {
	if st.p.limits == nil {
		return true
	}
	now := time.Now()
	return e.reserved && now.Sub(e.due) <= reserveFor || st.p.limits.within(e.record.Headers, now, e.lane.tier == 0 && !e.limited)
}

// leavesLine reports whether an entry that would stand behind one of its key goes to the tiers instead: a line of those that
// are over their limit must not fill the window. The strand's lock is held.
func (st *strand) leavesLine(e *entry) bool {
	ls := st.p.limits
	if ls == nil || !e.keyed || e.owns || e.limited {
		return false
	}
	if _, busy := st.keys[e.keyHash]; !busy {
		return false
	}
	now := time.Now()
	e.limited = true // it has its turn, at the rate, where it stands
	at := ls.stands(e.record.Headers, now)
	if at.IsZero() || st.p.schedule.Hop(at.Sub(now), e.lane.tier) == retrytopics.Lane {
		return false
	}
	st.postpone(e, at, now)
	return true
}

// postpone lets an entry wait until a time without using an attempt: in its lane, where it keeps its key if it has not left
// the order, or over the tiers.
func (st *strand) postpone(e *entry, at, now time.Time) {
	l := e.lane
	tier := st.p.schedule.Hop(at.Sub(now), l.tier)
	crowded := len(l.waiting) >= max(st.p.intake.waitingShare()/waitingPart, 1)
	if e.reserved || tier == retrytopics.Lane && !crowded {
		e.due, e.hopDue = at, time.Time{}
		if l.tier == 0 && !e.failedBefore() || st.holds(e) {
			st.claim(e)
		} else {
			st.free(e)
		}
		e.leaveFlow()
		l.waiting.add(e)
		st.arm(at, now)
		return
	}
	st.sendOff(e, at, now)
}

// sendOff lets an entry wait over the tiers until a time or later, without using an attempt. It leaves the order of its key.
func (st *strand) sendOff(e *entry, at, now time.Time) {
	l := e.lane
	tier := st.p.schedule.Hop(at.Sub(now), l.tier)
	if tier == retrytopics.Lane {
		tier = 0
		if soonest := now.Add(st.p.schedule.Tiers()[0]); soonest.After(at) {
			at = soonest
		}
	}
	e.leaveFlow()
	e.due = at
	e.status = entryRouting
	l.routing++
	if st.holds(e) {
		st.putOff(e, inTier)
	}
	st.free(e)
	st.leaving = append(st.leaving, deferral{e, tier})
}

// takeLeaving returns the entries that are to be sent to the tiers, which is done without the strand's lock.
func (st *strand) takeLeaving() []deferral {
	out := st.leaving
	st.leaving = nil
	return out
}

// sendDeferred writes the copies of entries that wait in the tiers.
func (p *Pipeline) sendDeferred(out []deferral) {
	if len(out) == 0 {
		return
	}
	now := time.Now()
	for _, o := range out {
		e, delay := o.entry, p.schedule.Tiers()[o.tier]
		p.ensureState(e)
		p.countHeld(e, now)
		e.state.Due, e.state.HopDue = e.due, now.Add(delay)
		p.produce(newRoute(e, Hopped, p.copyTo(e, delay, now)))
	}
}

// limitedInChunk asks for the next record of a chunk, and puts it off if it may not start. It reports whether it was put off,
// and whether the others of its key wait for it.
func (p *Pipeline) limitedInChunk(st *strand, c *chunk, i int) (limited, stays bool) {
	now := time.Now()
	at, reserved := p.limits.admit(c.batch.records[i].Headers, now, true)
	if at.IsZero() {
		return false, false
	}
	e := st.failedInChunk(c, i)
	st.mu.Lock()
	e.limited, e.reserved = true, reserved
	if e.lane.draining { // the next owner asks for itself
		e.status = entryReady
		st.free(e)
	} else {
		st.postpone(e, at, now)
		stays = e.owns || e.deferred
	}
	out := st.takeLeaving()
	st.mu.Unlock()
	p.sendDeferred(out)
	return true, stays
}

// LimitStats is the state of one limit.
type LimitStats struct {
	Name string
	Per  LimitScope
	Rate limit.Rate
	// PutOff counts, with PerHeader, the records that were put off, each as often as it was; else how often a call had to
	// wait for its turn.
	PutOff uint64
	// Ahead is how far off the turn is of the record that was put off furthest, or of the next call.
	Ahead  time.Duration
	Keys   int    // that are known, with PerHeader
	Forgot uint64 // keys that were forgotten though they had used something: there are more than MaxKeys
}

// completeLimits reports what is wrong with the limits.
func (c *Config) completeLimits(wrong func(field, format string, args ...any)) {
	if len(c.Limits) > maxLimits {
		wrong("Limits", "there are %d, at most %d: each is asked for each record", len(c.Limits), maxLimits)
	}
	for i, l := range c.Limits {
		if !nameSyntax.MatchString(l.Name) {
			wrong("Limits", "the name %q: use letters, digits and '-'", l.Name)
		}
		if slices.ContainsFunc(c.Limits[:i], func(o Limit) bool { return o.Name == l.Name }) {
			wrong("Limits", "the name %q is there twice", l.Name)
		}
		if err := l.Rate.Valid(); err != nil {
			wrong("Limits", "%s: %v", l.Name, err)
		}
		if l.Burst < 0 || l.MaxKeys < 0 {
			wrong("Limits", "%s: Burst %d and MaxKeys %d must not be negative", l.Name, l.Burst, l.MaxKeys)
		}
		switch {
		case l.Per > PerHeader:
			wrong("Limits", "%s: Per %d is none: PerPipeline, PerDependency or PerHeader", l.Name, l.Per)
		case l.Per == PerHeader && l.Header == "":
			wrong("Limits", "%s: name the Header whose values are limited each", l.Name)
		case l.Per != PerHeader && l.Header != "":
			wrong("Limits", "%s: Header %s is for PerHeader", l.Name, l.Header)
		case l.Per == PerHeader && c.Ordering == ByPartition:
			wrong("Limits", "%s: a limit by header needs Ordering ByKey or Unordered: where a partition is handled in order, what waits would stop all others of it", l.Name)
		}
	}
}

// newLimits makes the limits of a configuration that is complete.
func newLimits(c *Config) (ls *limits, starts *pacing, err error) {
	shared := c.Pacers
	if shared == nil {
		shared = limit.NewRegistry()
	}
	for _, l := range c.Limits {
		switch l.Per {
		case PerHeader:
			if ls == nil {
				ls = new(limits)
			}
			ls.keyed = append(ls.keyed, keyedLimit{Limit: l, keys: limit.NewKeyed(l.Rate, l.Burst, l.MaxKeys)})
			continue
		case PerPipeline:
			starts = starts.with(l, limit.NewPacer(l.Rate, l.Burst))
		case PerDependency:
			p, err := shared.Get(fmt.Sprintf("the limit %s of %s", l.Name, c.Breaker.Dependency), l.Rate, l.Burst)
			if err != nil {
				return nil, nil, err
			}
			starts = starts.with(l, p)
		}
	}
	return ls, starts, nil
}

// limitStats returns the state of the limits.
func (p *Pipeline) limitStats(now time.Time) (all []LimitStats) {
	if ls := p.limits; ls != nil {
		ls.mu.Lock()
		for i := range ls.keyed {
			k := &ls.keyed[i]
			all = append(all, LimitStats{Name: k.Name, Per: k.Per, Rate: k.Rate, PutOff: k.putOff, Ahead: k.keys.Ahead(now), Keys: k.keys.Keys(), Forgot: k.keys.Forgot()})
		}
		ls.mu.Unlock()
	}
	return append(all, p.slots.pacing.stats(now)...)
}
