package fleet

import (
	"context"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redeliver/redeliver/breaker"
)

// give gives an order through one member.
func (f *fleetOf) give(t *testing.T, through int, o Order) {
	t.Helper()
	if o.Wish != Pause && o.Wish != Resume {
		o.Dependency = dependency
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := f.members[through].Give(ctx, o); err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Second)
}

// TestOrdersReachAllAndOutliveThem keeps breakers open and closed by orders through any member, for those too that start later.
func TestOrdersReachAllAndOutliveThem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		config := breaker.Config{}
		f := start(t, 5, config, nil)
		defer f.stop()
		time.Sleep(time.Second)
		f.give(t, 2, Order{Wish: KeepOpen, By: "ann@desk"})
		f.all(t, "after open", breaker.ForcedOpen)
		if why := f.breakers[4].Snapshot().Why; !strings.Contains(why, "kept open in the fleet by ann@desk") {
			t.Errorf("it is open since it was %q", why)
		}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		late := f.join(t, ctx, config, nil)
		<-late.Ready()
		f.all(t, "as soon as a late one is ready", breaker.ForcedOpen)
		if s := late.Status(); s.Breakers[0].Order.By != "ann@desk" || s.Breakers[0].Order.Wish != KeepOpen || s.Breakers[0].Order.At.IsZero() {
			t.Errorf("the late one tells of %+v", s.Breakers)
		}
		f.give(t, 0, Order{Wish: KeepClosed})
		f.all(t, "after close", breaker.Disabled)
		f.service.set(true)
		time.Sleep(time.Minute)
		f.all(t, "while it is kept closed", breaker.Disabled)
		f.give(t, 1, Order{Wish: Measure})
		time.Sleep(10 * time.Second)
		f.all(t, "when it measures again", breaker.Open)
		cancel()
	})
}

// TestAutoEndsTheEpisodeFromBefore orders a breaker open that was open, and lets it measure when the service is well: nobody
// waits for the old episode.
func TestAutoEndsTheEpisodeFromBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := start(t, 3, breaker.Config{OpenFor: time.Hour}, nil)
		defer f.stop()
		f.service.set(true)
		time.Sleep(10 * time.Second)
		f.all(t, "in an outage", breaker.Open)
		f.give(t, 0, Order{Wish: KeepOpen})
		f.service.set(false)
		f.give(t, 0, Order{Wish: Measure})
		f.all(t, "after auto", breaker.Closed)
	})
}

// pipelineFake notes what it is told.
type pipelineFake struct {
	mu   sync.Mutex
	told []string
}

func (p *pipelineFake) Name() string  { return "orders" }
func (p *pipelineFake) Group() string { return "g" }
func (p *pipelineFake) Pause()        { p.note("pause") }
func (p *pipelineFake) Resume(n int)  { p.note("resume " + strings.Repeat("+", n)) }
func (p *pipelineFake) note(s string) { p.mu.Lock(); p.told = append(p.told, s); p.mu.Unlock() }

// TestAPauseHoldsAfterARestart pauses a pipeline, which a process that starts later finds paused; what a resume lets through is
// for those only who run then.
func TestAPauseHoldsAfterARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLog()
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		defer wg.Wait()
		defer cancel()
		join := func() (*Member, *pipelineFake) {
			m, p := newMember(slog.New(slog.NewTextHandler(io.Discard, nil)), "control", "id", "by", l), new(pipelineFake)
			m.Steer(p)
			wg.Go(func() { m.run(ctx, time.Second) })
			<-m.Ready()
			return m, p
		}
		told := func(who string, p *pipelineFake, want ...string) {
			t.Helper()
			time.Sleep(time.Second)
			p.mu.Lock()
			defer p.mu.Unlock()
			if !slices.Equal(p.told, want) {
				t.Errorf("%s was told %q, want %q", who, p.told, want)
			}
		}
		one, first := join()
		if err := one.Give(ctx, Order{Wish: Pause, Group: "g"}); err != nil {
			t.Fatal(err)
		}
		told("the first", first, "pause")
		_, second := join()
		second.mu.Lock()
		if len(second.told) != 1 {
			t.Errorf("it was ready before it was paused: %q", second.told)
		}
		second.mu.Unlock()
		if err := one.Give(ctx, Order{Wish: Resume, Group: "g", Admit: 2}); err != nil {
			t.Fatal(err)
		}
		told("the first", first, "pause", "resume ++")
		told("the second", second, "pause", "resume ++")
		_, third := join()
		told("one that starts after that", third)
	})
}

func TestAnOrderForNobodyIsRefused(t *testing.T) {
	m := newMember(slog.New(slog.NewTextHandler(io.Discard, nil)), "control", "id", "by", newLog())
	for _, o := range []Order{{Wish: KeepOpen}, {Wish: Pause, Dependency: "d"}, {Wish: "smash", Dependency: "d"}, {Wish: Resume, Group: "g", Admit: -1}, {Wish: Pause, Group: "\xff"}} {
		if err := m.Give(t.Context(), o); err == nil {
			t.Errorf("%+v was given", o)
		}
	}
}
