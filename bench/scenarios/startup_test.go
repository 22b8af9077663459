package scenarios

import (
	"fmt"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Whoever joins has a position in every partition and a record to read there, so that none waits for the next one.
func TestEveryMemberFindsARecordInEveryPartition(t *testing.T) {
	cluster, _ := onFake(t)
	client, err := kgo.NewClient(kgo.SeedBrokers(cluster.Brokers...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	admin := kadm.NewClient(client)
	one := startup.Cases(0.001)[0]
	one.Task.Brokers, one.Task.Topic = cluster.Brokers, "source"
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
