package scenarios

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/redeliver/redeliver/bench/harness"
)

// onFake is a cluster of one fake broker, and that broker; they end with the test.
func onFake(t *testing.T) (*harness.Cluster, *kfake.Cluster) {
	t.Helper()
	fake, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(fake.Close)
	cluster, err := harness.Connect(t.Context(), harness.Embedded, fake.ListenAddrs())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	return cluster, fake
}
