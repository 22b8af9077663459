//go:build synctests

package consumer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/redeliver/redeliver/breaker"
	"github.com/redeliver/redeliver/classify"
)

// told collects notices as "after a time: failures".
type toldNotices struct {
	mu    sync.Mutex
	began time.Time
	all   []string
	last  Notice
	vault string // the dependency of the last notice of class authentication
}

func (n *toldNotices) tell(_ context.Context, notice Notice) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.last = notice
	if notice.Class == classify.Authentication {
		n.vault = notice.Dependency
	}
	n.all = append(n.all, fmt.Sprintf("%v: %d %s", time.Since(n.began), notice.Count, notice.Class))
}

func (n *toldNotices) got() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.all
}

// TestNoticesComeAtAFallingRate tells of the first failure at once, and of a failure a second after that together, ever more rarely;
// a quiet time begins anew.
func TestNoticesComeAtAFallingRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		told := &toldNotices{began: time.Now()}
		n := newNotices(told.tell, quietLog)
		defer n.end()
		f := classify.New(nil).With(classify.Treatments{classify.Network: {Notify: true}}).Classify(classify.Mark(errAway, classify.Network))
		for range 3 * 3600 {
			n.failed(&f, func() Notice { return Notice{ID: "t/0/1"} })
			time.Sleep(time.Second)
		}
		time.Sleep(100 * time.Hour)
		n.failed(&f, func() Notice { return Notice{ID: "t/0/2"} })
		synctest.Wait()
		want := []string{
			"0s: 1 network", "1m0s: 59 network", "3m0s: 120 network", "7m0s: 240 network", "15m0s: 480 network", "31m0s: 960 network",
			"1h3m0s: 1920 network", "2h3m0s: 3600 network", "3h3m0s: 3420 network", "103h0m0s: 1 network",
		}
		got := told.got()
		sum := 0
		for _, line := range got {
			var at string
			var count int
			fmt.Sscanf(line, "%s %d", &at, &count)
			sum += count
		}
		equal(t, "failures told of", sum, 3*3600+1)
		equal(t, "notices", len(got), len(want))
		for i := range want { // the failure of the very second may be before or after
			if a, b := strings.Fields(got[i])[0], strings.Fields(want[i])[0]; a != b {
				t.Errorf("notice %d came after %s want %s", i, a, b)
			}
		}
	})
}

// TestNoticesDoNotHoldAnybodyUp has a callback that hangs, and one that panics.
func TestNoticesDoNotHoldAnybodyUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var text strings.Builder
		heard := 0
		n := newNotices(func(ctx context.Context, _ Notice) {
			heard++
			if heard == 1 {
				<-ctx.Done()
				panic("out of paper")
			}
		}, slog.New(slog.NewTextHandler(&text, nil)))
		f := classify.Failure{Class: classify.Network, Treatment: classify.Treatment{Severity: classify.Critical, Notify: true}}
		start := time.Now()
		for range 10 {
			n.failed(&f, func() Notice { return Notice{Pipeline: "p"} })
		}
		equal(t, "time that failures were held up", time.Since(start), 0)
		pass(10 * time.Minute)
		equal(t, "notices that were begun", heard, 1)
		n.end()
		n.failed(&f, func() Notice { t.Error("after the end"); return Notice{} })
		for _, want := range []string{"level=ERROR msg=\"calls fail\" pipeline=p class=network severity=critical", "failures=1 ", "panic=string"} {
			if !strings.Contains(text.String(), want) {
				t.Errorf("the log lacks %q:\n%s", want, text.String())
			}
		}
	})
}

// TestWhatIsHeldOrDroppedIsLogged tells of records that are held or dropped by the treatment of their failures, whatever the
// severity, not one by one.
func TestWhatIsHeldOrDroppedIsLogged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var text strings.Builder
		n := newNotices(nil, slog.New(slog.NewTextHandler(&text, nil)))
		defer n.end()
		for _, handling := range []classify.Handling{classify.Hold, classify.Drop, classify.Retry} {
			f := classify.Failure{Class: classify.Class(handling), Treatment: classify.Treatment{Severity: classify.Low, Handling: handling}}
			for range 100 {
				n.failed(&f, func() Notice { return Notice{} })
			}
		}
		if got := strings.Count(text.String(), "calls fail"); got != 2 || !strings.Contains(text.String(), "handling=hold") || !strings.Contains(text.String(), "handling=drop") {
			t.Errorf("%d lines:\n%s", got, text.String())
		}
	})
}

