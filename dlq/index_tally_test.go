package dlq

import (
	"context"
	"fmt"
	"maps"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/redeliver/redeliver/classify"
	"github.com/redeliver/redeliver/retrytopics"
)

// memoryStore keeps an index in memory, and hides the parts of segments that begin with a letter.
type memoryStore struct {
	values map[string][]byte
	hides  string
}

func (m *memoryStore) View(_ context.Context, f func(IndexView) error) error     { return f(m) }
func (m *memoryStore) Update(_ context.Context, f func(IndexUpdate) error) error { return f(m) }
func (m *memoryStore) Clear(context.Context) error                               { clear(m.values); return nil }

func (m *memoryStore) Get(names ...string) ([][]byte, error) {
	got := make([][]byte, len(names))
	for i, name := range names {
		if m.hides == "" || name[:1] != m.hides {
			got[i] = m.values[name]
		}
	}
	return got, nil
}

func (m *memoryStore) Put(name string, value []byte) error { m.values[name] = value; return nil }

func (m *memoryStore) Delete(names ...string) error {
	for _, name := range names {
		delete(m.values, name)
	}
	return nil
}

// filled is an index of n letters of 40 problems over 12 partitions, and a query for all of them.
func filled(t testing.TB, n int) (*memoryStore, *indexQuery, []span) {
	t.Helper()
	const partitions = 12
	store := &memoryStore{values: make(map[string][]byte)}
	x := &index{Index: Index{Store: store}}
	var spans []span
	parts := make([]readPart[indexedLetter], partitions)
	starts := make(map[int32]int64)
	record := benchLetters(1)[0]
	for i := range n {
		p, offset := i%partitions, int64(i/partitions)
		text := fmt.Sprintf("*net.OpError: problem %c of <*>: connection refused", 'a'+rune(i*7%40))
		id := retrytopics.FormatID("", "orders", int32(p), offset)
		parts[p].items = append(parts[p].items, indexedLetter{
			offset: offset, at: 1_700_000_000_000 + int64(i)*20, written: 1_700_000_000_000 + int64(i)*20, id: stableIdentity(id, "million", 0, ""), size: 300, text: text, record: record,
			kind: kind{Class: classify.Network, Reason: retrytopics.ReasonExhausted, Topic: "orders", Group: "million", Print: fingerprint(classify.Network, text), Error: text},
		})
	}
	for p := range parts {
		parts[p].partition, parts[p].next = int32(p), int64(len(parts[p].items))
		spans, starts[int32(p)] = append(spans, span{int32(p), 0, parts[p].next}), 0
	}
	if err := x.change(t.Context(), func(u IndexUpdate, st *indexState) error {
		st.Version = indexVersion
		return x.addLetters(u, st, parts, starts)
	}); err != nil {
		t.Fatal(err)
	}
	sel, err := Filter{}.compile(kadm.TopicID{})
	if err != nil {
		t.Fatal(err)
	}
	return store, &indexQuery{index: x, sel: sel, starts: starts, since: math.MinInt64, until: math.MaxInt64, again: func(context.Context) error { return nil }}, spans
}

