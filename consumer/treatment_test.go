//go:build synctests

package consumer

import (
	"context"
	"errors"
	"regexp"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/classify"
	"github.com/redeliver/redeliver/retrytopics"
)

// TestRulesKnowWhoseRecordItIs classifies by headers and job, in the source and out of a retry topic, and has the class, its
// severity and the override's count travel.
func TestRulesKnowWhoseRecordItIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := onBench(t, failing, func(c *Config) {
			c.Breaker.Dependency = "ledger"
			c.Classify = classify.Rules{
				classify.When(classify.System, classify.Tenant("acme"), classify.Header("region", regexp.MustCompile("^eu")), classify.Topic(testTopic), classify.Dependency("ledger")).
					Treated(classify.Treatment{Severity: classify.Critical}),
			}
			c.Retry.Overrides = []retrytopics.Override{{Job: classify.Job{Tenant: "acme"}, Strategy: retrytopics.Fixed{Wait: 10 * time.Second}}}
		})
		source, tier := w.lane(0, 0), w.lane(0, time.Second)
		headers := []kgo.RecordHeader{{Key: "region", Value: []byte("us")}, {Key: "region", Value: []byte("eu-1")}, {Key: retrytopics.HeaderJobTenant, Value: []byte("acme")}}
		w.p.received(source, []*kgo.Record{{Topic: testTopic, Key: []byte("a"), Headers: headers}, {Topic: testTopic, Key: []byte("b"), Offset: 1}}, time.Now())
		again := w.copyOf(tier, 0, "c", retrytopics.State{Attempt: 1, Due: time.Now(), FirstFailed: time.Now()})
		again.Headers = append(headers[:len(headers):len(headers)], again.Headers...)
		w.p.received(tier, []*kgo.Record{again}, time.Now())
		synctest.Wait()

		got := map[string]string{}
		for _, c := range w.produced() {
			s, err := retrytopics.Decode(c)
			if err != nil {
				t.Fatal(err)
			}
			got[string(c.Key)] = s.Class.String() + " " + s.Severity.String() + " " + s.Counts.String()
		}
		want := map[string]string{"a": "system critical tenant:acme=1", "b": "transient low ", "c": "system critical tenant:acme=1"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("copies (-want +got)\n%s", diff)
		}
		var failures []FailureCount
		for _, f := range w.p.Stats().Failures {
			if f.Count > 0 {
				failures = append(failures, f)
			}
		}
		if diff := cmp.Diff([]FailureCount{{classify.Transient, classify.Low, 1}, {classify.System, classify.Critical, 2}}, failures); diff != "" {
			t.Errorf("failures (-want +got)\n%s", diff)
		}
	})
}

var errForbidden = errors.New("forbidden")

// failing fails every call.
var failing = HandlerFunc(func(context.Context, *Record) error { return errForbidden })

// TestWhatIsHeldByItsClassIsReleased holds records whose failures are to be held, each in its place, until an operator lets them go.
func TestWhatIsHeldByItsClassIsReleased(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mended atomic.Bool
		w := onBench(t, HandlerFunc(func(_ context.Context, r *Record) error {
			if mended.Load() || string(r.Key) == "good" {
				return nil
			}
			return classify.Mark(errForbidden, classify.Authentication)
		}), func(c *Config) {
			c.Breaker.Disabled = true
			c.Classes = classify.Treatments{classify.Authentication: {Handling: classify.Hold}}
		})
		source, tier := w.lane(0, 0), w.lane(0, time.Second)
		w.feed(source, "a", "good", "b", "good")
		w.feedState(tier, "c", retrytopics.State{Attempt: 2, Due: time.Now(), FirstFailed: time.Now()})
		pass(time.Hour)
		s := w.p.Stats()
		equal(t, "held", s.HeldByPolicy, 3)
		equal(t, "asked for", s.Exhausted[0].Asked, true)
		equal(t, "severity", s.Exhausted[0].Severity, classify.Critical)
		equal(t, "dead letters", len(w.produced()), 0)
		equal(t, "handled beside them", s.Completed, 2)
		equal(t, "watermark", w.watermark(source), 0)

		if err := w.p.Release(testTopic, 0, 0); err != nil {
			t.Fatal(err)
		}
		pass(time.Second)
		equal(t, "held once more", w.p.Stats().HeldByPolicy, 3)
		equal(t, "attempts begin anew", w.p.Stats().Exhausted[2].Attempts, 1)

		mended.Store(true)
		if err := w.p.Release(testTopic, 0, 0); err != nil {
			t.Fatal(err)
		}
		pass(time.Second)
		equal(t, "watermark after one release", w.watermark(source), 2)
		equal(t, "released", w.p.ReleaseAll(), 2)
		pass(time.Second)
		equal(t, "watermark after all", w.watermark(source), 4)
		equal(t, "watermark of the tier", w.watermark(tier), 1)
		equal(t, "held in the end", w.p.Stats().HeldByPolicy, 0)
		equal(t, "released twice", w.p.ReleaseAll(), 0)
		var not *NotHeldError
		if err := w.p.Release(testTopic, 0, 0); !errors.As(err, &not) || !not.Release {
			t.Errorf("released twice: got %v", err)
		}
	})
}

// TestWhatIsDroppedByItsClass leaves no copy and holds nobody up.
func TestWhatIsDroppedByItsClass(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := onBench(t, failing, func(c *Config) { c.Classes = classify.Treatments{classify.Transient: {Handling: classify.Drop}} })
		l := w.lane(0, 0)
		w.feed(l, "a", "b")
		pass(time.Minute)
		equal(t, "dropped", w.p.Stats().Dropped, 2)
		equal(t, "copies", len(w.produced()), 0)
		equal(t, "watermark", w.watermark(l), 2)
	})
}
