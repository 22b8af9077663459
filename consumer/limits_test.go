package consumer

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redeliver/redeliver/breaker"
	"github.com/redeliver/redeliver/internal/credit"
	"github.com/redeliver/redeliver/limit"
)

// overhead is what a call that succeeds costs beside its handler, with a breaker and limits by two headers.
func overhead(t testing.TB) func(i int) {
	b, err := breaker.New(breaker.Config{Dependency: "api"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	g := newGate([]*breaker.Breaker{b}, credit.New(1000, 2), func(PauseReason, bool) {}, func() {})
	c := Config{Limits: []Limit{
		{Name: "per-user", Per: PerHeader, Header: "redeliver-user", Rate: limit.Rate{Calls: 1e6, Per: time.Second}, Burst: 1_000_000},
		{Name: "per-project", Per: PerHeader, Header: "redeliver-project", Rate: limit.Rate{Calls: 1e6, Per: time.Second}, Burst: 1_000_000},
	}}
	ls, _, err := newLimits(&c)
	if err != nil {
		t.Fatal(err)
	}
	headers := make([][]Header, 1000)
	for i := range headers {
		headers[i] = []Header{
			{Key: "content-type", Value: []byte("application/json")},
			{Key: "redeliver-user", Value: fmt.Append(nil, "user-", i)},
			{Key: "redeliver-project", Value: fmt.Append(nil, "project-", i%10)},
		}
	}
	call := func(i int) {
		began := time.Now()
		permit, _, _ := g.enter()
		if at, _ := ls.admit(headers[i%len(headers)], began, true); !at.IsZero() {
			t.Fatal("a call was put off")
		}
		b.Record(permit.breaker, breaker.Success, time.Since(began))
		g.success(1)
		g.probed(permit, true)
	}
	for i := range headers {
		call(i)
	}
	return call
}

func TestASuccessAllocatesNothingForBreakerAndLimits(t *testing.T) {
	call := overhead(t)
	i := 0
	if n := testing.AllocsPerRun(1000, func() { call(i); i++ }); n > 0 {
		t.Errorf("a call that succeeds allocates %v times", n)
	}
}

// BenchmarkOverheadOfASuccess is to stay below a microsecond.
func BenchmarkOverheadOfASuccess(b *testing.B) {
	call := overhead(b)
	b.ReportAllocs()
	for i := range b.N {
		call(i)
	}
}

// TestACallUsesAllItsLimitsOrNone has one of two limits refuse: the other one keeps its rate for others.
func TestACallUsesAllItsLimitsOrNone(t *testing.T) {
	c := Config{Limits: []Limit{
		{Name: "per-user", Per: PerHeader, Header: "user", Rate: limit.Rate{Calls: 1, Per: time.Hour}},
		{Name: "per-project", Per: PerHeader, Header: "project", Rate: limit.Rate{Calls: 1, Per: time.Hour}, Burst: 2},
	}}
	ls, _, err := newLimits(&c)
	if err != nil {
		t.Fatal(err)
	}
	headers := func(user string) []Header {
		return []Header{{Key: "user", Value: []byte(user)}, {Key: "project", Value: []byte("p")}}
	}
	now := time.Unix(1_000_000, 0)
	may := func(h []Header) bool { at, _ := ls.admit(h, now, true); return at.IsZero() }
	if !may(headers("a")) {
		t.Fatal("the first call was refused")
	}
	for range 3 {
		if may(headers("a")) {
			t.Fatal("a second call within the hour was allowed")
		}
	}
	if !may(headers("b")) {
		t.Error("calls that a limit by user refused have used the limit of their project")
	}
	if may(headers("c")) {
		t.Error("the project has started three calls with a burst of two")
	}
	if !may([]Header{{Key: "other", Value: []byte("x")}}) || !may(nil) || !may([]Header{{Key: "user"}}) {
		t.Error("a record without the headers, or with empty ones, was limited")
	}
}

func TestLimitsAreChecked(t *testing.T) {
	good := Limit{Name: "a", Rate: limit.Rate{Calls: 1, Per: time.Second}}
	for want, change := range map[string]func(*Config){
		"use letters, digits and '-'":       func(c *Config) { c.Limits[0].Name = "a b" },
		"is there twice":                    func(c *Config) { c.Limits = append(c.Limits, good) },
		"is not above 0":                    func(c *Config) { c.Limits[0].Rate = limit.Rate{} },
		"must not be negative":              func(c *Config) { c.Limits[0].Burst = -1 },
		"PerPipeline, PerDependency":        func(c *Config) { c.Limits[0].Per = 9 },
		"name the Header":                   func(c *Config) { c.Limits[0].Per = PerHeader },
		"is for PerHeader":                  func(c *Config) { c.Limits[0].Header = "x" },
		"needs Ordering ByKey or Unordered": func(c *Config) { c.Limits[0].Per, c.Limits[0].Header, c.Ordering = PerHeader, "x", ByPartition },
		"at most 8: each is asked for each record": func(c *Config) {
			for i := range 8 {
				c.Limits = append(c.Limits, Limit{Name: fmt.Sprint("b", i), Rate: good.Rate})
			}
		},
	} {
		c := Config{Limits: []Limit{good}}
		change(&c)
		if err := c.complete(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want an error that says %q", err, want)
		}
	}
}
