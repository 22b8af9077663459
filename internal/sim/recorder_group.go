package sim

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// pendingSync is a request by which the partitions are divided, whose effect was not looked for yet.
type pendingSync struct {
	when       Moment
	generation int32
	heartbeat  bool // which has no generation of its own
}

// syncSeen takes down that a member divides the partitions, or that a static member came back.
func (r *recorder) syncSeen(req *kmsg.SyncGroupRequest) {
	if len(req.GroupAssignment) == 0 {
		r.returnSeen(req)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sync = &pendingSync{when: r.now(), generation: req.Generation}
}

// divided takes down how the partitions were divided, when they were: the fake broker may call several members of one
// generation its leader, and goes by one of them.
func (r *recorder) divided(s *pendingSync) {
	info := r.fake.GroupInfo(r.terms.Group)
	if info == nil || !s.heartbeat && (info.Epoch != s.generation || info.State == "CompletingRebalance" || cameTooLate(info)) {
		return
	}
	a := Assignment{When: s.when, Generation: s.generation, Owners: make(map[Partition]Owner)}
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range info.Members {
		m := &info.Members[i]
		r.names[m.MemberID] = m.ClientID
		if r.ended[m.ClientID] && !r.forgotten[m.MemberID] {
			r.forgotten[m.MemberID] = true
			time.AfterFunc(r.session, func() { r.forget(m, s.heartbeat) })
		}
		for topic, parts := range m.Assignment {
			for _, part := range parts {
				a.Owners[Partition{topic, part}] = Owner{m.ClientID, m.MemberID}
			}
		}
	}
	if n := len(r.h.Assignments); n > 0 {
		last := &r.h.Assignments[n-1]
		if s.heartbeat && maps.Equal(last.Owners, a.Owners) || !s.heartbeat && last.Generation >= a.Generation {
			return
		}
	}
	if since := r.stuck.unstable; !since.IsZero() && s.when.At.Sub(since) > r.session {
		// Somebody was waited for who is gone, longer than a member may be silent. Who asked to join meanwhile, and gave up, had nothing.
		r.h.Disturbed = append(r.h.Disturbed, Span{since, s.when.At})
	}
	r.stuck.unstable = time.Time{}
	r.expelled(info, s.when) // whoever is not in it any more was given up before
	r.h.Assignments = append(r.h.Assignments, a)
}

// cameTooLate reports whether a request that divides was refused, for the group had begun to divide anew: then nobody has anything of this
// generation, and the members hear only that they have to join again, with what they had.
func cameTooLate(info *kfake.GroupInfo) bool {
	return info.State == "PreparingRebalance" && !slices.ContainsFunc(info.Members, func(m kfake.GroupMember) bool { return len(m.Assignment) > 0 })
}

// forget takes a member out of its group whose process has ended, a session after partitions were divided with it. The fake broker itself
// forgets one that it does not hear from for so long, as real ones do, unless it could not tell it that it had joined, or it is a static one
// that went for a while: then it never would. Whoever of the two is first, nobody had what it was given meanwhile.
func (r *recorder) forget(m *kfake.GroupMember, heartbeats bool) {
	r.leave(m, heartbeats)
	now := time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.h.Disturbed = append(r.h.Disturbed, Span{now.Add(-r.session), now.Add(learning)})
}

// leave leaves the group on behalf of a member, which mostly is not there any more.
func (r *recorder) leave(m *kfake.GroupMember, heartbeats bool) {
	if heartbeats {
		req := kmsg.NewPtrConsumerGroupHeartbeatRequest()
		req.Group, req.MemberID, req.InstanceID, req.MemberEpoch = r.terms.Group, m.MemberID, m.InstanceID, -1
		_, _ = req.RequestWith(context.Background(), r.client)
		return
	}
	req := kmsg.NewPtrLeaveGroupRequest()
	req.Group = r.terms.Group
	leaves := kmsg.NewLeaveGroupRequestMember()
	leaves.MemberID = m.MemberID
	req.Members = append(req.Members, leaves)
	_, _ = req.RequestWith(context.Background(), r.client)
}

// heartbeatSeen takes down that the coordinator is asked what it has for a member, where it divides the partitions itself.
func (r *recorder) heartbeatSeen() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sync = &pendingSync{when: r.now(), heartbeat: true}
}

// lastHeard is when the group heard from a member that it has had its answers, and whether it waits for one to its request to join.
type lastHeard struct {
	at    time.Time
	joins bool
}

// hears takes down that the group hears from a member, which asks to join or does what shows that it had the answer.
func (r *recorder) hears(id string, joins bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	h := r.heard[id]
	if !joins || h.at.IsZero() {
		h.at = time.Now()
	}
	h.joins = joins
	r.heard[id] = h
}