// Stats by tallies are those by the entries themselves, and tallies of other marks than those that are stored are not used.
func TestTalliesOfOtherMarksAreNotUsed(t *testing.T) {
	store, iq, spans := filled(t, 20_000)
	wanted := iq.sel.status
	count := func(hides string) string {
		t.Helper()
		store.hides = hides
		s, ok, err := iq.stats(t.Context(), spans, wanted, expiry{retention: -1}, func(string) bool { return false })
		if err != nil || !ok {
			t.Fatal(ok, err)
		}
		return fmt.Sprintf("%+v", s)
	}
	byTallies, byEntries := count(partColumns), count(partTally) // without columns nothing but tallies can be counted
	if byTallies != byEntries {
		t.Fatalf("by tallies\n%s\nby entries\n%s", byTallies, byEntries)
	}
	store.hides = ""
	tallies := maps.Clone(store.values)
	id := stableIdentity(retrytopics.FormatID("", "orders", 3, 7), "million", 0, "")
	err := iq.index.change(t.Context(), func(u IndexUpdate, st *indexState) error {
		return st.addMarks(u, map[stableID]segmentMark{id: {moments: moments{at: 1}, status: StatusDiscarded}})
	})
	if err != nil {
		t.Fatal(err)
	}
	marked := count("")
	if marked == byEntries || marked != count(partTally) {
		t.Errorf("after a mark: by tallies\n%s\nby entries\n%s", marked, count(partTally))
	}
	for name, value := range tallies { // as a release leaves them that knows none
		if name[:1] == partTally {
			store.values[name] = value
		}
	}
	if got := count(""); got != marked {
		t.Errorf("a tally of other marks was used:\n%s\nwant\n%s", got, marked)
	}
}

// Who looks for a text reads the columns of the segments that may hold it and of no others, unless it has copies: which one is the first shows when
// all are met.
func TestATextIsNotLookedForWhereItCannotBe(t *testing.T) {
	store, iq, spans := filled(t, 20_000)
	texts := func(text, hides string) (listed, counted int64, err error) {
		t.Helper()
		store.hides = hides
		q := *iq
		q.text = newTextFinder(text)
		q.grams = newGramQuery([]byte(text), nil)
		for _, part := range spans {
			pages := make(chan page, 1+part.to/indexPageLeast)
			if err := q.pages(t.Context(), part, pages); err != nil {
				return 0, 0, err
			}
			close(pages)
			for p := range pages {
				listed += int64(len(p.entries))
			}
		}
		stats, _, err := q.stats(t.Context(), spans, q.sel.status, expiry{retention: -1}, func(string) bool { return false })
		return listed, stats.Entries, err
	}
	if listed, counted, err := texts("problem h of", ""); err != nil || listed != 500 || counted != 500 {
		t.Fatalf("%d are listed and %d counted, want 500: %v", listed, counted, err)
	}
	if listed, counted, err := texts("nowhere", partColumns); err != nil || listed+counted != 0 {
		t.Errorf("of a text that none has %d are listed and %d counted, without the columns: %v", listed, counted, err)
	}
	if _, _, err := texts("nowhere", partTally); err != nil { // as with copies: the columns are read
		t.Error(err)
	}
	if _, _, err := texts("problem h of", partColumns); err == nil {
		t.Error("a text that some have was looked for without the columns") // which is damage: the index is gone now
	}
}

// A partition is read to its end without anybody who takes what it has, where that is nothing: those that are read beside it need not wait for their turn.
func TestPagesThatHoldNothingWaitForNobody(t *testing.T) {
	_, iq, spans := filled(t, 100_000)
	synctest.Test(t, func(t *testing.T) {
		q, part := *iq, spans[0]
		q.text = newTextFinder("nowhere")
		pages := make(chan page)
		go func() {
			defer close(pages)
			if err := q.pages(t.Context(), part, pages); err != nil {
				t.Error(err)
			}
		}()
		synctest.Wait()
		for p := range pages {
			if len(p.entries) != 0 || p.next != part.to {
				t.Errorf("a page of %d entries up to %d of %d", len(p.entries), p.next, part.to)
			}
		}
	})
}

// What `dlq stats` counts in an index, by tallies and, as it is where a filter needs it, by the entries.
func BenchmarkIndexStats(b *testing.B) {
	const letters = 240_000
	store, iq, spans := filled(b, letters)
	for name, hides := range map[string]string{"tallies": "", "entries": partTally} {
		b.Run(name, func(b *testing.B) {
			store.hides = hides
			for b.Loop() {
				if _, ok, err := iq.stats(b.Context(), spans, iq.sel.status, expiry{retention: -1, soon: time.Now().UnixMilli()}, func(string) bool { return false }); err != nil || !ok {
					b.Fatal(ok, err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/letters, "ns/letter")
		})
	}
}
