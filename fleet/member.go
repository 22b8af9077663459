package fleet

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/redeliver/redeliver/breaker"
)

// Pipeline is what a member needs of a pipeline that an operator may pause for the whole fleet; *consumer.Pipeline is one.
// Methods are called concurrently.
type Pipeline interface {
	Name() string
	Group() string
	Pause()
	Resume(admit int)
}

// Member is one process's part in a fleet. Make one with [New], give it breakers and pipelines, and [Member.Run] it. All
// methods may be called concurrently.
type Member struct {
	log     *slog.Logger
	topic   string
	id, by  string
	journal journal

	wake  chan struct{}
	ready chan struct{} // closed when the log was read to its end once, or not in time
	once  sync.Once

	mu        sync.Mutex
	state     *State
	next      int64 // the offset after the last record that was applied
	caughtUp  bool  // the log was read to its end
	charges   map[string]*charge
	running   bool
	unfollow  []func()
	pipelines map[string]*steered    // by group
	learners  map[string]*keeping    // by group
	kept      map[subject]*keptOrder // what was known of a log that is no more
	orders    []*giving
	counts    Counts
	patience  time.Duration
	trouble   error // why the topic cannot be reached; nil: it can
	since     time.Time
}

// steered is a pipeline, and the order that it has.
type steered struct {
	Pipeline
	has  Order
	live bool // its latest order was given while this process ran
}

// keptOrder is an order that is missing in a log that was made anew.
type keptOrder struct {
	Order
	at      time.Time // when it is written, unless somebody else has
	writing bool
}

// giving is an order that is being given: done when it was read.
type giving struct {
	offset int64
	done   chan struct{}
}

// Counts are a member's counts since it started.
type Counts struct {
	Applied uint64 // records of the control topic
	Void    uint64 // those that came too late: about an episode that was over, or for a lease that another had
	Ignored uint64 // those of somebody else, or of a later version
	Written uint64
	Failed  uint64 // writes
}

// journal is the control topic as a member uses it.
type journal interface {
	// follow hands on what happens to the log until ctx ends.
	follow(ctx context.Context, to reader)
	// append writes a record and calls done once, with the offset at which it stands.
	append(ctx context.Context, key, value []byte, done func(offset int64, err error))
}

// reader is told of a log, in its order, by one goroutine.
type reader interface {
	begins(after error)                                  // it is read from its beginning, for the first time or since it is not what it was
	reads(offset int64, at time.Time, key, value []byte) // one record
	readTo(end int64)                                    // everything below
	reachable(trouble error)                             // nil: it can be reached, and is read to its end
}

var _ reader = (*Member)(nil)

// newMember makes a member over a journal.
func newMember(log *slog.Logger, topic, id, by string, j journal) *Member {
	return &Member{
		log: log, topic: topic, id: id, by: by, journal: j, state: newState(), since: time.Now(), trouble: errors.New("it was not read yet"),
		wake: make(chan struct{}, 1), ready: make(chan struct{}),
		charges: map[string]*charge{}, pipelines: map[string]*steered{}, learners: map[string]*keeping{}, kept: map[subject]*keptOrder{},
	}
}

// Share makes a breaker the fleet's: it opens and closes with those of its name in all processes. able says whether this
// process has anything to probe the dependency with; nil: always. It is asked about once a second while the breaker is open. While
// the member runs, and only then, its breakers ask before they probe.
func (m *Member) Share(b *breaker.Breaker, able func() bool) {
	if able == nil {
		able = func() bool { return true }
	}
	c := newCharge(b, able, m.id, m.by)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.charges[b.Config().Dependency] = c
	if m.running {
		m.follow(c)
	}
}

// follow lets a breaker ask before it probes, until the end of run.
func (m *Member) follow(c *charge) {
	unfollow := c.breaker.Follow(func(early bool) {
		if early {
			c.early.Store(true)
		}
		m.stir()
	})
	unsubscribe := c.breaker.Subscribe(func(breaker.Event) { m.stir() })
	m.unfollow = append(m.unfollow, unfollow, unsubscribe)
}

