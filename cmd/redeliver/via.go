package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/breaker"
	"github.com/redeliver/redeliver/fleet"
	"github.com/redeliver/redeliver/internal/admin"
	"github.com/redeliver/redeliver/internal/config"
)

// The ways by which an order reaches the processes of a fleet.
const (
	viaProcess = "process" // one of them, which tells the others
	viaKafka   = "kafka"   // the control topic, from wherever the configuration is
)

// orderTimeout bounds the writing and reading of the control topic.
const orderTimeout = 20 * time.Second

// addVia gives a command that acts on a fleet its --via.
func addVia(cmd *cobra.Command) *string {
	return cmd.Flags().String("via", viaProcess, "`how`: process, the one at --admin; or kafka, the control topic, where breaker.scope is fleet")
}

// viaIsKafka reads --via.
func viaIsKafka(cmd *cobra.Command, via string) (bool, error) {
	switch {
	case via == viaKafka && cmd.Flags().Changed("admin"):
		return false, usagef("--via kafka needs no process, and --admin names one: say one of them")
	case via == viaKafka:
		return true, nil
	case via == viaProcess:
		return false, nil
	}
	return false, usagef("--via is %q: give process or kafka", via)
}

// hinted says of a process that does not answer that there is another way, where there is one.
func (p *program) hinted(err error) error {
	var unreachable *admin.UnreachableError
	if !errors.As(err, &unreachable) {
		return err
	}
	if c, loadErr := config.Load(p.configFile, config.Options{Lookup: p.getenv, Embedded: true}); loadErr != nil || !c.HasFleet() {
		return err
	}
	return fmt.Errorf("%w; --via kafka needs no process, as breaker.scope is fleet", err)
}

// orderViaKafka gives an order through the control topic.
func (p *program) orderViaKafka(ctx context.Context, flags *changeFlags, format outputFormat, change, name string, order fleet.Order) error {
	c, err := p.load()
	if err != nil {
		return err
	}
	if order, err = addressed(c, order, name); err != nil {
		return err
	}
	order.By = operator()
	check := func(ctx context.Context) (string, error) {
		state, err := p.readControl(ctx, c)
		if err != nil {
			return "", err
		}
		return fmt.Sprintf("dry run: would write to %s: %s %s, which is %s", c.Fleet.Topic, change, name, agreed(state, order)), nil
	}
	do := func(ctx context.Context) (string, error) {
		ctx, cancel := context.WithTimeout(ctx, orderTimeout)
		defer cancel()
		if order.Wish == fleet.Measure { // which ends an episode: not where there is nothing to take back
			state, err := p.readControl(ctx, c)
			if err != nil {
				return "", err
			}
			if !agreedOrder(state, order).Stands() {
				return fmt.Sprintf("breaker %s: measures already", name), nil
			}
		}
		client, err := p.connect(ctx, c)
		if err != nil {
			return "", err
		}
		defer client.Close()
		if err := fleet.Write(ctx, client, c.Fleet.Topic, order); err != nil {
			return "", err
		}
		return fmt.Sprintf("%s %s stands in %s: all processes act on it, those that start later too", change, name, c.Fleet.Topic), nil
	}
	return p.changeProcess(ctx, flags, format, change, name, "", check, do)
}

// addressed completes an order for the breaker or pipeline of that name, which has to be one of the fleet's.
func addressed(c *config.Config, order fleet.Order, name string) (fleet.Order, error) {
	var known []string
	ofPipeline := order.Wish == fleet.Pause || order.Wish == fleet.Resume
	for _, one := range c.Pipelines {
		if ofPipeline {
			known = append(known, one.Name)
			if one.Name == name {
				order.Group, order.Pipeline = one.Group, one.Name
				return order, reached(c, &one, one.InFleet())
			}
			continue
		}
		for _, b := range one.AllBreakers() {
			known = append(known, b.Dependency)
			if b.Dependency == name {
				order.Dependency = name
				return order, reached(c, &one, b.Scope == config.ScopeFleet)
			}
		}
	}
	return order, usagef("%s knows no %q; it has %s", c.File, name, strings.Join(known, ", "))
}

