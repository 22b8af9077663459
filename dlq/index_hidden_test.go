package dlq_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/redeliver/redeliver/dlq"
	"github.com/redeliver/redeliver/dlq/indexredis"
	"github.com/redeliver/redeliver/retrytopics"
)

const (
	secretWord   = "Sesam-Oeffne-Dich"
	secretHeader = "Bearer-abc123"
)

var secrets = &dlq.Redaction{Headers: patterns(`(?i)^authorization$`), Text: patterns(secretWord, `"iban":"([A-Z0-9]+)"`)}

// secretLetters writes dead letters that hold what secrets hides, each somewhere else, and one that holds nothing of it.
func (b *bundle) secretLetters(from int64) {
	b.t.Helper()
	letter := func(n int64, key, value string, change func(*retrytopics.State), headers ...kgo.RecordHeader) *kgo.Record {
		s := death(0, from+n)
		if change != nil {
			change(&s)
		}
		return dlq.Letter(&kgo.Record{Key: []byte(key), Value: []byte(value), Headers: headers}, s, dead, 0)
	}
	b.produce(
		letter(0, "k0", `{"word":"`+secretWord+`","order":1}`, nil),
		letter(1, secretWord, "in the key", nil),
		letter(2, "k2", "in a header", nil, kgo.RecordHeader{Key: "Authorization", Value: []byte(secretHeader)}),
		letter(3, "k3", "in the text of a header", nil, kgo.RecordHeader{Key: "note", Value: []byte("say " + secretWord)}),
		letter(4, "k4", "in the error", func(s *retrytopics.State) { s.Error = "*Door.Error: " + secretWord + " does not open it" }),
		letter(5, "k5", "in an earlier error", func(s *retrytopics.State) {
			s.History = []retrytopics.Try{{N: 1, At: 1, Class: "permanent", Error: `refused: {"iban":"DE89370400440532013000"}`}}
		}),
		letter(6, "k6", "\x00\x00\x00\x00\x07\x02DE89370400440532013000", nil),
		letter(7, "k7", "nothing to hide", nil),
	)
}

// holds says which of the secrets the bytes hold.
func holds(b []byte) (found []string) {
	for _, secret := range []string{secretWord, secretHeader, "DE89370400440532013000"} {
		if bytes.Contains(b, []byte(secret)) {
			found = append(found, secret)
		}
	}
	return found
}

// Nothing that is redacted is in the bytes of an index, whether it is in a file or in Redis, also of what marks say and of segments that were put
// together; and it answers as a scan does all the same.
func TestIndexHoldsNothingHidden(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.secretLetters(0)
	damaged := letter(death(1, 0))
	damaged.Headers = append(damaged.Headers, kgo.RecordHeader{Key: retrytopics.HeaderAttempt, Value: []byte(secretWord)})
	b.produce(damaged)
	_, err := b.open().Park(b.ctx(), dlq.Discard{Filter: dlq.Filter{IDs: []string{"0-7"}}, Reason: secretWord})
	must(t, err)
	b.replay(b.open(), dlq.Replay{
		Filter: dlq.Filter{IDs: []string{"0-0"}}, SetHeaders: []kgo.RecordHeader{{Key: "authorization", Value: []byte(secretHeader)}, {Key: "n", Value: []byte(secretWord)}},
	})
	open := &indexed{b: b, path: filepath.Join(t.TempDir(), "open")}
	open.open()
	open.same(dlq.Filter{All: true})
	open.close()
	if all, err := os.ReadFile(open.path); err != nil || len(holds(all)) < 2 {
		t.Fatalf("an index without a redaction holds %v, %v: this test could not find anything", holds(all), err)
	}

	closed := &indexed{b: b, path: filepath.Join(t.TempDir(), "closed"), hides: secrets}
	closed.open()
	server := miniredis.RunT(t)
	client := indexredis.New(indexredis.Options{Address: server.Addr()})
	t.Cleanup(func() { _ = client.Close() })
	shared := &indexed{b: b, hides: secrets}
	shared.Queue = b.open(dlq.Indexed(dlq.Index{Store: client.Store("index"), Redaction: secrets}))
	for n := range 12 { // small segments, which are put together
		for _, ix := range []*indexed{closed, shared} {
			for _, f := range []dlq.Filter{
				{}, {Text: secretWord}, {Text: "nothing to"}, {Key: []byte(secretWord)}, {Key: []byte("k7")}, {Error: patterns(`Sesam.*not open`)[0]}, {IDs: []string{"0-4"}}, {Text: "DE8937"},
			} {
				if f.Status = []dlq.Status{dlq.StatusOpen}; n%4 > 0 {
					f.Limit = 3
				}
				ix.same(f)
			}
		}
		b.secretLetters(int64(8 * (n + 1)))
	}
	closed.same(dlq.Filter{Text: secretWord, Status: []dlq.Status{dlq.StatusOpen}})
	closed.close()
	all, err := os.ReadFile(closed.path)
	must(t, err)
	if found := holds(all); len(found) > 0 {
		t.Errorf("the file holds %v", found)
	}
	keys, err := server.HKeys("index")
	must(t, err)
	for _, key := range keys {
		if found := holds([]byte(server.HGet("index", key))); len(found) > 0 {
			t.Errorf("in Redis %q holds %v", key, found)
		}
	}

	closed.open()
	for e, err := range closed.Entries(b.ctx(), dlq.Filter{IDs: []string{"0-0", "0-7"}, All: true}) {
		must(t, err)
		if text := e.Mark.Reason + e.Mark.Edit; len(holds([]byte(text))) > 0 || !strings.Contains(text, dlq.Redacted) {
			t.Errorf("the mark of %s says %s", e.ID(), text)
		}
	}
	equal(t, "replayed", b.replay(closed.Queue, dlq.Replay{Filter: dlq.Filter{Text: secretWord, IDs: []string{"0-4", "0-8"}}}).Done, 2)
	if r := b.records(tier1); string(r[2].Value) != `{"word":"`+secretWord+`","order":1}` {
		t.Errorf("what was replayed is not what was there: %s", r[2].Value)
	}
	equal(t, "words", len(closed.words), 0)
}

