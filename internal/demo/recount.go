package demo

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// The demo's promise is that its figures are right, whoever counts them. Four count on their own:
//
//   - topics: the reader, from the raw records of all topics, their redeliver-* headers, and the group's commits;
//   - service: the payment service, from the calls that it saw;
//   - metrics: the engine, as /metrics shows it;
//   - sent: who put records in: the load for orders, the ledger for what was replayed.

// witness is one who counts.
type witness uint8

const (
	byTopics witness = iota
	byService
	byMetrics
	bySent
	witnesses
)

var witnessNames = [witnesses]string{"topics", "service", "metrics", "sent"}

// row is one figure as the witnesses tell it. A witness who cannot know it does not speak.
type row struct {
	what   string
	says   [witnesses]int
	speaks [witnesses]bool
	detail bool // shown only when it differs
}

func newRow(what string) row { return row{what: what} }

func (r row) with(w witness, n int) row {
	r.says[w], r.speaks[w] = n, true
	return r
}

// equal reports whether all who speak say the same.
func (r row) equal() bool {
	first := -1
	for w := range witnesses {
		switch {
		case !r.speaks[w]:
		case first < 0:
			first = r.says[w]
		case r.says[w] != first:
			return false
		}
	}
	return true
}

// recount is the comparison of all that was counted.
type recount struct {
	totals *totals
	rows   []row
	faults []string // what is wrong beside figures that differ

	unsettled bool // orders were still on their way at the end
}

// compare puts the witnesses side by side. sent are the orders that were acknowledged to the load, replayed what the
// ledger says was put back, unknown the ids that the service was called with and no topic has.
func compare(t *totals, m metrics, sent, replayed, unknown int) recount {
	r := recount{totals: t}
	good, calls := t.attempts[success], sum(m.attempts)
	r.rows = []row{
		newRow("orders in").with(byTopics, t.orders).with(bySent, sent+t.strangers),
		newRow("done").with(byTopics, t.done).with(byService, t.paid).with(byMetrics, outcomes(m, "done")),
		newRow("attempts").with(byTopics, sum(t.attempts)).with(byService, t.calls-t.free).with(byMetrics, calls),
		newRow("  failed").with(byTopics, t.failed()).with(byService, t.calls-t.free-t.paid).with(byMetrics, calls-m.attempts[success]),
		newRow("  before their time").with(byTopics, 0).with(byService, t.early),
		newRow("calls that cost no attempt").with(byService, t.free).with(byMetrics, m.calls-calls),
		newRow("copies to retry topics").with(byTopics, t.outcome("retried")).with(byMetrics, outcomes(m, "retried")),
		newRow("dead letters").with(byTopics, sum(t.letters)).with(byMetrics, sum(m.letters)),
		newRow("  put back by replay").with(byTopics, t.replays).with(bySent, replayed),
	}
	r.detail(t, m)
	r.rows = append(r.rows,
		newRow("calls").with(byService, t.calls).with(byMetrics, m.calls).only(),
		newRow("attempts that succeeded").with(byTopics, good).with(byMetrics, m.attempts[success]).only(),
	)
	r.judge(t, unknown)
	return r
}

// only makes a row a detail.
func (r row) only() row {
	r.detail = true
	return r
}

// detail compares what the rows above sum up.
func (r *recount) detail(t *totals, m metrics) {
	both(t.outcomes, m.outcomes, func(o outcome, topics, metrics int) {
		r.rows = append(r.rows, newRow(o.topic+" "+o.name).with(byTopics, topics).with(byMetrics, metrics).only())
	})
	both(t.attempts, m.attempts, func(class string, topics, metrics int) {
		r.rows = append(r.rows, newRow("attempts "+class).with(byTopics, topics).with(byMetrics, metrics).only())
	})
	both(t.letters, m.letters, func(l letterKind, topics, metrics int) {
		r.rows = append(r.rows, newRow("dead letters "+l.class+" "+l.reason).with(byTopics, topics).with(byMetrics, metrics).only())
	})
}

// judge finds what no pair of figures shows.
func (r *recount) judge(t *totals, unknown int) {
	if all := t.done + t.open + t.discarded + sum(t.waiting); all != t.orders {
		r.faults = append(r.faults, fmt.Sprintf("%d orders came in, and %d are done, %d dead, %d discarded and %d waiting, which is %d",
			t.orders, t.done, t.open, t.discarded, sum(t.waiting), all))
	}
	if t.misfits > 0 {
		r.faults = append(r.faults, fmt.Sprintf("%s whose calls are not what the headers say: %s",
			plural(t.misfits, "order"), strings.Join(t.samples, "; ")))
	}
	if t.orphans > 0 {
		r.faults = append(r.faults, plural(t.orphans, "copy")+" of which no order was seen")
	}
	if unknown > 0 {
		r.faults = append(r.faults, plural(unknown, "id")+" that the service was called for and no topic has")
	}
}

// equal reports whether everything adds up.
func (r recount) equal() bool {
	return len(r.faults) == 0 && !slices.ContainsFunc(r.rows, func(r row) bool { return !r.equal() })
}

// shown are the rows for people: all that sum up, and the details that differ.
func (r recount) shown() (rows []row) {
	for _, row := range r.rows {
		if !row.detail || !row.equal() {
			rows = append(rows, row)
		}
	}
	return rows
}

func outcomes(m metrics, name string) (n int) {
	for o, count := range m.outcomes {
		if o.name == name {
			n += count
		}
	}
	return n
}

// both goes through the keys of two counts, in an order that is the same each time.
func both[K comparable](a, b map[K]int, f func(k K, a, b int)) {
	keys := slices.Collect(maps.Keys(a))
	for k := range b {
		if _, ok := a[k]; !ok {
			keys = append(keys, k)
		}
	}
	slices.SortFunc(keys, func(x, y K) int { return strings.Compare(fmt.Sprint(x), fmt.Sprint(y)) })
	for _, k := range keys {
		f(k, a[k], b[k])
	}
}

// plural counts things in words: 1 order, 2 orders, 3 copies.
func plural(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	if stem, ok := strings.CutSuffix(thing, "y"); ok {
		return fmt.Sprintf("%d %sies", n, stem)
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
