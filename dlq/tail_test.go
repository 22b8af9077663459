package dlq_test

import (
	"context"
	"testing"
	"time"

	"github.com/redeliver/redeliver/classify"
	"github.com/redeliver/redeliver/dlq"
)

// What dies while it is followed comes, once, and only what the filter selects.
func TestTailFollows(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.letters(3)
	var got []string
	next := int64(100)
	for e, err := range b.open().Tail(b.ctx(), dlq.Filter{Since: time.Now().Add(-time.Hour), Class: classify.Network}) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, e.State.ID)
		if len(got) == 6 {
			break
		}
		if len(got) >= 3 {
			other := death(0, next+1)
			other.Class = classify.Validation
			b.produce(letter(other), letter(death(1, next)))
			next += 2
		}
	}
	equal(t, "ids", got[3:], []string{"orders/1/100", "orders/1/102", "orders/1/104"})

	// Without a time it begins now, and the limit ends it.
	q, died := b.open(), make(chan struct{})
	go func() {
		defer close(died)
		for range q.Tail(b.ctx(), dlq.Filter{Limit: 2}) {
		}
	}()
	for ended := false; !ended; next++ {
		b.produce(letter(death(2, next)))
		select {
		case <-died:
			ended = true
		case <-time.After(time.Millisecond):
		}
	}

	ctx, end := context.WithCancel(b.ctx())
	end()
	for _, err := range q.Tail(ctx, dlq.Filter{}) {
		t.Errorf("the end of the context is told: %v", err)
	}
}

// A further copy of an entry has not died once more, be it of a crash or carried forward.
func TestTailLeavesCopiesOut(t *testing.T) {
	t.Parallel()
	b := setup(t)
	first, second := death(0, 1), death(0, 2)
	b.produce(letter(first), letter(first), letter(second), letter(first))
	var got []string
	for e, err := range b.open().Tail(b.ctx(), dlq.Filter{Since: time.Now().Add(-time.Hour), Limit: 3}) {
		if err != nil {
			t.Fatal(err)
		}
		if got = append(got, e.State.ID); len(got) == 2 {
			if _, err := b.open().Renew(b.ctx(), dlq.Renew{Filter: dlq.Filter{IDs: []string{"orders/0/2"}}}); err != nil {
				t.Fatal(err)
			}
			b.produce(letter(death(0, 3)))
		}
	}
	equal(t, "ids", got, []string{"orders/0/1", "orders/0/2", "orders/0/3"})
}

// What fails anew has died once more, and a copy of that has not.
func TestTailShowsWhatFailsAnew(t *testing.T) {
	t.Parallel()
	b := setup(t)
	first, anew, last := death(0, 1), death(0, 1), death(0, 2)
	first.FirstFailed, anew.FirstFailed = time.UnixMilli(1_700_000_000_000), time.UnixMilli(1_700_000_000_001)
	b.produce(letter(first), letter(first), letter(anew), letter(first), letter(anew), letter(last))
	var got []int64
	for e, err := range b.open().Tail(b.ctx(), dlq.Filter{Since: time.Now().Add(-time.Hour), Limit: 3}) {
		must(t, err)
		got = append(got, e.Offset)
	}
	equal(t, "offsets", got, []int64{0, 2, 5})
}

// A topic that was deleted and made again while nobody looked is told of, also where the new one is shorter, so that nothing of it would ever be read.
func TestTailNoticesThatTheTopicIsAnother(t *testing.T) {
	t.Parallel()
	for name, anew := range map[string]int{"empty": 0, "shorter": 3, "longer": 60} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			b.letters(6)
			met := 0
			var told []string
			for e, err := range b.open().Tail(b.ctx(), dlq.Filter{Since: time.Now().Add(-time.Hour)}) {
				if err != nil {
					told = append(told, err.Error())
					continue
				}
				if met++; met == 6 {
					if _, err := b.admin.DeleteTopics(b.ctx(), e.Topic); err != nil {
						t.Fatal(err)
					}
					if _, err := b.admin.CreateTopics(b.ctx(), 3, 1, nil, e.Topic); err != nil {
						t.Fatal(err)
					}
					b.client = b.connect() // which does not know the old one
					b.letters(anew)
				}
			}
			equal(t, "met", met, 6)
			equal(t, "told", told, []string{"read " + dead + ": the topic was deleted meanwhile"})
		})
	}
}
