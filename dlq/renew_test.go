package dlq_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/dlq"
	"github.com/redeliver/redeliver/retrytopics"
)

// keeps gives the dead-letter topic a retention; below 0: none.
func (b *bundle) keeps(d time.Duration) {
	b.t.Helper()
	value := "-1"
	if d > 0 {
		value = fmt.Sprint(d.Milliseconds())
	}
	if _, err := b.admin.AlterTopicConfigs(b.ctx(), []kadm.AlterConfig{{Op: kadm.SetConfig, Name: "retention.ms", Value: &value}}, dead); err != nil {
		b.t.Fatal(err)
	}
}

// aged writes dead letters of partition 0 that died so long ago, with offsets of their origin from 0 on.
func (b *bundle) aged(ages ...time.Duration) {
	b.t.Helper()
	for i, age := range ages {
		r := letter(death(0, int64(i)))
		r.Timestamp = time.Now().Add(-age)
		b.produce(r)
	}
}

// takes deletes the records of a partition before an offset, as retention does.
func (b *bundle) takes(partition int32, before int64) {
	b.t.Helper()
	offsets := kadm.Offsets{}
	offsets.Add(kadm.Offset{Topic: dead, Partition: partition, At: before})
	if _, err := b.admin.DeleteRecords(b.ctx(), offsets); err != nil {
		b.t.Fatal(err)
	}
}

const day = 24 * time.Hour

func TestExpiring(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.aged(9*day, 8*day, 2*day, time.Hour)
	b.keeps(-1)
	q := b.open()
	soon := dlq.Filter{ExpiringBefore: time.Now().Add(3 * day)}
	equal(t, "expiring where records are kept for ever", len(b.entries(q, soon)), 0)
	x, err := q.Expiry(b.ctx(), 0)
	if err != nil || x.Retention >= 0 || x.Entries != 0 {
		t.Errorf("expiry without retention: %+v, %v", x, err)
	}
	b.keeps(10 * day)
	var got []int64
	for _, e := range b.entries(q, soon) {
		got = append(got, e.State.Offset)
	}
	equal(t, "expiring in three days", got, []int64{0, 1})
	if x, err = q.Expiry(b.ctx(), 0); err != nil {
		t.Fatal(err)
	}
	equal(t, "expiring in a day", x.Entries, int64(1))
	if left := time.Until(x.First); left < 23*time.Hour || left > day {
		t.Errorf("the first one expires in %v, want a day", left)
	}
	stats, err := q.Stats(b.ctx(), dlq.Filter{})
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "expiring in the stats", fmt.Sprint(stats.Expiry), fmt.Sprint(x))
	if _, err := q.Park(b.ctx(), dlq.Discard{Filter: dlq.Filter{IDs: []string{"orders/0/0"}}}); err != nil {
		t.Fatal(err)
	}
	if x, _ = q.Expiry(b.ctx(), 0); x.Entries != 1 {
		t.Errorf("a parked entry that expires does not count")
	}
	if _, err := q.Discard(b.ctx(), dlq.Discard{Filter: dlq.Filter{IDs: []string{"orders/0/0"}, Status: []dlq.Status{dlq.StatusParked}}}); err != nil {
		t.Fatal(err)
	}
	if x, _ = q.Expiry(b.ctx(), 0); x.Entries != 0 {
		t.Errorf("a discarded entry that expires counts")
	}
}

