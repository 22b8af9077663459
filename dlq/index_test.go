package dlq_test

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/classify"
	"github.com/redeliver/redeliver/dlq"
	"github.com/redeliver/redeliver/dlq/indexfile"
	"github.com/redeliver/redeliver/retrytopics"
)

// indexed is a queue with an index in a file.
type indexed struct {
	*dlq.Queue
	b     *bundle
	path  string
	keep  time.Duration
	hides *dlq.Redaction
	file  *indexfile.File
	words []string
	read  int64 // records, by the last call that had to catch up
}

func (b *bundle) indexed(path string, keep time.Duration) *indexed {
	b.t.Helper()
	ix := &indexed{b: b, path: path, keep: keep}
	ix.open()
	b.t.Cleanup(func() { _ = ix.file.Close() })
	return ix
}

func (ix *indexed) open() {
	ix.b.t.Helper()
	warn := func(why string) { ix.words = append(ix.words, why) }
	ix.file = indexfile.At(ix.path, indexfile.Options{Patience: time.Second, Warn: warn})
	ix.Queue = ix.b.open(dlq.Indexed(dlq.Index{
		Store: ix.file, Keep: ix.keep, Redaction: ix.hides, Warn: warn, Progress: func(read, _ int64) { ix.read = read },
	}))
}

func (ix *indexed) close() {
	ix.b.t.Helper()
	if err := ix.file.Close(); err != nil {
		ix.b.t.Fatal(err)
	}
}

// told is an entry with all that is said of it.
func told(e dlq.Entry) string {
	record, _ := json.Marshal(e.Export())
	return fmt.Sprintf("%s %v %v %+v %+v %v %v %v %s", e.ID(), e.At.UnixMilli(), e.Status, e.Mark, e.State, e.Dialect, e.Err, e.Fingerprint(), record)
}

func (b *bundle) told(q *dlq.Queue, f dlq.Filter) string {
	b.t.Helper()
	var lines []string
	for _, e := range b.entries(q, f) {
		lines = append(lines, told(e))
	}
	return strings.Join(lines, "\n")
}

// same holds an index to the answers of a scan.
func (ix *indexed) same(f dlq.Filter) {
	b, scanned := ix.b, ix.b.open()
	b.t.Helper()
	if got, want := b.told(ix.Queue, f), b.told(scanned, f); got != want {
		b.t.Fatalf("entries of %+v:\nby the index\n%s\nby a scan\n%s", f, got, want)
	}
	got, err := ix.Stats(b.ctx(), f)
	if err != nil {
		b.t.Fatal(err)
	}
	want, err := scanned.Stats(b.ctx(), f)
	if err != nil {
		b.t.Fatal(err)
	}
	for i := range got.Problems { // whose texts are without what is hidden
		if ix.hides != nil && i < len(want.Problems) {
			got.Problems[i].Error, want.Problems[i].Error = "", ""
		}
	}
	if g, w := fmt.Sprintf("%+v", got), fmt.Sprintf("%+v", want); g != w {
		b.t.Fatalf("stats of %+v:\nby the index\n%s\nby a scan\n%s", f, g, w)
	}
}

var randomErrors = []string{
	"syscall.Errno: connection refused", "*url.Error: order 4711 not found", "*url.Error: order 99 not found", "*errors.errorString: zu früh: 15ms", "",
}

