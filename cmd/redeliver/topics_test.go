package main

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

// topicsOf lists the topics of a cluster.
func topicsOf(t *testing.T, c *kfake.Cluster) []string {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(c.ListenAddrs()...))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	topics, err := kadm.NewClient(client).ListTopics(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return topics.Names()
}

var tierTopics = []string{"orders.orders.retry-1s", "orders.orders.retry-10s", "orders.orders.retry-60s", "orders.orders.dlq", "orders.orders.dlq.ledger"}

func TestTopicsPlanShowsAndApplyMakes(t *testing.T) {
	c := cluster(t)
	path := configFile(t, pipelineOn(c.ListenAddrs()))

	plan := run(t, "topics", "plan", "-c", path)
	plan.want(t, exitDone, "PIPELINE  ACTION  TOPIC", "replication factor 1")
	for _, topic := range tierTopics {
		if !strings.Contains(plan.out, topic) {
			t.Errorf("the plan lacks %s", topic)
		}
	}
	dry := run(t, "topics", "apply", "--dry-run", "-c", path)
	dry.want(t, exitDone, "dry run: nothing was changed")
	run(t, "topics", "apply", "-c", path).want(t, exitUsage, "Create 5 topics? There is no terminal to ask on: say --yes, or --dry-run")
	session{terminal: true, answer: "n\n"}.run(t, "topics", "apply", "-c", path).want(t, exitFailed, "not confirmed; nothing was changed")
	if got := topicsOf(t, c); len(got) != 1 {
		t.Fatalf("topics were made before somebody agreed: %v", got)
	}

	session{terminal: true, answer: "y\n"}.run(t, "topics", "apply", "-c", path).want(t, exitDone, "pipeline orders: create 5 topics: done")
	got := topicsOf(t, c)
	for _, topic := range tierTopics {
		if !slices.Contains(got, topic) {
			t.Errorf("%s was not made", topic)
		}
	}
	// Again there is nothing to do, and so nothing to ask.
	again := run(t, "topics", "apply", "-c", path)
	again.want(t, exitDone, "pipeline orders: all topics are as they should be")
	if again.out != "" {
		t.Errorf("an empty plan prints %q", again.out)
	}
}

func TestTopicsPlanNamesWhatIsLeftOver(t *testing.T) {
	c := cluster(t)
	run(t, "topics", "apply", "--yes", "-c", configFile(t, pipelineOn(c.ListenAddrs()))).want(t, exitDone)
	run(t, "topics", "plan", "-c", configFile(t, pipelineOn(c.ListenAddrs(), "retry: {tiers: [1s, 60s]}"))).want(t, exitDone,
		"left over: pipeline orders no longer needs orders.orders.retry-10s")
}

func TestTopicsPlanAsData(t *testing.T) {
	c := cluster(t)
	e := run(t, "topics", "plan", "-o", "json", "-c", configFile(t, pipelineOn(c.ListenAddrs(), "retry: {tiers: [5s]}", "dlq: {enabled: false}")))
	var plans []struct {
		Pipeline string
		Actions  []struct {
			Kind, Topic string
			Partitions  int
		}
		Warnings, Leftover []string
	}
	if err := json.Unmarshal([]byte(e.out), &plans); err != nil {
		t.Fatalf("%v in %s", err, e.out)
	}
	if len(plans) != 1 || len(plans[0].Actions) != 1 || plans[0].Actions[0].Topic != "orders.orders.retry-5s" || plans[0].Actions[0].Partitions != 3 {
		t.Errorf("plans %+v", plans)
	}
	if strings.Contains(e.out, "null") {
		t.Errorf("an empty list is null in\n%s", e.out)
	}
}

func TestTopicsOfAMissingSource(t *testing.T) {
	c := cluster(t)
	run(t, "topics", "plan", "-c", configFile(t, strings.Replace(pipelineOn(c.ListenAddrs()), "[orders]", "[oders]", 1))).want(t, exitFailed,
		`pipeline orders: topic "oders" does not exist`, "did you mean orders?")
}

