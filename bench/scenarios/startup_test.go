package scenarios

import (
	"fmt"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/bench/harness"
)

// Whoever joins has a position in every partition and a record to read there, so that none waits for the next one.
func TestEveryMemberFindsARecordInEveryPartition(t *testing.T) {
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
	admin := kadm.NewClient(client)
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
		committed, err := admin.FetchOffsets(t.Context(), task.Group)
		if err != nil {
			t.Fatalf("%s: %v", c.Name, err)
		}
		ends, err := admin.ListEndOffsets(t.Context(), task.Topic)
		if err != nil {
			t.Fatal(err)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
		behind := 0
		ends.Each(func(end kadm.ListedOffset) {
			if at, ok := committed.Lookup(end.Topic, end.Partition); ok && at.At < end.Offset {
				behind++
			}
		})
		if behind != task.Parts {
			t.Errorf("%s has a position and something to read in %d of %d partitions", c.Name, behind, task.Parts)
		}
	}
}
