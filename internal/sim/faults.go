package sim

import (
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// This file is what brokers may refuse, and what the members' surroundings do to them. Every method returns at once or after
// a moment; what lasts ends by itself, so that several faults can be under way together.

// Down takes the dependency down or brings it back: while it is down every call fails, whatever its record's fate.
func (w *World) Down(down bool) {
	w.mu.Lock()
	same := w.down == down
	w.down = down
	w.mu.Unlock()
	if same {
		return
	}
	w.disturb(0, 3*time.Minute)
	if down {
		w.noteFault("outage")
	}
}

// Room makes the dependency fail what is called while so many calls are under way; nil: it has room for all.
func (w *World) Room(calls func() int) {
	w.mu.Lock()
	w.room = calls
	w.mu.Unlock()
}

// DownFor takes the dependency down for a time.
func (w *World) DownFor(lasts time.Duration) {
	w.Down(true)
	w.Later(lasts, func() { w.Down(false) })
}

// SlowFor makes every call take longer for a time.
func (w *World) SlowFor(by, lasts time.Duration) {
	w.noteFault("dependency slow")
	w.disturb(0, lasts+time.Minute)
	w.setSlow(by)
	w.Later(lasts, func() { w.setSlow(0) })
}

func (w *World) setSlow(by time.Duration) {
	w.mu.Lock()
	w.slow = by
	w.mu.Unlock()
}

// LagFor makes every request of the members take longer for a time, as brokers do that throttle them.
func (w *World) LagFor(by, lasts time.Duration) {
	w.noteFault("requests slow")
	w.disturb(0, lasts+time.Minute)
	w.trouble(lasts)
	w.refused(lasts)
	w.unsaved(lasts)
	w.setLag(by)
	w.Later(lasts, func() { w.setLag(0) })
}

func (w *World) setLag(by time.Duration) {
	w.mu.Lock()
	w.lag = by
	w.mu.Unlock()
}

// Pause holds the pipelines of all members, or lets them go on.
func (w *World) Pause(pause bool) {
	if w.paused == pause {
		return
	}
	w.paused = pause
	w.disturb(0, 30*time.Second)
	for _, m := range w.Members {
		switch {
		case m.gone:
		case pause:
			m.Pipeline.Pause()
		default:
			m.Pipeline.Resume(0)
		}
	}
	if pause {
		w.noteFault("operator pause")
	}
}

// PauseFor holds the pipelines of all members for a time.
func (w *World) PauseFor(lasts time.Duration) {
	w.Pause(true)
	w.disturb(0, lasts+30*time.Second)
	w.Later(lasts, func() { w.Pause(false) })
}

// refuse answers requests with an error for a time, or a number of times when count is above 0.
func (w *World) refuse(f kfake.Fault, count int, lasts time.Duration) *kfake.FaultHandle {
	w.disturb(0, lasts+destinationRest)
	f.Count = -1
	if count > 0 {
		f.Count = count
	}
	h := w.fake.Fault(f)
	time.AfterFunc(lasts, h.Remove)
	if slices.Contains(f.Keys, kmsg.Produce) {
		w.whenHit([]*kfake.FaultHandle{h}, lasts, func() { w.answered(f.Err) })
	}
	return h
}

// kindOf names a fault by what is refused and the error.
func kindOf(what string, err *kerr.Error) string { return what + " " + strings.ToLower(err.Message) }

// RefuseProduce makes produce requests to a topic fail with an error, in all partitions or the named ones.
func (w *World) RefuseProduce(topic string, err *kerr.Error, lasts time.Duration, partitions ...int32) {
	w.noteFault(kindOf("produce", err))
	w.refused(lasts)
	w.refuse(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: topic, Partitions: partitions, Err: err}, 0, lasts)
}

// RefuseCopies makes the produce requests to every retry and dead-letter topic fail, some times or for a time.
func (w *World) RefuseCopies(err *kerr.Error, times int, lasts time.Duration) {
	w.noteFault(kindOf("produce", err))
	if times <= 0 {
		w.refused(lasts)
	}
	var topics []*kfake.FaultHandle
	for _, t := range w.copyTopics() {
		topics = append(topics, w.refuse(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: t, Err: err}, times, lasts))
	}
	if times > 0 { // which may be long after there was the fault
		w.whenHit(topics, lasts, func() { w.refused(time.Second + hitLook) }) // a try or two
	}
}