// followAll begins to follow all breakers; unfollowAll ends it.
func (m *Member) followAll() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.running = true
	for _, c := range m.charges {
		m.follow(c)
	}
}

func (m *Member) unfollowAll() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, end := range m.unfollow {
		end()
	}
	m.running, m.unfollow = false, nil
}

// Steer lets orders for the whole fleet pause a pipeline. Steer pipelines before Run.
func (m *Member) Steer(p Pipeline) {
	m.mu.Lock()
	m.pipelines[p.Group()] = &steered{Pipeline: p}
	m.mu.Unlock()
}

// Ready is closed when the control topic was read to its end, or could not be for [Config.StartTimeout]: what it says holds from
// then on. Handle records after it.
func (m *Member) Ready() <-chan struct{} { return m.ready }

// run is Run over any journal. patience bounds the wait for the end of the log.
func (m *Member) run(ctx context.Context, patience time.Duration) {
	m.followAll()
	defer m.unfollowAll()
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() { m.journal.follow(ctx, m) })
	late := time.AfterFunc(patience, func() {
		m.once.Do(func() {
			m.mu.Lock()
			why := m.trouble
			m.mu.Unlock()
			m.log.Error("the control topic was not read to its end: this process begins without it, as if nothing was agreed on",
				"topic", m.topic, "waited", patience, "error", why)
			close(m.ready)
		})
	})
	defer late.Stop()
	tick := time.NewTicker(step)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-m.wake:
		}
		m.step(ctx)
	}
}

func (m *Member) stir() {
	select {
	case m.wake <- struct{}{}:
	default:
	}
}

// step does what there is to do. Only run's goroutine calls it, so that moves are made in the order in which they were decided.
func (m *Member) step(ctx context.Context) {
	m.lookAble(time.Now())
	m.mu.Lock()
	moves, known := m.decide(time.Now()), m.caughtUp
	m.mu.Unlock()
	for _, do := range moves { // without the lock: subscribers to a breaker may call back
		do(ctx)
	}
	if known {
		m.once.Do(func() { // what was open or paused is it by now
			m.log.Info("the control topic was read to its end", "topic", m.topic)
			close(m.ready)
		})
	}
}

// lookAble asks whether there is anything to probe with, outside of the lock.
func (m *Member) lookAble(now time.Time) {
	m.mu.Lock()
	var look []*charge
	for _, c := range m.charges {
		if c.breaker.State() == breaker.Open && now.Sub(c.lookedAt) >= ableEvery {
			look = append(look, c)
		}
	}
	m.mu.Unlock()
	for _, c := range look {
		able := c.able()
		m.mu.Lock()
		c.canProbe, c.lookedAt = able, now
		m.mu.Unlock()
	}
}

// decide says what to do now. While the log is not read to its end the last state holds.
func (m *Member) decide(now time.Time) (moves []func(context.Context)) {
	for name, c := range m.charges {
		if !m.caughtUp {
			if c.breaker.State() == breaker.Open && c.adopted == none && c.due.of == none {
				moves = append(moves, c.alone(now)...)
			}
			continue
		}
		c.settle(m.next, now)
		move := c.next(m.state.of(name), m.orderFor(subject{name: name}), now)
		if move.auto {
			moves = append(moves, func(context.Context) { c.breaker.Auto() })
		}
		if move.adopt != nil {
			moves = append(moves, func(context.Context) { c.breaker.Adopt(*move.adopt) })
		}
		if move.record != nil {
			moves = append(moves, m.writeFor(c, *move.record))
		}
	}
	if m.caughtUp {
		moves = append(moves, m.restateKept(now)...)
		moves = append(moves, m.steer()...)
		moves = append(moves, m.keepLearned(now)...)
	}
	return moves
}

// alone lets a breaker probe that opened before it was known what is agreed on.
func (c *charge) alone(now time.Time) []func(context.Context) {
	if now.Before(c.breaker.Snapshot().OpenUntil) {
		return nil
	}
	c.whole = 0
	return []func(context.Context){func(context.Context) {
		c.breaker.Adopt(breaker.Adoption{State: breaker.HalfOpen, Why: "the control topic was not read yet: this process probes by itself"})
	}}
}

