package demo

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/classify"
	"github.com/redeliver/redeliver/retrytopics"
)

// The topics of the tests' little world.
var (
	tiers    = []time.Duration{time.Second, 10 * time.Second}
	retry1s  = names.RetryTopic(sourceTopic, tiers[0])
	retry10s = names.RetryTopic(sourceTopic, tiers[1])
	dlqTopic = names.DLQTopic(sourceTopic)
)

// told is a life and what else is known of it.
type told struct {
	life  life
	calls []call
	fate  fate
}

// world is everything that the witnesses have counted, before it is compared.
type world struct {
	orders   map[string]told
	metrics  metrics
	sent     int
	replayed int
	unknown  int
}

func (w world) recount() recount {
	t := newTotals()
	for id, o := range w.orders {
		o.life.arrange()
		t.add(id, o.life, o.calls, o.fate)
	}
	return compare(t, w.metrics, w.sent, w.replayed, w.unknown)
}

func order0(offset int64) sighting {
	return sighting{place: place{sourceTopic, 0, offset}, kind: source, written: 1000}
}

func copyIn(topic string, offset int64, k kind, replays int, history ...attempt) sighting {
	s := sighting{place: place{topic, 0, offset}, kind: k, written: 1000 + 1000*int64(len(history)), replays: replays, history: history}
	if len(history) > 0 {
		s.attempt = history[len(history)-1].N
		s.class = history[len(history)-1].Class
		s.due = s.written + 1000
	}
	return s
}

// whole is a world in which every kind of thing has happened once and all witnesses agree.
func whole() world {
	busy1, busy2 := attempt{1, "transient"}, attempt{2, "transient"}
	refused := attempt{1, "validation"}
	letter := copyIn(dlqTopic, 0, letters, 0, refused)
	letter.reason = "not_retriable"
	replayed := copyIn(retry1s, 3, tier, 1, refused)
	replayed.attempt, replayed.due = 0, 0
	return world{
		orders: map[string]told{
			"good": {life{order0(0)}, []call{{1, 1000, 200}}, done},
			"late": {
				life{order0(1), copyIn(retry1s, 0, tier, 0, busy1), copyIn(retry10s, 0, tier, 0, busy1, busy2)},
				[]call{{1, 1500, 503}, {2, 3000, 503}, {3, 4000, 200}}, done,
			},
			// Its first call met an open breaker's last moments and cost nothing.
			"lucky": {life{order0(2)}, []call{{1, 1000, 503}, {1, 4000, 200}}, done},
			"back": {
				life{order0(3), letter, replayed},
				[]call{{1, 1500, 422}, {1, 5000, 200}}, done,
			},
			"due":     {life{order0(4), copyIn(retry1s, 1, tier, 0, busy1)}, []call{{1, 1500, 503}}, waiting},
			"unread":  {life{order0(5)}, nil, waiting},
			"dead":    {life{order0(6), sightingWith(letter, 1)}, []call{{1, 1500, 422}}, dead},
			"sealed":  {life{order0(7)}, []call{{1, 1000, 200}}, doneAbove},
			"refused": {life{order0(8), sightingWith(letter, 2)}, []call{{1, 1500, 422}}, discarded},
		},
		metrics: metrics{
			outcomes: map[outcome]int{
				{sourceTopic, "done"}: 3, {sourceTopic, "retried"}: 2, {sourceTopic, "dead"}: 3,
				{retry1s, "retried"}: 1, {retry1s, "done"}: 1, {retry10s, "done"}: 1,
			},
			attempts: map[string]int{"none": 5, "transient": 3, "validation": 3},
			letters:  map[letterKind]int{{"validation", "not_retriable"}: 3},
			calls:    12,
		},
		sent: 9, replayed: 1,
	}
}

func sightingWith(s sighting, offset int64) sighting {
	s.offset = offset
	return s
}

