package sim

import (
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
)

// This file takes down what the checker must know of the faults.

// noteFault counts a fault that was injected.
func (w *World) noteFault(kind string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.rec.faulted[kind]++
}

// Faults returns how often each kind of fault was injected.
func (w *World) Faults() map[string]int { return w.rec.faulted }

// upset takes down that a member leaves the straight path, for a time; 0: for good.
func (w *World) upset(member string, kind UpsetKind, lasts time.Duration) {
	u := Upset{Member: member, Kind: kind, Begun: w.rec.now()}
	if lasts > 0 {
		u.Ended = time.Now().Add(lasts)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.h.Upsets = append(w.h.Upsets, u)
}

// cutOff takes down that a member does not hear of its group for a time, nor the group of it.
func (w *World) cutOff(m *Member, lasts time.Duration) {
	w.upset(m.Name, CutOff, lasts+learning)
	w.trouble(lasts)
	w.disturb(0, lasts+learning)
	w.stopsUnsaved()
}

// stopsUnsaved takes down that members which are stopping may not save where they are, as their group misses one: a rebalance waits for
// it until its session is over, and commits wait for the rebalance.
func (w *World) stopsUnsaved() {
	for _, m := range w.Members {
		if m.gone && m.running() {
			w.upset(m.Name, Unsaved, w.setup.rebalanceTime())
		}
	}
}

// missesOne reports whether the group has a member that may not answer it: it was cut off, or killed.
func (w *World) missesOne() bool {
	info := w.fake.GroupInfo(w.h.Terms.Group)
	if info == nil {
		return false
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.ContainsFunc(w.h.Upsets, func(u Upset) bool {
		return (u.Kind == CutOff || u.Kind == Crash) && (u.Ended.IsZero() || time.Now().Before(u.Ended)) &&
			slices.ContainsFunc(info.Members, func(m kfake.GroupMember) bool { return m.ClientID == u.Member })
	})
}

// refused takes down that copies are refused for a time: who gives partitions up meanwhile, and has no time left afterwards,
// cannot bring to their end what it has begun.
func (w *World) refused(lasts time.Duration) {
	w.upsetAll(Overrun, lasts+routeRest-w.h.Terms.Drain)
}

// answered takes down what producers may have been told of copies until now: nothing, or an error that leaves it open whether they were
// taken, or one after which their client does not send them again by itself.
func (w *World) answered(err *kerr.Error) {
	now := time.Now()
	lately := Span{now.Add(-hitLook), now}
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case err == nil || err == kerr.RequestTimedOut || err == kerr.NotEnoughReplicasAfterAppend:
		w.h.Doubted = append(w.h.Doubted, lately)
	case !err.Retriable || err == kerr.UnknownTopicOrPartition:
		w.h.Refused = append(w.h.Refused, lately)
	}
}

// unsaved takes down that members cannot commit for a time.
func (w *World) unsaved(lasts time.Duration) { w.upsetAll(Unsaved, lasts+commitRest) }

// upsetAll is upset for every member that runs, and those that join meanwhile.
func (w *World) upsetAll(kind UpsetKind, lasts time.Duration) {
	if lasts <= 0 {
		return
	}
	for _, m := range w.Members {
		if m.running() {
			w.upset(m.Name, kind, lasts)
		}
	}
	w.common = append(w.common, commonUpset{kind, time.Now().Add(lasts)})
}

// commonUpset is an upset of all members that there are, until a time.
type commonUpset struct {
	kind  UpsetKind
	until time.Time
}

// upsetFrom takes down what upsets all members when one joins.
func (w *World) upsetFrom(member string) {
	for _, u := range w.common {
		if left := time.Until(u.until); left > 0 {
			w.upset(member, u.kind, left)
		}
	}
}

const (
	// routeRest is for how long after a fault of the destinations a member that gives partitions up may still wait for its next
	// try: the client's own pause, which goes by how often it asks for metadata.
	routeRest = 6 * time.Second
	// destinationRest is for how long copies may wait otherwise: the longest back-off of the engine's router on top.
	destinationRest = 40 * time.Second
	// commitRest is how long a commit that was refused may be tried again.
	commitRest = 10 * time.Second
	// learning is how long a member may take to notice that the group went on without it: a heartbeat, and the way back in.
	learning = 90 * time.Second
)

// disturb takes down that promptness cannot be expected from before now to after.
func (w *World) disturb(before, after time.Duration) {
	now := time.Now()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.h.Disturbed = append(w.h.Disturbed, Span{now.Add(-before), now.Add(after)})
}

// trouble takes down that from now on, for a time, members and coordinator may not hear from each other, so that the group
// may give a member up. How long it takes until it does comes on top.
func (w *World) trouble(lasts time.Duration) {
	now := time.Now()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.h.Troubled = append(w.h.Troubled, Span{now, now.Add(lasts + 2*w.setup.rebalanceTime())})
}
