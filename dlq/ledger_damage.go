package dlq

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// damagedRecordError is the error of a ledger record that nobody can read. To pass over one would open a dead letter that may have been replayed: whoever knows
// what became of it says so, by a record in its place.
type damagedRecordError struct {
	about string // the id of the dead letter whose mark it is; "": it is none
	at    kgo.Record
	err   error
}

func (k ledgerKeys) damaged(r *kgo.Record, err error) error {
	d := &damagedRecordError{at: kgo.Record{Topic: r.Topic, Partition: r.Partition, Offset: r.Offset, Key: r.Key}, err: err}
	place, _ := strings.CutPrefix(string(r.Key), k.prefix)
	if at, is := parsePosition(place); is {
		d.about = Entry{TopicID: k.topic, Partition: at.partition, Offset: at.offset}.ID()
	}
	return d
}

func (d *damagedRecordError) Error() string {
	text := fmt.Sprintf("ledger record %s/%d/%d: %v; ", d.at.Topic, d.at.Partition, d.at.Offset, d.err)
	if d.about != "" {
		text += fmt.Sprintf("what became of dead letter %s is not known, and it is not taken for open, lest it be replayed twice: see whether its record was handled since, then ", d.about)
	}
	return text + fmt.Sprintf("write a record with the key %s and no value to partition %d of %s, which takes its place", strings.ToValidUTF8(string(d.at.Key), "\uFFFD"), d.at.Partition, d.at.Topic)
}

func (d *damagedRecordError) Unwrap() error { return d.err }

// passed says whether a record that cannot be read is none any more, for a later one has its key: compaction will take it out, and it may stay for long.
func (r *ledgerReader) passed(ctx context.Context, err error) (bool, error) {
	var damaged *damagedRecordError
	if !errors.As(err, &damaged) || r.fetcher == nil {
		return false, nil
	}
	spans, err := spansOf(ctx, r.fetcher.admin, r.fetcher.topic, time.Time{}, stable)
	if err != nil {
		return false, err
	}
	for _, s := range spans {
		if s.from = max(s.from, damaged.at.Offset+1); s.partition != damaged.at.Partition || s.from >= s.to {
			continue
		}
		err := r.fetcher.read(ctx, s, func(records []*kgo.Record, _ int64) error {
			for _, later := range records {
				if bytes.Equal(later.Key, damaged.at.Key) {
					return errPassed
				}
			}
			return nil
		})
		if errors.Is(err, errPassed) {
			return true, nil
		}
		return false, err
	}
	return false, nil
}

var errPassed = errors.New("a later record has the key")
