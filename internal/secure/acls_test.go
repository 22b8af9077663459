package secure

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/redeliver/redeliver/classify"
	"github.com/redeliver/redeliver/dlq"
	"github.com/redeliver/redeliver/internal/config"
	"github.com/redeliver/redeliver/retrytopics"
)

// printed returns the privileges that `redeliver topics acls` prints, with these flags.
func (b *bundle) printed(t *testing.T, flags ...string) (all []config.Privilege) {
	t.Helper()
	for line := range strings.Lines(b.must(t, append([]string{"topics", "acls", "-o", "jsonl"}, flags...)...)) {
		var one config.Privilege
		if err := json.Unmarshal([]byte(line), &one); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		all = append(all, one)
	}
	if len(all) == 0 {
		t.Fatal("redeliver topics acls prints nothing")
	}
	return all
}

// builder is Kafka's word for a privilege of the bundle's user.
func (b *bundle) builder(t *testing.T, p config.Privilege) *kadm.ACLBuilder {
	t.Helper()
	operation, err := kmsg.ParseACLOperation(p.Operation)
	if err != nil {
		t.Fatal(err)
	}
	pattern, err := kmsg.ParseACLResourcePatternType(p.Pattern)
	if err != nil {
		t.Fatal(err)
	}
	acl := kadm.NewACLs().Allow("User:" + b.user).AllowHosts().Operations(operation).ResourcePatternType(pattern)
	switch p.Resource {
	case "topic":
		return acl.Topics(p.Name)
	case "group":
		return acl.Groups(p.Name)
	case "transactional_id":
		return acl.TransactionalIDs(p.Name)
	}
	t.Fatalf("there is no such resource: %s", p.Resource)
	return nil
}

func (b *bundle) grant(t *testing.T, all ...config.Privilege) {
	t.Helper()
	for _, p := range all {
		results, err := b.admin.CreateACLs(t.Context(), b.builder(t, p))
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range results {
			if r.Err != nil {
				t.Fatalf("%s %s on %s %s: %v", p.Pattern, p.Operation, p.Resource, p.Name, r.Err)
			}
		}
	}
}

func (b *bundle) revoke(t *testing.T, p config.Privilege) {
	t.Helper()
	results, err := b.admin.DeleteACLs(t.Context(), b.builder(t, p))
	if err != nil {
		t.Fatal(err)
	}
	deleted := 0
	for _, r := range results {
		deleted += len(r.Deleted)
	}
	if deleted != 1 {
		t.Fatalf("%s %s on %s %s: %d ACLs deleted, want 1", p.Pattern, p.Operation, p.Resource, p.Name, deleted)
	}
}

// eventually asks again until the answer is right: a broker learns of ACLs a moment after they are written.
func eventually(t *testing.T, what string, right func() (answer string, ok bool)) {
	t.Helper()
	until := time.Now().Add(20 * time.Second)
	for {
		answer, ok := right()
		if ok {
			return
		}
		if time.Now().After(until) {
			t.Fatalf("%s; the answer is\n%s", what, answer)
		}
	}
}

var deliveries = map[string]string{
	"at_least_once":        "",
	"exactly_once_routing": "    delivery: exactly_once_routing\n",
}

// With exactly the printed privileges a pipeline makes its topics, retries, writes dead letters, and replays them.
func TestThePrintedPrivilegesAreEnough(t *testing.T) {
	for name, more := range deliveries {
		t.Run(name, func(t *testing.T) {
			b := setup(t, more)
			b.grant(t, b.printed(t)...)
			eventually(t, "validate --connect finds nothing amiss", func() (string, bool) {
				out, status := b.redeliver(t, "validate", "--connect")
				return out, status == 0 && strings.Contains(out, "the user may do what is needed")
			})
			said := b.run(t)
			var values []string
			for i := range 10 {
				values = append(values, fmt.Sprint("good-", i), fmt.Sprint("once-", i))
			}
			b.produce(t, append(values, "dead-1", "dead-2", "dead-3")...)
			b.service.await(t, 20, said)
			b.awaitRecords(t, b.user+"."+b.topic+".dlq", 3)
			b.must(t, "topics", "plan")
			b.must(t, "status", "--cluster")
			if out := b.must(t, "dlq", "list", "-o", "jsonl"); strings.Count(out, "{\"") < 3 {
				t.Errorf("dlq list: want three dead letters, got\n%s", out)
			}
			b.service.mend()
			b.must(t, "replay", "--yes", "--limit", "2")
			b.service.await(t, 22, said)
			b.must(t, "dlq", "discard", "--yes", "--class", "validation", "--why", "a test")
			if out := b.must(t, "dlq", "list", "-o", "jsonl"); strings.Contains(out, "{") {
				t.Errorf("all dead letters were replayed or discarded, and there is\n%s", out)
			}
			if text := said.String(); strings.Contains(text, "AUTHORIZATION_FAILED") || strings.Contains(text, "not permitted") {
				t.Errorf("redeliver run lacks something\n%s", text)
			}
		})
	}
}