// Retention takes nothing behind a record that it keeps, nor what it has taken already: lists, stats, [dlq.Queue.Expiry] and renewals say the same of what
// expires.
func TestExpiringEndsAtTheFirstYoungRecord(t *testing.T) {
	t.Parallel()
	for _, one := range []struct {
		ages  []time.Duration
		taken int64
		want  []int64
	}{
		{[]time.Duration{time.Hour, 9*day + time.Hour}, 0, nil},
		{[]time.Duration{9*day + time.Hour, time.Hour, 9*day + time.Hour, 12 * day}, 0, []int64{0}},
		{[]time.Duration{12 * day, 9*day + time.Hour, time.Hour, 12 * day}, 1, []int64{1}},
	} {
		b := setup(t)
		b.aged(one.ages...)
		b.keeps(10 * day)
		ix := b.kept()
		equal(t, "there", len(b.entries(ix.Queue, dlq.Filter{})), len(one.ages))
		b.takes(0, one.taken)
		hiding := b.indexed(filepath.Join(t.TempDir(), "hiding"), 1000*day)
		hiding.hides = &dlq.Redaction{Text: patterns("payload")}
		must(t, hiding.file.Close())
		hiding.open()
		soon := dlq.Filter{ExpiringBefore: time.Now().Add(day)}
		for name, q := range map[string]*dlq.Queue{"a scan": b.open(), "an index": ix.Queue, "one that hides": hiding.Queue} {
			var got []int64
			for _, e := range b.entries(q, soon) {
				got = append(got, e.State.Offset)
			}
			what := fmt.Sprintf("%v, by %s: ", one.ages, name)
			equal(t, what+"listed", got, one.want)
			x, err := q.Expiry(b.ctx(), 0)
			must(t, err)
			equal(t, what+"counted", x.Entries, int64(len(one.want)))
			for _, f := range []dlq.Filter{{}, {Text: "payload"}} {
				s, err := q.Stats(b.ctx(), f)
				must(t, err)
				equal(t, what+"in the stats", fmt.Sprint(s.Expiry), fmt.Sprint(x))
			}
			s, err := q.Renew(b.ctx(), dlq.Renew{Filter: soon, DryRun: true})
			must(t, err)
			equal(t, what+"renewed", s.Done, x.Entries)
		}
	}
}

func TestRetentionOfATopicThatIsNotThere(t *testing.T) {
	t.Parallel()
	b := setup(t)
	q, err := dlq.Open(b.connect(), "shop.returns.dlq")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := q.Retention(b.ctx()); !errors.Is(err, dlq.ErrNoTopic) {
		t.Errorf("got %v, want ErrNoTopic", err)
	}
}

func TestNoticeIsShorterThanRetention(t *testing.T) {
	for retention, want := range map[time.Duration]time.Duration{10 * day: day, day: 12 * time.Hour, -1: 0} {
		if got := dlq.ExpiryNotice(retention); retention > 0 && got != want {
			t.Errorf("retention %v: notice %v, want %v", retention, got, want)
		}
	}
}

// TestRenew: what would expire is carried forward once, byte for byte, with its status and its time of death, and is the same entry
// still when the topic has taken the first copy.
func TestRenew(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.aged(9*day, 9*day, 9*day, time.Hour)
	b.keeps(10 * day)
	q := b.open()
	if _, err := q.Park(b.ctx(), dlq.Discard{Filter: dlq.Filter{IDs: []string{"orders/0/1"}}, Reason: "waits"}); err != nil {
		t.Fatal(err)
	}
	b.replay(q, dlq.Replay{Filter: dlq.Filter{IDs: []string{"orders/0/2"}}})
	before := b.entries(q, dlq.Filter{All: true})

	renew := dlq.Renew{Filter: dlq.Filter{ExpiringBefore: time.Now().Add(2 * day)}}
	dry := renew
	dry.DryRun = true
	for _, r := range []dlq.Renew{dry, renew} {
		s, err := q.Renew(b.ctx(), r)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "renewed", s.Done, int64(2))
	}
	if s, err := q.Renew(b.ctx(), renew); err != nil || s.Done != 0 {
		t.Errorf("renewed once more: %+v, %v", s, err)
	}
	records := b.records(dead)
	equal(t, "records", len(records), 4+2)
	for i, copied := range records[4:] {
		first := records[i]
		sameBytes(t, "key", copied.Key, first.Key)
		sameBytes(t, "value", copied.Value, first.Value)
		equal(t, "headers but the time of death", fmt.Sprint(copied.Headers[:len(first.Headers)]), fmt.Sprint(first.Headers))
		equal(t, "time of death", header(copied, retrytopics.HeaderDied), fmt.Sprint(first.Timestamp.UnixMilli()))
	}
	same := func(what string) {
		t.Helper()
		after := b.entries(q, dlq.Filter{All: true})
		equal(t, "entries "+what, len(after), len(before))
		for _, was := range before {
			found := false
			for _, is := range after {
				if is.State.ID == was.State.ID {
					found = is.Status == was.Status && is.At.Equal(was.At) && is.Mark.Reason == was.Mark.Reason
				}
			}
			if !found {
				t.Errorf("%s: %s is not what it was", what, was.State.ID)
			}
		}
	}
	same("with both copies")
	b.takes(0, 2) // the two that were renewed
	same("when the first copies are gone")
	if got := b.entries(q, dlq.Filter{ExpiringBefore: time.Now().Add(2 * day), Status: []dlq.Status{dlq.StatusOpen, dlq.StatusParked}}); len(got) != 0 {
		t.Errorf("%d expire though they were renewed", len(got))
	}
	equal(t, "replayed", b.replay(q, dlq.Replay{}).Done, int64(2))
	if r := b.records(tier1); header(r[len(r)-1], retrytopics.HeaderDied) != "" {
		t.Error("a replayed record carries its time of death")
	}
	same2 := b.replay(q, dlq.Replay{Filter: dlq.Filter{IDs: []string{"orders/0/1"}}})
	equal(t, "the parked one by its id", same2.Done, int64(1))
}

