package harness

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// A feed that is stopped while its records wait for the broker takes no record of the next feed to the topic with it, which is in one
// batch with them.
func TestAFeedThatEndsLeavesTheNextOneAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := new(kfake.VirtualNetwork)
		fake, err := kfake.NewCluster(kfake.Ports(9092), kfake.ListenFn(network.Listen), kfake.SeedTopics(1, "fed"))
		if err != nil {
			t.Fatal(err)
		}
		defer fake.Close()
		client, err := kgo.NewClient(kgo.SeedBrokers(fake.ListenAddrs()...), kgo.Dialer(network.DialContext), kgo.RecordPartitioner(kgo.ManualPartitioner()))
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		slow := true
		fake.ControlKey(kmsg.Produce.Int16(), func(kmsg.Request) (kmsg.Response, error, bool) {
			if slow {
				slow = false
				fake.SleepControl(func() { time.Sleep(time.Second) })
			}
			return nil, nil, false
		})

		c := &Cluster{Name: "virtual", client: client}
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
		if err := client.Flush(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
