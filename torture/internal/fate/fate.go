// Package fate makes the records of a torture run. What becomes of a record is written in the record itself, so that the
// service that is called with it, and whoever judges the run, need nothing else; and a record is a function of the run's
// seed and its number, so that its bytes can be told again without having kept them.
package fate

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Kind is how the calls of a record end.
type Kind uint8

// The kinds.
const (
	Succeed  Kind = iota // at once
	Fail                 // Times times, and then well
	FailEver             // for ever: dead once it is exhausted
	Refuse               // with a class that is not retried: dead at once
	Snooze               // Times times put off for SnoozeFor, and then well
	Ask                  // once, asking for a retry after AskFor, and then well
	AskFar               // once, asking for a retry after AskFarFor, which takes more than one tier, and then well
	Drop                 // asks to be dropped
	kinds
)

// The delays that handlers ask for.
const (
	SnoozeFor = time.Second
	AskFor    = 2 * time.Second
	AskFarFor = 5 * time.Second
)

var names = [kinds]string{"succeed", "fail", "fail-ever", "refuse", "snooze", "ask", "ask-far", "drop"}

// String names the kind.
func (k Kind) String() string { return names[k] }

// Dead reports whether a record of the kind ends in the dead letters.
func (k Kind) Dead() bool { return k == FailEver || k == Refuse }

// Fate is what becomes of a record.
type Fate struct {
	Number int // of the record, from 0
	Kind   Kind
	Times  int
	Work   time.Duration // how long each call takes
}

// String writes the fate as it stands in the record's header.
func (f Fate) String() string {
	return fmt.Sprintf("%d %s %d %d", f.Number, f.Kind, f.Times, f.Work.Microseconds())
}

// Parse reads what String wrote.
func Parse(text string) (f Fate, err error) {
	fields := strings.Fields(text)
	if len(fields) != 4 {
		return f, fmt.Errorf("%q is no fate: four fields are wanted", text)
	}
	kind := -1
	for k, name := range names {
		if name == fields[1] {
			kind = k
		}
	}
	number, err1 := strconv.Atoi(fields[0])
	times, err2 := strconv.Atoi(fields[2])
	work, err3 := strconv.Atoi(fields[3])
	if kind < 0 || err1 != nil || err2 != nil || err3 != nil {
		return f, fmt.Errorf("%q is no fate", text)
	}
	return Fate{number, Kind(kind), times, time.Duration(work) * time.Microsecond}, nil
}

// Answer is how one call ends.
type Answer uint8

// The answers.
const (
	OK      Answer = iota
	Failed         // and is to be retried as the policy says
	Refused        // for good
	Snoozed        // for SnoozeFor
	Asked          // to be retried after AskFor
	AskedFar
	Dropped
)

// String names the answer.
func (a Answer) String() string {
	return [...]string{"ok", "failed", "refused", "snoozed", "asked", "asked-far", "dropped"}[a]
}

// Answer says how a call ends, by its attempt's number and by how often the record was put off before.
func (f Fate) Answer(attempt, snoozes int) Answer {
	switch {
	case f.Kind == FailEver, f.Kind == Fail && attempt <= f.Times:
		return Failed
	case f.Kind == Refuse:
		return Refused
	case f.Kind == Snooze && snoozes < f.Times:
		return Snoozed
	case f.Kind == Ask && attempt == 1:
		return Asked
	case f.Kind == AskFar && attempt == 1:
		return AskedFar
	case f.Kind == Drop:
		return Dropped
	}
	return OK
}