// writeFor writes a record about a breaker.
func (m *Member) writeFor(c *charge, r record) func(context.Context) {
	return func(ctx context.Context) {
		m.journal.append(ctx, r.key(), r.value(), func(offset int64, err error) {
			m.mu.Lock()
			m.wrote(r.key(), err)
			c.wrote(offset, err, time.Now())
			m.mu.Unlock()
			m.stir()
		})
	}
}

// wrote counts a write and tells of one that failed.
func (m *Member) wrote(key []byte, err error) {
	if err == nil {
		m.counts.Written++
		return
	}
	m.counts.Failed++
	if errors.Is(err, context.Canceled) {
		return
	}
	m.log.Warn("cannot write to the control topic: will try again", "topic", m.topic, "key", string(key), "error", err)
}

// orderFor returns the order for a breaker or pipeline.
func (m *Member) orderFor(s subject) Order {
	if k := m.kept[s]; k != nil {
		return k.Order
	}
	if s.pipeline {
		return m.state.pipelines[s.name]
	}
	return m.state.of(s.name).order
}

// restateKept writes the orders again that a log lacks which was made anew.
func (m *Member) restateKept(now time.Time) (moves []func(context.Context)) {
	for s, k := range m.kept {
		if k.writing || now.Before(k.at) {
			continue
		}
		r, err := k.record()
		if err != nil {
			delete(m.kept, s)
			continue
		}
		k.writing = true
		moves = append(moves, func(ctx context.Context) {
			m.journal.append(ctx, r.key(), r.value(), func(_ int64, err error) {
				m.mu.Lock()
				m.wrote(r.key(), err)
				k.writing, k.at = false, time.Now().Add(again)
				m.mu.Unlock()
			})
		})
	}
	return moves
}

// steer pauses and resumes the pipelines as the orders say.
func (m *Member) steer() (moves []func(context.Context)) {
	for group, p := range m.pipelines {
		order := m.orderFor(subject{pipeline: true, name: group})
		if order == p.has {
			continue
		}
		had := p.has
		p.has = order
		switch {
		case order.Wish == Pause && had.Wish != Pause:
			m.log.Warn("paused in the fleet", "pipeline", p.Name(), "by", order.By, "at", order.At)
			moves = append(moves, func(context.Context) { p.Pause() })
		case order.Wish == Resume && (p.live || had.Wish == Pause):
			m.log.Warn("resumed in the fleet", "pipeline", p.Name(), "by", order.By, "at", order.At, "admit", order.Admit)
			moves = append(moves, func(context.Context) { p.Resume(order.Admit) })
		}
	}
	return moves
}

// Give gives an order and returns when this process has read it back, and acts on it; the others do at the same time. The
// error says why it may not have been given.
func (m *Member) Give(ctx context.Context, o Order) error {
	r, err := o.record()
	if err != nil {
		return err
	}
	written := make(chan error, 1)
	g := &giving{offset: none, done: make(chan struct{})}
	m.mu.Lock()
	m.orders = append(m.orders, g)
	m.mu.Unlock()
	defer m.given(g)
	m.journal.append(ctx, r.key(), r.value(), func(offset int64, err error) {
		m.mu.Lock()
		m.wrote(r.key(), err)
		if g.offset = offset; err == nil && offset < m.next {
			close(g.done)
			g.offset = none
		}
		m.mu.Unlock()
		written <- err
	})
	select {
	case err = <-written:
	case <-ctx.Done():
		err = ctx.Err()
	}
	if err != nil {
		return fmt.Errorf("the order was not written to the control topic %s: %w", m.topic, err)
	}
	select {
	case <-g.done:
		m.stir()
		return nil
	case <-ctx.Done():
		return fmt.Errorf("the order stands in the control topic %s, but was not read back in time: %w", m.topic, ctx.Err())
	}
}

func (m *Member) given(g *giving) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i, other := range m.orders {
		if other == g {
			m.orders = append(m.orders[:i], m.orders[i+1:]...)
			return
		}
	}
}
