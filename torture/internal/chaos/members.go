package chaos

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/redeliver/redeliver/torture/internal/member"
	"github.com/redeliver/redeliver/torture/internal/upset"
)

// seat is the place of a member, that lives there one life after another.
type seat struct {
	name     string
	instance string // of a static member: each life replaces the one before
	proxies  *proxies
	tiers    int

	lives    int
	p        *process
	producer *atomic.Pointer[string] // its transactional id; nil in it: it has none yet
	gone     chan struct{}           // closed when its end is wanted, so that nobody wonders
}

// life is the name of the member that lives there now.
func (s *seat) life() string { return s.p.name }

// sit starts the seat's next life.
func (r *run) sit(s *seat) error {
	s.lives++
	p, err := start(r.dir, "member", fmt.Sprintf("%s-%d", s.name, s.lives), member.Config{
		Name: fmt.Sprintf("%s-%d", s.name, s.lives), Brokers: r.cluster.nodes, Proxies: s.proxies.byBroker(),
		Service: r.service.address, Group: group, Topic: topic, Tiers: s.tiers, Instance: s.instance, Protocol: r.c.Protocol, ExactlyOnce: r.c.exactlyOnce(), HoldKey: r.c.HoldKey,
	})
	if err != nil {
		return err
	}
	if line, err := p.lines.ReadString('\n'); err != nil || line != member.Ready {
		return fmt.Errorf("%w: it said %q", p.died(), line)
	}
	gone, producer := make(chan struct{}), new(atomic.Pointer[string])
	s.p, s.gone, s.producer = p, gone, producer
	r.watchers.Go(func() {
		for line, err := p.lines.ReadString('\n'); err == nil; line, err = p.lines.ReadString('\n') {
			if id, ok := strings.CutPrefix(line, member.Transactional); ok {
				id = strings.TrimSuffix(id, "\n")
				producer.Store(&id)
			}
		}
	})
	r.watchers.Go(func() {
		<-p.ended
		select {
		case <-gone:
		default:
			r.abort(p.died()) // which no fault of Kafka is a reason for
		}
	})
	return nil
}

// killed ends a life with SIGKILL.
func (r *run) killed(s *seat) {
	number := r.diary.Begin(upset.Kill, s.life(), "")
	close(s.gone)
	s.p.kill()
	r.diary.End(number)
	if r.inTransaction(s) {
		r.diary.Inside(number)
	}
}

// inTransaction reports whether brokers say that a transaction of the life in a seat is open.
func (r *run) inTransaction(s *seat) bool {
	id := s.producer.Load()
	if id == nil {
		return false
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second) // after which they abort it soon, and the next life may be wanted
	defer cancel()
	all, err := r.admin.DescribeTransactions(ctx, *id)
	return err == nil && all[*id].Err == nil && all[*id].State == "Ongoing"
}

// awaitTransaction waits a while until a transaction of the member is open.
func (r *run) awaitTransaction(ctx context.Context, s *seat) {
	for until := time.Now().Add(2 * time.Second); time.Now().Before(until) && ctx.Err() == nil; {
		if s.producer.Load() == nil || r.inTransaction(s) {
			return
		}
	}
}

// stopPatience is how long a member may take to end as it should. It has to drain, commit and leave, and brokers may be
// away meanwhile.
const stopPatience = 90 * time.Second

// stopped ends a life with SIGTERM, as a deployment does.
func (r *run) stopped(s *seat) {
	number := r.diary.Begin(upset.Stop, s.life(), "")
	close(s.gone)
	s.p.signal(syscall.SIGTERM)
	select {
	case <-s.p.ended:
		if s.p.err != nil {
			r.fault(fmt.Errorf("%s ended with %w after SIGTERM; its log is %s", s.life(), s.p.err, s.p.log))
		}
	case <-time.After(stopPatience):
		r.fault(fmt.Errorf("%s has not ended %v after SIGTERM; what it was doing stands in %s", s.life(), stopPatience, s.p.log))
		s.p.signal(syscall.SIGQUIT)
		<-s.p.ended
	}
	r.diary.End(number)
}

// restart ends a life and begins the next after a while.
func (r *run) restart(ctx context.Context, s *seat, end func(*seat), after time.Duration) error {
	end(s)
	pause(ctx, after)
	return r.sit(s)
}

// awaitWork waits a while until the member is at work: a kill that hits an idle one proves nothing.
func (r *run) awaitWork(ctx context.Context, s *seat) {
	for range 100 {
		if r.working(s) || ctx.Err() != nil {
			return
		}
		pause(ctx, 100*time.Millisecond)
	}
}

// await waits a while for a moment of a member: a call that begins, or a failure after which a copy will be written; and
// then some milliseconds, for to hit what follows at any point.
func (r *run) await(ctx context.Context, moment string, s *seat) {
	r.turn.Lock() // the service watches for one moment
	defer r.turn.Unlock()
	if err := r.service.tell(moment + " " + s.life()); err != nil {
		return // the service is gone, which ends the run
	}
	wait := time.NewTimer(5 * time.Second) // a member that is cut off may have nothing to do
	defer wait.Stop()
	for {
		select {
		case name := <-r.service.seen:
			if name == s.life() {
				pause(ctx, time.Duration(rand.IntN(6000))*time.Microsecond)
				return
			}
		case <-wait.C:
			return
		case <-ctx.Done():
			return
		}
	}
}

// replaced stops a life for a while, begins the next meanwhile, and lets the old one go on beside it: it must do no harm.
// In the end it is killed, for whoever runs it would have replaced it for good.
func (r *run) replaced(ctx context.Context, s *seat, lasts time.Duration) error {
	old := s.p
	number := r.diary.Begin(upset.Pause, s.life(), "replaced meanwhile")
	old.signal(syscall.SIGSTOP)
	close(s.gone)
	err := r.sit(s)
	pause(ctx, lasts)
	old.signal(syscall.SIGCONT)
	pause(ctx, 5*time.Second)
	old.kill()
	r.diary.End(number)
	return err
}

// during does something to a member and undoes it after a while.
func (r *run) during(ctx context.Context, k upset.Kind, s *seat, lasts time.Duration, do func() error, undo func() error) error {
	number := r.diary.Begin(k, s.life(), "")
	if err := do(); err != nil {
		return err
	}
	pause(ctx, lasts)
	err := undo()
	r.diary.End(number)
	return err
}

// pause waits, or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
