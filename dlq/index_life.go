package dlq

import (
	"context"

	"github.com/twmb/franz-go/pkg/kadm"
)

// indexLife is the life of an index that keeps what the topic has lost, and what it has of each partition.
type indexLife struct {
	name  string          // of the life: another one when everything was forgotten; "": there is none
	first map[int32]int64 // where its first entry stands, or the topic begins
	read  map[int32]int64 // from where on it has read in this life
}

func (st *indexState) life(starts map[int32]int64) indexLife {
	l := indexLife{name: st.Life, first: make(map[int32]int64, len(starts)), read: make(map[int32]int64, len(starts))}
	for partition, start := range starts {
		l.first[partition], l.read[partition] = start, start
		p := st.Letters[partition]
		if p == nil {
			continue
		}
		l.read[partition] = p.From
		if len(p.Segments) > 0 {
			l.first[partition] = p.Segments[0].First
		}
	}
	return l
}

// lost says whether what an index had from these first entries on, up to the ends, is not all in this life of it.
func (l indexLife) lost(first, ends map[int32]int64) bool {
	for partition, from := range first {
		if from < min(l.read[partition], ends[partition]) {
			return true
		}
	}
	return false
}

// now is the life of the index as it is; none where it is away, or not of the topic.
func (x *index) now(ctx context.Context, topic kadm.TopicDetail, starts map[int32]int64) (l indexLife) {
	if x.Store == nil {
		return l
	}
	_ = x.view(ctx, func(_ IndexView, st *indexState) error {
		if why := x.fits(st, topic); why == "" || why == indexRedacted { // then it is written anew, and lives on
			l = st.life(starts)
		}
		return nil
	})
	return l
}
