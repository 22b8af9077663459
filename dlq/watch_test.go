package dlq_test

import (
	"errors"
	"hash/fnv"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/dlq"
)

func hashed(key []byte) uint64 {
	h := fnv.New64a()
	h.Write(key)
	return h.Sum64()
}

// watch looks the queue up, and asks the ledger after so many dead letters.
func (b *bundle) watch(chunk int) *dlq.Watch {
	b.t.Helper()
	w, err := b.open().Watch(b.ctx())
	if err != nil {
		b.t.Fatal(err)
	}
	dlq.SmallChunks(w, chunk)
	return w
}

// awaited are the origins of what is still to be dealt with in a partition.
func (b *bundle) awaited(w *dlq.Watch, partition int32) (origins []int64, follow int64) {
	b.t.Helper()
	follow, damaged, err := w.Read(b.ctx(), partition, hashed, func(dlq.Marked) {}, func(a dlq.Awaited) { origins = append(origins, a.Origin) })
	if err != nil || damaged != nil {
		b.t.Fatal(err, damaged)
	}
	return origins, follow
}

// What nobody has dealt with, in the order of death, whether the ledger is asked once or for every few dead letters: neither what was
// replayed or discarded, nor copies, nor what has no key, nor what is another group's.
func TestWatchReadsWhatIsToBeDealtWith(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for offset := range int64(10) {
		b.produce(letter(death(1, offset)))
		if offset%3 == 0 {
			b.produce(letter(death(1, offset))) // a copy
		}
	}
	unkeyed, foreign := letter(death(1, 50)), death(1, 51)
	unkeyed.Key, foreign.Group = nil, "another"
	b.produce(unkeyed, letter(foreign), letter(death(0, 77)))
	b.discard(dlq.Filter{IDs: []string{death(1, 0).ID, death(1, 6).ID}})
	b.replay(b.open(), dlq.Replay{Filter: dlq.Filter{IDs: []string{death(1, 3).ID, death(1, 4).ID}}})
	b.replay(b.open(), dlq.Replay{MaxReplays: -1, Filter: dlq.Filter{IDs: []string{death(1, 9).ID}}})
	again := death(1, 9)
	again.Replays = 1
	b.produce(letter(again))
	for _, chunk := range []int{1, 3, 1000} {
		got, _ := b.awaited(b.watch(chunk), 1)
		if want := []int64{1, 2, 5, 7, 8, 9}; !slices.Equal(got, want) {
			t.Errorf("asked for every %d: to be dealt with are %v, want %v", chunk, got, want)
		}
	}
}

// What failed anew after it had been dealt with waits, as the lists say, until a mark settles it.
func TestWatchAwaitsWhatFailedAnew(t *testing.T) {
	t.Parallel()
	b := &aged{setup(t), time.Now()}
	b.anchor()
	const long, marked, lately = 3 * time.Hour, 2 * time.Hour, time.Hour
	for offset := range int64(4) {
		b.dies(0, offset, long, long)
		b.marks(0, offset, "replayed", marked, 4)
	}
	b.dies(0, 1, lately, lately)
	b.dies(0, 1, long, lately) // and a copy of what it was
	b.dies(0, 2, long, lately)
	b.dies(0, 3, lately, lately)
	for _, chunk := range []int{1, 3, 1000} {
		got, _ := b.awaited(b.watch(chunk), 0)
		if want := []int64{1, 3}; !slices.Equal(got, want) {
			t.Errorf("asked for every %d: to be dealt with are %v, want %v", chunk, got, want)
		}
	}
	b.discard(dlq.Filter{IDs: []string{death(0, 3).ID}})
	got, _ := b.awaited(b.watch(1000), 0)
	if want := []int64{1}; !slices.Equal(got, want) {
		t.Errorf("to be dealt with are %v, want %v", got, want)
	}
}

// Whoever follows the ledger from where it was read learns of every mark that was not there then.
func TestWatchFollowsTheLedger(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.letters(9)
	b.discard(dlq.Filter{IDs: []string{death(1, 0).ID}})
	w := b.watch(1000)
	got, follow := b.awaited(w, 1)
	if want := []int64{1, 2}; !slices.Equal(got, want) {
		t.Fatalf("to be dealt with are %v, want %v", got, want)
	}
	b.replay(b.open(), dlq.Replay{Filter: dlq.Filter{IDs: []string{death(1, 1).ID, death(2, 1).ID}}})
	var marks []dlq.Marked
	for _, r := range b.records(dlq.LedgerTopic(dead)) {
		if r.Partition != 1 || r.Offset < follow {
			continue
		}
		m, about, err := w.Mark(r)
		if err != nil {
			t.Fatal(err)
		}
		if about {
			marks = append(marks, m)
		}
	}
	s := death(1, 1)
	want := dlq.Marked{Identity: dlq.IdentityOf(&s), Born: dlq.BirthOf(&s), Status: dlq.StatusReplayed, To: tier1}
	if len(marks) == 1 {
		want.At, want.Seen, want.Until = marks[0].At, 3, marks[0].Until // now, all that the partition has, and when it died
	}
	if len(marks) != 1 || marks[0] != want || !marks[0].Done() {
		t.Errorf("marks since: %v, want %v alone", marks, want)
	}
}

