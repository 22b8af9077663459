package dlq

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/retrytopics"
)

// Destination is where a replay writes the entries to: [OwnTier], [Source] or a [ToTopic], of the queue's own cluster or, see
// [Destination.On], another one.
type Destination string

const (
	// OwnTier is the first retry topic of the entry's own consumer group: nobody else sees the record again. It is due at
	// once, its attempts, counts, first failure and held time begin afresh, and its history is kept.
	OwnTier Destination = "retry"
	// Source is the topic that the record first stood in, in the same partition. Every consumer group that reads the topic
	// gets the record again. Its id, its number of replays and its job headers are kept; it is a record of that topic from then on, so that its
	// place and its time are those of the copy.
	Source Destination = "source"
)

// ToTopic is any topic; the record's key says which partition. Headers are as for [Source].
func ToTopic(topic string) Destination { return Destination(topicPrefix + topic) }

const topicPrefix = "topic:"

// On is the same destination on another cluster, by the name that [Cluster] gives it. A record is there at least once: its copy and
// its mark in the ledger are on two clusters, so that a crash between them writes the copy once more, and loses none. What becomes
// of the records is not known, and cannot be waited for.
//
// Records keep their ids. Where the other cluster has records of its own in a topic of that name, ids of both may be the same: the
// pipelines there need another id_namespace.
func (d Destination) On(cluster string) Destination {
	where, _ := d.split()
	return where + Destination(clusterMark+cluster)
}

// Cluster is the name of the cluster, "" for the queue's own.
func (d Destination) Cluster() string {
	_, cluster := d.split()
	return cluster
}

// clusterMark stands before the name of a cluster, as it stands in no name of a topic. Releases that know no clusters refuse it.
const clusterMark = "@"

// split returns what the destination is on whichever cluster, and the cluster's name.
func (d Destination) split() (where Destination, cluster string) {
	before, cluster, _ := strings.Cut(string(d), clusterMark)
	if before == "" {
		return OwnTier, cluster
	}
	return Destination(before), cluster
}

// ParseDestination reads "retry", "source" or "topic:NAME", with "@CLUSTER" behind it for another cluster.
func ParseDestination(text string) (Destination, error) {
	d := Destination(text)
	return d, d.check()
}

