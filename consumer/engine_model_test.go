package consumer

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/breaker"
	"github.com/redeliver/redeliver/classify"
	"github.com/redeliver/redeliver/retrytopics"
)

var (
	engineSeed  = flag.Uint64("engine.seed", 0, "the seed of the one random history to run")
	engineSeeds = flag.Uint64("engine.seeds", 25, "how many random histories to run")
)

// TestEngineModel runs pipelines through random histories: records that fail in every way, calls that take long, batches, breakers
// that open, operators that pause, resume and skip, destinations that refuse copies, windows that are too small, partitions that are
// given up with and without a drain. It checks that no record is lost and none is called once it is done, that calls of one key
// do not overlap and begin in order, that no attempt is early or counted wrongly, and that everything comes to rest in the end.
func TestEngineModel(t *testing.T) {
	if *engineSeed != 0 {
		runHistory(t, *engineSeed)
		return
	}
	for seed := uint64(1); seed <= *engineSeeds && !t.Failed(); seed++ {
		runHistory(t, seed)
	}
}

// A history is a pipeline between logs that the test holds.
type history struct {
	t      *testing.T
	seed   uint64
	random *rand.Rand // of the test's own goroutine
	p      *Pipeline
	to     *destination

	partitions int
	lives      bool // partitions are given up and come back

	mu      sync.Mutex
	log     map[strandKey][]*kgo.Record // by topic and partition
	at      map[strandKey]kadm.Offset   // commits
	ids     map[string]*life
	running map[string]string // key -> id of the call under way
	begun   map[string]int64  // key -> the highest offset whose first call has begun
	dirty   map[int32]bool    // partitions that were given up without a drain
	away    bool              // every call fails
	refuse  bool              // the destination refuses copies
	faults  []string
	trace   []string
}

// life is what is known of one record.
type life struct {
	script   []step
	calls    int
	attempts int // that were counted
	done     string
}

// step is how one call ends.
type step struct {
	takes time.Duration
	err   error
}

func (h *history) faultf(format string, args ...any) {
	h.faults = append(h.faults, fmt.Sprintf(format, args...))
}

// note is tracef for who does not hold the lock.
func (h *history) note(what string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.tracef("%s", what)
}

func (h *history) tracef(format string, args ...any) {
	h.trace = append(h.trace, time.Now().Format("04:05.000000 ")+fmt.Sprintf(format, args...))
}

func runHistory(t *testing.T, seed uint64) {
	synctest.Test(t, func(t *testing.T) {
		h := &history{
			t: t, seed: seed, random: rand.New(rand.NewPCG(seed, 7)), log: make(map[strandKey][]*kgo.Record), at: make(map[strandKey]kadm.Offset), ids: make(map[string]*life),
			running: make(map[string]string), begun: make(map[string]int64), dirty: make(map[int32]bool),
		}
		h.begin()
		for range 40 + h.random.IntN(80) {
			h.step()
		}
		h.end()
		if len(h.faults) == 0 {
			return
		}
		for _, line := range h.trace {
			t.Log(line)
		}
		t.Errorf("seed %d, ordering %d, %d slots, batches %v:\n%s", seed, h.p.cfg.Ordering, h.p.cfg.Concurrency, h.batches(), strings.Join(h.faults[:min(len(h.faults), 10)], "\n"))
	})
}

func (h *history) batches() bool { _, is := h.p.cfg.Handler.(*batchHandler); return is }