func TestRecountAgreesWithAWorldThatIsWhole(t *testing.T) {
	r := whole().recount()
	for _, row := range r.rows {
		if !row.equal() {
			t.Errorf("differs: %s", row.sentence())
		}
	}
	if !r.equal() {
		t.Errorf("not equal: %q", r.faults)
	}
	if got := r.totals; got.orders != 9 || got.done != 5 || got.open != 1 || got.discarded != 1 || sum(got.waiting) != 2 || got.above != 1 {
		t.Errorf("got %+v", got)
	}
	if got, want := r.totals.when, (map[string]int{sourceTopic: 3, retry10s: 1, afterReplay: 1}); !maps.Equal(got, want) {
		t.Errorf("done: got %v, want %v", got, want)
	}
}

// TestRecountNoticesEveryPlantedDifference takes the world that is whole and spoils one thing of it.
func TestRecountNoticesEveryPlantedDifference(t *testing.T) {
	for _, planted := range []struct {
		name  string
		spoil func(w *world)
		want  string // in what is said of it
	}{
		{"an order that the load sent is not there", func(w *world) { w.sent++ }, "orders in: topics 9, sent 10"},
		{"a record is lost: behind the commit, and never called", func(w *world) { w.change("good", func(o *told) { o.calls = nil }) }, "never called"},
		{"a record is handled twice", func(w *world) { w.change("good", func(o *told) { o.calls = append(o.calls, o.calls[0]) }) }, "calls are not what"},
		{"a done record is dead as well", func(w *world) { w.change("dead", func(o *told) { o.calls = append(o.calls, call{2, 3000, 200}) }) }, "calls are not what"},
		{"an attempt is counted that was no call", func(w *world) { w.change("late", func(o *told) { o.calls = o.calls[1:] }) }, "calls are not what"},
		{"a call is not counted as an attempt", func(w *world) {
			w.change("due", func(o *told) { o.calls = append(o.calls, call{2, 9000, 422}) })
		}, "calls are not what"},
		{"a refusal costs no attempt", func(w *world) { w.change("lucky", func(o *told) { o.calls[0].status = 422 }) }, "calls are not what"},
		{"a history forgets an attempt", func(w *world) {
			w.change("late", func(o *told) { o.life[2].history = o.life[2].history[1:] })
		}, "calls are not what"},
		{"an attempt is early", func(w *world) { w.change("late", func(o *told) { o.calls[1].at = 2500 }) }, "before their time"},
		{"a copy was never seen", func(w *world) {
			w.change("late", func(o *told) { o.life = slices.Delete(o.life, 1, 2) })
		}, retry1s + " retried"},
		{"a copy has no order", func(w *world) { w.change("due", func(o *told) { o.life = o.life[1:] }) }, "of which no order was seen"},
		{"a call has no record", func(w *world) { w.unknown = 1 }, "no topic has"},
		{"metrics count a done too many", func(w *world) { w.metrics.outcomes[outcome{sourceTopic, "done"}]++ }, "done: topics 5, service 5, metrics 6"},
		{"metrics mistake a topic", func(w *world) {
			w.metrics.outcomes[outcome{retry1s, "done"}]--
			w.metrics.outcomes[outcome{retry10s, "done"}]++
		}, retry10s + " done: topics 1, metrics 2"},
		{"metrics mistake a class", func(w *world) {
			w.metrics.attempts["transient"]--
			w.metrics.attempts["network"]++
		}, "attempts network: topics 0, metrics 1"},
		{"metrics mistake a reason", func(w *world) {
			w.metrics.letters[letterKind{"validation", "not_retriable"}]--
			w.metrics.letters[letterKind{"validation", "exhausted"}]++
		}, "dead letters validation exhausted: topics 0, metrics 1"},
		{"metrics miss a call", func(w *world) { w.metrics.calls-- }, "calls: service 12, metrics 11"},
		{"the ledger misses a replay", func(w *world) { w.replayed-- }, "put back by replay: topics 1, sent 0"},
	} {
		t.Run(planted.name, func(t *testing.T) {
			w := whole()
			planted.spoil(&w)
			r := w.recount()
			if r.equal() {
				t.Fatal("was not noticed")
			}
			if said := complaints(r); !strings.Contains(said, planted.want) {
				t.Errorf("got %q, want %q in it", said, planted.want)
			}
			var b strings.Builder
			writeTable(&b, r.shown())
			for _, row := range r.rows {
				if !row.equal() && !strings.Contains(b.String(), row.what) {
					t.Errorf("the table does not show %q:\n%s", row.what, b.String())
				}
			}
		})
	}
}

