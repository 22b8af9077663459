package dlq_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/dlq"
	"github.com/redeliver/redeliver/dlq/indexfile"
	"github.com/redeliver/redeliver/retrytopics"
)

// reborn is the dead letter of a record of a source that was deleted and made again, with the id of one that died before.
func reborn(partition int32, offset int64) *kgo.Record {
	s := death(partition, offset)
	s.Timestamp = time.Now().Add(time.Hour) // whenever a test began
	r := letter(s)
	r.Value = []byte("new " + s.ID)
	return r
}

// payloads are the values of entries, sorted.
func payloads(entries []dlq.Entry) (values []string) {
	for _, e := range entries {
		values = append(values, string(e.Record.Value))
	}
	slices.Sort(values)
	return values
}

// scannedAndIndexed runs a test with a queue that reads the topics and one that has an index.
func scannedAndIndexed(t *testing.T, run func(t *testing.T, b *bundle, q *dlq.Queue)) {
	t.Parallel()
	t.Run("scanned", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		run(t, b, b.open())
	})
	t.Run("indexed", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		run(t, b, b.indexed(filepath.Join(t.TempDir(), "index"), 0).Queue)
	})
}

// A source that is deleted and made again has the ids of the one before: what dies of it is an entry of its own beside one that was replayed.
func TestDeadLetterOfASourceThatWasMadeAgain(t *testing.T) {
	scannedAndIndexed(t, func(t *testing.T, b *bundle, q *dlq.Queue) {
		b.letters(2)
		b.replay(q, dlq.Replay{})
		equal(t, "open", len(b.entries(q, dlq.Filter{})), 0) // an index has read so far
		b.produce(reborn(0, 0))
		equal(t, "open", payloads(b.entries(q, dlq.Filter{})), []string{"new orders/0/0"})
		equal(t, "all", payloads(b.entries(q, dlq.Filter{All: true})), []string{"new orders/0/0", "payload of orders/0/0", "payload of orders/1/0"})
		stats, err := q.Stats(b.ctx(), dlq.Filter{})
		must(t, err)
		equal(t, "counted", stats.ByStatus[dlq.StatusOpen], int64(1))
		purged := b.purge(q, dlq.Purge{Before: time.Now().Add(time.Minute)})
		equal(t, "purged", []int{int(purged.Records), len(purged.Kept)}, []int{2, 1})
		equal(t, "left", payloads(b.entries(q, dlq.Filter{})), []string{"new orders/0/0"})
		s := b.replay(q, dlq.Replay{})
		equal(t, "replayed", []int64{s.Done, s.Replayed, s.Duplicates}, []int64{1, 0, 0})
		var sent []string
		for _, r := range b.records(tier1) {
			sent = append(sent, string(r.Value))
		}
		slices.Sort(sent)
		equal(t, "sent", sent, []string{"new orders/0/0", "payload of orders/0/0", "payload of orders/1/0"})
		equal(t, "marked", len(b.entries(q, dlq.Filter{})), 0)
	})
}

// Beside one that is open both are replayed, and what dies of them then are two entries also where both were put back to a source at once.
func TestDeadLettersOfTwoSourcesWithOneID(t *testing.T) {
	scannedAndIndexed(t, func(t *testing.T, b *bundle, q *dlq.Queue) {
		b.letters(1)
		b.produce(reborn(0, 0))
		equal(t, "open", payloads(b.entries(q, dlq.Filter{})), []string{"new orders/0/0", "payload of orders/0/0"})
		s := b.replay(q, dlq.Replay{To: dlq.Source})
		equal(t, "replayed", []int64{s.Done, s.Replayed, s.Duplicates}, []int64{2, 0, 0})
		names := make(map[string]string)
		for _, r := range b.records(origin) {
			names[header(r, retrytopics.HeaderReplay)] = string(r.Value)
			again := retrytopics.Fresh(r, "")
			again.Timestamp, again.Group, again.Attempt = time.UnixMilli(1_800_000_000_000), group, 4 // within a millisecond
			b.produce(dlq.Letter(r, again, dead, 0))
		}
		equal(t, "names", len(names), 2)
		equal(t, "died again", payloads(b.entries(q, dlq.Filter{})), []string{"new orders/0/0", "payload of orders/0/0"})
		died, err := q.DiedAgain(b.ctx(), s.Task)
		must(t, err)
		equal(t, "known as what died again", died, int64(2))
		// A mark on one of them is not one on the other.
		for _, e := range b.entries(q, dlq.Filter{}) {
			if string(e.Record.Value) == "new orders/0/0" {
				_, err := q.Discard(b.ctx(), dlq.Discard{Filter: dlq.Filter{IDs: []string{e.ID()}}})
				must(t, err)
			}
		}
		equal(t, "left", payloads(b.entries(q, dlq.Filter{})), []string{"payload of orders/0/0"})
	})
}

