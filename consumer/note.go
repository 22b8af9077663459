package consumer

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// note is the metadata of a commit: what the partition's topic is to this group. It lets any member know which topics
// are the group's retry topics, even those that no configuration names any more, and which partitions of a source were
// there when the group first started. Behind it stands the map of what is done above the commit, if anything is, see
// [doneRuns].
//
//	redeliver/1 source clicks:6 orders:12    the sources and their partitions at the group's first start
//	redeliver/1 retry 10s orders ID          a retry topic of source orders with that delay; the topic's id, if known
//	redeliver/1 retry 10s orders ID done=1:Qk0K4oA    the same, and records above the commit are done
type note struct {
	retry  bool
	delay  string           // of a retry topic
	source string           // of a retry topic
	id     string           // of a retry topic, as Kafka's tools print it: a topic that is made again has another
	first  map[string]int32 // partitions of the sources, at the group's first start
}

const (
	noteVersion = "redeliver/1"
	noteDone    = " done="
	// noteLimit bounds the note in bytes, so that the map has three quarters of what brokers take.
	noteLimit = 1024
)

// String returns the text that is committed; "" for the zero note. Sources that have no room are left out: their
// partitions without a commit then start at their beginning.
func (n note) String() string {
	if n.retry {
		return strings.TrimRight(fmt.Sprintf("%s retry %s %s %s", noteVersion, n.delay, n.source, n.id), " ")
	}
	if len(n.first) == 0 {
		return ""
	}
	text := noteVersion + " source"
	for _, s := range slices.Sorted(maps.Keys(n.first)) {
		if part := fmt.Sprintf(" %s:%d", s, n.first[s]); len(text)+len(part) <= noteLimit {
			text += part
		}
	}
	return text
}

// metadata is the note with the map of what is done behind it, which may be "".
func (n note) metadata(done string) string {
	text := n.String()
	if done == "" {
		return text
	}
	return cmp.Or(text, noteVersion) + noteDone + done
}

// doneIn returns the map of what is done that a commit's metadata carries, "" for none.
func doneIn(metadata string) string {
	if !strings.HasPrefix(metadata, noteVersion) {
		return ""
	}
	_, done, _ := strings.Cut(metadata, noteDone)
	return done
}

// parseNote reads the metadata of a commit. Metadata of other programs is no note.
func parseNote(text string) (n note, ok bool) {
	text, _, _ = strings.Cut(text, noteDone)
	f := strings.Fields(text)
	if len(f) < 3 || f[0] != noteVersion {
		return n, false
	}
	switch f[1] {
	case "source":
		n.first = make(map[string]int32)
		for _, part := range f[2:] {
			source, digits, found := strings.Cut(part, ":")
			count, err := strconv.ParseInt(digits, 10, 32)
			if !found || err != nil || count < 1 {
				return note{}, false
			}
			n.first[source] = int32(count)
		}
		return n, true
	case "retry":
		if len(f) < 4 {
			return n, false
		}
		n = note{retry: true, delay: f[2], source: f[3]}
		if len(f) > 4 {
			n.id = f[4]
		}
		return n, true
	}
	return n, false
}
