package dlq

import (
	"context"
	"time"
)

// CatchUp has the index read what it does not hold yet of the dead letters and of what became of them, as every call does that answers from it: what the topic
// loses after that stays for [Index.Keep]. It does nothing without an index. The error is [ErrNoTopic] when the dead-letter topic does not exist.
func (q *Queue) CatchUp(ctx context.Context) error {
	if q.index == nil {
		return nil
	}
	topic, err := q.describe(ctx)
	if err != nil {
		return err
	}
	spans, err := spansOf(ctx, q.admin, q.topic, time.Time{}, stable)
	if err != nil {
		return err
	}
	_, _, err = q.index.query(ctx, q, topic, &selector{}, spans, nil)
	return err
}
