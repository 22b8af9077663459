package dlq

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/maphash"
	"iter"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/retrytopics"
)

// LedgerTopic names the compacted topic beside a dead-letter topic that holds what became of its entries.
func LedgerTopic(dlq string) string { return retrytopics.LedgerTopic(dlq) }

const ledgerVersion = 1

// year9999 in Unix ms bounds the time of a mark: one of the last time that there is would stand for ever, for no mark could be later.
const year9999 = 253402300799999

// writerPartition of the ledger holds the key that says who writes, so that it can be looked up alone.
const writerPartition = 0

// Identity is what the copies of one dead letter have in common: id, group, number of replays and the name of the last one. It is a hash of them,
// 128 bits with seeds of this process, for a ledger of millions is held in memory: it means nothing outside. Dead letters of a source topic that was deleted
// and made again may have those of the topic before: what tells them apart is when they were born, see [BirthOf].
type Identity [2]uint64

var identitySeeds = [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}

func identify(id, group string, replays int, replay string) Identity {
	var room [256]byte
	buf := append(room[:0], id...)
	buf = append(append(append(buf, 0), group...), 0)
	buf = append(binary.AppendVarint(buf, int64(replays)), replay...)
	return Identity{maphash.Bytes(identitySeeds[0], buf), maphash.Bytes(identitySeeds[1], buf) | 1} // never the zero Identity
}

// IdentityOf returns the identity of the dead letter that a record with this state is, or would be.
func IdentityOf(s *retrytopics.State) Identity { return identify(s.ID, s.Group, s.Replays, s.Replay) }

func (e *Entry) identity() Identity { return IdentityOf(&e.State) }

// ledger is what became of the entries of one dead-letter topic. It takes some 80 to 120 bytes an entry. It is not safe for
// concurrent use.
type ledger struct {
	marks   map[Identity]mark
	others  map[Identity][]mark // of entries that were born at another time than the one in marks
	met     identities          // their own, in the scan under way
	origin  []provenance        // of the marks
	index   map[provenance]uint32
	writer  Writer // who began to write last
	latest  int64  // Unix ms of the latest mark
	renewed int64  // Unix ms of the latest renewal
	tasks   map[string]*Task
	wishes  map[string]wish // by the run that is to end, or the task
	purges  []string        // runs that deleted something
}

// wish is what somebody wants of a run, or of a task that nobody works on.
type wish struct {
	what, by string
	at       int64 // Unix ms
}

// mark is a [Mark] in few bytes.
type mark struct {
	at     int64 // Unix ms
	birth  int64 // of the entry, or noBirth
	until  int64 // see settlement
	from   uint32
	times  uint16 // that it was replayed
	status Status
	none   bool // a tombstone took back what was known
}

// provenance is what the marks of one call have in common.
type provenance struct {
	by, run, task, to, reason, edit string
	seen                            int64 // see settlement

	// The rest is not of an index, whose marks have their moments with them.
	writer  string // the run that wrote them
	beside  int64  // see moments
	renewal bool
}

// Writer is a call that writes to a ledger, or did.
type Writer struct {
	Run   string    // names the call
	By    string    // who called
	Doing string    // replay, discard, park, reopen, renew or purge
	Task  string    // the replay that it works on: the one that began it has the same name; [Queue.UnderWay] and [BusyError] name none that is not written down yet
	At    time.Time // when it began
	Alive time.Time // its last sign of life
	Ended bool      // it said that it ended
}

func newLedger() *ledger {
	return &ledger{marks: make(map[Identity]mark), others: make(map[Identity][]mark), index: make(map[provenance]uint32), tasks: make(map[string]*Task), wishes: make(map[string]wish)}
}

// meet notes that the scan came upon a copy of an entry, and says what the ledger knows about it, how it stands, and whether this is the
// first copy of it that does.
func (l *ledger) meet(e *Entry) (m mark, status Status, first bool) {
	m = l.of(e)
	status = l.stands(e, m)
	id := e.own()
	if status != m.status {
		id = id.anew()
	}
	return m, status, l.met.add(id)
}

// of is what is known about an entry.
func (l *ledger) of(e *Entry) mark {
	if len(l.marks) == 0 {
		return mark{}
	}
	id, birth := e.identity(), BirthOf(&e.State)
	if m, known := l.marks[id]; !known || m.birth == birth && len(l.others) == 0 {
		return m
	}
	own, unborn := l.with(id, birth), l.with(id, noBirth)
	switch {
	case unborn.at <= own.at, precedes(unborn.at, birth, e.At.UnixMilli()):
		return own
	case own.at > 0 && unborn.none: // such a tombstone takes back what it is like
		return own
	}
	return unborn
}

// with is the mark of the entry that was born then, or, with noBirth, of a release that noted no birth.
func (l *ledger) with(id Identity, birth int64) mark {
	for m := range l.all(id) {
		if m.birth == birth {
			return m
		}
	}
	return mark{}
}

