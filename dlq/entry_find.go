package dlq

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// SeveralEntriesError is the error of [Queue.Entry] for the id of an origin that is that of several dead letters, of which none can be told to be meant.
type SeveralEntriesError struct {
	ID      string // that was asked for
	Topic   string // of the queue
	Entries []SeveralEntry
}

// SeveralEntry is one of them.
type SeveralEntry struct {
	ID     string // its own
	Status Status
	Died   time.Time
}

// String says which one it is, to people.
func (e SeveralEntry) String() string {
	return fmt.Sprintf("%s (%s, died %s)", e.ID, e.Status, e.Died.UTC().Format(time.RFC3339))
}

// Error names all of them, and says what to do.
func (e *SeveralEntriesError) Error() string {
	all := make([]string, len(e.Entries))
	for i, one := range e.Entries {
		all[i] = one.String()
	}
	return fmt.Sprintf("%s in %s is the origin of several dead letters, %s: name one by its own id", e.ID, e.Topic, strings.Join(all, ", "))
}

// Entry returns the entry with the id, whatever its status. The id of an origin may be that of several, which died one after the other of replays, or whose
// source was deleted and made again: then it is the one that is still to be dealt with, or, where there is none and each is what became of the one before,
// the latest. Where more than that may be meant the error is a [*SeveralEntriesError]. Where there is none the error is ErrNoEntry: it was never there, or
// the topic's retention or a purge took it, or the topic was deleted and made again since. A further copy of an entry has what the ledger says of the entry; see
// [Entry.CopyOf].
func (q *Queue) Entry(ctx context.Context, id string) (Entry, error) {
	var f found
	for e, err := range q.Entries(ctx, Filter{IDs: []string{id}, All: true}) {
		if err != nil {
			return Entry{}, err
		}
		f.add(e)
	}
	if len(f.all) == 0 {
		return Entry{}, fmt.Errorf("%s in %s: %w", id, q.topic, ErrNoEntry)
	}
	ref, err := parseReference(id)
	switch {
	case err != nil:
		return Entry{}, err
	case ref.origin == "":
		f.last.CopyOf, err = q.firstCopy(ctx, &f.last)
		return f.last, err
	case f.open == 1:
		return f.left, nil
	case f.open > 1, f.apart:
		return Entry{}, &SeveralEntriesError{ID: id, Topic: q.topic, Entries: f.all}
	}
	return f.last, nil
}

// found are the entries that an id may mean.
type found struct {
	all        []SeveralEntry
	last, left Entry // the latest, and the latest that is to be dealt with
	open       int   // that are to be dealt with
	apart      bool  // two of them died as often, or in different groups: one did not become the other
	lives      []life
}

// life is what two entries share only where one did not become the other.
type life struct {
	group   string
	replays int
}

func (f *found) add(e Entry) {
	f.all = append(f.all, SeveralEntry{ID: e.ID(), Status: e.Status, Died: e.At})
	f.last = e
	if slices.Contains(toBeDealtWith, e.Status) {
		f.left = e
		f.open++
	}
	own := life{e.State.Group, e.State.Replays}
	f.apart = f.apart || slices.ContainsFunc(f.lives, func(l life) bool { return l == own || l.group != own.group })
	f.lives = append(f.lives, own)
}

// Absent returns which of these ids no entry has, whatever its status.
func (q *Queue) Absent(ctx context.Context, ids []string) ([]string, error) {
	if len(ids) == 0 { // which selects all
		return nil, nil
	}
	f := Filter{IDs: ids, All: true}
	s, err := q.look(ctx, f)
	if err != nil {
		return nil, err
	}
	given := false
	var absent []string
	err = s.answered(ctx, f, &given, func(s *survey) error {
		err := s.each(ctx, func(*Entry) bool { return true })
		absent = s.sel.missing()
		return err
	})
	return absent, err
}
