package consumer

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/breaker"
	"github.com/redeliver/redeliver/retrytopics"
)

// tenants is a dependency whose tenants are down or not: those of a record's key, up to the dash.
type tenants struct {
	mu    sync.Mutex
	down  map[string]bool
	calls map[string]int
}

func (s *tenants) handle(r *Record) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	tenant := tenantOf(r)
	s.calls[tenant]++
	if s.down[tenant] {
		return errAway
	}
	return nil
}

func (s *tenants) set(tenant string, down bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down[tenant] = down
}

func (s *tenants) called(tenant string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls[tenant]
}

func tenantOf(r *Record) string {
	tenant, _, _ := strings.Cut(string(r.Key), "-")
	return tenant
}

func byTenant(c *Config) {
	c.Breaker = breaker.Config{Dependency: "api", Failures: 2, OpenFor: 30 * time.Second, HalfOpenCalls: 1}
	c.Parts = Parts{By: tenantOf}
}

// One tenant is away: its breaker opens, its records are put off over the retry topics without using an attempt, and those of
// the others are handled as if nothing were, one by one and in batches. When it is back its records are handled.
func TestAPartThatIsAwayHoldsNobodyElse(t *testing.T) {
	for _, name := range []string{"one by one", "in batches"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &tenants{down: map[string]bool{"b": true}, calls: map[string]int{}}
				handler := Handler(HandlerFunc(func(_ context.Context, r *Record) error { return s.handle(r) }))
				if name == "in batches" {
					handler = BatchFunc(func(_ context.Context, b *Batch) error {
						for i, r := range b.Records {
							b.Fail(i, s.handle(r))
						}
						return nil
					}, BatchOf(3, 0))
				}
				w := onBench(t, handler, byTenant)
				l := w.lane(0, 0)
				var keys []string
				for i := range 10 {
					keys = append(keys, fmt.Sprint("a-", i), fmt.Sprint("b-", i), fmt.Sprint("c-", i))
				}
				w.feed(l, keys...)
				pass(time.Second)
				if s.called("a") != 10 || s.called("c") != 10 {
					t.Errorf("a was called for %d records and c for %d, want all 10 of each", s.called("a"), s.called("c"))
				}
				equal(t, "calls for b", s.called("b"), 2)
				equal(t, "paused", w.p.Stats().Paused[PauseBreaker], 0)
				copies := w.produced()
				equal(t, "put off", len(copies), 10)
				attempts := 0
				for _, c := range copies {
					state, err := retrytopics.Decode(c)
					if err != nil {
						t.Fatal(err)
					}
					attempts += state.Attempt
					if left := time.Until(state.Due); state.Attempt == 0 && (left < 28*time.Second || left > 33*time.Second) {
						t.Errorf("put off for %v more, want until the breaker probes", left)
					}
				}
				equal(t, "attempts", attempts, 1) // the failure before the one that opened it
				stats := w.p.Stats()
				if len(stats.Parts) != 1 || stats.Parts[0].Known != 3 || stats.Parts[0].States[breaker.Open] != 1 || stats.Parts[0].NotClosed[0].Dependency != "api/b" {
					t.Errorf("got %+v", stats.Parts)
				}
				equal(t, "the whole", stats.Breaker.State, breaker.MetricsOnly)

				s.set("b", false)
				tier := w.lane(0, 10*time.Second)
				pass(35 * time.Second)
				for _, c := range copies {
					state, _ := retrytopics.Decode(c)
					state.Due = time.Now()
					w.feedState(tier, string(c.Key), state)
				}
				pass(time.Minute)
				if s.called("b") < 3 {
					t.Errorf("nobody probed b: %d calls", s.called("b"))
				}
				equal(t, "parts that are not closed", len(w.p.Stats().Parts[0].NotClosed), 0)
			})
		})
	}
}

// A failure within a part that says nothing of the dependency, or an interruption, leaves its breaker alone.
func TestAPartCountsWhatCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := onBench(t, HandlerFunc(func(context.Context, *Record) error { return Snooze(time.Hour) }), byTenant)
		w.feed(w.lane(0, 0), "a-1", "a-2", "a-3", "a-4")
		synctest.Wait()
		equal(t, "parts that are not closed", len(w.p.Stats().Parts[0].NotClosed), 0)
		equal(t, "copies", len(w.produced()), 4)
	})
}

func TestPartsOfARecord(t *testing.T) {
	r := &Record{}
	r.fill(&kgo.Record{Headers: []Header{
		{Key: "redeliver-tenant", Value: []byte("acme")}, {Key: "region", Value: []byte("eu")}, {Key: "region", Value: []byte("us")},
		{Key: "callback", Value: []byte("https://Shop.example.com:8443/hook?x=1")}, {Key: "broken", Value: []byte("://")},
	}}, nil, 1)
	for _, tt := range []struct {
		by   func(*Record) string
		want string
	}{
		{ByTenant, "acme"}, {ByHeader("region"), "us"}, {ByHeader("none"), ""},
		{ByHost("callback"), "shop.example.com"}, {ByHost("broken"), ""}, {ByHost("none"), ""},
	} {
		if got := tt.by(r); got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
}
