package dlq

import (
	"encoding/binary"
	"math"
	"time"

	"github.com/redeliver/redeliver/retrytopics"
)

// The ids of a source topic that is deleted and made again begin anew, so that its dead letters have the identities of those of the topic before. They are
// told apart by the birth of the record: when it was written to its source, which every copy of a dead letter says. It is in Unix ms; 0 where the headers say
// nothing of it, as those of some programs. Releases that did not note it left marks that hold for all that has the identity, see noBirth. What died of a replay
// that has a name needs none: the name is of one
// entry. What was put back to a source has the time of its place there, which is another one each time where it may have come there twice.

// BirthOf returns when the record was born, in Unix ms, of whose dead letter this is the state, or would be. Dead letters that share an [Identity] and were not born
// at the same time are different ones. It is 0 where that is not known, and where the identity needs none: after a replay that has a name.
func BirthOf(s *retrytopics.State) int64 {
	if s.Timestamp.IsZero() || s.Replay != "" {
		return 0
	}
	return s.Timestamp.UnixMilli()
}

// noBirth is the birth by a mark of a release that noted none, whatever the entry was.
const noBirth = math.MinInt64

// birth is that of the entry, as its mark says it, or the tombstone of one. Who notes births says what was seen of the dead letters too.
func (v *ledgerValue) birth() int64 {
	if v.Born == 0 && v.Seen == 0 {
		return noBirth
	}
	return v.Born
}

// forgetsUnborn says whether it is a tombstone that takes back the mark of an entry without a birth as well: releases that noted births did not note in
// tombstones what was seen.
func (v *ledgerValue) forgetsUnborn() bool { return v.forgets && v.birth() == noBirth }

// born is the identity of the one dead letter that was born then, among those that share this one.
func (id Identity) born(birth int64) Identity {
	const odd = 0x9e3779b97f4a7c15 // so that births that follow one another are spread
	return Identity{id[0] ^ uint64(birth)*odd, id[1]}
}

// own is the identity that only the entry and its copies have.
func (e *Entry) own() Identity { return e.identity().born(BirthOf(&e.State)) }

// born is [Identity.born].
func (id stableID) born(birth int64) stableID {
	last := id[8:]
	binary.LittleEndian.PutUint64(last, binary.LittleEndian.Uint64(last)^uint64(birth))
	return id
}

// clocksDiffer is how far apart the clocks may be of who produced a record, who gave it up and who marked it.
const clocksDiffer = time.Minute

// precedes says whether a mark that was made then, by a release that noted no birth, was made before the entry was there, so that it is of another one with
// its identity. Else it holds, as it did for that release: neither a copy of an entry, which may die later than the first one, nor a record whose producer
// gave it a time to come is another one for that alone.
func precedes(marked, birth, died int64) bool {
	return min(birth, died)-marked > clocksDiffer.Milliseconds()
}
