package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/redeliver/redeliver/classify"
	"github.com/redeliver/redeliver/dlq"
	"github.com/redeliver/redeliver/internal/config"
)

// interrupted runs a command line on a terminal that is interrupted when the cluster gets the n-th request of a kind.
func (m *morgue) interrupted(key kmsg.Key, n int, answer string, args ...string) ended {
	m.t.Helper()
	ctx, interrupt := context.WithCancel(m.t.Context())
	defer interrupt()
	seen := 0
	m.cluster.ControlKey(key.Int16(), func(kmsg.Request) (kmsg.Response, error, bool) {
		m.cluster.KeepControl()
		if seen++; seen == n {
			interrupt()
		}
		return nil, nil, false
	})
	var out, errs bytes.Buffer
	p := &program{
		in: strings.NewReader(answer), out: &out, err: &errs, interactive: true, patience: 2 * time.Second,
		getenv: func(string) (string, bool) { return "", false },
	}
	status := p.main(ctx, append(args, "-c", m.config))
	return ended{status, out.String(), errs.String()}
}

// What is counted before the question, or on a dry run, is not paced: nothing is written.
func TestCountIsNotPaced(t *testing.T) {
	m := newMorgue(t)
	m.run("replay", "--dry-run", "--rate", "1/h").want(t, exitPart, "would have replayed 5 dead letters")
	session{terminal: true, answer: "n\n"}.run(t, "replay", "--rate", "1/h", "-c", m.config).want(t, exitFailed, "Replay 5 dead letters", "nothing was changed")
}

// A count that is interrupted has done nothing, and says so.
func TestInterruptedCount(t *testing.T) {
	for _, c := range []struct {
		name, done string
		args       []string
	}{
		{"before the question", "replayed", []string{"replay"}},
		{"on a dry run", "replayed", []string{"replay", "--dry-run"}},
		{"of a discard", "discarded", []string{"dlq", "discard", "--class", "network", "--why", "a test"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := newMorgue(t)
			e := m.interrupted(kmsg.Fetch, 1, "", c.args...)
			e.want(t, exitFailed, "redeliver: interrupted; nothing was "+c.done)
			if e.out != "" {
				t.Errorf("a summary of what was not done: %s", e.out)
			}
		})
	}
}

// A replay that is interrupted after it did a part says which part, and so does its exit status.
func TestInterruptedReplayIsDoneInPart(t *testing.T) {
	m := newMorgue(t)
	// The first transaction is that of who writes, the second one that of the first dead letter.
	e := m.interrupted(kmsg.EndTxn, 2, "y\n", "replay", "--rate", "1/m")
	e.want(t, exitPart, "replayed 1 dead letter to "+testTier, "redeliver: interrupted; what was replayed is marked: `redeliver replay resume 20")
	// Who asks for outcomes does not get them of what that one has replayed, and is told where they are.
	for _, c := range []struct {
		status int
		args   []string
	}{{exitDone, nil}, {exitPart, []string{"--wait"}}} {
		m.run(append([]string{"replay", "--status", "replayed", "--yes"}, c.args...)...).want(t, c.status, "replayed 0 dead letters", "1 had been replayed before", "1 of them by replay 20", "which has not ended: `redeliver replay resume 20")
	}
	m.run("replay", "--yes").want(t, exitPart, "replayed 4 dead letters", "1 had been replayed before")
}

// One that is gone on with is there, also where it is interrupted before it replays anything.
func TestInterruptedResumptionSaysHowToGoOn(t *testing.T) {
	m := newMorgue(t)
	m.run("replay", "start", "--yes").want(t, exitDone)
	var tasks []taskView
	m.decode(m.run("replay", "list", "-o", "json"), &tasks)
	e := m.interrupted(kmsg.EndTxn, 1, "y\n", "replay", "resume", tasks[0].ID)
	e.want(t, exitPart, "interrupted; what was replayed is marked: `redeliver replay resume "+tasks[0].ID+" -c "+m.config+"` goes on with it")
	if n := m.inTier(); n != 0 {
		t.Errorf("%d records are replayed", n)
	}
}

// What replayed nothing is no replay that the ledger knows, and names none; one that only found out that entries were replayed too often is one.
func TestAReplayIsNamedWhereItIsKnown(t *testing.T) {
	m := newMorgue(t)
	for _, c := range []struct {
		args  []string
		known bool
	}{
		{[]string{"--class", "permanent"}, false}, {[]string{"--id", "0-5"}, true}, {[]string{"--id", "0-5"}, false}, {[]string{"--id", "0-1"}, true},
	} {
		var summaries []changeSummary
		m.decode(m.run(append([]string{"replay", "--yes", "-o", "json"}, c.args...)...), &summaries)
		if task := summaries[0].Task; task != "" != c.known {
			t.Errorf("%v: named %q", c.args, task)
		} else if c.known {
			m.run("replay", "show", task).want(t, exitDone, "done")
		}
	}
}

