package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/classify"
	"github.com/redeliver/redeliver/dlq"
	"github.com/redeliver/redeliver/retrytopics"
)

const (
	testDLQ  = "orders.orders.dlq"
	testTier = "orders.orders.retry-1s"
)

// morgue is a cluster with the dead letters of pipeline orders, and its configuration.
type morgue struct {
	t       *testing.T
	cluster *kfake.Cluster
	client  *kgo.Client
	config  string
}

// newMorgue has dead letters of these offsets: 0 to 3 of class network, 4 of class validation with a payload that is no
// text and null among its headers, 5 that was replayed three times.
func newMorgue(t *testing.T) *morgue {
	t.Helper()
	c := cluster(t, kfake.SeedTopics(3, testDLQ, testTier))
	client, err := kgo.NewClient(kgo.SeedBrokers(c.ListenAddrs()...), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	m := &morgue{t: t, cluster: c, client: client, config: configFile(t, pipelineOn(c.ListenAddrs()))}
	for i := range 6 {
		class, replays, value := classify.Network, 0, []byte(fmt.Sprintf(`{"order":%d,"lines":["a","b"]}`, i))
		if i == 4 {
			class, value = classify.Validation, []byte{0xff, 0x00, 'x'}
		}
		if i == 5 {
			replays = 3
		}
		m.dies(int64(i), class, replays, value)
	}
	return m
}

func (m *morgue) dies(offset int64, class classify.Class, replays int, value []byte) {
	m.t.Helper()
	m.diesAs("orders", offset, class, replays, value)
}

// diesOf writes a dead letter of another group into the queue.
func (m *morgue) diesOf(group string, offset int64) {
	m.t.Helper()
	m.diesAs(group, offset, classify.Network, 0, []byte("{}"))
}

func (m *morgue) diesAs(group string, offset int64, class classify.Class, replays int, value []byte) {
	m.t.Helper()
	headers := []kgo.RecordHeader{{Key: "trace", Value: []byte("t-1")}, {Key: "trace", Value: nil}}
	state := retrytopics.State{
		ID: retrytopics.FormatID("", "orders", 0, offset), Topic: "orders", Offset: offset, Group: group,
		Timestamp: time.UnixMilli(1_763_900_000_000), Attempt: 4, Replays: replays, Class: class,
		Error: "*errors.errorString: the shop is closed", Reason: retrytopics.ReasonExhausted,
		History: []retrytopics.Try{
			{N: 1, At: 1_763_900_000_000, Ms: 12, Class: class.String(), Error: "first"},
			{N: 2, At: 1_763_900_001_500, Ms: 30, Class: class.String(), Error: "second"},
		},
	}
	record := dlq.Letter(&kgo.Record{Key: []byte(fmt.Sprint("key-", offset)), Value: value, Headers: headers}, state, testDLQ, 0)
	record.Timestamp = time.UnixMilli(1_763_903_600_000 + offset*3_600_000)
	if err := m.client.ProduceSync(m.t.Context(), record).FirstErr(); err != nil {
		m.t.Fatal(err)
	}
}

func (m *morgue) run(args ...string) ended {
	m.t.Helper()
	return run(m.t, append(args, "-c", m.config)...)
}

// id of the dead letter at an offset.
func (m *morgue) id(offset int) string {
	m.t.Helper()
	var list []deadLetter
	m.decode(m.run("dlq", "list", "--all", "-o", "json"), &list)
	for _, d := range list {
		if d.Offset == int64(offset) {
			return d.ID
		}
	}
	m.t.Fatalf("no dead letter at offset %d", offset)
	return ""
}

func (m *morgue) decode(e ended, v any) {
	m.t.Helper()
	if err := json.Unmarshal([]byte(e.out), v); err != nil {
		m.t.Fatalf("%v in:\n%s\n%s", err, e.out, e.err)
	}
}

// inTier is how many records stand in the first retry topic.
func (m *morgue) inTier() (n int64) {
	for _, p := range m.cluster.PartitionInfos(testTier) {
		n += p.HighWatermark - p.LogStartOffset
	}
	return n
}

func TestDLQList(t *testing.T) {
	m := newMorgue(t)
	all := m.run("dlq", "list")
	all.want(t, exitDone, "ID", "DIED", "CLASS", "orders/0/0", "key-3", "validation", "exhausted", "the shop is closed")
	if lines := strings.Count(all.out, "\n"); lines != 7 {
		t.Errorf("%d lines, want a title and 6 entries:\n%s", lines, all.out)
	}
	if all.err != "" {
		t.Errorf("remarks: %s", all.err)
	}

	some := m.run("dlq", "list", "--class", "network", "--limit", "2", "-o", "jsonl")
	some.want(t, exitDone, "There are more than these 2", "--limit 0")
	m.run("dlq", "list", "--limit", "1").want(t, exitDone, "There are more than this one: --limit 0")
	lines := strings.Split(strings.TrimSpace(some.out), "\n")
	if len(lines) != 2 {
		t.Fatalf("%d lines on standard output, want 2", len(lines))
	}
	var d deadLetter
	if err := json.Unmarshal([]byte(lines[1]), &d); err != nil {
		t.Fatal(err)
	}
	if d.Origin.ID != "orders/0/1" || d.Queue != testDLQ || d.Pipeline != "orders" || d.Status != dlq.StatusOpen || string(d.Key) != "key-1" {
		t.Errorf("second line: %s", lines[1])
	}
	exact := m.run("dlq", "list", "--limit", "6")
	if exact.err != "" {
		t.Errorf("a list of exactly as many as the limit says: %s", exact.err)
	}
	none := m.run("dlq", "list", "--class", "permanent")
	none.want(t, exitDone, "No dead letters match")
	if none.out != "" {
		t.Errorf("printed as data: %s", none.out)
	}
	if empty := m.run("dlq", "list", "--class", "permanent", "-o", "json"); strings.TrimSpace(empty.out) != "[]" {
		t.Errorf("an empty list as JSON: %q", empty.out)
	}
}

func TestDLQFilters(t *testing.T) {
	m := newMorgue(t)
	for _, c := range []struct {
		args []string
		want []int64
	}{
		{[]string{"--class", "validation"}, []int64{4}},
		{[]string{"--reason", "exhausted", "--limit", "1"}, []int64{0}},
		{[]string{"--reason", "timeout"}, nil},
		{[]string{"--key", "key-2"}, []int64{2}},
		{[]string{"--key", ""}, nil},
		{[]string{"--error", "shop is (open|closed)", "--limit", "2"}, []int64{0, 1}},
		{[]string{"--topic", "orders", "--limit", "1"}, []int64{0}},
		{[]string{"--topic", "returns"}, nil},
		{[]string{"--id", "orders/0/3", "--id", "0-1"}, []int64{1, 3}},
		{[]string{"--since", time.UnixMilli(1_763_903_600_000 + 4*3_600_000).UTC().Format(time.RFC3339)}, []int64{4, 5}},
		{[]string{"--until", time.UnixMilli(1_763_903_600_000 + 3_600_000).UTC().Format(time.RFC3339)}, []int64{0}},
		{[]string{"--since", "1h"}, nil},
		{[]string{"--status", "replayed,discarded"}, nil},
		{[]string{"--pipeline", "orders", "--limit", "1"}, []int64{0}},
	} {
		var list []deadLetter
		m.decode(m.run(append([]string{"dlq", "list", "-o", "json"}, c.args...)...), &list)
		var got []int64
		for _, d := range list {
			got = append(got, d.Origin.Offset)
		}
		if fmt.Sprint(got) != fmt.Sprint(c.want) {
			t.Errorf("%v: got %v, want %v", c.args, got, c.want)
		}
	}
}

func TestDLQUsage(t *testing.T) {
	m := newMorgue(t)
	for _, c := range []struct {
		args []string
		says string
	}{
		{[]string{"dlq", "list", "--class", "netwrk"}, `did you mean "network"`},
		{[]string{"dlq", "list", "--class", "none"}, "dead letters have that say no class"},
		{[]string{"dlq", "list", "--reason", "tired"}, "want one of exhausted"},
		{[]string{"dlq", "list", "--since", "yesterday"}, "want how long ago"},
		{[]string{"dlq", "list", "--since", "1h", "--until", "2h"}, "no dead letter can match"},
		{[]string{"dlq", "list", "--error", "("}, "--error"},
		{[]string{"dlq", "list", "--id", "seven"}, "redeliver dlq list"},
		{[]string{"dlq", "list", "--limit", "-1"}, "want 0 for all"},
		{[]string{"dlq", "list", "--status", "gone"}, "the statuses are"},
		{[]string{"dlq", "list", "--pipeline", "nope"}, `no pipeline "nope"`},
		{[]string{"dlq", "show", "seven"}, "is no id"},
		{[]string{"dlq", "show"}, "name one dead letter: redeliver dlq show ID"},
		{[]string{"dlq", "discard", "--yes"}, "say which"},
		{[]string{"dlq", "discard", "--fingerprint", "", "--why", "a test", "--yes"}, "--fingerprint is empty"},
		{[]string{"dlq", "discard", "--class", "", "--why", "a test", "--yes"}, "--class is empty"},
		{[]string{"replay", "--id", "", "--yes"}, "--id is empty"},
		{[]string{"replay", "--queue", "", "--yes"}, "--queue is empty"},
		{[]string{"dlq", "discard", "0-1", "--why", "a test"}, "--yes"},
		{[]string{"dlq", "discard", "0-1", "--yes"}, "say why, for whoever finds them discarded: --why"},
		{[]string{"dlq", "park", "0-1", "--why", " ", "--yes"}, "say why, for whoever finds them parked: --why"},
		{[]string{"dlq", "export", "-o", "table"}, "redeliver dlq list"},
		{[]string{"replay"}, "--yes"},
		{[]string{"replay", "--yes", "--to", "somewhere"}, "topic:NAME"},
		{[]string{"replay", "--yes", "--rate", "fast"}, "100/s"},
		{[]string{"replay", "--yes", "--rate", "0/s"}, "above 0"},
		{[]string{"replay", "--yes", "--max-replays", "0"}, "-1 for no cap"},
		{[]string{"replay", "--yes", "--set-header", "x"}, "name=value"},
	} {
		m.run(c.args...).want(t, exitUsage, c.says)
	}
	if m.inTier() != 0 {
		t.Error("something was replayed")
	}
}

func TestDLQShow(t *testing.T) {
	m := newMorgue(t)
	shown := m.run("dlq", "show", m.id(1))
	shown.want(t, exitDone, "status", "open", "orders/0/1", "ATTEMPT", "first", "+1.5s", "30ms", "trace", "null", "KEY     key-1", "JSON", `  "order": 1,`)
	m.run("dlq", "show", "orders/0/4").want(t, exitDone, "binary, 3 bytes", "ff 00 78")
	if raw := m.run("dlq", "show", "0-4", "--raw"); raw.out != "\xff\x00x" {
		t.Errorf("raw: %q", raw.out)
	}
	var data shownLetter
	m.decode(m.run("dlq", "show", "0-4", "-o", "json"), &data)
	if string(data.Value) != "\xff\x00x" || len(data.Headers) != 2 || data.Headers[1].Value != nil || len(data.History) != 2 {
		t.Errorf("as JSON: %+v", data)
	}
	m.run("dlq", "show", "0-99").want(t, exitFailed, "there is no such dead letter")
	m.run("dlq", "show", "zzzz-0-1").want(t, exitFailed, "there is no such dead letter")
}

func TestDLQStats(t *testing.T) {
	m := newMorgue(t)
	m.run("dlq", "stats").want(t, exitDone, "6 dead letters", "network", "5", "validation", "HOUR", "####")
	var stats []queueStats
	m.decode(m.run("dlq", "stats", "-o", "json"), &stats)
	if len(stats) != 1 || stats[0].Entries != 6 || stats[0].ByClass["network"] != 5 || len(stats[0].ByHour) != 6 {
		t.Errorf("as JSON: %+v", stats)
	}
}

// What failed once more after it was replayed is open again, and is told.
func TestDLQStatsTellWhatFailedAnew(t *testing.T) {
	m := newMorgue(t)
	m.run("replay", "--id", "0-1", "--yes").want(t, exitDone)
	died := time.Now().Add(time.Hour) // by the clock of a machine that goes far ahead
	state := retrytopics.State{
		ID: "orders/0/1", Topic: "orders", Offset: 1, Group: "orders", Timestamp: time.UnixMilli(1_763_900_000_000), FirstFailed: died, Attempt: 4, Reason: retrytopics.ReasonExhausted,
	}
	record := dlq.Letter(&kgo.Record{Value: []byte("{}")}, state, testDLQ, 0)
	record.Timestamp = died
	if err := m.client.ProduceSync(t.Context(), record).FirstErr(); err != nil {
		t.Fatal(err)
	}
	m.run("dlq", "stats").want(t, exitDone, "1 open again: they had been replayed or discarded, and their records failed anew")
	var stats []queueStats
	m.decode(m.run("dlq", "stats", "-o", "json", "--no-index"), &stats)
	if len(stats) != 1 || stats[0].FailedAnew != 1 {
		t.Errorf("as data: %+v", stats)
	}
	m.run("dlq", "show", "orders/0/1").want(t, exitDone, "open, for it failed anew after it had been replayed, ", " to orders.orders.retry-1s")
	var letters []deadLetter
	m.decode(m.run("dlq", "list", "--id", "orders/0/1", "-o", "json"), &letters)
	if len(letters) != 2 || letters[1].Status != dlq.StatusOpen || letters[1].Mark == nil || letters[1].Mark.Status != dlq.StatusReplayed {
		t.Fatalf("as data: %+v", letters)
	}
	m.run("replay", "--id", letters[1].ID, "--yes").want(t, exitDone)
	if settled := m.run("dlq", "stats"); strings.Contains(settled.out, "open again") {
		t.Errorf("when it was replayed once more: %s", settled.out)
	}
}

// A problem is told with the command that replays just its dead letters.
func TestDLQStatsTellProblems(t *testing.T) {
	m := newMorgue(t)
	var stats []queueStats
	m.decode(m.run("dlq", "stats", "-o", "json"), &stats)
	problems := stats[0].Problems
	if len(problems) != 2 || problems[0].Entries != 5 || problems[0].Error != "*errors.errorString: the shop is closed" || problems[0].Class != "network" {
		t.Fatalf("problems: %+v", problems)
	}
	print, sum := problems[0].Fingerprint.String(), int64(0)
	for _, at := range problems[0].Trend {
		sum += at.Count
	}
	if sum != 5 {
		t.Errorf("the trend counts %d of 5: %+v", sum, problems[0].Trend)
	}
	m.run("dlq", "stats").want(t, exitDone, "      5  network: *errors.errorString: the shop is closed", "|█   █", "for example "+m.id(5), "--fingerprint "+print, "      1  validation: ")
	one := m.run("dlq", "stats", "--problems", "1")
	one.want(t, exitDone, "and 1 further problem: --problems 0 shows all")
	m.run("dlq", "stats", "--problems", "-1").want(t, exitUsage, "want 0 for all")
	m.run("dlq", "show", m.id(5)).want(t, exitDone, "fingerprint  "+print)

	command := strings.Fields(problems[0].Replay)
	if command[0] != "redeliver" || !strings.HasSuffix(problems[0].Replay, "-c "+m.config+" --fingerprint "+print) {
		t.Errorf("the command: %s", problems[0].Replay)
	}
	run(t, append(command[1:], "--yes")...).want(t, exitPart, "replayed 4 dead letters") // the fifth was replayed too often
	if left := m.run("dlq", "list", "--fingerprint", problems[1].Fingerprint.String(), "-o", "jsonl"); strings.Count(left.out, "\n") != 1 || !strings.Contains(left.out, "validation") {
		t.Errorf("the other problem's: %s", left.out)
	}
	m.run("dlq", "list", "--fingerprint", "nope").want(t, exitUsage, "--fingerprint", "k3f9qa")
}

func TestDLQExportIsByteExact(t *testing.T) {
	m := newMorgue(t)
	m.run("dlq", "export", "--id", "zzzz-0-4").want(t, exitFailed, "exported 0 dead letters", "there is no dead letter zzzz-0-4")
	out := m.run("dlq", "export", "--id", "0-4")
	out.want(t, exitDone, "exported 1 dead letter")
	var x struct {
		Key, Value string
		Headers    []struct {
			Key   string
			Value *string
		}
	}
	m.decode(out, &x)
	value, err := base64.StdEncoding.DecodeString(x.Value)
	if err != nil || string(value) != "\xff\x00x" {
		t.Errorf("value %q: %v", value, err)
	}
	if x.Headers[0].Key != "trace" || x.Headers[1].Value != nil || len(x.Headers) < 10 {
		t.Errorf("headers: %+v", x.Headers)
	}
}

func TestDLQDiscard(t *testing.T) {
	m := newMorgue(t)
	asked := session{terminal: true, answer: "n\n"}.run(t, "dlq", "discard", "0-1", "0-2", "--why", "a test", "-c", m.config)
	asked.want(t, exitFailed, "Discard 2 dead letters of orders.orders.dlq?", "nothing was changed")
	m.run("dlq", "discard", "0-1", "0-2", "--dry-run").want(t, exitDone, "orders/0/1", "dry run: would have discarded 2 dead letters")
	if list := m.run("dlq", "list", "-o", "jsonl"); strings.Count(list.out, "\n") != 6 {
		t.Errorf("after a dry run there are left:\n%s", list.out)
	}
	session{terminal: true, answer: "y\n"}.run(t, "dlq", "discard", "0-1", "--why", "a test", "-c", m.config).want(t, exitDone, "discarded 1 dead letter")
	m.run("dlq", "discard", "0-2", "0-77", "--why", "a test", "--yes").want(t, exitPart, "discarded 1 dead letter", "there is no dead letter 0-77")
	m.run("dlq", "discard", "0-77", "--why", "a test", "--yes").want(t, exitFailed, "there is no dead letter 0-77")
	m.run("dlq", "discard", "0-3", "orders/0/3", "--dry-run").want(t, exitDone, "would have discarded 1 dead letter") // two names of one
	m.run("dlq", "discard", "zzzz-0-1", "--why", "a test", "--yes").want(t, exitFailed, "there is no dead letter zzzz-0-1")
	m.run("dlq", "show", "0-1").want(t, exitDone, "discarded", "because a test")
	m.run("dlq", "list", "--id", "0-1").want(t, exitDone, "orders/0/1", "discarded") // named: whatever became of it
	m.run("dlq", "list", "--status", "discarded").want(t, exitDone, "orders/0/1", "orders/0/2")
	if list := m.run("dlq", "list", "-o", "jsonl"); strings.Count(list.out, "\n") != 4 {
		t.Errorf("left:\n%s", list.out)
	}
}

// What is of another group is theirs to give up, unless it is named.
func TestSettingAsideLeavesOtherGroups(t *testing.T) {
	for _, doing := range []string{"discard", "park"} {
		t.Run(doing, func(t *testing.T) {
			m := newMorgue(t)
			m.diesOf("billing", 6)
			left := "1 left out, of another consumer group: named by their own ids they are " + doing
			m.run("dlq", doing, "--class", "network", "--dry-run").want(t, exitDone, "5 dead letters", left)
			m.run("dlq", doing, "--class", "network", "--why", "a test", "--yes").want(t, exitDone, "5 dead letters", left)
			m.run("dlq", "list").want(t, exitDone, "orders/0/6")
			var data []changeSummary
			m.decode(m.run("dlq", doing, "orders/0/6", "--dry-run", "-o", "json"), &data)
			if len(data) != 1 || data[0].Done != 0 || data[0].OtherGroup != 1 {
				t.Errorf("by the id of its origin: %+v", data)
			}
			m.run("dlq", doing, "0-6", "--why", "a test", "--yes").want(t, exitDone, "1 dead letter")
		})
	}
}

func TestReplay(t *testing.T) {
	m := newMorgue(t)
	m.run("replay", "--dry-run").want(t, exitPart, "orders/0/0", "would have replayed 5 dead letters to "+testTier, "1 left out, replayed 3 times or more")
	if n := m.inTier(); n != 0 {
		t.Fatalf("a dry run wrote %d records", n)
	}
	no := session{terminal: true, answer: "\n"}.run(t, "replay", "--class", "network", "-c", m.config)
	no.want(t, exitFailed, "Replay 4 dead letters of "+testDLQ+" to "+testTier+"? [y/N]")
	session{terminal: true, answer: "yes\n"}.run(t, "replay", "--class", "network", "--limit", "2", "-c", m.config).
		want(t, exitDone, "replayed 2 dead letters to "+testTier)
	rest := m.run("replay", "--yes", "-o", "json")
	if rest.status != exitPart {
		t.Errorf("exit status %d, want %d for the entry that was replayed too often:\n%s%s", rest.status, exitPart, rest.out, rest.err)
	}
	var summaries []changeSummary
	m.decode(rest, &summaries)
	if s := summaries[0]; s.Done != 3 || s.Replayed != 2 || s.Limited != 1 || !s.Complete || s.To[testTier] != 3 {
		t.Errorf("summary: %+v", s)
	}
	m.run("dlq", "list", "--status", "replay_limit").want(t, exitDone, "orders/0/5")
	m.run("dlq", "show", "0-0").want(t, exitDone, "replayed, ", "to "+testTier, "attempts     4, replayed 1 time\n")
	m.run("replay", "--yes", "--max-replays", "-1").want(t, exitDone, "replayed 1 dead letter ")
	m.run("replay", "--yes").want(t, exitDone, "replayed 0 dead letters", "6 had been replayed before")
	session{terminal: true}.run(t, "replay", "-c", m.config).want(t, exitDone, "replayed 0 dead letters")
	m.run("replay", "--yes", "--id", "0-0", "--again", "--to", "source", "--set-header", "fixed-by=ann").want(t, exitDone, "replayed 1 dead letter to orders")
	// 6 records, and at least one marker for each of the transactions.
	if n := m.inTier(); n < 7 {
		t.Errorf("%d offsets in the retry topic, want 6 records and the markers", n)
	}
}

func TestReplayOfAQueueThatIsNotThere(t *testing.T) {
	c := cluster(t)
	config := configFile(t, pipelineOn(c.ListenAddrs()))
	for _, args := range [][]string{{"replay", "--yes"}, {"dlq", "list"}, {"dlq", "stats"}, {"replay", "--dry-run"}} {
		run(t, append(args, "-c", config)...).want(t, exitDone, "topic "+testDLQ+" does not exist; see `redeliver topics plan -c "+config+"`")
	}
}

// As data there is nothing of a queue that is not there, which is said as data too.
func TestNothingAsData(t *testing.T) {
	config := configFile(t, pipelineOn(cluster(t).ListenAddrs()))
	for _, args := range [][]string{{"dlq", "purge", "--yes"}, {"dlq", "purge", "--dry-run"}, {"dlq", "list"}, {"dlq", "discard", "--class", "network", "--dry-run"}, {"replay", "--yes"}} {
		e := run(t, append(args, "-o", "json", "-c", config)...)
		if e.want(t, exitDone, "topic "+testDLQ+" does not exist"); strings.TrimSpace(e.out) != "[]" {
			t.Errorf("%v prints %q, want []", args, e.out)
		}
	}
}

func TestDeadLettersThatAreNotEnabled(t *testing.T) {
	c := cluster(t)
	config := configFile(t, pipelineOn(c.ListenAddrs(), "dlq: {enabled: false}"))
	run(t, "dlq", "list", "-c", config).want(t, exitUsage, "dead letters are not enabled")
}

// Several pipelines: lists show all, an id finds its queue, and a change wants to know which.
func TestSeveralQueues(t *testing.T) {
	m := newMorgue(t)
	if err := m.cluster.CreateTopic("returns", 1, nil); err != nil {
		t.Fatal(err)
	}
	if err := m.cluster.CreateTopic("orders.returns.dlq", 1, nil); err != nil {
		t.Fatal(err)
	}
	state := retrytopics.State{ID: "returns/0/0", Topic: "returns", Group: "orders", Class: classify.System, Reason: retrytopics.ReasonExhausted}
	if err := m.client.ProduceSync(t.Context(), dlq.Letter(&kgo.Record{}, state, "orders.returns.dlq", 0)).FirstErr(); err != nil {
		t.Fatal(err)
	}
	m.config = configFile(t, strings.Replace(pipelineOn(m.cluster.ListenAddrs()), "topics: [orders]", "topics: [orders, returns]", 1))
	m.run("dlq", "list").want(t, exitDone, "orders/0/5", "returns/0/0")
	m.run("dlq", "list", "--limit", "6").want(t, exitDone, "There are more than these 6")
	m.run("dlq", "stats").want(t, exitDone, "orders.orders.dlq", "orders.returns.dlq")
	m.run("dlq", "show", "returns/0/0").want(t, exitDone, "orders.returns.dlq")
	if e := m.run("dlq", "show", "0-0"); !strings.HasSuffix(e.err, "\"0-0\" may be of several queues: give the id whole, as `redeliver dlq list -c "+m.config+"` shows it\n") {
		t.Errorf("show: %s", e.err)
	}
	if e := m.run("dlq", "discard", "0-0", "--why", "a test", "--yes"); !strings.HasSuffix(e.err, " shows it, or say --topic\n") {
		t.Errorf("discard: %s", e.err)
	}
	var list []deadLetter
	m.decode(m.run("dlq", "list", "--class", "system", "-o", "json"), &list)
	m.run("dlq", "discard", list[0].ID, "--why", "a test", "--yes").want(t, exitDone, "orders.returns.dlq: discarded 1 dead letter")
	m.run("replay", "--yes", "--class", "network", "--max-replays", "9", "--topic", "orders").want(t, exitDone, "replayed 5 dead letters")
}

func TestParseTime(t *testing.T) {
	now := time.Date(2025, 11, 23, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]string{
		"2h":                   "2025-11-23T10:00:00Z",
		"3d":                   "2025-11-20T12:00:00Z",
		"1d12h":                "2025-11-22T00:00:00Z",
		"2025-11-01":           "2025-11-01T00:00:00Z",
		"2025-11-01 08:30":     "2025-11-01T08:30:00Z",
		"2025-11-01T08:30:01":  "2025-11-01T08:30:01Z",
		"2025-11-01T08:30:01Z": "2025-11-01T08:30:01Z",
		"-2h":                  "",
		"d":                    "",
		"2x":                   "",
		"tomorrow":             "",
	} {
		got, err := parseTime(text, now)
		if (err == nil) != (want != "") || err == nil && got.Format(time.RFC3339) != want {
			t.Errorf("parseTime(%q) = %v, %v, want %s", text, got, err, want)
		}
	}
}

func TestParseRate(t *testing.T) {
	for text, want := range map[string]float64{"": 0, "100/s": 100, "100": 100, "30/m": 0.5, "3600/h": 1, "0.5/s": 0.5, "-1/s": -1, "1/d": -1, "x": -1, "NaN/s": -1} {
		got, err := parseRate(text)
		if (err == nil) != (want >= 0) || err == nil && got != want {
			t.Errorf("parseRate(%q) = %v, %v, want %v", text, got, err, want)
		}
	}
}

// A record without any of the headers that are expected is a row like others: what is wrong with it stands on one line.
func TestListOfWhatHasNoHeaders(t *testing.T) {
	m := newMorgue(t)
	if err := m.client.ProduceSync(t.Context(), &kgo.Record{Topic: testDLQ, Value: []byte("v")}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	list := m.run("dlq", "list")
	if list.want(t, exitDone, "not written by Redeliver: ", "; "); strings.Contains(list.out, `\n`) {
		t.Errorf("there are ends of lines in it:\n%s", list.out)
	}
}
