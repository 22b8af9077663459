package telemetry

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

// A pipeline has several clients, and makes them anew, which kprom alone does not take.
func TestTheClientsOfAPipelineAreCountedTogether(t *testing.T) {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "orders"))
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	registry := prometheus.NewPedanticRegistry()
	for _, pipeline := range []string{"orders", "clicks"} {
		m, err := NewClientMetrics(pipeline)
		if err != nil {
			t.Fatal(err)
		}
		registry.MustRegister(m)
		for range 2 {
			counted := make(onBatchWritten, 1)
			client, err := kgo.NewClient(kgo.SeedBrokers(cluster.ListenAddrs()...), kgo.WithHooks(m, counted))
			if err != nil {
				t.Fatal(err)
			}
			if err := client.ProduceSync(context.Background(), &kgo.Record{Topic: "orders", Value: []byte("x")}).FirstErr(); err != nil {
				t.Fatal(err)
			}
			<-counted // which may be after the record is acknowledged
			client.Close()
		}
	}
	lines := exposition(t, registry)
	for _, want := range []string{
		`redeliver_kafka_produce_records_total{node_id="0",pipeline="orders"} 2`,
		`redeliver_kafka_produce_records_total{node_id="0",pipeline="clicks"} 2`,
		`redeliver_kafka_buffered_produce_records{pipeline="orders"} 0`,
	} {
		if !slices.Contains(lines, want) {
			t.Errorf("missing: %s", want)
		}
	}
	for _, line := range lines {
		if strings.Contains(line, "topic=") {
			t.Errorf("topics are no label of clients, or their series have no bound: %s", line)
		}
	}
}

// onBatchWritten is told of batches after the hooks before it.
type onBatchWritten chan struct{}

func (c onBatchWritten) OnProduceBatchWritten(kgo.BrokerMetadata, string, int32, kgo.ProduceBatchMetrics) {
	c <- struct{}{}
}
