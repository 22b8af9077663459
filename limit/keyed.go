package limit

import (
	"time"
)

// DefaultMaxKeys is how many keys a [Keyed] knows at once unless it is told otherwise.
const DefaultMaxKeys = 10_000

// Keyed is a limit for each of many keys. It knows a bounded number of them. One that has used nothing for as long as it
// takes to be as one that is new is forgotten first; when those that were asked for longest ago have all used something,
// the first of them is forgotten, and may start a burst anew.
//
// It is plain data with no lock of its own: whoever has several asks all of them under one, so that a call uses the rate of
// all or of none.
type Keyed struct {
	terms    terms
	maxKeys  int
	keys     map[string]*node
	newest   *node // asked for last
	oldest   *node
	furthest int64
	forgot   uint64
}

// node is one key, in the order in which keys were asked for.
type node struct {
	key    string
	bucket bucket
	newer  *node
	older  *node
}

// NewKeyed returns a limit of the rate for each key. burst is how many calls of one may start at once; below 1 it is
// [Rate.DefaultBurst]. maxKeys bounds the keys; below 1 it is [DefaultMaxKeys].
func NewKeyed(r Rate, burst, maxKeys int) *Keyed {
	if maxKeys < 1 {
		maxKeys = DefaultMaxKeys
	}
	return &Keyed{terms: termsOf(r, burst), maxKeys: maxKeys, keys: make(map[string]*node)}
}

// Ask returns when a call of the key may start: now, or later. first says that the call was not put off before: then those
// that were are served before it.
func (l *Keyed) Ask(key []byte, now time.Time, first bool) time.Time {
	at := nanos(now)
	n := l.keys[string(key)]
	if n == nil {
		return now
	}
	l.touch(n)
	earliest := n.bucket.earliest(l.terms, at)
	if first {
		earliest = max(earliest, n.bucket.horizon)
	}
	if earliest <= at {
		return now
	}
	return time.Unix(0, earliest)
}

// Take uses the rate of a key for one call that starts at the time, which [Keyed.Ask] allowed.
func (l *Keyed) Take(key []byte, at time.Time) {
	l.node(key, nanos(at)).bucket.take(l.terms, nanos(at), 1)
}

// PutOff returns when a call that may not start yet should ask again: those that are put off come back one after the other,
// at the rate.
func (l *Keyed) PutOff(key []byte, now time.Time) time.Time {
	at := l.node(key, nanos(now)).bucket.putOff(l.terms, nanos(now))
	l.furthest = max(l.furthest, at)
	return time.Unix(0, at)
}

// Stand returns when it is the turn of a call that waits for something else first, behind others of its key, and whether
// that is further off than a burst.
func (l *Keyed) Stand(key []byte, now time.Time) (at time.Time, over bool) {
	ns := nanos(now)
	turn := l.node(key, ns).bucket.putOff(l.terms, ns)
	if over = turn-ns > l.terms.tolerance; over {
		l.furthest = max(l.furthest, turn)
	}
	return time.Unix(0, turn), over
}

// Ahead is how far off the turn of the call is that was put off furthest.
func (l *Keyed) Ahead(now time.Time) time.Duration {
	return max(time.Duration(l.furthest-nanos(now)), 0)
}

// Keys is how many keys are known, and Forgot how many were forgotten that had used something.
func (l *Keyed) Keys() int      { return len(l.keys) }
func (l *Keyed) Forgot() uint64 { return l.forgot }

// node returns the node of a key, and makes it if there is none.
func (l *Keyed) node(key []byte, now int64) *node {
	if n := l.keys[string(key)]; n != nil {
		l.touch(n)
		return n
	}
	n := &node{}
	if len(l.keys) >= l.maxKeys {
		n = l.spare(now)
		if !n.bucket.full(now) {
			l.forgot++
		}
		l.drop(n)
	}
	*n = node{key: string(key)}
	l.keys[n.key] = n
	l.push(n)
	return n
}

// spare returns whom to forget: of those that were asked for longest ago the first that is as new.
func (l *Keyed) spare(now int64) *node {
	n := l.oldest
	for range 16 {
		if n == nil || n.bucket.full(now) {
			break
		}
		n = n.newer
	}
	if n == nil || !n.bucket.full(now) {
		return l.oldest
	}
	return n
}

func (l *Keyed) touch(n *node) {
	if l.newest == n {
		return
	}
	l.unlink(n)
	l.push(n)
}

func (l *Keyed) push(n *node) {
	n.newer, n.older = nil, l.newest
	if l.newest != nil {
		l.newest.newer = n
	}
	l.newest = n
	if l.oldest == nil {
		l.oldest = n
	}
}

func (l *Keyed) drop(n *node) {
	delete(l.keys, n.key)
	l.unlink(n)
}

func (l *Keyed) unlink(n *node) {
	if n.newer != nil {
		n.newer.older = n.older
	} else {
		l.newest = n.older
	}
	if n.older != nil {
		n.older.newer = n.newer
	} else {
		l.oldest = n.newer
	}
	n.newer, n.older = nil, nil
}