// diesAgain makes dead letters of what was replayed to a topic with these payloads, as the group does that handles it.
func (b *bundle) diesAgain(topic string, which ...string) {
	b.t.Helper()
	for _, r := range b.records(topic) {
		if !slices.Contains(which, string(r.Value)) {
			continue
		}
		again := retrytopics.Fresh(r, "")
		if topic != origin {
			var err error
			again, err = retrytopics.Decode(r)
			must(b.t, err)
		}
		again.Group, again.Attempt, again.Reason = group, 4, retrytopics.ReasonExhausted
		b.produce(dlq.Letter(r, again, dead, 0))
	}
}

// What died of the replay of an entry stands for that one with --again, and not for the one of another source that has its id.
func TestReplayAgainOfTwoSourcesWithOneID(t *testing.T) {
	t.Parallel()
	const elder, newer = "payload of orders/0/0", "new orders/0/0"
	for to, topic := range map[dlq.Destination]string{dlq.OwnTier: tier1, dlq.Source: origin} {
		for _, c := range []struct {
			name             string
			replayed, died   []string
			again            []string // that are sent then
			done, superseded int64
		}{
			{"the new one's", []string{elder, newer}, []string{newer}, []string{newer, elder}, 2, 1},
			{"the old one's", []string{elder, newer}, []string{elder}, []string{newer, elder}, 2, 1},
			{"both", []string{elder, newer}, []string{elder, newer}, []string{newer, elder}, 2, 2},
			{"neither", []string{elder, newer}, nil, []string{newer, elder}, 2, 0},
			{"the new one's, replayed once more", []string{elder, newer, newer}, []string{newer}, []string{newer, newer, elder}, 3, 1},
			{"the new one's beside one that was replayed twice", []string{elder, elder, newer}, []string{newer}, []string{newer, elder}, 2, 1},
			{"the new one's beside an open one", []string{newer}, []string{newer}, []string{newer, elder}, 2, 1},
			{"the old one's beside an open one", []string{elder}, []string{elder}, []string{newer, elder}, 2, 1},
		} {
			t.Run(fmt.Sprintf("%s to %s", c.name, to), func(t *testing.T) {
				scannedAndIndexed(t, func(t *testing.T, b *bundle, q *dlq.Queue) {
					b.letters(1)
					b.produce(reborn(0, 0))
					ids := make(map[string]string)
					for _, e := range b.entries(q, dlq.Filter{}) {
						ids[string(e.Record.Value)] = e.ID()
					}
					for _, one := range c.replayed {
						b.replay(q, dlq.Replay{To: to, Again: true, Filter: dlq.Filter{IDs: []string{ids[one]}}})
					}
					b.diesAgain(topic, c.died...)
					s := b.replay(q, dlq.Replay{To: to, Again: true, DryRun: true})
					equal(t, "would be replayed, superseded", []int64{s.Done, s.Superseded}, []int64{c.done, c.superseded})
					var sent []string
					s = b.replay(q, dlq.Replay{To: to, Again: true, Entry: func(e dlq.Entry, _ string) { sent = append(sent, string(e.Record.Value)) }})
					slices.Sort(sent)
					equal(t, "replayed", sent, c.again)
					equal(t, "replayed, superseded", []int64{s.Done, s.Superseded}, []int64{c.done, c.superseded})
				})
			})
		}
	}
}

