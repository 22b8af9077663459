package consumer

import (
	"math/rand/v2"
	"net/url"
	"strings"
	"time"

	"github.com/redeliver/redeliver/breaker"
)

// Parts watch a dependency part by part: by tenant, by host. The breaker of one part that opens does not pause partitions: records
// of that part are put off over the retry topics until it probes, without using an attempt, and all others go on. The
// breaker of the whole then only tells what it would do (it is in [breaker.MetricsOnly]): where the dependency fails as a
// whole, part after part opens and what waits is copied to the retry topics, unless somebody forces it open.
type Parts struct {
	// By says which part a record belongs to; nil: the dependency is watched as a whole. It is called for each record, from
	// several goroutines, before the handler.
	By func(*Record) string
	// Most is how many parts are known at once. Closed ones that were used longest ago give way; when none is closed, the
	// others share one breaker. Defaults to 1000.
	Most int
}

// ByTenant is the tenant that producers name in the header redeliver-tenant.
func ByTenant(r *Record) string { return r.JobHeader("tenant") }

// ByHeader is the value of the last header of that name.
func ByHeader(name string) func(*Record) string {
	return func(r *Record) string {
		value, _ := r.Header(name)
		return string(value)
	}
}

// ByHost is the host of the URL in the last header of that name, in lower case and without its port.
func ByHost(name string) func(*Record) string {
	return func(r *Record) string {
		value, _ := r.Header(name)
		u, err := url.Parse(string(value))
		if err != nil {
			return ""
		}
		return strings.ToLower(u.Hostname())
	}
}

// parts are the breakers of a dependency that is watched part by part.
type parts struct {
	by     func(*Record) string
	family *breaker.Family
}

func newParts(r *breaker.Registry, c breaker.Config, by Parts) (*parts, error) {
	family, err := r.Family(c, by.Most)
	if err != nil {
		return nil, err
	}
	return &parts{by: by.By, family: family}, nil
}

// partCall is a call that has begun for a record, as the breakers of its parts know it. Without such breakers it is zero.
type partCall struct {
	of []partPermit
}

type partPermit struct {
	dependency *dependency
	breaker    *breaker.Breaker
	permit     breaker.Permit
}

// enterParts asks the breakers of the record's parts. Where one refuses it returns why, and until when.
func (p *Pipeline) enterParts(r *Record) (c partCall, refused *RefusedError) {
	if !p.parted {
		return c, nil
	}
	for _, d := range p.deps {
		if d.parts == nil {
			continue
		}
		b := d.parts.family.Get(d.parts.by(r))
		permit, ok := b.Acquire()
		if !ok {
			for _, before := range c.of {
				before.breaker.Cancel(before.permit)
			}
			return partCall{}, refusal(b)
		}
		c.of = append(c.of, partPermit{d, b, permit})
	}
	return c, nil
}

// partSoon is when a record is looked at again whose part is just being probed, and partJitter by what part of the wait
// records come back after one another.
const (
	partSoon   = time.Second
	partJitter = 0.1
)

// refusal says until when a record is put off that the breaker of its part refuses.
func refusal(b *breaker.Breaker) *RefusedError {
	s := b.Snapshot()
	wait := partSoon
	switch s.State {
	case breaker.Open:
		wait = max(time.Until(s.OpenUntil), partSoon)
	case breaker.ForcedOpen:
		wait = max(b.Config().OpenFor, partSoon)
	}
	wait += time.Duration(rand.Float64() * partJitter * float64(wait))
	return &RefusedError{Dependency: s.Dependency, State: s.State, until: time.Now().Add(wait), part: true}
}

// leaveParts ends a call for a record with what it came to. It returns the error that the record is judged by: where the failure
// opened the breaker of a part, or ended while that was not closed, the record is put off like those that are refused.
func (p *Pipeline) leaveParts(c partCall, r *Record, again bool, err error, took time.Duration) error {
	if len(c.of) == 0 {
		return err
	}
	if err == nil {
		for _, one := range c.of {
			one.breaker.Record(one.permit, breaker.Success, took)
		}
		return nil
	}
	f := readError(p.classifier, p.failedFor(r, p.cfg.Breaker.Dependency), err)
	accused := p.accused(&f)
	for _, one := range c.of {
		if one.dependency != accused || !p.speaksAgainst(&f) {
			one.breaker.Record(one.permit, breaker.Ignored, took)
			continue
		}
		outcome := breaker.Failure
		if again {
			outcome = breaker.FailureAgain
		}
		if !one.breaker.Record(one.permit, outcome, took).Admits() {
			err = &putOffError{err: err, refusal: refusal(one.breaker)}
		}
	}
	return err
}

// cancelParts gives the permits of a call back that has come to nothing.
func (c partCall) cancel() {
	for _, one := range c.of {
		one.breaker.Cancel(one.permit)
	}
}

// putOffError is a failure that uses no attempt, for the breaker of its record's part is not closed.
type putOffError struct {
	err     error
	refusal *RefusedError
}

func (e *putOffError) Error() string { return e.err.Error() }

func (e *putOffError) Unwrap() error { return e.err }

// onPart follows the breakers of a dependency's parts. They hold nothing but their own records. What a part is called comes from its
// records' headers: the log has it in detail only, and status tells who may see it.
func (p *Pipeline) onPart(dependency string, e breaker.Event) {
	if times, loud := p.repeats.again("part "+e.To.String(), dependency); loud {
		p.log.Warn("breaker of a part", "pipeline", p.cfg.Name, "dependency", dependency, "from", e.From, "to", e.To, "why", e.Why, "times", times)
	}
	p.log.Debug("which part a breaker is of", "pipeline", p.cfg.Name, "dependency", e.Dependency, "from", e.From, "to", e.To)
	for _, h := range p.hooks.breaker {
		h.OnBreaker(p.cfg.Name, e)
	}
}

// putOff sends a record whose part is not to be called over the retry topics, as a snooze does: it uses no attempt.
func (p *Pipeline) putOff(st *strand, e *entry, f *failedCall, began, now time.Time) (stays bool) {
	p.ensureState(e)
	p.countHeld(e, now)
	if f.refused == nil { // it was called
		p.meter.free()
		p.told(e, f, true, now.Sub(began))
	}
	s := situation{failedCall: *f, state: e.state, now: now, schedule: p.schedule}
	d := s.wait(verbSnooze, f.putOff.until.Sub(now), e.state.Counts)
	return p.carryOut(st, e, d, f.err, now)
}

// shownParts bounds how many parts Stats lists.
const shownParts = 20

func partStats(d *dependency) PartStats {
	all := d.parts.family.All()
	s := PartStats{Dependency: d.name, Known: len(all), States: make(map[breaker.State]int)}
	for _, b := range all {
		state := b.State()
		s.States[state]++
		if state != breaker.Closed && len(s.NotClosed) < shownParts {
			s.NotClosed = append(s.NotClosed, b.Snapshot())
		}
	}
	return s
}
