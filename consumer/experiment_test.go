//go:build synctests

package consumer

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redeliver/redeliver/classify"
	"github.com/redeliver/redeliver/retrytopics"
)

// trial is a pipeline whose variants wait 1s and 5s, with one retry.
func trial(c *Config) {
	c.Breaker.Disabled = true
	policy := func(d time.Duration) retrytopics.Policy {
		return retrytopics.Policy{Strategy: retrytopics.Fixed{Wait: d}, MaxRetries: 1, NoJitter: true}
	}
	c.Retry = policy(30 * time.Second)
	c.Retry.Experiment = &retrytopics.Experiment{Name: "e", Variants: []retrytopics.Variant{
		{Name: "short", Policy: policy(time.Second)}, {Name: "long", Policy: policy(5 * time.Second)},
	}}
}

// trialKeys returns keys of each variant.
func trialKeys(w *workbench, n int) (short, long []string) {
	for i := 0; len(short) < n || len(long) < n; i++ {
		key := fmt.Sprint("k", i)
		switch v := w.p.schedule.Assign([]byte(key), "", classify.Job{}); {
		case v == "e/short" && len(short) < n:
			short = append(short, key)
		case v == "e/long" && len(long) < n:
			long = append(long, key)
		}
	}
	return short, long
}

// counted adds the clusters of a variant.
func counted(t *testing.T, w *workbench, variant int) (failed uint64, all ClusterStats, recovery Histogram) {
	t.Helper()
	v := w.p.Stats().Experiment.Variants[variant]
	for _, c := range v.Clusters {
		all.Succeeded, all.Dead, all.Other = all.Succeeded+c.Succeeded, all.Dead+c.Dead, all.Other+c.Other
		all.Attempts, all.Seconds = all.Attempts+c.Attempts, all.Seconds+c.Seconds
	}
	return v.Failed, all, v.Recovery
}

func TestARecordIsRetriedAsItsVariantSays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fail := true
		w := onBench(t, HandlerFunc(func(context.Context, *Record) error {
			if fail {
				return classify.Mark(errForbidden, classify.Transient)
			}
			return nil
		}), trial, func(c *Config) { c.DeadLetters.Disabled = true }) // no broker acknowledges a dead letter here
		short, long := trialKeys(w, 2)
		source, tier := w.lane(0, 0), w.lane(0, time.Second)
		w.feed(source, short[0], short[1], long[0], long[1])
		pass(time.Millisecond)
		copies := map[string]retrytopics.State{}
		for _, r := range w.produced() {
			s, err := retrytopics.Decode(r)
			if err != nil {
				t.Fatal(err)
			}
			copies[string(r.Key)] = s
		}
		equal(t, "copies", len(copies), 4)
		for key, want := range map[string]struct {
			variant string
			delay   time.Duration
		}{short[0]: {"e/short", time.Second}, short[1]: {"e/short", time.Second}, long[0]: {"e/long", 5 * time.Second}, long[1]: {"e/long", 5 * time.Second}} {
			s := copies[key]
			equal(t, "variant of "+key, s.Variant, want.variant)
			equal(t, "delay of "+key, s.Due.Sub(s.FirstFailed), want.delay)
		}
		failed, ended, _ := counted(t, w, 0)
		equal(t, "failed", failed, 2)
		equal(t, "ended", ended, ClusterStats{})

		pass(5 * time.Second)
		w.feedState(tier, short[0], copies[short[0]]) // fails again, and dies
		pass(time.Second)
		fail = false
		w.feedState(tier, short[1], copies[short[1]])
		w.feedState(tier, long[0], copies[long[0]])
		pass(time.Second)
		failed, ended, recovery := counted(t, w, 0)
		equal(t, "failed", failed, 2)
		equal(t, "ended", [4]uint64{ended.Succeeded, ended.Dead, ended.Other, ended.Attempts}, [4]uint64{1, 1, 0, 4})
		equal(t, "in the histogram", recovery.Total, 1)
		if ended.Seconds < 6 || ended.Seconds > 6.1 {
			t.Errorf("time to success: %v s, want 6", ended.Seconds)
		}
		_, ended, _ = counted(t, w, 1)
		equal(t, "ended", [4]uint64{ended.Succeeded, ended.Dead, ended.Other, ended.Attempts}, [4]uint64{1, 0, 0, 2})
	})
}