// forgetsWaiting reports whether the fake broker has given a member up that waits for others to join for as long as the session, as no real broker
// does: a static member that was stopped keeps them all waiting. The lock is held.
func (r *recorder) forgetsWaiting(id string, now time.Time) bool {
	h := r.heard[id]
	return h.joins && now.Sub(h.at) >= r.session
}

// returnSeen takes down that a static member has come back as another process and got what it had: the group's leader is
// not asked then.
func (r *recorder) returnSeen(req *kmsg.SyncGroupRequest) {
	if req.InstanceID == nil {
		return
	}
	owner := Owner{r.member(req.MemberID), req.MemberID}
	r.mu.Lock()
	defer r.mu.Unlock()
	before := r.instances[*req.InstanceID]
	r.instances[*req.InstanceID] = owner
	n := len(r.h.Assignments)
	if before.ID == "" || before.ID == owner.ID || n == 0 || r.h.Assignments[n-1].Generation != req.Generation {
		return
	}
	a := Assignment{When: r.now(), Generation: req.Generation, Owners: maps.Clone(r.h.Assignments[n-1].Owners)}
	for p, o := range a.Owners {
		if o.ID == before.ID {
			a.Owners[p] = owner
		}
	}
	delete(r.members, before.ID)
	r.members[owner.ID] = true
	r.h.Assignments = append(r.h.Assignments, a)
}

// expelled takes down the members that the group has gone on without, though they had not left it: they cannot know. The
// lock is held.
func (r *recorder) expelled(info *kfake.GroupInfo, now Moment) {
	before := r.members
	r.members = make(map[string]bool)
	if info == nil {
		return
	}
	for _, m := range info.Members {
		r.members[m.MemberID] = true
		if m.InstanceID != nil {
			r.instances[*m.InstanceID] = Owner{m.ClientID, m.MemberID}
		}
	}
	for id := range before {
		name := r.names[id]
		if r.members[id] || r.stopped(name) {
			continue
		}
		r.h.Upsets = append(r.h.Upsets, Upset{Member: name, Kind: Expelled, Begun: now, Ended: now.At.Add(learning)})
		if r.forgetsWaiting(id, now.At) {
			r.h.Troubled = append(r.h.Troubled, Span{now.At, now.At})
		}
	}
}

// stopped reports whether a member was told to stop or has died. The lock is held.
func (r *recorder) stopped(name string) bool {
	for i := range r.h.Stops {
		if r.h.Stops[i].Member == name {
			return true
		}
	}
	for i := range r.h.Upsets {
		if u := &r.h.Upsets[i]; u.Member == name && u.Kind == Crash {
			return true
		}
	}
	return false
}

// stuckRebalance watches for a rebalance that does not come to its end.
type stuckRebalance struct {
	generation int32
	since      time.Time
	helped     time.Time
	unstable   time.Time // since when the group is not stable, in this generation or before
}

const (
	// rebalancePatience is what no rebalance takes: its time-out, twice.
	rebalancePatience = 150 * time.Second
	// rebalanceHelp is for how long nobody joins then: the time-out of a rebalance.
	rebalanceHelp = 61 * time.Second
)

// joinSeen helps a rebalance to its end that the fake broker has lost count of. It ends one when as many members have
// joined as it knows, or after a time that begins anew whenever one of them asks again; and it counts one too few when a
// member went away while it waited for its assignment. Then members that ask again and again keep it from ever ending, as
// no real broker lets them.
func (r *recorder) joinSeen() {
	info := r.fake.GroupInfo(r.terms.Group)
	now := time.Now()
	r.mu.Lock()
	s := &r.stuck
	if info == nil || info.State != "PreparingRebalance" || info.Epoch != s.generation || s.since.IsZero() {
		*s = stuckRebalance{helped: s.helped, unstable: s.unstable}
		if info != nil && info.State == "PreparingRebalance" {
			s.generation, s.since = info.Epoch, now
		}
	}
	if info == nil || s.unstable.IsZero() {
		s.unstable = now
	}
	if now.Sub(s.unstable) > rebalancePatience { // what was helped may be stuck again, as another generation
		r.h.Disturbed = append(r.h.Disturbed, Span{s.unstable, now.Add(learning)})
	}
	help := !s.since.IsZero() && now.Sub(s.since) > rebalancePatience && now.Sub(s.helped) > rebalancePatience
	if help {
		s.helped = now
		helped := Span{s.since, now.Add(rebalanceHelp + learning)}
		r.h.Disturbed = append(r.h.Disturbed, helped)
		r.h.Troubled = append(r.h.Troubled, helped) // who waited in vain, and gives up, is not waited for
		r.faulted["(rebalances helped to their end)"]++
	}
	r.mu.Unlock()
	if help {
		h := r.fake.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.JoinGroup}, Group: r.terms.Group, TopLevel: true, Err: kerr.CoordinatorLoadInProgress, Count: -1})
		time.AfterFunc(rebalanceHelp, h.Remove)
	}
}
