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