// randomLetter may be a copy of an earlier one, be of another group, or have died before the one before it.
func randomLetter(r *rand.Rand, n int) *kgo.Record {
	s := death(int32(r.IntN(3)), int64(n))
	if r.IntN(8) == 0 {
		s.Offset = int64(r.IntN(n + 1))
		s.ID = retrytopics.FormatID("", origin, s.Partition, s.Offset)
		if r.IntN(4) > 0 { // else the source was made again
			s.Timestamp = death(s.Partition, s.Offset).Timestamp
		}
	}
	s.Class = classify.Classes()[r.IntN(3)]
	s.Reason = retrytopics.Reasons()[r.IntN(3)]
	s.Error = randomErrors[r.IntN(len(randomErrors))]
	s.Severity = classify.Severities()[r.IntN(2)]
	if r.IntN(10) == 0 {
		s.Group = "another"
	}
	s.Replays = r.IntN(2)
	if r.IntN(4) == 0 { // anew, where it was dealt with before
		s.FirstFailed = time.Now().Add(2 * time.Minute)
	}
	letter := letter(s)
	letter.Timestamp = time.UnixMilli(1_700_000_000_000 + int64(n)*20_000 + int64(r.IntN(60_000)))
	if r.IntN(6) == 0 {
		letter = unborn(letter)
	}
	switch r.IntN(8) {
	case 0:
		letter.Key = nil
	case 1:
		letter.Value = nil
	case 2:
		letter.Value, letter.Headers = []byte{}, nil // another program's
	case 3:
		letter.Headers = append(letter.Headers, kgo.RecordHeader{Key: "trace"}, kgo.RecordHeader{Key: "", Value: []byte{}})
	}
	return letter
}

func randomFilter(r *rand.Rand, n int) dlq.Filter {
	f := dlq.Filter{All: r.IntN(2) == 0}
	at := func() time.Time { return time.UnixMilli(1_700_000_000_000 + int64(r.IntN(n+3))*20_000) }
	switch r.IntN(13) {
	case 0:
		f.Class = classify.Classes()[r.IntN(3)]
	case 1:
		f.Reason = retrytopics.Reasons()[r.IntN(3)]
	case 2:
		f.Severity = classify.Severities()[r.IntN(2)]
	case 3:
		f.Since = at()
	case 4:
		f.Until = at()
	case 5:
		f.Key = fmt.Appendf(nil, "key-%d", r.IntN(n+1))
	case 6:
		f.Error = []*regexp.Regexp{regexp.MustCompile(`order \d+ not`), regexp.MustCompile(`refused|FRÜH|früh`), regexp.MustCompile(`(?i)ORDER`), regexp.MustCompile(`^$`)}[r.IntN(4)]
	case 7:
		f.Text = []string{"payload of", "früh", "/1/7", "nowhere"}[r.IntN(4)]
	case 8:
		f.IDs = []string{fmt.Sprintf("%d-%d", r.IntN(3), r.IntN(n+1)), fmt.Sprintf("%d-%d", r.IntN(3), r.IntN(n+1))}
	case 9:
		f.IDs = []string{retrytopics.FormatID("", origin, int32(r.IntN(3)), int64(r.IntN(n+1)))}
	case 11:
		f.ExpiringBefore = time.UnixMilli(1_700_000_000_000 + 172_800_000_000 + int64(r.IntN(n+3))*20_000)
	case 10:
		f.Topic = []string{origin, "nothing"}[r.IntN(2)]
	}
	if r.IntN(3) == 0 && !f.All {
		f.Status = []dlq.Status{dlq.Statuses()[r.IntN(5)]}
	}
	if r.IntN(4) == 0 {
		f.Limit = 1 + r.IntN(10)
	}
	return f
}

// Whatever is written to the topics, also while the index is closed: it answers as a scan does.
func TestIndexAnswersAsAScanDoes(t *testing.T) {
	t.Parallel()
	redactions := []*dlq.Redaction{nil, {Text: patterns(`order \d+`, `/1/\d*7`, `key-\d*3`)}, {Headers: patterns(`^trace$`)}, nil, {Text: patterns(`payload.*`)}, nil}
	for seed, redaction := range redactions {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			r := rand.New(rand.NewPCG(uint64(seed), 0))
			b := setup(t)
			c := &changes{bundle: b, r: r}
			ix := &indexed{b: b, path: filepath.Join(t.TempDir(), "index"), hides: redaction}
			ix.open()
			t.Cleanup(func() { _ = ix.file.Close() })
			for range 14 {
				if r.IntN(4) == 0 {
					ix.close()
				}
				for range 1 + r.IntN(3) {
					c.change()
				}
				if r.IntN(4) == 0 {
					_ = ix.file.Close()
					ix.open()
				} else if err := ix.file.Close(); err == nil {
					ix.open()
				}
				for range 6 {
					ix.same(randomFilter(r, c.written))
				}
			}
			ix.same(dlq.Filter{All: true})
			if len(ix.words) > 0 {
				t.Errorf("words: %q", ix.words)
			}
		})
	}
}

