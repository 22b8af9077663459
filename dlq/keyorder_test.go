package dlq_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"github.com/redeliver/redeliver/dlq"
	"github.com/redeliver/redeliver/retrytopics"
)

// lettersOf writes dead letters of one key, by the offsets of their origins and how often they were replayed.
func (b *bundle) lettersOf(key string, reason retrytopics.Reason, deaths ...[2]int64) {
	b.t.Helper()
	for _, d := range deaths {
		s := death(1, d[0])
		s.Replays, s.Reason = int(d[1]), reason
		r := letter(s)
		r.Key = []byte(key)
		b.produce(r)
	}
}

// replayedOf are the origins of a key's copies in the retry topic, in their order.
func (b *bundle) replayedOf(key string) (origins []int64) {
	for _, r := range b.records(tier1) {
		if string(r.Key) == key {
			s, _ := retrytopics.Decode(r)
			origins = append(origins, s.Offset)
		}
	}
	return origins
}

// A record that was replayed alone and died again stands behind those that died behind it: where keys are held it is put back before
// them all the same, whatever the size of transactions.
func TestReplayKeepsTheOrderOfHeldKeys(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		deaths [][2]int64
		want   []int64
	}{
		{"as they died", [][2]int64{{1, 0}, {2, 0}, {3, 0}}, []int64{1, 2, 3}},
		{"the head died again", [][2]int64{{2, 0}, {3, 0}, {4, 0}, {1, 1}}, []int64{1, 2, 3, 4}},
		{"one in the middle came late", [][2]int64{{1, 0}, {3, 0}, {2, 0}, {4, 0}}, []int64{1, 2, 3, 4}},
		{"backwards", [][2]int64{{4, 0}, {3, 0}, {2, 0}, {1, 0}}, []int64{1, 2, 3, 4}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			b.lettersOf("a", retrytopics.ReasonBehind, test.deaths...)
			b.lettersOf("b", retrytopics.ReasonExhausted, [2]int64{50, 0})
			summary := b.replay(b.open(dlq.KeysAreHeld(), dlq.SmallBatches(1)), dlq.Replay{})
			equal(t, "replayed", summary.Done, int64(len(test.want)+1))
			equal(t, "in the tier", b.replayedOf("a"), test.want)
			equal(t, "of the other key", b.replayedOf("b"), []int64{50})
			equal(t, "duplicates", summary.Duplicates, 0)
			equal(t, "replayed once more", b.replay(b.open(dlq.KeysAreHeld()), dlq.Replay{}).Done, 0)
		})
	}
}

// Records of a key follow its dead letters while these are replayed, and so do some of a key of which an entry stays: the replay says how many
// keep a key closed that it was to open, and the next one puts them back.
func TestReplayTellsWhatDiedBehindItMeanwhile(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.lettersOf("a", retrytopics.ReasonExhausted, [2]int64{1, 0}, [2]int64{2, 0})
	b.lettersOf("b", retrytopics.ReasonExhausted, [2]int64{7, 0}, [2]int64{8, 3})
	came := sync.OnceFunc(func() {
		b.lettersOf("a", retrytopics.ReasonBehind, [2]int64{3, 0}, [2]int64{4, 0})
		b.lettersOf("b", retrytopics.ReasonBehind, [2]int64{9, 0})
		b.lettersOf("c", retrytopics.ReasonBehind, [2]int64{11, 0})
	})
	summary := b.replay(b.open(dlq.KeysAreHeld()), dlq.Replay{Entry: func(dlq.Entry, string) { came() }})
	equal(t, "replayed", summary.Done, 3)
	if len(summary.LeftOut) != 1 || summary.LeftOut[0].Count != 2 || !strings.Contains(summary.LeftOut[0].Why, "replay again") || !summary.Partly() {
		t.Errorf("left out: %+v", summary.LeftOut)
	}
	summary = b.replay(b.open(dlq.KeysAreHeld()), dlq.Replay{Filter: dlq.Filter{Key: []byte("a")}})
	equal(t, "replayed then", summary.Done, 2)
	equal(t, "partly", summary.Partly(), false)
}

// What was replayed before and died of it is not replayed again, so that its key is none that is opened: what dies behind others of it meanwhile is no
// business of the replay.
func TestReplayAgainOpensNoKeyOfWhatDiedOfIt(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.lettersOf("a", retrytopics.ReasonExhausted, [2]int64{1, 0})
	equal(t, "replayed at first", b.replay(b.open(dlq.KeysAreHeld()), dlq.Replay{}).Done, 1)
	b.lettersOf("a", retrytopics.ReasonExhausted, [2]int64{1, 1})
	b.discard(dlq.Filter{Status: []dlq.Status{dlq.StatusOpen}})
	b.lettersOf("b", retrytopics.ReasonExhausted, [2]int64{7, 0})
	came := sync.OnceFunc(func() { b.lettersOf("a", retrytopics.ReasonBehind, [2]int64{2, 0}) })
	summary := b.replay(b.open(dlq.KeysAreHeld()), dlq.Replay{Again: true, Entry: func(dlq.Entry, string) { came() }})
	equal(t, "replayed, superseded", []int64{summary.Done, summary.Superseded}, []int64{1, 1})
	equal(t, "left out", len(summary.LeftOut), 0)
}

