package dlq

import "time"

// A group whose offsets were reset, or whose source was restored as it was, handles records once more that are dead letters already. What fails again then has
// the identity of the entry that it was, and is a further copy of it: where that had been replayed or discarded nothing shows that it is dead again. Such
// records are told by the time at which they failed first.

// failedFirst is when the record of a dead letter first failed, in Unix ms: when it died, where its headers do not say.
func (e *Entry) failedFirst() int64 {
	if !e.State.FirstFailed.IsZero() {
		return e.State.FirstFailed.UnixMilli()
	}
	return e.At.UnixMilli()
}

// failedAnew says whether a record of an entry failed first after the entry had been replayed or discarded, though nobody has replayed it since: what died of a
// replay is an entry of its own. A copy that a crash left failed before that.
func failedAnew(status Status, decided, failed int64) bool {
	return (status == StatusReplayed || status == StatusDiscarded) && failed-decided > clocksDiffer.Milliseconds()
}

// anew counts such records.
type anew struct {
	records int64
	first   int64 // Unix ms of death, where there are any
}

// died counts records that died then and later.
func (a *anew) died(records, first int64) {
	if records == 0 {
		return
	}
	if a.records == 0 || first < a.first {
		a.first = first
	}
	a.records += records
}

// tell puts the count where it is told.
func (a anew) tell(s *Stats) {
	if s.FailedAnew = a.records; a.records > 0 {
		s.FailedAnewSince = time.UnixMilli(a.first)
	}
}

// noteAnew counts a record that the filter selects, whatever its status.
func (s *survey) noteAnew(e *Entry, status Status, decided int64) {
	if s.sel.ExpiringBefore.IsZero() && failedAnew(status, decided, e.failedFirst()) {
		s.anew.died(1, e.At.UnixMilli())
	}
}

// decided is when an entry became what a mark says.
func (l *ledger) decided(m mark) int64 {
	if m.at == 0 {
		return 0
	}
	from := l.origin[m.from]
	return moments{at: m.at, beside: from.beside, renewal: from.renewal}.decided()
}
