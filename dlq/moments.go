package dlq

import (
	"math"
	"time"
)

// moments are those of a mark, in Unix ms, so that there is one number beside its own: of a mark that carries an entry forward that is when the entry
// became what it is, by whom its provenance says, and of another one when the entry was last carried forward. 0: never.
type moments struct {
	at      int64 // of the mark, which says which of two counts; 0: there is none
	beside  int64
	renewal bool // it carries the entry forward
}

// renewed is when the entry was last carried forward; before all times where it never was.
func (m moments) renewed() int64 {
	at := m.beside
	if m.renewal {
		at = m.at
	}
	if at == 0 {
		return math.MinInt64
	}
	return at
}

// decided is when the entry became what it is, or, where nothing became of it, when it was first told of.
func (m moments) decided() int64 {
	if m.renewal && m.beside > 0 {
		return m.beside
	}
	return m.at
}

// mark is what they say, with what else is known: times is how often the entry was replayed.
func (m moments) mark(status Status, times uint16, until int64, from provenance) Mark {
	if m.at == 0 {
		return Mark{}
	}
	mark := Mark{
		Status: status, At: time.UnixMilli(m.decided()), By: from.by, Run: from.run, Task: from.task, To: from.to, Reason: from.reason, Edit: from.edit,
		Times: int(times), seen: from.seen, until: until,
	}
	if renewed := m.renewed(); renewed > 0 {
		mark.Renewed = time.UnixMilli(renewed)
	}
	return mark
}

// moments are those of the mark that the value is.
func (v *ledgerValue) moments() moments {
	m := moments{at: v.At, beside: v.Renewed, renewal: v.Renewed == v.At}
	if m.renewal {
		m.beside = v.Was.At
	}
	return m
}

// decided is the one that an entry became what it is by, where a mark that carries it forward says so: its time is before that of the mark.
type decided struct {
	At     int64  `json:"at"`
	By     string `json:"by,omitempty"`
	Run    string `json:"run,omitempty"`
	TaskID string `json:"of,omitempty"`
}

// provenance is where the entry's status comes from: not from who carried it forward.
func (v *ledgerValue) provenance() provenance {
	who := decided{By: v.By, Run: v.Run, TaskID: v.TaskID}
	if v.Renewed == v.At && v.Was.At > 0 {
		who = v.Was
	}
	p := provenance{by: who.By, run: who.Run, task: who.TaskID, to: v.To, reason: v.Reason, edit: v.Edit, seen: v.Seen}
	if p.task == "" {
		p.task = who.Run
	}
	return p
}
