package main

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/redeliver/redeliver/classify"
	"github.com/redeliver/redeliver/dlq"
	"github.com/redeliver/redeliver/retrytopics"
)

const springDLT = "orders-dlt"

// springDies writes a dead letter as Spring for Apache Kafka does.
func (m *morgue) springDies(offset int64, message string) {
	m.t.Helper()
	if err := m.client.ProduceSync(m.t.Context(), springLetter(offset, message)).FirstErr(); err != nil {
		m.t.Fatal(err)
	}
}

func springLetter(offset int64, message string) *kgo.Record {
	return &kgo.Record{Topic: springDLT, Key: []byte(fmt.Sprint("key-", offset)), Value: []byte(fmt.Sprintf(`{"order":%d}`, offset)), Headers: []kgo.RecordHeader{
		{Key: "trace", Value: []byte("t")},
		{Key: "kafka_original-topic", Value: []byte("orders")},
		{Key: "kafka_original-partition", Value: binary.BigEndian.AppendUint32(nil, 0)},
		{Key: "kafka_original-offset", Value: binary.BigEndian.AppendUint64(nil, uint64(offset))},
		{Key: "retry_topic-attempts", Value: binary.BigEndian.AppendUint32(nil, 4)},
		{Key: "kafka_dlt-original-consumer-group", Value: []byte("orders")},
		{Key: "kafka_exception-cause-fqcn", Value: []byte("java.net.ConnectException")},
		{Key: "kafka_exception-message", Value: []byte(message)},
	}}
}

func TestDeadLettersOfSpring(t *testing.T) {
	m := newMorgue(t)
	if _, err := kadm.NewClient(m.client).CreateTopic(t.Context(), 1, 1, nil, springDLT); err != nil {
		t.Fatal(err)
	}
	for i := range int64(3) {
		m.springDies(i, fmt.Sprintf("Connection refused after %d ms", 10+i))
	}
	m.run("dlq", "list", "--queue", springDLT).want(t, exitDone, "orders/0/2", "key-1", "java.net.ConnectException: Connection refused after 12 ms", "        3")
	stats := m.run("dlq", "stats", "--queue", springDLT)
	stats.want(t, exitDone, "3 dead letters", "--pipeline orders --queue "+springDLT+" --fingerprint ")
	if n := strings.Count(stats.out, "redeliver replay"); n != 1 {
		t.Errorf("%d problems, want 1:\n%s", n, stats.out)
	}
	m.run("dlq", "show", "orders/0/1", "--queue", springDLT).want(t, exitDone, "dialect", "spring", "kafka_original-offset              1\n", "retry_topic-attempts               4\n", `"order": 1`)
	m.run("classify", "--id", "orders/0/1", "--queue", springDLT).want(t, exitDone, "Connection refused after 11 ms")
	var list []deadLetter
	m.decode(m.run("dlq", "list", "--queue", springDLT, "-o", "json"), &list)
	if len(list) != 3 || list[0].Dialect != "spring" || list[0].Problem != "" || list[0].Attempts != 3 {
		t.Errorf("as data: %+v", list)
	}
	opened := filepath.Join(t.TempDir(), "opened")
	session{terminal: true, env: map[string]string{"EDITOR": "cat > " + opened + " <"}}.run(t, "dlq", "edit", "orders/0/1", "--queue", springDLT, "-c", m.config).want(t, exitDone, "Nothing was edited")
	if text, err := os.ReadFile(opened); err != nil || strings.Contains(string(text), "kafka_") || !strings.Contains(string(text), `"order": 1`) {
		t.Errorf("%v; to be edited is:\n%s", err, text)
	}
	m.run("replay", "--queue", springDLT, "--yes").want(t, exitDone, "replayed 3 dead letters to "+testTier)
	if n := m.inTier(); n != 3+1 { // and the marker of their transaction
		t.Errorf("%d in the tier", n)
	}
	m.run("dlq", "stats", "--queue", springDLT).want(t, exitDone, "0 dead letters")
	m.run("dlq", "stats").want(t, exitDone, "6 dead letters")
}

