package consumer

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// strandKey names a strand.
type strandKey struct {
	source    string
	partition int32
}

// strands are the strands of the open lanes.
type strands struct {
	mu    sync.Mutex
	all   map[strandKey]*strand
	count atomic.Int64 // of all
}

// assigned opens lanes for new partitions. Their positions come a moment later, see position.
func (p *Pipeline) assigned(_ context.Context, _ *kgo.Client, parts map[string][]int32) {
	p.joined()
	p.regain(parts)
	p.openLanes(parts)
	p.coAssignment.verify()
	if p.cfg.InstanceID != "" && p.cfg.GroupProtocol != NextGen && !p.revived.Swap(true) {
		go p.revive()
	}
	if len(parts) > 0 {
		p.log.Info("partitions assigned", "pipeline", p.cfg.Name, "partitions", printable(parts))
	}
}

// openLanes opens lanes for partitions that begin anew. A partition has one: of a topic that was made again the client may name one
// twice, or one that was never taken away.
func (p *Pipeline) openLanes(parts map[string][]int32) {
	if stale := p.lanesOf(parts); len(stale) > 0 {
		p.closeLanes(stale)
	}
	for topic, ps := range parts {
		note := p.topics.note(topic)
		source, tier := topic, time.Duration(0)
		if note.retry {
			source = note.source
			tier, _ = time.ParseDuration(note.delay)
			tier = max(tier, 1)
		}
		for _, part := range slices.Compact(slices.Sorted(slices.Values(ps))) {
			p.intake.open(p.newLane(topic, part, source, tier))
		}
	}
	p.topics.check(parts)
}

// mayClaim is asked when this member joins the group. When the group has forgotten it while it was away, as it can be
// told in answer to a join, the client believes that it has its partitions still, without any callback. Others may
// have had them meanwhile: their lanes are closed, and what turns out to be ours again is adopted.
func (p *Pipeline) mayClaim() bool {
	if id, _ := p.client.GroupMetadata(); id != "" {
		return true
	}
	lanes := p.intake.all()
	if len(lanes) == 0 {
		return true
	}
	parts := make(map[string][]int32)
	for _, l := range lanes {
		parts[l.topic] = append(parts[l.topic], l.partition)
	}
	p.forget(parts)
	p.loseLanes(parts)
	return false
}

// forget notes the partitions that the client believes to have while the group has forgotten this member.
func (p *Pipeline) forget(parts map[string][]int32) {
	p.kept.mu.Lock()
	defer p.kept.mu.Unlock()
	p.kept.forgotten = true
	for topic, ps := range parts {
		for _, part := range ps {
			p.kept.parts[partition{topic, part}] = struct{}{}
		}
	}
}

// giveUp takes partitions out of what was kept.
func (p *Pipeline) giveUp(parts map[string][]int32) {
	p.kept.mu.Lock()
	defer p.kept.mu.Unlock()
	for topic, ps := range parts {
		for _, part := range ps {
			delete(p.kept.parts, partition{topic, part})
		}
	}
}

// regain is told of an assignment: what was kept and not taken away before it is this member's again. The poll loop takes
// it up, and is woken for it.
func (p *Pipeline) regain(assigned map[string][]int32) {
	p.giveUp(assigned)
	p.kept.mu.Lock()
	defer p.kept.mu.Unlock()
	p.kept.forgotten = false
	if len(p.kept.parts) > 0 {
		p.intake.sources.interrupt()
	}
}

// regained returns the partitions to take up.
func (p *Pipeline) regained() map[string][]int32 {
	p.kept.mu.Lock()
	defer p.kept.mu.Unlock()
	if p.kept.forgotten || len(p.kept.parts) == 0 {
		return nil
	}
	parts := make(map[string][]int32)
	for k := range p.kept.parts {
		parts[k.topic] = append(parts[k.topic], k.number)
	}
	clear(p.kept.parts)
	return parts
}

// keptPartitions are what the client still fetches after the group has forgotten this member.
type keptPartitions struct {
	mu        sync.Mutex
	forgotten bool // and not assigned it anything since
	parts     map[partition]struct{}
}

type partition struct {
	topic  string
	number int32
}

// adopt takes up partitions that the client has kept and nobody was told of: it starts over with them from their
// commits. It is called between a poll and AllowRebalance, so that they cannot go away meanwhile.
func (p *Pipeline) adopt(ctx context.Context, parts map[string][]int32) {
	p.log.Warn("partitions kept after this member was forgotten by its group: starting over from their commits",
		"pipeline", p.cfg.Name, "partitions", printable(parts))
	p.openLanes(parts)
	p.coAssignment.verify()
	offsets := make(map[string]map[int32]kgo.Offset)
	for topic, ps := range parts {
		offsets[topic] = make(map[int32]kgo.Offset)
		for _, part := range ps {
			offsets[topic][part] = kgo.NewOffset().AtStart()
		}
	}
	offsets, err := p.position(ctx, offsets)
	if err != nil {
		return // ctx has ended
	}
	at := make(map[string]map[int32]kgo.EpochOffset)
	for topic, ps := range offsets {
		at[topic] = make(map[int32]kgo.EpochOffset)
		for part := range ps {
			if l := p.intake.lane(topic, part); l != nil {
				l.strand.mu.Lock()
				at[topic][part] = kgo.EpochOffset{Epoch: -1, Offset: l.next}
				l.strand.mu.Unlock()
			}
		}
	}
	p.intake.sources.of.goBack(at)
}

// join adds a lane to the strand of its partition, a new one if there is none. Until it has, no strand is taken for one that nobody
// needs, see retire: a partition has one.
func (p *Pipeline) join(l *lane) {
	p.strands.mu.Lock()
	defer p.strands.mu.Unlock()
	key := strandKey{l.source, l.partition}
	st := p.strands.all[key]
	if st == nil {
		st = newStrand(p, key.source, key.partition)
		p.strands.all[key] = st
		p.strands.count.Add(1)
	}
	l.strand = st
	st.mu.Lock()
	defer st.mu.Unlock()
	st.add(l)
}

// retire forgets a strand that has no lanes any more. It reports false where it has.
func (p *Pipeline) retire(st *strand) bool {
	p.strands.mu.Lock()
	defer p.strands.mu.Unlock()
	st.mu.Lock()
	defer st.mu.Unlock()
	if len(st.lanes) > 0 {
		return false
	}
	if key := (strandKey{st.source, st.partition}); p.strands.all[key] == st {
		delete(p.strands.all, key)
		p.strands.count.Add(-1)
	}
	return true
}

// wakeAll wakes every strand.
func (p *Pipeline) wakeAll() {
	for _, st := range p.allStrands() {
		if p.gate.free() {
			st.wake()
		} else {
			st.tend()
		}
	}
	if !p.gate.free() {
		p.offerProbe()
	}
}

// allStrands lists the strands in an order that does not change.
func (p *Pipeline) allStrands() []*strand {
	p.strands.mu.Lock()
	defer p.strands.mu.Unlock()
	return slices.SortedFunc(maps.Values(p.strands.all), func(a, b *strand) int {
		return cmp.Or(cmp.Compare(a.source, b.source), cmp.Compare(a.partition, b.partition))
	})
}

// printable writes partitions in an order that does not change.
func printable(parts map[string][]int32) string {
	var text []string
	for _, topic := range slices.Sorted(maps.Keys(parts)) {
		ps := slices.Sorted(slices.Values(parts[topic]))
		text = append(text, fmt.Sprintf("%s%v", topic, ps))
	}
	return strings.Join(text, " ")
}
