package consumer

import (
	"context"
	"testing"
	"time"
)

// A lane whose topics are not in the list, since nobody has made them or since the broker that was asked is behind the others,
// waits, and its topics are looked for again soon. When they are there it goes on.
func TestLanesWaitForTheirTopics(t *testing.T) {
	w := onBench(t, HandlerFunc(func(context.Context, *Record) error { return nil }))
	l := w.lane(0, 0)
	topics := w.p.topics
	topics.mu.Lock()
	topics.partitions[testTopic] = 1
	topics.mu.Unlock()
	for range 2 {
		if soon := topics.recheck(); !soon || !l.missing.Load() {
			t.Fatalf("without retry topics: look again soon %v, the lane waits %v", soon, l.missing.Load())
		}
	}
	topics.mu.Lock()
	for _, d := range []time.Duration{time.Second, 10 * time.Second, time.Minute} {
		name := w.p.cfg.Names.RetryTopic(testTopic, d)
		topics.names[tierOf{testTopic, d}], topics.all[name] = name, 1
	}
	dead := w.p.cfg.Names.DLQTopic(testTopic)
	topics.letters[testTopic], topics.all[dead] = dead, 1
	topics.mu.Unlock()
	if soon := topics.recheck(); soon || l.missing.Load() {
		t.Fatalf("with all topics: look again soon %v, the lane waits %v", soon, l.missing.Load())
	}
}