// TestRenewTakesNothingTwice: a filter that would select what was carried forward at once again is refused, and one that looks less far ahead leaves it.
func TestRenewTakesNothingTwice(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.aged(9*day, time.Hour)
	b.keeps(10 * day)
	q := b.open()
	for _, within := range []time.Duration{30 * day, 10 * day} {
		before := dlq.Filter{ExpiringBefore: time.Now().Add(within)}
		for _, dry := range []bool{true, false} {
			if s, err := q.Renew(b.ctx(), dlq.Renew{Filter: before, DryRun: dry}); !errors.Is(err, dlq.ErrRenewedAgain) || s.Done != 0 {
				t.Errorf("within %v: %+v, %v, want ErrRenewedAgain", within, s, err)
			}
		}
	}
	for _, want := range []int64{2, 0} {
		s, err := q.Renew(b.ctx(), dlq.Renew{Filter: dlq.Filter{ExpiringBefore: time.Now().Add(10*day - time.Hour/2)}})
		if err != nil || s.Done != want {
			t.Errorf("renewed %d, %v, want %d", s.Done, err, want)
		}
	}
	equal(t, "records", len(b.records(dead)), 2+2)
	b.keeps(-1)
	if s, err := q.Renew(b.ctx(), dlq.Renew{Filter: dlq.Filter{ExpiringBefore: time.Now().Add(30 * day)}}); err != nil || s.Done != 0 {
		t.Errorf("where nothing expires: %+v, %v", s, err)
	}
}

// TestRenewKeepsWhatItWas: a mark that comes after a renewal, such as to park it, knows of it still.
func TestRenewKeepsWhatItWas(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.aged(9 * day)
	b.keeps(10 * day)
	q := b.open()
	if _, err := q.Renew(b.ctx(), dlq.Renew{}); err != nil {
		t.Fatal(err)
	}
	if _, err := q.Park(b.ctx(), dlq.Discard{}); err != nil {
		t.Fatal(err)
	}
	if x, err := q.Expiry(b.ctx(), 2*day); err != nil || x.Entries != 0 {
		t.Errorf("%+v, %v", x, err)
	}
}

