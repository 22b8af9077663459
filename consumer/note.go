package consumer

import (
	"cmp"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
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
//	redeliver/2 source clicks:6 orders:12 ~SUM    the sources and their partitions at the group's first start
//	redeliver/2 retry 10s orders ID ~SUM          a retry topic of source orders with that delay; the topic's id, if known
//	redeliver/2 retry 10s orders ID ~SUM done=1:Qk0K4oA    the same, and records above the commit are done
//
// SUM is of what stands before it: the lower 24 bits of its CRC-32C, big endian, in base64 (URL alphabet). What is damaged is no note.
// The first version had no sum.
type note struct {
	retry  bool
	delay  string           // of a retry topic
	source string           // of a retry topic
	id     string           // of a retry topic, as Kafka's tools print it: a topic that is made again has another
	first  map[string]int32 // partitions of the sources, at the group's first start
}

const (
	noteVersion = "redeliver/2"
	noteWithout = "redeliver/1" // a sum
	noteDone    = " done="
	noteSum     = " ~"
	sumBytes    = 3
	// noteLimit bounds the note in bytes, so that the map has three quarters of what brokers take.
	noteLimit = 1024
)

// String returns the text that is committed; "" for the zero note. Sources that have no room are left out: their
// partitions without a commit then start at their beginning.
func (n note) String() string {
	if n.retry {
		return summed(strings.TrimRight(fmt.Sprintf("%s retry %s %s %s", noteVersion, n.delay, n.source, n.id), " "))
	}
	if len(n.first) == 0 {
		return ""
	}
	text := noteVersion + " source"
	for _, s := range slices.Sorted(maps.Keys(n.first)) {
		if part := fmt.Sprintf(" %s:%d", s, n.first[s]); len(text)+len(part) <= noteLimit-sumRoom {
			text += part
		}
	}
	return summed(text)
}

// sumRoom is how much of a text its sum takes, in bytes.
var sumRoom = len(noteSum) + base64.RawURLEncoding.EncodedLen(sumBytes)

// summed is a note's text with the sum of it.
func summed(text string) string {
	sum := binary.BigEndian.AppendUint32(nil, crc32.Checksum([]byte(text), castagnoli))
	return text + noteSum + base64.RawURLEncoding.EncodeToString(sum[len(sum)-sumBytes:])
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
	if !strings.HasPrefix(metadata, noteVersion) && !strings.HasPrefix(metadata, noteWithout) {
		return ""
	}
	_, done, _ := strings.Cut(metadata, noteDone)
	return done
}

var errNoNote = errors.New("it is no note of ours, or was changed since")

// checkNote returns an error when metadata has something else before its map than a note of ours, or nothing.
func checkNote(metadata string) error {
	before, _, _ := strings.Cut(metadata, noteDone)
	if _, ok := parseNote(metadata); ok || before == "" || before == noteVersion || before == noteWithout {
		return nil
	}
	return errNoNote
}

// parseNote reads the metadata of a commit. Metadata of other programs is no note, and no more is one that was damaged.
func parseNote(metadata string) (n note, ok bool) {
	metadata, _, _ = strings.Cut(metadata, noteDone)
	text, _, _ := strings.Cut(metadata, noteSum)
	f := strings.Fields(text)
	if len(f) < 3 || !(f[0] == noteVersion && metadata == summed(text) || f[0] == noteWithout && metadata == text) {
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
