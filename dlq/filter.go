package dlq

import (
	"bytes"
	"context"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/redeliver/redeliver/classify"
	"github.com/redeliver/redeliver/retrytopics"
)

// Filter selects entries: those that everything set in it holds for. The zero Filter selects all that are still to be
// dealt with.
type Filter struct {
	// IDs selects by id: an entry's own, with or without its tag, also one that it had before it was carried forward ([Queue.Renew]), or that of its origin.
	// Empty: any.
	IDs []string
	// Class of the last failure. None: any.
	Class classify.Class
	// Severity of the last failure. SeverityNone: any.
	Severity classify.Severity
	// Reason of death. "": any.
	Reason retrytopics.Reason
	// Topic is the topic that the record first stood in. "": any.
	Topic string
	// Since and Until bound the time of death: not before Since, before Until. Zero: no bound.
	Since, Until time.Time
	// ExpiringBefore selects what the topic's retention may take before this time, see [Entry.Expires]; nothing where it keeps its records
	// for ever. Zero: any. [Queue.Tail] ignores it.
	ExpiringBefore time.Time
	// Key is the record's key, exactly. nil: any.
	Key []byte
	// Error matches the text of the last failure, "<type>: <message>". A replay takes none of [regexp.CompilePOSIX] that [regexp.Compile] takes otherwise, as "^"
	// and "+?". nil: any.
	Error *regexp.Regexp
	// Text is in the text of the last failure or in the value, letter by letter. "": any.
	Text string
	// Fingerprints selects by the problem that entries died of. Empty: any.
	Fingerprints []Fingerprint
	// Status selects by what became of the entries. Empty: [StatusOpen] and [StatusLimited], and, where IDs are named,
	// [StatusParked]; unless All.
	Status []Status
	// All selects by any status.
	All bool
	// Limit is the most entries. 0: no limit.
	Limit int
}

// passesSilently says whether entries with a status are none of those that a change is asked for by status, and are not told as left alone. Those that are
// named by id are told whatever their status is.
func (f Filter) passesSilently(status Status) bool {
	return len(f.Status) > 0 && !f.All && len(f.IDs) == 0 && !slices.Contains(f.Status, status)
}

// selector is a Filter made ready for one topic.
type selector struct {
	Filter
	status    [statuses]bool
	positions map[position][]string // to the ids as they were given: there may be one with its tag, and one without
	origins   map[string]bool
	former    map[string][]former // entries that stood at such positions which the topic has lost, by the id of their origin
	retention time.Duration       // of the topic, where ExpiringBefore is set
	found     map[string]bool
}

// position is where a record stands in the dead-letter topic.
type position struct {
	partition int32
	offset    int64
}

func (f Filter) compile(topicID kadm.TopicID) (*selector, error) {
	if f.Limit < 0 {
		return nil, fmt.Errorf("limit %d: want 0 for none, or more", f.Limit)
	}
	if !f.Since.IsZero() && !f.Until.IsZero() && !f.Since.Before(f.Until) {
		return nil, fmt.Errorf("since %v is not before until %v: no entry can match", f.Since, f.Until)
	}
	s := &selector{Filter: f, found: make(map[string]bool)}
	wanted := f.Status
	switch {
	case f.All:
		wanted = Statuses()
	case len(wanted) == 0:
		wanted = []Status{StatusOpen, StatusLimited}
		if len(f.IDs) > 0 {
			wanted = append(wanted, StatusParked)
		}
	}
	for _, status := range wanted {
		if status >= statuses {
			return nil, fmt.Errorf("unknown status %v", status)
		}
		s.status[status] = true
	}
	if len(f.IDs) > 0 {
		s.positions, s.origins, s.former = make(map[position][]string), make(map[string]bool), make(map[string][]former)
	}
	for _, text := range f.IDs {
		ref, err := parseReference(text)
		if err != nil {
			return nil, err
		}
		switch {
		case ref.origin != "":
			s.origins[ref.origin] = true
		case ref.tag == "" || ref.tag == topicTag(topicID):
			at := position{ref.partition, ref.offset}
			s.positions[at] = append(s.positions[at], text)
		}
	}
	return s, nil
}