// TestRenewKeepsTheOrderOfHeldKeys: what is carried forward is replayed in the order of its origin, also where a later one of its key
// was not carried and stands before it now.
func TestRenewKeepsTheOrderOfHeldKeys(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for i := range int64(4) {
		r := letter(death(0, i))
		r.Key = []byte("one key")
		b.produce(r)
	}
	q := b.open(dlq.KeysAreHeld())
	if s, err := q.Renew(b.ctx(), dlq.Renew{Filter: dlq.Filter{IDs: []string{"orders/0/0", "orders/0/1"}}}); err != nil || s.Done != 2 {
		t.Fatalf("%+v, %v", s, err)
	}
	b.takes(0, 2)
	equal(t, "replayed", b.replay(q, dlq.Replay{}).Done, int64(4))
	var got []string
	for _, r := range b.records(tier1) {
		got = append(got, header(r, retrytopics.HeaderOriginOffset))
	}
	equal(t, "order", got, []string{"0", "1", "2", "3"})
}

// TestRenewIsOneTransaction: of a renewal that is cut off nothing stays, neither copy nor mark.
func TestRenewIsOneTransaction(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.letters(3)
	q := b.open()
	b.replay(q, dlq.Replay{Filter: dlq.Filter{IDs: []string{"orders/2/0"}}}) // the ledger is there
	other := b.open()
	s, err := q.Renew(b.ctx(), dlq.Renew{Entry: func(dlq.Entry) {
		// Somebody takes over while it is under way: its transaction is ended by the brokers.
		if _, err := other.Park(b.ctx(), dlq.Discard{Filter: dlq.Filter{IDs: []string{"orders/0/0"}}, TakeOver: true}); err != nil {
			t.Error(err)
		}
	}})
	if !errors.Is(err, dlq.ErrFenced) {
		t.Fatalf("got %+v, %v, want ErrFenced", s, err)
	}
	equal(t, "records", len(b.records(dead)), 3)
	for _, e := range b.entries(q, dlq.Filter{All: true}) {
		if !e.Mark.Renewed.IsZero() {
			t.Errorf("%s is marked as renewed", e.State.ID)
		}
	}
}

// TestRenewLeavesWhoParkedIt: who set an entry aside, when and why is said after renewals too, by the ledger and by an index, with the time of the last
// renewal; of one that nothing was done to it is said who carried it forward.
func TestRenewLeavesWhoParkedIt(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.aged(9*day, 8*day)
	b.keeps(10 * day)
	q, ix := b.open(), b.indexed(filepath.Join(t.TempDir(), "index"), 0)
	parked, open := dlq.Filter{IDs: []string{"orders/0/0"}, All: true}, dlq.Filter{IDs: []string{"orders/0/1"}, All: true}
	look := func(f dlq.Filter) dlq.Mark {
		t.Helper()
		mark := b.entries(q, f)[0].Mark
		b.entries(ix.Queue, dlq.Filter{All: true}) // which builds it
		equal(t, "the mark by the index", fmt.Sprint(b.entries(ix.Queue, f)[0].Mark), fmt.Sprint(mark))
		return mark
	}
	if _, err := q.Park(b.ctx(), dlq.Discard{Filter: parked, By: "ann", Reason: "waits for Bob"}); err != nil {
		t.Fatal(err)
	}
	want := look(parked)
	equal(t, "who parked it", want.By+" "+want.Reason, "ann waits for Bob")
	for range 2 {
		last := want.Renewed
		s, err := q.Renew(b.ctx(), dlq.Renew{By: "night shift"})
		if err != nil || s.Done != 2 {
			t.Fatalf("%+v, %v", s, err)
		}
		got := look(parked)
		if !got.Renewed.After(want.At) || !got.Renewed.After(last) {
			t.Errorf("renewed at %v, after %v and the mark at %v", got.Renewed, last, want.At)
		}
		want.Renewed = got.Renewed
		want = dlq.SeenAs(want, got) // it has seen the copies of the time before
		equal(t, "the mark of the parked one", fmt.Sprint(got), fmt.Sprint(want))
		if only := look(open); only.By != "night shift" || only.Run != s.Run || !only.At.Equal(only.Renewed) || only.Renewed.IsZero() {
			t.Errorf("the mark of the open one: %+v", only)
		}
	}
	b.takes(0, 4) // all but the last copies
	equal(t, "the mark of the copy", fmt.Sprint(look(parked)), fmt.Sprint(want))
	if _, err := q.Reopen(b.ctx(), dlq.Discard{Filter: dlq.Filter{IDs: parked.IDs}, By: "bob"}); err != nil {
		t.Fatal(err)
	}
	got := look(parked)
	if got.By != "bob" || !got.At.After(got.Renewed) || !got.Renewed.Equal(want.Renewed) {
		t.Errorf("reopened: %+v, want it by bob after the renewal at %v", got, want.Renewed)
	}
}

