// Package scenarios are what is measured, a file each: what is varied, and the contenders that are ours, which are raw franz-go and Redeliver.
package scenarios

import (
	"fmt"

	"github.com/redeliver/redeliver/bench/harness"
)

// All returns every scenario, in the order of their letters.
func All() []harness.Scenario {
	return []harness.Scenario{throughput, routing, failing, slow, replaying, lateness, backlog, startup, webhooks}
}

// The contenders that appear in several scenarios, as tables call them.
const (
	franz     = "franz-go"
	redeliver = "Redeliver"

	// Peers are programs of their own in bench/peers.
	watermill        = "watermill"
	kafkaGo          = "kafka-go"
	saramaLoop       = "sarama"
	spring           = "spring-kafka"
	parallelConsumer = "parallel-consumer"
)

// peers returns the contenders that are programs of their own, each held against another one, and the pipeline to be ahead of each.
func peers(against string, names ...string) []harness.Contender {
	var all []harness.Contender
	for _, name := range names {
		all = append(all, harness.Contender{Name: name, Against: against, Behind: redeliver})
	}
	return all
}

// counted says how many partitions there are.
func counted(partitions int) string {
	if partitions == 1 {
		return "1 partition"
	}
	return fmt.Sprintf("%d partitions", partitions)
}
