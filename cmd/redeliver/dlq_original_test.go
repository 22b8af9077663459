package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

const bareDLQ = "dlq.bare"

// sharedMorgue has, beside what newMorgue has, dead letters of a share group: of orders/0/0 without anything of its record, of orders/0/1 with key and value, and of
// orders/0/9 and orders/0/8, which are not there, the last one with a value.
func sharedMorgue(t *testing.T) *morgue {
	t.Helper()
	m := newMorgue(t)
	if _, err := kadm.NewClient(m.client).CreateTopic(t.Context(), 1, 1, nil, bareDLQ); err != nil {
		t.Fatal(err)
	}
	var records []*kgo.Record
	for i := range 2 {
		records = append(records, &kgo.Record{Topic: "orders", Key: fmt.Append(nil, "customer-", i), Value: fmt.Appendf(nil, `{"card":"4111","order":%d}`, i), Headers: []kgo.RecordHeader{{Key: "trace", Value: []byte("t-1")}}})
	}
	records = append(records, diesShared(0, nil, nil), diesShared(1, records[1].Key, records[1].Value), diesShared(9, nil, nil), diesShared(8, nil, []byte("alone")))
	if err := m.client.ProduceSync(t.Context(), records...).FirstErr(); err != nil {
		t.Fatal(err)
	}
	return m
}

// diesShared is a dead letter of a share group.
func diesShared(offset int, key, value []byte) *kgo.Record {
	return &kgo.Record{Topic: bareDLQ, Key: key, Value: value, Headers: []kgo.RecordHeader{
		{Key: "__dlq.errors.topic", Value: []byte("orders")}, {Key: "__dlq.errors.partition", Value: []byte("0")}, {Key: "__dlq.errors.offset", Value: fmt.Append(nil, offset)},
		{Key: "__dlq.errors.group", Value: []byte("workers")}, {Key: "__dlq.errors.message", Value: []byte("Offset rejected by client.")},
	}}
}

// A record that was written after its dead letter, by its producer's clock, is shown with that, and edited, for an editor names the dead letter by its own id.
func TestOriginalOfTheFuture(t *testing.T) {
	m := sharedMorgue(t)
	ahead := &kgo.Record{Topic: "orders", Value: []byte(`{"order":7}`), Timestamp: time.Now().Add(time.Hour)}
	if err := m.client.ProduceSync(t.Context(), ahead, diesShared(2, nil, nil)).FirstErr(); err != nil {
		t.Fatal(err)
	}
	shown := m.run("dlq", "show", "orders/0/2", "--queue", bareDLQ, "-o", "json")
	var letter shownLetter
	m.decode(shown, &letter)
	m.run("dlq", "show", "orders/0/2", "--queue", bareDLQ).want(t, exitDone, `"order": 7`, "By its producer's clock it was written after the dead letter had died: a replay takes it only where that is named by its own id, "+letter.ID)
	m.run("replay", "--to", "source", "--queue", bareDLQ, "--id", "orders/0/2", "--dry-run").want(t, exitPart, "would have replayed 0", "by its producer's clock")
	session{terminal: true, env: map[string]string{"EDITOR": "sed -i s/7/8/"}}.run(t, "dlq", "edit", "orders/0/2", "--to", "source", "--queue", bareDLQ, "--yes", "-c", m.config).want(t, exitDone, `+     "order": 8`)
}

// What a dead letter of a share group lacks is shown as it is at the origin, with where it is from, and what cannot be had as that.
func TestShowOfAnOriginal(t *testing.T) {
	m := sharedMorgue(t)
	show := func(id string, more ...string) ended {
		return m.run(append([]string{"dlq", "show", id, "--queue", bareDLQ}, more...)...)
	}
	show("orders/0/0").want(t, exitDone, "original     orders, partition 0, offset 0; key, value and headers are read from there: the dead letter has none of them", "KEY     customer-0", `"order": 0`, "trace", "t-1", "__dlq.errors.group")
	show("orders/0/1").want(t, exitDone, "original     orders, partition 0, offset 1; the headers are read from there", "KEY     customer-1", "t-1")
	show("orders/0/0", "--raw").want(t, exitDone, `{"card":"4111","order":0}`)
	gone := show("orders/0/9")
	gone.want(t, exitDone, "original     not known: the dead letter has neither key nor value", "topic orders has no such record, or not yet")
	if strings.Contains(gone.out, "KEY ") {
		t.Errorf("a key is shown that nobody knows:\n%s", gone.out)
	}
	if raw := show("orders/0/9", "--raw"); raw.status == exitDone || !strings.Contains(raw.err, "its payload is not known") {
		t.Errorf("exit %d: %s", raw.status, raw.err)
	}
	var letter shownLetter
	m.decode(show("orders/0/0", "-o", "json"), &letter)
	if string(letter.Key) != "customer-0" || string(letter.Value) != `{"card":"4111","order":0}` || letter.Origin != "orders/0/0" || letter.Missing != "" || letter.Headers[len(letter.Headers)-1].Key != "trace" {
		t.Errorf("as data: %+v", letter)
	}
	show("orders/0/8").want(t, exitDone, "original     not known: the dead letter has no headers of its record, and topic orders has no such record", "a replay goes without them", "KEY     null", "alone")
	letter = shownLetter{}
	m.decode(show("orders/0/8", "-o", "json"), &letter)
	if string(letter.Value) != "alone" || letter.Origin != "" || !strings.Contains(letter.Missing, "no headers of its record") {
		t.Errorf("as data: %+v", letter)
	}
	letter = shownLetter{}
	m.decode(show("orders/0/9", "-o", "json"), &letter)
	if letter.Value != nil || letter.Origin != "" || !strings.Contains(letter.Missing, "has no such record, or not yet") {
		t.Errorf("as data: %+v", letter)
	}
}

