package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/redeliver/redeliver/dlq"
)

// A replay is started here, looked at there, paused, gone on with, and has then ended.
func TestReplayAsATask(t *testing.T) {
	m := newMorgue(t)
	m.run("replay", "start", "--class", "network", "--max-replays", "4", "--dry-run").want(t, exitDone, "dry run: would have replayed 5 dead letters", "to "+testTier)
	session{terminal: true, answer: "n\n"}.run(t, "replay", "start", "-c", m.config).want(t, exitFailed, "Start a task: Replay 5 dead letters", "nothing was changed")
	if list := m.run("replay", "list"); list.out != "" {
		t.Errorf("before anything was started: %s", list.out)
	}
	started := m.run("replay", "start", "--class", "network", "--max-replays", "4", "--set-header", "by=ann", "--yes", "-o", "json")
	var summaries []changeSummary
	m.decode(started, &summaries)
	id := summaries[0].Task
	var tasks []taskView
	m.decode(m.run("replay", "list", "-o", "json"), &tasks)
	if len(tasks) != 1 || tasks[0].ID != id || tasks[0].State != dlq.TaskWaiting || tasks[0].Selects != "--class network" || m.inTier() != 0 {
		t.Fatalf("listed: %+v", tasks)
	}
	m.run("replay", "pause", id, "--dry-run").want(t, exitDone, "dry run: would pause replay "+id)
	m.run("replay", "pause", id, "--yes").want(t, exitDone, id+": paused, with 0 dead letters replayed")
	m.run("replay", "pause", id).want(t, exitDone, id+" is paused already, with 0 dead letters replayed")
	m.run("replay", "show", id).want(t, exitDone, "paused", "to retry, up to 4 replays of one, set header by", "Go on with it:  redeliver replay resume "+id)
	if line := lineWith(m.run("replay", "list").out, id); !strings.Contains(line, "  by ") {
		t.Errorf("listed is %q, without why it stands still", line)
	}
	m.run("replay", "resume", id).want(t, exitUsage, "--yes")
	m.run("replay", "resume", id, "--dry-run").want(t, exitDone, "would go on with replay "+id, "--class network")
	m.run("replay", "resume", id, "--yes").want(t, exitDone, "replayed 5 dead letters to "+testTier)
	m.run("replay", "show", id).want(t, exitDone, "done", "replayed    5", "died again  0")
	m.run("replay", "resume", id, "--yes").want(t, exitFailed, "the replay has ended: replay "+id+" is done")
	for _, flags := range [][]string{nil, {"--yes"}, {"--dry-run"}} { // nobody need be asked for what has ended
		m.run(append([]string{"replay", "cancel", id}, flags...)...).want(t, exitFailed, "the replay has ended: replay "+id+" is done")
		m.run(append([]string{"replay", "pause", id}, flags...)...).want(t, exitFailed, "the replay has ended: replay "+id+" is done")
	}
	m.run("replay", "show", "20260101-000000-beef").want(t, exitFailed, "there is no such replay: see `redeliver replay list -c "+m.config+"`")
	m.run("replay", "show", "20260101-000000-beef", "--pipeline", "orders", "--queue", testDLQ).want(t, exitFailed, "replay list -c "+m.config+" --pipeline orders --queue "+testDLQ+"`")

	// What it selects is told whole, also in the question.
	m.run("replay", "start", "--text", "the shop", "--error", "closed", "--yes").want(t, exitDone)
	m.decode(m.run("replay", "list", "-o", "json"), &tasks)
	if tasks[0].Selects != "--error closed --text 'the shop'" {
		t.Errorf("selects %s", tasks[0].Selects)
	}

	// What died again is counted by the replay that put it back, also by one that waited for nothing.
	m.dies(0, 1, 1, []byte("{}"))
	m.run("replay", "show", id).want(t, exitDone, "died again  1")
	if line := lineWith(m.run("replay", "list").out, id); !slices.Equal(strings.Fields(line)[2:5], []string{"done", "5", "-"}) {
		t.Errorf("listed is %q, with failures that nobody waited for", line)
	}
}

// What retention took of what a replay covers is told when it is gone on with, and afterwards.
func TestReplayTellsWhatRetentionTook(t *testing.T) {
	m := newMorgue(t)
	started := m.run("replay", "start", "--yes", "-o", "json")
	var summaries []changeSummary
	m.decode(started, &summaries)
	admin := kadm.NewClient(m.client)
	if _, err := admin.DeleteRecords(t.Context(), kadm.Offsets{testDLQ: {0: {Topic: testDLQ, At: 1}}}); err != nil {
		t.Fatal(err)
	}
	const says = "up to 1 record of what it covers taken by retention since it was started"
	m.run("replay", "resume", summaries[0].Task, "--yes").want(t, exitPart, says)
	m.run("replay", "show", summaries[0].Task).want(t, exitDone, says)
}

// lineWith is the line of a text with these words in it.
func lineWith(text, words string) string {
	for line := range strings.Lines(text) {
		if strings.Contains(line, words) {
			return line
		}
	}
	return ""
}

