package consumer

import (
	"errors"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
)

// refusals is how often in a row the coordinator refused to commit a partition for what its topic is: gone, or not this member's to
// read. It is asked again at a falling rate, and the others are committed meanwhile. The strand's mutex guards it.
type refusals struct {
	count int
	until time.Time // before which it is not asked again
}

// commitBackoffMax is the longest time between two tries: shorter than what went wrong is told after the last one.
const commitBackoffMax = 10 * time.Second

// note takes down one more, and returns how long to wait.
func (r *refusals) note(now time.Time) time.Duration {
	wait := min(commitPause<<min(r.count, 10), commitBackoffMax)
	r.count++
	r.until = now.Add(wait)
	return wait
}

// aboutTopic reports whether a partition's commit was refused for its topic, and not for the group's sake, which is over sooner.
func aboutTopic(err error) bool {
	return topicGone(err) || errors.Is(err, kerr.TopicAuthorizationFailed) || errors.Is(err, kerr.InvalidTopicException)
}

// due leaves out the lanes whose commits were refused a moment ago.
func (c *committer) due(lanes []*lane, now time.Time) []*lane {
	if now.UnixNano() >= c.refused.Load() {
		return lanes
	}
	return slices.DeleteFunc(lanes, func(l *lane) bool {
		l.strand.mu.Lock()
		defer l.strand.mu.Unlock()
		return now.Before(l.refusals.until)
	})
}

// putOff leaves a lane out of commits for a while, and has the next one sent after that.
func (c *committer) putOff(l *lane) {
	now := time.Now()
	l.strand.mu.Lock()
	wait := l.refusals.note(now)
	l.strand.mu.Unlock()
	c.refused.Store(now.Add(commitBackoffMax).UnixNano()) // no other one is put off for longer
	time.AfterFunc(wait, c.moved)
}
