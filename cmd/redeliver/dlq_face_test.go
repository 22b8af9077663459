package main

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/classify"
	"github.com/redeliver/redeliver/dlq"
)

// pasted are a command line as a shell takes it apart, without the program's name.
func pasted(t *testing.T, line string) []string {
	t.Helper()
	out, err := exec.Command("sh", "-c", `set -- `+line+`; printf '%s\0' "$@"`).Output()
	if err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	return strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00")[1:]
}

// The command that stats prints with a problem replays what the line counts, whatever stats was asked.
func TestStatsPrintTheCommandOfWhatTheyCount(t *testing.T) {
	dies := func(m *morgue) {
		m.dies(6, classify.Network, 0, []byte(`it's $HOME`))
		m.run("dlq", "discard", "0-0", "--why", "a test", "--yes").want(t, exitDone)
		m.run("dlq", "park", "0-1", "--why", "a test", "--yes").want(t, exitDone)
		m.run("replay", "--id", "0-2", "--yes").want(t, exitDone)
	}
	for _, c := range []struct {
		args  []string
		wants int64
	}{
		{[]string{"--pipeline", "orders", "--max-replays", "9"}, 3},
		{[]string{"--key", "key-3"}, 1},
		{[]string{"--text", "it's $HOME"}, 1},
		{[]string{"--error", "shop is (open|closed)", "--until", "2025-11-23T16:59:59.5Z", "--topic", "orders"}, 1},
		{[]string{"--since", "2025-11-23T18:00:00.5Z"}, 2},
		{[]string{"--status", "parked"}, 1},
		{[]string{"--status", "discarded,parked"}, 2},
		{[]string{"--status", "replayed"}, 1},
		{[]string{"--all"}, 6},
		{[]string{"--id", "0-0,0-2,0-3"}, 3},
		{[]string{"--no-index", "--reason", "exhausted", "--class", "network", "--id", "0-3"}, 1},
	} {
		t.Run(strings.Join(c.args, " "), func(t *testing.T) {
			m := newMorgue(t)
			dies(m)
			var stats []queueStats
			args := c.args
			if args[0] == "--pipeline" {
				args = args[:2]
			}
			m.decode(m.run(append([]string{"dlq", "stats", "-o", "json"}, args...)...), &stats)
			if len(stats) != 1 || len(stats[0].Problems) == 0 {
				t.Fatalf("nothing is counted: %+v", stats)
			}
			one := stats[0].Problems[0]
			command := pasted(t, one.Replay)
			var would []changeSummary
			m.decode(run(t, append(command, "--dry-run", "-o", "json")...), &would)
			if got := would[0].Done + would[0].Limited; got != one.Entries {
				t.Errorf("%s replays %d of %d", one.Replay, got, one.Entries)
			}
			if strings.Contains(strings.Join(c.args, " "), "--all") && !strings.Contains(one.Replay, "--all --again") {
				t.Errorf("%s", one.Replay)
			}
		})
	}
}

