package fleet

import (
	"bytes"
	"log/slog"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redeliver/redeliver/adaptive"
	"github.com/redeliver/redeliver/breaker"
	"github.com/redeliver/redeliver/classify"
)

var api = adaptive.Key{Dependency: dependency, Class: classify.Network}

// learns teaches a learner some outages of twenty seconds, which are over.
func learns(l *adaptive.Learner, outages int) {
	for i := range outages {
		at := time.Now().Add(time.Duration(i-outages) * time.Hour)
		l.Observe(adaptive.Retry{Key: api, From: 15 * time.Second, To: 20 * time.Second, Succeeded: true, At: at})
	}
}

// observations is how much a learner knows.
func observations(l *adaptive.Learner) float64 {
	for _, lesson := range l.Lessons(time.Now()) {
		if lesson.Key == api {
			return lesson.Observations
		}
	}
	return 0
}

// keeps is a member that keeps what the group billing learns.
func (f *fleetOf) keeps(t *testing.T) (*Member, *adaptive.Learner) {
	t.Helper()
	l := adaptive.NewLearner(adaptive.Config{})
	m := newMember(slog.New(slog.DiscardHandler), DefaultTopic, "m", "host-1", f.log)
	m.Keep("billing", l)
	f.wg.Go(func() { m.run(f.ctx, time.Minute) })
	return m, l
}

// written counts the records of what was learned.
func (l *logFake) written() (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.records {
		if isLearned(s.key) {
			n++
		}
	}
	return n
}

func TestWhatWasLearnedOutlivesTheProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := start(t, 0, breaker.Config{}, nil)
		_, before := f.keeps(t)
		time.Sleep(time.Second)
		learns(before, 30)
		time.Sleep(time.Minute)
		f.stop()

		next := start(t, 0, breaker.Config{}, nil)
		next.log = f.log
		defer next.stop()
		m, after := next.keeps(t)
		<-m.Ready()
		if got, want := observations(after), observations(before); got < 0.9*want || want < 10 {
			t.Errorf("after a restart %g observations are known, want %g", got, want)
		}
	})
}

// Twenty processes of one group learn, and one of them writes for all: what they know is of the same outages.
func TestMembersOfAGroupShareWhatTheyLearnAndWriteLittle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := start(t, 0, breaker.Config{}, nil)
		defer f.stop()
		var all []*adaptive.Learner
		for range 20 {
			_, l := f.keeps(t)
			all = append(all, l)
		}
		time.Sleep(time.Second)
		learns(all[0], 40)
		time.Sleep(time.Minute)
		for i, l := range all {
			if got, want := observations(l), observations(all[0]); got < 0.9*want || got > 1.1*want {
				t.Errorf("process %d knows %g observations, want %g", i, got, want)
			}
		}
		for range 100 { // a new outage in a hundred minutes, which all of them see
			time.Sleep(time.Minute)
			for _, l := range all {
				l.Observe(adaptive.Retry{Key: api, From: 15 * time.Second, To: 20 * time.Second, Succeeded: true, At: time.Now()})
			}
		}
		time.Sleep(time.Minute)
		if n := f.log.written(); n < 2 || n > 60 {
			t.Errorf("%d records were written, want a few for each twentieth that is learned", n)
		}
		if got := observations(all[7]); got > 200 {
			t.Errorf("%g observations are known of 140 outages", got)
		}
	})
}

func TestALogThatWasMadeAgainLearnsWhatWasKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := start(t, 0, breaker.Config{}, nil)
		defer f.stop()
		_, l := f.keeps(t)
		time.Sleep(time.Second)
		learns(l, 30)
		time.Sleep(time.Minute)
		f.log.change(func() { f.log.records, f.log.era = nil, f.log.era+1 })
		time.Sleep(time.Minute)
		if n := f.log.written(); n != 1 {
			t.Errorf("%d records stand in the log that was made again, want one", n)
		}
	})
}

