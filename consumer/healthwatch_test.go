package consumer

import (
	"context"
	"testing"
	"time"

	"github.com/redeliver/redeliver/breaker"
)

// changes is a hook that passes on how the pipeline is. Make it large enough.
type changes chan HealthChange

func (c changes) OnHealth(h HealthChange) { c <- h }

// The hook is told at the beginning, when health changes, and at the end.
func TestHealthIsToldWhenItChanges(t *testing.T) {
	told := make(changes, 10)
	p, err := New(Config{
		Brokers: []string{"127.0.0.1:1"}, Group: "g", Topics: []string{"orders"}, Hooks: []Hook{told},
		Handler: HandlerFunc(func(context.Context, *Record) error { return nil }),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.own.Close)
	end := p.watchHealth()
	if h := <-told; h.Health != Healthy || h.Ready || h.NotReady == "" || h.Pipeline != "g" {
		t.Errorf("at the beginning: %+v, want healthy, and not ready for it only starts", h)
	}
	p.breaker.Force(breaker.Open)
	select {
	case h := <-told:
		if h.Before != Healthy || h.Health != Unhealthy || h.Score >= unhealthyBelow || len(h.Reasons) == 0 {
			t.Errorf("with an open breaker: %+v, want unhealthy, with the reason", h)
		}
	case <-time.After(time.Minute):
		t.Fatal("nothing was told of an open breaker")
	}
	p.phase.Store(uint32(Stopped))
	end()
	if h := <-told; h.Ready || h.NotReady != "the pipeline is stopped" {
		t.Errorf("at the end: %+v, want not ready", h)
	}
	if len(told) > 0 {
		t.Errorf("it was told %+v besides", <-told)
	}
}