// TestWhoIsNotified has a pipeline tell of the failures that a rule or a class says, and of no others.
func TestWhoIsNotified(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		told := &toldNotices{began: time.Now()}
		w := onBench(t, HandlerFunc(func(_ context.Context, r *Record) error {
			switch string(r.Key) {
			case "quota", "quiet":
				return errors.New(string(r.Key))
			}
			return DependencyFailed("vault", classify.Mark(errForbidden, classify.Authentication))
		}), func(c *Config) {
			c.Breaker.Disabled = true
			c.Dependencies = []Dependency{{Breaker: breaker.Config{Dependency: "vault", Disabled: true}}}
			c.Notify = told.tell
			c.Classes = classify.Treatments{classify.Authentication: {Notify: true, Handling: classify.DeadLetter}}
			c.Classify = classify.Rules{
				classify.Match("quota", classify.RateLimited).Treated(classify.Treatment{Notify: true}),
				classify.Match("quiet", classify.Authentication).Treated(classify.Treatment{Quiet: true}),
			}
		})
		l := w.lane(0, 0)
		w.feed(l, "quota", "quiet", "token")
		synctest.Wait()
		got := map[string]bool{}
		for _, line := range told.got() {
			got[line] = true
		}
		if diff := cmp.Diff(map[string]bool{"0s: 1 rate_limited": true, "0s: 1 authentication": true}, got); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
		if told.vault != "vault" {
			t.Errorf("the notice of the token names the dependency %q", told.vault)
		}
		if last := told.last; last.Pipeline != testGroup || last.Topic != testTopic || !strings.HasPrefix(last.ID, "t/0/") || last.Attempt != 1 || last.Error == "" || last.Rule == "" || last.NotBefore.IsZero() {
			t.Errorf("the notice says %+v", last)
		}
		w.p.notices.end()
	})
}

// TestRetrierTreatsFailures gives up, drops and tells as the classes of a retrier say.
func TestRetrierTreatsFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		told := &toldNotices{began: time.Now()}
		r := retrier(t, RetrierConfig{
			Context: classify.Context{Job: classify.Job{Tenant: "acme"}},
			Classify: classify.Rules{
				classify.When(classify.Permanent, classify.Tenant("acme"), classify.Text(regexp.MustCompile("forbidden"))).Treated(classify.Treatment{Handling: classify.Retry, Severity: classify.Critical, Notify: true}),
			},
			Classes: classify.Treatments{classify.Network: {Handling: classify.Drop}, classify.System: {Handling: classify.Hold}},
			Notify:  told.tell, Logger: quietLog,
		})
		var gaveUp *GaveUpError
		if err := r.Do(t.Context(), func(context.Context) error { return errForbidden }); !errors.As(err, &gaveUp) || gaveUp.Attempts != 4 || gaveUp.Failure.Severity != classify.Critical {
			t.Errorf("a permanent failure that is to be retried: got %v (%+v)", err, gaveUp)
		}
		if err := r.Do(t.Context(), func(context.Context) error { return classify.Mark(errAway, classify.Network) }); err != nil {
			t.Errorf("one that is to be dropped: got %v", err)
		}
		if err := r.Do(t.Context(), func(context.Context) error { return classify.Mark(errAway, classify.System) }); !errors.As(err, &gaveUp) || gaveUp.Attempts != 1 {
			t.Errorf("one that would be held: got %v", err)
		}
		synctest.Wait()
		if got := told.got(); len(got) == 0 || got[0] != "0s: 1 permanent" {
			t.Errorf("notices: got %v", got)
		}
		r.notices.end()
		if _, err := NewRetrier("x", RetrierConfig{Classes: classify.Treatments{classify.Network: {Severity: 9}}}); err == nil || !strings.Contains(err.Error(), "network: 9 is none of the severities") {
			t.Errorf("a severity that is none: got %v", err)
		}
	})
}