// What is damaged, of another version or somebody else's is counted and told, and changes nothing.
func TestWhatCannotBeLearnedFromIsIgnored(t *testing.T) {
	good := learned{group: "billing", memory: adaptive.Memory{Key: api, Observations: 20, Waited: []float64{20}, Recovered: []float64{20}}}
	key := string(good.key())
	for _, tt := range []struct{ name, key, value, why string }{
		{"another version", key, `{"v":2,"observations":20}`, "its version is 2, this program reads 1"},
		{"no JSON", key, `twenty`, "its value is not as it should be"},
		{"no value", key, "", "it has no value"},
		{"too large", key, `{"v":1,"by":"` + strings.Repeat("x", maxValue) + `"}`, "at most 16384 are read"},
		{"for ever", key, `{"v":1,"observations":1e300}`, "it is of 1e+300 observations"},
		{"a number that is none", key, `{"v":1,"observations":1e999}`, "its value is not as it should be"},
		{"more than there is", key, `{"v":1,"observations":2,"waited":[3]}`, "in bucket 0 3 waited of 2"},
		{"a class that is none", "learned/billing/shop/strange", `{"v":1,"observations":20}`, `unknown failure class "strange"`},
		{"no class", "learned/billing/shop", `{"v":1,"observations":20}`, "its key names no group, dependency and class"},
		{"no group", "learned//shop/network", `{"v":1,"observations":20}`, "its key is not written as it should be"},
		{"two ways to write a name", "learned/%62illing/shop/network", `{"v":1,"observations":20}`, "its key is not written as it should be"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var log bytes.Buffer
			m := newMember(slog.New(slog.NewTextHandler(&log, nil)), DefaultTopic, "m", "host-1", newLog())
			l := adaptive.NewLearner(adaptive.Config{})
			m.Keep("billing", l)
			value := []byte(tt.value)
			if tt.value == "" {
				value = nil
			}
			m.reads(0, time.Now(), []byte(tt.key), value)
			if m.counts.Ignored != 1 || len(l.Lessons(time.Now())) != 0 {
				t.Errorf("%d ignored, learned %+v", m.counts.Ignored, l.Lessons(time.Now()))
			}
			if !strings.Contains(log.String(), "a record of the control topic is ignored") || !strings.Contains(strings.ReplaceAll(log.String(), `\"`, `"`), tt.why) {
				t.Errorf("%q is not told: %.400s", tt.why, log.String())
			}
		})
	}
	if _, err := decodeLearned(good.key(), good.value()); err != nil {
		t.Error(err)
	}
	if want := "learned/billing/payments%2Fapi/network"; key != want {
		t.Errorf("the key is %s, want %s", key, want)
	}
}

// FuzzDecodeLearned reads what anybody may write: it ends without a panic, and what is taken can be written again and advises within
// the bounds.
func FuzzDecodeLearned(f *testing.F) {
	f.Add([]byte("learned/billing/payments%2Fapi/network"), []byte(`{"v":1,"by":"host-1","at":1767225600123,"observations":12.5,"waited":[12,11.5],"recovered":[0.25,10]}`))
	f.Add([]byte("learned/a%20b/d/rate_limited"), []byte(`{"v":1,"observations":1e6,"waited":[1e-300],"recovered":null}`))
	f.Add([]byte("learned///network"), []byte(`{"v":1,"observations":-0}`))
	f.Add([]byte("learned/g/d/none"), []byte(`{"v":1,"observations":"NaN"}`))
	limits := &adaptive.Limits{Min: time.Second, Max: time.Minute, Jitter: 0.125, Configured: []time.Duration{time.Second, 3 * time.Second}}
	f.Fuzz(func(t *testing.T, key, value []byte) {
		if !isLearned(key) {
			return
		}
		l, err := decodeLearned(key, value)
		if err != nil {
			if !reflect.DeepEqual(l, learned{}) {
				t.Fatalf("%v, and %+v", err, l)
			}
			return
		}
		again, err := decodeLearned(l.key(), l.value())
		if err != nil || string(l.key()) != string(key) {
			t.Fatalf("%q %q: cannot be read again: %v", key, l.value(), err)
		}
		if again.group != l.group || again.memory.Key != l.memory.Key || len(again.memory.Waited) != len(l.memory.Waited) {
			t.Fatalf("%+v became %+v", l, again)
		}
		learner, now := adaptive.NewLearner(adaptive.Config{}), time.Unix(1_700_000_000, 0)
		if err := learner.Recall(l.memory, now); err != nil {
			t.Fatal(err)
		}
		question := adaptive.Question{Key: l.memory.Key, Since: time.Second, Left: 3, Limits: limits, At: now}
		if d := learner.Delay(question); d != 0 && (d < limits.Min || d > limits.Max) {
			t.Fatalf("advised %v", d)
		}
		learner.Lessons(now)
		learner.Unkeep()
		for _, m := range learner.Unkept(now) {
			kept := learned{group: l.group, memory: m}
			if _, err := decodeLearned(kept.key(), kept.value()); err != nil {
				t.Fatalf("%q cannot be read again: %v", kept.value(), err)
			}
		}
	})
}
