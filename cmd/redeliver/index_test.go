//go:build unix

package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/redeliver/redeliver/internal/certs/certstest"
)

// Of a Redis that is away a command says that it does without, and nothing else is said.
func TestRedisThatIsAwayIsToldOnce(t *testing.T) {
	m := configured(t, "index: {kind: redis, redis: {address: '"+freeAddress(t)+"'}}\n")
	p := startCommand(t, "dlq", "list", "--limit", "0", "-c", m.config)
	if err := p.end(t); err != nil {
		t.Errorf("it ended with %v", err)
	}
	if said := p.log.String(); strings.Count(said, "\n") != 1 || !strings.Contains(said, "the topics are read") {
		t.Errorf("it says:\n%s", said)
	}
}

// Where an index that is away keeps what the topics have lost, an answer without it is told as a part.
func TestAnswerWithoutWhatIsKeptIsAPart(t *testing.T) {
	m := configured(t, "index: {kind: redis, keep: 90d, redis: {address: '"+freeAddress(t)+"'}}\n")
	for _, args := range [][]string{{"dlq", "list", "--limit", "0"}, {"dlq", "stats"}, {"dlq", "export"}} {
		m.run(args...).want(t, exitPart, "what they have lost and only the index keeps is left out", "redeliver: what only the index keeps is left out, see above")
		m.run(append(args, "--no-index")...).want(t, exitDone)
	}
	expiring := m.run("dlq", "list", "--expiring", "1h") // what the topics have lost expires no more
	if expiring.want(t, exitDone, "the topics are read"); strings.Contains(expiring.err, "is left out") {
		t.Errorf("of what expires it says:\n%s", expiring.err)
	}
}