// Copies of an entry are that still beside one that was born later: of a crash, a renewal, and an import.
func TestCopiesBesideALetterOfASourceThatWasMadeAgain(t *testing.T) {
	scannedAndIndexed(t, func(t *testing.T, b *bundle, q *dlq.Queue) {
		b.letters(1)
		b.produce(reborn(0, 0), letter(death(0, 0)))
		exported := b.letterLines(q)
		renewed, err := q.Renew(b.ctx(), dlq.Renew{})
		must(t, err)
		equal(t, "renewed", renewed.Done, int64(2))
		equal(t, "open", payloads(b.entries(q, dlq.Filter{})), []string{"new orders/0/0", "payload of orders/0/0"})
		b.takes(0, 3)
		_, err = q.Import(b.ctx(), exported)
		must(t, err)
		equal(t, "open", payloads(b.entries(q, dlq.Filter{})), []string{"new orders/0/0", "payload of orders/0/0"})
		s := b.replay(q, dlq.Replay{})
		equal(t, "replayed", []int64{s.Done, s.Duplicates}, []int64{2, 2})
		equal(t, "sent", len(b.records(tier1)), 2)
	})
}

// unbornMark is one of a release that noted no birth, of the entry orders/0/0 at 0/0.
func (b *bundle) unbornMark(status string, at time.Time) *kgo.Record {
	return b.ledgerRecord(fmt.Sprintf(`{"v":1,"status":%q,"at":%d,"by":"ann","run":"0196-run","id":"orders/0/0","group":"shop"}`, status, at.UnixMilli()))
}

// Marks of releases that noted no birth hold for their entries, whichever was read first, and not for what was born and died after them.
func TestMarksWithoutABirth(t *testing.T) {
	for _, first := range []string{"the mark", "the entries"} {
		t.Run(first, func(t *testing.T) {
			scannedAndIndexed(t, func(t *testing.T, b *bundle, q *dlq.Queue) {
				b.create(ledger, map[string]string{"cleanup.policy": "compact"})
				marked := time.Now().Add(-time.Hour)
				old := letter(death(0, 0))
				old.Timestamp = marked.Add(-time.Hour)
				later := reborn(0, 0)
				if first == "the mark" {
					b.produce(b.unbornMark("replayed", marked))
					equal(t, "entries", len(b.entries(q, dlq.Filter{})), 0)
				}
				b.produce(old, later)
				open := func() []string { return payloads(b.entries(q, dlq.Filter{})) }
				if first == "the entries" {
					equal(t, "open", len(open()), 2)
					b.produce(b.unbornMark("replayed", marked))
				}
				equal(t, "open", open(), []string{"new orders/0/0"})
				s := b.replay(q, dlq.Replay{})
				equal(t, "replayed", []int64{s.Done, s.Replayed}, []int64{1, 1})
				equal(t, "open", open(), []string(nil))

				// A purge that takes the old entry takes back its mark, and no other.
				b.takes(0, 1)
				equal(t, "marks taken back", b.purge(q, dlq.Purge{}).Marks, int64(1))
				equal(t, "open", open(), []string(nil))
			})
		})
	}
}

// A mark without a birth holds for what comes later too, where nothing says that it was born and died after it: of a source that was made again and filled
// with records of old timestamps. An index that read the mark with an entry says so as a scan does, whether it has that entry still or not.
func TestMarksWithoutABirthHoldForWhatIsSaidToBeOlder(t *testing.T) {
	t.Parallel()
	for _, left := range []bool{true, false} {
		t.Run(fmt.Sprintf("the entry is left %t", left), func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			b.anchor()
			ix := b.indexed(filepath.Join(t.TempDir(), "index"), 0)
			marked := time.Now().Add(-time.Hour)
			dies := func(born time.Duration, value string) {
				s := death(0, 0)
				s.Timestamp = marked.Add(born)
				r := letter(s)
				r.Value = []byte(value)
				b.produce(r)
			}
			dies(-48*time.Hour, "old")
			b.produce(b.unbornMark("replayed", marked))
			ix.same(dlq.Filter{All: true}) // it has read so far
			if !left {
				b.takes(0, 1)
				b.produce(letter(death(0, 9)))
				ix.same(dlq.Filter{All: true})
			}
			dies(-24*time.Hour, "restored")
			dies(time.Hour, "new")
			ix.same(dlq.Filter{All: true})
			ix.same(dlq.Filter{})
			equal(t, "open of that id", payloads(b.entries(ix.Queue, dlq.Filter{IDs: []string{"orders/0/0"}, Status: []dlq.Status{dlq.StatusOpen}})), []string{"new"})
		})
	}
}

