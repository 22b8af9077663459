package demo

import (
	"cmp"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// kind is what a topic is to the pipeline.
type kind uint8

const (
	source kind = iota
	tier
	letters
	ledger
)

// place is where a record stands.
type place struct {
	topic     string
	partition int32
	offset    int64
}

// attempt is one entry of a copy's history header.
type attempt struct {
	N     int    `json:"n"`
	Class string `json:"class"`
}

// sighting is one record as the reader saw it: an order, a copy in a retry topic, or a dead letter.
type sighting struct {
	place
	kind    kind
	written int64 // Unix ms
	due     int64 // Unix ms; 0: at once
	replays int
	attempt int
	history []attempt
	class   string
	reason  string

	stranger bool // an order that is not the load's
}

// look reads what the contract's headers say. It is written from the contract and not with the engine's codec, for it is
// to find out when that is wrong.
func look(r *kgo.Record, k kind) (id string, s sighting) {
	s = sighting{place: place{r.Topic, r.Partition, r.Offset}, kind: k, written: r.Timestamp.UnixMilli()}
	id = r.Topic + "/" + strconv.Itoa(int(r.Partition)) + "/" + strconv.FormatInt(r.Offset, 10)
	s.stranger = k == source
	for _, h := range r.Headers {
		if h.Key == loadHeader {
			s.stranger = false
		}
		name, ours := strings.CutPrefix(h.Key, "redeliver-")
		if !ours {
			continue
		}
		number, _ := strconv.ParseInt(string(h.Value), 10, 64)
		switch name {
		case "id":
			id = string(h.Value)
		case "replays":
			s.replays = int(number)
		case "due":
			s.due = number
		case "attempt":
			s.attempt = int(number)
		case "class":
			s.class = string(h.Value)
		case "reason":
			s.reason = string(h.Value)
		case "history":
			_ = json.Unmarshal(h.Value, &s.history) // what cannot be read is missed in the comparison
		}
	}
	return id, s
}

// life is all that was seen of one order, in the order in which it happened.
type life []sighting

// arrange sorts what was read from several topics side by side.
func (l life) arrange() {
	slices.SortFunc(l, func(a, b sighting) int {
		return cmp.Or(
			cmp.Compare(a.replays, b.replays),
			cmp.Compare(a.attempt, b.attempt),
			cmp.Compare(a.kind, b.kind),
			cmp.Compare(a.written, b.written),
			cmp.Compare(a.offset, b.offset),
		)
	})
}

// outcome is what became of a record of a topic, as /metrics counts it.
type outcome struct {
	topic string
	name  string // done, retried, dead, hopped
}

// outcomes returns what became of each sighting but the last.
func (l life) outcomes() (all []outcome) {
	for i := range len(l) - 1 {
		from, to := l[i], l[i+1]
		switch {
		case from.kind == letters: // a replay, which is nothing that the engine does
		case to.kind == letters:
			all = append(all, outcome{from.topic, "dead"})
		case to.attempt > from.attempt:
			all = append(all, outcome{from.topic, "retried"})
		default:
			all = append(all, outcome{from.topic, "hopped"})
		}
	}
	return all
}

// failures returns how many attempts failed, as the headers of the copies count them.
func (l life) failures() (n int) {
	for i, s := range l {
		if i == len(l)-1 || l[i+1].replays > s.replays {
			n += s.attempt
		}
	}
	return n
}

// early counts the calls that a record got while it was not due.
func (l life) early(calls []call) (n int) {
	for _, s := range l {
		if s.kind != tier {
			continue
		}
		for _, c := range calls {
			if c.at > s.written && c.at < s.due {
				n++
			}
		}
	}
	return n
}

// fits compares the calls that the service saw for a record with the history that the record carries: the same attempts
// in the same order, and at most one success, as the last call. Calls that failed beside them are free ones: they cost
// the record no attempt, as only the failures of a service may that is not well.
func (l life) fits(calls []call) (free int, ok bool) {
	last := l[len(l)-1]
	history := last.history
	if len(history) != l.failures() {
		return 0, false
	}
	matched := 0
	for i, c := range calls {
		switch {
		case c.status == 200:
			if i != len(calls)-1 || c.attempt != last.attempt+1 {
				return free, false
			}
		case matched < len(history) && history[matched].N == c.attempt:
			matched++
		case c.status >= 500 || c.status == 0:
			free++
		default:
			return free, false
		}
	}
	return free, matched == len(history)
}

// paid counts the calls that ended well.
func paid(calls []call) (n int) {
	for _, c := range calls {
		if c.status == 200 {
			n++
		}
	}
	return n
}

// kindOf says what a topic is, by its name.
func kindOf(topic string, tiers []time.Duration) (k kind, known bool) {
	dlq := names.DLQTopic(sourceTopic)
	switch topic {
	case sourceTopic:
		return source, true
	case dlq:
		return letters, true
	case dlq + ".ledger":
		return ledger, true
	}
	for _, d := range tiers {
		if topic == names.RetryTopic(sourceTopic, d) {
			return tier, true
		}
	}
	return 0, false
}
