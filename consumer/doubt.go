package consumer

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// doubt says of the lanes of a transaction whether it is in doubt what has become of it. Until that is known nothing is committed
// of them: a commit that comes behind the offsets of a transaction stands, even when that is committed later, and would have what
// was routed handled again. All other lanes go on.
func (ms marks) doubt(doubt bool) {
	for _, m := range ms {
		l := m.lane
		l.strand.mu.Lock()
		l.inDoubt = doubt
		l.strand.mu.Unlock()
		if !doubt {
			l.strand.p.relieve(l)
		}
	}
}

// uncommitted is how many settled records of the lane wait for a commit that it cannot have now, while others can: its transaction
// is in doubt, its topic is refused, or there is no room for what must not be forgotten. They count against its share of the window. The strand's lock is held.
func (l *lane) uncommitted() int64 {
	if !l.inDoubt && !l.stuck && l.refusals.count == 0 {
		return 0
	}
	return l.settledRecords.Load() - l.saved
}

// crowd is how many records of the window the lane takes up, whether they get fewer as its records settle, and when the first of those that are
// open came.
func (l *lane) crowd() (records int64, drains bool, since time.Time) {
	l.strand.mu.Lock()
	defer l.strand.mu.Unlock()
	stuck := l.uncommitted()
	if len(l.batches) > 0 {
		since = l.batches[0].arrived
	}
	return l.held.Load() + stuck, stuck == 0, since
}

// doubtful returns those of the lanes whose transaction is in doubt.
func doubtful(lanes []*lane) (in []*lane) {
	for _, l := range lanes {
		l.strand.mu.Lock()
		if l.inDoubt {
			in = append(in, l)
		}
		l.strand.mu.Unlock()
	}
	return in
}

// partitionsTold is how many partitions are named where all are meant.
const partitionsTold = 10

// partitions names the partitions for people.
func (ms marks) partitions() string {
	all := slices.SortedFunc(maps.Keys(ms), func(a, b partition) int {
		return cmp.Or(cmp.Compare(a.topic, b.topic), cmp.Compare(a.number, b.number))
	})
	more := ""
	if n := len(all) - partitionsTold; n > 0 {
		all, more = all[:partitionsTold], fmt.Sprintf(" and %d more partitions", n)
	}
	names := make([]string, len(all))
	for i, at := range all {
		names[i] = fmt.Sprintf("%s/%d", at.topic, at.number)
	}
	return strings.Join(names, ", ") + more
}
