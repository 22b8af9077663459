package dlq

import (
	"context"
	"time"
)

// deaths are the entries that died of a replay and are entries anew, by what they had been, of the group that was meant.
type deaths map[Identity][]death

// death is what an entry that died of a replay says of the one that it had been.
type death struct {
	birth int64  // 0 where the name of an earlier replay says which one it was
	name  string // of the replay that it died of; "" of releases that gave it none
}

// findDeaths finds them, here or where their groups keep dead letters.
func (d *replayDecision) findDeaths(ctx context.Context) error {
	q := d.task.survey.queue
	spans, err := spansOf(ctx, q.admin, q.topic, time.Time{}, stable)
	if err != nil {
		return err
	}
	all, err := q.surveyOf(ctx, d.task.survey.topic, Filter{All: true}, newLedger(), spans)
	if err == nil {
		err = all.helped(ctx)
	}
	if err != nil {
		return err
	}
	d.became = make(deaths)
	elsewhere := make(deadTopics)
	note := func(e *Entry) bool {
		if e.State.Replays > 0 {
			prior := e.State.Prior()
			id := q.meant(&prior)
			d.became[id] = append(d.became[id], death{BirthOf(&prior), e.State.Replay})
		}
		return true
	}
	err = all.scan.each(ctx, func(e *Entry) bool {
		if d.task.survey.ledger.of(e).status == StatusReplayed {
			elsewhere.add(q, e)
		}
		return note(e)
	})
	if err != nil {
		return err
	}
	return elsewhere.each(ctx, q, note)
}

// superseded says whether an entry was replayed before and died of it. One that is named by its own id is meant all the same.
func (d *replayDecision) superseded(e *Entry) bool {
	if e.Status != StatusReplayed {
		return false
	}
	s := d.task.survey
	if s.sel.byOwnID(e) {
		return false
	}
	for _, one := range d.became[s.queue.meant(&e.State)] {
		if s.ledger.mayBecome(e, one) {
			return true
		}
	}
	return false
}

// mayBecome says whether an entry that was replayed may be what died then. It is not where that is known to be of another source, which was made again and
// whose records have the same ids: what went to a retry topic keeps its birth, and of what went to a source the name of the replay tells. Where nothing
// does, for it was replayed several times and the ledger has the last one, it may be.
func (l *ledger) mayBecome(e *Entry, died death) bool {
	own := BirthOf(&e.State)
	if e.State.Replay != "" || died.birth == own {
		return true
	}
	is := func(task string, birth int64) bool {
		of := e.State
		of.Timestamp = time.UnixMilli(birth)
		return died.name != "" && died.name == replayName(task, &Entry{State: of})
	}
	switch {
	case is(e.Mark.Task, own):
		return true
	case died.name != "" && e.Mark.Times == 1:
		return false
	}
	for m := range l.all(e.identity()) {
		if m.birth != 0 && m.birth != noBirth && m.birth != own && (m.birth == died.birth || is(l.origin[m.from].task, m.birth)) {
			return false
		}
	}
	return true
}