// A replay is gone on with while the index is away by the flag that its message names, but for one that covers what only that keeps: of this it names none.
func TestReplayIsGoneOnWithWhileTheIndexIsAway(t *testing.T) {
	m := configured(t, "index: {kind: redis, keep: 90d, redis: {address: '"+freeAddress(t)+"'}}\n")
	start := func(flags ...string) (id string) {
		var started []struct{ Task string }
		m.decode(m.run(append([]string{"replay", "start", "--yes", "--limit", "1", "-o", "json"}, flags...)...), &started)
		return started[0].Task
	}
	const away = "so that nothing was done in " + testDLQ + ": try again when it is there"
	plain, kept := start("--no-index"), start()
	m.run("replay", "resume", plain, "--yes").want(t, exitFailed, away+", or without an index (--no-index)")
	m.run("replay", "resume", plain, "--yes", "--no-index").want(t, exitDone, "replayed 1 dead letter")
	e := m.run("replay", "resume", kept, "--yes")
	if e.want(t, exitFailed, away); strings.Contains(e.err, "--no-index") {
		t.Errorf("it names what is refused:\n%s", e.err)
	}
	m.run("replay", "resume", kept, "--yes", "--no-index").want(t, exitFailed, "there is no such index here")
	edited := filepath.Join(t.TempDir(), "edited.json")
	if err := os.WriteFile(edited, []byte(`{"key": "k", "headers": [], "kind": "json", "payload": {"order": 17}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	e = m.run("dlq", "edit", m.id(3), "--from", edited, "--yes")
	e.want(t, exitFailed, away+", or without an index (--no-index)")
	m.run("dlq", "edit", m.id(3), "--from", edited, "--yes", "--no-index").want(t, exitDone, "replayed 1 dead letter")
	m.run("replay", "--yes").want(t, exitFailed, away+", or without an index (--no-index)")
}

// What is counted of another program's dead letters is told also where it cannot be found out where they can go back to, as it cannot without what the index keeps.
func TestStatsWhereDestinationsAreNotKnown(t *testing.T) {
	m := configured(t, "index: {kind: redis, keep: 90d, redis: {address: '"+freeAddress(t)+"'}}\n")
	if _, err := kadm.NewClient(m.client).CreateTopic(t.Context(), 1, 1, nil, springDLT); err != nil {
		t.Fatal(err)
	}
	m.springDies(1, "Connection refused")
	stats := m.run("dlq", "stats", "--queue", springDLT)
	stats.want(t, exitPart, springDLT+" (pipeline orders): 1 dead letter", "where the dead letters of "+springDLT+" can go back to is not known", "--queue "+springDLT+" --fingerprint ")
	if strings.Contains(stats.out, "--to ") {
		t.Errorf("it names a destination that nobody has found:\n%s", stats.out)
	}
}

// The certificate of a Redis is checked by the authority that the configuration names.
func TestRedisOverTLS(t *testing.T) {
	authority := certstest.New(t, "the authority")
	server, err := miniredis.RunTLS(&tls.Config{Certificates: []tls.Certificate{authority.Sign(t, "127.0.0.1")}, MinVersion: tls.VersionTLS12})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, authority.PEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	list := func(secure string) string {
		t.Helper()
		m := configured(t, "index: {kind: redis, redis: {address: '"+server.Addr()+"', tls: {"+secure+"}}}\n")
		listed := m.run("dlq", "list")
		listed.want(t, exitDone, "orders/0/3")
		return listed.err
	}
	if said := list("enabled: true"); !strings.Contains(said, "redis at "+server.Addr()+": tls: failed to verify certificate") || len(server.Keys()) > 0 {
		t.Errorf("of an unknown authority it says %q", said)
	}
	if said := list("enabled: true, ca_file: '" + ca + "'"); said != "" || len(server.Keys()) != 1 {
		t.Errorf("it says %q, and %d indexes are there", said, len(server.Keys()))
	}
}

// hasIndex fails when another command does not get the index now.
func (m *morgue) hasIndex() {
	m.t.Helper()
	listed := m.run("dlq", "list", "--class", "network")
	if listed.want(m.t, exitDone, "orders/0/3"); strings.Contains(listed.err, "another process has the index open") {
		m.t.Errorf("the file is held:\n%s", listed.err)
	}
}

// A command that asks leaves the file of the index to the others while nobody has answered, and goes on with it then.
func TestQuestionsHoldNoIndex(t *testing.T) {
	m := configured(t, "index: {keep: 90d, path: '"+t.TempDir()+"'}\n")
	t.Setenv("TMPDIR", t.TempDir())
	m.run("dlq", "stats").want(t, exitDone) // which builds the index
	edited := filepath.Join(t.TempDir(), "edited.json")
	if err := os.WriteFile(edited, []byte(`{"key": "k", "headers": [], "kind": "json", "payload": {"order": 17}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args []string
		says string
	}{
		{[]string{"replay", "--class", "network", "--limit", "1"}, "replayed 1 dead letter"},
		{[]string{"dlq", "park", "0-2", "--why", "a test"}, "parked 1 dead letter"},
		{[]string{"dlq", "discard", "--class", "validation", "--why", "a test"}, "discarded 1 dead letter"},
		{[]string{"dlq", "renew", "0-5"}, "renewed 1 dead letter"},
		{[]string{"dlq", "edit", "0-1", "--from", edited}, "replayed 1 dead letter"},
		{[]string{"dlq", "purge", "--before", "1d"}, "deleted "},
	} {
		t.Run(strings.Join(c.args[:2], " "), func(t *testing.T) {
			asked := false
			m := *m
			m.t = t
			var out, errs bytes.Buffer
			p := &program{
				in:  answering(func() string { asked = true; m.hasIndex(); return "y\n" }),
				out: &out, err: &errs, interactive: true, patience: 2 * time.Second,
				getenv: func(string) (string, bool) { return "", false },
			}
			e := ended{p.main(t.Context(), append(c.args, "-c", m.config)), out.String(), errs.String()}
			if e.want(t, e.status, c.says); !asked || strings.Contains(e.err, "the index of dead letters") {
				t.Errorf("asked %v, and ended with %d:\n%s", asked, e.status, e.err)
			}
		})
	}
}

// An editor that is open holds the file of the index no more than a question.
func TestAnEditorHoldsNoIndex(t *testing.T) {
	m := configured(t, "index: {path: '"+t.TempDir()+"'}\n")
	t.Setenv("TMPDIR", t.TempDir())
	m.run("dlq", "stats").want(t, exitDone)
	pipe := filepath.Join(t.TempDir(), "edited")
	if err := exec.Command("mkfifo", pipe).Run(); err != nil {
		t.Fatal(err)
	}
	looked := make(chan struct{})
	go func() {
		defer close(looked)
		opened, err := os.OpenFile(pipe, os.O_WRONLY, 0) // the editor has begun to read
		if err != nil {
			t.Error(err)
			return
		}
		m.hasIndex()
		_ = opened.Close() // which lets it go on
	}()
	editor := "cat " + pipe + ` && sed -i -e 's/"order": 1/"order": 17/'`
	session{terminal: true, answer: "y\n", env: map[string]string{"EDITOR": editor}}.run(t, "dlq", "edit", "0-1", "-c", m.config).want(t, exitDone, "replayed 1 dead letter")
	<-looked
}

// A replay that takes its time holds the file of the index no longer than it reads it.
func TestAReplayWithARateHoldsNoIndex(t *testing.T) {
	m := configured(t, "index: {keep: 90d, path: '"+t.TempDir()+"'}\n")
	m.run("dlq", "stats").want(t, exitDone)
	written, transactions := make(chan struct{}), 0
	m.cluster.ControlKey(kmsg.EndTxn.Int16(), func(kmsg.Request) (kmsg.Response, error, bool) {
		m.cluster.KeepControl()
		if transactions++; transactions == 2 { // who writes, and the first dead letter
			close(written)
		}
		return nil, nil, false
	})
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	var out, errs bytes.Buffer
	p := &program{in: strings.NewReader(""), out: &out, err: &errs, patience: 2 * time.Second, getenv: func(string) (string, bool) { return "", false }}
	replayed := make(chan int, 1)
	go func() {
		replayed <- p.main(ctx, []string{"replay", "--class", "network", "--rate", "1/h", "--yes", "-c", m.config})
	}()
	<-written
	m.hasIndex()
	interrupt()
	ended{<-replayed, out.String(), errs.String()}.want(t, exitPart, "replayed 1 dead letter", "goes on with it")
}