// With outcomes the exit status says whether all succeeded.
func TestReplayTellsOutcomes(t *testing.T) {
	m := newMorgue(t)
	if err := kadm.NewClient(m.client).CommitAllOffsets(t.Context(), "orders", kadm.Offsets{testTier: {0: {Topic: testTier, At: 1000, LeaderEpoch: -1}}}); err != nil {
		t.Fatal(err)
	}
	e := m.run("replay", "--yes", "--canary", "2", "--canary-rate", "50%", "--stop-at", "0.2", "--max-replays", "-1")
	e.want(t, exitDone, "replayed 6 dead letters", "6 succeeded")
	if line := lineWith(m.run("replay", "list").out, "done"); !slices.Equal(strings.Fields(line)[2:5], []string{"done", "6", "0"}) {
		t.Errorf("listed is %q", line)
	}
	if strings.Contains(e.out, "failed") {
		t.Errorf("failed: %s", e.out)
	}
	for _, c := range []struct{ flag, value, says string }{
		{"--canary", "-1", "--canary -1"}, {"--canary-rate", "0", "--canary-rate"}, {"--stop-at", "120%", "--stop-at"}, {"--concurrency", "-2", "--concurrency"},
	} {
		m.run("replay", "--yes", c.flag, c.value).want(t, exitUsage, c.says)
	}
	m.run("replay", "--yes", "--wait", "--to", "topic:elsewhere").want(t, exitUsage, "retry and source only")
}

// What is said of a replay that was stopped is true where nothing else was left to replay, too.
func TestWhatIsLeftOfAStoppedReplay(t *testing.T) {
	for gone, says := range map[bool]string{true: "nothing else was left to replay", false: "and the rest is left as it was"} {
		err := (&changeReport{gone: gone}).failure(fmt.Errorf("%w: 10 of 10 failed again", dlq.ErrStopped))
		if !strings.HasSuffix(err.Error(), says) {
			t.Errorf("gone: %v: %v", gone, err)
		}
	}
}

func TestSharesAreReadAsTheyAreWritten(t *testing.T) {
	for text, want := range map[string]float64{"56%": 0.56, "33.3%": 0.333, " 20 % ": 0.2, "100%": 1, "0.56": 0.56} {
		if got, err := parseShare(text); got != want || err != nil {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "%", "0%", "101%", "1.1", "-5%", "nan%", "inf%", "nan"} {
		if got, err := parseShare(text); err == nil {
			t.Errorf("%q is %v", text, got)
		}
	}
}

// What dlq.redact hides is hidden of what a replay was told, too: its filters, key and program.
func TestReplaysAreToldRedacted(t *testing.T) {
	m := newMorgue(t)
	const secret = "4111-1111-1111-1111"
	m.config = configFile(t, pipelineOn(m.cluster.ListenAddrs(), `dlq: {redact: {text: ['\d{4}-\d{4}-\d{4}-\d{4}']}}`))
	m.run("replay", "start", "--yes", "--text", secret, "--error", secret, "--key", secret, "--set-key", secret, "--jq", `.card = "`+secret+`"`).want(t, exitDone)
	var tasks []taskView
	list := m.run("replay", "list", "-o", "json")
	m.decode(list, &tasks)
	show := m.run("replay", "show", tasks[0].ID)
	show.want(t, exitDone, "--text '[redacted]'", `set key "[redacted]"`, `jq .card = "[redacted]"`)
	resume := m.run("replay", "resume", tasks[0].ID, "--dry-run")
	resume.want(t, exitDone, "--text '[redacted]'")
	for _, e := range []ended{list, show, resume, m.run("replay", "list"), session{terminal: true, answer: "n\n"}.run(t, "replay", "resume", tasks[0].ID, "-c", m.config)} {
		if strings.Contains(e.out+e.err, secret) {
			t.Errorf("shown:\n%s%s", e.out, e.err)
		}
	}
}

// With its topic a replay is gone too: nobody is sent to go on with it.
func TestReplayWhoseTopicIsDeleted(t *testing.T) {
	r := &changeReport{begun: true, resume: "redeliver replay resume 1", topic: testDLQ, chore: chore{done: "replayed"}}
	for topic, gone := range map[string]bool{testDLQ: true, dlq.LedgerTopic(testDLQ): true, testTier: false} {
		err := r.failure(fmt.Errorf("replay: %w", &dlq.TopicDeletedError{Topic: topic}))
		var exit *exitError
		if !errors.As(err, &exit) || exit.status != exitPart || strings.Contains(err.Error(), "replay resume") == gone ||
			strings.HasSuffix(err.Error(), topic+": the topic was deleted meanwhile, and what was left with it") != gone {
			t.Errorf("%s: it ends with %v", topic, err)
		}
	}
	for _, code := range []error{kerr.UnknownTopicID, kerr.UnknownTopicOrPartition} { // of a topic that is written to, which may be the ledger
		if err := r.failure(fmt.Errorf("write: %w", code)); !strings.HasSuffix(err.Error(), "; if it is another one, `redeliver replay resume 1` goes on with it") {
			t.Errorf("%v: it ends with %v", code, err)
		}
	}
}

// Who works on a replay that is started depends on what it covers: what an index keeps in a file is for who has that.
func TestStartedReplayOfWhatAFileKeepsSaysWhoDoesIt(t *testing.T) {
	m := configured(t, "index: {keep: 90d}\n")
	for flag, who := range map[string]string{"": "this, for what only the index keeps is in a file here: ", "--no-index": "a running pipeline, or for: ", "--expiring=1h": "a running pipeline, or for: "} {
		args := append([]string{"replay", "start", "--yes"}, strings.Fields(flag)...)
		m.run(args...).want(t, exitDone, " waits for "+who)
	}
}
