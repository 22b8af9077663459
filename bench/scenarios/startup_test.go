package scenarios

import (
	"fmt"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/bench/harness"
)

// Whoever joins has a position in every partition, so that each finds there what came since, and none waits for the next record.
func TestEveryMemberStartsWithPositions(t *testing.T) {
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
	client, err := kgo.NewClient(kgo.SeedBrokers(fake.ListenAddrs()...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	one := startup.Cases(0.001)[0]
	one.Task.Brokers, one.Task.Topic = fake.ListenAddrs(), "source"
	if err := one.Prepare(t.Context(), cluster, &one); err != nil {
		t.Fatal(err)
	}
	for i, c := range startup.Contenders {
		task := one.Task
		task.Group = fmt.Sprintf("group-%d", i)
		stop, err := one.Round(t.Context(), cluster, c.Name, &task)
		if err != nil {
			t.Fatal(err)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
		committed, err := kadm.NewClient(client).FetchOffsets(t.Context(), task.Group)
		if err != nil {
			t.Fatalf("%s: %v", c.Name, err)
		}
		if n := len(committed.Offsets()[task.Topic]); n != task.Parts {
			t.Errorf("%s has positions in %d of %d partitions", c.Name, n, task.Parts)
		}
	}
}
