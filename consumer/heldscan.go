package consumer

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// heldScans read from the topics which records of newly assigned partitions were put off, before anything of their strands
// is started: what an earlier owner has left in the tiers and the park topic, from where the lane starts to where the
// partition ended when its commit was known. An open transaction of that owner ends before its end is reached.
type heldScans struct {
	p      *Pipeline
	ctx    context.Context
	cancel context.CancelFunc

	mu    sync.Mutex
	ended bool
	wg    sync.WaitGroup
}

const (
	// scanPause is the time between tries to read, and after how long without a record the ends are asked for again.
	scanPause = time.Second
	scanStall = 10 * time.Second
	// scanReaders is how many strands' dead letters are read at a time.
	scanReaders = 8
	// scanTold is how often a scan that lasts is told of.
	scanTold = 10 * time.Second
)

func newHeldScans(p *Pipeline) *heldScans {
	s := &heldScans{p: p}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s
}

// end stops all scans and waits for them.
func (s *heldScans) end() {
	s.mu.Lock()
	s.ended = true
	s.mu.Unlock()
	s.cancel()
	s.wg.Wait()
}

// heldLane is a lane that is read.
type heldLane struct {
	lane      *lane
	next, end int64
	round     int // of what its strand knows
	found     []heldRecord
}

// heldRecord is a copy that was found.
type heldRecord struct {
	key    uint64
	origin int64
	offset int64 // of the copy
}

// scan begins to read the strands of partitions that have their places. What their other lanes had found before is not enough: as long as
// another member had these partitions, it put records off to the topics of those, and sent them from one to the other.
func (p *Pipeline) scan(parts map[string]map[int32]kgo.Offset) {
	var lanes []*lane
	for topic, ps := range parts {
		for part := range ps {
			if l := p.intake.lane(topic, part); l != nil {
				lanes = append(lanes, l)
			}
		}
	}
	p.scanAnew(lanes)
}

// scanAnew forgets what the strands of the lanes knew, and begins to read all of what they have. So it is done for strands that got lanes, and
// for those that have lost some, and not all: what was put off may have gone with them.
func (p *Pipeline) scanAnew(lanes []*lane) {
	if !p.cfg.HoldKey {
		return
	}
	var anew []*lane
	seen := make(map[*strand]bool)
	for _, l := range lanes {
		st := l.strand
		if seen[st] {
			continue
		}
		seen[st] = true
		st.mu.Lock()
		if len(st.lanes) > 0 {
			st.reset()
			anew = append(anew, st.lanes...)
		}
		st.mu.Unlock()
	}
	p.scans.begin(anew)
}

func (s *heldScans) begin(lanes []*lane) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended || len(lanes) == 0 {
		return
	}
	s.wg.Go(func() { s.run(slices.Clone(lanes)) })
}

// run reads lanes until all of them are read, or closed.
func (s *heldScans) run(lanes []*lane) {
	began, told := time.Now(), time.Now()
	tell := func(left []*heldLane) {
		if time.Since(told) < scanTold {
			return
		}
		told = time.Now()
		records := 0
		for _, h := range left {
			records += int(h.end - h.next)
		}
		s.p.log.Info("reading which keys are held: their partitions are not started before", "pipeline", s.p.cfg.Name,
			"partitions", len(left), "records", records, "for", time.Since(began).Round(time.Second))
	}
	var todo []*heldLane
	for _, l := range lanes {
		todo = append(todo, &heldLane{lane: l, end: -1})
	}
	for {
		known := s.bounds(s.known(todo))
		s.read(known, tell)
		todo = slices.DeleteFunc(todo, func(h *heldLane) bool { return h.done() })
		if len(todo) == 0 {
			return
		}
		tell(todo)
		select {
		case <-s.ctx.Done():
			return
		case <-time.After(scanPause):
		}
	}
}

