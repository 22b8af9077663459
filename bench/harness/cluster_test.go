package harness

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// virtual is a cluster of one broker on virtual time.
func virtual(t *testing.T, seeded ...kfake.Opt) (*kfake.Cluster, *Cluster) {
	t.Helper()
	network := new(kfake.VirtualNetwork)
	fake, err := kfake.NewCluster(append(seeded, kfake.NumBrokers(1), kfake.Ports(9092), kfake.ListenFn(network.Listen))...)
	if err != nil {
		t.Fatal(err)
	}
	c, err := newCluster("virtual", fake.ListenAddrs(), kgo.Dialer(network.DialContext))
	if err != nil {
		t.Fatal(err)
	}
	return fake, c
}

// A broker of Apache Kafka tells that a topic is made before it knows it: whoever asks next, a contender's client too, is told that there is none.
func TestATopicThatIsMadeIsKnown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake, c := virtual(t)
		defer fake.Close()
		defer c.Close()
		const late = 10 * time.Second
		made := time.Now()
		fake.ControlKey(kmsg.Metadata.Int16(), func(asked kmsg.Request) (kmsg.Response, error, bool) {
			fake.KeepControl()
			req := asked.(*kmsg.MetadataRequest)
			if len(req.Topics) == 0 || time.Since(made) > late {
				return nil, nil, false
			}
			answer := req.ResponseKind().(*kmsg.MetadataResponse)
			host := kmsg.NewMetadataResponseBroker()
			host.Host, host.Port = "127.0.0.1", 9092
			answer.Brokers = append(answer.Brokers, host)
			for _, one := range req.Topics {
				topic := kmsg.NewMetadataResponseTopic()
				topic.Topic, topic.TopicID, topic.ErrorCode = one.Topic, one.TopicID, kerr.UnknownTopicOrPartition.Code
				answer.Topics = append(answer.Topics, topic)
			}
			return answer, nil, true
		})
		if err := c.Create(t.Context(), "made", 3); err != nil {
			t.Fatal(err)
		}
		if after := time.Since(made); after < late || after > 2*late {
			t.Errorf("the topic is said to be there after %v, the broker knew it after %v", after, late)
		}
		if err := c.Fill(t.Context(), "made", 3, 30, 100, nil); err != nil {
			t.Error(err)
		}
	})
}

// Records that a feed has left, of a topic that is gone since, do not keep the next topic from being filled.
func TestATopicIsFilledAfterOneThatIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake, c := virtual(t)
		defer fake.Close()
		defer c.Close()
		stop := c.Feed(t.Context(), "gone", 1, 100, 1000, nil)
		time.Sleep(100 * time.Millisecond)
		if err := stop(); err != nil {
			t.Error(err)
		}
		if err := c.Create(t.Context(), "next", 1); err != nil {
			t.Error(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		if err := c.Fill(ctx, "next", 1, 30, 100, nil); err != nil {
			t.Error(err)
		}
	})
}
