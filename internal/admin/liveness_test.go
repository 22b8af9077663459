package admin

import (
	"testing"
	"time"

	"github.com/redeliver/redeliver/consumer"
)

// stuckPipeline answers when it is let go.
type stuckPipeline struct {
	*pipelineFake
	asked chan struct{}
	let   chan struct{}
}

func (p *stuckPipeline) Stats() consumer.Stats {
	p.asked <- struct{}{}
	<-p.let
	return p.pipelineFake.Stats()
}

// Only a pipeline that does not answer at all is a reason to start the process anew, and no longer than that.
func TestAStuckPipelineIsNotAlive(t *testing.T) {
	well, stuck := healthyPipeline("orders"), &stuckPipeline{healthyPipeline("clicks"), make(chan struct{}, 100), make(chan struct{})}
	b := setup(t, func(c *Config) {
		c.Pipelines = func() []Pipeline { return []Pipeline{well, stuck} }
		c.timeouts.stuck = time.Nanosecond
	})
	code, _ := b.get(t, "/livez")
	equal(t, "first asked", code, 200)
	<-stuck.asked
	code, body := b.get(t, "/livez")
	equal(t, "while it is stuck", code, 503)
	equal(t, "and says so", body, "pipeline clicks does not answer: start the process anew\n")
	close(stuck.let)
	for code != 200 { // until it has answered, which it does now
		code, _ = b.get(t, "/livez")
	}
}

// Whoever is unwell in any other way lives.
func TestUnwellPipelinesAreAlive(t *testing.T) {
	b := setup(t)
	b.orders.stats.Health, b.orders.stats.Ready, b.orders.stats.NotReady = consumer.Unhealthy, false, "no broker answers"
	for range 3 {
		code, _ := b.get(t, "/livez")
		equal(t, "livez", code, 200)
	}
}