// begin makes the pipeline and opens its lanes.
func (h *history) begin() {
	r := h.random
	c := smallest()
	c.Logger = quietLog
	c.Ordering = Ordering(r.IntN(3))
	c.Concurrency = []int{1, 2, 3, 8}[r.IntN(4)]
	c.Window = Window{Records: []int{20, 200, 10000}[r.IntN(3)]}
	c.Retry = retrytopics.Policy{Tiers: []time.Duration{time.Second, 10 * time.Second}, MaxRetries: 4, NoJitter: r.IntN(2) == 0}
	if r.IntN(2) == 0 {
		c.Retry.InPlace = retrytopics.InPlace{Max: 2, Delay: 50 * time.Millisecond}
	}
	if r.IntN(3) == 0 {
		c.Retry.Strategy = retrytopics.Exponential{Initial: 200 * time.Millisecond, Multiplier: 4}
	}
	c.Breaker = breaker.Config{Disabled: true}
	if r.IntN(2) == 0 {
		c.Breaker = breaker.Config{Failures: 4, OpenFor: 3 * time.Second, HalfOpenCalls: 1 + r.IntN(3)}
	}
	c.DeadLetters.Burst = []int{-1, 3}[r.IntN(2)]
	c.Hooks = []Hook{onFailed(h.failed)}
	c.Handler = HandlerFunc(h.handle)
	if r.IntN(3) == 0 {
		c.Handler = BatchFunc(h.handleBatch, BatchOf(1+r.IntN(5), time.Duration(r.IntN(2))*200*time.Millisecond))
	}
	p, err := New(c)
	if err != nil {
		h.t.Fatal(err)
	}
	h.p = p
	h.partitions, h.lives = 1+r.IntN(3), r.IntN(2) == 0
	h.to = &destination{delay: time.Duration(r.IntN(3)) * 20 * time.Millisecond, refuse: h.refuses}
	readWith(p, h.to.client(h.t, kgo.WithHooks(h)))
	p.copier.swap(p.client)
	unsubscribe := p.follow()
	h.t.Cleanup(func() {
		p.closeLanes(p.intake.all())
		unsubscribe()
		p.client.Close()
		p.own.Close()
		h.to.wg.Wait()
	})
	for n := range int32(h.partitions) {
		h.open(n)
	}
}

// topics are the topics of the pipeline, the source first.
func (h *history) topics() []string {
	all := []string{testTopic}
	for _, d := range h.p.schedule.Tiers() {
		all = append(all, h.p.cfg.Names.RetryTopic(testTopic, d))
	}
	return all
}

// open opens the lanes of a partition at their commits.
func (h *history) open(n int32) {
	for i, topic := range h.topics() {
		tier := time.Duration(0)
		if i > 0 {
			tier = h.p.schedule.Tiers()[i-1]
		}
		l := h.p.newLane(topic, n, testTopic, tier)
		h.mu.Lock()
		c, committed := h.at[strandKey{topic, n}]
		h.mu.Unlock()
		l.strand.mu.Lock()
		l.next, l.placed, l.readable = c.At, true, true
		l.strand.mu.Unlock()
		h.p.intake.open(l)
		if committed {
			h.p.restore(topic, n, c)
		}
	}
	followLanes(h.p)
}

// step does one thing and lets a little time pass.
func (h *history) step() {
	r := h.random
	switch what := r.IntN(20); {
	case what < 8:
		h.produce()
	case what == 8:
		h.note("pause")
		h.p.Pause()
	case what < 11:
		h.note("resume")
		h.p.Resume(r.IntN(2) * 2)
	case what == 11:
		h.setAway(!h.away)
	case what == 12:
		h.mu.Lock()
		h.refuse = !h.refuse
		h.tracef("destination refuses: %v", h.refuse)
		h.mu.Unlock()
	case what == 13:
		h.skip()
	case what == 14 && h.lives:
		h.giveUp(int32(r.IntN(h.partitions)), r.IntN(3) > 0)
	}
	h.fetch()
	pass([]time.Duration{0, time.Millisecond, 10 * time.Millisecond, 300 * time.Millisecond, 2 * time.Second, 12 * time.Second}[r.IntN(6)])
	h.check()
}

func (h *history) setAway(away bool) {
	h.mu.Lock()
	h.away = away
	h.tracef("dependency away: %v", away)
	h.mu.Unlock()
}

