package chaos

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/redeliver/redeliver/torture/internal/member"
	"github.com/redeliver/redeliver/torture/internal/upset"
	"github.com/redeliver/redeliver/torture/internal/verify"
)

// do carries a step out. It returns when everything that the step has broken works again.
func (r *run) do(ctx context.Context, st step) error {
	s := r.seats[st.member]
	switch st.verb {
	case killMember:
		r.awaitWork(ctx, s)
		r.await(ctx, "call", s)
		return r.restart(ctx, s, r.killed, st.lasts)
	case killRouting:
		r.awaitWork(ctx, s)
		r.await(ctx, "failure", s)
		r.awaitTransaction(ctx, s)
		return r.restart(ctx, s, r.killed, st.lasts)
	case stopMember:
		return r.restart(ctx, s, r.stopped, st.lasts)
	case pauseMember:
		return r.during(ctx, upset.Pause, s, st.lasts,
			func() error { s.p.signal(syscall.SIGSTOP); return nil },
			func() error { s.p.signal(syscall.SIGCONT); return nil })
	case replaceMember:
		return r.replaced(ctx, s, st.lasts)
	case cutMember:
		return r.during(ctx, upset.CutOff, s, st.lasts, func() error { s.proxies.cut(); return nil }, s.proxies.mend)
	case silence:
		return r.during(ctx, upset.Silence, s, st.lasts, s.proxies.silence, s.proxies.calm)
	case slowMember:
		return r.during(ctx, upset.Slow, s, st.lasts, func() error { return s.proxies.slow(200 * time.Millisecond) }, s.proxies.calm)
	case resetLink:
		return r.during(ctx, upset.Reset, s, 0, func() error { return s.proxies.reset(st.broker) }, func() error { return nil })
	case killBroker:
		return r.broker(ctx, upset.BrokerEnd, st, "kill", "restart")
	case pauseBroker:
		return r.broker(ctx, upset.BrokerNap, st, "pause", "cont")
	case stopBroker: // restart is also what stops it
		return r.broker(ctx, upset.BrokerBye, st, "", "restart")
	case growSource:
		return r.grow(ctx)
	case tierAway:
		return r.retier(ctx, upset.TierAway, 1)
	case tierBack:
		return r.retier(ctx, upset.TierBack, len(member.Tiers()))
	case remake:
		return r.remake(ctx)
	case roll:
		return r.roll(ctx)
	}
	return fmt.Errorf("no step %q", st.verb)
}

// broker does something to a broker and undoes it.
func (r *run) broker(ctx context.Context, k upset.Kind, st step, do, undo string) error {
	n := fmt.Sprint(st.broker + 1)
	number := r.diary.Begin(k, "", n)
	if do != "" {
		if err := r.cluster.do(ctx, do, n); err != nil {
			if ctx.Err() != nil {
				return err
			}
			r.say("        broker %s has ended by itself, or by somebody else: %v", n, err)
		}
		pause(ctx, st.lasts)
	}
	if err := r.cluster.do(ctx, undo, n); err != nil {
		return err
	}
	r.diary.End(number)
	return nil
}

// grow gives the source two more partitions.
func (r *run) grow(ctx context.Context) error {
	number := r.diary.Begin(upset.Grow, "", "")
	err := r.eventually(ctx, "the source to grow", func(ctx context.Context) error {
		responses, err := r.admin.CreatePartitions(ctx, 2, topic)
		if err != nil {
			return err
		}
		_, err = responses.On(topic, func(p *kadm.CreatePartitionsResponse) error { return p.Err })
		return err
	})
	r.diary.End(number)
	return err
}

// retier restarts the members, one after the other, with another number of tiers.
func (r *run) retier(ctx context.Context, k upset.Kind, tiers int) error {
	number := r.diary.Begin(k, "", "")
	defer r.diary.End(number)
	for _, s := range r.seats {
		s.tiers = tiers
		if err := r.restart(ctx, s, r.stopped, 0); err != nil {
			return err
		}
	}
	return nil
}

// roll restarts the members as a deployment does, each once the one before has caught up, when nothing else is wrong.
func (r *run) roll(ctx context.Context) error {
	if err := r.calm(ctx); err != nil {
		return err
	}
	for _, s := range r.seats {
		if err := r.restart(ctx, s, r.stopped, 0); err != nil {
			return err
		}
		if err := r.calm(ctx); err != nil {
			return err
		}
	}
	return nil
}

// calm waits until all members are at work, and the last upset is so long ago that it excuses nothing any more.
func (r *run) calm(ctx context.Context) error {
	err := r.eventually(ctx, "all members to be at work", func(context.Context) error {
		for _, s := range r.seats {
			if !r.working(s) {
				return fmt.Errorf("%s has not been called yet", s.life())
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	if last := r.diary.Last(); !last.IsZero() {
		pause(ctx, time.Until(last.Add(tail+time.Second)))
	}
	return ctx.Err()
}

// working reports whether the life in a seat has handled anything.
func (r *run) working(s *seat) bool { return r.verifier.latest().Working[s.life()] > 0 }

// errOwed says that records were sentenced whose dead letters are not there.
var errOwed = errors.New("some are on their way")

// remake deletes the dead-letter topic when the verifier has read what is in it. For that nobody must write to it, so the
// service lets no record die for a while, and waits for those that have been sentenced.
func (r *run) remake(ctx context.Context) error {
	number := r.diary.Begin(upset.Remake, "", "")
	defer r.diary.End(number)
	if err := r.service.tell("spare"); err != nil {
		return err
	}
	err := r.eventually(ctx, "the last dead letters", func(ctx context.Context) error {
		pause(ctx, time.Second) // for the verifier to be told of the last sentences
		now, err := r.verifier.ask(ctx, verify.ReadLetters)
		if err == nil && now.Owed > 0 {
			err = errOwed
		}
		if err != nil {
			return err
		}
		_, err = r.admin.DeleteTopic(ctx, letters)
		return err
	})
	if errors.Is(err, errOwed) { // they will not come: the verdict says which are lost
		r.fault(fmt.Errorf("the dead letters are not deleted: %w", err))
		err = nil
	}
	return errors.Join(err, r.service.tell("release"))
}