// With exactly what is printed for who operates, the commands list, park and discard dead letters, make the ledger, and give it partitions when
// the dead letters have got some.
func TestThePrintedPrivilegesOfWhoOperatesAreEnough(t *testing.T) {
	b := setup(t, "")
	b.grant(t, b.printed(t, "--for", config.ForOperate)...)
	letters := b.user + "." + b.topic + ".dlq"
	if _, err := b.admin.CreateTopic(t.Context(), 1, 1, nil, letters); err != nil {
		t.Fatal(err)
	}
	b.bury(t, letters, 0)
	eventually(t, "dlq list lists what is there", func() (string, bool) {
		out, status := b.redeliver(t, "dlq", "list", "-o", "jsonl")
		return out, status == 0 && strings.Contains(out, `"status":"open"`)
	})
	b.must(t, "dlq", "discard", "--yes", "--class", "validation", "--why", "a test")
	if _, err := b.admin.UpdatePartitions(t.Context(), 3, letters); err != nil {
		t.Fatal(err)
	}
	b.bury(t, letters, 2)
	eventually(t, "dlq park parks what came to a new partition", func() (string, bool) {
		out, status := b.redeliver(t, "dlq", "park", "--yes", "--class", "validation", "--why", "a test")
		return out, status == 0 && strings.Contains(out, "parked")
	})
	if details, err := b.admin.ListTopics(t.Context(), retrytopics.LedgerTopic(letters)); err != nil || len(details[retrytopics.LedgerTopic(letters)].Partitions) != 3 {
		t.Errorf("the ledger has not three partitions: %v, %v", details, err)
	}
}

// bury writes a dead letter, as the admin.
func (b *bundle) bury(t *testing.T, letters string, partition int32) {
	t.Helper()
	record := &kgo.Record{Topic: b.topic, Partition: partition, Key: []byte("broken"), Value: []byte("broken")}
	letter := dlq.Letter(record, retrytopics.State{
		ID: retrytopics.FormatID("", b.topic, partition, 0), Topic: b.topic, Partition: partition, Timestamp: time.Now(),
		Group: b.user, Attempt: 1, FirstFailed: time.Now(), Class: classify.Validation, Reason: retrytopics.ReasonNotRetriable,
	}, letters, 0)
	// A broker learns of new partitions a moment after they are made.
	eventually(t, "the dead letter is written", func() (string, bool) {
		b.client.ForceMetadataRefresh()
		err := b.client.ProduceSync(t.Context(), letter).FirstErr()
		return fmt.Sprint(err), err == nil
	})
}

// Each of them is asked for by name when it is taken away.
func TestAPrivilegeThatIsMissingIsNamed(t *testing.T) {
	b := setup(t, deliveries["exactly_once_routing"])
	all := b.printed(t)
	b.grant(t, all...)
	eventually(t, "topics apply makes the topics", func() (string, bool) {
		out, status := b.redeliver(t, "topics", "apply", "--yes")
		return out, status == 0
	})
	for _, p := range all {
		if p.Operation == "DESCRIBE_CONFIGS" && slices.ContainsFunc(all, func(o config.Privilege) bool { return o.Operation == "ALTER_CONFIGS" && o.Name == p.Name }) {
			continue // which implies it: only who operates and runs nothing needs it by itself
		}
		what := "the user lacks " + p.Operation + " on " + map[string]string{"topic": "", "group": "the group ", "transactional_id": "the transactional id "}[p.Resource] + p.Name
		if p.Pattern == "prefixed" {
			what = "the user lacks " + p.Operation + " on transactional ids that begin with " + p.Name
		}
		b.revoke(t, p)
		eventually(t, "validate --connect says: "+what, func() (string, bool) {
			out, status := b.redeliver(t, "validate", "--connect")
			fatal := p.Must && strings.Contains(strings.Join(p.For, " "), config.ForRun)
			return out, strings.Contains(out, what) && strings.Contains(out, "it is needed to "+p.Why) && (status != 0) == fatal
		})
		b.grant(t, p)
	}
	t.Logf("%d privileges, each named when it was missing", len(all))
}

// Dead letters of another program may name topics that the user has no part in: they are left out, each with what to grant, and the others are replayed.
func TestADestinationThatIsDeniedIsLeftOut(t *testing.T) {
	b := setup(t, "")
	dead := b.topic + "-dlt"
	compact := kadm.StringPtr("compact")
	for topic, configs := range map[string]map[string]*string{dead: nil, retrytopics.LedgerTopic(dead): {"cleanup.policy": compact}, b.topic + "-audit": nil, b.topic + "-payroll": nil} {
		if _, err := b.admin.CreateTopic(t.Context(), 1, 1, configs, topic); err != nil {
			t.Fatal(err)
		}
	}
	may := func(resource, name string, operations ...string) {
		for _, operation := range operations {
			b.grant(t, config.Privilege{Resource: resource, Name: name, Pattern: "literal", Operation: operation})
		}
	}
	may("topic", dead, "READ")
	may("topic", retrytopics.LedgerTopic(dead), "READ", "WRITE", "DESCRIBE_CONFIGS")
	may("topic", b.topic, "WRITE")
	may("topic", b.topic+"-audit", "READ")
	may("transactional_id", "redeliver."+dead, "WRITE")
	for i, from := range []string{b.topic, b.topic + "-payroll", b.topic + "-none", b.topic + "-audit", "foo bar"} {
		letter := &kgo.Record{Topic: dead, Value: []byte("v"), Headers: []kgo.RecordHeader{
			{Key: "dead-letter-topic", Value: []byte(from)}, {Key: "dead-letter-partition", Value: []byte("0")}, {Key: "dead-letter-offset", Value: fmt.Append(nil, i)},
		}}
		if err := b.client.ProduceSync(t.Context(), letter).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	want := []string{
		"replayed 1 dead letter to " + b.topic,
		"1 left out: topic " + b.topic + "-payroll may not be looked up by this user", "1 left out: topic " + b.topic + "-none may not be looked up by this user",
		"1 left out: topic " + b.topic + "-audit may not be written to by this user", `1 left out: the headers say that the record came from "foo bar"`,
	}
	eventually(t, "the others are replayed", func() (string, bool) {
		out, status := b.redeliver(t, "replay", "--queue", dead, "--to", "source", "--yes")
		return out, status == 3 && !slices.ContainsFunc(want, func(text string) bool { return !strings.Contains(out, text) })
	})
	b.must(t, "dlq", "stats", "--queue", dead)
}
