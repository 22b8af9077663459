package consumer

import (
	"context"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// fetchSize is how much a fetch may bring. The client takes what has come apart before a partition can be paused, and its limits count
// compressed bytes, of which copies are a tenth of what they take in memory; so fetches are small while they may bring
// records of a retry topic that are not due for long. Where retry topics end is asked for before they are fetched: of those that are
// empty, as most are most of the time, nothing comes. The intake's mutex guards it.
type fetchSize struct {
	whole [2]int32 // as configured: of all and of a partition, in bytes; zero until it was changed first
	small bool
	since time.Time // when a retry lane was last begun to be fetched of which there is more
}

const (
	// smallFetch and smallPartition are what a small fetch brings at most, in bytes as they travel: some hundred copies of a partition,
	// about what its lane may keep.
	smallFetch     = 1 << 20
	smallPartition = 64 << 10
	// unheardFor is how long fetches are small for a retry lane that nothing comes of.
	unheardFor = 2 * time.Second
	// measureTimeout is how long it takes at most to ask where retry topics end.
	measureTimeout = time.Second
)

// begins is called before a lane is fetched, at first or again. The intake's mutex is held.
func (in *intake) begins(l *lane, now time.Time) {
	if in.readsAhead(l, in.fetch.since) { // which has just begun
		in.fetch.since = now
		in.shrink()
	}
}

// shrink makes fetches small from now on. The intake's mutex is held.
func (in *intake) shrink() {
	if in.fetch.small {
		return
	}
	if in.fetch.whole == [2]int32{} {
		in.fetch.whole = [2]int32{limitOf(in.p.client, kgo.FetchMaxBytes), limitOf(in.p.client, kgo.FetchMaxPartitionBytes)}
	}
	in.fetch.small = true
	in.p.client.UpdateFetchMaxBytes(min(smallFetch, in.fetch.whole[0]), min(smallPartition, in.fetch.whole[1]))
}

func limitOf[F any](client *kgo.Client, option F) int32 {
	limit, _ := client.OptValue(option).(int32) // which it is
	return limit
}

// resize is called after a poll that brought records of these retry lanes: it makes fetches small when one of them reads what is not
// due for long, and as large as they were when none does.
func (in *intake) resize(brought []*lane, now time.Time) {
	in.mu.Lock()
	defer in.mu.Unlock()
	for _, l := range brought {
		l.heard = true
		if !in.fetch.small && in.readsAhead(l, now) {
			in.shrink()
		}
	}
	if !in.fetch.small {
		return
	}
	for _, ps := range in.lanes {
		for _, l := range ps {
			if in.readsAhead(l, now) {
				return
			}
		}
	}
	in.fetch.small = false
	in.p.client.UpdateFetchMaxBytes(in.fetch.whole[0], in.fetch.whole[1])
}

// readsAhead reports whether a lane is fetched of whose retry topic there is more, and what comes of it is not due for long, or was
// not seen yet.
func (in *intake) readsAhead(l *lane, now time.Time) bool {
	if l.tier == 0 || l.stopped || !l.heard && now.Sub(in.fetch.since) >= unheardFor {
		return false
	}
	l.strand.mu.Lock()
	defer l.strand.mu.Unlock()
	return (!l.heard || l.farOff(now)) && l.placed && l.next < l.end.Load()
}

// measureNew learns where the retry topics of an assignment end, before they are fetched. Without an answer fetches are as large as
// configured.
func (p *Pipeline) measureNew(ctx context.Context, offsets map[string]map[int32]kgo.Offset) {
	var names []string
	for topic := range offsets {
		if p.topics.note(topic).retry {
			names = append(names, topic)
		}
	}
	if len(names) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, measureTimeout)
	defer cancel()
	ends, _ := p.admin.ListCommittedOffsets(ctx, names...)
	now := time.Now()
	for topic, ps := range offsets {
		for part := range ps {
			l, end := p.intake.lane(topic, part), ends[topic][part]
			if l == nil || l.tier == 0 || end.Err != nil {
				continue
			}
			l.measured(end.Offset)
			p.intake.mu.Lock()
			p.intake.begins(l, now)
			p.intake.mu.Unlock()
		}
	}
}