// What cannot be done with any dead letter is wrong usage, and there is nothing to sum up.
func TestReplaysThatNobodyCanDo(t *testing.T) {
	m := newMorgue(t)
	m.config = configFile(t, pipelineOn(m.cluster.ListenAddrs())+`  - name: returns
    topics: [returns]
    handler: {http: {url: 'http://127.0.0.1:9/'}}
    dlq: {topic: '{group}.{topic}.dead'}
    breaker: {scope: fleet}
fleet: {topic: steering.redeliver-control}
`)
	for _, c := range []struct {
		args []string
		says string
	}{
		{[]string{"--unset-header", ""}, "--unset-header: want the name of a header"},
		{[]string{"--set-header", "redeliver-id=x"}, "--unset-header: header redeliver-id is Redeliver's own"},
		{[]string{"--to", "topic:" + testDLQ}, testDLQ + " is not replayed into itself"},
		{[]string{"--to", "topic:" + testDLQ + ".ledger"}, testDLQ + " is not replayed into itself"},
		{[]string{"--to", "topic:steering.redeliver-control"}, "steering.redeliver-control is no source but a retry topic"},
		{[]string{"--to", "topic:returns.returns.dead"}, "returns.returns.dead is no source but a retry topic, a dead-letter topic, a ledger or a control topic of a pipeline"},
	} {
		for _, command := range [][]string{{"replay"}, {"replay", "start"}} {
			e := m.run(slices.Concat(command, []string{"--yes", "--pipeline", "orders"}, c.args)...)
			e.want(t, exitUsage, c.says)
			if e.out != "" {
				t.Errorf("%v: summed up: %s", c.args, e.out)
			}
		}
	}
}

// While a replay is under way another replay or discard is refused before it asks, unless it is to take over; the first
// is then done in part.
func TestAnotherReplayIsUnderWay(t *testing.T) {
	m := newMorgue(t)
	first := make(chan ended, 1)
	written := make(chan struct{})
	transactions := 0
	m.cluster.ControlKey(kmsg.EndTxn.Int16(), func(kmsg.Request) (kmsg.Response, error, bool) {
		m.cluster.KeepControl()
		if transactions++; transactions == 2 { // who writes, and the first dead letter
			close(written)
		}
		return nil, nil, false
	})
	go func() { first <- m.run("replay", "--yes", "--rate", "30/m") }()
	<-written
	const who = "a replay of " + testDLQ + " is under way, started "
	refused := m.run("dlq", "discard", "0-4", "--why", "a test", "--yes")
	refused.want(t, exitFailed, who, "nothing was done", "--take-over", "`redeliver replay resume 20")
	_, pause, _ := strings.Cut(refused.err, "; `redeliver ")
	pause, _, _ = strings.Cut(pause, "` pauses it")
	run(t, append(shellWords(pause), "--dry-run")...).want(t, exitDone, "dry run: would pause replay ")
	asked := session{terminal: true, answer: "y\n"}.run(t, "replay", "--id", "0-4", "-c", m.config)
	asked.want(t, exitFailed, who)
	if strings.Contains(asked.err, "[y/N]") {
		t.Errorf("asked for what is refused: %s", asked.err)
	}
	m.run("dlq", "discard", "0-4", "--dry-run").want(t, exitDone, "this would be refused because of the replay that is under way", "would have discarded 1")
	m.run("dlq", "discard", "0-4", "--dry-run", "--take-over").want(t, exitDone, "this would end the replay that is under way")
	session{terminal: true, answer: "y\n"}.run(t, "dlq", "discard", "0-4", "--why", "a test", "--take-over", "-c", m.config).
		want(t, exitDone, "Discard 1 dead letter of orders.orders.dlq, and end the replay that is under way, started ", "discarded 1 dead letter")
	(<-first).want(t, exitPart, ": replayed ", "another discard of "+testDLQ+" took over")
}

// A dry run as data names the entries and where they would go; what was done has the counts only.
func TestDryRunAsData(t *testing.T) {
	m := newMorgue(t)
	var would []changeSummary
	m.decode(m.run("replay", "--dry-run", "--class", "validation", "-o", "json"), &would)
	if len(would) != 1 || len(would[0].Entries) != 1 {
		t.Fatalf("got %+v, want the one entry", would)
	}
	if e := would[0].Entries[0]; e.ID != m.id(4) || e.Origin != "orders/0/4" || e.Class != "validation" || e.To != testTier || e.Died.IsZero() {
		t.Errorf("the entry is %+v", e)
	}
	lines := m.run("dlq", "discard", "--dry-run", "--class", "network", "--limit", "2", "-o", "jsonl")
	var line changeSummary
	m.decode(lines, &line)
	if len(line.Entries) != 2 || line.Entries[0].To != "" {
		t.Errorf("as a line: %s", lines.out)
	}
	if done := m.run("replay", "--yes", "--limit", "2", "-o", "json"); strings.Contains(done.out, `"entries"`) {
		t.Errorf("what was done names entries: %s", done.out)
	}
}

