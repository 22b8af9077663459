package sim

import (
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// recorder watches the broker's side of a run: commits as they take effect, and the group's assignments. The broker
// shows it every request before it is handled, one at a time.
type recorder struct {
	fake  *kfake.Cluster
	terms *Terms
	ticks atomic.Int64

	metadataLimit int           // bytes that a commit's metadata may take
	session       time.Duration // of members
	client        *kgo.Client   // of the simulation's own

	mu            *sync.Mutex // the world's
	h             *History
	names         map[string]string // of members, by id
	known         map[Partition]kfake.GroupCommit
	pending       *pendingCommit
	sync          *pendingSync
	members       map[string]bool      // ids of the newest assignment's
	instances     map[string]Owner     // static members
	heard         map[string]lastHeard // of members, by id
	stuck         stuckRebalance
	topics        map[string]bool // retry and dead-letter topics that were seen
	unmapped      map[string]bool // members whose metadata was refused
	ended         map[string]bool // members whose process has ended
	forgotten     map[string]bool // ids of those that are or will be forgotten
	beforeTrim    func()          // called, with the request held up, before records are deleted
	faulted       map[string]int
	inTransaction map[string]kmsg.TxnOffsetCommitRequest // offsets of the last transaction, by transactional id
}

// pendingCommit is a commit request that was seen and not yet looked for.
type pendingCommit struct {
	when       Moment
	member     string
	generation int32
	ends       map[Partition]int64
}

func newRecorder(fake *kfake.Cluster, h *History, mu *sync.Mutex) *recorder {
	r := &recorder{
		mu: mu, fake: fake, terms: &h.Terms, h: h, names: make(map[string]string), known: make(map[Partition]kfake.GroupCommit),
		instances: make(map[string]Owner), heard: make(map[string]lastHeard), topics: make(map[string]bool), ended: make(map[string]bool), forgotten: make(map[string]bool), unmapped: make(map[string]bool),
		inTransaction: make(map[string]kmsg.TxnOffsetCommitRequest), faulted: make(map[string]int),
	}
	fake.Control(r.watch)
	return r
}

// now is a moment of the run.
func (r *recorder) now() Moment { return Moment{r.ticks.Add(1), time.Now()} }

// watch is shown every request before the broker handles it.
func (r *recorder) watch(req kmsg.Request) (kmsg.Response, error, bool) {
	r.flush()
	r.limitMetadata(req)
	switch req := req.(type) {
	case *kmsg.OffsetCommitRequest:
		if req.Group == r.terms.Group {
			r.commitSeen(req.MemberID, req.Generation)
		}
	case *kmsg.TxnOffsetCommitRequest:
		if req.Group == r.terms.Group {
			r.mu.Lock()
			r.inTransaction[req.TransactionalID] = *req
			r.mu.Unlock()
		}
	case *kmsg.EndTxnRequest:
		r.transactionEnds(req)
	case *kmsg.JoinGroupRequest:
		if req.Group == r.terms.Group {
			r.hears(req.MemberID, true)
			r.joinSeen()
		}
	case *kmsg.ConsumerGroupHeartbeatRequest:
		if req.Group == r.terms.Group {
			r.heartbeatSeen()
		}
	case *kmsg.HeartbeatRequest:
		if req.Group == r.terms.Group {
			r.hears(req.MemberID, false)
		}
	case *kmsg.SyncGroupRequest:
		if req.Group == r.terms.Group {
			r.hears(req.MemberID, false)
			r.syncSeen(req)
		}
	case *kmsg.DeleteRecordsRequest:
		if r.beforeTrim != nil {
			r.fake.SleepControl(r.beforeTrim)
		}
	}
	return nil, nil, false
}

// transactionEnds takes a transaction's offsets for a commit when it is committed. They are kept until the next transaction
// has some: the broker may refuse to end it now, and is asked again.
func (r *recorder) transactionEnds(req *kmsg.EndTxnRequest) {
	r.mu.Lock()
	offsets, ours := r.inTransaction[req.TransactionalID]
	r.mu.Unlock()
	if ours && req.Commit {
		r.commitSeen(offsets.MemberID, offsets.Generation)
	}
}

func (r *recorder) commitSeen(memberID string, generation int32) {
	p := &pendingCommit{when: r.now(), member: r.member(memberID), generation: generation, ends: r.ends()}
	r.mu.Lock()
	r.pending = p
	r.mu.Unlock()
}

// ends returns the ends of the group's retry and dead-letter partitions.
func (r *recorder) ends() map[Partition]int64 {
	r.mu.Lock()
	topics := maps.Clone(r.topics)
	r.mu.Unlock()
	ends := make(map[Partition]int64)
	for t := range topics {
		for _, info := range r.fake.PartitionInfos(t) {
			ends[Partition{t, info.Partition}] = info.HighWatermark
		}
	}
	return ends
}

// member names the member with an id, by the client id that it joined with.
func (r *recorder) member(id string) string {
	r.mu.Lock()
	name := r.names[id]
	r.mu.Unlock()
	if name != "" || id == "" {
		return name
	}
	info := r.fake.GroupInfo(r.terms.Group)
	r.mu.Lock()
	defer r.mu.Unlock()
	if info != nil {
		for _, m := range info.Members {
			r.names[m.MemberID] = m.ClientID
		}
	}
	if r.names[id] == "" {
		return "unknown member " + id
	}
	return r.names[id]
}

// flush takes down what the last request has changed.
func (r *recorder) flush() {
	r.mu.Lock()
	p, s := r.pending, r.sync
	r.pending, r.sync = nil, nil
	r.mu.Unlock()
	if s != nil {
		r.divided(s)
	}
	if p == nil {
		return
	}
	info := r.fake.GroupInfo(r.terms.Group)
	if info == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for topic, parts := range info.Commits {
		for part, c := range parts {
			at := Partition{topic, part}
			if old, ok := r.known[at]; ok && old.Offset == c.Offset && old.At.Equal(c.At) {
				continue
			}
			r.known[at] = c
			r.h.Commits = append(r.h.Commits, Commit{
				When: p.when, Partition: at, Offset: c.Offset, Member: p.member, Generation: p.generation, TopicID: topicIDIn(c.Metadata), Ends: p.ends,
			})
		}
	}
}

// saw takes topics down whose ends matter.
func (r *recorder) saw(topics ...string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, t := range topics {
		if r.terms.SourceOf(t) != "" && !r.terms.IsSource(t) {
			r.topics[t] = true
		}
	}
}