// Whoever would bias the comparison is treated and not counted, or not treated either.
func TestWhatIsNotInTheExperiment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := onBench(t, HandlerFunc(func(context.Context, *Record) error { return classify.Mark(errForbidden, classify.Transient) }), trial, func(c *Config) { c.Retry.MaxRetries = 9 })
		short, _ := trialKeys(w, 1)
		tier := w.lane(0, time.Second)
		now := time.Now()
		for _, tt := range []struct {
			name    string
			state   retrytopics.State
			variant string
			delay   time.Duration
		}{
			{"it failed before the experiment began", retrytopics.State{Attempt: 1, FirstFailed: now.Add(-time.Minute)}, "", 30 * time.Second},
			{"its experiment is over", retrytopics.State{Attempt: 1, FirstFailed: now.Add(-time.Minute), Variant: "old/short"}, "old/short", 30 * time.Second},
			{"its variant is gone", retrytopics.State{Attempt: 1, FirstFailed: now.Add(-time.Minute), Variant: "e/middle"}, "e/middle", 30 * time.Second},
			{"another weight would move it", retrytopics.State{Attempt: 1, Counts: retrytopics.Counts{{Name: "in_place", N: 1}}, FirstFailed: now.Add(-time.Minute), Variant: "e/long"}, "e/long", 0},
			{"it was replayed", retrytopics.State{Replays: 1}, "e/short", time.Second},
		} {
			before := len(w.produced())
			tt.state.Due = time.Now()
			w.feedState(tier, short[0], tt.state)
			pass(time.Hour)
			copies := w.produced()
			if len(copies) != before+1 {
				t.Fatalf("%s: %d copies", tt.name, len(copies)-before)
			}
			s, err := retrytopics.Decode(copies[before])
			if err != nil {
				t.Fatal(err)
			}
			equal(t, tt.name+": variant", s.Variant, tt.variant)
			if tt.delay == 0 {
				equal(t, tt.name+": reason", s.Reason, retrytopics.ReasonExhausted) // as its variant has it
			} else if got := s.Due.Sub(time.UnixMilli(s.History[len(s.History)-1].At)); got != tt.delay {
				t.Errorf("%s: delay %v, want %v", tt.name, got, tt.delay)
			}
		}
		for i := range 2 {
			failed, ended, _ := counted(t, w, i)
			equal(t, "failed", failed, 0)
			equal(t, "ended", ended, ClusterStats{})
		}
	})
}

// A record that is held, for no dead letters are kept, is given up once, whoever releases it.
func TestAReleasedRecordIsCountedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := onBench(t, HandlerFunc(func(context.Context, *Record) error { return classify.Mark(errForbidden, classify.Validation) }), trial, func(c *Config) { c.DeadLetters.Disabled = true })
		short, _ := trialKeys(w, 1)
		w.feed(w.lane(0, 0), short[0])
		pass(time.Second)
		for range 2 {
			failed, ended, _ := counted(t, w, 0)
			equal(t, "failed", failed, 1)
			equal(t, "dead", [2]uint64{ended.Dead, ended.Attempts}, [2]uint64{1, 1})
			equal(t, "released", w.p.ReleaseAll(), 1)
			pass(time.Second)
		}
	})
}

// An attempt that an admission undoes assigns nothing.
func TestAnUndoneAttemptIsNotInTheExperiment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := onBench(t, HandlerFunc(func(context.Context, *Record) error { return classify.Mark(errForbidden, classify.Validation) }), trial, func(c *Config) { c.DeadLetters.Burst = 1 })
		short, _ := trialKeys(w, 3)
		w.feed(w.lane(0, 0), short...)
		pass(time.Second)
		failed, _, _ := counted(t, w, 0)
		equal(t, "failed", failed, 1)
	})
}

func TestARetrierHasNoExperiment(t *testing.T) {
	_, err := NewRetrier("r", RetrierConfig{Policy: retrytopics.Policy{Experiment: &retrytopics.Experiment{}}})
	if err == nil {
		t.Fatal("a retrier with an experiment")
	}
}
