package dlq_test

import (
	"testing"

	"github.com/redeliver/redeliver/dlq"
)

func TestReplayPutsEveryEntryInTheFirstTierOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.letters(100)
	q := b.open()
	s := b.replay(q, dlq.Replay{})
	equal(t, "replayed", s.Done, 100)
	equal(t, "ids in the tier", b.ids(tier1), originIDs(100))
	s = b.replay(b.open(), dlq.Replay{})
	equal(t, "replayed again", s.Done, 0)
	equal(t, "told as replayed", s.Replayed, 100)
}
