package dlq_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/dlq"
	"github.com/redeliver/redeliver/dlq/indexfile"
	"github.com/redeliver/redeliver/dlq/indexredis"
	"github.com/redeliver/redeliver/retrytopics"
)

// kept is an index that keeps what the topic has lost, as one command after the other has it.
type kept struct {
	b     *bundle
	store func() dlq.IndexStore // as the next command opens it
	bytes func() []byte         // of all that it consists of
	words []string
}

func (b *bundle) keptInFile() *kept {
	k := &kept{b: b}
	path := filepath.Join(b.t.TempDir(), "index")
	var file *indexfile.File
	k.store = func() dlq.IndexStore {
		if file != nil {
			must(b.t, file.Close())
		}
		file = indexfile.At(path, indexfile.Options{Warn: func(why string) { k.words = append(k.words, why) }})
		return file
	}
	k.bytes = func() []byte {
		must(b.t, file.Close())
		files, err := filepath.Glob(path + "*")
		must(b.t, err)
		equal(b.t, "files", len(files), 1)
		all, err := os.ReadFile(path)
		must(b.t, err)
		return all
	}
	b.t.Cleanup(func() { _ = file.Close() })
	return k
}

func (b *bundle) keptInRedis() *kept {
	server := miniredis.RunT(b.t)
	client := indexredis.New(indexredis.Options{Address: server.Addr()})
	b.t.Cleanup(func() { _ = client.Close() })
	return &kept{b: b, store: func() dlq.IndexStore { return client.Store("index") }, bytes: func() (all []byte) {
		keys, err := server.HKeys("index")
		must(b.t, err)
		for _, key := range keys {
			all = append(all, server.HGet("index", key)...)
		}
		return all
	}}
}

func (k *kept) open(hides *dlq.Redaction) *dlq.Queue {
	k.words = nil
	return k.on(k.store(), hides)
}

func (k *kept) on(store dlq.IndexStore, hides *dlq.Redaction) *dlq.Queue {
	return k.b.open(dlq.Indexed(dlq.Index{Store: store, Keep: time.Hour, Redaction: hides, Warn: func(why string) { k.words = append(k.words, why) }}))
}

func inBothStores(t *testing.T, test func(b *bundle, k *kept)) {
	for name, in := range map[string]func(*bundle) *kept{"file": (*bundle).keptInFile, "redis": (*bundle).keptInRedis} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			test(b, in(b))
		})
	}
}

// lines are what is told of the entries, each with its mark.
func lines(text string) map[string]bool {
	all := make(map[string]bool)
	for line := range strings.SplitSeq(text, "\n") {
		all[line] = line != ""
	}
	return all
}