// changes are random ones of a queue.
type changes struct {
	*bundle
	r        *rand.Rand
	written  int           // letters
	exported []*kgo.Record // some of these
}

// change does something to the queue.
func (c *changes) change() {
	b, r, written := c.bundle, c.r, c.written
	b.t.Helper()
	q := b.open()
	f := randomFilter(r, written)
	f.Limit, f.All = 0, false
	switch n := r.IntN(11); n {
	case 0:
		b.replay(q, dlq.Replay{Filter: f})
	case 1:
		if _, err := q.Discard(b.ctx(), dlq.Discard{Filter: f, Reason: "random"}); err != nil {
			b.t.Fatal(err)
		}
	case 2:
		if _, err := q.Park(b.ctx(), dlq.Discard{Filter: f}); err != nil {
			b.t.Fatal(err)
		}
	case 3: // retention
		starts, err := b.admin.ListStartOffsets(b.ctx(), dead)
		if err != nil {
			b.t.Fatal(err)
		}
		ends, err := b.admin.ListEndOffsets(b.ctx(), dead)
		if err != nil {
			b.t.Fatal(err)
		}
		partition := int32(r.IntN(3))
		start, end := starts[dead][partition].Offset, ends[dead][partition].Offset
		var offsets kadm.Offsets = make(kadm.Offsets)
		offsets.Add(kadm.Offset{Topic: dead, Partition: partition, At: start + (end-start)/4})
		if _, err := b.admin.DeleteRecords(b.ctx(), offsets); err != nil {
			b.t.Fatal(err)
		}
	case 5:
		if _, err := q.Renew(b.ctx(), dlq.Renew{Filter: f}); err != nil && !errors.Is(err, dlq.ErrRenewedAgain) {
			b.t.Fatal(err)
		}
	case 6:
		retention := []string{"-1", "3600000", "172800000000"}[r.IntN(3)]
		if _, err := b.admin.AlterTopicConfigs(b.ctx(), []kadm.AlterConfig{{Name: "retention.ms", Value: &retention}}, dead); err != nil {
			b.t.Fatal(err)
		}
	case 4: // which takes marks back
		p := dlq.Purge{IncludeOpen: r.IntN(4) == 0}
		if r.IntN(2) == 0 {
			p.Before = time.UnixMilli(1_700_000_000_000 + int64(r.IntN(written+3))*20_000)
		}
		b.purge(q, p)
	case 9: // a mark of a release that noted no births
		c.marksUnborn(q)
	case 8: // an import of what is there, or was
		if all := b.records(dead); len(all) > 0 {
			slices.SortFunc(all, func(a, b *kgo.Record) int {
				return cmp.Or(cmp.Compare(a.Partition, b.Partition), cmp.Compare(a.Offset, b.Offset))
			})
			c.exported = append(c.exported, all[r.IntN(len(all))])
		}
		for _, was := range c.exported {
			if r.IntN(2) == 0 {
				b.produce(&kgo.Record{Topic: dead, Partition: was.Partition, Key: was.Key, Value: was.Value, Headers: was.Headers, Timestamp: was.Timestamp})
			}
		}
	default:
		count := 1 + r.IntN(40)
		records := make([]*kgo.Record, count)
		for i := range records {
			records[i] = randomLetter(r, written+i)
		}
		b.produce(records...)
		c.written += count
	}
}

// marksUnborn writes a mark of a release that noted no births, of one of the entries.
func (c *changes) marksUnborn(q *dlq.Queue) {
	c.t.Helper()
	entries := c.entries(q, dlq.Filter{All: true})
	if len(entries) == 0 || c.cluster.TopicInfo(ledger) == nil {
		return
	}
	e := &entries[c.r.IntN(len(entries))]
	id, status := c.cluster.TopicInfo(dead).TopicID, []string{"replayed", "discarded", "parked"}[c.r.IntN(3)]
	c.produce(&kgo.Record{
		Topic: ledger, Partition: e.Partition, Key: fmt.Appendf(nil, "%s/%d/%d", base64.RawURLEncoding.EncodeToString(id[:]), e.Partition, e.Offset),
		Value: fmt.Appendf(nil, `{"v":1,"status":%q,"at":%d,"by":"ann","run":"0196-run","id":%q,"group":%q,"replays":%d,"replay":%q}`,
			status, time.Now().UnixMilli(), e.State.ID, e.State.Group, e.State.Replays, e.State.Replay),
	})
}

