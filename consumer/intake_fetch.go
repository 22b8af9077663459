package consumer

import (
	"context"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// fetchSize is how much a fetch may bring. The client takes what has come apart before a partition can be paused, and its limits count
// compressed bytes, of which copies are a tenth of what they take in memory; so fetches are small while they may bring
// records of a retry topic that are not due for long. The intake's mutex guards it.
type fetchSize struct {
	whole [2]int32 // as configured: of all and of a partition, in bytes; zero until it was changed first
	small bool
	since time.Time // a lane is fetched of which nothing has come yet
}

const (
	// smallFetch and smallPartition are what a small fetch brings at most, in bytes as they travel: some hundred copies of a partition,
	// about what its lane may keep.
	smallFetch     = 1 << 20
	smallPartition = 64 << 10
	// unheardFor is how long fetches are small for a retry lane that nothing comes of.
	unheardFor = 2 * time.Second
)

// lookAheadWait bounds the wait for the ends of the partitions, without which all goes on too.
const lookAheadWait = time.Second

// lookAhead asks where the partitions end before they are fetched first, so that it is known which retry topics hold something.
func (in *intake) lookAhead(ctx context.Context) {
	if in.retries.Load() == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, lookAheadWait)
	defer cancel()
	in.p.topics.measure(ctx, true)
	now := time.Now()
	in.mu.Lock()
	defer in.mu.Unlock()
	for _, ps := range in.lanes {
		for _, l := range ps {
			if !l.heard {
				in.beware(l, now)
			}
		}
	}
}

// beware makes fetches small when a retry lane that is about to be fetched holds something, or is not known not to. The intake's mutex is
// held.
func (in *intake) beware(l *lane, now time.Time) {
	in.fetch.since = now
	if in.readsAhead(l, now) {
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
	end := l.end.Load()
	return (!l.heard || l.farOff(now)) && (!l.placed || end < 0 || l.next < end)
}
