package demo

import (
	"time"

	"github.com/redeliver/redeliver/retrytopics"
)

// The names of the demo's world.
const (
	sourceTopic = "orders"
	groupName   = "billing" // the pipeline and its consumer group
	dependency  = "payments"
	partitions  = 4
	concurrency = 16

	breakerWindow  = 10 * time.Second
	minimumCalls   = 10
	halfOpenCalls  = 3
	handlerTimeout = 5 * time.Second
	drainTime      = 10 * time.Second
)

// How many orders of each kind one telling of the story sends, and one in how many is such an order.
const (
	failOnce    = 10
	failTwice   = 4
	failByBug   = 6
	failInvalid = 3
	troubleGap  = 3
)

// pace is how fast the demo goes. Tests go faster than what a person can follow.
type pace struct {
	tiers   []time.Duration // two of them
	openFor time.Duration   // of the breaker
	rate    int             // orders a second
	latency time.Duration   // of the service, at most; at least a quarter of it

	read     time.Duration // that a person needs for a step of the story
	story    time.Duration // that one telling takes on a machine that is not busy
	closing  time.Duration // that the end takes: settling, draining, recounting
	overtime time.Duration // that a story under way may take beyond the asked time
	patience time.Duration // that a step may take before the story goes on without it
	repaint  time.Duration // of the screen
	status   time.Duration // between two plain lines of figures
}

// normal is the pace of the command.
func normal() pace {
	return pace{
		tiers:   []time.Duration{time.Second, 10 * time.Second},
		openFor: 3 * time.Second,
		rate:    40,
		latency: 80 * time.Millisecond,

		read:     2 * time.Second,
		story:    26 * time.Second,
		closing:  1500 * time.Millisecond,
		overtime: 30 * time.Second,
		patience: time.Minute,
		repaint:  100 * time.Millisecond,
		status:   time.Second,
	}
}

// names of the pipeline's topics.
var names = retrytopics.Names{Group: groupName}

// tierName is what the demo calls a retry topic: its name without group and source.
func tierName(d time.Duration) string { return "retry-" + retrytopics.Canonical(d) }

// shortName is what the demo calls a topic.
func (p pace) shortName(topic string) string {
	for _, d := range p.tiers {
		if topic == names.RetryTopic(sourceTopic, d) {
			return tierName(d)
		}
	}
	if topic == names.DLQTopic(sourceTopic) {
		return "dead letters"
	}
	return topic
}
