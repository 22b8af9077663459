//go:build synctests

package consumer

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redeliver/redeliver/adaptive"
	"github.com/redeliver/redeliver/classify"
	"github.com/redeliver/redeliver/retrytopics"
)

// adaptively is a pipeline with an exponential policy whose delays are learned.
func adaptively(c *Config) {
	c.Breaker.Disabled = true
	c.Adaptive.AttemptCost = 3 // so that none is made only because little is known
	c.Retry = retrytopics.Policy{Strategy: retrytopics.Exponential{}, Adaptive: true, NoJitter: true}
}

// recovering hands a copy to a tier that has failed at once and again a time ago, and is due now.
func (w *workbench) recovering(l *lane, first, last time.Duration, s retrytopics.State) {
	now := time.Now()
	s.Attempt, s.Class = 2, classify.Transient
	s.Due, s.FirstFailed = now, now.Add(-first)
	s.History = []retrytopics.Try{{N: 2, At: now.Add(-last).UnixMilli(), Class: "transient"}}
	w.feedState(l, "a", s)
	pass(time.Hour)
}

// delayOf is for how long a copy waits from now on.
func delayOf(t *testing.T, w *workbench) time.Duration {
	t.Helper()
	copies := w.produced()
	s, err := retrytopics.Decode(copies[len(copies)-1])
	if err != nil {
		t.Fatal(err)
	}
	return s.Due.Sub(s.FirstFailed)
}

func TestARecordWaitsForAsLongAsOthersTookToRecover(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fail := true
		w := onBench(t, HandlerFunc(func(_ context.Context, r *Record) error {
			if fail {
				return classify.Mark(errForbidden, classify.Transient)
			}
			return nil
		}), adaptively)
		source, tier := w.lane(0, 0), w.lane(0, time.Second)
		w.feed(source, "b")
		pass(time.Millisecond)
		equal(t, "delay while nothing is known", delayOf(t, w), time.Second)

		fail = false
		for range 30 { // they failed 30s after their first failure, and succeed after 50s
			w.recovering(tier, 50*time.Second, 20*time.Second, retrytopics.State{})
		}
		lessons := w.p.Stats().Lessons
		equal(t, "lessons", len(lessons), 1)
		equal(t, "dependency", lessons[0].Dependency, testGroup)
		equal(t, "class", lessons[0].Class, classify.Transient)

		fail = true
		for range 30 { // and what is tried again after 25s fails
			w.recovering(tier, 25*time.Second, 25*time.Second, retrytopics.State{})
		}
		w.feed(source, "c")
		pass(time.Millisecond)
		if d := delayOf(t, w); d < 10*time.Second || d > time.Minute {
			t.Errorf("a record waits %v after its first failure; others recovered 30s to 50s after theirs", d)
		}
		last := w.p.Stats().Lessons[0].Last
		equal(t, "the advice that is told", last.Delay.Round(time.Millisecond), delayOf(t, w))
	})
}

func TestWhatIsLearnedGoesToTheDependencyThatFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := onBench(t, succeed, adaptively)
		tier := w.lane(0, time.Second)
		w.recovering(tier, 50*time.Second, 20*time.Second, retrytopics.State{})
		w.recovering(tier, 50*time.Second, 20*time.Second, retrytopics.State{Dependency: "ledger"})
		lessons := w.p.Stats().Lessons
		equal(t, "lessons", len(lessons), 2)
		equal(t, "that of the failure", lessons[1].Dependency, "ledger")
	})
}

func TestNothingIsLearnedUnlessThePolicyIsAdaptive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := onBench(t, succeed)
		w.recovering(w.lane(0, time.Second), 50*time.Second, 20*time.Second, retrytopics.State{})
		equal(t, "lessons", len(w.p.Stats().Lessons), 0)
	})
}

// A copy says which dependency failed only where that is not the first, so that most copies are no larger.
func TestTheStateSaysWhichDependencyFailed(t *testing.T) {
	schedule, err := retrytopics.Policy{Adaptive: true}.Compile()
	if err != nil {
		t.Fatal(err)
	}
	l := newLearning(adaptive.Config{}, schedule, "payments")
	s := retrytopics.State{Class: classify.Network}
	l.charge(&s, "ledger")
	equal(t, "the second", s.Dependency, "ledger")
	equal(t, "its key", l.key(&s), adaptive.Key{Dependency: "ledger", Class: classify.Network})
	l.charge(&s, "payments")
	equal(t, "the first", s.Dependency, "")
	equal(t, "its key", l.key(&s), adaptive.Key{Dependency: "payments", Class: classify.Network})
}
