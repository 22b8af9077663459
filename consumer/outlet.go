package consumer

import "sync"

// An outlet is one partition of a retry or dead-letter topic, as far as copies are under way to it. It bounds their
// bytes: the client would put whatever is under way into one batch, which brokers refuse as a whole when it is larger
// than the topic's limit, and a destination that does not answer would fill the client's buffer for all others.
type outlet struct {
	limit int64 // bytes under way at once; a larger copy goes alone
	bytes int64
	line  []*route
}

// outletBytes is what outlets begin with: below the limit of a topic that says nothing about it, 1 MiB.
const outletBytes = 900_000

// copyOverhead is what a copy takes in a batch beside its key, value and headers, generously.
const copyOverhead = 128

type outletKey struct {
	topic     string
	partition int32
}

// outlets are all the outlets of a pipeline.
type outlets struct {
	mu  sync.Mutex
	all map[outletKey]*outlet
}

func newOutlets() *outlets { return &outlets{all: make(map[outletKey]*outlet)} }

// enter asks whether a copy may be written now; else it stands in line.
func (o *outlets) enter(r *route) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	out := o.of(r)
	if len(out.line) > 0 || !out.fits(r) {
		out.line = append(out.line, r)
		return false
	}
	out.bytes += r.size
	return true
}

// leave says that a copy is under way no more, and returns those that may be written now.
func (o *outlets) leave(r *route) (next []*route) {
	o.mu.Lock()
	defer o.mu.Unlock()
	out := o.of(r)
	out.bytes -= r.size
	for len(out.line) > 0 && out.fits(out.line[0]) {
		out.bytes += out.line[0].size
		next = append(next, out.line[0])
		out.line[0] = nil
		out.line = out.line[1:]
	}
	return next
}

// tighten lets fewer bytes under way at once, after a batch that held the copy was refused as too large. It reports
// false when the copy went alone: then it is too large itself.
func (o *outlets) tighten(r *route) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	out := o.of(r)
	if out.limit <= r.size {
		return false
	}
	out.limit = max(out.limit/2, r.size)
	return true
}

func (o *outlets) of(r *route) *outlet {
	key := outletKey{r.record.Topic, r.record.Partition}
	out := o.all[key]
	if out == nil {
		out = &outlet{limit: outletBytes}
		o.all[key] = out
	}
	return out
}

func (out *outlet) fits(r *route) bool { return out.bytes == 0 || out.bytes+r.size <= out.limit }
