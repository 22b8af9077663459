package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/classify"
	"github.com/redeliver/redeliver/dlq"
	"github.com/redeliver/redeliver/retrytopics"
)

// inTierRecords are the records of the first retry topic.
func (m *morgue) inTierRecords(n int) []*kgo.Record {
	m.t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(m.cluster.ListenAddrs()...), kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{testTier: {0: kgo.NewOffset().AtStart()}}), kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	if err != nil {
		m.t.Fatal(err)
	}
	defer client.Close()
	var records []*kgo.Record
	for len(records) < n {
		fetches := client.PollFetches(m.t.Context())
		if err := fetches.Err(); err != nil {
			m.t.Fatal(err)
		}
		records = append(records, fetches.Records()...)
	}
	return records
}

// editorOf is a session whose editor is a script of sed.
func editorOf(t *testing.T, answer, sed string) session {
	t.Helper()
	script := filepath.Join(t.TempDir(), "editor")
	if err := os.WriteFile(script, []byte("#!/bin/sh\nsed -i -e '"+sed+"' \"$1\"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	return session{terminal: true, answer: answer, env: map[string]string{"EDITOR": script}}
}

// An edit shows what it changes, replays that when it is confirmed, and leaves the dead letter as it was.
func TestDLQEdit(t *testing.T) {
	m := newMorgue(t)
	t.Setenv("TMPDIR", t.TempDir())
	change := `s/"order": 1/"order": 17/; s/key-1/key-17/`
	editorOf(t, "n\n", change).run(t, "dlq", "edit", m.id(1), "-c", m.config).want(t, exitFailed, `-   "key": "key-1",`, `+   "key": "key-17",`, `-     "order": 1,`, `+     "order": 17,`, "nothing was changed")
	editorOf(t, "", change).run(t, "dlq", "edit", m.id(1), "--dry-run", "-c", m.config).want(t, exitDone, `+     "order": 17,`)
	editorOf(t, "", "s/nothing//").run(t, "dlq", "edit", m.id(1), "-c", m.config).want(t, exitDone, "Nothing was edited")
	if n := m.inTier(); n != 0 {
		t.Fatalf("%d records were replayed", n)
	}
	editorOf(t, "y\n", change).run(t, "dlq", "edit", m.id(1), "-c", m.config).want(t, exitDone, "as edited to retry?", "replayed 1 dead letter to "+testTier)
	record := m.inTierRecords(1)[0]
	if string(record.Key) != "key-17" || string(record.Value) != `{"order":17,"lines":["a","b"]}` || len(record.Headers) < 3 || record.Headers[1].Value != nil {
		t.Errorf("replayed: %s %s %v", record.Key, record.Value, record.Headers)
	}
	m.run("dlq", "show", m.id(1)).want(t, exitDone, "KEY     key-1\n", `"order": 1,`, `edited: by hand: set key "key-17", set payload .order=17`)
	m.run("dlq", "edit", m.id(1)).want(t, exitUsage, "--yes")
	m.run("dlq", "edit", m.id(1), "--yes").want(t, exitUsage, "there is no terminal for an editor")
	editorOf(t, "y\n", change).run(t, "dlq", "edit", m.id(1), "-c", m.config).want(t, exitFailed, "--again")

	broken := editorOf(t, "y\n", `s/"kind": "json"/"kind": "cbor"/`).run(t, "dlq", "edit", m.id(2), "-c", m.config)
	broken.want(t, exitFailed, `kind "cbor": want json, text, base64 or null`, "your edit is in ", "nothing was replayed")
	editorOf(t, "y\n", `s/"trace"/"redeliver-id"/`).run(t, "dlq", "edit", m.id(2), "-c", m.config).want(t, exitFailed, "not one of Redeliver")
	session{terminal: true, env: map[string]string{"VISUAL": "false"}}.run(t, "dlq", "edit", m.id(2), "-c", m.config).want(t, exitFailed, "editor false", "nothing was edited, and nothing was replayed")
	if left, err := filepath.Glob(filepath.Join(os.TempDir(), "redeliver-*.json")); err != nil || len(left) != 4 { // those with an edit that was not replayed
		t.Errorf("files %v are left: %v", left, err)
	}
}

// An interrupt does not end the editor. What is in the file when the editor ends is kept.
func TestDLQEditOutlivesAnInterrupt(t *testing.T) {
	m := newMorgue(t)
	t.Setenv("TMPDIR", t.TempDir())
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	pipe := filepath.Join(t.TempDir(), "interrupted")
	if err := exec.Command("mkfifo", pipe).Run(); err != nil {
		t.Fatal(err)
	}
	var errs bytes.Buffer
	var p *program
	go func() {
		opened, err := os.OpenFile(pipe, os.O_WRONLY, 0) // the editor has begun to read
		if err != nil {
			return
		}
		if !p.quits.Load() {
			t.Error("a second interrupt would leave the editor alone with the file")
		}
		interrupt()
		_ = opened.Close() // which lets it go on
	}()
	p = &program{
		in: strings.NewReader(""), out: io.Discard, err: &errs, interactive: true, patience: 2 * time.Second,
		getenv: func(name string) (string, bool) {
			return `cat ` + pipe + ` && sed -i -e 's/"order": 1/"order": 17/'`, name == "EDITOR"
		},
	}
	status := p.main(ctx, []string{"dlq", "edit", m.id(1), "-c", m.config})
	ended{status, "", errs.String()}.want(t, exitFailed, "interrupted; nothing was replayed; your edit is in ")
	all, err := filepath.Glob(filepath.Join(os.TempDir(), "redeliver-*.json"))
	if err != nil || len(all) != 1 {
		t.Fatalf("kept are %v, %v", all, err)
	}
	if text, err := os.ReadFile(all[0]); err != nil || !strings.Contains(string(text), `"order": 17`) {
		t.Errorf("%s, %v", text, err)
	}
}

// answering is a terminal at which somebody does something before the answer.
type answering func() string

func (f answering) Read(b []byte) (int, error) { return copy(b, f()), nil }

// One that was discarded is left so unless somebody says otherwise, also where that was done while it was edited.
func TestDLQEditOfADiscarded(t *testing.T) {
	m := newMorgue(t)
	t.Setenv("TMPDIR", t.TempDir())
	edits := `s/"order": [0-9]*/"order": 17/`
	m.run("dlq", "discard", m.id(1), "--why", "gone", "--yes").want(t, exitDone)
	editorOf(t, "y\n", edits).run(t, "dlq", "edit", m.id(1), "-c", m.config).want(t, exitFailed, m.id(1)+": discarded, ", " because gone; --all edits and replays it all the same")

	meanwhile, script := m.id(2), editorOf(t, "", edits).env
	var out, errs bytes.Buffer
	p := &program{
		in: answering(func() string {
			m.run("dlq", "discard", meanwhile, "--why", "gone", "--yes", "--no-index").want(t, exitDone)
			return "y\n"
		}),
		out: &out, err: &errs, interactive: true, patience: 2 * time.Second,
		getenv: func(name string) (string, bool) { v, is := script[name]; return v, is },
	}
	status := p.main(t.Context(), []string{"dlq", "edit", meanwhile, "--no-index", "-c", m.config})
	ended{status, out.String(), errs.String()}.want(t, exitFailed, "1 had been discarded before: --all edits and replays it all the same", "nothing was replayed; your edit is in ")
	if n := m.inTier(); n != 0 {
		t.Fatalf("%d records were replayed", n)
	}
	editorOf(t, "y\n", edits).run(t, "dlq", "edit", m.id(1), "--all", "-c", m.config).want(t, exitDone, "replayed 1 dead letter to "+testTier)
}

// An edit that is not replayed is kept in a file of its author's, from which it is gone on with.
func TestDLQEditIsKept(t *testing.T) {
	m := newMorgue(t)
	t.Setenv("TMPDIR", t.TempDir())
	kept := func(e ended) string {
		t.Helper()
		e.want(t, e.status, "your edit is in "+os.TempDir(), "redeliver dlq edit "+m.id(1)+" -c "+m.config+" --from ")
		all, err := filepath.Glob(filepath.Join(os.TempDir(), "redeliver-*.json"))
		if err != nil || len(all) != 1 {
			t.Fatalf("kept are %v, %v", all, err)
		}
		if info, err := os.Stat(all[0]); err != nil || info.Mode() != 0o600 {
			t.Errorf("%v, %v", info.Mode(), err)
		}
		return all[0]
	}
	opens := `mv "$1" "$1~" && sed -e 's/"order": 1/"order": 17/' "$1~" > "$1" && rm "$1~" && chmod 644 "$1" #`
	file := kept(session{terminal: true, answer: "n\n", env: map[string]string{"EDITOR": opens}}.run(t, "dlq", "edit", m.id(1), "-c", m.config))
	if got, err := os.ReadFile(file); err != nil || !strings.Contains(string(got), `"order": 17`) {
		t.Fatalf("kept is %s, %v", got, err)
	}
	kept(session{terminal: true, answer: "n\n"}.run(t, "dlq", "edit", m.id(1), "--from", file, "-c", m.config))
	m.run("dlq", "edit", m.id(1), "--from", file, "--dry-run").want(t, exitDone, `+     "order": 17,`)
	m.run("dlq", "edit", m.id(1), "--from", file, "--to", "topic:nowhere", "--yes").want(t, exitPart, "topic nowhere does not exist", "your edit is in "+file)
	if n := m.inTier(); n != 0 {
		t.Fatalf("%d records were replayed", n)
	}
	session{terminal: true, answer: "n\n"}.run(t, "dlq", "edit", m.id(1), "--from", file, "--to", "source", "--again", "-c", m.config).want(t, exitFailed, " -c "+m.config+" --to source --again --from "+file)
	var told strings.Builder
	if status := (&program{err: &told}).report(draft{file: file, goOn: "redeliver dlq edit 0-1"}.kept(context.Canceled)); status != exitFailed || !strings.Contains(told.String(), "interrupted; nothing was replayed; your edit is in "+file) {
		t.Errorf("interrupted: %d, %s", status, told.String())
	}
	m.run("dlq", "edit", m.id(1), "--from", file+"x", "--yes").want(t, exitUsage, "--from "+file+"x: ")
	broken := filepath.Join(t.TempDir(), "broken.json")
	if err := os.WriteFile(broken, []byte("{\n  \"key\": null,\n  payload\n}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	m.run("dlq", "edit", m.id(1), "--from", broken, "--yes").want(t, exitUsage, "--from "+broken+": line 3: ", "nothing was replayed")
	m.run("dlq", "edit", m.id(1), "--from", file, "--yes").want(t, exitDone, `+     "order": 17,`, "replayed 1 dead letter to "+testTier)
	if r := m.inTierRecords(1)[0]; string(r.Value) != `{"order":17,"lines":["a","b"]}` {
		t.Errorf("replayed: %s", r.Value)
	}
	if _, err := os.Stat(file); err != nil {
		t.Errorf("a file that was named is not left alone: %v", err)
	}
}

// An edit that is none, or that would be left out whatever it is, is told as that, and leaves no file behind.
func TestDLQEditOfNothing(t *testing.T) {
	m := newMorgue(t)
	t.Setenv("TMPDIR", t.TempDir())
	for name, editor := range map[string]string{"an empty file": `: > "$1" #`, "no file": `rm "$1" #`} {
		t.Run(name, func(t *testing.T) {
			e := session{terminal: true, env: map[string]string{"EDITOR": editor}}.run(t, "dlq", "edit", m.id(1), "-c", m.config)
			if want := "redeliver: the editor left nothing; nothing was edited, and nothing was replayed\n"; e.status != exitFailed || e.err != want {
				t.Errorf("ended with %d and %q, want %q", e.status, e.err, want)
			}
		})
	}
	untouched := session{terminal: true, env: map[string]string{"EDITOR": "exit 7 #"}}
	untouched.run(t, "dlq", "edit", m.id(1), "--to", "topic:nowhere", "-c", m.config).
		want(t, exitFailed, m.id(1)+": a replay leaves it out: topic nowhere does not exist; nothing was edited")
	if left, err := filepath.Glob(filepath.Join(os.TempDir(), "redeliver-*.json")); err != nil || len(left) > 0 {
		t.Errorf("left are %v, %v", left, err)
	}
	for text, says := range map[string]string{
		" \n":                        "the file is empty",
		"{\n":                        "the JSON document has no end",
		"{\"kind\": \"null\"}\n\n{}": "line 3: there is more behind the JSON document",
		"{\"kind\": \"null\"}\n}":    "line 2: there is more behind the JSON document",
	} {
		file := filepath.Join(t.TempDir(), "edit.json")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		m.run("dlq", "edit", m.id(1), "--from", file, "--yes").want(t, exitUsage, "--from "+file+": "+says+"; nothing was replayed")
	}
}

// What is not edited stays byte for byte: spaces in JSON, and a payload that is no text.
func TestDLQEditLeavesTheRest(t *testing.T) {
	m := newMorgue(t)
	m.dies(9, 1, 0, []byte(`{ "a" : 1.50 }`))
	for _, id := range []string{"0-4", "orders/0/9"} {
		editorOf(t, "", `s/"t-1"/"t-2"/`).run(t, "dlq", "edit", id, "--yes", "-c", m.config).want(t, exitDone, `+       "value": "t-2"`)
	}
	records := m.inTierRecords(2)
	if got := string(records[0].Value) + string(records[1].Value); got != "\xff\x00x"+`{ "a" : 1.50 }` {
		t.Errorf("payloads %q", got)
	}
}

// Names of headers need not be UTF-8, nor be there at all, and stay as they are beside what is edited.
func TestEditLeavesNamesOfHeaders(t *testing.T) {
	record := &kgo.Record{Value: []byte("v"), Headers: []kgo.RecordHeader{{Key: "b\xff\xfein", Value: []byte("1")}, {Key: "", Value: []byte("2")}, {Key: "b\xfe\xffin", Value: []byte("3")}, {Key: "plain"}}}
	before := editableOf(record, record.Headers)
	file := filepath.Join(t.TempDir(), "edit.json")
	if err := os.WriteFile(file, []byte(strings.Replace(before.text(), `"plain"`, `"other"`, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	after, err := (draft{file: file}).read()
	if err != nil {
		t.Fatal(err)
	}
	edited := &kgo.Record{}
	if err := after.apply(before, edited); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, h := range edited.Headers {
		names = append(names, h.Key)
	}
	if want := []string{"b\xff\xfein", "", "b\xfe\xffin", "other"}; !slices.Equal(names, want) {
		t.Errorf("headers %q, want %q", names, want)
	}
}

// A mark says what an edit changed, in one line that is bounded, and nothing of what is hidden.
func TestEditText(t *testing.T) {
	headers := func(pairs ...string) (all []headerView) {
		for i := 0; i < len(pairs); i += 2 {
			all = append(all, headerView{pairs[i], []byte(pairs[i+1])})
		}
		return all
	}
	doc := func(text string) editable { return editable{Kind: "json", Payload: json.RawMessage(text)} }
	text := func(text string) editable {
		quoted, _ := json.Marshal(text)
		return editable{Kind: "text", Payload: quoted}
	}
	var many []string
	for i := range 30 {
		many = append(many, fmt.Sprintf(`"f%02d":%d`, i, i))
	}
	redact := &dlq.Redaction{Headers: []*regexp.Regexp{regexp.MustCompile("^card$")}, Text: []*regexp.Regexp{regexp.MustCompile(`"holder":"([^"]+)"`), regexp.MustCompile(`4111\d*`)}}
	for _, c := range []struct {
		before, after editable
		redact        *dlq.Redaction
		want          string
	}{
		{editable{Kind: "null", Key: []byte("a")}, editable{Kind: "null"}, nil, "set key null"},
		{editable{Kind: "null"}, editable{Kind: "null", Key: []byte(`k"`)}, nil, `set key "k\""`},
		{editable{Kind: "null", Headers: headers("a", "1", "b", "2", "b", "3", "c", "4")}, editable{Kind: "null", Headers: headers("a", "1", "b", "3", "d", "5")}, nil, `set header b="3", set header d="5", unset header c`},
		{editable{Kind: "null", Headers: headers("a", "1", "b", "2")}, editable{Kind: "null", Headers: headers("b", "2", "a", "1")}, nil, "put the headers in another order"},
		{doc(`{"a":{"b":1,"c d":[1,2,3]},"gone":true}`), doc(`{"a":{"b":1.0,"c d":[1,5]},"new":null}`), nil, `set payload .a.b=1.0, set payload .a."c d"[1]=5, unset payload .a."c d"[2], unset payload .gone, set payload .new=null`},
		{doc(`[1]`), doc(`[1,{"x":"y"}]`), nil, `set payload .[1]={"x":"y"}`},
		{doc(`1`), doc(`"one"`), nil, `set payload .="one"`},
		{doc(`{"a":1,"b":2}`), doc(`{"b":2,"a":1}`), nil, "set payload where nothing of it is shown: what is hidden, or how it is written"},
		{doc(`{}`), doc("{" + strings.Join(many, ",") + "}"), nil, "set payload .f00=0, set payload .f01=1, set payload .f02=2, set payload .f03=3, set payload .f04=4, set payload .f05=5, set payload .f06=6, set payload .f07=7, set payload .f08=8, set payload .f09=9, set payload .f10=10, set payload .f11=11, and 18 more of the payload"},
		{doc(`{}`), text("hello"), nil, `set payload to text of 5 bytes: "hello"`},
		{text("hello"), doc(`{"a":1}`), nil, `set payload to {"a":1}`},
		{text("hello"), text(strings.Repeat("x", 100)), nil, `set payload to text of 100 bytes: "` + strings.Repeat("x", editWidth-1) + `…"`},
		{text("hello"), editable{Kind: "null"}, nil, "set payload to null"},
		{text("hello"), editable{Kind: "base64", Payload: json.RawMessage(`"/w=="`)}, nil, "set payload to base64 of 1 byte"},
		{editable{Kind: "null", Headers: headers("card", "1")}, editable{Kind: "null", Headers: headers("card", "2", "x", "no 4111222"), Key: []byte("4111")}, redact, `set key "[redacted]", set header card="[redacted]", set header x="no [redacted]"`},
		{doc(`{"holder":"ann","n":1}`), doc(`{"holder":"bob","n":2,"was":"ann","4111":0}`), redact, `set payload ."[redacted]", set payload .n, set payload .was`},
		{doc(`{"holder":"ann"}`), doc(`{"holder":"bob"}`), redact, "set payload where nothing of it is shown: what is hidden, or how it is written"},
		{text("ann"), doc(`{"was":"ann"}`), redact, "set payload to json of 13 bytes"},
		{doc(`{"holder":"ann"}`), text("ann"), redact, "set payload to text of 3 bytes"},
	} {
		if got, want := editText(c.before, c.after, c.redact), "by hand: "+c.want; got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

func TestReplayWithJQ(t *testing.T) {
	m := newMorgue(t)
	m.run("replay", "--jq", ".order = ", "--yes").want(t, exitUsage, "--jq: jq")
	m.run("replay", "--jq", ".order += 100", "--unset-header", "trace", "--set-key", "k", "--yes").
		want(t, exitPart, "replayed 4 dead letters", "1 left out: jq: the payload is no JSON document")
	for i, r := range m.inTierRecords(4) {
		if !strings.Contains(string(r.Value), `"order":10`) || string(r.Key) != "k" || r.Headers[0].Key == "trace" {
			t.Errorf("record %d: %s %s %v", i, r.Key, r.Value, r.Headers)
		}
	}
	m.run("dlq", "show", "0-0").want(t, exitDone, `edited: unset header trace, set key "k", jq .order += 100`)
}

// A program that does not end is given up, and for how long it was waited for is told: numbers stand in no reason that entries share.
func TestReplayWithJQThatDoesNotEnd(t *testing.T) {
	m := newMorgue(t)
	m.run("replay", "--id", "0-1", "--jq", "def f: f; f", "--dry-run").want(t, exitPart, "1 left out: jq: the program has no outcome within five seconds (for example ")
}

func TestLineDiff(t *testing.T) {
	for _, c := range []struct{ before, after, want string }{
		{"a\n", "a\n", ""},
		{"a\nb\nc\n", "a\nX\nc\n", "  a\n- b\n+ X\n  c\n"},
		{"1\n2\n3\n4\n", "1\n2\n3\n4\n5\n", "  3\n  4\n+ 5\n"},
		{"a\nb\na\nb\n", "b\na\n", "- a\n  b\n  a\n- b\n"},
		{"x\n", "", "- x\n+ \n"},
	} {
		if got := lineDiff(c.before, c.after); got != c.want {
			t.Errorf("%q to %q:\n%s", c.before, c.after, got)
		}
	}
}

// Nor is that of one that died twice in one pipeline, as when its source was deleted and made again.
func TestAnOriginOfTwoDeadLettersIsNoOneDeadLetter(t *testing.T) {
	m := newMorgue(t)
	t.Setenv("TMPDIR", t.TempDir())
	state := retrytopics.State{ID: "orders/0/1", Topic: "orders", Offset: 1, Group: "orders", Timestamp: time.Now(), Class: classify.System, Reason: retrytopics.ReasonExhausted}
	if err := m.client.ProduceSync(t.Context(), dlq.Letter(&kgo.Record{Value: []byte(`{"order":1}`)}, state, testDLQ, 0)).FirstErr(); err != nil {
		t.Fatal(err)
	}
	edits := editorOf(t, "y\n", `s/"order": 1/"order": 17/`)
	for _, e := range []ended{
		edits.run(t, "dlq", "edit", "orders/0/1", "-c", m.config),
		m.run("dlq", "show", "orders/0/1"),
		m.run("classify", "--id", "orders/0/1"),
	} {
		e.want(t, exitUsage, "orders/0/1 is of several dead letters, "+m.id(1)+" (pipeline orders, "+testDLQ+", open, died ", " and "+m.id(6)+" (pipeline orders", "): name one by its own id\n")
	}
	m.run("dlq", "discard", m.id(1), "--why", "a test", "--yes").want(t, exitDone)
	m.run("dlq", "show", "orders/0/1").want(t, exitDone, m.id(6))
}

// The id of an origin that died in two pipelines is no dead letter's alone: which one is meant has to be said, and the question says which one it is.
func TestAnOriginOfTwoPipelinesIsNoOneDeadLetter(t *testing.T) {
	m := newMorgue(t)
	t.Setenv("TMPDIR", t.TempDir())
	other := "billing.orders.dlq"
	if err := m.cluster.CreateTopic(other, 1, nil); err != nil {
		t.Fatal(err)
	}
	state := retrytopics.State{ID: "orders/0/1", Topic: "orders", Offset: 1, Group: "billing", Class: classify.System, Reason: retrytopics.ReasonExhausted}
	if err := m.client.ProduceSync(t.Context(), dlq.Letter(&kgo.Record{Value: []byte(`{"order":1}`)}, state, other, 0)).FirstErr(); err != nil {
		t.Fatal(err)
	}
	m.config = configFile(t, pipelineOn(m.cluster.ListenAddrs())+"  - name: billing\n    topics: [orders]\n    handler: {http: {url: 'http://127.0.0.1:9/'}}\n")
	idIn := func(pipeline string) string {
		var list []deadLetter
		m.decode(m.run("dlq", "list", "--pipeline", pipeline, "--id", "orders/0/1", "-o", "json"), &list)
		return list[0].ID
	}
	own, theirs := idIn("orders"), idIn("billing")

	edits := editorOf(t, "y\n", `s/"order": 1/"order": 17/`)
	says := "orders/0/1 is of several dead letters, " + own + " (pipeline orders, " + testDLQ + ") and " + theirs + " (pipeline billing, " + other + "): name one by its own id, or say --pipeline\n"
	for _, e := range []ended{
		edits.run(t, "dlq", "edit", "orders/0/1", "-c", m.config),
		m.run("dlq", "show", "orders/0/1"),
		m.run("classify", "--id", "orders/0/1"),
	} {
		if e.want(t, exitUsage); !strings.HasSuffix(e.err, says) {
			t.Errorf("said: %s", e.err)
		}
	}
	if n := m.inTier(); n != 0 {
		t.Fatalf("%d records were replayed", n)
	}
	m.run("dlq", "show", theirs).want(t, exitDone, "pipeline     billing")
	m.run("classify", "--id", "orders/0/1", "--pipeline", "billing").want(t, exitDone, theirs)
	m.run("dlq", "show", "orders/0/2").want(t, exitDone, "pipeline     orders")
	edits.run(t, "dlq", "edit", "orders/0/1", "--pipeline", "orders", "-c", m.config).want(t, exitDone, "Replay "+own+" of "+testDLQ+" as edited to retry?", "replayed 1 dead letter to "+testTier)
}
