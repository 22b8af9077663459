package consumer

import (
	"fmt"
	"slices"
	"sync"
	"time"
)

// An outlet is one partition of a retry or dead-letter topic, as far as copies are under way to it. It bounds their
// bytes: the client would put whatever it is handed into one batch, which brokers refuse as a whole when it is larger
// than the topic's limit, and a destination that does not answer would fill the client's buffer for all others.
type outlet struct {
	limit     int64 // bytes of a batch; a larger copy goes alone
	batches   int64 // that may be under way at once
	bytes     int64
	count     int // copies under way
	sent      int // copies so far
	line      []*route
	moved     time.Time     // when the last copy was acknowledged or refused, or the first of those under way was sent
	first     *route        // that one
	tellAfter time.Duration // it is told of, or told again, when it has not answered for so long
}

// outletBytes is what outlets begin with: below the limit of a topic that says nothing about it, 1 MiB.
const outletBytes = 900_000

// batchesOf returns how many batches may be under way to a partition. What it costs to end a transaction is shared by all that is in it, so that it
// is to have more than one; without transactions what is under way is one batch.
func batchesOf(d Delivery) int64 {
	if d == ExactlyOnceRouting {
		return 4
	}
	return 1
}

// copyOverhead is what a copy takes in a batch beside its key, value and headers, generously.
const copyOverhead = 128

type outletKey struct {
	topic     string
	partition int32
}

// outlets are all the outlets of a pipeline.
type outlets struct {
	batches int64 // under way at once to each

	mu  sync.Mutex
	all map[outletKey]*outlet
}

// newOutlets makes outlets each of which has so many batches under way at once. Where there are several, whoever writes them writes one after the
// other, see [outlets.waves].
func newOutlets(batches int64) *outlets {
	return &outlets{batches: batches, all: make(map[outletKey]*outlet)}
}

// waves divides copies into those that may be written at the same time, of each partition a batch, and keeps the order of those to a partition.
func (o *outlets) waves(copies []*route) (waves [][]*route) {
	o.mu.Lock()
	defer o.mu.Unlock()
	type begun struct { // a batch
		wave  int
		bytes int64
		first *route
	}
	last := make(map[*outlet]begun)
	for _, r := range copies {
		out := o.of(r)
		b := last[out]
		switch {
		case b.first == nil:
			b.first = r
		case b.bytes+r.size > out.limit:
			b = begun{wave: b.wave + 1, first: r}
		}
		b.bytes += r.size
		last[out] = b
		r.within, r.alone = out.limit, b.first == r
		b.first.alone = r.alone
		if b.wave == len(waves) {
			waves = append(waves, nil)
		}
		waves[b.wave] = append(waves[b.wave], r)
	}
	return waves
}

// enter asks whether a copy may be written now; else it stands in line.
func (o *outlets) enter(r *route) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	out := o.of(r)
	if len(out.line) > 0 || !out.fits(r) {
		out.line = append(out.line, r)
		return false
	}
	if out.bytes == 0 {
		out.moved, out.first = time.Now(), r
	}
	out.send(r)
	return true
}

// leave says that a copy is under way no more, and returns those that may be written now.
func (o *outlets) leave(r *route) (next []*route) {
	o.mu.Lock()
	defer o.mu.Unlock()
	out := o.of(r)
	out.bytes -= r.counted
	out.count--
	out.moved = time.Now()
	if out.first == r {
		out.first = nil
	}
	if out.limit < outletBytes && !r.refused {
		out.limit += r.counted/16 + 1 // one batch that was too large does not slow down its partition for ever
	}
	for len(out.line) > 0 && out.fits(out.line[0]) {
		out.send(out.line[0])
		next = append(next, out.line[0])
		out.line[0] = nil
		out.line = out.line[1:]
	}
	return next
}

// pass takes a copy out that is under way no more, and writes those that have room now.
func (o *outlets) pass(r *route, write func(*route)) {
	for _, next := range o.leave(r) {
		write(next)
	}
}

// tighten lets fewer bytes into a batch, after one that held the copy was refused as too large: half of what it could have had, of whichever
// of its copies that is said. It reports false when the copy went alone: then it is too large itself.
func (o *outlets) tighten(r *route) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	out := o.of(r)
	r.refused = true
	if r.alone || r.first && out.sent == r.nth {
		return false
	}
	out.limit = max(min(out.limit, r.within/2), r.size)
	return true
}

// tight reports whether a copy would fill a batch alone, to a partition of which one was refused as too large: it may be too large itself.
func (o *outlets) tight(r *route) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	out := o.of(r)
	return out.limit < outletBytes && r.size >= out.limit
}

// routeStall is how long nothing has come back from a destination for its copies to count as held: the client tries
// again by itself without an end and without a word.
const routeStall = 10 * time.Second

// stalled lists the partitions that do not answer, as records that are held, and counts the copies that wait for them.
func (o *outlets) stalled(now time.Time) (held []HeldRecord, copies int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for key, out := range o.all {
		if !out.stalls(now) {
			continue
		}
		h := HeldRecord{To: key.topic, Since: out.moved, Err: fmt.Sprintf("partition %d does not acknowledge copies", key.partition)}
		if out.first != nil {
			h.ID = out.first.entry.state.ID
		}
		held = append(held, h)
		copies += out.count + len(out.line)
	}
	return held, copies
}

func (out *outlet) stalls(now time.Time) bool {
	return out.bytes > 0 && now.Sub(out.moved) > routeStall
}

// tell logs which partitions do not answer, each at a falling rate.
func (o *outlets) tell(p *Pipeline, now time.Time) {
	for key, copies := range o.untold(now) {
		p.log.Error("partition does not acknowledge copies: their records are held", "pipeline", p.cfg.Name, "to", key.topic,
			"partition", key.partition, "copies", copies, "remedy", "see whether it has a leader and enough replicas in sync")
	}
}

// untold returns the partitions that are to be told of, with the number of copies that wait for them.
func (o *outlets) untold(now time.Time) map[outletKey]int {
	o.mu.Lock()
	defer o.mu.Unlock()
	all := make(map[outletKey]int)
	for key, out := range o.all {
		took := now.Sub(out.moved)
		switch {
		case !out.stalls(now):
			out.tellAfter = 0
		case took >= out.tellAfter:
			out.tellAfter = 2 * took
			all[key] = out.count + len(out.line)
		}
	}
	return all
}

// forget takes the copies of a closed lane out of the lines: their records are the next owner's.
func (o *outlets) forget(l *lane) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, out := range o.all {
		out.line = slices.DeleteFunc(out.line, func(r *route) bool { return r.entry.lane == l })
	}
}

func (o *outlets) of(r *route) *outlet {
	if r.out != nil {
		return r.out
	}
	key := r.to()
	r.out = o.all[key]
	if r.out == nil {
		r.out = &outlet{limit: outletBytes, batches: o.batches}
		o.all[key] = r.out
	}
	return r.out
}

// send counts a copy as under way. Its size may change until it comes back.
func (out *outlet) send(r *route) {
	out.sent++
	r.nth, r.first, r.refused = out.sent, out.count == 0, false
	r.within = out.limit
	r.counted = r.size
	out.bytes += r.counted
	out.count++
}

func (out *outlet) fits(r *route) bool {
	return out.bytes == 0 || out.bytes+r.size <= out.batches*out.limit
}