// What only an index keeps is carried forward too, where it is asked for: it is the same entry afterwards, in the topic once more.
func TestRenewOfWhatAnIndexKeeps(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]dlq.Filter{
		"by an id":             {IDs: []string{"orders/0/1"}},
		"by a filter":          {Until: time.Now().Add(-11 * day), Topic: origin, Since: time.Now().Add(-13 * day)},
		"by its place and tag": {},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			b.aged(14*day, 12*day, time.Hour)
			b.keeps(10 * day)
			ix := b.kept()
			equal(t, "there", len(b.entries(ix.Queue, dlq.Filter{})), 3)
			_, err := ix.Park(b.ctx(), dlq.Discard{Filter: dlq.Filter{IDs: []string{"orders/0/1"}}, Reason: "for later"})
			must(t, err)
			b.takes(0, 2)
			equal(t, "in the topic", originsOf(b.entries(b.open(), dlq.Filter{All: true})), "orders/0/2")
			if len(f.IDs) == 0 && f.Topic == "" {
				f.IDs = []string{b.entries(ix.Queue, dlq.Filter{Status: []dlq.Status{dlq.StatusParked}})[0].ID()}
			}
			for _, dry := range []bool{true, false} {
				s, err := ix.Renew(b.ctx(), dlq.Renew{Filter: f, DryRun: dry})
				if err != nil || s.Done != 1 || len(s.Missing) != 0 {
					t.Fatalf("dry run %v: %+v, %v", dry, s, err)
				}
			}
			records := b.records(dead)
			if len(records) != 2 || string(records[1].Value) != "payload of orders/0/1" {
				t.Fatalf("records: %v", records)
			}
			for reader, q := range map[string]*dlq.Queue{"with the index": ix.Queue, "without": b.open()} {
				parked := b.entries(q, dlq.Filter{Status: []dlq.Status{dlq.StatusParked}})
				if len(parked) != 1 || parked[0].Mark.Reason != "for later" || parked[0].Mark.Renewed.IsZero() || time.Since(parked[0].At) < 12*day {
					t.Errorf("%s: %+v", reader, parked)
				}
			}
			equal(t, "with the index", originsOf(b.entries(ix.Queue, dlq.Filter{All: true})), "orders/0/0 orders/0/1 orders/0/2")
			ix.close()
			ix.open()
			equal(t, "once more", originsOf(b.entries(ix.Queue, dlq.Filter{All: true})), "orders/0/0 orders/0/1 orders/0/2")
			equal(t, "replayed", b.replay(ix.Queue, dlq.Replay{Filter: dlq.Filter{All: true}}).Done, int64(3))
			equal(t, "left", len(b.entries(b.open(), dlq.Filter{})), 0)
		})
	}
}

// What the topic has lost expires no more: it is not carried forward for what is said of the time that is left.
func TestRenewOfWhatExpiresIsOfTheTopic(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.aged(12*day, 9*day+12*time.Hour)
	b.keeps(10 * day)
	ix := b.kept()
	equal(t, "there", len(b.entries(ix.Queue, dlq.Filter{})), 2)
	b.takes(0, 1)
	s, err := ix.Renew(b.ctx(), dlq.Renew{Filter: dlq.Filter{ExpiringBefore: time.Now().Add(day)}})
	must(t, err)
	equal(t, "renewed", s.Done, int64(1))
	equal(t, "in the topic", b.ids(dead), []string{"orders/0/1", "orders/0/1"})
}