// A list reads the records of what it shows, and not of all that have copies: these are known by what decides about them, also where it is hidden.
func TestListReadsNoCopiesThatItDoesNotShow(t *testing.T) {
	t.Parallel()
	for name, hides := range map[string]*dlq.Redaction{"nothing is hidden": nil, "all is hidden": {Text: patterns(`payload.*`)}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			b.letters(60)
			b.letters(60)
			one := death(0, 30)
			one.Class = classify.Validation
			b.produce(letter(one))
			ix := b.indexed(filepath.Join(t.TempDir(), "index"), 0)
			ix.hides = hides
			ix.close()
			ix.open()
			store := watch(ix.file)
			q := b.open(dlq.Indexed(dlq.Index{Store: store, Redaction: hides}))
			must(t, q.CatchUp(b.ctx()))
			store.records()
			equal(t, "of a class that none has", len(b.entries(q, dlq.Filter{Class: classify.System})), 0)
			equal(t, "records read", store.records(), []string(nil))
			b.discard(dlq.Filter{IDs: []string{"orders/0/1"}})
			for _, f := range []dlq.Filter{{Class: classify.Validation}, {Class: classify.Network}, {Status: []dlq.Status{dlq.StatusDiscarded}}, {}} {
				ix.same(f)
				ix.same(dlq.Filter{Class: f.Class, Status: f.Status, Limit: 3})
			}
		})
	}
}

// What is known is not read again, and what is not is.
func TestIndexReadsOn(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.letters(30)
	ix := b.indexed(filepath.Join(t.TempDir(), "deep", "index"), 0)
	equal(t, "entries", len(b.entries(ix.Queue, dlq.Filter{})), 30)
	equal(t, "read", ix.read, 30)
	ix.read = 0
	ix.same(dlq.Filter{})
	equal(t, "read again", ix.read, 0)
	ix.close()
	b.produce(letter(death(1, 100)))
	ix.open()
	equal(t, "entries", len(b.entries(ix.Queue, dlq.Filter{})), 31)
	equal(t, "read after it was opened again", ix.read, 1)
}

// An entry whose place is known is shown and replayed without an index that would have to be built first.
func TestAColdIndexIsNotBuiltForOneEntry(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.letters(30)
	ix := b.indexed(filepath.Join(t.TempDir(), "index"), 0)
	e, err := ix.Entry(b.ctx(), "1-4")
	must(t, err)
	equal(t, "shown", e.State.ID, death(1, 4).ID)
	equal(t, "replayed", b.replay(ix.Queue, dlq.Replay{Filter: dlq.Filter{IDs: []string{"1-4", "2-0"}}}).Done, 2)
	equal(t, "read for the index", ix.read, 0)
	equal(t, "found by its origin", len(b.entries(ix.Queue, dlq.Filter{IDs: []string{death(1, 5).ID}})), 1)
	if ix.read == 0 {
		t.Error("the index was not built for an origin, which may be anywhere")
	}
	e, err = ix.Entry(b.ctx(), "1-4")
	must(t, err)
	equal(t, "status", e.Status, dlq.StatusReplayed)
}

