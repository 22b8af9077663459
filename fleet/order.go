package fleet

import (
	"fmt"
	"time"
)

// Wish is what an operator wants of a breaker or pipeline.
type Wish string

// The wishes. The last two are for pipelines, the others for breakers.
const (
	KeepOpen   Wish = "open"         // until another one
	KeepClosed Wish = "close"        // whatever is measured, until another one
	Observe    Wish = "metrics-only" // every call is admitted, and what the breaker would have done is told
	Measure    Wish = "auto"         // what the configuration says; it begins closed
	Pause      Wish = "pause"        // until Resume
	Resume     Wish = "resume"       // also from a hold after too many dead letters
)

// Order is a wish, for whom, and whose. The latest one for a breaker or pipeline holds for all processes, those included that
// start later.
type Order struct {
	Wish       Wish
	Dependency string    // whose breaker is meant, for the wishes about one
	Group      string    // whose pipeline is meant, for the others
	Pipeline   string    // its name, for people
	Admit      int       // with Resume: so many dead letters are let through in each process, see consumer.Pipeline.Resume
	By         string    // who wants it, for people
	At         time.Time // when, by the clock of who wrote it. Defaults to now.
}

// Stands reports whether the order makes its breaker or pipeline another than it is by itself.
func (o Order) Stands() bool {
	return o.Wish == KeepOpen || o.Wish == KeepClosed || o.Wish == Observe || o.Wish == Pause
}

// record is what is written for the order, or what is wrong with it.
func (o Order) record() (record, error) {
	r := record{kind: kindOrder, subject: subject{name: o.Dependency}, Order: o.Wish, Admit: o.Admit, By: o.By, At: o.At, Pipeline: o.Pipeline}
	if r.At.IsZero() {
		r.At = time.Now()
	}
	if o.Wish == Pause || o.Wish == Resume {
		r.subject = subject{pipeline: true, name: o.Group}
	}
	if r.subject.name == "" {
		return record{}, fmt.Errorf("fleet: the order %q does not say for whom", o.Wish)
	}
	if _, err := decode(r.key(), r.value()); err != nil {
		return record{}, fmt.Errorf("fleet: the order %q for %s cannot be given: %w", o.Wish, r.subject.name, err)
	}
	return r, nil
}

// orderOf is the order that a record gives.
func orderOf(r record) Order {
	o := Order{Wish: r.Order, Pipeline: r.Pipeline, Admit: r.Admit, By: r.By, At: r.At}
	if r.subject.pipeline {
		o.Group = r.subject.name
	} else {
		o.Dependency = r.subject.name
	}
	return o
}
