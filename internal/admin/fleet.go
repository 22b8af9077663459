package admin

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/redeliver/redeliver/fleet"
)

// orderTimeout bounds an order to the fleet; it is shorter than the client's patience.
const orderTimeout = clientTimeout - time.Second

// ofFleet reports whether a breaker is shared with other processes, and steered whether a pipeline is.
func (s *Server) ofFleet(dependency string) bool {
	return s.config.Fleet != nil && s.config.Fleet.Shares(dependency)
}

func (s *Server) steered(p Pipeline) bool {
	return s.config.Fleet != nil && s.config.Fleet.Steers(p.Stats().Group)
}

// orderBreaker changes a breaker in all processes.
func (s *Server) orderBreaker(w http.ResponseWriter, r *http.Request, name, action string) {
	message := map[string]string{
		"open":         "kept open in all processes, those that start later too, until close or auto",
		"close":        "kept closed in all processes, those that start later too, whatever is measured, until open or auto",
		"metrics-only": "admits every call in all processes, those that start later too, and tells what it would have done, until open, close or auto",
		"auto":         "measures again in all processes",
	}[action]
	if message == "" {
		fail(w, http.StatusNotFound, noSuchAction, action)
		return
	}
	if action == "auto" && s.orderOf(name) == nil {
		reply(w, http.StatusOK, Done{Message: fmt.Sprintf("breaker %s: measures already", name)})
		return
	}
	if s.give(w, r, fleet.Order{Wish: fleet.Wish(action), Dependency: name}) {
		s.audit(r, "breaker "+action, "dependency", name, "scope", "fleet")
		reply(w, http.StatusOK, Done{Message: fmt.Sprintf("breaker %s: %s", name, message)})
	}
}

// orderOf is the order that a breaker has in the fleet; nil: it measures.
func (s *Server) orderOf(dependency string) *OrderStatus {
	for _, b := range s.config.Fleet.Status().Breakers {
		if b.Dependency == dependency {
			return orderStatus(b.Order)
		}
	}
	return nil
}

// orderPipeline pauses or resumes a pipeline in all processes.
func (s *Server) orderPipeline(w http.ResponseWriter, r *http.Request, p Pipeline, wish fleet.Wish, admit int) {
	if !s.give(w, r, fleet.Order{Wish: wish, Group: p.Stats().Group, Pipeline: p.Name(), Admit: admit}) {
		return
	}
	message := fmt.Sprintf("pipeline %s is paused in all processes, those that start later too, until resume; calls in flight end as they do", p.Name())
	if wish == fleet.Resume {
		message = fmt.Sprintf("pipeline %s goes on in all processes", p.Name())
		if admit > 0 {
			message += fmt.Sprintf(", each of which may write %d dead letters before it holds again", admit)
		}
	}
	s.audit(r, string(wish), "pipeline", p.Name(), "admit", admit, "scope", "fleet")
	reply(w, http.StatusOK, Done{Message: message})
}

// give gives an order, or answers why it was not given.
func (s *Server) give(w http.ResponseWriter, r *http.Request, o fleet.Order) bool {
	ctx, cancel := context.WithTimeout(r.Context(), orderTimeout)
	defer cancel()
	o.By = who(r)
	if err := s.config.Fleet.Give(ctx, o); err != nil {
		fail(w, http.StatusServiceUnavailable, "%v", err)
		return false
	}
	return true
}

// fleetStatus adds what the fleet says to the status of the process.
func (s *Server) fleetStatus(answer *Status) {
	if s.config.Fleet == nil {
		return
	}
	known := s.config.Fleet.Status()
	answer.Fleet = &FleetStatus{Topic: known.Topic, Member: known.Member, Reachable: known.Reachable, Since: known.Since, Trouble: known.Trouble}
	for i := range answer.Pipelines {
		p := &answer.Pipelines[i]
		for _, o := range known.Pipelines {
			if o.Group == p.Group {
				p.Order = orderStatus(o)
			}
		}
		if p.Breaker != nil {
			p.Breaker.Fleet = fleetBreaker(known, p.Breaker.Dependency)
		}
	}
}

// fleetBreakers adds what the fleet says to the breakers of the process.
func (s *Server) fleetBreakers(all []BreakerStatus) {
	if s.config.Fleet == nil {
		return
	}
	known := s.config.Fleet.Status()
	for i := range all {
		if s.config.Fleet.Shares(all[i].Dependency) {
			all[i].Fleet = fleetBreaker(known, all[i].Dependency)
			if all[i].Fleet == nil {
				all[i].Fleet = new(FleetBreakerStatus)
			}
		}
	}
}

func fleetBreaker(known fleet.Status, dependency string) *FleetBreakerStatus {
	for _, b := range known.Breakers {
		if b.Dependency == dependency {
			return FleetBreaker(b.BreakerState)
		}
	}
	return nil
}

// FleetBreaker says what is agreed on about a breaker.
func FleetBreaker(b fleet.BreakerState) *FleetBreakerStatus {
	return &FleetBreakerStatus{Open: b.Open, Since: known(b.Since), OpenedBy: b.By, Why: b.Why, Prober: b.Prober, Order: orderStatus(b.Order)}
}

// orderStatus is an order that changes something: to measure or to go on is as if none was given.
func orderStatus(o fleet.Order) *OrderStatus {
	if !o.Stands() {
		return nil
	}
	return &OrderStatus{Order: string(o.Wish), By: o.By, At: o.At}
}
