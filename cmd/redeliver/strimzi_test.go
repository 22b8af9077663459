package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/jsonschema-go/jsonschema"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.yaml.in/yaml/v4"

	"github.com/redeliver/redeliver/internal/certs/certstest"
)

// strimziTopicSpec and strimziUserSpec are what the tests read of a resource.
type strimziTopicSpec struct {
	TopicName            string `json:"topicName"`
	Partitions, Replicas int
	Config               map[string]string
}

type strimziUserSpec struct {
	UserName       string `json:"userName"`
	Authentication struct{ Type string }
	Authorization  struct {
		ACLs []struct {
			Resource   struct{ Type, Name, PatternType string }
			Operations []string
		} `json:"acls"`
	}
}

// strimziResources reads what was printed, and holds it to what Strimzi takes.
func strimziResources(t *testing.T, printed string) (topics []strimziTopicSpec, users map[string]strimziUserSpec) {
	t.Helper()
	users = make(map[string]strimziUserSpec)
	for _, text := range strings.Split(printed, "---\n") {
		var got struct {
			Kind     string
			Metadata struct{ Name string }
			Spec     json.RawMessage
		}
		plain := yamlAsJSON(t, text)
		if err := json.Unmarshal(plain, &got); err != nil {
			t.Fatal(err)
		}
		if err := strimziTakes(t, got.Kind, plain); err != nil {
			t.Errorf("Strimzi takes no such %s: %v\n%s", got.Kind, err, text)
		}
		var err error
		switch got.Kind {
		case "KafkaTopic":
			var one strimziTopicSpec
			err = json.Unmarshal(got.Spec, &one)
			topics = append(topics, one)
		case "KafkaUser":
			var one strimziUserSpec
			err = json.Unmarshal(got.Spec, &one)
			users[got.Metadata.Name] = one
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return topics, users
}

func yamlAsJSON(t *testing.T, text string) []byte {
	t.Helper()
	var values any
	if err := yaml.Unmarshal([]byte(text), &values); err != nil {
		t.Fatal(err)
	}
	plain, err := json.Marshal(values)
	if err != nil {
		t.Fatal(err)
	}
	return plain
}

// strimziTakes validates a resource by the fields of its kind.
func strimziTakes(t *testing.T, kind string, resource []byte) error {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "strimzi", filepath.Base(kind)+".yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var schema jsonschema.Schema
	if err := json.Unmarshal(yamlAsJSON(t, string(text)), &schema); err != nil {
		t.Fatal(err)
	}
	resolved, err := schema.Resolve(nil)
	if err != nil {
		t.Fatal(err)
	}
	var values any
	if err := json.Unmarshal(resource, &values); err != nil {
		t.Fatal(err)
	}
	return resolved.Validate(values)
}

// All topics are printed, those included that are there: with what they have and with what they lack.
func TestTopicsAsResourcesOfStrimzi(t *testing.T) {
	c := cluster(t)
	path := configFile(t, pipelineOn(c.ListenAddrs(), "retry: {tiers: [1s]}"))
	plan := func() (ended, []strimziTopicSpec) {
		t.Helper()
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
    replicas: 1
`)
		topics, _ := strimziResources(t, e.out)
		var names []string
		for _, one := range topics {
			names = append(names, one.TopicName)
		}
		if want := []string{"orders.orders.retry-1s", "orders.orders.dlq", "orders.orders.dlq.ledger"}; !slices.Equal(names, want) {
			t.Errorf("topics %q, want %q", names, want)
		}
		return e, topics
	}
	_, missing := plan()
	run(t, "topics", "apply", "--yes", "-c", path).want(t, exitDone)
	e, made := plan()
	e.want(t, exitDone, "all topics are as they should be")
	if !reflect.DeepEqual(made, missing) {
		t.Errorf("once they are there they are\n%+v, and before\n%+v", made, missing)
	}

	client, err := kgo.NewClient(kgo.SeedBrokers(c.ListenAddrs()...))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	larger, day, hour := "9000000", "86400000", "3600000"
	_, err = kadm.NewClient(client).AlterTopicConfigs(t.Context(), []kadm.AlterConfig{
		{Name: "max.message.bytes", Value: &larger}, {Name: "segment.ms", Value: &hour}, {Name: "retention.ms", Value: &day},
	}, "orders.orders.retry-1s")
	if err != nil {
		t.Fatal(err)
	}
	_, changed := plan()
	for key, want := range map[string]string{"max.message.bytes": larger, "segment.ms": hour, "retention.ms": "-1"} {
		if got := changed[0].Config[key]; got != want {
			t.Errorf("%s is %q, want %q: what is larger or somebody's stays, what is wrong does not", key, got, want)
		}
	}
	run(t, "topics", "plan", "-o", "strimzi", "-c", path).want(t, exitUsage, "needs --strimzi-cluster")
	run(t, "topics", "plan", "-o", "strimzi", "--strimzi-cluster", "My Cluster", "-c", path).want(t, exitUsage, "is no name of a resource")
	run(t, "topics", "plan", "-o", "xml", "-c", path).want(t, exitUsage, "table, json, jsonl, strimzi")
	run(t, "topics", "apply", "-o", "strimzi", "-c", path).want(t, exitUsage, "want one of table, json, jsonl")
}

// The user that the plan prints has the privileges that `topics acls` prints, each of them and no more, whatever the configuration.
func TestThePlanPrintsTheUserWithItsPrivileges(t *testing.T) {
	c := cluster(t)
	for name, lines := range map[string][]string{
		"small":          nil,
		"made by others": {"retry: {tiers: [1s]}", "---", "topics: {create: false}"},
		"everything":     {"delivery: exactly_once_routing", "retry: {hold_key: true, on_dead_letter: hold}", "breaker: {scope: fleet}"},
		"patterns":       {"dlq: {enabled: false}", "---", "pattern"},
	} {
		t.Run(name, func(t *testing.T) {
			inside, more := lines, []string(nil)
			if at := slices.Index(lines, "---"); at >= 0 {
				inside, more = lines[:at], lines[at+1:]
			}
			text := pipelineOn(c.ListenAddrs(), inside...)
			if slices.Contains(more, "pattern") {
				text = strings.Replace(text, "topics: [orders]", "topics: [/or.*/]", 1)
			} else {
				text += strings.Join(more, "\n") + "\n"
			}
			path := configFile(t, text)
			e := run(t, "topics", "plan", "-o", "strimzi", "--strimzi-cluster", "main", "-c", path)
			e.want(t, exitDone)
			_, users := strimziResources(t, e.out)
			var got []string
			for _, one := range users["redeliver"].Authorization.ACLs {
				for _, operation := range one.Operations {
					got = append(got, strings.Join([]string{one.Resource.Type, one.Resource.Name, one.Resource.PatternType, operation}, " "))
				}
			}
			var printed []acl
			if err := json.Unmarshal([]byte(run(t, "topics", "acls", "-o", "json", "-c", path).out), &printed); err != nil {
				t.Fatal(err)
			}
			var want []string
			for _, one := range printed {
				want = append(want, strings.Join([]string{camel(one.Resource), one.Name, strings.TrimSuffix(one.Pattern, "ed"), words(one.Operation)}, " "))
			}
			slices.Sort(got)
			slices.Sort(want)
			if len(want) == 0 || !slices.Equal(got, slices.Compact(want)) {
				t.Errorf("the user has\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
		})
	}
}

// Who the user is, and how it shows that, comes from the configuration as far as Strimzi has it.
func TestTheUserOfStrimziIsThatOfTheConfiguration(t *testing.T) {
	directory := t.TempDir()
	certificate, key := certstest.PEM(t, certstest.New(t, "clients").Sign(t, "billing"))
	for name, content := range map[string][]byte{"client.crt": certificate, "client.key": key} {
		if err := os.WriteFile(filepath.Join(directory, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, tt := range map[string]struct {
		kafka string
		flags []string
		want  string // name, user name, authentication
	}{
		"nothing": {kafka: "", want: "redeliver  "},
		"SCRAM":   {kafka: "sasl: {username: billing, password: p}", want: "billing  scram-sha-512"},
		"a name in letters that Kubernetes does not take": {kafka: "sasl: {username: Billing_App, password: p}", want: resourceName("Billing_App") + " Billing_App scram-sha-512"},
		"a mechanism that Strimzi does not make":          {kafka: "sasl: {mechanism: plain, username: billing, password: p}", want: "billing  "},
		"a certificate":                                   {kafka: "tls: {enabled: true, cert_file: '" + directory + "/client.crt', key_file: '" + directory + "/client.key'}", want: "redeliver  tls"},
		"another name":                                    {kafka: "sasl: {username: billing, password: p}", flags: []string{"--strimzi-user", "ops"}, want: "ops  scram-sha-512"},
	} {
		t.Run(name, func(t *testing.T) {
			text := pipelineOn([]string{"a:1"})
			if tt.kafka != "" {
				text = strings.Replace(text, "kafka: {", "kafka: {"+tt.kafka+", ", 1)
			}
			e := run(t, append([]string{"topics", "acls", "-o", "strimzi", "--strimzi-cluster", "main", "-c", configFile(t, text)}, tt.flags...)...)
			e.want(t, exitDone)
			_, users := strimziResources(t, e.out)
			var got []string
			for name, one := range users {
				got = append(got, name+" "+one.UserName+" "+one.Authentication.Type)
			}
			if !slices.Equal(got, []string{tt.want}) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestPrivilegesAsAUserOfStrimzi(t *testing.T) {
	path := configFile(t, pipelineOn([]string{"a:1"}, "delivery: exactly_once_routing", "retry: {tiers: [1s]}"))
	e := run(t, "topics", "acls", "-o", "strimzi", "--strimzi-cluster", "main", "--for", "run", "-c", path)
	e.want(t, exitDone, "kind: KafkaUser", "name: redeliver", "strimzi.io/cluster: main", "type: simple",
		"name: redeliver-orders-\n                patternType: prefix\n                type: transactionalId\n              operations:\n                - Write\n              host: '*'",
		"name: orders\n                patternType: literal\n                type: group\n              operations:\n                - Read\n")
}

// What Strimzi does not take is noticed.
func TestWhatStrimziDoesNotTakeIsNoticed(t *testing.T) {
	e := run(t, "topics", "acls", "-o", "strimzi", "--strimzi-cluster", "main", "-c", configFile(t, pipelineOn([]string{"a:1"})))
	for what, change := range map[string][2]string{
		"a name that is none":      {"operations:", "operation:"},
		"a word that is none":      {"- Read", "- READ"},
		"a pattern that is none":   {"patternType: literal", "patternType: prefixed"},
		"a name of another case":   {"name: redeliver\n", "name: Redeliver\n"},
		"a version that is gone":   {"kafka.strimzi.io/v1", "kafka.strimzi.io/v1beta2"},
		"a user without its rules": {"acls:", "rules:"},
	} {
		if text := strings.Replace(e.out, change[0], change[1], 1); text == e.out || strimziTakes(t, "KafkaUser", yamlAsJSON(t, text)) == nil {
			t.Errorf("%s is taken", what)
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