// A replay tells how many it writes without the headers of their records.
func TestReplayWithoutHeadersOfOriginals(t *testing.T) {
	m := sharedMorgue(t)
	const says = "1 without the headers of their records, for their origin has them no more"
	for _, how := range []string{"--dry-run", "--yes"} {
		args := []string{"replay", "--to", "source", "--queue", bareDLQ, "--id", "orders/0/8", how}
		if how == "--dry-run" {
			var summaries []changeSummary
			m.decode(m.run(append(args, "-o", "json")...), &summaries)
			if len(summaries) != 1 || summaries[0].Headerless != 1 {
				t.Errorf("as data: %+v", summaries)
			}
		}
		m.run(args...).want(t, exitDone, says)
	}
}

// What is hidden of dead letters is hidden of what is read from their origins.
func TestOriginalsAreRedacted(t *testing.T) {
	m := sharedMorgue(t)
	m.config = configFile(t, pipelineOn(m.cluster.ListenAddrs(), "dlq: {redact: {headers: [trace], text: ['4111', 'customer-0']}}"))
	for _, args := range [][]string{{"dlq", "show", "orders/0/0"}, {"dlq", "show", "orders/0/0", "-o", "json"}, {"replay", "--dry-run", "--to", "source", "--set-header", "by=ann", "--jq", ".order = 7"}} {
		got := m.run(append(args, "--queue", bareDLQ)...)
		for _, secret := range []string{"4111", "customer-0", "t-1"} {
			if strings.Contains(got.out, secret) {
				t.Errorf("%v shows %s:\n%s", args, secret, got.out)
			}
		}
	}
}

// The difference that edits make is told in what the copy has: the headers of another program's dead letter, which a replay takes off, are no part of it.
func TestEditsAreToldWithoutHeadersThatGo(t *testing.T) {
	m := sharedMorgue(t)
	for _, id := range []string{"orders/0/0", "orders/0/8"} { // of an original, and of the dead letter itself
		got := m.run("replay", "--dry-run", "--to", "source", "--set-header", "by=ann", "--queue", bareDLQ, "--id", id)
		got.want(t, exitDone, `+       "key": "by"`)
		if strings.Contains(got.out, "__dlq.errors") {
			t.Errorf("%s: headers are told that the copy has not:\n%s", id, got.out)
		}
	}
	m.run("replay", "--dry-run", "--to", "source", "--unset-header", "__dlq.errors.group", "--queue", bareDLQ, "--id", "orders/0/8").want(t, exitDone, "the edits change nothing")
}

// An editor gets the original, and a dry run shows what its edits make of that.
func TestOriginalsAreEdited(t *testing.T) {
	m := sharedMorgue(t)
	m.run("replay", "--dry-run", "--to", "source", "--jq", ".order += 5", "--queue", bareDLQ, "--id", "orders/0/0").want(t, exitDone, `-     "order": 0`, `+     "order": 5`)
	m.run("replay", "--dry-run", "--to", "source", "--jq", ".", "--queue", bareDLQ, "--id", "orders/0/0").want(t, exitDone, "the edits change nothing")
	opened := filepath.Join(t.TempDir(), "opened")
	session{terminal: true, env: map[string]string{"EDITOR": "cat > " + opened + " <"}}.run(t, "dlq", "edit", "orders/0/0", "--to", "source", "--queue", bareDLQ, "-c", m.config).want(t, exitDone, "Nothing was edited")
	if text, err := os.ReadFile(opened); err != nil || !strings.Contains(string(text), `"order": 0`) || !strings.Contains(string(text), "customer-0") || !strings.Contains(string(text), "trace") {
		t.Errorf("%v; to be edited is:\n%s", err, text)
	}
	session{terminal: true, env: map[string]string{"EDITOR": "false"}}.run(t, "dlq", "edit", "orders/0/9", "--to", "source", "--queue", bareDLQ, "-c", m.config).want(t, exitFailed, "a replay leaves it out: the dead letter has neither key nor value")
}