// reached refuses an order that Kafka does not carry to the processes.
func reached(c *config.Config, p *config.Pipeline, isFleet bool) error {
	if isFleet {
		return nil
	}
	return usagef("%s: breaker.scope of pipeline %s is process: no order reaches it by Kafka; give it to each process with --admin", c.File, p.Name)
}

// readControl reads the control topic.
func (p *program) readControl(ctx context.Context, c *config.Config) (*fleet.State, error) {
	ctx, cancel := context.WithTimeout(ctx, orderTimeout)
	defer cancel()
	client, err := p.connect(ctx, c)
	if err != nil {
		return nil, err
	}
	client.Close()
	opts, err := c.Kafka.ClientOptions()
	if err != nil {
		return nil, err
	}
	return fleet.Read(ctx, c.Fleet.Topic, append(opts, kgo.FetchMaxWait(time.Second))...)
}

// agreedOrder is the latest order for whom another one is.
func agreedOrder(s *fleet.State, o fleet.Order) fleet.Order {
	for _, b := range s.Breakers() {
		if o.Dependency != "" && b.Dependency == o.Dependency {
			return b.Order
		}
	}
	for _, other := range s.Pipelines() {
		if o.Group != "" && other.Group == o.Group {
			return other
		}
	}
	return fleet.Order{}
}

// agreed says in a word how a breaker or pipeline is.
func agreed(s *fleet.State, o fleet.Order) string {
	if o.Group != "" {
		if agreedOrder(s, o).Wish == fleet.Pause {
			return "paused"
		}
		return "not paused"
	}
	for _, b := range s.Breakers() {
		if b.Dependency == o.Dependency {
			return stateOf(b).String()
		}
	}
	return breaker.Closed.String()
}

// stateOf is the state that the breakers of a fleet have together.
func stateOf(b fleet.BreakerState) breaker.State {
	switch {
	case b.Order.Wish == fleet.KeepOpen:
		return breaker.ForcedOpen
	case b.Order.Wish == fleet.KeepClosed:
		return breaker.Disabled
	case b.Order.Wish == fleet.Observe:
		return breaker.MetricsOnly
	case b.Open:
		return breaker.Open
	}
	return breaker.Closed
}

// breakersOfTopic lists the breakers that the control topic knows.
func (p *program) breakersOfTopic(ctx context.Context) (all []admin.BreakerStatus, err error) {
	c, err := p.load()
	if err != nil {
		return nil, err
	}
	if !c.HasFleet() {
		return nil, usagef("%s: no pipeline has breaker.scope: fleet, so that there is no control topic", c.File)
	}
	state, err := p.readControl(ctx, c)
	if err != nil {
		return nil, err
	}
	for _, b := range state.Breakers() {
		one := admin.BreakerStatus{Dependency: b.Dependency, State: stateOf(b).String(), Since: b.Since, Fleet: admin.FleetBreaker(b)}
		if b.Order.Wish != "" && !b.Open {
			one.Since = b.Order.At
		}
		all = append(all, one)
	}
	return all, nil
}

// fleetText says what the processes of a fleet agree on about a breaker.
func fleetText(b admin.BreakerStatus, now time.Time) string {
	switch f := b.Fleet; {
	case f == nil:
		return "-"
	case f.Order != nil:
		return orderText(f.Order, now)
	case f.Open && f.Prober != "":
		return "opened by " + f.OpenedBy + ", probed by " + f.Prober
	case f.Open:
		return "opened by " + f.OpenedBy
	}
	return "shared"
}

// orderText says who wants what, and since when.
func orderText(o *admin.OrderStatus, now time.Time) string {
	what := map[string]string{"open": "kept open", "close": "kept closed", "metrics-only": "made to measure only", "pause": "paused"}[o.Order]
	return fmt.Sprintf("%s by %s %s ago", what, o.By, span(now.Sub(o.At)))
}
