package main

import (
	"context"
	"fmt"
	"time"
)

// longestTransaction is transaction.max.timeout.ms of brokers that were not told another one: what is open for longer seldom ends by itself.
const longestTransaction = 15 * time.Minute

// shownLater and doneLater are of a command that looks, and of one that changes what it finds.
const (
	shownLater = "shown when it has ended"
	doneLater  = "left to a later run, when it has ended"
)

// tellBehind says on standard error of which dead letters a command knows nothing yet, and what becomes of them. What is not known is not
// told: the answer was given. It returns how many these are at most.
func (p *program) tellBehind(ctx context.Context, q queue, later string) int64 {
	behind, err := q.Behind(ctx)
	if err != nil || behind.Records == 0 {
		return 0
	}
	now, written, remedy := time.Now(), "", ""
	if !behind.Written.IsZero() {
		written = ", whose last record is of " + ago(behind.Written, now)
		if now.Sub(behind.Written) > longestTransaction {
			remedy = "; `kafka-transactions.sh find-hanging` finds one that does not end by itself, and `abort` ends it"
		}
	}
	letters, are := fmt.Sprintf("%d dead letters stand", behind.Records), "they are"
	if behind.Records == 1 {
		letters, are = "one dead letter stands", "it is"
	}
	fmt.Fprintf(p.err, "%s: up to %s behind a transaction that is open%s: %s %s%s\n", q.Topic(), letters, written, are, later, remedy)
	return behind.Records
}
