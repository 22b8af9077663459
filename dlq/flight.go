package dlq

import (
	"math"

	"github.com/twmb/franz-go/pkg/kadm"
)

// flight is an entry under way, and the copies of it that are known. They are of several topics, which are read in any order:
// nobody knows which of them is the last.
type flight struct {
	group  string
	copies []copyPlace
	died   bool // it is a dead letter again
}

// copyPlace is where a copy stands. Offset -1: somewhere, if at all; unwritten: it is being written.
type copyPlace struct {
	topic     string
	partition int32
	offset    int64
}

const unwritten = math.MaxInt64

// passed says whether the group has committed past all copies.
func (f flight) passed(committed kadm.OffsetResponses) bool {
	for _, c := range f.copies {
		if at, known := committed.Lookup(c.topic, c.partition); !known || at.Err != nil || at.At <= c.offset {
			return false
		}
	}
	return true
}
