package dlq

import (
	"encoding/base32"
	"fmt"
	"hash/fnv"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/retrytopics"
)

// Status is what became of an entry.
type Status uint8

// The statuses. Open and limited entries are still to be dealt with; parked ones too, but not now.
const (
	StatusOpen      Status = iota // nothing yet
	StatusReplayed                // put back to work
	StatusDiscarded               // given up by an operator
	StatusLimited                 // left out by a replay, for it was replayed too often; a higher cap replays it
	StatusParked                  // set aside by an operator
	statuses
)

// Statuses returns all of them.
func Statuses() []Status {
	return []Status{StatusOpen, StatusReplayed, StatusDiscarded, StatusLimited, StatusParked}
}

var statusNames = [...]string{StatusOpen: "open", StatusReplayed: "replayed", StatusDiscarded: "discarded", StatusLimited: "replay_limit", StatusParked: "parked"}

// String returns the status's name: open, replayed, discarded, replay_limit or parked.
func (s Status) String() string {
	if s < statuses {
		return statusNames[s]
	}
	return fmt.Sprintf("status(%d)", uint8(s))
}

// MarshalText returns the status's name.
func (s Status) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads a status's name.
func (s *Status) UnmarshalText(text []byte) (err error) {
	*s, err = ParseStatus(string(text))
	return err
}

// ParseStatus returns the status of that name.
func ParseStatus(name string) (Status, error) {
	for s, n := range statusNames {
		if n == name {
			return Status(s), nil
		}
	}
	return StatusOpen, fmt.Errorf("unknown status %q: the statuses are %s", name, strings.Join(statusNames[:], ", "))
}

// Mark is what the ledger says about an entry. The zero Mark: nothing.
type Mark struct {
	Status Status
	// At is when it was done; By, Run and Task say by whom. A renewal changes none of them, but where nothing else was done to the entry: then they
	// are of that.
	At     time.Time
	By     string // who did it
	Run    string // the call that did it
	Task   string // the replay that the call worked on: the one that began it has the same name
	To     string // the topic that a replay wrote to
	Reason string // why it was discarded or parked
	Edit   string // what a replay changed in the record that it wrote; the entry itself is as it was
	// Times is how often the entry was replayed. What died of that is an entry of its own.
	Times int
	// Renewed is when the entry was last carried forward, see [Queue.Renew]; zero: never.
	Renewed time.Time

	seen, until int64 // see settlement
}

// latest is the time of the last thing that the ledger says.
func (m Mark) latest() time.Time {
	if m.Renewed.After(m.At) {
		return m.Renewed
	}
	return m.At
}

// onlyRenewed says whether nothing was done to the entry but that it may have been carried forward.
func (m Mark) onlyRenewed() bool { return m.At.Equal(m.Renewed) }

// Entry is one dead letter.
type Entry struct {
	Topic     string   // the dead-letter topic
	TopicID   [16]byte // that the cluster gave it
	Partition int32    // in the dead-letter topic
	Offset    int64
	At        time.Time // of death
	// State is what the record's headers say. Where Err is not nil it is as good as can be.
	State retrytopics.State
	// Dialect is that of the program which wrote the entry, where that is not Redeliver: State is what it says, which is no class and no
	// reason. A replay takes its headers off the record, so that the program does not take it for one that was tried before.
	Dialect retrytopics.Dialect
	// Err says what is wrong with the headers, as for a record that neither Redeliver nor a program wrote whose headers it knows.
	Err error
	// Record is the dead-letter record. It must not be changed.
	Record *kgo.Record
	// Original is the record at its origin where a replay takes key, value and headers from there, see [Queue.Original]: a replay that the entry comes
	// from has set it. nil: Record is what is replayed, or nobody has looked.
	Original *kgo.Record
	// Status is what became of the entry. One that was replayed or discarded is open again when its record has failed anew since, with the Mark of what had
	// become of it: more than a minute later, in a dead letter that came after that, as when the offsets of its group were reset.
	Status Status
	Mark   Mark
	// CopyOf is the id of the entry whose further copy this record is, where [Queue.Entry] was asked for the copy by its
	// position and the first one stands at most 1000 offsets before it. "": none is known.
	CopyOf string
	// Former are those ids of [Filter].IDs, as they were given, that the entry had before it was carried forward and the topic lost the copy before.
	Former []string

	print  Fingerprint // 0: not known yet
	copies bool        // the index knows of further records with its identity
	passed *stableID   // of one that the filter does not select and that has copies: by which these are not the first one. Nothing else of it was read
}

// ID names the entry among all that a cluster has: short, and accepted for as long as the entry exists. It has another one when it was carried forward
// ([Queue.Renew]) and the topic has lost the copy before; the one before names it still. It is
// "<tag>-<partition>-<offset>", where the tag stands for the dead-letter topic's id, so that the ids of a topic that is
// deleted and made again name nothing any more.
func (e Entry) ID() string {
	return topicTag(e.TopicID) + "-" + strconv.FormatInt(int64(e.Partition), 10) + "-" + strconv.FormatInt(e.Offset, 10)
}

// OriginKnown says whether the entry can be put back where it came from: its headers name a record of another topic.
func (e Entry) OriginKnown() bool { return e.State.Topic != "" && e.State.Topic != e.Topic }

// tagLetters are without what is taken for something else: no i, l, o, u.
const tagLetters = "0123456789abcdefghjkmnpqrstvwxyz"

var tagAlphabet = base32.NewEncoding(tagLetters).WithPadding(base32.NoPadding)

// topicTag is four letters that stand for a topic id: a million of them.
func topicTag(id kadm.TopicID) string {
	sum := fnv.New32a()
	sum.Write(id[:])
	return tagAlphabet.EncodeToString(sum.Sum(nil))[:4]
}

// reference is an id as a user gave it: an entry's own, or that of its origin.
type reference struct {
	text      string
	tag       string // "" when it was left out
	partition int32
	offset    int64
	origin    string // the origin's id; the fields above are not set then
}

// CheckID says whether the text is an id of an entry: "k7qp-3-1042" as [Entry.ID] writes it, the same without its tag
// ("3-1042"), or the id of the origin ("orders/3/1042").
func CheckID(text string) error {
	_, err := parseReference(text)
	return err
}

// IDTag returns the part of an entry's id that stands for its queue, see [Queue.Tag]; "" where the id does not say.
func IDTag(text string) string {
	ref, err := parseReference(text)
	if err != nil {
		return ""
	}
	return ref.tag
}

func parseReference(text string) (reference, error) {
	if strings.Contains(text, "/") {
		if _, _, _, _, err := retrytopics.ParseID(text); err != nil {
			return reference{}, err
		}
		return reference{text: text, origin: text}, nil
	}
	parts := strings.Split(text, "-")
	ref := reference{text: text}
	if len(parts) == 3 && len(parts[0]) == 4 {
		ref.tag, parts = strings.ToLower(parts[0]), parts[1:]
	}
	if len(parts) == 2 {
		partition, err := strconv.ParseInt(parts[0], 10, 32)
		offset, err2 := strconv.ParseInt(parts[1], 10, 64)
		if err == nil && err2 == nil && partition >= 0 && offset >= 0 {
			ref.partition, ref.offset = int32(partition), offset
			return ref, nil
		}
	}
	return reference{}, fmt.Errorf("%q is no id of a dead letter: want one as in `redeliver dlq list` (k7qp-3-1042 or 3-1042), or that of its origin (orders/3/1042)", text)
}
