package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redeliver/redeliver/dlq"
)

// originalOf reads what a replay of an entry takes from its origin into it. missing says why what the dead letter lacks is not there: a
// replay leaves the entry out then, or goes without the headers of its record.
func originalOf(ctx context.Context, q queue, e *dlq.Entry) (missing string, err error) {
	e.Original, err = q.Original(ctx, *e)
	var gone *dlq.NoOriginalError
	if errors.As(err, &gone) {
		if gone.Replayed {
			return gone.Why + "; a replay goes without them", nil
		}
		return gone.Why, nil
	}
	return "", err
}

// unknown says whether key and value of an entry are not known.
func unknown(e dlq.Entry, missing string) bool {
	return missing != "" && e.Record.Key == nil && e.Record.Value == nil
}

// originalText says what of an entry is shown from its origin, or why that is not known.
func originalText(e dlq.Entry, missing string) string {
	if missing != "" {
		return "not known: " + missing
	}
	if e.Original == nil {
		return ""
	}
	what := "key, value and headers are read from there: the dead letter has none of them"
	if e.Record.Key != nil || e.Record.Value != nil {
		what = "the headers are read from there: the dead letter has none of them"
	}
	if e.Original.Timestamp.After(e.At.Add(time.Minute)) {
		what += ". By its producer's clock it was written after the dead letter had died: a replay takes it only where that is named by its own id, " + e.ID()
	}
	return fmt.Sprintf("%s; %s", originOf(e), what)
}

// originOf names the place of an original.
func originOf(e dlq.Entry) string {
	return fmt.Sprintf("%s, partition %d, offset %d", e.Original.Topic, e.Original.Partition, e.Original.Offset)
}
