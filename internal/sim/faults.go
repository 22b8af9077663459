package sim

import (
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// This file is what can go wrong. Every method returns at once or after a moment; what lasts takes its time from a timer,
// so that several faults can be under way together.

// routeRest is for how long after a fault of the destinations copies may still wait for their next try: the longest
// back-off of the engine's router, and the client's own.
const routeRest = 40 * time.Second

// noteFault counts a fault that was injected.
func (w *World) noteFault(kind string) {
	w.rec.mu.Lock()
	defer w.rec.mu.Unlock()
	w.rec.faulted[kind]++
}

// Faults returns how often each kind of fault was injected.
func (w *World) Faults() map[string]int { return w.rec.faulted }

// Down takes the dependency down or brings it back: while it is down every call fails, whatever its record's fate.
func (w *World) Down(down bool) {
	w.disturb(0, 3*time.Minute)
	w.mu.Lock()
	w.down = down
	w.mu.Unlock()
	if down {
		w.noteFault("outage")
	}
}

// Slow makes every call take longer.
func (w *World) Slow(by time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.slow = by
}

// refuse answers requests with an error for a time, or a number of times when count is above 0.
func (w *World) refuse(f kfake.Fault, count int, lasts time.Duration) *kfake.FaultHandle {
	w.disturb(0, lasts+routeRest)
	f.Count = -1
	if count > 0 {
		f.Count = count
	}
	h := w.fake.Fault(f)
	time.AfterFunc(lasts, h.Remove)
	return h
}

// RefuseProduce makes produce requests to a topic fail with an error, in all partitions or the named ones.
func (w *World) RefuseProduce(topic string, err *kerr.Error, lasts time.Duration, partitions ...int32) {
	w.noteFault("produce " + strings.ToLower(err.Message))
	w.refuse(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: topic, Partitions: partitions, Err: err}, 0, lasts)
}

// RefuseCopies makes the produce requests to every retry and dead-letter topic fail, some times.
func (w *World) RefuseCopies(err *kerr.Error, times int, lasts time.Duration) {
	w.noteFault("produce " + strings.ToLower(err.Message))
	for _, m := range w.Members { // a copy that cannot be written may outlast the drain
		if !m.gone {
			w.upset(m.Name, Overrun, lasts+routeRest)
		}
	}
	w.rec.mu.Lock()
	topics := make([]string, 0, len(w.rec.topics))
	for t := range w.rec.topics {
		topics = append(topics, t)
	}
	w.rec.mu.Unlock()
	slices.Sort(topics)
	for _, t := range topics {
		w.refuse(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: t, Err: err}, times, lasts)
	}
}

// RefuseCommits makes commits fail for a time. A member that gives partitions up meanwhile cannot save where it was.
func (w *World) RefuseCommits(err *kerr.Error, lasts time.Duration) {
	w.noteFault("commit " + strings.ToLower(err.Message))
	for _, m := range w.Members {
		if !m.gone {
			w.upset(m.Name, Unsaved, lasts+10*time.Second)
		}
	}
	w.refuse(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Group: w.h.Terms.Group, Err: err}, 0, lasts)
}

// RefuseFetches makes fetches of a topic fail, at most so many times: the client asks again at once, and without a
// bound it would spin in a time that stands still.
func (w *World) RefuseFetches(topic string, err *kerr.Error, times int) {
	w.noteFault("fetch " + strings.ToLower(err.Message))
	w.refuse(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Topic: topic, Err: err}, times, time.Minute)
}

// RefuseAdmin makes what keeps the topics in order fail for a time: listing, creating, trimming, and reading the group's offsets.
// A member that is assigned partitions meanwhile cannot read where they stand, and its client lets go of all that it has.
func (w *World) RefuseAdmin(lasts time.Duration) {
	w.noteFault("admin requests refused")
	for _, m := range w.Members {
		if !m.gone {
			w.upset(m.Name, Unsaved, lasts+10*time.Second)
		}
	}
	w.refuse(kfake.Fault{Keys: []kmsg.Key{kmsg.CreateTopics, kmsg.CreatePartitions, kmsg.DeleteRecords, kmsg.DescribeConfigs, kmsg.OffsetFetch}, Err: kerr.ClusterAuthorizationFailed}, 0, lasts)
}

// learning is how long a member may take to notice that the group went on without it: a heartbeat, and the way back in.
const learning = 90 * time.Second

