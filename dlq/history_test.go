package dlq_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/classify"
	"github.com/redeliver/redeliver/dlq"
	"github.com/redeliver/redeliver/retrytopics"
)

// Whatever happens to a queue, in whatever order: no entry is in the retry topic twice, those that nobody discarded are
// there in the end, and the ledger says so.
func TestHistories(t *testing.T) {
	t.Parallel()
	for seed := range uint64(24) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			h := &history{bundle: setup(t), random: rand.New(rand.NewPCG(seed, 7)), discarded: make(map[string]bool)}
			for range 25 {
				h.step()
			}
			h.end()
		})
	}
}

// history is a queue and what ought to have become of it.
type history struct {
	*bundle
	random    *rand.Rand
	dead      []retrytopics.State // entries so far
	discarded map[string]bool
	trail     []string
}

func (h *history) step() {
	switch h.random.IntN(8) {
	case 0, 1:
		h.die()
	case 2:
		h.dieAgain()
	case 3, 4:
		h.replays()
	case 5:
		h.crash()
	case 6:
		h.discards()
	case 7:
		h.cluster.Compact()
		h.note("compact")
	}
}

func (h *history) note(format string, args ...any) {
	h.trail = append(h.trail, fmt.Sprintf(format, args...))
}

// die adds entries of several classes, some with copies.
func (h *history) die() {
	for range 1 + h.random.IntN(10) {
		n := len(h.dead)
		s := death(int32(n%3), int64(n))
		s.Class = classify.Classes()[h.random.IntN(3)]
		s.FirstFailed = time.UnixMilli(s.History[0].At) // as its copies say
		h.dead = append(h.dead, s)
		for range 1 + h.random.IntN(5)/4 {
			h.produce(letter(s))
		}
	}
	h.note("%d entries", len(h.dead))
}

// dieAgain writes another copy of an entry, whatever became of it.
func (h *history) dieAgain() {
	if len(h.dead) == 0 {
		return
	}
	s := h.dead[h.random.IntN(len(h.dead))]
	h.produce(letter(s))
	h.note("copy of %s", s.ID)
}

func (h *history) filter() dlq.Filter {
	var f dlq.Filter
	switch h.random.IntN(4) {
	case 0:
		f.Class = classify.Classes()[h.random.IntN(3)]
	case 1:
		f.Limit = 1 + h.random.IntN(5)
	case 2:
		if len(h.dead) > 0 {
			f.IDs = []string{h.dead[h.random.IntN(len(h.dead))].ID}
		}
	}
	return f
}

func (h *history) replays() {
	f := h.filter()
	s := h.replay(h.open(dlq.SmallBatches(1+h.random.IntN(5))), dlq.Replay{Filter: f, TakeOver: true})
	h.note("replay class=%v ids=%v limit=%d: %d", f.Class, f.IDs, f.Limit, s.Done)
}

// crash kills a replay at some step.
func (h *history) crash() {
	var doomed process
	ctx, cancel := context.WithCancel(h.ctx())
	defer cancel()
	at, arrives := 1+h.random.IntN(12), h.random.IntN(2) == 0
	stop := h.atStep(at, func() bool {
		cancel()
		doomed.kill()
		return arrives
	})
	client, err := kgo.NewClient(kgo.SeedBrokers(h.cluster.ListenAddrs()...), kgo.Dialer(doomed.dial))
	if err != nil {
		h.t.Fatal(err)
	}
	defer client.Close()
	q, err := dlq.Open(client, dead, dlq.ForGroup(group), dlq.SmallBatches(3), dlq.Patience(50*time.Millisecond))
	if err != nil {
		h.t.Fatal(err)
	}
	s, err := q.Replay(ctx, dlq.Replay{Filter: h.filter(), TakeOver: true})
	stop()
	h.note("crash at step %d, arrives %v: %d done, %v", at, arrives, s.Done, err)
}

func (h *history) discards() {
	f := h.filter()
	if f.Class == classify.None && f.IDs == nil {
		f.Limit = 2
	}
	var ids []string
	s, err := h.open().Discard(h.ctx(), dlq.Discard{Filter: f, TakeOver: true, Entry: func(e dlq.Entry) { ids = append(ids, e.State.ID) }})
	if err != nil {
		h.t.Fatal(err)
	}
	for _, id := range ids {
		h.discarded[id] = true
	}
	h.note("discard: %d of %v", s.Done, ids)
}