// done reports whether the lane needs no scan any more.
func (h *heldLane) done() bool {
	st := h.lane.strand
	st.mu.Lock()
	defer st.mu.Unlock()
	return h.lane.closed || h.lane.scanned
}

// known returns the lanes of strands of which it is known which dead letters keep keys closed, where they do: only then are the ends of
// these asked for, so that a copy of one that was replayed until then is found. What was read before a strand forgot what it knew
// is read anew.
func (s *heldScans) known(todo []*heldLane) (known []*heldLane) {
	if s.p.deadWatch != nil {
		s.readDead(todo)
	}
	for _, h := range todo {
		st := h.lane.strand
		st.mu.Lock()
		if st.holding.dead == nil || st.holding.deadKnown {
			if h.round != st.holding.round {
				*h = heldLane{lane: h.lane, end: -1, round: st.holding.round}
			}
			known = append(known, h)
		}
		st.mu.Unlock()
	}
	return known
}

// readDead reads the dead letters of the lanes' strands.
func (s *heldScans) readDead(todo []*heldLane) {
	var readers sync.WaitGroup
	room := make(chan struct{}, scanReaders)
	errs := make(map[*strand]*error)
	for _, h := range todo {
		st := h.lane.strand
		if errs[st] != nil || h.done() {
			continue
		}
		err := new(error)
		errs[st] = err
		room <- struct{}{}
		readers.Go(func() {
			*err = s.p.deadWatch.read(s.ctx, st)
			<-room
		})
	}
	readers.Wait()
	for st, err := range errs {
		s.p.faults.note("held", s.p.dlqTopic(st.source), st.partition, *err) // nil: nothing
	}
}

// bounds finds out how far lanes are to be read. It returns those of which that is known and which are not there yet.
func (s *heldScans) bounds(todo []*heldLane) (known []*heldLane) {
	var topics []string
	for _, h := range todo {
		if h.end < 0 && !slices.Contains(topics, h.lane.topic) {
			topics = append(topics, h.lane.topic)
		}
	}
	var ends kadm.ListedOffsets
	if len(topics) > 0 {
		ctx, cancel := context.WithTimeout(s.ctx, commitTimeout)
		defer cancel()
		var err error
		// Not the end for readers of committed records: what an earlier owner has under way must be seen to its end.
		if ends, err = s.p.admin.ListEndOffsets(ctx, topics...); err != nil {
			s.p.faults.note("held", "", -1, err)
		}
	}
	for _, h := range todo {
		l := h.lane
		if h.end < 0 {
			o := listed(ends, l)
			if o.Err != nil {
				s.p.faults.note("held", l.topic, l.partition, o.Err)
				continue
			}
			l.strand.mu.Lock()
			placed := l.placed
			h.next, h.end = l.next, o.Offset
			l.strand.mu.Unlock()
			if !placed {
				h.end = -1
				continue
			}
		}
		if l.tier == 0 || h.next >= h.end {
			s.finish(h)
			continue
		}
		known = append(known, h)
	}
	return known
}

// read reads lanes to their ends, until nothing comes any more.
func (s *heldScans) read(lanes []*heldLane, tell func([]*heldLane)) {
	if len(lanes) == 0 {
		return
	}
	from := make(map[string]map[int32]kgo.Offset)
	left := make(map[partition]*heldLane)
	for _, h := range lanes {
		if from[h.lane.topic] == nil {
			from[h.lane.topic] = make(map[int32]kgo.Offset)
		}
		from[h.lane.topic][h.lane.partition] = kgo.NewOffset().At(h.next)
		left[partition{h.lane.topic, h.lane.partition}] = h
	}
	client, err := kgo.NewClient(append(s.p.options(), kgo.ConsumePartitions(from), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords())...)
	if err != nil {
		s.p.faults.note("held", "", -1, err)
		return
	}
	defer client.Close()
	var refused fruitless
	for last := time.Now(); len(left) > 0 && s.ctx.Err() == nil && time.Since(last) < scanStall; {
		ctx, cancel := context.WithTimeout(s.ctx, scanPause)
		fetches := client.PollFetches(ctx)
		cancel()
		fetches.EachError(func(topic string, part int32, err error) {
			if ctx.Err() == nil {
				s.p.faults.note("held", topic, part, err)
			}
		})
		fetches.EachRecord(func(r *kgo.Record) {
			if h := left[partition{r.Topic, r.Partition}]; h != nil {
				last = time.Now()
				s.p.take(h, r)
			}
		})
		for at, h := range left {
			if h.next >= h.end {
				s.finish(h)
				delete(left, at) // it is not done with where its strand has another lane since
			}
			if h.done() {
				delete(left, at)
			}
		}
		tell(lanes)
		refused.rest(s.ctx, fetches)
	}
}

