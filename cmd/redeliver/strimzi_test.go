package main

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"
)

func TestTopicsAsResourcesOfStrimzi(t *testing.T) {
	c := cluster(t)
	path := configFile(t, pipelineOn(c.ListenAddrs(), "retry: {tiers: [1s]}"))
	e := run(t, "topics", "plan", "-o", "strimzi", "--strimzi-cluster", "main", "-c", path)
	e.want(t, exitDone, `apiVersion: kafka.strimzi.io/v1
kind: KafkaTopic
metadata:
    name: orders.orders.retry-1s
    labels:
        strimzi.io/cluster: main
spec:
    topicName: orders.orders.retry-1s
    partitions: 3
`)
	resources := strings.Split(e.out, "---\n")
	if len(resources) != 3 {
		t.Errorf("%d resources, want those of the tier, the dead letters and the ledger\n%s", len(resources), e.out)
	}
	for _, text := range resources {
		var got struct {
			APIVersion, Kind string
			Metadata         struct {
				Name   string
				Labels map[string]string
			}
			Spec struct {
				TopicName            string `yaml:"topicName"`
				Partitions, Replicas int
				Config               map[string]string
			}
		}
		if err := yaml.Unmarshal([]byte(strings.Replace(text, "apiVersion", "apiversion", 1)), &got); err != nil || got.Spec.Config["retention.ms"]+got.Spec.Config["cleanup.policy"] == "" {
			t.Errorf("%v: %+v", err, got)
		}
	}
	run(t, "topics", "plan", "-o", "strimzi", "-c", path).want(t, exitUsage, "needs --strimzi-cluster")
	run(t, "topics", "plan", "-o", "xml", "-c", path).want(t, exitUsage, "table, json, jsonl, strimzi")
	run(t, "topics", "apply", "-o", "strimzi", "-c", path).want(t, exitUsage, "want one of table, json, jsonl")
}

func TestPrivilegesAsAUserOfStrimzi(t *testing.T) {
	path := configFile(t, pipelineOn([]string{"a:1"}, "delivery: exactly_once_routing", "retry: {tiers: [1s]}"))
	e := run(t, "topics", "acls", "-o", "strimzi", "--strimzi-cluster", "main", "--for", "run", "-c", path)
	e.want(t, exitDone, "kind: KafkaUser", "name: redeliver", "strimzi.io/cluster: main", "type: simple")
	for _, block := range []string{
		"- resource:\n                name: orders.orders.retry-1s\n                patternType: literal\n                type: topic\n              operations:\n",
		"name: redeliver-orders-\n                patternType: prefix\n                type: transactionalId\n              operations:\n                - Write\n              host: '*'",
		"name: orders\n                patternType: literal\n                type: group\n              operations:\n                - Read\n",
	} {
		if !strings.Contains(e.out, block) {
			t.Errorf("there is no\n%s\nin\n%s", block, e.out)
		}
	}
}

func TestResourceNamesAreKubernetes(t *testing.T) {
	legal := regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`)
	names := []string{"orders.orders.retry-1s", "Orders", "orders", "a_b", "a-b", "_", "-a-", "a..b", "a.-b", "a-.b", "A.B", strings.Repeat("x", 249) + ".dlq", "..", "ORDERS", strings.Repeat("x.", 124)}
	var made []string
	for _, name := range names {
		got := resourceName(name)
		if !legal.MatchString(got) || len(got) > 253 {
			t.Errorf("%q becomes %q", name, got)
		}
		if slices.Contains(made, got) {
			t.Errorf("two names become %q", got)
		}
		made = append(made, got)
	}
	if made[0] != names[0] {
		t.Errorf("a legal name becomes %q", made[0])
	}
}