// Dead letters of a program without retry topics go back to their source.
func TestStatsPrintWhereForeignDeadLettersGo(t *testing.T) {
	m := newMorgue(t)
	for _, topic := range []string{"smallrye.dlq", "returns"} {
		if _, err := kadm.NewClient(m.client).CreateTopic(t.Context(), 1, 1, nil, topic); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 2 {
		r := &kgo.Record{Topic: "smallrye.dlq", Value: []byte("{}"), Headers: []kgo.RecordHeader{
			{Key: "dead-letter-reason", Value: []byte("the shop is closed")}, {Key: "dead-letter-topic", Value: []byte("returns")},
			{Key: "dead-letter-partition", Value: []byte("0")}, {Key: "dead-letter-offset", Value: []byte(fmt.Sprint(i))},
		}}
		if err := m.client.ProduceSync(t.Context(), r).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	m.run("replay", "--queue", "smallrye.dlq", "--dry-run").want(t, exitPart, "would have replayed 0", "--to source and topic:NAME need none")
	var stats []queueStats
	m.decode(m.run("dlq", "stats", "--queue", "smallrye.dlq", "-o", "json"), &stats)
	run(t, append(pasted(t, stats[0].Problems[0].Replay), "--yes")...).want(t, exitDone, "replayed 2 dead letters to returns")
	lost := &kgo.Record{Topic: "smallrye.dlq", Value: []byte("{}"), Headers: []kgo.RecordHeader{{Key: "dead-letter-reason", Value: []byte("it came from nowhere")}}}
	if err := m.client.ProduceSync(t.Context(), lost).FirstErr(); err != nil {
		t.Fatal(err)
	}
	m.decode(m.run("dlq", "stats", "--queue", "smallrye.dlq", "-o", "json"), &stats)
	if command := stats[0].Problems[0].Replay; !strings.HasSuffix(command, " --to topic:NAME") {
		t.Errorf("what came from nowhere is replayed by %s", command)
	}
	run(t, append(pasted(t, strings.Replace(stats[0].Problems[0].Replay, "NAME", "returns", 1)), "--yes")...).want(t, exitDone, "replayed 1 dead letter to returns")
	show := m.run("dlq", "show", "returns/0/1", "--queue", "smallrye.dlq")
	for _, line := range strings.Split(show.out, "\n") {
		if strings.HasSuffix(strings.TrimRight(line, " "), ",") {
			t.Errorf("a line ends in a comma: %q", line)
		}
	}
	listed := m.run("replay", "list", "--queue", "smallrye.dlq")
	listed.want(t, exitDone, "done", "LEFT OUT")
}

// Who has no terminal learns the replay's id, and how it is gone on with.
func TestReplayTellsItsID(t *testing.T) {
	m := newMorgue(t)
	e := m.run("replay", "--yes", "--id", "0-0", "-o", "json")
	var done []changeSummary
	m.decode(e, &done)
	if !strings.Contains(e.err, "This is replay "+done[0].Task+": `redeliver replay show "+done[0].Task+" -c "+m.config+"` shows it.") {
		t.Errorf("told: %s", e.err)
	}
	if e := m.run("replay", "--yes", "--id", "0-0"); strings.Contains(e.err, "This is replay") {
		t.Errorf("a replay of nothing: %s", e.err)
	}
}

// What a replay left out is shown by who asks for it afterwards.
func TestReplayShowTellsWhatWasLeftOut(t *testing.T) {
	m := newMorgue(t)
	m.run("dlq", "park", "0-1", "--why", "a test", "--yes").want(t, exitDone)
	var started []changeSummary
	m.decode(m.run("replay", "start", "--jq", ".lines | tonumber", "--yes", "-o", "json"), &started)
	id := started[0].Task
	m.run("replay", "resume", id, "--yes").want(t, exitPart, "replayed 0 dead letters", "replayed 3 times or more")
	m.run("replay", "show", id).want(t, exitDone, "replayed    0", "left out    1 parked", "1 replayed 3 times or more", "jq: the payload is no JSON document (for example "+m.id(4)+")")
	var task taskView
	m.decode(m.run("replay", "show", id, "-o", "json"), &task)
	if s := task.Skipped; s.Parked != 1 || s.Limited != 1 || len(s.LeftOut) != 2 {
		t.Errorf("as JSON: %+v", s)
	}
	m.run("replay", "list").want(t, exitDone, "LEFT OUT")
}

func TestReplayListOfNothing(t *testing.T) {
	e := newMorgue(t).run("replay", "list")
	if e.want(t, exitDone, "No replay is known"); e.out != "" {
		t.Errorf("as data: %s", e.out)
	}
}

// A dry run shows what the edits make of the entries that it lists, and nothing that is hidden.
func TestDryRunShowsEdits(t *testing.T) {
	m := newMorgue(t)
	e := m.run("replay", "--dry-run", "--id", "0-1,0-4", "--set-header", "by=ann", "--unset-header", "trace", "--set-key", "k", "--jq", ".order += 10 | del(.lines)")
	e.want(t, exitPart, `-   "key": "key-1",`, `+   "key": "k",`, `-       "key": "trace",`, `+       "key": "by",`, `-     "lines": [`, `+     "order": 11`)
	var would []changeSummary
	m.decode(m.run("replay", "--dry-run", "--id", "0-1", "--jq", ".order = 7", "-o", "json"), &would)
	if !strings.Contains(would[0].Entries[0].Edit, `+     "order": 7`) {
		t.Errorf("as JSON: %+v", would)
	}
	if e := m.run("replay", "--dry-run", "--id", "0-1"); strings.Contains(e.out, "+ ") {
		t.Errorf("nothing is edited: %s", e.out)
	}

	m.dies(6, classify.Network, 0, []byte(`{"card":"4111","n":1}`))
	m.config = configFile(t, pipelineOn(m.cluster.ListenAddrs(), `dlq: {redact: {headers: [secret], text: ['"card":"(\d+)"']}}`))
	plain := m.run("replay", "--dry-run", "--id", "0-6", "--jq", ".n = 2", "--set-header", "secret=4111")
	plain.want(t, exitDone, `+     "n": 2`, "[redacted]")
	moved := m.run("replay", "--dry-run", "--id", "0-6", "--jq", "{number: .card}")
	moved.want(t, exitDone, "the payload is changed, and is not shown: dlq.redact hides a part of it")
	last := m.run("replay", "--dry-run", "--id", "0-6", "--jq", "{number: .card}", "-o", "json")
	m.dies(7, classify.Network, 0, []byte(`{"card":"\u0034111","n":1}`)) // as some programs write it
	escaped := m.run("replay", "--dry-run", "--id", "0-7", "--jq", ".n = 2")
	escaped.want(t, exitDone, `"card": "[redacted]"`, `+     "n": 2`)
	for _, e := range []ended{plain, moved, last, escaped} {
		if strings.Contains(e.out+e.err, "4111") {
			t.Errorf("what is hidden is shown:\n%s%s", e.out, e.err)
		}
	}
}

// What does not expire soon is there all the same.
func TestRenewOfWhatDoesNotExpire(t *testing.T) {
	m := newMorgue(t)
	m.dies(7, classify.Network, 0, []byte("{}"))
	age := time.Since(time.UnixMilli(1_763_903_600_000))
	m.keeps(fmt.Sprint((age + 30*24*time.Hour).Milliseconds()))
	m.run("dlq", "renew", "0-6", "--expiring", "24h", "--yes").want(t, exitPart, "dead letter 0-6 of "+testDLQ+" does not expire before ")
	m.run("dlq", "discard", "0-6", "--class", "validation", "--why", "a test", "--yes").want(t, exitPart, "dead letter 0-6 of "+testDLQ+" is there, and the other filters leave it out")
	m.run("dlq", "renew", "0-6", "--yes").want(t, exitDone, "renewed 1")
	m.run("dlq", "show", "0-6").want(t, exitDone, "status       open\n", "renewed      20")
}

func TestCanaryRateNeedsCanaries(t *testing.T) {
	m := newMorgue(t)
	m.run("replay", "--yes", "--canary-rate", "50%").want(t, exitUsage, "--canary-rate 50%", "--canary")
}

// What was dealt with is left as it is, and that is said.
func TestSettingAsideSaysWhatStays(t *testing.T) {
	m := newMorgue(t)
	m.run("replay", "--id", "0-2", "--yes").want(t, exitDone)
	m.run("dlq", "discard", "0-2", "0-3", "--why", "a test", "--yes").want(t, exitDone, "discarded 1 dead letter", "1 had been replayed before and stay so: they are not discarded")
	m.run("dlq", "reopen", "0-1", "--yes").want(t, exitDone, "reopened 0 dead letters", "1 open already, and left so")
	m.run("replay", "--dry-run", "--max-replays", "1").want(t, exitPart, "replayed 1 time or more: `--max-replays -1` replays them\n")
}

func TestRateText(t *testing.T) {
	for rate, want := range map[float64]string{30000: "30000/s", 100: "100/s", 5000.0 / 3600: "1.389/s", 0.5: "30/m", 1.0 / 3600: "1/h", 12345678: "12345678/s"} {
		if got := rateText(rate); got != want {
			t.Errorf("rateText(%v) = %s, want %s", rate, got, want)
		}
	}
	if text := doesText(dlq.Replay{Rate: 30000}, nil); !strings.Contains(text, "30000/s") {
		t.Error(text)
	}
}

// That dead letters expire is told where they are looked after.
func TestNoticesAreTold(t *testing.T) {
	m := newMorgue(t)
	m.config = configFile(t, pipelineOn(m.cluster.ListenAddrs(), "dlq: {retention: 7d}"))
	for _, c := range []struct {
		args []string
		told bool
	}{{[]string{"dlq", "stats"}, true}, {[]string{"dlq", "renew", "--dry-run"}, true}, {[]string{"validate"}, true}, {[]string{"dlq", "list"}, false}, {[]string{"replay", "--dry-run"}, false}} {
		if e := m.run(c.args...); strings.Contains(e.err, "older than 7d expire") != c.told {
			t.Errorf("%v: %s", c.args, e.err)
		}
	}
}
