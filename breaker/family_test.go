package breaker_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redeliver/redeliver/breaker"
)

func newFamily(t *testing.T, bound int) *breaker.Family {
	t.Helper()
	f, err := breaker.NewFamily(breaker.Config{Dependency: "api", Failures: 1, HalfOpenCalls: 1}, bound)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.Close)
	return f
}

func names(all []*breaker.Breaker) string {
	var names []string
	for _, b := range all {
		names = append(names, b.Snapshot().Dependency)
	}
	return strings.Join(names, " ")
}

// The breaker of one part opens, and those of the others know nothing of it.
func TestFamilyKeepsPartsApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFamily(t, 0)
		var told events
		cancel := f.Subscribe(told.add)
		play(t, f.Get("a"), "sf")
		if f.Get("a").State() != breaker.Open || f.Get("b").State() != breaker.Closed {
			t.Errorf("a is %v and b %v, want open and closed", f.Get("a").State(), f.Get("b").State())
		}
		advance(30 * time.Second)
		cancel()
		play(t, f.Get("a"), "s")
		got := told.all()
		if len(got) != 2 || got[0].Dependency != "api/a" || got[1].To != breaker.HalfOpen {
			t.Errorf("got %v, want api/a to open and to probe", got)
		}
		if got := names(f.All()); got != "api/a api/b" {
			t.Errorf("the parts are %s", got)
		}
	})
}

// The bound holds whatever comes: closed parts go, the ones asked for longest ago first, and where none is closed the others share a
// breaker.
func TestFamilyIsBounded(t *testing.T) {
	f := newFamily(t, 3)
	for _, part := range []string{"a", "b", "c"} {
		f.Get(part)
	}
	f.Get("a")
	f.Get("d")
	if got := names(f.All()); got != "api/a api/c api/d" {
		t.Errorf("got %s, want b to be gone", got)
	}
	for _, part := range []string{"a", "c", "d"} {
		play(t, f.Get(part), "f")
	}
	if f.Get("e") != f.Get("f") || f.Get("e") == f.Get("a") {
		t.Error("parts beyond the bound do not share a breaker")
	}
	if got := names(f.All()); got != "api/(other) api/a api/c api/d" {
		t.Errorf("got %s", got)
	}
	big := newFamily(t, 50)
	var wg sync.WaitGroup
	for worker := range 8 {
		wg.Go(func() {
			for i := range 1000 {
				big.Get(fmt.Sprint(worker, i))
			}
		})
	}
	wg.Wait()
	if n := len(big.All()); n > 50 {
		t.Errorf("%d parts are kept, want 50 at most", n)
	}
}

func TestFamilyNamesItsParts(t *testing.T) {
	f := newFamily(t, 0)
	for part, want := range map[string]string{
		"":                       "api/(none)",
		"tenant 7":               "api/tenant 7",
		"a\x1bb":                 "api/ab~",
		strings.Repeat("x", 100): "api/" + strings.Repeat("x", 64) + "~",
	} {
		if got := f.Get(part).Snapshot().Dependency; !strings.HasPrefix(got, want) || len(got) > len(want)+8 {
			t.Errorf("%q is named %q, want %q", part, got, want)
		}
	}
	if f.Get("a\x1bb") == f.Get("ab") || f.Get(strings.Repeat("x", 100)) == f.Get(strings.Repeat("x", 101)) {
		t.Error("two parts are one")
	}
}

func TestFamilyRefuses(t *testing.T) {
	for _, tt := range []struct {
		config breaker.Config
		bound  int
		want   string
	}{
		{breaker.Config{}, 0, "Dependency is empty"},
		{breaker.Config{Dependency: "x"}, -1, "a family of -1 parts: give 1 to 100000"},
		{breaker.Config{Dependency: "x", Failures: -1}, 1, `dependency "x": breaker: Failures is -1`},
	} {
		if _, err := breaker.NewFamily(tt.config, tt.bound); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("got %v, want %s", err, tt.want)
		}
	}
}

// Pipelines that watch one dependency by part share its parts.
func TestRegistrySharesFamilies(t *testing.T) {
	r := breaker.NewRegistry()
	c := breaker.Config{Dependency: "api", Failures: 1}
	one, err := r.Family(c, 0)
	if err != nil {
		t.Fatal(err)
	}
	two, err := r.Family(c, breaker.DefaultParts)
	if one != two || err != nil {
		t.Errorf("two families of one name: %v", err)
	}
	if _, err := r.Family(c, 5); err == nil || !strings.Contains(err.Error(), "has 1000 parts already and cannot have 5 too") {
		t.Errorf("another bound: %v", err)
	}
	c.Failures = 2
	if _, err := r.Family(c, 0); err == nil || !strings.Contains(err.Error(), "has Failures 1 already and cannot have 2 too") {
		t.Errorf("another configuration: %v", err)
	}
	b := one.Get("a")
	if got, ok := r.Lookup("api/a"); !ok || got != b {
		t.Errorf("the part is not found by its name: %v", ok)
	}
	if got := len(r.Families()); got != 1 || len(r.All()) != 0 {
		t.Errorf("%d families and %d breakers, want one and none", got, len(r.All()))
	}
	r.Close()
	if _, err := r.Family(breaker.Config{Dependency: "late"}, 0); err == nil {
		t.Error("a closed registry makes a family")
	}
	b.Force(breaker.Open)
	if b.State() != breaker.Closed {
		t.Error("the registry is closed and its part is not")
	}
}

func BenchmarkFamily(b *testing.B) {
	f, err := breaker.NewFamily(breaker.Config{Dependency: "api"}, 0)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	b.ReportAllocs()
	for b.Loop() {
		part := f.Get("tenant-1")
		if p, ok := part.Acquire(); ok {
			part.Record(p, breaker.Success, time.Millisecond)
		}
	}
}