// Evict makes the group throw a member out: its next heartbeat is answered as if nobody knew it.
func (w *World) Evict(m *Member) {
	w.noteFault("evicted")
	w.upset(m.Name, Evicted, learning)
	w.trouble(0)
	w.disturb(0, w.setup.rebalanceTime())
	w.refuse(kfake.Fault{
		Keys: []kmsg.Key{kmsg.Heartbeat}, Group: w.h.Terms.Group, TopLevel: true, Err: kerr.UnknownMemberID,
		When: func(r kmsg.Request) bool {
			hb, ok := r.(*kmsg.HeartbeatRequest)
			return ok && strings.HasPrefix(hb.MemberID, m.Name+"-")
		},
	}, 1, 10*time.Second)
}

// DropConnections closes all connections of a member. It may open new ones.
func (w *World) DropConnections(m *Member) {
	w.noteFault("connections dropped")
	w.trouble(0)
	w.disturb(0, 15*time.Second)
	if !m.settled() {
		w.upset(m.Name, CutOff, learning)
	}
	m.link.drop()
}

// CutOff takes a member's network away for a time. The group goes on without it if that is longer than the session.
func (w *World) CutOff(m *Member, lasts time.Duration) {
	w.noteFault("network away")
	w.upset(m.Name, CutOff, lasts+learning)
	w.trouble(lasts)
	w.disturb(0, lasts+learning)
	m.link.setAway(true)
	time.AfterFunc(lasts, func() { m.link.setAway(false) })
}

// SilenceCoordinator lets all packets between a member and the group's coordinator get lost for a time, and no others: the member
// reads on what other brokers lead, and waits for an answer. The group goes on without it if that is longer than the session.
func (w *World) SilenceCoordinator(m *Member, lasts time.Duration) {
	w.noteFault("coordinator out of reach")
	w.upset(m.Name, CutOff, lasts+learning)
	w.trouble(lasts)
	w.disturb(0, lasts+learning)
	port := 9092 + int(w.fake.CoordinatorFor(w.h.Terms.Group))
	m.link.setSilent(port, true)
	time.AfterFunc(lasts, func() { m.link.setSilent(port, false) })
}

// Deafen keeps every answer from a member for a time: what it asks for is done, and it is in doubt.
func (w *World) Deafen(m *Member, lasts time.Duration) {
	w.noteFault("answers held up")
	w.upset(m.Name, CutOff, lasts+learning)
	w.trouble(lasts)
	w.disturb(0, lasts+learning)
	m.link.setDeaf(true)
	time.AfterFunc(lasts, func() { m.link.setDeaf(false) })
}

// MoveLeaders gives every partition a leader at random.
func (w *World) MoveLeaders() {
	w.noteFault("leaders moved")
	w.disturb(0, 30*time.Second)
	w.fake.ShufflePartitionLeaders()
}

// MoveCoordinators gives every group a coordinator at random.
func (w *World) MoveCoordinators() {
	w.noteFault("coordinator moved")
	w.trouble(0)
	w.disturb(0, 30*time.Second)
	w.fake.RehashCoordinators()
}

// LoseBroker takes a broker out of the cluster for a time; its partitions get other leaders. The last one stays.
func (w *World) LoseBroker(node int32, lasts time.Duration) {
	w.disturb(0, lasts+time.Minute)
	w.trouble(lasts)
	if err := w.fake.RemoveNode(node); err != nil {
		return
	}
	w.noteFault("broker lost")
	port := 9092 + int(node) // the fake broker itself would go on serving its connections
	w.own.dropTo(port)
	for _, m := range w.Members {
		m.link.dropTo(port)
	}
	time.AfterFunc(lasts, func() {
		if _, _, err := w.fake.AddNode(node, 9092+int(node)); err != nil {
			w.fail("bring broker %d back: %v", node, err)
		}
	})
}

// Grow gives a source topic more partitions.
func (w *World) Grow(topic string, partitions int32) {
	w.noteFault("source grown")
	w.disturb(0, 3*time.Minute)
	res, err := w.Admin.UpdatePartitions(w.ctx, int(partitions), topic)
	if err == nil {
		err = res.Error()
	}
	if err != nil {
		w.abort("grow %s to %d partitions: %v", topic, partitions, err)
	}
}

// Pause holds the pipelines of all members, or lets them go on.
func (w *World) Pause(pause bool) {
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

// Trim deletes what the group has committed in a retry topic, as the engine does by itself in time.
func (w *World) Trim(topic string) {
	w.noteFault("trimmed")
	info := w.fake.GroupInfo(w.h.Terms.Group)
	if info == nil {
		return
	}
	if err := w.tap.sync(w.ctx); err != nil {
		w.fail("read before a trim: %v", err)
	}
	offsets := make(kadm.Offsets)
	for p, c := range info.Commits[topic] {
		offsets.AddOffset(topic, p, c.Offset, -1)
	}
	if _, err := w.Admin.DeleteRecords(w.ctx, offsets); err != nil {
		w.fail("trim %s: %v", topic, err)
	}
}