// What the index keeps is there after a change of the redaction as it was, but for that of which a part is hidden now, and so is what the topic has; of
// what is hidden now nothing is left in the store, and what is hidden no more is in it again where the topic has it.
func TestIndexKeepsThroughAnotherRedaction(t *testing.T) {
	t.Parallel()
	inBothStores(t, func(b *bundle, k *kept) {
		t := b.t
		plain := func(n int64) {
			for i := range int64(3) {
				s := death(0, n+i)
				b.produce(dlq.Letter(&kgo.Record{Key: []byte("plain"), Value: []byte("nothing to hide here"), Headers: []kgo.RecordHeader{{Key: "h", Value: []byte{0xff, byte(i)}}}}, s, dead, 0))
			}
		}
		b.secretLetters(0) // 0-0 to 0-7
		plain(100)         // 0-8 to 0-10
		q := k.open(nil)
		_, err := q.Park(b.ctx(), dlq.Discard{Filter: dlq.Filter{IDs: []string{"0-9"}}, Reason: "wait"})
		must(t, err)
		_, err = q.Park(b.ctx(), dlq.Discard{Filter: dlq.Filter{IDs: []string{"0-0"}}, Reason: secretWord})
		must(t, err)
		b.replay(q, dlq.Replay{Filter: dlq.Filter{IDs: []string{"0-10"}}})
		b.secretLetters(8) // 0-11 to 0-18
		plain(200)         // 0-19 to 0-21
		// 0-22, of which the file has more pages than it needs without it
		b.produce(dlq.Letter(&kgo.Record{Value: []byte(strings.Repeat(secretWord+" ", 20_000))}, death(0, 300), dead, 0))
		before := lines(b.told(q, dlq.Filter{All: true}))
		equal(t, "entries", len(before), 23)
		b.takes(0, 11)
		equal(t, "with what is kept", len(lines(b.told(q, dlq.Filter{All: true}))), 23)

		others := &dlq.Redaction{Text: patterns(`zzz`)}
		for i, c := range []struct {
			hides   *dlq.Redaction
			entries int
			holds   int
			words   string
		}{
			{others, 22, 3, "1 dead letters that the index kept are dropped"}, // what may have to be decoded
			{nil, 22, 3, "written anew"},
			{secrets, 16, 0, "6 dead letters that the index kept are dropped"},
			{nil, 16, 3, "written anew"},
			{secrets, 16, 0, "written anew"},
			{secrets, 16, 0, ""},
		} {
			q := k.open(c.hides)
			named := b.entries(q, dlq.Filter{IDs: []string{"0-8"}}) // first of all, for which no index is built
			if len(named) != 1 || string(named[0].Record.Value) != "nothing to hide here" {
				t.Errorf("%d: named: %v", i, named)
			}
			after := lines(b.told(q, dlq.Filter{All: true}))
			equal(t, "entries", len(after), c.entries)
			for line := range after {
				if !before[line] && !strings.Contains(line, dlq.Redacted) {
					t.Errorf("%d: not as it was: %s", i, line)
				}
			}
			stats, err := q.Stats(b.ctx(), dlq.Filter{All: true})
			must(t, err)
			equal(t, "counted", stats.Entries, int64(c.entries))
			for _, p := range stats.Problems {
				if c.hides == secrets && len(holds([]byte(p.Error))) > 0 {
					t.Errorf("%d: the problem %s", i, p.Error)
				}
			}
			equal(t, "found", len(b.entries(q, dlq.Filter{All: true, Text: "hide here"})), 6)
			if found := holds(k.bytes()); len(found) != c.holds {
				t.Errorf("%d: the store holds %v", i, found)
			}
			if said := strings.Join(k.words, "\n"); !strings.Contains(said, c.words) || (c.words == "") != (said == "") || strings.Contains(said, "built anew") {
				t.Errorf("%d: words %q", i, k.words)
			}
		}
		q = k.open(secrets)
		parked := b.entries(q, dlq.Filter{IDs: []string{"0-9"}, All: true})
		if len(parked) != 1 || parked[0].Status != dlq.StatusParked || parked[0].Mark.Reason != "wait" {
			t.Errorf("what was parked: %v", parked)
		}
		equal(t, "replayed", b.replay(q, dlq.Replay{Filter: dlq.Filter{IDs: []string{"0-8", "0-10"}}}).Done, int64(1))
		r := b.records(tier1)
		last := r[len(r)-1]
		if string(last.Value) != "nothing to hide here" || string(last.Key) != "plain" || string(retrytopics.UserHeaders(last.Headers)[0].Value) != "\xff\x00" {
			t.Errorf("replayed as %q %q %q", last.Key, last.Value, last.Headers)
		}
	})
}

