package main

import (
	"context"
	"fmt"
	"time"
)

// longestTransaction is transaction.max.timeout.ms of brokers that were not told another one: what is open for longer seldom ends by itself.
const longestTransaction = 15 * time.Minute

// tellBehind says on standard error what an answer cannot show yet. What is not known is not told: the answer was given.
func (p *program) tellBehind(ctx context.Context, q queue) {
	behind, err := q.Behind(ctx)
	if err != nil || behind.Records == 0 {
		return
	}
	now, written, remedy := time.Now(), "", ""
	if !behind.Written.IsZero() {
		written = ", whose last record is of " + ago(behind.Written, now)
		if now.Sub(behind.Written) > longestTransaction {
			remedy = "; `kafka-transactions.sh find-hanging` finds one that does not end by itself, and `abort` ends it"
		}
	}
	letters, show := fmt.Sprintf("%d dead letters stand", behind.Records), "they show"
	if behind.Records == 1 {
		letters, show = "one dead letter stands", "it shows"
	}
	fmt.Fprintf(p.err, "%s: up to %s behind a transaction that is open%s: %s when it ends%s\n", q.Topic(), letters, written, show, remedy)
}
