package main

import (
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
)

// keeps gives the dead letters of pipeline orders a retention, in ms.
func (m *morgue) keeps(ms string) {
	m.t.Helper()
	if _, err := kadm.NewClient(m.client).AlterTopicConfigs(m.t.Context(), []kadm.AlterConfig{{Op: kadm.SetConfig, Name: "retention.ms", Value: &ms}}, testDLQ); err != nil {
		m.t.Fatal(err)
	}
}

func TestDLQRenew(t *testing.T) {
	m := newMorgue(t)
	m.keeps("-1")
	m.run("dlq", "renew", "--yes").want(t, exitDone, testDLQ+" keeps its records for ever", "renewed 0 dead letters")
	m.run("dlq", "renew", "--dry-run").want(t, exitDone, testDLQ+" keeps its records for ever")
	session{terminal: true}.run(t, "dlq", "renew", "-c", m.config).want(t, exitDone, testDLQ+" keeps its records for ever", "renewed 0 dead letters")
	if s := m.run("dlq", "stats"); strings.Contains(s.out, "retention") {
		t.Errorf("stats warn where nothing expires:\n%s", s.out)
	}
	m.keeps("31536000000000") // a thousand years, less than those that the dead letters are old by half
	m.run("dlq", "list", "--expiring", "1d").want(t, exitDone, "No dead letters match")
	m.keeps("86400000")
	m.run("dlq", "stats").want(t, exitDone, "6 expire, the first now: the topic's retention takes them; `redeliver dlq renew -c "+shellWord(m.config)+"` carries them forward")
	var list []deadLetter
	m.decode(m.run("dlq", "list", "--expiring", "1d", "--class", "validation", "-o", "json"), &list)
	if len(list) != 1 {
		t.Fatalf("%d expire, want 1", len(list))
	}
	m.run("dlq", "renew", "--class", "validation", "--dry-run").want(t, exitDone, "dry run: would have renewed 1 dead letter", list[0].ID)
	m.run("dlq", "renew", "--class", "validation", "--yes").want(t, exitDone, "renewed 1 dead letter to "+testDLQ)
	m.run("dlq", "renew", "--class", "validation", "--yes").want(t, exitDone, "renewed 0 dead letters")
	m.run("dlq", "stats").want(t, exitDone, "5 expire, the first now", "1 further copy of an entry")
	m.run("dlq", "renew", "orders/0/4", "--yes").want(t, exitDone, "renewed 1 dead letter")
	m.run("dlq", "show", list[0].ID).want(t, exitDone, "status       open\n", "renewed      2")
	m.run("dlq", "park", list[0].ID, "--why", "for Bob", "--yes").want(t, exitDone, "parked 1 dead letter")
	parked := m.run("dlq", "show", list[0].ID)
	m.run("dlq", "renew", list[0].ID, "--yes").want(t, exitDone, "renewed 1 dead letter")
	m.run("dlq", "show", list[0].ID).want(t, exitDone, "status       parked, 2", "because for Bob\n", "renewed      2")
	var before, after []deadLetter
	m.decode(m.run("dlq", "list", "--id", list[0].ID, "-o", "json"), &after)
	if mark := after[0].Mark; !strings.Contains(parked.out, "run "+mark.Run+" because for Bob") || !mark.Renewed.After(mark.At) {
		t.Errorf("after a renewal the mark is %+v, and before that it was:\n%s", mark, parked.out)
	}
	m.decode(m.run("dlq", "list", "--id", list[0].ID, "-o", "json", "--no-index"), &before)
	if *before[0].Mark != *after[0].Mark {
		t.Errorf("the mark is %+v by the index, and %+v without it", after[0].Mark, before[0].Mark)
	}
	m.run("dlq", "renew", "--expiring", "24h", "--yes").want(t, exitUsage, `--expiring 24h: `, testDLQ, "retention is 24h", "say less")
}

// What stats prints renews what stats counted, also where that is the topic of another program.
func TestTheRenewalThatStatsPrintsIsOfTheSameQueue(t *testing.T) {
	m := newMorgue(t)
	retention := "86400000"
	if _, err := kadm.NewClient(m.client).CreateTopic(t.Context(), 1, 1, map[string]*string{"retention.ms": &retention}, springDLT); err != nil {
		t.Fatal(err)
	}
	old := springLetter(7, "Connection refused")
	old.Timestamp = time.Now().Add(-23 * time.Hour)
	if err := m.client.ProduceSync(t.Context(), old).FirstErr(); err != nil {
		t.Fatal(err)
	}
	_, printed, _ := strings.Cut(m.run("dlq", "stats", "--queue", springDLT).out, "the topic's retention takes them; `redeliver ")
	command, _, found := strings.Cut(printed, "` carries them forward")
	if !found {
		t.Fatal("stats print no renewal")
	}
	run(t, append(shellWords(command), "--yes")...).want(t, exitDone, springDLT+": renewed 1 dead letter")
}

func TestExpiringMistakes(t *testing.T) {
	m := newMorgue(t)
	for _, wrong := range []string{"soon", "-1h", "0s"} {
		m.run("dlq", "list", "--expiring", wrong).want(t, exitUsage, "--expiring \""+wrong+"\": want within how long, as in 24h or 3d")
	}
	m.run("dlq", "renew").want(t, exitUsage, "--yes")
}

// An id that somebody wrote down is taken by every command also when its dead letter was carried forward and the topic has lost the copy that it was of.
func TestIDsFromBeforeARenewal(t *testing.T) {
	m := newMorgue(t)
	was := m.id(1)
	m.run("dlq", "renew", was, "orders/0/2", "--yes").want(t, exitDone, "renewed 2 dead letters")
	offsets := kadm.Offsets{}
	offsets.Add(kadm.Offset{Topic: testDLQ, Partition: 0, At: 6})
	if _, err := kadm.NewClient(m.client).DeleteRecords(t.Context(), offsets); err != nil {
		t.Fatal(err)
	}
	m.run("dlq", "show", was).want(t, exitDone, "formerly     "+was, "origin       orders/0/1")
	var letter shownLetter
	m.decode(m.run("dlq", "show", was, "-o", "json"), &letter)
	if letter.ID == was || len(letter.Former) != 1 || letter.Former[0] != was {
		t.Errorf("as data: %+v", letter)
	}
	for _, args := range [][]string{{"list", "--id", was}, {"list", "--no-index", "--id", was}, {"list", "--id", "0-1"}, {"export", "--id", was}, {"stats", "--id", was}} {
		e := m.run(append([]string{"dlq"}, args...)...)
		if e.want(t, exitDone, ""); strings.Contains(e.err, was) {
			t.Errorf("%v says %s", args, e.err)
		}
	}
	m.run("classify", "--id", was).want(t, exitDone, "")
	m.run("dlq", "list", "--id", was+",0-0").want(t, exitPart, "there is no dead letter 0-0")
	m.run("dlq", "list", "--id", was, "--class", "validation").want(t, exitDone, was+" is there, and the other filters leave it out")
	m.run("dlq", "park", was, "--why", "a test", "--yes").want(t, exitDone, "parked 1 dead letter")
	m.run("dlq", "reopen", was, "--yes").want(t, exitDone, "reopened 1 dead letter")
	session{terminal: true, env: map[string]string{"EDITOR": "true"}}.run(t, "dlq", "edit", was, "-c", m.config).want(t, exitDone, "Nothing was edited")
	m.run("replay", "--id", was, "--yes").want(t, exitDone, "replayed 1 dead letter")
	m.run("dlq", "discard", was, "--why", "a test", "--yes").want(t, exitDone, "replayed before")
}
