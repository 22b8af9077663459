package harness

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// A feed that is stopped while its records wait for the broker takes no record of the next feed to the topic with it, which is in one
// batch with them.
func TestAFeedThatEndsLeavesTheNextOneAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake, c := virtual(t, kfake.SeedTopics(1, "fed"))
		defer fake.Close()
		defer c.Close()
		slow := true
		fake.ControlKey(kmsg.Produce.Int16(), func(kmsg.Request) (kmsg.Response, error, bool) {
			if slow {
				slow = false
				fake.SleepControl(func() { time.Sleep(time.Second) })
			}
			return nil, nil, false
		})

		stop := c.Feed(t.Context(), "fed", 1, 100, 100, nil)
		time.Sleep(300 * time.Millisecond)
		if err := stop(); err != nil {
			t.Errorf("the first feed: %v", err)
		}
		stop = c.Feed(t.Context(), "fed", 1, 100, 100, nil)
		time.Sleep(3 * time.Second)
		if err := stop(); err != nil {
			t.Errorf("the feed after it: %v", err)
		}
		if err := c.client.Flush(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