// A mark that cannot be read leaves its entry to be dealt with, and is told.
func TestWatchGoesOverDamagedMarks(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.letters(6)
	b.discard(dlq.Filter{IDs: []string{death(1, 0).ID}})
	var key []byte
	for _, r := range b.records(dlq.LedgerTopic(dead)) {
		if r.Partition == 1 {
			key = r.Key
		}
	}
	b.produce(&kgo.Record{Topic: dlq.LedgerTopic(dead), Partition: 1, Key: append(slices.Clone(key), "0"...), Value: []byte(`{"v":1,"status":"mislaid"}`)})
	var origins []int64
	_, damaged, err := b.watch(1000).Read(b.ctx(), 1, hashed, func(dlq.Marked) {}, func(a dlq.Awaited) { origins = append(origins, a.Origin) })
	if err != nil || damaged == nil {
		t.Fatalf("read: %v, and damaged is %v", err, damaged)
	}
	if want := []int64{1}; !slices.Equal(origins, want) {
		t.Errorf("to be dealt with are %v, want %v", origins, want)
	}
}

// There is nothing to watch where a topic is missing.
func TestWatchNeedsBothTopics(t *testing.T) {
	t.Parallel()
	b := setup(t)
	if _, err := b.open().Watch(b.ctx()); !errors.Is(err, dlq.ErrNoTopic) {
		t.Errorf("without a ledger: %v, want ErrNoTopic", err)
	}
}

func (b *bundle) discard(f dlq.Filter) {
	b.t.Helper()
	if summary, err := b.open().Discard(b.ctx(), dlq.Discard{Filter: f, Reason: "as the test says"}); err != nil {
		b.t.Fatalf("discard: %v (after %+v)", err, summary)
	}
}

// A ledger that was made with fewer partitions than the dead letters is given as many before anything is marked, and grows on without
// a mark being where nobody looks for it: its entries would keep their keys closed for ever.
func TestMarksAreFoundInALedgerThatGrows(t *testing.T) {
	t.Parallel()
	b := setup(t)
	if _, err := b.admin.CreateTopic(b.ctx(), 1, 1, map[string]*string{"cleanup.policy": kadm.StringPtr("compact")}, ledger); err != nil {
		t.Fatal(err)
	}
	b.letters(9)
	b.discard(dlq.Filter{IDs: []string{death(2, 0).ID}})
	follower := b.watch(1000)
	_, follow := b.awaited(follower, 2)
	if _, err := b.admin.UpdatePartitions(b.ctx(), 6, ledger); err != nil {
		t.Fatal(err)
	}
	b.discard(dlq.Filter{IDs: []string{death(2, 1).ID}})
	if got, _ := b.awaited(b.watch(1000), 2); !slices.Equal(got, []int64{2}) {
		t.Errorf("to be dealt with are %v, want 2 alone", got)
	}
	followed := 0
	for _, r := range b.records(ledger) {
		if _, about, _ := follower.Mark(r); about && r.Partition == 2 && r.Offset >= follow {
			followed++
		}
	}
	equal(t, "marks of the partition for who follows it", followed, 1)
}

// Where the ledger may not be grown nothing is marked, and the error says what to do.
func TestALedgerThatIsTooSmallIsRefused(t *testing.T) {
	t.Parallel()
	b := setup(t)
	if _, err := b.admin.CreateTopic(b.ctx(), 2, 1, map[string]*string{"cleanup.policy": kadm.StringPtr("compact")}, ledger); err != nil {
		t.Fatal(err)
	}
	b.letters(3)
	_, err := b.open(dlq.LedgerExists()).Discard(b.ctx(), dlq.Discard{Reason: "test"})
	if want := "has 2 partitions and the dead letters have 3"; err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "redeliver topics apply") {
		t.Errorf("got %v, want an error with %q and what to do", err, want)
	}
}