// unborn is a dead letter whose headers do not say when its record was written, as those of some programs.
func unborn(r *kgo.Record) *kgo.Record {
	r.Headers = slices.DeleteFunc(r.Headers, func(h kgo.RecordHeader) bool { return h.Key == retrytopics.HeaderOriginTimestamp })
	r.Value = []byte("unborn " + string(r.Value))
	return r
}

// A mark of an entry of which nobody knows when it was born is no mark of another one that has its id and says it, whatever it says became of it; nor the other
// way round.
func TestMarkOfAnEntryThatSaysNoBirth(t *testing.T) {
	dealt := map[string]func(b *bundle, q *dlq.Queue, f dlq.Filter) error{
		"replayed": func(b *bundle, q *dlq.Queue, f dlq.Filter) error {
			_, err := q.Replay(b.ctx(), dlq.Replay{Filter: f})
			return err
		},
		"discarded": func(b *bundle, q *dlq.Queue, f dlq.Filter) error {
			_, err := q.Discard(b.ctx(), dlq.Discard{Filter: f})
			return err
		},
		"parked": func(b *bundle, q *dlq.Queue, f dlq.Filter) error {
			_, err := q.Park(b.ctx(), dlq.Discard{Filter: f})
			return err
		},
	}
	for status, deal := range dealt {
		for _, dealtWith := range []string{"unborn payload of orders/0/0", "payload of orders/0/0"} {
			t.Run(status+" "+dealtWith, func(t *testing.T) {
				scannedAndIndexed(t, func(t *testing.T, b *bundle, q *dlq.Queue) {
					b.produce(unborn(letter(death(0, 0))), letter(death(0, 0)), unborn(letter(death(0, 0))))
					var left string
					var f dlq.Filter
					for _, e := range b.entries(q, dlq.Filter{}) {
						if string(e.Record.Value) == dealtWith {
							f.IDs = []string{e.ID()}
						} else {
							left = string(e.Record.Value)
						}
					}
					must(t, deal(b, q, f))
					stands := func() {
						t.Helper()
						equal(t, "open", payloads(b.entries(q, dlq.Filter{Status: []dlq.Status{dlq.StatusOpen}})), []string{left})
						stats, err := q.Stats(b.ctx(), dlq.Filter{All: true})
						must(t, err)
						equal(t, "open by its counts", stats.ByStatus[dlq.StatusOpen], int64(1))
						waiting := 1 // for the one that is left, or parked
						if status == "parked" {
							waiting = 2
						}
						got, _ := b.awaited(b.watch(1000), 0)
						equal(t, "waited for", len(got), waiting)
					}
					stands()
					b.produce(letter(death(1, 0))) // by which an index reads on
					equal(t, "open", len(b.entries(q, dlq.Filter{Status: []dlq.Status{dlq.StatusOpen}})), 2)
				})
			})
		}
	}
}

