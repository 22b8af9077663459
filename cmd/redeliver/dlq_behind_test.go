package main

import (
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// TestWhatATransactionHidesIsTold: a command says how many dead letters it cannot know yet, on standard error, and nothing when all is there.
func TestWhatATransactionHidesIsTold(t *testing.T) {
	address := freeAddress(t)
	startBroker(t, address)
	path := configFile(t, pipelineOn([]string{address}, ""))
	client, err := kgo.NewClient(kgo.SeedBrokers(address), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.TransactionalID("engine"))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if _, err := kadm.NewClient(client).CreateTopics(t.Context(), 3, 1, nil, testDLQ, testTier); err != nil {
		t.Fatal(err)
	}
	if err := client.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	lettersOfAge(t, client, time.Hour, time.Hour)
	const told = "orders.orders.dlq: up to 2 dead letters stand behind a transaction that is open, whose last record is of "
	shown, done := ": they are shown when it has ended\n", ": they are left to a later run, when it has ended\n"
	looks := []struct {
		args      []string
		says      string
		exit, end int // the exit status while the transaction is open, and when it has ended
	}{
		{[]string{"dlq", "list"}, shown, exitDone, exitDone},
		{[]string{"dlq", "list", "-o", "jsonl"}, shown, exitDone, exitDone},
		{[]string{"dlq", "stats"}, shown, exitDone, exitDone},
		{[]string{"dlq", "export", "-o", "jsonl"}, shown, exitDone, exitDone},
		{[]string{"dlq", "show", "0-0"}, shown, exitFailed, exitDone},
		{[]string{"classify", "--id", "0-0"}, shown, exitFailed, exitDone},
		{[]string{"replay", "--dry-run"}, done, exitDone, exitDone},
		{[]string{"dlq", "renew", "--expiring", "2d", "--dry-run"}, done, exitDone, exitDone},
		{[]string{"dlq", "park", "--since", "3d", "--dry-run"}, done, exitDone, exitDone},
		{[]string{"dlq", "discard", "--id", "0-0", "--dry-run"}, done, exitFailed, exitDone},
	}
	for _, look := range looks {
		if _, errs, exit := command(t, append(look.args, "-c", path)...); exit != look.exit || !strings.Contains(errs, told) || !strings.Contains(errs, look.says) {
			t.Errorf("%v: exit status %d, %q", look.args, exit, errs)
		}
	}
	const counted = `"behind": 2`
	if out, _, _ := command(t, "replay", "--dry-run", "-o", "json", "-c", path); !strings.Contains(out, counted) {
		t.Errorf("replay -o json has no %s: %s", counted, out)
	}
	if err := client.EndTransaction(t.Context(), kgo.TryCommit); err != nil {
		t.Fatal(err)
	}
	for _, look := range looks {
		if out, errs, exit := command(t, append(look.args, "-c", path)...); exit != look.end || strings.Contains(errs, "transaction") || out == "" {
			t.Errorf("%v when it had ended: exit status %d, %q, %q", look.args, exit, out, errs)
		}
	}
}