// What another redaction hid a part of, and the topic has lost, is not kept; what was left of it in the store goes too where it is hidden now.
func TestIndexHidesMoreOfWhatIsHidden(t *testing.T) {
	t.Parallel()
	inBothStores(t, func(b *bundle, k *kept) {
		s := death(0, 1)
		s.Error = "it is " + secretWord
		header := kgo.RecordHeader{Key: "Authorization", Value: []byte(secretHeader)}
		b.produce(dlq.Letter(&kgo.Record{Value: []byte("it is " + secretWord), Headers: []kgo.RecordHeader{header}}, s, dead, 0))
		b.secretLetters(8) // one of which is kept
		headers := &dlq.Redaction{Headers: secrets.Headers}
		equal(b.t, "entries", len(b.entries(k.open(headers), dlq.Filter{})), 9)
		b.takes(0, 9)
		equal(b.t, "kept", len(b.entries(k.open(headers), dlq.Filter{})), 7)
		equal(b.t, "kept", len(b.entries(k.open(secrets), dlq.Filter{})), 1)
		if found := holds(k.bytes()); len(found) > 0 {
			b.t.Errorf("the store holds %v", found)
		}
		equal(b.t, "kept", len(b.entries(k.open(nil), dlq.Filter{})), 1)
	})
}

var errCut = errors.New("the process was killed")

// failing is a store in which everything fails after some updates.
type failing struct {
	dlq.IndexStore
	left *int
}

func (s failing) Update(ctx context.Context, f func(dlq.IndexUpdate) error) error {
	if *s.left--; *s.left < 0 {
		return errCut
	}
	return s.IndexStore.Update(ctx, f)
}

func (s failing) Compact(ctx context.Context) error {
	if store, ok := s.IndexStore.(dlq.IndexCompactor); ok && *s.left >= 0 {
		return store.Compact(ctx)
	}
	return nil
}

// A process that ends while it writes the index anew leaves what is kept, and the next one goes on.
func TestIndexIsCutOffWhileItIsWrittenAnew(t *testing.T) {
	t.Parallel()
	inBothStores(t, func(b *bundle, k *kept) {
		for n := range int64(4) { // some segments
			b.secretLetters(8 * n)
			b.entries(k.open(nil), dlq.Filter{})
		}
		b.takes(0, 24)
		for updates := range 7 {
			left := updates
			q := k.on(failing{k.store(), &left}, secrets)
			_, err := q.Stats(b.ctx(), dlq.Filter{}) // which reads the topic then
			must(b.t, err)
		}
		k.words = nil
		equal(b.t, "entries", len(b.entries(k.open(secrets), dlq.Filter{})), 3+8)
		if found := holds(k.bytes()); len(found) > 0 {
			b.t.Errorf("the store holds %v", found)
		}
	})
}

// A process that has other patterns, and was slower, puts nothing into an index that was written anew.
func TestIndexIsNotMixedByProcessesOfOtherRedactions(t *testing.T) {
	t.Parallel()
	b := setup(t)
	k := b.keptInRedis()
	b.secretLetters(0)
	b.entries(k.open(nil), dlq.Filter{})
	b.takes(0, 8)
	b.secretLetters(8)
	slow := &overtaken{IndexStore: k.store()}
	left := 3 // the one segment, and the state twice: it is not written on by who wrote it anew
	slow.by = func() { b.entries(k.on(failing{k.store(), &left}, secrets), dlq.Filter{}) }
	equal(t, "entries", len(b.entries(k.on(slow, nil), dlq.Filter{})), 1+8)
	if said := strings.Join(k.words, "\n"); !strings.Contains(said, "written anew") {
		t.Errorf("words %q: it was not overtaken", said)
	}
	equal(t, "entries", len(b.entries(k.open(secrets), dlq.Filter{})), 1+8)
	if found := holds(k.bytes()); len(found) > 0 {
		t.Errorf("the store holds %v", found)
	}
}

// overtaken is a store in which another process does something just before the first update.
type overtaken struct {
	dlq.IndexStore
	by func()
}

func (s *overtaken) Update(ctx context.Context, f func(dlq.IndexUpdate) error) error {
	if by := s.by; by != nil {
		s.by = nil
		by()
	}
	return s.IndexStore.Update(ctx, f)
}