// produce appends records to the source, with what their calls will end in.
func (h *history) produce() {
	h.mu.Lock()
	defer h.mu.Unlock()
	n := int32(h.random.IntN(h.partitions))
	place := strandKey{testTopic, n}
	for range 1 + h.random.IntN(12) {
		offset := int64(len(h.log[place]))
		rec := &kgo.Record{Topic: testTopic, Partition: n, Offset: offset, Value: []byte("v"), Timestamp: time.Now()}
		switch h.random.IntN(8) {
		case 0:
			rec.Attrs = controlAttrs
		case 1:
		default:
			rec.Key = fmt.Append(nil, "k", h.random.IntN(3))
		}
		h.log[place] = append(h.log[place], rec)
		if rec.Attrs.IsControl() {
			continue
		}
		l := &life{}
		for h.random.IntN(3) > 0 {
			l.script = append(l.script, h.anyStep())
		}
		l.script = append(l.script, step{takes: h.anyTime()})
		h.ids[retrytopics.FormatID("", testTopic, n, offset)] = l
	}
}

func (h *history) anyTime() time.Duration {
	return []time.Duration{0, 0, 0, 0, 50 * time.Microsecond, 3 * time.Millisecond, 700 * time.Millisecond}[h.random.IntN(7)]
}

var errBoom = errors.New("boom")

func (h *history) anyStep() step {
	s := step{takes: h.anyTime()}
	switch h.random.IntN(12) {
	case 0:
		s.err = classify.Mark(errBoom, classify.Validation)
	case 1:
		s.err = DeadLetter(errBoom)
	case 2:
		s.err = Drop("as the test says")
	case 3:
		s.err = Snooze([]time.Duration{100 * time.Millisecond, time.Second, 25 * time.Second}[h.random.IntN(3)])
	case 4:
		s.err = RetryAfter([]time.Duration{0, 300 * time.Millisecond, 4 * time.Second}[h.random.IntN(3)], errBoom)
	case 5:
		s.err = classify.Mark(errBoom, classify.System)
	default:
		s.err = errBoom
	}
	return s
}

// commit does what the committer does, once.
func (h *history) commit() {
	ms := h.p.committer.marks(h.p.intake.all())
	h.mu.Lock()
	for at, m := range ms {
		h.at[strandKey{at.topic, at.number}] = kadm.Offset{Topic: at.topic, Partition: at.number, At: m.at, Metadata: m.metadata}
	}
	h.mu.Unlock()
	h.p.committer.acknowledged(ms)
}

// fetch does what the poll loops do, once.
func (h *history) fetch() {
	in := h.p.intake
	if h.random.IntN(2) == 0 {
		h.commit()
	}
	if !in.roomy() {
		in.sources.mark()
		in.retries.mark()
		pass(grace)
		in.sources.pauseCrowded()
		in.retries.pauseCrowded()
	}
	for _, r := range []*reader{in.sources, in.retries} {
		h.poll(r)
	}
}

// poll does what one of the poll loops does, once.
func (h *history) poll(r *reader) {
	in := h.p.intake
	left := in.pollSize(r.of.most())
	var fetches kgo.Fetch
	lanes := in.of(r)
	slices.SortFunc(lanes, func(a, b *lane) int {
		return strings.Compare(fmt.Sprint(a.topic, a.partition), fmt.Sprint(b.topic, b.partition))
	})
	h.random.Shuffle(len(lanes), func(i, j int) { lanes[i], lanes[j] = lanes[j], lanes[i] })
	for _, l := range lanes {
		stopped := l.stopped.Load()
		l.strand.mu.Lock()
		next := l.next
		l.strand.mu.Unlock()
		h.mu.Lock()
		records := h.log[strandKey{l.topic, l.partition}]
		h.mu.Unlock()
		records = records[min(next, int64(len(records))):]
		n := min(left, len(records), 1+h.random.IntN(20))
		if stopped || n <= 0 {
			continue
		}
		left -= n
		fetches.Topics = append(fetches.Topics, kgo.FetchTopic{Topic: l.topic, Partitions: []kgo.FetchPartition{{
			Partition: l.partition, LastStableOffset: next + int64(len(records)), HighWatermark: next + int64(len(records)), Records: slices.Clone(records[:n]),
		}}})
	}
	r.deliver(kgo.Fetches{fetches})
}