func (w *world) change(id string, f func(o *told)) {
	o := w.orders[id]
	f(&o)
	w.orders[id] = o
}

func complaints(r recount) string {
	said := slices.Clone(r.faults)
	for _, row := range r.rows {
		if !row.equal() {
			said = append(said, row.sentence())
		}
	}
	return strings.Join(said, "\n")
}

// TestFate: an order is done once the place where it was seen last is behind the group's commit.
func TestFate(t *testing.T) {
	copied := life{order0(0), copyIn(retry1s, 5, tier, 0, attempt{1, "network"})}
	buried := life{order0(0), copyIn(dlqTopic, 7, letters, 0, attempt{1, "validation"})}
	committedAt := func(topic string, at int64) func(place) bool {
		return func(p place) bool { return p.topic == topic && p.offset < at }
	}
	for _, test := range []struct {
		name      string
		life      life
		calls     []call
		committed func(place) bool
		discarded bool
		want      fate
	}{
		{"committed", life{order0(0)}, nil, committedAt(sourceTopic, 1), false, done},
		{"not committed", life{order0(0)}, nil, committedAt(sourceTopic, 0), false, waiting},
		{"committed in the source, waits in a tier", copied, nil, committedAt(sourceTopic, 1), false, waiting},
		{"committed in the tier", copied, nil, committedAt(retry1s, 6), false, done},
		{"done above the commit", copied, []call{{2, 0, 200}}, committedAt(retry1s, 5), false, doneAbove},
		{"dead", buried, nil, committedAt(sourceTopic, 1), false, dead},
		{"discarded", buried, nil, committedAt(sourceTopic, 1), true, discarded},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := fateOf(test.life, test.calls, test.committed, func(place) bool { return test.discarded })
			if got != test.want {
				t.Errorf("got %v (%d), want %v (%d)", got, got, test.want, test.want)
			}
		})
	}
}

// TestLookReadsWhatTheEngineWrites holds the reader, written from the contract, against the engine's codec.
func TestLookReadsWhatTheEngineWrites(t *testing.T) {
	state := retrytopics.State{
		ID: "orders/3/1042", Topic: "orders", Partition: 3, Offset: 1042, Group: groupName, Attempt: 2, Replays: 1,
		Due: time.UnixMilli(5000), Class: classify.Network, Error: "refused", Reason: retrytopics.ReasonExhausted,
		History: []retrytopics.Try{{N: 1, Class: "network"}, {N: 2, Class: "network"}},
	}
	user := []kgo.RecordHeader{{Key: loadHeader, Value: []byte("1")}}
	record := &kgo.Record{Topic: dlqTopic, Partition: 3, Offset: 7, Timestamp: time.UnixMilli(4000), Headers: state.AppendHeaders(nil, user, 4096)}

	id, s := look(record, letters)
	if id != state.ID || s.attempt != 2 || s.replays != 1 || s.due != 5000 || s.written != 4000 || s.class != "network" || s.reason != "exhausted" {
		t.Errorf("got %s %+v", id, s)
	}
	if want := []attempt{{1, "network"}, {2, "network"}}; !slices.Equal(s.history, want) {
		t.Errorf("got history %v, want %v", s.history, want)
	}
	if id, s := look(&kgo.Record{Topic: sourceTopic, Partition: 1, Offset: 9}, source); id != "orders/1/9" || !s.stranger {
		t.Errorf("got %s %+v", id, s)
	}
	if _, s := look(&kgo.Record{Topic: sourceTopic, Headers: user}, source); s.stranger {
		t.Error("an order of the load is taken for a stranger's")
	}
}
