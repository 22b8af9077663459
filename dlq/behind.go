package dlq

import (
	"context"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
)

// Behind is what of a queue stands behind transactions that are open: no call sees it before they end, by whoever writes them or by their timeout.
type Behind struct {
	Records int64     // at most: the ends of transactions, and what they take back, count too
	Written time.Time // of the last record of one of these transactions, whose is the earliest; zero: brokers do not say
}

// Behind looks for what stands behind transactions that are open now. The error is [ErrNoTopic] when the dead-letter topic does not exist.
func (q *Queue) Behind(ctx context.Context) (b Behind, err error) {
	if _, err := q.describe(ctx); err != nil {
		return b, err
	}
	ends, err := listed(ctx, q.topic, q.admin.ListEndOffsets)
	if err != nil {
		return b, err
	}
	stable, err := listed(ctx, q.topic, q.admin.ListCommittedOffsets) // after the ends: what comes meanwhile stands behind nothing
	if err != nil {
		return b, err
	}
	held := make(kadm.TopicsSet)
	for partition, end := range ends {
		if n := end - stable[partition]; n > 0 {
			b.Records += n
			held.Add(q.topic, partition)
		}
	}
	if b.Records == 0 {
		return b, nil
	}
	writers, err := q.admin.DescribeProducers(ctx, held)
	if err != nil && ctx.Err() == nil { // brokers before 3.0, or one that must not be asked
		return b, nil
	}
	for _, partition := range writers[q.topic].Partitions {
		for _, w := range partition.ActiveProducers {
			last := time.UnixMilli(w.LastTimestamp)
			if w.CurrentTxnStartOffset >= 0 && w.LastTimestamp > 0 && (b.Written.IsZero() || last.Before(b.Written)) {
				b.Written = last
			}
		}
	}
	return b, err
}