// OnProduceRecordUnbuffered takes a copy into its log; the client calls it before it tells the engine.
func (h *history) OnProduceRecordUnbuffered(r *kgo.Record, err error) {
	if err != nil {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	s, err := retrytopics.Decode(r)
	if err != nil {
		h.faultf("a copy cannot be read: %v", err)
	}
	h.tracef("written %s to %s due %s attempt %d", s.ID, r.Topic, s.Due.Format("04:05.000"), s.Attempt)
	if r.Topic == h.p.cfg.Names.DLQTopic(testTopic) {
		h.finish(s.ID, "dead letter")
		return
	}
	place := strandKey{r.Topic, r.Partition}
	c := standalone(r) // who writes a copy may use its memory again
	c.Offset = int64(len(h.log[place]))
	c.Timestamp = time.UnixMilli(r.Timestamp.UnixMilli())
	h.log[place] = append(h.log[place], c)
}

// finish says that nothing more is owed to a record. The lock is held.
func (h *history) finish(id, how string) {
	if l := h.ids[id]; l.done == "" {
		l.done = how
	}
}

func (h *history) refuses(string, int32) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.refuse {
		return kerr.TopicAuthorizationFailed
	}
	return nil
}

// orderKeys are the keys by which a call excludes others.
func (h *history) orderKey(r *Record) string {
	switch {
	case h.p.cfg.Ordering == ByPartition:
		return fmt.Sprint(r.Partition)
	case h.p.cfg.Ordering == ByKey && r.Key != nil:
		return fmt.Sprint(r.Partition, "/", string(r.Key))
	}
	return ""
}

// enter checks a call that begins and returns how it is to end.
func (h *history) enter(r *Record, batch map[string]bool) step {
	id := r.ID()
	l := h.ids[id]
	if l == nil {
		h.faultf("%s was never produced", id)
		return step{}
	}
	h.tracef("call %s attempt %d from %s/%d/%d", id, r.Attempt(), r.Raw().Topic, r.Raw().Partition, r.Raw().Offset)
	again := h.dirty[r.Partition]
	if l.done != "" && !again {
		h.faultf("%s is called after it was done (%s)", id, l.done)
	}
	if l.done != "skipped" && r.Attempt() != l.attempts+1 && (!again || r.Attempt() > l.attempts+1) {
		h.faultf("%s is called as attempt %d after %d", id, r.Attempt(), l.attempts)
	}
	if r.Raw().Topic != testTopic {
		if s, _ := retrytopics.Decode(r.Raw()); time.Now().Before(s.Due) {
			h.faultf("%s is called %v before it is due", id, time.Until(s.Due))
		}
	}
	if key := h.orderKey(r); key != "" {
		if other, busy := h.running[key]; busy && !batch[other] {
			h.faultf("%s is called beside %s, both of key %s", id, other, key)
		}
		h.running[key] = id
		if batch != nil {
			batch[id] = true
		}
		if l.calls == 0 && l.done == "" { // what was skipped is read again after a crash
			if last, ok := h.begun[key]; ok && r.Offset < last {
				h.faultf("%s is called for the first time after offset %d of key %s was", id, last, key)
			}
			h.begun[key] = r.Offset
		}
	}
	s := l.script[min(l.calls, len(l.script)-1)]
	l.calls++
	if h.away {
		s.err = errBoom
	}
	return s
}

// leave notes how a call has ended. A call that ended with its lane has no outcome.
func (h *history) leave(ctx context.Context, r *Record, err error) {
	if key := h.orderKey(r); key != "" && h.running[key] == r.ID() {
		delete(h.running, key)
	}
	h.tracef("end %s: %v", r.ID(), err)
	var s *steer
	dropped := errors.As(err, &s) && s.verb == steerDrop
	if ctx.Err() != nil {
		return
	}
	if err == nil {
		h.finish(r.ID(), "success")
	} else if dropped {
		h.finish(r.ID(), "dropped")
	}
}