// whenHit calls back, from now for a time, when any of the faults has struck: within [hitLook] after it did.
func (w *World) whenHit(faults []*kfake.FaultHandle, lasts time.Duration, struck func()) {
	known, until := 0, time.Now().Add(lasts)
	var look func()
	look = func() {
		hits := 0
		for _, f := range faults {
			hits += f.Hits()
		}
		if hits > known {
			known = hits
			struck()
		}
		if time.Now().Before(until) {
			w.Later(hitLook, look)
		}
	}
	look()
}

// hitLook is how often it is looked whether a fault has struck.
const hitLook = time.Second

// RefuseDeadLetters makes the produce requests to the dead-letter topics fail for a time.
func (w *World) RefuseDeadLetters(err *kerr.Error, lasts time.Duration) {
	w.noteFault(kindOf("dead letters", err))
	w.refused(lasts)
	for _, source := range w.h.Terms.Sources {
		w.refuse(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: w.h.Terms.DLQTopic(source), Err: err}, 0, lasts)
	}
}

// RefuseCommits makes commits fail for a time. A member that gives partitions up meanwhile cannot save where it was.
func (w *World) RefuseCommits(err *kerr.Error, lasts time.Duration) {
	w.noteFault(kindOf("commit", err))
	w.unsaved(lasts)
	w.refuse(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit, kmsg.TxnOffsetCommit}, Group: w.h.Terms.Group, Err: err, When: w.rec.takesMetadata}, 0, lasts)
}

// RefuseFetches makes fetches of a topic fail, at most so many times: the client asks again at once, and without a
// bound it would spin in a time that stands still.
func (w *World) RefuseFetches(topic string, err *kerr.Error, times int) {
	w.noteFault(kindOf("fetch", err))
	w.refuse(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Topic: topic, Err: err, When: ofOthers}, times, time.Minute)
}

// ownRack tells the fetches of the simulation itself from those of others: it has no latency, and would spin when refused.
const ownRack = "simulation"

func ofOthers(r kmsg.Request) bool {
	f, fetch := r.(*kmsg.FetchRequest)
	return !fetch || f.Rack != ownRack
}

// RefuseAdmin makes what keeps the topics in order fail for a time: listing, creating, trimming, and reading the group's offsets.
// A member that is assigned partitions meanwhile cannot read where they stand, and its client lets go of all that it has
// and stays away from its group for as long.
func (w *World) RefuseAdmin(lasts time.Duration) {
	w.noteFault("admin requests refused")
	w.unsaved(lasts)
	w.trouble(lasts)
	w.refuse(kfake.Fault{Keys: []kmsg.Key{kmsg.CreateTopics, kmsg.CreatePartitions, kmsg.DeleteRecords, kmsg.DescribeConfigs, kmsg.OffsetFetch}, Err: kerr.ClusterAuthorizationFailed}, 0, lasts)
}

// RefuseTransactions makes what a transaction consists of fail for a time, where members route in transactions.
func (w *World) RefuseTransactions(key kmsg.Key, err *kerr.Error, lasts time.Duration) {
	if !w.h.Terms.ExactlyOnce {
		return
	}
	w.noteFault("transactions refused")
	w.refused(lasts)
	w.unsaved(lasts)
	w.refuse(kfake.Fault{Keys: []kmsg.Key{key}, Err: err, When: w.ofMember}, 0, lasts)
}

// ofMember reports whether a request is part of a member's transaction, and not of a producer's or a replay's.
func (w *World) ofMember(r kmsg.Request) bool {
	id := ""
	switch r := r.(type) {
	case *kmsg.InitProducerIDRequest:
		if r.TransactionalID != nil {
			id = *r.TransactionalID
		}
	case *kmsg.ProduceRequest:
		if r.TransactionID != nil {
			id = *r.TransactionID
		}
	case *kmsg.AddOffsetsToTxnRequest:
		id = r.TransactionalID
	case *kmsg.TxnOffsetCommitRequest:
		id = r.TransactionalID
	case *kmsg.EndTxnRequest:
		id = r.TransactionalID
	}
	return id != "" && !strings.HasPrefix(id, "sim-") && !strings.Contains(id, dlqSuffix)
}
