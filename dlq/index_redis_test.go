package dlq_test

import (
	"errors"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

	"github.com/redeliver/redeliver/dlq"
	"github.com/redeliver/redeliver/dlq/indexredis"
)

// redisIndexed is a queue with an index in Redis.
func (b *bundle) redisIndexed(address string, keep time.Duration, words *[]string) *indexed {
	b.t.Helper()
	client := indexredis.New(indexredis.Options{Address: address})
	b.t.Cleanup(func() { _ = client.Close() })
	ix := &indexed{b: b}
	ix.Queue = b.open(dlq.Indexed(dlq.Index{
		Store: client.Store("redeliver:index:" + dead), Keep: keep, Warn: func(why string) { *words = append(*words, why) },
		Progress: func(read, _ int64) { ix.read = read },
	}))
	return ix
}

// In Redis it answers as a scan does too, and what one process has read another one need not read.
func TestIndexInRedis(t *testing.T) {
	t.Parallel()
	server := miniredis.RunT(t)
	r := rand.New(rand.NewPCG(7, 7))
	b := setup(t)
	var words []string
	one, two := b.redisIndexed(server.Addr(), 0, &words), b.redisIndexed(server.Addr(), 0, &words)
	c := &changes{bundle: b, r: r}
	for range 10 {
		for range 1 + r.IntN(3) {
			c.change()
		}
		for range 3 {
			one.same(randomFilter(r, c.written))
			two.read = 0
			two.same(randomFilter(r, c.written))
			equal(t, "read by the other one", two.read, 0)
		}
	}
	equal(t, "words", len(words), 0)
}

// Processes that catch up at the same time do each other no harm.
func TestIndexInRedisOfManyProcesses(t *testing.T) {
	t.Parallel()
	server := miniredis.RunT(t)
	b := setup(t)
	var others sync.WaitGroup
	all := make([]*indexed, 4)
	for i := range all {
		all[i] = b.redisIndexed(server.Addr(), 0, new([]string))
	}
	for round := range 5 {
		b.letters(50)
		for i, ix := range all {
			f := dlq.Filter{Limit: 1 + i + round}
			others.Go(func() {
				for e, err := range ix.Entries(b.ctx(), f) {
					if err != nil {
						t.Errorf("%s: %v", e.ID(), err)
					}
				}
			})
		}
		others.Wait()
	}
	for _, ix := range all {
		ix.same(dlq.Filter{All: true})
	}
}

// Without Redis the topics are read, and that is said; it is built anew when Redis is back without it.
func TestIndexInRedisThatIsAway(t *testing.T) {
	t.Parallel()
	server := miniredis.RunT(t)
	b := setup(t)
	b.letters(9)
	var words []string
	ix := b.redisIndexed(server.Addr(), 0, &words)
	ix.same(dlq.Filter{})
	server.SetError("LOADING Redis is loading the dataset in memory")
	ix.same(dlq.Filter{})
	if len(words) == 0 || !strings.Contains(words[0], "the topics are read") {
		t.Errorf("words: %q", words)
	}
	server.SetError("")
	server.FlushAll()
	words, ix.read = nil, 0
	ix.same(dlq.Filter{})
	equal(t, "read", ix.read, 9)
	equal(t, "words", len(words), 0)
}

// While an index that keeps what topics have lost is away nothing is changed, for that would be left out; what is read tells of it.
func TestIndexThatKeepsAndIsAway(t *testing.T) {
	t.Parallel()
	server := miniredis.RunT(t)
	b := setup(t)
	b.letters(4)
	client := indexredis.New(indexredis.Options{Address: server.Addr()})
	t.Cleanup(func() { _ = client.Close() })
	var words []string
	q := b.open(dlq.Indexed(dlq.Index{Store: client.Store("kept"), Keep: 90 * day, Warn: func(why string) { words = append(words, why) }}))
	stats := func() dlq.Stats {
		t.Helper()
		s, err := q.Stats(b.ctx(), dlq.Filter{})
		must(t, err)
		return s
	}
	equal(t, "there", stats().Entries, 4)
	b.takes(0, 1)
	equal(t, "kept, too", stats().Entries, 4)
	server.SetError("LOADING Redis is loading the dataset in memory")
	if left := stats().Entries; left >= 4 || !strings.Contains(strings.Join(words, "\n"), "only the index keeps is left out") {
		t.Errorf("%d are there without the index, and it says %q", left, words)
	}
	s, err := q.Replay(b.ctx(), dlq.Replay{})
	if s.Done != 0 || err == nil || !strings.Contains(err.Error(), "nothing was done") {
		t.Errorf("replayed %d without the index: %v", s.Done, err)
	}
	server.SetError("")
	equal(t, "replayed with it", b.replay(q, dlq.Replay{}).Done, 4)
}

// What an update misses since another process has replaced it is no damage.
func TestUpdateInRedisThatMissesWhatMoved(t *testing.T) {
	t.Parallel()
	client := indexredis.New(indexredis.Options{Address: miniredis.RunT(t).Addr()})
	t.Cleanup(func() { _ = client.Close() })
	store := client.Store("index")
	put := func(u dlq.IndexUpdate) error { return u.Put("part", []byte("new")) }
	must(t, store.Update(t.Context(), put))
	misses := func(dlq.IndexUpdate) error { return dlq.ErrIndexDamaged }
	if err := store.Update(t.Context(), misses); !errors.Is(err, dlq.ErrIndexDamaged) {
		t.Errorf("alone: %v", err)
	}
	err := store.Update(t.Context(), func(u dlq.IndexUpdate) error {
		must(t, store.Update(t.Context(), put))
		return misses(u)
	})
	if !errors.Is(err, dlq.ErrIndexMoved) {
		t.Errorf("beside another process: %v", err)
	}
}