func (h *history) handle(ctx context.Context, r *Record) error {
	h.mu.Lock()
	s := h.enter(r, nil)
	h.mu.Unlock()
	spend(ctx, s.takes)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.leave(ctx, r, s.err)
	return s.err
}

func (h *history) handleBatch(ctx context.Context, b *Batch) error {
	h.mu.Lock()
	together := make(map[string]bool)
	steps := make([]step, len(b.Records))
	takes := time.Duration(0)
	for i, r := range b.Records {
		steps[i] = h.enter(r, together)
		takes = max(takes, steps[i].takes)
	}
	h.mu.Unlock()
	spend(ctx, takes)
	h.mu.Lock()
	defer h.mu.Unlock()
	for i, r := range b.Records {
		b.Fail(i, steps[i].err)
		h.leave(ctx, r, steps[i].err)
	}
	return nil
}

// spend is what a call takes; it ends with its lane.
func spend(ctx context.Context, d time.Duration) {
	if d == 0 {
		return
	}
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

// failed counts the attempts as the hooks are told them.
func (h *history) failed(f Failed) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.tracef("failed %s free %v attempt %d", f.ID, f.Free, f.Attempt)
	if !f.Free {
		l := h.ids[f.ID]
		l.attempts = max(l.attempts, f.Attempt) // a record that was read again has two copies on their way
	}
}

// skip settles some record by hand.
func (h *history) skip() {
	n := int32(h.random.IntN(h.partitions))
	h.mu.Lock()
	count := len(h.log[strandKey{testTopic, n}])
	h.mu.Unlock()
	if count == 0 {
		return
	}
	offset := int64(h.random.IntN(count))
	err := h.p.Skip(testTopic, n, offset, "the test says so")
	h.mu.Lock()
	defer h.mu.Unlock()
	h.tracef("skip %d/%d: %v", n, offset, err)
	if err == nil {
		if id := retrytopics.FormatID("", testTopic, n, offset); h.ids[id] != nil {
			h.finish(id, "skipped")
		}
	}
}

// giveUp closes the lanes of a partition, drained or as they are, and opens them again at their commits.
func (h *history) giveUp(n int32, drained bool) {
	var lanes []*lane
	for _, l := range h.p.intake.all() {
		if l.partition == n {
			lanes = append(lanes, l)
		}
	}
	h.mu.Lock()
	h.tracef("give up %d, drained %v", n, drained)
	clean := drained && !h.refuse
	h.mu.Unlock()
	if drained {
		start := time.Now()
		held, _ := h.p.held.list()
		h.p.drain(context.Background(), lanes)
		synctest.Wait()
		// A destination that refuses does not let a route end.
		clean = time.Since(start) < h.p.cfg.Drain && clean && len(held) == 0
	}
	h.mu.Lock()
	if !clean {
		h.dirty[n] = true
	}
	for _, l := range lanes {
		if drained || h.random.IntN(2) == 0 {
			if m := l.mark(false); m != nil {
				h.at[strandKey{l.topic, n}] = kadm.Offset{Topic: l.topic, Partition: n, At: m.at, Metadata: m.metadata}
			}
		}
	}
	h.mu.Unlock()
	h.p.closeLanes(lanes)
	synctest.Wait()
	h.open(n)
}