// match says whether an entry is selected, whatever its status.
func (s *selector) match(e *Entry) bool {
	switch {
	case s.Class != classify.None && e.State.Class != s.Class,
		s.Severity != classify.SeverityNone && e.State.Severity != s.Severity,
		s.Reason != "" && e.State.Reason != s.Reason,
		s.Topic != "" && e.State.Topic != s.Topic,
		!s.Since.IsZero() && e.At.Before(s.Since),
		!s.Until.IsZero() && !e.At.Before(s.Until),
		s.Key != nil && (e.Record.Key == nil || !bytes.Equal(e.Record.Key, s.Key)),
		s.Error != nil && !s.Error.MatchString(e.State.Error),
		s.Text != "" && !strings.Contains(e.State.Error, s.Text) && !bytes.Contains(e.Record.Value, []byte(s.Text)),
		len(s.Fingerprints) > 0 && !slices.Contains(s.Fingerprints, e.Fingerprint()):
		return false
	}
	return s.positions == nil || s.named(e)
}

// texts are the ids that name an entry by a place of its own, as they were given.
func (s *selector) texts(e *Entry) []string {
	e.Former = nil
	for _, f := range s.former[e.State.ID] {
		if f.is(e) && f.at != (position{e.Partition, e.Offset}) {
			e.Former = append(e.Former, s.positions[f.at]...)
		}
	}
	return append(slices.Clip(s.positions[position{e.Partition, e.Offset}]), e.Former...)
}

func (s *selector) named(e *Entry) bool {
	texts := s.texts(e)
	for _, text := range texts {
		s.found[text] = true
	}
	if s.origins[e.State.ID] {
		s.found[e.State.ID] = true
	}
	return len(texts) > 0 || s.origins[e.State.ID]
}

// byOwnID says whether an entry is named by its own id, and not by that of its origin.
func (s *selector) byOwnID(e *Entry) bool {
	return len(s.texts(e)) > 0
}

// absent tells the ids apart that no entry had: of those in the first list there is none, and those of the second one are left out by the rest of the filter.
func (s *survey) absent(ctx context.Context) (missing, unselected []string, err error) {
	missing = s.sel.missing()
	f := s.sel.Filter
	if len(missing) == 0 || reflect.DeepEqual(f, Filter{IDs: f.IDs, Status: f.Status, All: f.All, Limit: f.Limit}) {
		return missing, nil, nil
	}
	absent, err := s.queue.Absent(ctx, missing)
	if err != nil {
		return nil, nil, err
	}
	return absent, slices.DeleteFunc(missing, func(id string) bool { return slices.Contains(absent, id) }), nil
}

// placed says whether it selects entries by their places in the topic alone.
func (s *selector) placed() bool { return s.positions != nil && len(s.origins) == 0 }

// missing are the ids that no entry had.
func (s *selector) missing() []string {
	var ids []string
	for _, text := range s.IDs {
		if !s.found[text] {
			ids = append(ids, text)
		}
	}
	return ids
}

// carried says whether an entry that is named stands in another place of a partition now, if anywhere.
func (s *selector) carried(partition int32) bool {
	for _, all := range s.former {
		if slices.ContainsFunc(all, func(f former) bool { return f.at.partition == partition }) {
			return true
		}
	}
	return false
}

// narrow leaves of the spans what can hold an entry that matches, where ids say so.
func (s *selector) narrow(spans []span) []span {
	if !s.placed() {
		return spans
	}
	var narrowed []span
	for _, whole := range spans {
		if s.carried(whole.partition) {
			narrowed = append(narrowed, whole)
			continue
		}
		part := span{partition: whole.partition, from: whole.to, to: whole.from}
		for at := range s.positions {
			if at.partition == whole.partition && at.offset >= whole.from && at.offset < whole.to {
				part.from, part.to = min(part.from, at.offset), max(part.to, at.offset+1)
			}
		}
		if part.from < part.to {
			narrowed = append(narrowed, part)
		}
	}
	return narrowed
}