func (p *Pipeline) take(h *heldLane, r *kgo.Record) {
	h.next = r.Offset + 1
	if key, origin, ok := p.heldKey(r); ok && r.Offset < h.end {
		h.found = append(h.found, heldRecord{key, origin, r.Offset})
	}
}

// finish tells a lane's strand what was found, and opens it when that was the last. What the lane has read meanwhile is
// known already. What was read before the strand forgot what it knew is not enough: it may have put records off since, and a copy may
// have come of a dead letter that was found to be replayed.
func (s *heldScans) finish(h *heldLane) {
	l := h.lane
	st := l.strand
	where := inTier
	if l.park {
		where = inPark
	}
	st.mu.Lock()
	if !l.closed && !l.scanned && h.round == st.holding.round {
		for _, f := range h.found {
			if f.offset >= l.next && !l.doneBefore(f.offset) {
				st.holding.order.put(f.key, f.origin, where)
			}
		}
		l.scanned = true
		if l.tier == 0 {
			st.holding.sourceEnd = h.end
		}
	}
	st.mu.Unlock()
	s.p.openHeld(st)
}

// openHeld opens a strand when all of its partitions are this member's and were read.
func (p *Pipeline) openHeld(st *strand) {
	family := p.topics.families()[st.source]
	st.mu.Lock()
	h := st.holding
	opens := !h.open && len(st.lanes) > 0 && (h.dead == nil || h.deadKnown)
	has := make(map[string]bool, len(st.lanes))
	for _, l := range st.lanes {
		has[l.topic] = true
		opens = opens && l.scanned
	}
	for topic, partitions := range family {
		opens = opens && (has[topic] || st.partition >= partitions)
	}
	size, keys := h.order.size, len(h.order.lines)
	dead, closed, overrun := 0, 0, h.overrun()
	if h.dead != nil {
		dead, closed = h.dead.size()+h.dead.unkept, len(h.dead.lines)
	}
	if opens {
		h.opened()
	}
	st.mu.Unlock()
	if !opens {
		return
	}
	if size > 0 {
		p.log.Info("keys are held", "pipeline", p.cfg.Name, "topic", st.source, "partition", st.partition, "keys", keys, "records", size)
	}
	if dead > 0 {
		p.log.Warn("keys are closed behind dead letters: replay or discard these", "pipeline", p.cfg.Name, "topic", st.source, "partition", st.partition, "keys", closed, "dead_letters", dead)
	}
	if overrun {
		p.log.Error("more keys are closed behind dead letters than there is memory for: the partition and its retries stand still until enough of these are replayed or discarded, or window.records is larger",
			"pipeline", p.cfg.Name, "topic", st.source, "partition", st.partition, "keys_known", closed, "dead_letters", dead)
	}
	p.intake.reviewAll()
	st.wake()
}

// openAllHeld looks at the strands that are closed: a topic that one waited for may be gone.
func (p *Pipeline) openAllHeld() {
	if !p.cfg.HoldKey {
		return
	}
	for _, st := range p.allStrands() {
		p.openHeld(st)
	}
}
