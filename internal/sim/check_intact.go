package sim

import "time"

// checkIntact compares what handlers saw and what copies hold with what was produced.
func (x *index) checkIntact() {
	for i := range x.h.Calls {
		c := &x.h.Calls[i]
		p := x.produced[c.Origin]
		if p == nil {
			continue // stable-id tells
		}
		switch {
		case !sameBytes(c.Key, p.Key):
			x.report.broken(Intact, "attempt %d of %s saw key %q, produced was %q", c.Attempt, p.Place, show(c.Key), show(p.Key))
		case !sameBytes(c.Value, p.Value):
			x.report.broken(Intact, "attempt %d of %s saw value %q, produced was %q", c.Attempt, p.Place, show(c.Value), show(p.Value))
		case !sameHeaders(userHeaders(c.Headers), userHeaders(p.Headers)):
			x.report.broken(Intact, "attempt %d of %s saw headers %q, produced were %q", c.Attempt, p.Place, c.Headers, p.Headers)
		case unixMilli(c.Timestamp) != unixMilli(p.Timestamp):
			x.report.broken(Intact, "attempt %d of %s saw timestamp %v, produced was %v", c.Attempt, p.Place, c.Timestamp, p.Timestamp)
		}
		x.report.count(Intact, "calls compared", 1)
	}
	for _, k := range x.copies {
		x.checkCopyIntact(k)
	}
}

func (x *index) checkCopyIntact(k *copied) {
	p := x.produced[k.origin]
	if p == nil {
		return // stable-id tells
	}
	switch {
	case !sameBytes(k.Key, p.Key):
		x.report.broken(Intact, "copy %s of %s has key %q, produced was %q", k.Place, p.Place, show(k.Key), show(p.Key))
	case !sameBytes(k.Value, p.Value):
		x.report.broken(Intact, "copy %s of %s has value %q, produced was %q", k.Place, p.Place, show(k.Value), show(p.Value))
	case !sameHeaders(k.user, userHeaders(p.Headers)):
		x.report.broken(Intact, "copy %s of %s has headers %q, produced were %q", k.Place, p.Place, k.user, userHeaders(p.Headers))
	case k.stamp != unixMilli(p.Timestamp):
		x.report.broken(Intact, "copy %s of %s carries timestamp %d, produced was %d", k.Place, p.Place, k.stamp, unixMilli(p.Timestamp))
	case k.twice != "":
		x.report.broken(Intact, "copy %s of %s has header %s more than once", k.Place, p.Place, k.twice)
	case k.bytes > x.t.HeaderLimit:
		x.report.broken(Intact, "copy %s of %s has %d bytes of our headers, allowed are %d", k.Place, p.Place, k.bytes, x.t.HeaderLimit)
	case k.bad != "":
		x.report.broken(Intact, "copy %s of %s has a header %s that cannot be read", k.Place, p.Place, k.bad)
	case k.Timestamp.Before(x.h.Begun.At.Truncate(time.Millisecond)):
		x.report.broken(Intact, "copy %s of %s is as old as %v, a copy's own timestamp is the time of the copy", k.Place, p.Place, k.Timestamp)
	}
	x.report.count(Intact, "copies compared", 1)
	if p.Key == nil {
		x.report.count(Intact, "null keys", 1)
	}
	if p.Value == nil {
		x.report.count(Intact, "null values", 1)
	}
	if len(p.Headers) > 1 {
		x.report.count(Intact, "several headers", 1)
	}
}

func show(b []byte) string {
	if b == nil {
		return "null"
	}
	return string(b[:min(len(b), 40)])
}

// checkStableID holds every call and copy to the identity of the record that it is of.
func (x *index) checkStableID() {
	for i := range x.h.Calls {
		c := &x.h.Calls[i]
		at := c.From
		if k := x.copies[c.From]; k != nil {
			at = k.origin
		}
		p := x.produced[at]
		switch {
		case p == nil && x.aborted[at]:
			x.report.broken(NoLoss, "record %s was handled, though its transaction was aborted", at)
		case p == nil:
			x.report.broken(StableID, "the call with %s says that it is of %s, where nothing was produced", c.From, at)
		case c.ID != p.ID:
			x.report.broken(StableID, "attempt %d of %s was called with id %q, it is %q", c.Attempt, p.Place, c.ID, p.ID)
		case c.Origin != p.Place:
			x.report.broken(StableID, "attempt %d of %s was called as %s", c.Attempt, p.Place, c.Origin)
		}
		x.report.count(StableID, "calls", 1)
	}
	for _, k := range x.copies {
		p := x.produced[k.origin]
		switch {
		case p == nil:
			x.report.broken(StableID, "copy %s says that it is of %s, where nothing was produced", k.Place, k.origin)
		case k.id != p.ID:
			x.report.broken(StableID, "copy %s of %s has id %q, it is %q", k.Place, p.Place, k.id, p.ID)
		case x.t.SourceOf(k.Place.Topic) != p.Place.Topic:
			x.report.broken(StableID, "copy %s is of %s, of another source", k.Place, p.Place)
		case k.Place.Number != p.Place.Number:
			x.report.broken(Ordered, "copy %s of %s has left its partition number", k.Place, p.Place)
		}
		x.report.count(StableID, "copies", 1)
	}
}

// checkOwnLane holds the group to its own topics: its copies say that they are its own, those of others are not
// handled, and nothing appears anywhere else.
func (x *index) checkOwnLane() {
	for _, k := range x.copies {
		if k.group != x.t.Group {
			x.report.broken(OwnLane, "copy %s says that it is group %q's, its group is %q", k.Place, k.group, x.t.Group)
		}
		x.report.count(OwnLane, "copies", 1)
	}
	for p, records := range x.h.Log {
		source := x.t.IsSource(p.Topic)
		for i := range records {
			r := &records[i]
			if r.Planted {
				x.report.count(OwnLane, "copies of another group", 1)
				if len(x.from[r.Place]) > 0 {
					x.report.broken(OwnLane, "copy %s of another group was handled", r.Place)
				}
				continue
			}
			if !r.Control && source && x.produced[r.Place] == nil && !x.aborted[r.Place] {
				x.report.broken(OwnLane, "record %s stands in a source topic, and nobody but a member can have put it there", r.Place)
			}
			if x.t.SourceOf(p.Topic) == "" {
				x.report.broken(OwnLane, "record %s stands in a topic that is not the group's", r.Place)
			}
		}
	}
	for i := range x.h.Calls {
		if c := &x.h.Calls[i]; c.Group != x.t.Group {
			x.report.broken(OwnLane, "attempt %d of %s was called for group %q", c.Attempt, c.ID, c.Group)
		}
	}
}
