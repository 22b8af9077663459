package dlq

import (
	"testing"
	"time"

	"github.com/redeliver/redeliver/retrytopics"
)

// What tells which of two entries with one id it was that died: the birth, else the name of the replay, else that it can only have been the other one.
func TestWhichOfTwoEntriesDied(t *testing.T) {
	t.Parallel()
	const born, other = 1_700_000_000_000, 1_800_000_000_000
	of := func(birth int64) retrytopics.State {
		return retrytopics.State{ID: "orders/0/0", Group: "shop", Timestamp: time.UnixMilli(birth)}
	}
	name := func(task string, birth int64) string { return replayName(task, &Entry{State: of(birth)}) }
	l := newLedger()
	for i, birth := range []int64{born, other} {
		task := []string{"first", "second"}[i]
		l.add([]ledgerValue{{V: ledgerVersion, Status: StatusReplayed.String(), At: other + 1, Run: task, ID: "orders/0/0", Group: "shop", Born: birth}})
	}
	for what, c := range map[string]struct {
		died  death
		times int
		want  bool
	}{
		"its birth": {death{birth: born}, 1, true},
		"its birth, of a replay that could not mark it":   {death{born, name("killed", born)}, 1, true},
		"the other's birth, by a release without names":   {death{birth: other}, 1, false},
		"back to a source, by its replay":                 {death{other + 7, name("first", born)}, 1, true},
		"back to a source, by the other's":                {death{other + 7, name("second", other)}, 1, false},
		"back to a source, by the other's, replayed more": {death{other + 7, name("second", other)}, 2, false},
		"back to a source, by one before":                 {death{other + 7, name("long ago", born)}, 2, true},
		"back to a source, by a release without names":    {death{birth: other + 7}, 1, true},
	} {
		e := &Entry{State: of(born), Status: StatusReplayed, Mark: Mark{Task: "first", Times: c.times}}
		if got := l.mayBecome(e, c.died); got != c.want {
			t.Errorf("%s: it may have been this one: %v, want %v", what, got, c.want)
		}
	}
}
