package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
)

func TestDLQPurge(t *testing.T) {
	m := newMorgue(t)
	m.run("dlq", "discard", "0-0", "0-1", "0-3", "--why", "a test", "--yes").want(t, exitDone)
	m.run("dlq", "purge", "--before", "300d", "--dry-run").want(t, exitPart, "dry run: would have deleted 2 records and 2 marks", "4 records left: ", "is still to be dealt with")
	m.run("dlq", "purge", "--before", "300d").want(t, exitUsage, "--yes")
	session{terminal: true, answer: "no\n"}.run(t, "dlq", "purge", "--before", "300d", "-c", m.config).want(t, exitFailed, "Delete 2 records of "+testDLQ+" for good, and 2 marks")
	m.run("dlq", "purge", "--before", "300d", "--yes").want(t, exitPart, "deleted 2 records and 2 marks")
	all := m.run("dlq", "purge", "--before", "300d", "--include-open", "--yes", "-o", "jsonl")
	all.want(t, exitDone)
	var v purgeView
	if err := json.Unmarshal([]byte(all.out), &v); err != nil || v.Records != 4 || v.Open != 3 || v.Marks != 1 || v.Run == "" || len(v.Kept) != 0 {
		t.Errorf("%+v, %v in %s", v, err, all.out)
	}
	nothing := session{terminal: true}.run(t, "dlq", "purge", "--before", "300d", "-c", m.config)
	nothing.want(t, exitDone, "deleted 0 records and 0 marks")
	if strings.Contains(nothing.out, "dry run") {
		t.Errorf("it was no dry run: %s", nothing.out)
	}
	m.run("dlq", "list", "--all").want(t, exitDone, "No dead letters match")
}

func TestInterruptedPurge(t *testing.T) {
	m := newMorgue(t)
	e := m.interrupted(kmsg.Fetch, 1, "y\n", "dlq", "purge", "--before", "300d", "--include-open")
	e.want(t, exitFailed, "redeliver: interrupted; nothing was deleted\n")
	m.run("dlq", "list").want(t, exitDone, "orders/0/0")
}

func TestPurgeMistakes(t *testing.T) {
	m := newMorgue(t)
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"--before", "yesterday"}, `--before: "yesterday" is no time`},
		{[]string{"--before", "2999-01-01"}, "that is still to come"},
		{[]string{"--include-open"}, "--include-open: say with --before which records to delete"},
		{[]string{"--class", "network"}, "unknown flag: --class"},
	} {
		m.run(append([]string{"dlq", "purge", "--yes"}, c.args...)...).want(t, exitUsage, c.want)
	}
}