// TestRenewOfWhatSaysNothingOfItsOrigin: an entry that is known by its place alone is the same one still when it stands in another place, as often as it is
// carried forward.
func TestRenewOfWhatSaysNothingOfItsOrigin(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.keeps(10 * day)
	lost := foreignLetter(retrytopics.Connect, 0, 7, "closed")
	lost.Topic = dead
	lost.Headers = slices.DeleteFunc(lost.Headers, func(h kgo.RecordHeader) bool { return h.Key == "__connect.errors.offset" })
	b.produce(
		&kgo.Record{Topic: dead, Value: []byte("bare")},
		&kgo.Record{Topic: dead, Value: []byte("damaged"), Headers: []kgo.RecordHeader{{Key: retrytopics.HeaderID, Value: []byte{0}}, {Key: retrytopics.HeaderReplays, Value: []byte("1")}}},
		lost,
	)
	q, ix := b.open(dlq.AnyGroup()), b.indexed(filepath.Join(t.TempDir(), "index"), 0)
	if _, err := q.Park(b.ctx(), dlq.Discard{Filter: dlq.Filter{IDs: []string{"0-0"}}, Reason: "for later"}); err != nil {
		t.Fatal(err)
	}
	want := []string{dead + "/0/0 parked for later", dead + "/0/1 open ", dead + "/0/2 open "}
	same := func() {
		t.Helper()
		var got []string
		for _, e := range b.entries(q, dlq.Filter{All: true}) {
			if got = append(got, e.State.ID+" "+e.Status.String()+" "+e.Mark.Reason); e.OriginKnown() {
				t.Errorf("%s is said to have come from %s", e.ID(), e.State.Topic)
			}
		}
		equal(t, "entries", got, want)
		ix.same(dlq.Filter{All: true})
	}
	same()
	for i := range int64(2) {
		s, err := q.Renew(b.ctx(), dlq.Renew{Filter: dlq.Filter{}})
		if err != nil || s.Done != 3 {
			t.Fatalf("%+v, %v", s, err)
		}
		same()
		b.takes(0, 3+4*i) // the copies before
		same()
	}
	s := b.replay(q, dlq.Replay{To: dlq.ToTopic(origin)})
	equal(t, "replayed, parked, duplicates", []int64{s.Done, s.Parked, s.Duplicates}, []int64{2, 1, 0})
	for _, r := range b.records(origin) {
		equal(t, "id of a record that is replayed", header(r, retrytopics.HeaderID), "")
		if string(r.Value) == "damaged" {
			equal(t, "replays of what had been replayed", header(r, retrytopics.HeaderReplays), "2")
		}
	}
}

// TestImportOfWhatWasKnownByItsPlace: what was carried forward is an entry of its own in a topic that was made again, beside the record that has its place
// there, and one entry still, however often it is imported.
func TestImportOfWhatWasKnownByItsPlace(t *testing.T) {
	scannedAndIndexed(t, func(t *testing.T, b *bundle, q *dlq.Queue) {
		b.produce(&kgo.Record{Topic: dead, Value: []byte("old")})
		_, err := q.Renew(b.ctx(), dlq.Renew{})
		must(t, err)
		b.takes(0, 1)
		exported := b.letterLines(q)
		_, err = b.admin.DeleteTopics(b.ctx(), dead)
		must(t, err)
		_, err = b.admin.CreateTopics(b.ctx(), 3, 1, nil, dead)
		must(t, err)
		b.client = b.connect()
		b.produce(&kgo.Record{Topic: dead, Value: []byte("new")})
		for range 2 {
			n, err := q.Import(b.ctx(), exported)
			must(t, err)
			equal(t, "imported", n, int64(1))
		}
		equal(t, "open", payloads(b.entries(q, dlq.Filter{})), []string{"new", "old"})
		s := b.replay(q, dlq.Replay{To: dlq.ToTopic(origin)})
		equal(t, "replayed, duplicates", []int64{s.Done, s.Duplicates}, []int64{2, 1})
		for _, r := range b.records(origin) {
			equal(t, "id of a record that is replayed", header(r, retrytopics.HeaderID), "")
		}
	})
}
