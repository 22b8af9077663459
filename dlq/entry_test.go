package dlq_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/redeliver/redeliver/dlq"
)

func TestIDs(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text string
		ok   bool
		tag  string
	}{
		{"k7qp-3-1042", true, "k7qp"},
		{"K7QP-3-1042", true, "k7qp"},
		{"3-1042", true, ""},
		{"0-0", true, ""},
		{"orders/3/1042", true, ""},
		{"blue:orders/3/1042", true, ""},
		{"1042", false, ""},
		{"", false, ""},
		{"k7-3-1042", false, ""},
		{"3-", false, ""},
		{"3--1", false, ""},
		{"99999999999-1", false, ""},
		{"orders/3", false, ""},
		{"orders/x/1", false, ""},
	} {
		err := dlq.CheckID(c.text)
		if (err == nil) != c.ok {
			t.Errorf("CheckID(%q) = %v, want ok: %v", c.text, err, c.ok)
		}
		if err != nil && !strings.Contains(err.Error(), "want") {
			t.Errorf("CheckID(%q) = %v: it does not say what would be right", c.text, err)
		}
		equal(t, "tag of "+c.text, dlq.IDTag(c.text), c.tag)
	}
}

// Every form of an id finds the entry, and only that.
func TestEntryByID(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.letters(30)
	q := b.open()
	for _, want := range b.entries(q, dlq.Filter{})[10:13] {
		short := strings.SplitN(want.ID(), "-", 2)[1]
		for _, id := range []string{want.ID(), strings.ToUpper(want.ID()), short, want.State.ID} {
			got, err := q.Entry(b.ctx(), id)
			if err != nil {
				t.Errorf("Entry(%q): %v", id, err)
				continue
			}
			equal(t, "entry "+id, got.ID(), want.ID())
		}
		tag, err := q.Tag(b.ctx())
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "tag", dlq.IDTag(want.ID()), tag)
	}
	for _, id := range []string{"zzzz-0-1", "0-9999", "7-0", "orders/0/9999"} {
		if _, err := q.Entry(b.ctx(), id); !errors.Is(err, dlq.ErrNoEntry) {
			t.Errorf("Entry(%q) = %v, want ErrNoEntry", id, err)
		}
	}
}

// The id of an origin that is that of several dead letters means the one that is still to be dealt with, and of those that became each other the last; where
// that does not tell, nothing is taken for what was meant.
func TestEntryOfSeveralByOrigin(t *testing.T) {
	const elder, newer = "payload of orders/0/0", "new orders/0/0"
	scannedAndIndexed(t, func(t *testing.T, b *bundle, q *dlq.Queue) {
		means := func(what string) {
			t.Helper()
			e, err := q.Entry(b.ctx(), "orders/0/0")
			must(t, err)
			equal(t, "meant", string(e.Record.Value), what)
		}
		refused := func(statuses ...dlq.Status) {
			t.Helper()
			_, err := q.Entry(b.ctx(), "orders/0/0")
			var several *dlq.SeveralEntriesError
			if !errors.As(err, &several) {
				t.Fatalf("%v", err)
			}
			var got []dlq.Status
			for _, one := range several.Entries {
				got = append(got, one.Status)
				if !strings.Contains(err.Error(), one.ID) {
					t.Errorf("%v does not name %s", err, one.ID)
				}
				if e, err := q.Entry(b.ctx(), one.ID); err != nil || e.Status != one.Status {
					t.Errorf("%s: %v %v", one.ID, e.Status, err)
				}
			}
			equal(t, "statuses", got, statuses)
		}
		b.letters(1)
		means(elder)
		b.produce(reborn(0, 0))
		refused(dlq.StatusOpen, dlq.StatusOpen)
		b.discard(dlq.Filter{Text: newer})
		means(elder)
		b.replay(q, dlq.Replay{})
		refused(dlq.StatusReplayed, dlq.StatusDiscarded)
		b.diesAgain(tier1, elder)
		means(elder)
	})
	t.Run("one that died again and again", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		q := b.open()
		b.letters(1)
		for range 2 {
			b.replay(q, dlq.Replay{})
			b.diesAgain(tier1, elder)
		}
		b.discard(dlq.Filter{})
		e, err := q.Entry(b.ctx(), "orders/0/0")
		must(t, err)
		equal(t, "replays", e.State.Replays, 2)
	})
}

func TestStatusNames(t *testing.T) {
	t.Parallel()
	for _, s := range dlq.Statuses() {
		parsed, err := dlq.ParseStatus(s.String())
		if err != nil || parsed != s {
			t.Errorf("ParseStatus(%q) = %v, %v", s, parsed, err)
		}
	}
	if _, err := dlq.ParseStatus("gone"); err == nil || !strings.Contains(err.Error(), "open, replayed, discarded, replay_limit") {
		t.Errorf("ParseStatus of a name that is none = %v, want the names", err)
	}
}
