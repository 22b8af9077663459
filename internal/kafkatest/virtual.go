//go:build synctests

package kafkatest

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Virtual is a cluster of a test's own, on virtual time: it lives in the bubble of a [testing/synctest] test, connected to
// its clients by pipes. It needs the build tag synctests, with which kgo uses locks that a bubble can wait for.
type Virtual struct {
	*kfake.Cluster
	network *kfake.VirtualNetwork
	brokers []string
}

// NewVirtual starts a cluster in the bubble of the caller, which closes it after the test: one broker, unless several
// [kfake.Ports] say otherwise.
func NewVirtual(t testing.TB, opts ...kfake.Opt) *Virtual {
	t.Helper()
	network := new(kfake.VirtualNetwork)
	// The network has no free port to give: they are named.
	ours := []kfake.Opt{
		kfake.Ports(9092), kfake.ListenFn(network.Listen), kfake.ClusterID(embeddedClusterID), kfake.DefaultNumPartitions(1),
	}
	cluster, err := kfake.NewCluster(append(ours, opts...)...)
	if err != nil {
		t.Fatalf("kafkatest: %v", err)
	}
	t.Cleanup(cluster.Close)
	return &Virtual{cluster, network, cluster.ListenAddrs()}
}

// Brokers returns the addresses that clients connect to, with the [Virtual.Dialer] only.
func (v *Virtual) Brokers() []string { return v.brokers }

// Dialer returns the option with which a client reaches the brokers.
func (v *Virtual) Dialer() kgo.Opt { return kgo.Dialer(v.network.DialContext) }

// Options returns what a client needs to connect.
func (v *Virtual) Options() []kgo.Opt { return []kgo.Opt{kgo.SeedBrokers(v.brokers...), v.Dialer()} }

// Client returns a client of the cluster that is closed after the test. Options come after ours, which are the
// connection and no linger.
func (v *Virtual) Client(t testing.TB, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	ours := append(v.Options(), kgo.ProducerLinger(0))
	client, err := kgo.NewClient(append(ours, opts...)...)
	if err != nil {
		t.Fatalf("kafkatest: %v", err)
	}
	t.Cleanup(client.Close)
	return client
}

// RefuseFetches refuses every fetch of a topic as soon as it is asked for, as brokers do to who may not read it. Who asks again at once
// does so for ever in no time: when there were more than most, enough is called.
func (v *Virtual) RefuseFetches(topic string, most int, enough func()) *kfake.FaultHandle {
	var last kmsg.Request // each is shown more than once
	asked := 0
	return v.Fault(kfake.Fault{
		Keys: []kmsg.Key{kmsg.Fetch}, Topic: topic, Err: kerr.TopicAuthorizationFailed, Count: -1,
		When: func(r kmsg.Request) bool {
			if r == last {
				return true
			}
			last = r
			if asked++; asked > most {
				enough()
			}
			return true
		},
	})
}
