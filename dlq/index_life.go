package dlq

import (
	"context"
	"time"

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

// lost is up to where what an index had before, and before the ends, is not in this life of it.
func (l indexLife) lost(ends map[int32]int64) map[int32]int64 {
	lost := make(map[int32]int64, len(ends))
	for partition, end := range ends {
		lost[partition] = min(l.read[partition], end)
	}
	return lost
}

// since says whether it began after that: its name begins with the time.
func (l indexLife) since(at time.Time) bool { return l.name >= at.UTC().Format(runTime) }

// now is the life of the index as it is; none where it is not of the topic.
func (x *index) now(ctx context.Context, topic kadm.TopicDetail, starts map[int32]int64) (l indexLife, err error) {
	if x.Store == nil {
		return l, nil
	}
	err = x.view(ctx, func(_ IndexView, st *indexState) error {
		if why := x.fits(st, topic); why == "" || isRewritten(why) { // then it is written anew, and lives on
			l = st.life(starts)
		}
		return nil
	})
	return l, err
}
