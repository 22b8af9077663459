package dlq_test

import (
	"testing"
	"time"

	"github.com/redeliver/redeliver/classify"
	"github.com/redeliver/redeliver/dlq"
)

// A replay that is gone on with tells how much retention took of what it covers that nobody has dealt with.
func TestReplayTellsWhatRetentionTook(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		filter      dlq.Filter
		since       func(b *bundle) // it was started
		taken, done int64
	}{
		"nothing":                             {since: func(*bundle) {}, done: 6},
		"taken":                               {since: func(b *bundle) { b.takes(0, 4) }, taken: 4, done: 2},
		"some dealt with":                     {since: func(b *bundle) { b.discard(dlq.Filter{Limit: 3}); b.takes(0, 4) }, taken: 1, done: 2},
		"dealt with before births were noted": {since: func(b *bundle) { b.produce(b.unbornMark("replayed", time.Now())); b.takes(0, 4) }, taken: 3, done: 2},
		"parked":                              {since: func(b *bundle) { must(b.t, b.park(dlq.Filter{Limit: 3})); b.takes(0, 4) }, taken: 4, done: 2},
		"carried forward":                     {since: func(b *bundle) { must(b.t, b.renew()); b.takes(0, 4) }, done: 6},
		"what came since":                     {since: func(b *bundle) { b.produce(letter(death(0, 9))); b.takes(0, 7) }, taken: 6},
		"purged":                              {since: func(b *bundle) { b.discard(dlq.Filter{Limit: 4}); b.purge(b.open(), dlq.Purge{Before: time.Now()}) }, done: 2},
		"purged, then all": {since: func(b *bundle) {
			b.discard(dlq.Filter{Limit: 4})
			b.purge(b.open(), dlq.Purge{Before: time.Now()})
			b.takes(0, 6)
		}, taken: 2},
		"purged with what is open": {since: func(b *bundle) {
			b.purge(b.open(), dlq.Purge{Before: time.Now().Add(-150 * time.Minute), IncludeOpen: true})
		}, done: 2},
		"taken, and marks purged":    {since: func(b *bundle) { b.discard(dlq.Filter{Limit: 3}); b.takes(0, 4); b.purge(b.open(), dlq.Purge{}) }, taken: 1, done: 2},
		"not what is before since":   {filter: dlq.Filter{Since: time.Now().Add(-150 * time.Minute)}, since: func(b *bundle) { b.takes(0, 5) }, taken: 1, done: 1},
		"what the filter leaves out": {filter: dlq.Filter{Class: classify.System}, since: func(b *bundle) { b.takes(0, 4) }, taken: 4}, // a bound
		"what is named is missing":   {filter: dlq.Filter{IDs: []string{"0-0", "0-5"}}, since: func(b *bundle) { b.takes(0, 4) }, done: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			b.aged(6*time.Hour, 5*time.Hour, 4*time.Hour, 3*time.Hour, 2*time.Hour, time.Hour)
			started, err := b.open().Start(b.ctx(), dlq.Replay{Filter: c.filter})
			must(t, err)
			c.since(b)
			s := b.resume(started.ID)
			equal(t, "taken, done", []int64{s.Taken, s.Done}, []int64{c.taken, c.done})
			equal(t, "partly", s.Partly(), c.taken > 0 || len(s.Missing) > 0)
			equal(t, "in the task", b.task(started.ID).Skipped.Taken, c.taken)
		})
	}
}

func (b *bundle) park(f dlq.Filter) error {
	_, err := b.open().Park(b.ctx(), dlq.Discard{Filter: f})
	return err
}

func (b *bundle) renew() error {
	_, err := b.open().Renew(b.ctx(), dlq.Renew{})
	return err
}