// What was purged and is imported is open, though no header says when it was born: also where the tombstone is of a release that did not say what had been seen.
func TestWhatSaysNoBirthIsPurgedAndImported(t *testing.T) {
	for _, release := range []string{"this", "the one before"} {
		t.Run(release, func(t *testing.T) {
			scannedAndIndexed(t, func(t *testing.T, b *bundle, q *dlq.Queue) {
				b.produce(unborn(letter(death(0, 0))))
				lines := b.letterLines(q)
				b.replay(q, dlq.Replay{})
				equal(t, "open", len(b.entries(q, dlq.Filter{})), 0)
				if release == "this" {
					equal(t, "marks taken back", b.purge(q, dlq.Purge{Before: time.Now().Add(time.Minute)}).Marks, int64(1))
				} else {
					b.takes(0, 1)
					none := b.unbornMark("open", time.Now().Add(time.Second))
					none.Headers, none.Value = []kgo.RecordHeader{{Key: "redeliver-forgets", Value: none.Value}}, nil
					b.produce(none)
				}
				_, err := q.Import(b.ctx(), lines)
				must(t, err)
				equal(t, "open", payloads(b.entries(q, dlq.Filter{})), []string{"unborn payload of orders/0/0"})
				got, _ := b.awaited(b.watch(1000), 0)
				equal(t, "waited for", got, []int64{0})
			})
		})
	}
}

// A purge leaves the mark of an entry of which a copy is left, though the mark says no birth and its place is gone.
func TestPurgeLeavesMarksWithoutABirth(t *testing.T) {
	scannedAndIndexed(t, func(t *testing.T, b *bundle, q *dlq.Queue) {
		b.create(ledger, map[string]string{"cleanup.policy": "compact"})
		b.letters(1)
		b.produce(letter(death(0, 0)), b.unbornMark("discarded", time.Now().Add(-time.Second)))
		b.takes(0, 1)
		equal(t, "marks taken back", b.purge(q, dlq.Purge{}).Marks, int64(0))
		equal(t, "open", len(b.entries(q, dlq.Filter{})), 0)
	})
}

// A later mark counts, whichever of the two says no birth.
func TestMarksWithAndWithoutABirth(t *testing.T) {
	scannedAndIndexed(t, func(t *testing.T, b *bundle, q *dlq.Queue) {
		b.letters(1)
		b.create(ledger, map[string]string{"cleanup.policy": "compact"})
		b.produce(b.unbornMark("parked", time.Now()))
		status := func() dlq.Status {
			entries := b.entries(q, dlq.Filter{All: true})
			equal(t, "entries", len(entries), 1)
			return entries[0].Status
		}
		equal(t, "status", status(), dlq.StatusParked)
		_, err := q.Reopen(b.ctx(), dlq.Discard{Filter: dlq.Filter{IDs: []string{"orders/0/0"}}})
		must(t, err)
		equal(t, "status", status(), dlq.StatusOpen)
		b.produce(b.unbornMark("discarded", time.Now().Add(time.Minute)))
		equal(t, "status", status(), dlq.StatusDiscarded)
	})
}

// To a consumer that holds keys a dead letter waits whose source was made again, whatever became of the one before.
func TestWatchOfASourceThatWasMadeAgain(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.letters(6)
	b.replay(b.open(), dlq.Replay{Filter: dlq.Filter{IDs: []string{"orders/0/0"}}})
	b.produce(reborn(0, 0))
	for _, chunk := range []int{1, 3, 1000} {
		got, _ := b.awaited(b.watch(chunk), 0)
		equal(t, fmt.Sprintf("to be dealt with, asked for every %d", chunk), got, []int64{1, 0})
	}
}

// To a consumer that holds keys a dead letter waits that was purged, with its mark, and imported again, as `list` says.
func TestWatchOfWhatWasPurgedAndImported(t *testing.T) {
	t.Parallel()
	for _, unborn := range []bool{false, true} { // the mark is of a release that noted no birth
		t.Run(fmt.Sprintf("unborn %t", unborn), func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			b.create(ledger, map[string]string{"cleanup.policy": "compact"})
			q := b.open()
			b.letters(1)
			lines := b.letterLines(q)
			if unborn {
				b.produce(b.unbornMark("replayed", time.Now().Add(-time.Second)))
			} else {
				b.replay(q, dlq.Replay{})
			}
			equal(t, "marks taken back", b.purge(q, dlq.Purge{Before: time.Now().Add(time.Minute)}).Marks, int64(1))
			_, err := q.Import(b.ctx(), lines)
			must(t, err)
			equal(t, "open", len(b.entries(q, dlq.Filter{})), 1)
			got, _ := b.awaited(b.watch(1000), 0)
			equal(t, "waited for", got, []int64{0})

			// The tombstone of a mark without a birth takes back no mark that has one.
			b.discard(dlq.Filter{})
			none := b.unbornMark("open", time.Now().Add(time.Minute))
			none.Headers, none.Value = []kgo.RecordHeader{{Key: "redeliver-forgets", Value: none.Value}}, nil
			b.produce(none)
			equal(t, "open", len(b.entries(q, dlq.Filter{})), 0)
			got, _ = b.awaited(b.watch(1000), 0)
			equal(t, "waited for", got, []int64(nil))
		})
	}
}