// A replay that waited for somebody to work on it covers what was there when it was started, where keys are held too: what died behind that of its keys since
// is told, if it is still to be dealt with, and of a key of which an earlier one died again since nothing is replayed.
func TestReplayThatWaitsKeepsToItsEndsWhereKeysAreHeld(t *testing.T) {
	t.Parallel()
	b := setup(t)
	q := b.open(dlq.KeysAreHeld())
	b.lettersOf("came", retrytopics.ReasonExhausted, [2]int64{1, 0})
	b.lettersOf("dealt with", retrytopics.ReasonExhausted, [2]int64{10, 0})
	b.lettersOf("carried forward", retrytopics.ReasonBehind, [2]int64{20, 0})
	b.lettersOf("died again", retrytopics.ReasonBehind, [2]int64{32, 0}, [2]int64{33, 0})
	b.lettersOf("only since", retrytopics.ReasonExhausted, [2]int64{41, 5})
	started, err := q.Start(b.ctx(), dlq.Replay{})
	must(t, err)
	b.lettersOf("came", retrytopics.ReasonBehind, [2]int64{2, 0}, [2]int64{3, 0})
	b.lettersOf("dealt with", retrytopics.ReasonBehind, [2]int64{11, 0})
	b.lettersOf("died again", retrytopics.ReasonExhausted, [2]int64{31, 1})
	b.lettersOf("only since", retrytopics.ReasonBehind, [2]int64{42, 0})
	b.discard(dlq.Filter{IDs: []string{death(1, 11).ID}})
	_, err = q.Renew(b.ctx(), dlq.Renew{Filter: dlq.Filter{IDs: []string{death(1, 20).ID}}})
	must(t, err)

	s, err := q.Resume(b.ctx(), started.ID, dlq.Work{})
	must(t, err)
	equal(t, "replayed, limited", []int64{s.Done, s.Limited}, []int64{3, 1})
	for key, want := range map[string][]int64{"came": {1}, "dealt with": {10}, "carried forward": {20}, "died again": nil, "only since": nil} {
		equal(t, "in the tier of "+key, b.replayedOf(key), want)
	}
	var left []string
	for _, l := range s.LeftOut {
		left = append(left, fmt.Sprint(l.Count, " ", l.Why[:len("they died behind")]))
	}
	equal(t, "left out", left, []string{"2 an earlier dead ", "2 they died behind"})
	s = b.replay(q, dlq.Replay{})
	equal(t, "replayed then", s.Done, 5)
	equal(t, "in the tier of what died again", b.replayedOf("died again"), []int64{31, 32, 33})
}

// An entry is left out while an earlier one of its key stays, whether nobody asked for that or it was replayed too often; what died
// behind another is not bound by the cap.
func TestReplayLeavesOutWhatIsBehindAnEntryThatStays(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.lettersOf("a", retrytopics.ReasonExhausted, [2]int64{1, 3})
	b.lettersOf("a", retrytopics.ReasonBehind, [2]int64{2, 3}, [2]int64{3, 0})
	b.lettersOf("b", retrytopics.ReasonBehind, [2]int64{7, 5})
	held := func() *dlq.Queue { return b.open(dlq.KeysAreHeld()) }

	summary := b.replay(held(), dlq.Replay{Filter: dlq.Filter{IDs: []string{death(1, 3).ID}}})
	equal(t, "replayed by its id", summary.Done, 0)
	if len(summary.LeftOut) != 1 || !strings.Contains(summary.LeftOut[0].Why, "an earlier dead letter of their key stays") || !summary.Partly() {
		t.Errorf("left out: %+v", summary.LeftOut)
	}
	summary = b.replay(held(), dlq.Replay{DryRun: true})
	equal(t, "would be replayed", summary.Done, 1)
	summary = b.replay(held(), dlq.Replay{})
	equal(t, "replayed", summary.Done, 1)
	equal(t, "limited", summary.Limited, 1)
	equal(t, "of the other key", b.replayedOf("b"), []int64{7})
	b.discard(dlq.Filter{IDs: []string{death(1, 1).ID}})
	b.replay(held(), dlq.Replay{Filter: dlq.Filter{Limit: 1}})
	equal(t, "in the tier with a limit", b.replayedOf("a"), []int64{2})
	b.replay(held(), dlq.Replay{})
	equal(t, "in the tier in the end", b.replayedOf("a"), []int64{2, 3})
}

// The order of any few dead letters of two keys, of which some are to be replayed, is that of their origins, up to one that stays.
func TestReplayOrderModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		type entry struct {
			key      int
			origin   int64
			replayed bool
		}
		n := rapid.IntRange(0, 12).Draw(t, "entries")
		all := make([]entry, n)
		for i := range all {
			all[i] = entry{rapid.IntRange(0, 1).Draw(t, "key"), rapid.Int64Range(0, 20).Draw(t, "origin"), rapid.IntRange(0, 4).Draw(t, "stays") > 0}
		}
		for key := range 2 {
			var line []dlq.OrderedEntry
			for offset, e := range all {
				if e.key == key {
					line = append(line, dlq.OrderedEntry{Origin: e.origin, Offset: int64(offset), Replayed: e.replayed})
				}
			}
			sorted := slices.Clone(line)
			slices.SortStableFunc(sorted, func(a, b dlq.OrderedEntry) int { return int(a.Origin - b.Origin) })
			var want []int64 // origins
			for _, e := range sorted {
				if !e.Replayed {
					break
				}
				want = append(want, e.Origin)
			}
			var got []int64
			for _, offset := range dlq.OrderOf(line) {
				got = append(got, all[offset].origin)
			}
			if !slices.Equal(got, want) {
				t.Fatalf("of %+v are replayed %v, want %v", line, got, want)
			}
		}
	})
}
