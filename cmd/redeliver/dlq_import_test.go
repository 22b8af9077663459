package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/dlq"
)

// What export prints is written back by import, from a file and from standard input, once as an entry.
func TestDLQImport(t *testing.T) {
	m := newMorgue(t)
	m.keeps("-1")
	file := filepath.Join(t.TempDir(), "letters.jsonl")
	out := m.run("dlq", "export").out
	if err := os.WriteFile(file, []byte(out+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	m.run("dlq", "import", file).want(t, exitUsage, "--yes")
	m.run("dlq", "import", file, "--dry-run").want(t, exitDone, "dry run: would import 6 dead letters to "+testDLQ)
	m.run("dlq", "import", file, "--yes").want(t, exitDone, testDLQ+": imported 6 dead letters")
	m.run("dlq", "stats").want(t, exitDone, "6 dead letters", "6 further copies of entries")
	session{answer: out}.run(t, "dlq", "import", "-", "-c", m.config).want(t, exitUsage, "nobody can be asked")
	session{answer: out}.run(t, "dlq", "import", "-", "--yes", "-c", m.config).want(t, exitDone, "imported 6 dead letters")
	if again := m.run("dlq", "export").out; again != out {
		t.Errorf("exported again:\n%s\nwant\n%s", again, out)
	}
	for text, says := range map[string]string{
		"{}":            ":1: topic",
		out + "no json": ":7: ",
		`{"topic":"elsewhere.dlq","partition":0,"timestamp":1}`:                                                                     "1 dead letter of elsewhere.dlq: that is a dead-letter topic of no pipeline",
		out + `{"topic":"` + testDLQ + `","partition":0,"timestmp":1,"value":"AA=="}`:                                               `:7: key "timestmp" is none of a dead letter`,
		out + `{"topic":"` + testDLQ + `","partition":0,"timestamp":1,"headers":[{"name":"x"}]}`:                                    `:7: key "name" is none of a dead letter`,
		out + `{"topic":"` + testDLQ + `","partition":0,"timestamp":1,"key":"AA==", "key" :"AQ=="}`:                                 `:7: key "key" stands there twice`,
		`{"topic":"` + testDLQ + `","partition":0,"timestamp":1,"headers":[{"key":"a","value":"AA=="},{"key":"b","k\u0065y":"c"}]}`: `:1: key "key" stands there twice`,
		out + `{"Topic":"` + testDLQ + `","partition":0,"timestamp":1}`:                                                             `:7: key "Topic" is none of a dead letter`,
		`{"topic":"` + testDLQ + `","partition":0,"timestamp":1,"headers":[{"KEY":"a"}]}`:                                           `:1: key "KEY" is none of a dead letter`,
		`{"topic":"` + testDLQ + `","partition":0,"value":"AA=="}`:                                                                  ":1: there is no timestamp: want lines of `redeliver dlq export`",
		`{"topic":"` + testDLQ + `","timestamp":1}`:                                                                                 ":1: there is no partition",
		`{"topic":"` + testDLQ + `","partition":0,"timestamp":1}{"topic":"` + testDLQ + `"}`:                                        ":1: something stands behind the dead letter",
		`{"topic":"` + testDLQ + `","partition":-1,"timestamp":1}`:                                                                  ":1: partition -1",
		`{"topic":"` + testDLQ + `","partition":null,"timestamp":1}`:                                                                ":1: there is no partition",
	} {
		session{answer: text}.run(t, "dlq", "import", "-", "--yes", "-c", m.config).want(t, exitUsage, says)
	}
	m.run("dlq", "import", file, "--yes", "--queue", "edited").want(t, exitUsage, "6 dead letters of "+testDLQ+": import writes them back to that topic, and --queue names edited")
	m.run("dlq", "import", file+".none", "--yes").want(t, exitUsage, "no such file")
	session{}.run(t, "dlq", "import", "-", "--yes", "-c", m.config).want(t, exitDone, "nothing to import")
	if strings.Contains(m.run("dlq", "stats").out, "18 further") {
		t.Error("what is wrong in the last line was found after the first was written")
	}
}

// What any release exported is a dead letter to import.
func TestExportsOfEarlierReleasesAreRead(t *testing.T) {
	files, err := filepath.Glob("../../dlq/testdata/released/export/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("there are no samples: %v", err)
	}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		var file struct {
			Samples []struct{ Name, Value string }
		}
		if err := json.Unmarshal(text, &file); err != nil || len(file.Samples) == 0 {
			t.Fatalf("%s: %d samples, %v", name, len(file.Samples), err)
		}
		for _, sample := range file.Samples {
			if x, err := readLetter([]byte(sample.Value)); err != nil || x.Topic == "" || x.Timestamp == 0 {
				t.Errorf("%s, %s: %+v, %v", name, sample.Name, x, err)
			}
		}
	}
}

func TestDLQPark(t *testing.T) {
	m := newMorgue(t)
	m.run("dlq", "park", "--yes").want(t, exitUsage, "say which")
	m.run("dlq", "park", "0-1", "0-2", "--why", "waits for the bank", "--yes").want(t, exitDone, "parked 2 dead letters")
	m.run("dlq", "show", "0-1").want(t, exitDone, "parked, ", "because waits for the bank")
	m.run("dlq", "stats").want(t, exitDone, "parked        2", "4 dead letters")
	m.run("replay", "--class", "network", "--max-replays", "-1", "--yes").want(t, exitDone, "replayed 3 dead letters", "2 parked, and left so: --status parked replays them")
	m.run("dlq", "reopen", "0-1", "--yes").want(t, exitDone, "reopened 1 dead letter")
	m.run("replay", "--status", "parked", "--yes").want(t, exitDone, "replayed 1 dead letter")
	m.run("dlq", "list").want(t, exitDone, "orders/0/1", "orders/0/4")
}

func TestDLQTail(t *testing.T) {
	m := newMorgue(t)
	e := m.run("dlq", "tail", "--since", "2025-01-01", "--limit", "6")
	e.want(t, exitDone, "orders/0/5", "validation  exhausted", "the shop is closed")
	if lines := strings.Count(e.out, "\n"); lines != 6 {
		t.Errorf("%d lines, want 6", lines)
	}
	m.run("dlq", "tail", "--since", "2025-01-01", "--class", "validation", "--limit", "1", "-o", "jsonl").want(t, exitDone, `"offset":4`)
	m.run("dlq", "tail", "-o", "json").want(t, exitUsage, "want jsonl")
}

// A topic that is not there yet is waited for: it may be made with the first dead letter, which is shown.
func TestDLQTailWaitsForTheTopic(t *testing.T) {
	c := cluster(t)
	config := configFile(t, pipelineOn(c.ListenAddrs()))
	out, told := io.Pipe()
	e := make(chan int, 1)
	var letters bytes.Buffer
	go func() {
		p := &program{in: strings.NewReader(""), out: &letters, err: told, patience: 2 * time.Second, getenv: func(string) (string, bool) { return "", false }}
		e <- p.main(t.Context(), []string{"dlq", "tail", "--limit", "1", "-c", config})
		_ = told.Close()
	}()
	line, err := bufio.NewReader(out).ReadString('\n')
	if want := "pipeline orders: topic " + testDLQ + " does not exist yet: it is followed as soon as it does\n"; line != want {
		t.Fatalf("told %q, %v, want %q", line, err, want)
	}
	if err := c.CreateTopic(testDLQ, 3, nil); err != nil {
		t.Fatal(err)
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(c.ListenAddrs()...), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	(&morgue{t: t, client: client}).diesOf("orders", 7)
	if status := <-e; status != exitDone || !strings.Contains(letters.String(), "orders/0/7") {
		t.Errorf("exit status %d, printed %q", status, letters.String())
	}
	run(t, "dlq", "tail", "--queue", "nowhere", "-c", config).want(t, exitFailed, "nowhere", "is that its name?")
}

// --limit is of all queues together: where one has enough the others are not waited for.
func TestDLQTailOfSeveralQueuesEndsWithEnough(t *testing.T) {
	m := newMorgue(t)
	config := configFile(t, pipelineOn(m.cluster.ListenAddrs())+"  - name: returns\n    topics: [returns]\n    handler: {http: {url: 'http://127.0.0.1:9/'}}\n")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var letters, told bytes.Buffer // nobody else writes when it has ended
	p := &program{in: strings.NewReader(""), out: &letters, err: &told, patience: 2 * time.Second, getenv: func(string) (string, bool) { return "", false }}
	if status := p.main(ctx, []string{"dlq", "tail", "--since", "2025-01-01", "--limit", "3", "-c", config}); status != exitDone || strings.Count(letters.String(), "\n") != 3 {
		t.Errorf("exit status %d, printed\n%s\ntold\n%s", status, letters.String(), told.String())
	}
}

// Who follows several queues is told at once when one of them cannot be followed any longer, and goes on with the others.
func TestDLQTailOfAQueueThatFails(t *testing.T) {
	m := newMorgue(t)
	config := configFile(t, pipelineOn(m.cluster.ListenAddrs())+"  - name: returns\n    topics: [returns]\n    handler: {http: {url: 'http://127.0.0.1:9/'}}\n")
	const returns = "returns.returns.dlq"
	if err := m.cluster.CreateTopic(returns, 1, nil); err != nil {
		t.Fatal(err)
	}
	letters, out := io.Pipe()
	said, told := io.Pipe()
	ctx, interrupt := context.WithTimeout(t.Context(), time.Minute)
	e := make(chan int, 1)
	go func() {
		p := &program{in: strings.NewReader(""), out: out, err: told, patience: 2 * time.Second, getenv: func(string) (string, bool) { return "", false }}
		e <- p.main(ctx, []string{"dlq", "tail", "--since", "2025-01-01", "--limit", "7", "-c", config})
		_ = out.Close()
		_ = told.Close()
	}()
	lines := bufio.NewReader(letters)
	for range 6 {
		if _, err := lines.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
	}
	if err := m.cluster.DeleteTopic(returns); err != nil {
		t.Fatal(err)
	}
	words := bufio.NewReader(said)
	if line, err := words.ReadString('\n'); err != nil || !strings.HasPrefix(line, "pipeline returns: "+returns+" is followed no longer, the others are: ") || !strings.Contains(line, "deleted meanwhile") {
		t.Errorf("told %q, %v", line, err)
	}
	m.diesOf("orders", 99)
	if line, err := lines.ReadString('\n'); err != nil || !strings.Contains(line, "orders/0/99") {
		t.Errorf("of the other queue %q, %v", line, err)
	}
	interrupt()
	rest, _ := io.ReadAll(words)
	if status := <-e; status != exitFailed || !strings.Contains(string(rest), "deleted meanwhile") {
		t.Errorf("exit status %d, told at last %q", status, rest)
	}
}

// A Parquet file is written back byte for byte as lines of JSON are.
func TestDLQParquet(t *testing.T) {
	m := newMorgue(t)
	m.keeps("-1")
	lines, file := m.run("dlq", "export").out, filepath.Join(t.TempDir(), "letters.parquet")
	exported := m.run("dlq", "export", "-o", "parquet")
	exported.want(t, exitDone, "exported 6 dead letters")
	if err := os.WriteFile(file, []byte(exported.out), 0o600); err != nil {
		t.Fatal(err)
	}
	for p, at := range map[int32]int64{0: 6} {
		if err := m.cluster.DeleteRecords(testDLQ, p, at); err != nil {
			t.Fatal(err)
		}
	}
	m.run("dlq", "import", file, "--yes").want(t, exitDone, testDLQ+": imported 6 dead letters")
	again := m.run("dlq", "export").out
	for offset := range 6 { // they stand further on
		again = strings.ReplaceAll(again, fmt.Sprintf(`-0-%d","`, offset+6), fmt.Sprintf(`-0-%d","`, offset))
		again = strings.ReplaceAll(again, fmt.Sprintf(`"offset":%d,`, offset+6), fmt.Sprintf(`"offset":%d,`, offset))
	}
	if again != lines {
		t.Errorf("exported again:\n%s\nwant\n%s", again, lines)
	}
	session{answer: exported.out}.run(t, "dlq", "import", "-", "--yes", "-c", m.config).want(t, exitDone, "imported 6 dead letters")
	session{answer: exported.out[:200]}.run(t, "dlq", "import", "-", "--yes", "-c", m.config).want(t, exitUsage, "row 1: read Parquet: ")
	m.run("dlq", "export", "-o", "csv").want(t, exitUsage, "want one of jsonl, json, parquet")
}

// What the topic's retention would take at once is refused before anything is written, with what to do.
func TestDLQImportOfWhatIsExpired(t *testing.T) {
	m := newMorgue(t)
	died := func(ago time.Duration) string {
		return letterLine(t, m.run("dlq", "export", "--limit", "1").out, func(x *dlq.Exported) { x.Timestamp = time.Now().Add(-ago).UnixMilli() })
	}
	old, young := died(3*time.Hour), died(time.Minute)
	m.keeps("3600000")
	for _, args := range [][]string{{"--yes"}, {"--dry-run"}} {
		session{answer: young + old}.run(t, append([]string{"dlq", "import", "-", "-c", m.config}, args...)...).
			want(t, exitFailed, "1 of the 2 dead letters died longer ago than "+testDLQ+" keeps records (retention.ms=3600000)", "nothing was imported", "Raise retention.ms of the topic to 172800000 first (2 days)", "`redeliver dlq renew -c "+m.config+" --expiring 48h` gives them")
	}
	m.run("dlq", "stats").want(t, exitDone, "6 dead letters")
	if strings.Contains(m.run("dlq", "stats").out, "further cop") {
		t.Error("a part was imported")
	}
	m.keeps("172800000")
	session{answer: young + old}.run(t, "dlq", "import", "-", "--yes", "-c", m.config).want(t, exitDone, "imported 2 dead letters")
}

// TestDLQImportOfAPartitionThatIsNotThere: nothing is written before all of the file is known to fit.
func TestDLQImportOfAPartitionThatIsNotThere(t *testing.T) {
	m := newMorgue(t)
	good := m.run("dlq", "export", "--limit", "1").out
	bad := letterLine(t, good, func(x *dlq.Exported) { x.Partition = 99 })
	for _, how := range []string{"--yes", "--dry-run"} {
		session{answer: good + bad}.run(t, "dlq", "import", "-", "-c", m.config, how).want(t, exitFailed, "a dead letter was in partition 99, and "+testDLQ+" has 3: nothing was imported")
	}
	if strings.Contains(m.run("dlq", "stats").out, "further cop") {
		t.Error("a part was imported")
	}
}

// letterLine is an exported line that is changed.
func letterLine(t *testing.T, line string, change func(*dlq.Exported)) string {
	t.Helper()
	var x dlq.Exported
	if err := json.Unmarshal([]byte(line), &x); err != nil {
		t.Fatal(err)
	}
	change(&x)
	changed, err := json.Marshal(x)
	if err != nil {
		t.Fatal(err)
	}
	return string(changed) + "\n"
}

// A record without a time, or with one before 1970, is exported and imported; one whose time no client writes is told by its id when it is exported.
func TestDLQExportOfOddTimes(t *testing.T) {
	m := newMorgue(t)
	for _, at := range []int64{-1, -5000} {
		line := letterLine(t, m.run("dlq", "export", "--limit", "1").out, func(x *dlq.Exported) { x.Timestamp = at })
		session{answer: line}.run(t, "dlq", "import", "-", "--yes", "-c", m.config).want(t, exitDone, "imported 1 dead letter")
	}
	if err := (dlq.Exported{Topic: testDLQ, Timestamp: 1 << 60}).Check(); err == nil {
		t.Error("a time that cannot be written is no trouble")
	}
}