// Kafka Connect puts the time of the record of its source on the dead letter, by which one of a source that was made again is told from the one before. A
// copy that was written after a crash, carried forward or imported is the same entry.
func TestDeadLettersOfConnectOfASourceThatWasMadeAgain(t *testing.T) {
	t.Parallel()
	connects := func(value string, written time.Time) *kgo.Record {
		r := foreignLetter(retrytopics.Connect, 0, 0, "closed")
		r.Value, r.Timestamp = []byte(value), written
		return r
	}
	for _, by := range []string{"scan", "index"} {
		t.Run("by "+by, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			must(t, b.cluster.CreateTopic(springDLT, 1, nil))
			q := b.openForeign()
			if by == "index" {
				file := indexfile.At(filepath.Join(t.TempDir(), "index"), indexfile.Options{})
				t.Cleanup(func() { _ = file.Close() })
				var err error
				q, err = dlq.Open(b.connect(), springDLT, dlq.ForGroup(group), dlq.AnyGroup(), dlq.Indexed(dlq.Index{Store: file}))
				must(t, err)
			}
			elder := time.Now().Add(-time.Hour)
			b.produce(connects("old", elder), connects("old", elder))
			equal(t, "open", payloads(b.entries(q, dlq.Filter{})), []string{"old"})
			renewed, err := q.Renew(b.ctx(), dlq.Renew{})
			must(t, err)
			equal(t, "renewed", renewed.Done, int64(1))
			_, err = q.Import(b.ctx(), b.letterLines(q))
			must(t, err)
			equal(t, "copies of one entry", payloads(b.entries(q, dlq.Filter{})), []string{"old"})
			_, err = q.Discard(b.ctx(), dlq.Discard{})
			must(t, err)
			b.produce(connects("new", time.Now().Add(time.Hour)))
			equal(t, "open", payloads(b.entries(q, dlq.Filter{})), []string{"new"})
			p := b.purge(q, dlq.Purge{Before: time.Now().Add(2 * time.Hour)})
			equal(t, "purged, kept", []int{int(p.Records), len(p.Kept)}, []int{4, 1})
			equal(t, "left", payloads(b.entries(q, dlq.Filter{})), []string{"new"})
		})
	}
}

// What died of an entry that an earlier release replayed, which put no birth into names, is its failure still, to who goes on with the replay and to who counts.
func TestOutcomeOfWhatAnEarlierReleaseReplayed(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.create(ledger, map[string]string{"cleanup.policy": "compact"})
	b.letters(1)
	started, err := b.open().Start(b.ctx(), dlq.Replay{Wait: true})
	must(t, err)
	s := death(0, 0)
	s.Timestamp = time.Time{}
	name := dlq.NameOfReplay(started.ID, s)
	b.produce(b.ledgerRecord(fmt.Sprintf(`{"v":1,"status":"replayed","at":%d,"run":%q,"to":%q,"id":"orders/0/0","group":"shop"}`, time.Now().UnixMilli(), started.ID, tier1)))
	again := death(0, 0)
	again.Replays, again.Replay = 1, name
	b.produce(letter(again))
	summary := b.resume(started.ID)
	equal(t, "replayed earlier, failed", []int64{summary.Earlier, summary.Failed}, []int64{1, 1})
	died, err := b.open().DiedAgain(b.ctx(), started.ID)
	must(t, err)
	equal(t, "died again", died, int64(1))
}