// A file that is damaged, foreign or gone is built anew, and said to be where it was there.
func TestIndexIsBuiltAnew(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(t *testing.T, path string) (word string){
		"gone": func(t *testing.T, path string) string { must(t, os.Remove(path)); return "" },
		"foreign": func(t *testing.T, path string) string {
			must(t, os.WriteFile(path, []byte("SQLite format 3"), 0o600))
			return "no index"
		},
		"short": func(t *testing.T, path string) string {
			must(t, os.Truncate(path, 3*int64(os.Getpagesize())))
			return "anew"
		},
		"another byte": func(t *testing.T, path string) string {
			content, err := os.ReadFile(path)
			must(t, err)
			at := bytes.Index(content, []byte("connection refused"))
			for ; at >= 0; at = bytes.Index(content, []byte("connection refused")) {
				content[at] = 'k'
			}
			must(t, os.WriteFile(path, content, 0o600))
			return "damaged"
		},
		"another release": func(t *testing.T, path string) string {
			file := indexfile.At(path, indexfile.Options{})
			defer file.Close()
			must(t, file.Update(t.Context(), func(u dlq.IndexUpdate) error {
				return u.Put("meta", dlq.SealedForTest([]byte(`{"Version":99,"Letters":[]}`)))
			}))
			return "another release"
		},
		"no kinds": withoutPart("kinds"), "no provenances": withoutPart("from"),
		"columns": segmentPart("c"), "marks": segmentPart("m"), "errors": segmentPart("e"), "values": segmentPart("v"), "records": segmentPart("r"), "grams of errors": segmentPart("g"), "grams of values": segmentPart("w"), "pairs of errors": segmentPart("p"), "pairs of values": segmentPart("q"), "tallies": segmentPart("t"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			b.letters(300)
			b.replay(b.open(), dlq.Replay{Filter: dlq.Filter{Limit: 2}})
			ix := b.indexed(filepath.Join(t.TempDir(), "index"), 0)
			ix.same(dlq.Filter{})
			ix.close()
			whole := ix.read
			word := spoil(t, ix.path)
			ix.read = 0
			ix.open()
			ix.same(dlq.Filter{Text: "payload"})
			ix.same(dlq.Filter{Text: "refused"})
			ix.same(dlq.Filter{Text: "pay"})
			ix.same(dlq.Filter{All: true})
			equal(t, "read", ix.read, whole)
			if said := strings.Join(ix.words, "; "); (said == "") != (word == "") || !strings.Contains(said, word) {
				t.Errorf("words: got %q, want %q", said, word)
			}
		})
	}
}

// withoutPart takes out what all of the index needs.
func withoutPart(name string) func(*testing.T, string) string {
	return func(t *testing.T, path string) string {
		file := indexfile.At(path, indexfile.Options{})
		defer file.Close()
		must(t, file.Update(t.Context(), func(u dlq.IndexUpdate) error { return u.Delete(name) }))
		return "damaged: some of " + name + " is not there"
	}
}

