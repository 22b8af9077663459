package main

import (
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// TestWhatATransactionHidesIsTold: an answer says how many dead letters it cannot show yet, on standard error, and nothing when all is there.
func TestWhatATransactionHidesIsTold(t *testing.T) {
	address := freeAddress(t)
	startBroker(t, address)
	path := configFile(t, pipelineOn([]string{address}, ""))
	client, err := kgo.NewClient(kgo.SeedBrokers(address), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.TransactionalID("engine"))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if _, err := kadm.NewClient(client).CreateTopic(t.Context(), 3, 1, nil, testDLQ); err != nil {
		t.Fatal(err)
	}
	if err := client.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	lettersOfAge(t, client, time.Hour, time.Hour)
	looks := [][]string{{"dlq", "list"}, {"dlq", "list", "-o", "jsonl"}, {"dlq", "stats"}, {"dlq", "export", "-o", "jsonl"}}
	const told = "orders.orders.dlq: up to 2 dead letters stand behind a transaction that is open, whose last record is of "
	for _, look := range looks {
		if _, errs, exit := command(t, append(look, "-c", path)...); exit != exitDone || !strings.Contains(errs, told) || !strings.Contains(errs, ": they show when it ends\n") {
			t.Errorf("%v: exit status %d, %q", look, exit, errs)
		}
	}
	if err := client.EndTransaction(t.Context(), kgo.TryCommit); err != nil {
		t.Fatal(err)
	}
	for _, look := range looks {
		if out, errs, exit := command(t, append(look, "-c", path)...); exit != exitDone || strings.Contains(errs, "transaction") || out == "" {
			t.Errorf("%v when it had ended: exit status %d, %q, %q", look, exit, out, errs)
		}
	}
}