// check holds what is settled to what is done: a record that is not done stands in some log where it will be read.
func (h *history) check() {
	type place struct {
		topic     string
		partition int32
		offset    int64
	}
	marks, above := make(map[strandKey]int64), make(map[place]bool)
	window, bytes, unsaved := 0, int64(0), int64(0)
	for _, l := range h.p.intake.all() {
		l.strand.mu.Lock()
		marks[strandKey{l.topic, l.partition}] = l.watermark()
		var runs doneRuns
		at := l.progress(&runs, false)
		for p := range pairs(runs.code) {
			for range p.open {
				at++
			}
			for range p.done {
				above[place{l.topic, l.partition, at}] = true
				at++
			}
		}
		window, bytes, unsaved = window+l.open, bytes+l.bytes, unsaved+l.settledRecords.Load()-l.saved
		l.strand.mu.Unlock()
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if got := h.p.intake.records.Load(); got != int64(window) {
		h.faultf("the window counts %d records, the lanes hold %d", got, window)
	}
	if got := h.p.intake.unsaved.Load(); got != unsaved || got+int64(window) > int64(h.p.cfg.Window.Records) {
		h.faultf("the window counts %d unsaved records, the lanes have %d, and %d are open of %d", got, unsaved, window, h.p.cfg.Window.Records)
	}
	if got := h.p.intake.bytes.Load(); got != bytes {
		h.faultf("the window counts %d bytes, the lanes hold %d", got, bytes)
	}
	alive := make(map[string]bool)
	for at, log := range h.log {
		for _, r := range log[marks[at]:] {
			if r.Attrs.IsControl() || above[place{at.source, at.partition, r.Offset}] {
				continue
			}
			if at.source == testTopic {
				alive[retrytopics.FormatID("", r.Topic, r.Partition, r.Offset)] = true
			} else if s, err := retrytopics.Decode(r); err == nil {
				alive[s.ID] = true
			}
		}
	}
	for id, l := range h.ids {
		if l.done == "" && !alive[id] {
			h.faultf("%s is lost: it is not done, and every offset that it stands at is settled", id)
			l.done = "lost"
		}
	}
	for place := range marks {
		if marks[place] > int64(len(h.log[place])) {
			h.faultf("%v is settled up to %d of %d", place, marks[place], len(h.log[place]))
		}
	}
}

// end lets everything heal and come to rest.
func (h *history) end() {
	h.note("the end begins")
	h.setAway(false)
	h.mu.Lock()
	h.refuse = false
	h.mu.Unlock()
	moved, still := 0, 0
	for i := range 600 {
		h.p.Resume(1000)
		h.fetch()
		pass(500 * time.Millisecond)
		h.check()
		if len(h.faults) > 0 || h.rests() {
			break
		}
		if i == 200 { // records that fail keep it open most of the time
			h.p.breaker.Force(breaker.Disabled)
		}
		h.mu.Lock()
		if still++; len(h.trace) > moved {
			moved, still = len(h.trace), 0
		}
		if still > 2*60 {
			h.faultf("nothing happens for a minute, and not everything is done")
		}
		h.mu.Unlock()
	}
	pass(time.Minute)
	h.check()
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.faults) > 0 {
		return // what is not at rest follows from them
	}
	for id, l := range h.ids {
		if l.done == "" {
			h.faultf("%s is not done in the end, after %d calls", id, l.calls)
		}
	}
	for _, l := range h.p.intake.all() {
		st := l.strand
		st.mu.Lock()
		if l.open != 0 || l.bytes != 0 || l.running != 0 || l.routing != 0 || l.ready.len() != 0 || len(l.waiting) != 0 {
			h.faultf("%s/%d does not rest: window %d, bytes %d, running %d, routing %d, ready %d, waiting %d, paused %b, watermark %d, next %d",
				l.topic, l.partition, l.open, l.bytes, l.running, l.routing, l.ready.len(), len(l.waiting), l.pauses.Load(), l.watermark(), l.next)
		}
		if len(st.keys) != 0 || len(st.tails) != 0 || st.running != 0 || st.chunk != nil {
			h.faultf("strand %d does not rest: %d keys, %d tails, %d running", st.partition, len(st.keys), len(st.tails), st.running)
		}
		st.mu.Unlock()
	}
	if n := h.p.slots.inFlight(); n != 0 {
		h.faultf("%d slots are in use in the end", n)
	}
	if held, policy := h.p.held.list(); len(held) != 0 || policy != 0 {
		h.faultf("%d records are held in the end, %d by policy", len(held), policy)
	}
}

func (h *history) rests() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, l := range h.ids {
		if l.done == "" {
			return false
		}
	}
	return h.p.intake.records.Load() == 0
}