// An index that was built with other patterns, or without any, is built anew: of the first there is nothing left.
func TestIndexOfAnotherRedactionIsBuiltAnew(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.secretLetters(0)
	ix := &indexed{b: b, path: filepath.Join(t.TempDir(), "index")}
	for i, hides := range []*dlq.Redaction{nil, secrets, {Headers: secrets.Headers}, {Headers: secrets.Text}, {}, nil} {
		ix.hides, ix.words = hides, nil
		ix.open()
		ix.same(dlq.Filter{})
		ix.close()
		all, err := os.ReadFile(ix.path)
		must(t, err)
		if found := holds(all); (len(found) > 0) == (hides == secrets) {
			t.Errorf("%d: the file holds %v", i, found)
		}
		anew := i > 0 && i < 5
		if said := strings.Contains(fmt.Sprint(ix.words), "what is redacted is not what it was"); said != anew || len(ix.words) > 1 {
			t.Errorf("%d: words %q", i, ix.words)
		}
	}
}

// What the topic has lost is not kept where a part of it is hidden: it could be neither shown nor replayed.
func TestIndexKeepsNothingHidden(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.secretLetters(0)
	ix := &indexed{b: b, path: filepath.Join(t.TempDir(), "index"), keep: time.Hour, hides: secrets}
	ix.open()
	equal(t, "entries", len(b.entries(ix.Queue, dlq.Filter{})), 8)
	b.takes(0, 8)
	for _, f := range []dlq.Filter{{}, {Text: "nothing"}} {
		kept := b.entries(ix.Queue, f)
		if len(kept) != 1 || string(kept[0].Record.Value) != "nothing to hide" {
			t.Errorf("kept: %v", kept)
		}
		stats, err := ix.Stats(b.ctx(), f)
		must(t, err)
		equal(t, "counted", stats.Entries, int64(1))
	}
	equal(t, "replayed", b.replay(ix.Queue, dlq.Replay{}).Done, int64(1))
	equal(t, "copies", len(b.records(tier1)), 1)
}

// An error that is not hidden is looked for in the index, also of a letter whose payload is: only what is looked for there is read from the topic.
func TestIndexFindsErrorsOfHiddenPayloads(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.produce(dlq.Letter(&kgo.Record{Key: []byte("k"), Value: []byte(secretWord)}, death(0, 1), dead, 0))
	ix := &indexed{b: b, path: filepath.Join(t.TempDir(), "index"), hides: secrets}
	ix.open()
	equal(t, "entries", len(b.entries(ix.Queue, dlq.Filter{})), 1)
	var fetches atomic.Int64
	b.cluster.ControlKey(kmsg.Fetch.Int16(), func(kmsg.Request) (kmsg.Response, error, bool) {
		b.cluster.KeepControl()
		fetches.Add(1)
		return nil, nil, false
	})
	equal(t, "of another error", len(b.entries(ix.Queue, dlq.Filter{Error: patterns("no such error")[0]})), 0)
	equal(t, "fetches for it", fetches.Load(), 0)
	equal(t, "with another text", len(b.entries(ix.Queue, dlq.Filter{Text: "no such text"})), 0)
	if fetches.Load() == 0 {
		t.Error("nothing was read for a text that may be in a hidden payload")
	}
}
