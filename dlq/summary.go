package dlq

import (
	"slices"
	"time"
)

// Progress says how far a change of entries is.
type Progress struct {
	Scanned int64 // offsets of the queue that were passed, gaps included
	Total   int64 // offsets to pass
	Matched int64 // entries that the filter selects so far, whatever their status
	// Task names the replay, as in [Summary]. It stands in the ledger when Done is above 0.
	Task string
	Done int64 // entries that were changed, that is committed; on a dry run those that would be
	// Succeeded and Failed outcomes of replayed entries are known, where they are waited for; Pending ones are not yet.
	Succeeded, Failed, Pending int64
	Took                       time.Duration
}

// Summary says what a replay, or another change of entries, did.
type Summary struct {
	Run     string // names the call, in the ledger too
	Task    string // names the replay, also when another call goes on with it; "" for a discard and a dry run
	DryRun  bool   // nothing was done, and Done would have been
	Scanned int64  // offsets of the queue that were passed, gaps included
	Total   int64  // offsets in the range when it began
	Matched int64  // entries that the filter selects, whatever their status
	Done    int64  // entries that were changed: replayed, discarded, or what else the call does
	// To counts replayed entries by the topic they were written to, with @ and the name of the cluster where that is another one.
	To map[string]int64
	// Earlier entries were replayed by earlier calls that worked on the same replay.
	Earlier int64
	// Succeeded and Failed are outcomes of what the replay put back to work, where they were waited for, by all of its calls;
	// those that failed have died again. Pending are those that are not known.
	Succeeded, Failed, Pending int64
	// NoGroup entries name no consumer group, as another program's need not: the outcomes that were waited for are those of the queue's.
	NoGroup int64
	// Headerless entries were replayed, or would be, without the headers of their records, which dead letters of share groups lack: their origins have them
	// no more.
	Headerless int64
	// LimitUnknown are the topics, as in To, of which a dry run could not find out how large a record they take (max.message.bytes): what is too large for
	// them a replay leaves out all the same, and has counted for Filter.Limit.
	LimitUnknown []string
	// Replayed and Discarded entries matched and had been dealt with before.
	Replayed, Discarded int64
	// Unfinished counts those of Replayed that a replay has replayed which has not ended, by its id: it may know of outcomes, and can be gone on with.
	Unfinished map[string]int64
	// Superseded entries matched, had been replayed before and died of it: the dead letters that they became stand for them.
	Superseded int64
	// Parked entries matched and are set aside: they are left alone unless they are named, by status or id.
	Parked int64
	// Limited entries were left out by a replay since they had been replayed too often; the ledger says so.
	Limited int64
	// LeftOut are further entries that matched and could not be done, by the reason.
	LeftOut []LeftOut
	refused []LeftOut // of them by the brokers: who writes counts these
	// OtherGroup entries matched and carry another consumer group than the queue's: they are not ours to replay, discard or park.
	OtherGroup int64
	// Open entries matched and were so already: there was nothing to do for [Queue.Reopen].
	Open int64
	// Duplicates are further copies of entries that the filter selects, by their status too, in the range that was read. Each was dealt with
	// as part of its entry.
	Duplicates int64
	// Missing are ids of the filter that no entry has.
	Missing []string
	// Unselected are ids of the filter whose entries are there, and that the rest of the filter leaves out.
	Unselected []string
	// InDoubt entries were in a transaction whose end was not acknowledged: they were done, or not. Another run knows.
	InDoubt int64
	// Unmarked entries were written to another cluster, or may have been, and were not marked: they are as they were, and another run
	// writes them once more.
	Unmarked int64
	// KeptLost: the replay covered what only the index kept ([Index].Keep), and that was emptied since it was started: of what it lost nothing more
	// could be replayed, and nobody knows how much that was. What had been dealt with or purged by then is not lost. Of an index that was away when the
	// replay was started it is not known: [Index].Warn tells of that.
	KeptLost bool
	// Taken is how many entries that the replay covers the topic's retention took at most since it was started: it counts offsets of which the ledger does
	// not say that they were dealt with. What they were nobody knows any more: the filter is not asked, and further copies and the ends of transactions
	// have offsets too. 0: none was taken.
	Taken int64
	// Complete: the whole range was gone through. It was not when Filter.Limit was reached or an error ended the call, but for [ErrStopped] of a
	// replay that had nothing more to replay when it was stopped.
	Complete bool
	Took     time.Duration
}

// LeftOut counts entries that could not be done, for one reason. Of more than 20 reasons those that come last are counted together.
type LeftOut struct {
	Why   string `json:"why"`
	Count int64  `json:"count"`
	ID    string `json:"id"` // of one of them
}

const (
	maxReasons = 20 // to leave entries out that are kept apart
	whyElse    = "for further reasons, too many to keep apart"
)

// Partly says whether entries that the filter selects are left that somebody should look at.
func (s Summary) Partly() bool {
	return s.Limited > 0 || len(s.LeftOut) > 0 || len(s.Missing) > 0 || len(s.Unselected) > 0 || s.InDoubt > 0 || s.Unmarked > 0 || s.Failed > 0 || s.KeptLost || s.Taken > 0
}

func (s *Summary) leaveOut(e *Entry, why string) {
	s.LeftOut = leaveOut(s.LeftOut, LeftOut{why, 1, e.ID()})
}

// refuse counts an entry that the brokers refuse.
func (s *Summary) refuse(e *Entry, why string) {
	s.leaveOut(e, why)
	s.refused = leaveOut(s.refused, LeftOut{why, 1, e.ID()})
}

// leaveOut counts some more.
func leaveOut(all []LeftOut, some LeftOut) []LeftOut {
	find := func() int { return slices.IndexFunc(all, func(l LeftOut) bool { return l.Why == some.Why }) }
	i := find()
	if i < 0 && len(all) >= maxReasons && !refusing(some.Why) { // what brokers have against a record belongs to no other reason
		some.Why = whyElse
		i = find()
	}
	if i < 0 {
		return append(all, some)
	}
	all[i].Count += some.Count
	return all
}

// take adopts what the collector counted.
func (s *Summary) take(so Summary) {
	s.Scanned, s.Matched, s.Duplicates = so.Scanned, so.Matched, so.Duplicates
	s.Earlier, s.Parked, s.Open, s.NoGroup, s.Headerless = so.Earlier, so.Parked, so.Open, so.NoGroup, so.Headerless
	s.LimitUnknown = slices.Clone(so.LimitUnknown)
	s.Replayed, s.Discarded, s.Superseded, s.Limited, s.OtherGroup = so.Replayed, so.Discarded, so.Superseded, so.Limited, so.OtherGroup
	s.LeftOut = so.LeftOut
	for _, refused := range s.refused {
		s.LeftOut = leaveOut(s.LeftOut, refused)
	}
	s.Missing, s.Unselected = so.Missing, so.Unselected
	s.Unfinished = so.Unfinished
}

func (s *Summary) done(i *item) {
	if !i.work {
		return
	}
	s.Done++
	if i.to != "" {
		if s.To == nil {
			s.To = make(map[string]int64)
		}
		s.To[i.to]++
	}
}