// A pattern that no topic matches yet is no fault: it is told, and the rest goes on.
func TestTopicsOfAPatternThatNoTopicMatches(t *testing.T) {
	c := cluster(t)
	for topics, found := range map[string]string{"[/x.*/]": "all topics are as they should be", "[orders, /x.*/]": "orders.orders.retry-1s"} {
		path := configFile(t, strings.Replace(pipelineOn(c.ListenAddrs()), "[orders]", topics, 1))
		run(t, "topics", "plan", "-c", path).want(t, exitDone, "warning: pipeline orders: no topic matches /x.*/ yet: nothing is planned for it", found)
		run(t, "topics", "apply", "--dry-run", "-c", path).want(t, exitDone, "no topic matches /x.*/ yet")
		run(t, "status", "--cluster", "-c", path).want(t, exitDone, "orders: no topic matches /x.*/ yet: it is waited for", "no group")
		run(t, "status", "--cluster", "-o", "jsonl", "-c", path).want(t, exitDone, `"waits_for":["/x.*/"]`, `"topics":[`)
		run(t, "validate", "--connect", "-c", path).want(t, exitDone, "sources /x.*/: no topic matches yet")
	}
}

// One pipeline whose source is missing hides no other.
func TestAMissingSourceHoldsUpNoOtherPipeline(t *testing.T) {
	c := cluster(t)
	path := configFile(t, pipelineOn(c.ListenAddrs())+"  - {name: returns, topics: [returns], handler: {http: {url: 'http://127.0.0.1:9/'}}}\n")
	missing := `pipeline returns: topic "returns" does not exist`

	plan := run(t, "topics", "plan", "-c", path, "-o", "jsonl")
	plan.want(t, exitPart, missing, "not planned: returns")
	if strings.Count(plan.out, "\n") != 1 || !strings.HasPrefix(plan.out, `{"pipeline":"orders"`) {
		t.Errorf("planned %s", plan.out)
	}
	run(t, "topics", "apply", "--yes", "-c", path).want(t, exitPart, "pipeline orders: create 5 topics: done", missing)
	if got := topicsOf(t, c); len(got) != 6 {
		t.Errorf("there are the topics %v", got)
	}
	run(t, "topics", "apply", "-c", path).want(t, exitPart, "pipeline orders: all topics are as they should be")

	status := run(t, "status", "--cluster", "-c", path, "-o", "jsonl")
	status.want(t, exitPart, "pipeline returns: there is no topic returns", "not shown: returns")
	if strings.Count(status.out, "\n") != 1 || !strings.Contains(status.out, `"pipeline":"orders"`) {
		t.Errorf("shown %s", status.out)
	}
}

func TestConfigShowMasksSecretsAndNeedsNoBrokers(t *testing.T) {
	text := strings.Replace(pipelineOn([]string{"a:1"}), "kafka: {brokers: ['a:1']}", "kafka: {sasl: {username: u, password: '${PW}'}}", 1)
	path := configFile(t, text)
	for _, format := range []string{"table", "json", "jsonl"} {
		e := session{env: map[string]string{"PW": "hunter2"}}.run(t, "config", "show", "-c", path, "-o", format)
		e.want(t, exitDone, "******", "at_least_once")
		if strings.Contains(e.out+e.err, "hunter2") {
			t.Errorf("the password is shown as %s", format)
		}
	}
}

func TestConfigSchemaIsJSON(t *testing.T) {
	e := run(t, "config", "schema")
	e.want(t, exitDone)
	var schema map[string]any
	if err := json.Unmarshal([]byte(e.out), &schema); err != nil || schema["$schema"] == nil {
		t.Errorf("%v: %.100s", err, e.out)
	}
	line := run(t, "config", "schema", "-o", "jsonl")
	line.want(t, exitDone, `"$schema":`)
	if strings.Count(line.out, "\n") != 1 {
		t.Errorf("%d lines, want one", strings.Count(line.out, "\n"))
	}
	run(t, "config", "schema", "-o", "table").want(t, exitUsage, "redeliver config keys")
}

func TestConfigKeysListsEveryKey(t *testing.T) {
	run(t, "config", "keys").want(t, exitDone, "pipelines[].retry.tiers", "[1s, 10s, 60s]", "The delays that have a retry topic, ascending")
	run(t, "config", "keys", "-o", "jsonl").want(t, exitDone, `{"key":"kafka.brokers"`)
}