func (h *history) end() {
	if len(h.dead) == 0 {
		return
	}
	for {
		s, err := h.open().Replay(h.ctx(), dlq.Replay{TakeOver: true})
		if err == nil {
			break
		}
		if !errors.Is(err, dlq.ErrFenced) {
			h.t.Fatalf("the last replay: %v after %+v", err, s)
		}
	}
	var want []string
	for _, s := range h.dead {
		if !h.discarded[s.ID] {
			want = append(want, s.ID)
		}
	}
	slices.Sort(want)
	if got := h.ids(tier1); !slices.Equal(got, want) {
		h.t.Errorf("in the retry topic: got %v, want %v", got, want)
	}
	stats, err := h.open().Stats(h.ctx(), dlq.Filter{All: true})
	if err != nil {
		h.t.Fatal(err)
	}
	equal(h.t, "replayed, in the ledger", stats.ByStatus[dlq.StatusReplayed], int64(len(want)))
	equal(h.t, "discarded, in the ledger", stats.ByStatus[dlq.StatusDiscarded], int64(len(h.discarded)))
	equal(h.t, "entries", stats.Entries, int64(len(h.dead)))
	if h.t.Failed() {
		for _, line := range h.trail {
			h.t.Log(line)
		}
	}
}

// What 100,000 dead letters take, printed.
func TestHundredThousandEntries(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	const many = 100_000
	b := setup(t)
	b.letters(many)
	measure := func(what string, f func(q *dlq.Queue)) {
		q := b.open()
		began := time.Now()
		f(q)
		took := time.Since(began)
		t.Logf("%-22s %6d ms, %.0f entries a second", what, took.Milliseconds(), many/took.Seconds())
	}
	measure("list", func(q *dlq.Queue) { equal(t, "entries", len(b.entries(q, dlq.Filter{})), many) })
	measure("stats", func(q *dlq.Queue) {
		if _, err := q.Stats(b.ctx(), dlq.Filter{}); err != nil {
			t.Error(err)
		}
	})
	measure("replay", func(q *dlq.Queue) { equal(t, "replayed", b.replay(q, dlq.Replay{}).Done, many) })
	measure("replay, nothing to do", func(q *dlq.Queue) { equal(t, "replayed", b.replay(q, dlq.Replay{}).Done, 0) })
	ids := b.ids(tier1)
	equal(t, "in the tier", len(ids), many)
	equal(t, "each once", len(slices.Compact(ids)), many)
}

// What is parked is left alone until it is named, by status or id, or reopened.
func TestParkedEntriesAreLeftAlone(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.letters(6)
	q := b.open()
	set := func(what string, call func(context.Context, dlq.Discard) (dlq.Summary, error), d dlq.Discard) dlq.Summary {
		t.Helper()
		s, err := call(b.ctx(), d)
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		return s
	}
	ids := []string{"orders/0/0", "orders/1/0", "orders/2/0"}
	equal(t, "parked", set("park", q.Park, dlq.Discard{Filter: dlq.Filter{IDs: ids}, Reason: "waits for the bank", By: "ann"}).Done, 3)
	again := set("park again", q.Park, dlq.Discard{Filter: dlq.Filter{IDs: ids}})
	equal(t, "parked again, and left parked", []int64{again.Done, again.Parked}, []int64{0, 3})
	e, err := q.Entry(b.ctx(), ids[0])
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "the mark", []any{e.Status, e.Mark.Reason, e.Mark.By}, []any{dlq.StatusParked, "waits for the bank", "ann"})
	equal(t, "listed", len(b.entries(q, dlq.Filter{})), 3)
	equal(t, "listed by status", len(b.entries(q, dlq.Filter{Status: []dlq.Status{dlq.StatusParked}})), 3)

	s := b.replay(q, dlq.Replay{})
	equal(t, "replayed, and left parked", []int64{s.Done, s.Parked}, []int64{3, 3})
	equal(t, "reopened, of all", set("reopen", q.Reopen, dlq.Discard{Filter: dlq.Filter{IDs: ids[:1]}}).Done, 1)
	equal(t, "discarded without a name", set("discard", q.Discard, dlq.Discard{Filter: dlq.Filter{Class: classify.Network}}).Done, 1)
	equal(t, "replayed by id", b.replay(q, dlq.Replay{Filter: dlq.Filter{IDs: ids[1:2]}}).Done, 1)
	equal(t, "what was replayed is not reopened", set("reopen", q.Reopen, dlq.Discard{Filter: dlq.Filter{All: true, Status: dlq.Statuses()}}).Done, 1)
	equal(t, "open at the end", len(b.entries(q, dlq.Filter{})), 1)
}
