package breaker_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/redeliver/redeliver/breaker"
)

func TestForce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, e := setup(t, breaker.Config{Failures: 1})
		steps := []struct {
			do    string
			f     func()
			want  breaker.State
			event string
		}{
			{"forced open", func() { b.Force(breaker.ForcedOpen) }, breaker.ForcedOpen, "closed>forced_open"},
			{"it stays", func() { advance(time.Hour) }, breaker.ForcedOpen, ""},
			{"once more is nothing", func() { b.Force(breaker.ForcedOpen) }, breaker.ForcedOpen, ""},
			{"auto", b.Auto, breaker.Closed, "forced_open>closed"},
			{"auto when measuring is nothing", b.Auto, breaker.Closed, ""},
			{"disabled", func() { b.Force(breaker.Disabled) }, breaker.Disabled, "closed>disabled"},
			{"failures do not matter", func() { play(t, b, times(50, "F")) }, breaker.Disabled, ""},
			{"but are seen", func() {
				if s := b.Snapshot(); s.Failures != 50 || s.Slow != 50 {
					t.Errorf("got %+v", s)
				}
			}, breaker.Disabled, ""},
			{"closed once", func() { b.Force(breaker.Closed) }, breaker.Closed, "disabled>closed"},
			{"and measuring afresh", func() { play(t, b, "s") }, breaker.Closed, ""},
			{"from there it opens", func() { play(t, b, "f") }, breaker.Open, "closed>open"},
			{"closed by hand stops the timer", func() { b.Force(breaker.Closed); advance(time.Hour) }, breaker.Closed, "open>closed"},
			{"opened by hand", func() { b.Force(breaker.Open) }, breaker.Open, "closed>open"},
			{"probes after its time", func() { advance(30 * time.Second) }, breaker.HalfOpen, "open>half_open"},
			{"forced open while it probes", func() { b.Force(breaker.ForcedOpen) }, breaker.ForcedOpen, "half_open>forced_open"},
			{"probing by hand", func() { b.Force(breaker.HalfOpen) }, breaker.HalfOpen, "forced_open>half_open"},
			{"all probes are there", func() { play(t, b, "sss") }, breaker.Closed, "half_open>closed"},
			{"no state", func() { b.Force(99) }, breaker.Closed, ""},
		}
		for _, s := range steps {
			s.f()
			if got := b.State(); got != s.want {
				t.Errorf("%s: got %v, want %v", s.do, got, s.want)
			}
			if got := e.take(); got != s.event {
				t.Errorf("%s: got the events %q, want %q", s.do, got, s.event)
			}
		}
	})
}

func TestAutoFollowsTheConfiguration(t *testing.T) {
	b, e := setup(t, breaker.Config{Disabled: true})
	b.Force(breaker.Closed)
	b.Force(breaker.ForcedOpen)
	b.Auto()
	if got := e.take(); got != "disabled>closed closed>forced_open forced_open>disabled" {
		t.Errorf("got %q", got)
	}
}

func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, e := setup(t, breaker.Config{Failures: 1})
		p, _ := b.Acquire()
		play(t, b, "f")
		b.Close()
		b.Close()
		advance(time.Hour) // its timer is stopped
		b.Force(breaker.Closed)
		b.Auto()
		b.Successes(3, 0)
		if got := b.Record(p, breaker.Success, 0); got != breaker.Open {
			t.Errorf("a closed breaker moved to %v", got)
		}
		if got := e.take(); got != "closed>open" {
			t.Errorf("got %q", got)
		}
		if got := b.Succeeded(); got != 4 {
			t.Errorf("%d successes, want 4", got)
		}

		c, _ := setup(t, breaker.Config{Failures: 1})
		c.Close()
		play(t, c, "fffsss")
		if s := c.Snapshot(); s.State != breaker.Closed || s.Calls != 0 || s.Succeeded != 3 {
			t.Errorf("a breaker closed while well admits calls and counts no more: %+v", s)
		}
	})
}
