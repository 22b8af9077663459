package dlq_test

import (
	"testing"
	"time"

	"github.com/redeliver/redeliver/dlq"
)

func TestTmp(t *testing.T) {
	b := setup(t)
	n := time.Now()
	const many = 100_000
	lap := func(s string) { d:=time.Since(n); t.Logf("%s %v %.0f/s", s, d, many/d.Seconds()); n = time.Now() }
	b.letters(many)
	lap("letters")
	q := b.open()
	b.entries(q, dlq.Filter{All: true})
	lap("entries")
	if _, err := q.Stats(b.ctx(), dlq.Filter{}); err!=nil {t.Fatal(err)}
	lap("stats")
	s := b.replay(q, dlq.Replay{DryRun: true})
	lap("dryrun")
	s = b.replay(q, dlq.Replay{})
	lap("replay")
	t.Logf("%+v", s)
	b.replay(q, dlq.Replay{})
	lap("replay2")
	b.ids(tier1)
	lap("ids")
}