// all goes through the marks with an identity.
func (l *ledger) all(id Identity) iter.Seq[mark] {
	return func(yield func(mark) bool) {
		m, known := l.marks[id]
		if !known || !yield(m) {
			return
		}
		for _, m := range l.others[id] {
			if !yield(m) {
				return
			}
		}
	}
}

// now is the time for the next marks: after the latest one that was read, whatever the clocks of the machines say that
// wrote before. That makes the time tell which of two marks counts, and not only the order within a partition.
func (l *ledger) now() int64 { return l.after(time.Now()) }

// after is now for who has looked at the clock.
func (l *ledger) after(now time.Time) int64 { return max(now.UnixMilli(), l.latest+1) }

// set notes what became of an entry, unless something later is known.
func (l *ledger) set(id Identity, m mark, from provenance) {
	first, known := l.marks[id]
	old := first
	if known && first.birth != m.birth {
		old = l.with(id, m.birth)
	}
	if old.at > m.at {
		return
	}
	l.latest = max(l.latest, m.at)
	n, ok := l.index[from]
	if !ok {
		n = uint32(len(l.origin))
		l.origin, l.index[from] = append(l.origin, from), n
	}
	m.from = n
	if !known || first.birth == m.birth {
		l.marks[id] = m
		return
	}
	l.others[id] = append(slices.DeleteFunc(l.others[id], func(o mark) bool { return o.birth == m.birth }), m)
}

func (l *ledger) describe(m mark) Mark {
	if m.at == 0 || m.none {
		return Mark{}
	}
	from := l.origin[m.from]
	return moments{at: m.at, beside: from.beside, renewal: from.renewal}.mark(m.status, m.times, m.until, from)
}

// ledgerValue is the value of a ledger record: of a mark, or of the writer.
type ledgerValue struct {
	V       int         `json:"v"`
	Status  string      `json:"status,omitempty"`
	At      int64       `json:"at"`
	By      string      `json:"by,omitempty"`
	Run     string      `json:"run,omitempty"`
	To      string      `json:"to,omitempty"`
	Reason  string      `json:"reason,omitempty"`
	Edit    string      `json:"edit,omitempty"`
	ID      string      `json:"id,omitempty"`
	Group   string      `json:"group,omitempty"`
	Replays int         `json:"replays,omitempty"`
	Replay  string      `json:"replay,omitempty"`  // the name that the entry carries of the last one
	Born    int64       `json:"born,omitempty"`    // Unix ms of its origin, see BirthOf
	Times   int         `json:"times,omitempty"`   // that the entry was replayed, where that is more than its status says
	Renewed int64       `json:"renewed,omitempty"` // that of a mark which says that it was: its own time
	Was     decided     `json:"was,omitzero"`      // of one that says that it was: who marked the entry before, if anybody did
	Seen    int64       `json:"seen,omitempty"`    // where the partition of dead letters ended for the call that wrote the mark
	Until   int64       `json:"until,omitempty"`   // of one by which the entry is dealt with: up to when what stands behind that first failed which is too, in Unix ms
	Doing   string      `json:"doing,omitempty"`
	Alive   int64       `json:"alive,omitempty"`
	Ended   bool        `json:"ended,omitempty"`
	TaskID  string      `json:"of,omitempty"` // the replay that a call works on, where that has another name; that a wish is about, whoever works on it
	Task    *taskValue  `json:"task,omitempty"`
	Purge   *purgeValue `json:"purge,omitempty"`

	forgets bool // a tombstone: what was known of the entry, or of the task, is forgotten
}

// times is how often the entry was replayed.
func (v *ledgerValue) times() uint16 {
	least := 0
	if v.Status == StatusReplayed.String() {
		least = 1
	}
	return uint16(min(max(v.Times, least), math.MaxUint16))
}

// ledgerKeys are the keys of one dead-letter topic.
type ledgerKeys struct {
	prefix string
	topic  kadm.TopicID
}

func keysOf(topicID kadm.TopicID) ledgerKeys {
	return ledgerKeys{base64.RawURLEncoding.EncodeToString(topicID[:]) + "/", topicID}
}

// isLedgerKey says whether a key is that of a record about any topic.
func isLedgerKey(key []byte) bool {
	id, _, of := bytes.Cut(key, []byte("/"))
	var topic kadm.TopicID
	n, err := base64.RawURLEncoding.Decode(topic[:], id[:min(len(id), base64.RawURLEncoding.EncodedLen(len(topic)))])
	return of && err == nil && n == len(topic) && len(id) == base64.RawURLEncoding.EncodedLen(n)
}

func (k ledgerKeys) writer() []byte { return []byte(k.prefix + "writer") }

// keyTask is what the key of a task begins with, behind the prefix.
const keyTask = "task/"

func (k ledgerKeys) task(id string) []byte { return []byte(k.prefix + keyTask + id) }

func (k ledgerKeys) wish(id string) []byte { return []byte(k.prefix + "wish/" + id) }

func (k ledgerKeys) purge(run string) []byte { return []byte(k.prefix + "purge/" + run) }

