package sim

import (
	"maps"
	"math"
	"slices"
	"strings"
	"time"
)

// A topic that is deleted and made again begins at offset 0 once more. The history gives the partitions of the deleted one
// another name, so that a place is a place.

const incarnationMark = "#"

// live returns the partition as the cluster names it.
func (p Partition) live() Partition {
	p.Topic, _, _ = strings.Cut(p.Topic, incarnationMark)
	return p
}

// isDeleted reports whether the partition was deleted with its topic.
func (p Partition) isDeleted() bool { return strings.Contains(p.Topic, incarnationMark) }

// tellApart finds for what was seen of topics that were deleted which of them it was, and for what was produced in
// transactions whether it is there.
func (h *History) tellApart() {
	for _, d := range h.Deleted {
		var gone []Partition
		for p := range h.Log {
			if p.Topic == d.As {
				gone = append(gone, p)
			}
		}
		last := make(map[Partition]int64) // commits of the one that was deleted
		anew := make(map[Partition]bool)  // a commit since then has begun with the new one
		for i := range h.Commits {
			c := &h.Commits[i]
			at := c.Partition
			switch {
			case c.When.Before(d.When):
				last[at] = c.Offset
			case c.Offset == 0 || c.Offset < last[at]:
				anew[at] = true
			}
			late := c.TopicID == d.ID
			if c.TopicID == "" || d.ID == "" {
				late = c.When.At.Before(d.When.At.Add(remaking)) && !anew[at]
			}
			c.tellApart(d, gone, late)
		}
		for i := range h.Calls {
			if c := &h.Calls[i]; c.From.Topic == d.Topic && h.holds(d.As, c) {
				c.From.Topic = d.As
			}
		}
	}
	for i := range h.Produced {
		p := &h.Produced[i]
		p.Aborted = p.transaction && h.at(p.Place) == nil
	}
}

// remaking is within what time little is done in a topic that was deleted and made again: a commit that does not say which one it is of and comes
// so soon, of more than the one before, is still of the old one, and the fake broker takes it, unless there was one of less since.
const remaking = time.Second

// tellApart says which incarnation a commit is of, and its ends are. Gone are the partitions of the one that was deleted,
// and late says that it is of that one though it came later.
func (c *Commit) tellApart(d Deletion, gone []Partition, late bool) {
	before := c.When.Before(d.When)
	if c.Partition.Topic == d.Topic && (before || late) {
		c.Partition.Topic = d.As
	}
	if !before {
		for _, p := range gone {
			if _, known := c.Ends[p]; !known {
				c.Ends[p] = math.MaxInt64 // whatever was in it was durable
			}
		}
		return
	}
	for p, end := range maps.Clone(c.Ends) {
		if p.Topic == d.Topic {
			c.Ends[Partition{d.As, p.Number}] = end
			delete(c.Ends, p)
		}
	}
}

// topicIDIn returns the id of a retry topic that the metadata of a commit names, "" where it names none.
func topicIDIn(metadata string) string {
	f := strings.Fields(metadata)
	if len(f) < 5 || f[0] != "redeliver/2" || f[1] != "retry" || strings.HasPrefix(f[4], "~") {
		return ""
	}
	return f[4]
}

// holds reports whether a call was made with a record of a topic.
func (h *History) holds(topic string, c *Call) bool {
	r := h.at(Place{Partition{topic, c.From.Number}, c.From.Offset})
	return r != nil && r.Timestamp.Equal(c.stamp) && readCopy(r).id == c.ID
}

// at returns the record at a place, or nil.
func (h *History) at(at Place) *Logged {
	records := h.Log[at.Partition]
	i, found := slices.BinarySearchFunc(records, at.Offset, func(l Logged, offset int64) int { return int(l.Place.Offset - offset) })
	if !found {
		return nil
	}
	return &records[i]
}
