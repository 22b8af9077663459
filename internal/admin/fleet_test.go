package admin

import (
	"context"
	"errors"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/redeliver/redeliver/breaker"
	"github.com/redeliver/redeliver/fleet"
)

// fleetFake is a part in a fleet that notes what it is told.
type fleetFake struct {
	status fleet.Status
	err    error
	told   []fleet.Order
}

func (f *fleetFake) Status() fleet.Status     { return f.status }
func (f *fleetFake) Shares(name string) bool  { return name == "payments/api" }
func (f *fleetFake) Steers(group string) bool { return group == "g-orders" }
func (f *fleetFake) Give(_ context.Context, o fleet.Order) error {
	f.told = append(f.told, o)
	return f.err
}

func sharing(f *fleetFake) func(*Config) { return func(c *Config) { c.Fleet = f } }

// TestChangesReachTheFleet hands changes of what is shared to the fleet, which brings them back to this process too, and makes others here.
func TestChangesReachTheFleet(t *testing.T) {
	ctx := context.Background()
	kept := fleet.Status{Breakers: []fleet.BreakerStatus{{BreakerState: fleet.BreakerState{Dependency: "payments/api", Order: fleet.Order{Wish: fleet.KeepOpen, By: "bob"}}}}}
	for _, tt := range []struct {
		name  string
		known fleet.Status
		do    func(*Client) (string, error)
		want  *fleet.Order
		says  string
		logs  string
	}{
		{"open", fleet.Status{}, func(c *Client) (string, error) { return c.Breaker(ctx, "payments/api", "open") },
			&fleet.Order{Wish: fleet.KeepOpen, Dependency: "payments/api", By: "ann@desk"}, "kept open in all processes", `change="breaker open" dependency=payments/api scope=fleet by=ann@desk`},
		{"close", fleet.Status{}, func(c *Client) (string, error) { return c.Breaker(ctx, "payments/api", "close") },
			&fleet.Order{Wish: fleet.KeepClosed, Dependency: "payments/api", By: "ann@desk"}, "kept closed in all processes", `change="breaker close"`},
		{"auto", kept, func(c *Client) (string, error) { return c.Breaker(ctx, "payments/api", "auto") },
			&fleet.Order{Wish: fleet.Measure, Dependency: "payments/api", By: "ann@desk"}, "measures again in all processes", `change="breaker auto"`},
		{"auto of one that measures", fleet.Status{}, func(c *Client) (string, error) { return c.Breaker(ctx, "payments/api", "auto") }, nil, "measures already", ""},
		{"pause", fleet.Status{}, func(c *Client) (string, error) { return c.Pause(ctx, "orders") },
			&fleet.Order{Wish: fleet.Pause, Group: "g-orders", Pipeline: "orders", By: "ann@desk"}, "paused in all processes", "change=pause pipeline=orders"},
		{"resume", fleet.Status{}, func(c *Client) (string, error) { return c.Resume(ctx, "orders", 7) },
			&fleet.Order{Wish: fleet.Resume, Group: "g-orders", Pipeline: "orders", Admit: 7, By: "ann@desk"}, "each of which may write 7 dead letters", "change=resume pipeline=orders admit=7"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := &fleetFake{status: tt.known}
			b := setup(t, sharing(f))
			message, err := tt.do(b.client)
			if err != nil {
				t.Fatal(err)
			}
			contains(t, "message", message, tt.says)
			contains(t, "log", b.log.String(), tt.logs)
			told(t, b.orders.told)
			told(t, b.breaker.told)
			var want []fleet.Order
			if tt.want != nil {
				want = append(want, *tt.want)
			}
			if diff := cmp.Diff(want, f.told); diff != "" {
				t.Errorf("the fleet was told (-want +got)\n%s", diff)
			}
			if _, err := b.client.Pause(ctx, "clicks"); err != nil { // which is this process's own
				t.Error(err)
			}
			told(t, b.clicks.told, "pause")
		})
	}
}

func TestAnOrderThatWasNotGivenIsNoChange(t *testing.T) {
	f := &fleetFake{err: errors.New("the order was not written to the control topic x: away")}
	b := setup(t, sharing(f))
	_, err := b.client.Breaker(context.Background(), "payments/api", "open")
	var refused *RefusedError
	if !errors.As(err, &refused) || refused.Status != http.StatusServiceUnavailable {
		t.Fatalf("got %v", err)
	}
	contains(t, "message", refused.Message, "was not written to the control topic x: away")
	equal(t, "log", b.log.String(), "")
	_, err = b.client.Breaker(context.Background(), "payments/api", "smash")
	if !errors.As(err, &refused) || refused.Status != http.StatusNotFound {
		t.Errorf("another action: %v", err)
	}
}

func TestTheFleetIsInTheStatus(t *testing.T) {
	order := fleet.Order{Wish: fleet.KeepOpen, By: "ann", At: noon}
	f := &fleetFake{status: fleet.Status{
		Topic: "redeliver.control", Member: "host:1", Since: noon, Trouble: "away",
		Pipelines: []fleet.Order{{Wish: fleet.Pause, Group: "g-orders", By: "bob", At: noon}, {Wish: fleet.Resume, Group: "g-clicks"}},
		Breakers: []fleet.BreakerStatus{
			{BreakerState: fleet.BreakerState{Dependency: "payments/api", Open: true, Since: noon, By: "host:2", Why: "5 failures in a row", Prober: "host:3"}},
			{BreakerState: fleet.BreakerState{Dependency: "orders-api", Order: order}},
		},
	}}
	b := setup(t, sharing(f))
	got, err := b.client.Status(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(&FleetStatus{Topic: "redeliver.control", Member: "host:1", Since: noon, Trouble: "away"}, got.Fleet); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	if diff := cmp.Diff(&OrderStatus{Order: "pause", By: "bob", At: noon}, got.Pipelines[0].Order); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	if diff := cmp.Diff(&FleetBreakerStatus{Order: &OrderStatus{Order: "open", By: "ann", At: noon}}, got.Pipelines[0].Breaker.Fleet); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	if got.Pipelines[1].Order != nil {
		t.Errorf("a pipeline that was resumed has the order %+v", got.Pipelines[1].Order)
	}
	breakers, err := b.client.Breakers(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	want := []BreakerStatus{{Dependency: "payments/api", State: breaker.HalfOpen.String(), Mode: "auto", Since: noon, FailureRate: 0.5,
		Fleet: &FleetBreakerStatus{Open: true, Since: &noon, OpenedBy: "host:2", Why: "5 failures in a row", Prober: "host:3"}}}
	if diff := cmp.Diff(want, breakers); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}