// segmentPart spoils a part of the second segment.
func segmentPart(part string) func(*testing.T, string) string {
	return func(t *testing.T, path string) string {
		file := indexfile.At(path, indexfile.Options{})
		defer file.Close()
		must(t, file.Update(t.Context(), func(u dlq.IndexUpdate) error {
			got, err := u.Get(part + "2")
			if err != nil || got[0] == nil {
				return fmt.Errorf("part %s: %w", part, err)
			}
			spoilt := bytes.Clone(got[0])
			spoilt[len(spoilt)/2] ^= 1
			return u.Put(part+"2", spoilt)
		}))
		return "damaged"
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// A topic that is deleted and made again starts clean; a ledger too.
func TestIndexOfATopicMadeAgain(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.letters(9)
	b.replay(b.open(), dlq.Replay{Filter: dlq.Filter{Limit: 4}})
	ix := b.indexed(filepath.Join(t.TempDir(), "index"), 0)
	ix.same(dlq.Filter{})
	again := func(topic string) {
		t.Helper()
		if _, err := b.admin.DeleteTopics(b.ctx(), topic); err != nil {
			t.Fatal(err)
		}
		if _, err := b.admin.CreateTopics(b.ctx(), 3, 1, nil, topic); err != nil {
			t.Fatal(err)
		}
	}
	again(ledger)
	equal(t, "open with a new ledger", len(b.entries(ix.Queue, dlq.Filter{})), 9)
	equal(t, "words", ix.words, []string{ledger + " was deleted: what had been replayed, discarded or parked of " + dead + " is open again, for nothing else knew of it"})
	ix.words = nil
	again(ledger) // in which nothing stood
	equal(t, "open once more", len(b.entries(ix.Queue, dlq.Filter{})), 9)
	equal(t, "words of an empty one", len(ix.words), 0)
	again(dead)
	b.client = b.connect()
	b.letters(5)
	ix.close()
	ix.open()
	ix.same(dlq.Filter{All: true})
	if len(ix.words) != 1 || !strings.Contains(ix.words[0], "made again") {
		t.Errorf("words: %q", ix.words)
	}
}

// A process that finds the file open elsewhere reads the topics, and says so.
func TestIndexOfTwoProcesses(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ix := b.indexed(filepath.Join(t.TempDir(), "index"), 0)
	b.letters(3)
	ix.same(dlq.Filter{})
	other := b.indexed(ix.path, 0)
	other.same(dlq.Filter{})
	if len(other.words) == 0 || !strings.Contains(other.words[0], indexfile.ErrBusy.Error()) {
		t.Errorf("words: %q", other.words)
	}
}

// A replay with a filter takes from the index what it would have read, and does the same.
func TestReplayByIndex(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 1))
	b := setup(t)
	var records []*kgo.Record
	for i := range 200 {
		records = append(records, randomLetter(r, i))
	}
	b.produce(records...)
	ix := b.indexed(filepath.Join(t.TempDir(), "index"), 0)
	for _, f := range []dlq.Filter{{Class: classify.Network}, {Text: "payload of " + origin + "/1/"}, {IDs: []string{"0-3"}}, {}} {
		would, err := b.open().Replay(b.ctx(), dlq.Replay{Filter: f, DryRun: true})
		must(t, err)
		did := b.replay(ix.Queue, dlq.Replay{Filter: f})
		equal(t, fmt.Sprintf("counts of %+v", f), []int64{did.Matched, did.Done, did.Replayed, did.Duplicates, did.OtherGroup, did.Limited},
			[]int64{would.Matched, would.Done, would.Replayed, would.Duplicates, would.OtherGroup, would.Limited})
		ix.same(dlq.Filter{All: true})
	}
	ids := b.ids(tier1)
	equal(t, "replayed once", len(slices.Compact(slices.Clone(ids))) == len(ids) || len(ids) > 0, true)
}

// What the topic has lost is kept as long as it is told, listed, shown and replayed, once.
func TestIndexKeeps(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.letters(30)
	old := letter(death(2, 500))
	old.Timestamp = time.Now().Add(-48 * time.Hour)
	b.produce(old)
	ix := b.indexed(filepath.Join(t.TempDir(), "index"), time.Hour)
	want := b.told(b.open(), dlq.Filter{Until: time.Now().Add(time.Hour), Since: time.Now().Add(-time.Hour)})
	ix.same(dlq.Filter{})
	ends, err := b.admin.ListEndOffsets(b.ctx(), dead)
	must(t, err)
	if _, err := b.admin.DeleteRecords(b.ctx(), ends.Offsets()); err != nil {
		t.Fatal(err)
	}
	equal(t, "scanned", len(b.entries(b.open(), dlq.Filter{})), 0)
	if got := b.told(ix.Queue, dlq.Filter{}); got != want {
		t.Errorf("kept:\n%s\nwant\n%s", got, want)
	}
	equal(t, "kept, by time", b.told(ix.Queue, dlq.Filter{Since: time.Now().Add(-time.Hour)}), want)
	stats, err := ix.Stats(b.ctx(), dlq.Filter{})
	must(t, err)
	equal(t, "counted", stats.Entries, 30)
	id := death(1, 4).ID
	e, err := ix.Entry(b.ctx(), id)
	must(t, err)
	equal(t, "shown", string(e.Record.Value), "payload of "+id)

	equal(t, "replayed", b.replay(ix.Queue, dlq.Replay{Filter: dlq.Filter{IDs: []string{id}}}).Done, 1)
	equal(t, "replayed, the rest", b.replay(ix.Queue, dlq.Replay{}).Done, 29)
	equal(t, "replayed again", b.replay(ix.Queue, dlq.Replay{}).Done, 0)
	equal(t, "copies", b.ids(tier1), originIDs(30))
	equal(t, "left", len(b.entries(ix.Queue, dlq.Filter{})), 0)
}
