package main

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/alicebob/miniredis/v2"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
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

// What only the index keeps goes with a purge, which says how much that is before and after, and is carried forward by name before that.
func TestDLQPurgeOfWhatTheIndexKeeps(t *testing.T) {
	m := configured(t, "index: {keep: 3650d, path: '"+t.TempDir()+"'}\n")
	m.run("dlq", "list").want(t, exitDone)
	m.run("dlq", "discard", "0-0", "--why", "a test", "--yes").want(t, exitDone)
	offsets := kadm.Offsets{}
	offsets.Add(kadm.Offset{Topic: testDLQ, At: 4})
	if _, err := kadm.NewClient(m.client).DeleteRecords(t.Context(), offsets); err != nil {
		t.Fatal(err)
	}
	m.run("dlq", "renew", "0-3", "--yes").want(t, exitDone, "renewed 1 dead letter")
	view := func(args ...string) (v purgeView) {
		t.Helper()
		did := m.run(append([]string{"dlq", "purge", "--before", "300d", "--include-open", "-o", "jsonl"}, args...)...)
		did.want(t, exitDone)
		if err := json.Unmarshal([]byte(did.out), &v); err != nil {
			t.Fatal(err)
		}
		return v
	}
	if v := view("--dry-run"); v.Records != 2 || v.Open != 2 || v.FromIndex == nil || *v.FromIndex != 3 || v.FromIndexOpen != 2 {
		t.Errorf("would purge %+v", v)
	}
	const besides = "3 dead letters that only the index keeps, 2 of them still to be dealt with"
	session{terminal: true, answer: "no\n"}.run(t, "dlq", "purge", "--before", "300d", "--include-open", "-c", m.config).want(t, exitFailed, "still to be dealt with, and "+besides)
	m.run("dlq", "purge", "--before", "300d", "--include-open", "--yes").want(t, exitDone, "deleted 2 records and ", "  besides, "+besides)
	m.run("dlq", "list", "--all").want(t, exitDone, "orders/0/3")
	if v := view("--yes"); v.Records != 0 || *v.FromIndex != 0 {
		t.Errorf("once more it purges %+v", v)
	}
}

// Where the dead letters of one topic were deleted, and those of the next cannot be, it is told of which nothing was.
func TestDLQPurgeThatEndsBetweenTwoQueues(t *testing.T) {
	const second = "orders.returns.dlq"
	redis := miniredis.RunT(t)
	m := newMorgue(t)
	m.config = configFile(t, strings.Replace(pipelineOn(m.cluster.ListenAddrs()), "topics: [orders]", "topics: [orders, returns]", 1)+
		"index: {kind: redis, keep: 3650d, redis: {address: '"+redis.Addr()+"'}}\n")
	if err := m.cluster.CreateTopic(second, 3, nil); err != nil {
		t.Fatal(err)
	}
	copied, err := kgo.NewClient(kgo.SeedBrokers(m.cluster.ListenAddrs()...), kgo.ConsumeTopics(testDLQ))
	if err != nil {
		t.Fatal(err)
	}
	defer copied.Close()
	for n := 0; n < 6; {
		for _, r := range copied.PollFetches(t.Context()).Records() {
			if err := m.client.ProduceSync(t.Context(), &kgo.Record{Topic: second, Key: r.Key, Value: r.Value, Headers: r.Headers, Timestamp: r.Timestamp}).FirstErr(); err != nil {
				t.Fatal(err)
			}
			n++
		}
	}
	m.run("dlq", "list").want(t, exitDone) // both are in the index
	for _, name := range redis.Keys() {
		if strings.HasSuffix(name, second) { // a look at it fails, as of a Redis that goes away before it
			redis.Del(name)
			if err := redis.Set(name, "no hash"); err != nil {
				t.Fatal(err)
			}
		}
	}
	purge := []string{"dlq", "purge", "--before", "300d", "--include-open", "-c", m.config}
	declined := session{terminal: true, answer: "n\n"}.run(t, purge...)
	declined.want(t, exitFailed, "not confirmed; nothing was changed")
	e := session{terminal: true}.run(t, append(slices.Clone(purge), "--yes")...)
	e.want(t, exitPart, testDLQ+": deleted 6 records", second+" was not purged, and what was deleted before is told above", "so that nothing was done in "+second)
	m.run("dlq", "list", "--queue", second, "--no-index").want(t, exitDone, "orders/0/5")
}
