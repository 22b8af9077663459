package dlq_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/redeliver/redeliver/dlq"
	"github.com/redeliver/redeliver/dlq/indexfile"
)

var errSevered = errors.New("i/o timeout")

// severed is a store that fails from one look at it on, wherever that comes.
type severed struct {
	interposed
	left atomic.Int64
}

func sever(store dlq.IndexStore) *severed {
	s := &severed{}
	s.interposed = interposed{store, func(from dlq.IndexView, names []string) ([][]byte, error) {
		if s.left.Add(-1) < 0 {
			return nil, errSevered
		}
		return from.Get(names...)
	}}
	return s
}

// Wherever the store fails while something is read: what was not begun comes from the topics, and what was begun ends with an error that says what failed
// and what to do.
func TestIndexThatFailsInTheMiddle(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.letters(90)
	b.replay(b.open(), dlq.Replay{Filter: dlq.Filter{Limit: 9}})
	file := indexfile.At(filepath.Join(t.TempDir(), "index"), indexfile.Options{})
	t.Cleanup(func() { _ = file.Close() })
	store := sever(file)
	var words []string
	q := b.open(dlq.Indexed(dlq.Index{Store: store, Warn: func(why string) { words = append(words, why) }}))
	list := func(q *dlq.Queue, f dlq.Filter) (given []string, err error) {
		for e, failed := range q.Entries(b.ctx(), f) {
			if err = failed; err == nil {
				given = append(given, told(e))
			}
		}
		return given, err
	}
	count := func(q *dlq.Queue, f dlq.Filter) ([]string, error) {
		s, err := q.Stats(b.ctx(), f)
		return []string{fmt.Sprintf("%+v", s)}, err
	}
	all := dlq.Filter{All: true, Error: regexp.MustCompile("refused")}
	for name, ask := range map[string]func(*dlq.Queue, dlq.Filter) ([]string, error){"list": list, "stats": count} {
		store.left.Store(1 << 30)
		want, err := ask(q, all)
		must(t, err)
		fell, ended, whole := 0, 0, false
		for looks := int64(0); !whole; looks++ {
			store.left.Store(looks)
			words = nil
			got, err := ask(q, all)
			said := strings.Join(words, "\n")
			switch {
			case err != nil:
				ended++
				if text := err.Error(); name == "stats" || len(got) == 0 || !strings.Contains(text, "the index of dead letters: "+errSevered.Error()) || !strings.Contains(text, "--no-index") {
					t.Errorf("%s after %d looks: %d were given, and it said %v", name, looks, len(got), err)
				}
			case strings.Join(got, "\n") != strings.Join(want, "\n"):
				t.Errorf("%s after %d looks: got %d of %d", name, looks, len(got), len(want))
			case said == "":
				whole = true
			case strings.Contains(said, "the index of dead letters: "+errSevered.Error()+": the topics are read"):
				fell++
			default:
				t.Errorf("%s after %d looks it says %q", name, looks, said)
			}
		}
		if fell < 3 || name == "list" && ended == 0 {
			t.Errorf("%s: %d answers were of the topics, and %d ended", name, fell, ended)
		}
	}
}
