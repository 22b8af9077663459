package dlq_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

	"github.com/redeliver/redeliver/dlq"
	"github.com/redeliver/redeliver/dlq/indexfile"
	"github.com/redeliver/redeliver/dlq/indexredis"
)

// updating is a store that something happens to before it is changed for the nth time.
type updating struct {
	dlq.IndexStore
	updates *int
	before  func(n int) error
}

func (s updating) Update(ctx context.Context, f func(dlq.IndexUpdate) error) error {
	*s.updates++
	if err := s.before(*s.updates); err != nil {
		return err
	}
	return s.IndexStore.Update(ctx, f)
}

// What a process has read stands in no index that another one has begun since, which would lack what was read before.
func TestIndexThatIsBegunAnewWhileItIsReadOn(t *testing.T) {
	t.Parallel()
	for name, last := range map[string]int{"and begun": 1, "and built": 9} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			b.letters(300)
			server := miniredis.RunT(t)
			client := indexredis.New(indexredis.Options{Address: server.Addr()})
			t.Cleanup(func() { _ = client.Close() })
			store := client.Store("index")
			equal(t, "indexed", len(b.entries(b.open(dlq.Indexed(dlq.Index{Store: store})), dlq.Filter{})), 300)
			for i := range 90 {
				b.produce(letter(death(0, int64(1000+i))))
			}
			other := b.open(dlq.Indexed(dlq.Index{Store: updating{store, new(int), func(n int) error {
				if n > last {
					return errSevered
				}
				return nil
			}}}))
			slow := b.open(dlq.Indexed(dlq.Index{Store: updating{store, new(int), func(n int) error {
				if n == 1 {
					server.FlushAll()
					_, err := other.Stats(b.ctx(), dlq.Filter{})
					return err
				}
				return nil
			}}}))
			want := b.told(b.open(), dlq.Filter{})
			for range 2 {
				if got := b.told(slow, dlq.Filter{}); got != want {
					t.Fatalf("by the index %d entries, by a scan %d", strings.Count(got, "\n")+1, strings.Count(want, "\n")+1)
				}
			}
		})
	}
}

// Who reads a topic by an index that is of the one made in its place ends, and leaves that index alone.
func TestIndexOfATopicMadeAgainWhileItIsRead(t *testing.T) {
	t.Parallel()
	for name, read := range map[string]func(b *bundle, q *dlq.Queue, again func()) error{
		"entries": func(b *bundle, q *dlq.Queue, again func()) error {
			n := 0
			for _, err := range q.Entries(b.ctx(), dlq.Filter{}) {
				if err != nil {
					return err
				}
				if n++; n == 1 {
					again()
				}
			}
			return fmt.Errorf("read %d", n)
		},
		"replay": func(b *bundle, q *dlq.Queue, again func()) error {
			made := false
			s, err := q.Replay(b.ctx(), dlq.Replay{Rate: 3000, Filter: dlq.Filter{Error: regexp.MustCompile("")}, Progress: func(p dlq.Progress) {
				if p.Done > 0 && !made {
					made = true
					again()
				}
			}})
			if err == nil {
				err = fmt.Errorf("replayed %d", s.Done)
			}
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			b.letters(9000)
			server := miniredis.RunT(t)
			var words []string
			ix := b.redisIndexed(server.Addr(), 0, &words)
			ix.entriesOf(9000)
			var anew *indexed
			err := read(b, ix.Queue, func() {
				must(t, b.cluster.DeleteTopic(dead))
				must(t, b.cluster.CreateTopic(dead, 3, nil))
				b.client = b.connect()
				b.letters(9000)
				anew = b.redisIndexed(server.Addr(), 0, new([]string))
				anew.entriesOf(9000)
			})
			if !errors.As(err, new(*dlq.TopicDeletedError)) {
				t.Errorf("it ended with %v", err)
			}
			anew.read = 0
			anew.entriesOf(9000)
			if said := strings.Join(words, "; "); anew.read >= 9000 || strings.Contains(said, "anew") { // some were read of the ledger, in which the replay has ended
				t.Errorf("for the index of the new topic %d records were read once more: %s", anew.read, said)
			}
		})
	}
}

func (ix *indexed) entriesOf(n int) {
	ix.b.t.Helper()
	equal(ix.b.t, "entries", len(ix.b.entries(ix.Queue, dlq.Filter{})), n)
}

// An index of a newer release that keeps what the topic has lost is left to that one.
func TestIndexOfANewerReleaseThatKeeps(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		meta  string
		keep  time.Duration
		built bool
	}{
		"as it says":            {`{"Version":99,"Keep":3600000000000,"Letters":[]}`, 0, false},
		"as we say":             {`{"Version":99,"Letters":[]}`, time.Hour, false},
		"nothing is kept":       {`{"Version":99,"Letters":[]}`, 0, true},
		"of an earlier release": {`{"Version":3,"Keep":3600000000000,"Letters":[]}`, time.Hour, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			b.letters(30)
			ix := b.indexed(filepath.Join(t.TempDir(), "index"), c.keep)
			meta := dlq.SealedForTest([]byte(c.meta))
			must(t, ix.file.Update(b.ctx(), func(u dlq.IndexUpdate) error { return u.Put("meta", meta) }))
			equal(t, "entries", len(b.entries(ix.Queue, dlq.Filter{})), 30)
			must(t, ix.file.View(b.ctx(), func(v dlq.IndexView) error {
				got, err := v.Get("meta")
				equal(t, "built anew", string(got[0]) != string(meta), c.built)
				return err
			}))
			if said := strings.Join(ix.words, "; "); strings.Contains(said, "a newer release wrote it") == c.built {
				t.Errorf("words: %s", said)
			}
		})
	}
}

// Who shows how far an index is is told of the end, however it ends.
func TestProgressOfAnIndexThatFails(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.letters(300)
	file := indexfile.At(filepath.Join(t.TempDir(), "index"), indexfile.Options{})
	t.Cleanup(func() { _ = file.Close() })
	for last := 1; ; last++ {
		read, total, told := int64(0), int64(0), 0
		updates := new(int)
		q := b.open(dlq.Indexed(dlq.Index{
			Store: updating{file, updates, func(n int) error {
				if n > last {
					return errSevered
				}
				return nil
			}},
			Progress: func(r, of int64) { read, total = r, of; told++ },
		}))
		b.replay(b.open(), dlq.Replay{Filter: dlq.Filter{Limit: 2}}) // there are marks to read as well
		must(t, file.Clear(b.ctx()))
		if _, err := q.Stats(b.ctx(), dlq.Filter{}); err != nil {
			t.Fatal(err)
		}
		if told > 0 && read != total {
			t.Errorf("with %d changes of the index: %d of %d at last", last, read, total)
		}
		if *updates <= last {
			return
		}
	}
}