func (k ledgerKeys) mark(partition int32, offset int64) []byte {
	return k.appendMark(make([]byte, 0, len(k.prefix)+24), partition, offset)
}

func (k ledgerKeys) appendMark(key []byte, partition int32, offset int64) []byte {
	key = append(strconv.AppendInt(append(key, k.prefix...), int64(partition), 10), '/')
	return strconv.AppendInt(key, offset, 10)
}

// ledgerReader reads a ledger topic for one dead-letter topic.
type ledgerReader struct {
	fetcher *fetcher // nil: of records that are at hand, behind which nothing is looked for
	keys    ledgerKeys
	only    []byte // what the keys of the records begin with that are wanted; empty: all are
}

// read adds to the ledger what stands in the spans.
func (r *ledgerReader) read(ctx context.Context, l *ledger, spans []span) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var readers sync.WaitGroup
	var mu sync.Mutex // of l
	for _, s := range spans {
		readers.Go(func() {
			err := r.fetcher.read(ctx, s, func(records []*kgo.Record, _ int64) error {
				values, err := r.decode(ctx, records)
				if err != nil {
					return err
				}
				mu.Lock()
				defer mu.Unlock()
				l.add(values)
				return nil
			})
			if err != nil {
				cancel(err)
			}
		})
	}
	readers.Wait()
	return context.Cause(ctx)
}

// decode reads the records that are about this dead-letter topic.
func (r *ledgerReader) decode(ctx context.Context, records []*kgo.Record) ([]ledgerValue, error) {
	values := make([]ledgerValue, 0, len(records))
	for _, record := range records {
		if !bytes.HasPrefix(record.Key, r.only) {
			continue
		}
		v, about, err := r.keys.decode(record)
		if err != nil {
			if passed, failed := r.passed(ctx, err); !passed {
				return nil, cmp.Or(failed, err)
			}
		}
		if about {
			values = append(values, v)
		}
	}
	return values, nil
}

// decode reads one record; about is false when it says nothing of this dead-letter topic.
func (k ledgerKeys) decode(record *kgo.Record) (v ledgerValue, about bool, err error) {
	value := record.Value
	if value == nil {
		if id, of := strings.CutPrefix(string(record.Key), k.prefix+keyTask); of {
			return ledgerValue{Doing: doingTask, Run: id, forgets: true}, true, nil
		}
		value, v.forgets = forgotten(record)
	}
	if value == nil || !strings.HasPrefix(string(record.Key), k.prefix) {
		return v, false, nil
	}
	err = json.Unmarshal(value, &v)
	if err == nil && v.V > ledgerVersion {
		return v, false, fmt.Errorf("ledger record %s/%d/%d: version %d was written by a newer release: use that one", record.Topic, record.Partition, record.Offset, v.V)
	}
	if err == nil && v.Doing == "" {
		_, err = ParseStatus(v.Status)
	}
	if err == nil && v.Doing == "" && (v.At < 1 || v.At > year9999) {
		err = fmt.Errorf("%d is no time in Unix ms", v.At)
	}
	for _, beside := range []int64{v.Renewed, v.Was.At, v.Until} {
		if err == nil && (beside < 0 || beside > year9999) {
			err = fmt.Errorf("%d is no time in Unix ms", beside)
		}
	}
	if err != nil {
		return v, false, k.damaged(record, err)
	}
	return v, true, nil
}

func (l *ledger) add(values []ledgerValue) {
	for _, v := range values {
		switch v.Doing { // all of these in one partition: the last one counts
		case "":
		case doingTask:
			if v.forgets {
				delete(l.tasks, v.Run)
				continue
			}
			if t, err := v.task(); err == nil { // one that a newer release wrote is its to go on with
				l.tasks[t.ID] = t
			}
			continue
		case doingWish:
			one := wish{v.Reason, v.By, v.At}
			l.wishes[v.Run] = one
			if t := l.tasks[v.TaskID]; t != nil { // until something is written about the task itself
				t.wished = one
			}
			continue
		case doingPurged:
			l.purges = append(l.purges, v.Run)
			continue
		default:
			l.writer = Writer{
				Run: v.Run, By: v.By, Doing: v.Doing, Task: cmp.Or(v.TaskID, v.Run), At: time.UnixMilli(v.At), Alive: time.UnixMilli(v.Alive), Ended: v.Ended,
			}
			continue
		}
		status, _ := ParseStatus(v.Status)
		l.renewed = max(l.renewed, v.Renewed)
		when, from := v.moments(), v.provenance()
		from.writer, from.beside, from.renewal = v.Run, when.beside, when.renewal
		id, m := identify(v.ID, v.Group, v.Replays, v.Replay), mark{at: v.At, birth: v.birth(), until: v.Until, status: status, times: v.times(), none: v.forgets}
		l.set(id, m, from)
		if v.forgetsUnborn() {
			m.birth = 0
			l.set(id, m, from)
		}
	}
}