// A pipeline that holds keys (on_dead_letter: hold) holds none for the dead letters of another program: each of them is replayed by itself, and found in the
// index. Its own stay in order, also where they are named by their topic.
func TestForeignDeadLettersHoldNoKeys(t *testing.T) {
	m := newMorgue(t)
	if _, err := kadm.NewClient(m.client).CreateTopic(t.Context(), 1, 1, nil, springDLT); err != nil {
		t.Fatal(err)
	}
	m.config = configFile(t, pipelineOn(m.cluster.ListenAddrs(), "delivery: exactly_once_routing", "retry: {hold_key: true, on_dead_letter: hold}")+"index: {keep: 90d, path: '"+t.TempDir()+"'}\n")
	for i := range int64(4) {
		r := springLetter(i, "Connection refused")
		r.Key = []byte("k")
		if err := m.client.ProduceSync(t.Context(), r).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	m.run("dlq", "list", "--queue", springDLT).want(t, exitDone, "orders/0/3") // which builds the index
	lost := make(kadm.Offsets)
	lost.AddOffset(springDLT, 0, 1, -1)
	if _, err := kadm.NewClient(m.client).DeleteRecords(t.Context(), lost); err != nil {
		t.Fatal(err)
	}
	m.run("replay", "--queue", springDLT, "--id", "orders/0/3", "--yes").want(t, exitDone, "replayed 1 dead letter to ")
	m.run("replay", "--queue", springDLT, "--yes").want(t, exitDone, "replayed 3 dead letters to ") // one of which only the index keeps

	for _, offset := range []int64{6, 7} {
		state := retrytopics.State{ID: retrytopics.FormatID("", "orders", 0, offset), Topic: "orders", Offset: offset, Group: "orders", Attempt: 4, Class: classify.Network, Reason: retrytopics.ReasonExhausted}
		if err := m.client.ProduceSync(t.Context(), dlq.Letter(&kgo.Record{Key: []byte("k")}, state, testDLQ, 0)).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	m.run("replay", "--queue", testDLQ, "--id", "orders/0/7", "--yes").want(t, exitPart, "1 left out: an earlier dead letter of their key stays")
}

// No running pipeline looks after the dead letters of another program: a replay of them that is only started says what it waits for.
func TestStartedReplayOfForeignDeadLettersSaysWhoDoesIt(t *testing.T) {
	m := newMorgue(t)
	if _, err := kadm.NewClient(m.client).CreateTopic(t.Context(), 1, 1, nil, springDLT); err != nil {
		t.Fatal(err)
	}
	m.springDies(1, "Connection refused")
	e := m.run("replay", "start", "--queue", springDLT, "--yes")
	id, _, _ := strings.Cut(strings.TrimPrefix(e.out, springDLT+": replay "), " ")
	m.run("replay", "show", id).want(t, exitFailed, id+": there is no such replay: see `redeliver replay list -c "+m.config+"`; one of another program's dead letters is found with --queue")
	m.run("replay", "show", id, "--queue", springDLT).want(t, exitDone, "waiting")
	if e := m.run("replay", "show", "20260101-000000-beef00", "--queue", springDLT); strings.Contains(e.err, "is found with") {
		t.Errorf("it names what was said: %s", e.err)
	}
	_, resume, told := strings.Cut(strings.TrimSpace(e.out), " waits for this, for running pipelines take up those of their own dead letters only: redeliver ")
	if !told || e.status != exitDone {
		t.Fatalf("exit status %d, printed is\n%s", e.status, e.out)
	}
	run(t, append(strings.Fields(resume), "--yes")...).want(t, exitDone, "replayed 1 dead letter to "+testTier)
	m.run("replay", "start", "--queue", testDLQ, "--yes").want(t, exitDone, "waits for a running pipeline, or for: ") // which is its own
}

// Headers of another program may name any topic as the source: what pipelines work with is none.
func TestDeadLettersThatSayTheyComeFromAPipelinesOwnTopics(t *testing.T) {
	m := newMorgue(t)
	m.config = configFile(t, pipelineOn(m.cluster.ListenAddrs(), "dlq: {topic: 'dead.{group}.{topic}'}"))
	if _, err := kadm.NewClient(m.client).CreateTopics(t.Context(), 1, 1, nil, springDLT, testDLQ+".ledger", "dead.orders.orders", "returns-dlt.ledger", "orders"); err != nil {
		t.Fatal(err)
	}
	for i, topic := range []string{testDLQ, testTier, testDLQ + ".ledger", "dead.orders.orders", "returns-dlt.ledger"} {
		r := springLetter(int64(i), "Connection refused")
		r.Headers[1].Value = []byte(topic)
		if err := m.client.ProduceSync(t.Context(), r).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	m.springDies(9, "Connection refused")
	e := m.run("replay", "--queue", springDLT, "--to", "source", "--yes")
	e.want(t, exitPart, "replayed 1 dead letter to orders")
	for _, topic := range []string{testDLQ, testTier, testDLQ + ".ledger", "dead.orders.orders", "returns-dlt.ledger"} {
		e.want(t, exitPart, "1 left out: the headers say that the record came from "+topic+", which is no source but ")
	}
}

func TestQueueFlagMistakes(t *testing.T) {
	m := newMorgue(t)
	m.run("dlq", "list", "--queue", "no such").want(t, exitUsage, `--queue "no such": want the name of a dead-letter topic`)
	for _, args := range [][]string{{"dlq", "list"}, {"dlq", "stats"}, {"replay", "--yes"}, {"replay", "start", "--yes"}, {"dlq", "discard", "--class", "permanent", "--why", "a test", "--yes"}} {
		e := m.run(append(args, "--queue", "missing-dlt")...)
		if e.want(t, exitFailed, "--queue: topic missing-dlt does not exist: is that its name?"); e.out != "" {
			t.Errorf("%v: printed as data: %s", args, e.out)
		}
	}
	for topic, is := range map[string]string{
		"orders": "pipeline orders reads that topic", testTier: "that is a retry topic of pipeline orders", testDLQ + ".ledger": "that is the ledger of " + testDLQ,
		springDLT + ".ledger": "that is the ledger of " + springDLT,
	} {
		m.run("dlq", "purge", "--queue", topic, "--before", "1s", "--include-open", "--yes").want(t, exitUsage, "--queue "+topic+": "+is)
	}
	several := configFile(t, pipelineOn(m.cluster.ListenAddrs())+"  - name: returns\n    topics: [returns]\n    handler: {http: {url: 'http://127.0.0.1:9/'}}\n")
	run(t, "dlq", "list", "--queue", springDLT, "-c", several).want(t, exitUsage, "say --pipeline with one of orders, returns")
}

// Whose outcomes are told is said where a dead letter does not say it, and what could not be known is left out.
func TestWhoseOutcomesOfForeignDeadLetters(t *testing.T) {
	m := newMorgue(t)
	if _, err := kadm.NewClient(m.client).CreateTopic(t.Context(), 1, 1, nil, springDLT); err != nil {
		t.Fatal(err)
	}
	r := &kgo.Record{Topic: springDLT, Value: []byte("v"), Headers: []kgo.RecordHeader{
		{Key: "dead-letter-topic", Value: []byte("orders")}, {Key: "dead-letter-partition", Value: []byte("0")}, {Key: "dead-letter-offset", Value: []byte("7")},
	}}
	if err := m.client.ProduceSync(t.Context(), r).FirstErr(); err != nil {
		t.Fatal(err)
	}
	m.springDies(1, "Connection refused")
	e := m.run("replay", "--queue", springDLT, "--wait", "--dry-run")
	e.want(t, exitDone, "would have replayed 2 dead letters", "1 name no consumer group: the outcomes are those of group orders, of pipeline orders")
	if e := m.run("replay", "--queue", springDLT, "--dry-run"); strings.Contains(e.out, "outcomes") {
		t.Errorf("nobody waits for them: %s", e.out)
	}
	m.run("replay", "--queue", springDLT, "--to", "source", "--canary", "1", "--yes").want(t, exitPart, "replayed 0 dead letters",
		"1 left out: its outcome could not be known: its program retries over topics of its own", "1 left out: its outcome could not be known: group orders has committed nothing in orders")
}

// What Kafka keeps for itself holds no dead letters, whether that is known by its name or told by the cluster.
func TestQueueIsNoneOfKafkasOwn(t *testing.T) {
	m := newMorgue(t)
	internal := "true"
	if _, err := kadm.NewClient(m.client).CreateTopic(t.Context(), 1, 1, map[string]*string{"kfake.is_internal": &internal}, "_schemas_of_a_vendor"); err != nil {
		t.Fatal(err)
	}
	const own, kept = "that is one of Kafka's own", "the cluster keeps that topic for itself"
	for topic, is := range map[string]string{"__consumer_offsets": own, "__transaction_state": own, "_schemas_of_a_vendor": kept} {
		for _, args := range [][]string{{"dlq", "list"}, {"dlq", "purge", "--before", "1d", "--yes"}, {"replay", "--yes"}} {
			m.run(append(args, "--queue", topic)...).want(t, exitUsage, "--queue "+topic+": "+is+"; name one that holds dead letters of another program")
		}
	}
}

// Who may not see or read dead letters is told what to grant.
func TestDeadLettersThatMayNotBeRead(t *testing.T) {
	m := newMorgue(t)
	if _, err := kadm.NewClient(m.client).CreateTopic(t.Context(), 1, 1, nil, springDLT); err != nil {
		t.Fatal(err)
	}
	m.springDies(1, "Connection refused")
	for _, key := range []kmsg.Key{kmsg.Metadata, kmsg.Fetch} {
		for _, c := range []struct {
			topic, says string
			flags       []string
		}{
			{testDLQ, "`redeliver topics acls --for operate --pipeline orders -c " + m.config + "` prints what this user needs", nil},
			{springDLT, "this user needs Describe and Read on " + springDLT + " and " + springDLT + ".ledger", []string{"--queue", springDLT}},
		} {
			refused := m.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{key}, Topic: c.topic, Err: kerr.TopicAuthorizationFailed, Count: -1})
			for _, args := range [][]string{{"dlq", "list"}, {"dlq", "stats"}, {"dlq", "show", "orders/0/1"}, {"replay", "--dry-run"}} {
				e := m.run(slices.Concat(args, c.flags, []string{"--no-index"})...)
				if e.want(t, exitFailed, "TOPIC_AUTHORIZATION_FAILED", c.says); strings.Count(e.err, "this user needs") != 1 {
					t.Errorf("%v says it not once: %s", args, e.err)
				}
			}
			refused.Remove()
		}
	}
}
