package breaker_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redeliver/redeliver/breaker"
)

func TestRegistryShares(t *testing.T) {
	r := breaker.NewRegistry()
	defer r.Close()
	payments, err := r.Get(breaker.Config{Dependency: "payments"})
	if err != nil {
		t.Fatal(err)
	}
	// The defaults written out are no other configuration.
	same, err := r.Get(breaker.Config{Dependency: "payments", FailureRate: 0.5, OpenFor: 30 * time.Second})
	if err != nil || same != payments {
		t.Errorf("got another breaker, or %v", err)
	}
	accounts, err := r.Get(breaker.Config{Dependency: "accounts", Failures: 1})
	if err != nil || accounts == payments {
		t.Errorf("another name got the same breaker, or %v", err)
	}
	if all := r.All(); len(all) != 2 || all[0] != accounts || all[1] != payments {
		t.Errorf("got %v, want both by name", all)
	}
	if b, ok := r.Lookup("payments"); !ok || b != payments {
		t.Error("payments is not found")
	}
	if _, ok := r.Lookup("ledger"); ok {
		t.Error("ledger is found")
	}
}

func TestRegistryRefuses(t *testing.T) {
	r := breaker.NewRegistry()
	if _, err := r.Get(breaker.Config{Dependency: "payments", Failures: 3}); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		config breaker.Config
		want   []string
	}{
		{breaker.Config{}, []string{"Dependency is empty"}},
		{breaker.Config{Dependency: "x", SlowRate: 2}, []string{`dependency "x": breaker: SlowRate is 2`}},
		{
			breaker.Config{Dependency: "payments", Failures: 4, FailureRate: 0.7},
			[]string{
				`dependency "payments" has Failures 3 already and cannot have 4 too: configure it alike everywhere, or give it another name`,
				`dependency "payments" has FailureRate 0.5 already and cannot have 0.7 too`,
			},
		},
		{breaker.Config{Dependency: "payments", Failures: 3, Disabled: true}, []string{"has Mode closed already and cannot have disabled too"}},
		{breaker.Config{Dependency: "payments", Failures: 3, OpenFor: time.Minute}, []string{"has OpenFor 30s already and cannot have 1m0s too"}},
	} {
		b, err := r.Get(tt.config)
		if b != nil || err == nil {
			t.Errorf("%+v: got a breaker, or no error: %v", tt.config, err)
			continue
		}
		if lines := strings.Split(err.Error(), "\n"); len(lines) != len(tt.want) {
			t.Errorf("%+v: got %v", tt.config, err)
		}
		for _, want := range tt.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%+v:\ngot  %v\nwant %s", tt.config, err, want)
			}
		}
	}
	r.Close()
	if b, err := r.Get(breaker.Config{Dependency: "late"}); b != nil || err == nil {
		t.Errorf("a closed registry made a breaker, or no error: %v", err)
	}
	if _, ok := r.Lookup("payments"); !ok {
		t.Error("a closed registry has forgotten its breakers")
	}
}

func TestRegistryConcurrently(t *testing.T) {
	r := breaker.NewRegistry()
	defer r.Close()
	got := make([]*breaker.Breaker, 16)
	var wg sync.WaitGroup
	for i := range got {
		wg.Go(func() {
			got[i], _ = r.Get(breaker.Config{Dependency: "payments"})
			r.All()
		})
	}
	wg.Wait()
	for _, b := range got {
		if b == nil || b != got[0] {
			t.Fatalf("not everybody got the one breaker: %v", got)
		}
	}
}
