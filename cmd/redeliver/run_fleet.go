package main

import (
	"context"
	"fmt"
	"sync"

	"github.com/redeliver/redeliver/fleet"
	"github.com/redeliver/redeliver/internal/config"
)

// makeFleet makes this process's part in a fleet, where a pipeline has breaker.scope: fleet.
func (s *service) makeFleet() error {
	if !s.config.HasFleet() {
		s.tellForgetting()
		return nil
	}
	member, err := newFleetMember(s.config, s)
	if err != nil {
		return fmt.Errorf("%s: %w", s.config.At("fleet"), err)
	}
	s.fleet = member
	shared := make(map[string][]*supervised)
	for i, p := range s.config.Pipelines {
		if s.pipelines[i].learns() {
			member.Keep(p.Group, s.pipelines[i])
		}
		if !p.InFleet() {
			continue
		}
		member.Steer(s.pipelines[i])
		for _, b := range p.AllBreakers() {
			if b.Scope == config.ScopeFleet {
				shared[b.Dependency] = append(shared[b.Dependency], s.pipelines[i])
			}
		}
	}
	for dependency, of := range shared {
		b, ok := s.breakers.Lookup(dependency)
		if !ok {
			continue
		}
		member.Share(b, func() bool {
			for _, p := range of {
				if p.Waiting() {
					return true
				}
			}
			return false
		})
	}
	return nil
}

func newFleetMember(c *config.Config, s *service) (*fleet.Member, error) {
	security, err := c.Kafka.Security()
	if err != nil {
		return nil, err
	}
	return fleet.New(fleet.Config{
		Brokers: c.Kafka.Brokers, ClientID: c.Kafka.ClientID, ClientOptions: security, Topic: c.Fleet.Topic,
		Manual: !c.Topics.Create, ReplicationFactor: max(c.Topics.ReplicationFactor, 0), StartTimeout: c.Fleet.StartTimeout, Logger: s.log,
	})
}

// joinFleet takes part in the fleet until leave, and returns when it is known what was agreed on, or the wait for that is over.
func (s *service) joinFleet(ctx context.Context) (leave func()) {
	if s.fleet == nil {
		return func() {}
	}
	// Until the pipelines are drained: not ctx.
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	var ended sync.WaitGroup
	ended.Go(func() { s.fleet.Run(running) })
	why := "the control topic " + s.config.Fleet.Topic + " is read"
	s.waiting.Store(&why)
	select {
	case <-s.fleet.Ready():
	case <-ctx.Done():
	}
	s.waiting.Store(nil)
	return func() {
		stop()
		ended.Wait()
	}
}