// A copy that a crash made is a part of its entry; a summary counts it, and show names the entry.
func TestCopiesAreTold(t *testing.T) {
	m := newMorgue(t)
	m.dies(4, classify.Validation, 0, []byte("again")) // offset 6 of the dead-letter topic
	first := m.id(4)
	copied := first[:len(first)-1] + "6"
	m.run("dlq", "show", copied).want(t, exitDone, "of "+first)
	var data shownLetter
	m.decode(m.run("dlq", "show", copied, "-o", "json"), &data)
	if data.CopyOf != first {
		t.Errorf("as JSON a copy of %q, want %s", data.CopyOf, first)
	}
	if e := m.run("dlq", "show", first, "-o", "json"); strings.Contains(e.out, "copy_of") {
		t.Errorf("the first copy is a copy: %s", e.out)
	}
	m.run("dlq", "stats").want(t, exitDone, "1 further copy of an entry, not counted")
	m.dies(4, classify.Validation, 0, []byte("and again"))
	m.run("replay", "--dry-run").want(t, exitPart, "2 further copies of entries, not counted")
}

// Who is told that entries were left out for what became of them is told how to replay them all the same.
func TestReplayOfWhatWasDealtWith(t *testing.T) {
	m := newMorgue(t)
	m.run("dlq", "discard", "0-1", "--why", "a test", "--yes").want(t, exitDone)
	m.run("replay", "--id", "0-2", "--yes").want(t, exitDone)
	m.run("replay", "--id", "0-1,0-2", "--yes").want(t, exitDone,
		"1 had been replayed before: --again replays those that have not died again", "1 had been discarded before: --status discarded replays them")
	m.run("replay", "--id", "0-1", "--status", "discarded", "--yes").want(t, exitDone, "replayed 1 dead letter ")
	m.run("replay", "--id", "0-2", "--again", "--yes").want(t, exitDone, "replayed 1 dead letter ")
	if e := m.run("dlq", "discard", "0-2", "--why", "a test", "--yes"); strings.Contains(e.out, "--again") {
		t.Errorf("a discard is told how to replay: %s", e.out)
	}
}

// A replay that the brokers end on the way says once that what was done is marked, and how it is gone on with.
func TestMarksAreToldOnce(t *testing.T) {
	m := newMorgue(t)
	writes := make(map[kmsg.Request]bool) // each is asked for more than once
	m.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: testTier, Err: kerr.TopicAuthorizationFailed, Count: -1, When: func(req kmsg.Request) bool {
		writes[req] = true
		return len(writes) > 1
	}})
	e := m.run("replay", "--rate", "2/s", "--yes")
	e.want(t, exitPart, "replayed 1 dead letter to ", "redeliver: write to the brokers: ", "TOPIC_AUTHORIZATION_FAILED", "; what was replayed is marked: `redeliver replay resume 20")
	if strings.Count(e.err, "marked") != 1 || strings.Contains(e.err, "run it again") {
		t.Errorf("it says twice:\n%s", e.err)
	}
}

// What cannot be gone on with is run again; who was ended by somebody else is told by that what becomes of the rest.
func TestWhatIsSaidOfTheRest(t *testing.T) {
	ended := &dlq.FencedError{Topic: testDLQ, Doing: "discard", By: dlq.Writer{Run: "r", Doing: "discard"}}
	for _, c := range []struct {
		err    error
		resume string
		want   string
	}{
		{errors.New("the brokers are away"), "", "the brokers are away; what was discarded is marked: run it again for the rest"},
		{errors.New("the brokers are away"), "go on", "the brokers are away; what was discarded is marked: `go on` goes on with it"},
		{ended, "", ended.Error()},
		{ended, "go on", ended.Error() + "; `go on` goes on with it"},
	} {
		r := &changeReport{program: &program{out: io.Discard}, chore: chore{done: "discarded"}, format: asJSON, found: make(map[string]bool)}
		if err := r.add(queue{Queue: new(dlq.Queue), pipeline: new(config.Pipeline)}, dlq.Summary{Done: 1, Took: 1}, c.err); err != nil {
			t.Fatal(err)
		}
		r.resume = c.resume
		if got := r.end(c.err); got.Error() != c.want || exitStatus(got) != exitPart {
			t.Errorf("got  %v\nwant %s", got, c.want)
		}
	}
}