var legalCluster = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9-]*$`)

func (d Destination) check() error {
	where, cluster := d.split()
	name, isTopic := strings.CutPrefix(string(where), topicPrefix)
	switch {
	case strings.Contains(string(d), clusterMark) && !legalCluster.MatchString(cluster):
		return fmt.Errorf("destination %q: %q is no name of a cluster: want letters, digits and '-'", string(d), cluster)
	case where == OwnTier, where == Source, isTopic && retrytopics.Legal(name) == name:
		return nil
	case isTopic:
		return fmt.Errorf("destination %q: %q is no name of a topic", string(d), name)
	}
	return fmt.Errorf("destination %q: want retry, source or topic:NAME, or one of them with @CLUSTER behind it", string(d))
}

// keyed is the topic whose partitions are chosen by key, "" for none.
func (d Destination) keyed() string {
	where, _ := d.split()
	name, isTopic := strings.CutPrefix(string(where), topicPrefix)
	if !isTopic {
		return ""
	}
	return name
}

// keyedHere is keyed of the queue's own cluster.
func (d Destination) keyedHere() string {
	if d.Cluster() != "" {
		return ""
	}
	return d.keyed()
}

// place names a topic of the destination, with its cluster.
func (d Destination) place(topic string) string {
	if cluster := d.Cluster(); cluster != "" {
		return topic + clusterMark + cluster
	}
	return topic
}

// router makes the record that puts an entry back to work.
type router struct {
	queue   *Queue
	admin   *kadm.Client // of the cluster that it writes to
	sizes   batchSizes   // of what is written there
	cluster string       // its name, "" for the queue's own
	to      Destination  // on whichever cluster
	edit    editor
	task    string // that replays

	originals    *originals
	headless     bool // the last copy is without the headers of its record
	replayed     retrytopics.ReplayedHeaders
	destinations map[string]destinationTopic   // by name
	own          map[string]string             // the queue's own tiers by origin topic
	tiers        map[[2]string]string          // by group and origin topic; "": none
	topics       map[string]kadm.TopicDetail   // all of the cluster, when tiers had to be looked for
	followed     map[[2]string]map[string]bool // topics that tell outcomes by group and origin topic; true: of dead letters
	readers      map[[2]string]bool            // whether a group reads a topic
	hidden       map[[2]string]unroutable      // why outcomes cannot be seen by group and origin topic; "": they can
	works        map[string]bool               // whether a topic is none that records come from
}

func newRouter(q *Queue, to Destination, edit editor) *router {
	r := &router{queue: q, admin: q.admin, sizes: batchSizesOf(q.client), edit: edit, originals: newOriginals(q), destinations: make(map[string]destinationTopic), own: make(map[string]string), tiers: make(map[[2]string]string), followed: make(map[[2]string]map[string]bool), readers: make(map[[2]string]bool), hidden: make(map[[2]string]unroutable), works: make(map[string]bool)}
	r.to, r.cluster = to.split()
	return r
}

// unroutable says why an entry has to be left out, in words that are the same for all entries with the same trouble.
type unroutable string

func (u unroutable) Error() string { return string(u) }

// copy fills in the record. An unroutable error leaves the entry out, any other ends the replay.
func (r *router) copy(ctx context.Context, e *Entry, now time.Time, record *kgo.Record) error {
	original, without, err := r.originals.of(ctx, e)
	if err != nil {
		return err
	}
	e.Original, r.headless = original, without != ""
	whole := e.Whole()
	record.Key, record.Value, record.Headers = whole.Key, whole.Value, whole.Headers
	if err := r.edit.payload(record); err != nil {
		return err
	}
	headers := r.queue.withoutDialects(record.Headers, e)
	record.Timestamp, record.Partition = now, e.State.Partition
	switch {
	case r.to.keyed() != "":
		record.Topic = r.to.keyed()
		record.Headers = r.sourceHeaders(headers, e)
	case !e.OriginKnown():
		return unroutable("the headers do not say where the record came from: replay it with --to topic:NAME")
	case r.to == Source && r.working(e.State.Topic):
		return unroutable("the headers say that the record came from " + e.State.Topic + ", which is no source but a retry topic, a dead-letter topic, a ledger or a control topic of a pipeline: replay it with --to topic:NAME")
	case r.to == Source:
		record.Topic = e.State.Topic
		record.Headers = r.sourceHeaders(headers, e)
	default:
		if err := r.retried(ctx, e, now, headers, record); err != nil {
			return err
		}
	}
	return r.check(ctx, e, record)
}

// working says whether headers of another program, which may name any topic, name one that pipelines work with.
func (r *router) working(topic string) bool {
	if !r.queue.anyGroup {
		return false
	}
	is, known := r.works[topic]
	if !known {
		is = r.queue.working(topic)
		r.works[topic] = is
	}
	return is
}

// working says whether a topic is one that pipelines work with, and no source: a record in a ledger would be taken for what became of dead letters.
func (q *Queue) working(topic string) bool {
	return strings.HasSuffix(topic, retrytopics.LedgerTopic("")) || retrytopics.IsOurs(topic) ||
		slices.ContainsFunc(q.names, func(n retrytopics.Names) bool {
			_, _, retries := n.Match(topic)
			return retries || n.MatchDLQ(topic)
		})
}

// UserHeaders returns the headers of an entry's record that are its producer's, which a replay hands on: without those of Redeliver, of the dialects
// that the queue has beside them, and of the program whose dead letter it is. They keep their order, their duplicates and their null values. The result
// shares the record's memory, and must not be changed in place.
func (q *Queue) UserHeaders(e *Entry) []kgo.RecordHeader {
	return q.withoutDialects(retrytopics.UserHeaders(e.Whole().Headers), e)
}

// withoutDialects are headers of an entry without those that a replay writes anew, or that are of the program whose dead letter it is. Those of that program
// on a record that was read at its origin are the record's own: who wrote it there may have had it from dead letters.
func (q *Queue) withoutDialects(headers []kgo.RecordHeader, e *Entry) []kgo.RecordHeader {
	if e.Original != nil {
		return retrytopics.Without(headers, q.dialects...)
	}
	if e.Dialect == "" && len(q.dialects) == 0 {
		return headers
	}
	return retrytopics.Without(headers, append(slices.Clip(q.dialects), e.Dialect)...)
}

// retried makes the record a copy in the first tier of the entry's group.
func (r *router) retried(ctx context.Context, e *Entry, now time.Time, headers []kgo.RecordHeader, record *kgo.Record) (err error) {
	name := replayName(r.task, e)
	if e.Err == nil && e.Dialect == "" && len(r.queue.dialects) == 0 && r.queue.tracer == nil && r.edit.Edit == nil {
		var ok bool
		if record.Headers, ok = r.replayed.Of(&e.State, headers, now, name, r.queue.headerLimit); ok {
			record.Topic, err = r.tier(ctx, e.State.Group, e.State.Topic)
			return err
		}
	}
	state := e.State.Replayed(now, name)
	if state.Group == "" {
		state.Group = r.queue.group
	}
	if e.Original != nil && state.Timestamp.IsZero() {
		state.Timestamp = e.Original.Timestamp // handlers see it; the entry is known by what the dead letter says
	}
	r.queue.reserve(&state)
	if record.Topic, err = r.tier(ctx, state.Group, state.Topic); err != nil {
		return err
	}
	record.Headers = state.AppendHeaders(nil, headers, r.queue.headerLimit, r.queue.dialects...)
	return nil
}

// check makes sure that the record can be written, before a transaction fails on it.
func (r *router) check(ctx context.Context, e *Entry, record *kgo.Record) error {
	at, err := r.topic(ctx, record.Topic)
	switch {
	case err != nil:
		return err
	case at.barred != "":
		return at.barred
	case r.to.keyed() == "" && int(record.Partition) >= at.partitions:
		return unroutable(fmt.Sprintf("topic %s%s has %d partitions, and the records come from partition %d%s", record.Topic, r.where(), at.partitions, record.Partition, r.remedy()))
	}
	takes := at.config
	if takes == nil {
		takes = r.takes(ctx, record.Topic)
	}
	switch {
	case record.Key == nil && takes.compacted:
		return unroutable("topic " + record.Topic + r.where() + " is compacted (cleanup.policy) and takes no record without a key: give it one with --set-key, or replay it to another topic")
	case r.tooLarge(ctx, e, record, takes):
		return unroutable(tooLarge.why)
	}
	return nil
}

func (r *router) remedy() string {
	switch {
	case r.cluster != "" && r.to != OwnTier:
		return ": create it there, or name another one with --to topic:NAME@" + r.cluster
	case r.cluster != "":
		return ": --to source@" + r.cluster + " and topic:NAME@" + r.cluster + " need no retry topics there"
	case r.to == OwnTier && r.queue.anyGroup: // `topics plan` names none for the topics of another program
		return ": --to source and topic:NAME need none"
	case r.to == OwnTier:
		return ": see `redeliver topics plan`"
	}
	return ""
}

// where says of which cluster something is, if not of the queue's.
func (r *router) where() string {
	if r.cluster == "" {
		return ""
	}
	return " on cluster " + r.cluster
}

// tier finds the group's first retry topic for records of a topic.
func (r *router) tier(ctx context.Context, group, origin string) (string, error) {
	if r.queue.tier != nil && (!r.queue.anyGroup || group == r.queue.group) {
		tier, known := r.own[origin]
		if !known {
			tier = r.queue.tier(origin)
			r.own[origin] = tier
		}
		return tier, nil
	}
	if group == "" {
		return "", unroutable("the headers do not say which consumer group the record is retried for")
	}
	key := [2]string{group, origin}
	tier, known := r.tiers[key]
	if !known {
		if r.topics == nil {
			topics, err := retrytopics.ListTopics(ctx, r.admin) // past the cache, in which a topic that is denied would be an error of all
			if err != nil {
				return "", fmt.Errorf("look for the retry topics of group %s: %w", group, err)
			}
			r.topics = topics
		}
		tier = shortestTier(r.topics, group, origin)
		r.tiers[key] = tier
	}
	if tier == "" {
		remedy := r.remedy()
		if r.cluster == "" && group != r.queue.group {
			remedy = ": --to source and topic:NAME need none"
		}
		return "", unroutable(fmt.Sprintf("group %s has no retry topic for %s%s%s", group, origin, r.where(), remedy))
	}
	return tier, nil
}

func shortestTier(topics kadm.TopicDetails, group, origin string) (tier string) {
	names := retrytopics.Names{Group: group}
	var shortest time.Duration
	for name := range topics {
		if source, delay, ok := names.Match(name); ok && source == origin && delay != retrytopics.Park && (tier == "" || delay < shortest) {
			tier, shortest = name, delay
		}
	}
	return tier
}

// sourceHeaders are the user's, job headers among them, with what a source topic is believed.
func (r *router) sourceHeaders(headers []kgo.RecordHeader, e *Entry) []kgo.RecordHeader {
	headers = slices.Clone(retrytopics.UserHeaders(headers))
	if e.OriginKnown() {
		headers = append(headers, kgo.RecordHeader{Key: retrytopics.HeaderID, Value: []byte(e.State.ID)})
	}
	state := e.State.Replayed(time.Time{}, replayName(r.task, e))
	headers = append(headers, kgo.RecordHeader{Key: retrytopics.HeaderReplays, Value: strconv.AppendInt(nil, int64(state.Replays), 10)})
	if names := state.ReplayNames(); names != "" {
		headers = append(headers, kgo.RecordHeader{Key: retrytopics.HeaderReplay, Value: []byte(names)})
	}
	if state.Traceparent != "" {
		headers = append(headers, kgo.RecordHeader{Key: retrytopics.HeaderTraceparent, Value: []byte(state.Traceparent)})
	}
	return headers
}

const (
	replayNameBytes = 9 // of a hash
	replayNameSize  = replayNameBytes / 3 * 4
)

// replayName names what a task does with an entry, the same whoever works on it: what dies of it is not mistaken for what died,
// or will die, of the entry when something else replays it. "" for no task.
func replayName(task string, e *Entry) string {
	if task == "" {
		return ""
	}
	var room [256]byte
	parts := append(append(room[:0], task...), 0)
	parts = append(append(parts, e.State.ID...), 0)
	parts = append(append(parts, e.State.Group...), 0)
	parts = append(strconv.AppendInt(parts, int64(e.State.Replays), 10), 0)
	parts = append(append(parts, e.State.Replay...), 0)
	if birth := BirthOf(&e.State); birth != 0 {
		parts = strconv.AppendInt(parts, birth, 10)
	}
	sum := sha256.Sum256(parts)
	var name [replayNameSize]byte
	base64.RawURLEncoding.Encode(name[:], sum[:replayNameBytes])
	return string(name[:])
}
