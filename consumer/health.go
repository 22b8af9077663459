package consumer

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/redeliver/redeliver/breaker"
)

// Stats returns the pipeline's counts and state now.
func (p *Pipeline) Stats() Stats {
	now := time.Now()
	s := Stats{Pipeline: p.cfg.Name, Group: p.cfg.Group, Phase: Phase(p.phase.Load()), At: now, Concurrency: p.cfg.Concurrency, Delivery: p.cfg.Delivery, Protocol: p.cfg.GroupProtocol}
	if at := p.started.Load(); at != 0 {
		s.Started = time.Unix(0, at)
	}
	p.meter.fill(&s)
	s.InFlight = p.slots.inFlight()
	s.Limits = p.limitStats(now)
	p.flows.fill(&s)
	s.Windowed, s.WindowBytes = int(p.intake.records.Load()), p.intake.bytes.Load()
	s.Fetched = int(p.intake.sources.fetched.records.Load() + p.intake.retries.fetched.records.Load())
	s.Breaker = p.breaker.Snapshot()
	for _, d := range p.deps[1:] {
		s.Breakers = append(s.Breakers, d.breaker.Snapshot())
	}
	for _, d := range p.deps {
		if d.parts != nil {
			s.Parts = append(s.Parts, partStats(d))
		}
	}
	s.Credit, s.Burst = p.gate.credit.Left(), p.cfg.DeadLetters.Burst
	s.Lessons = p.learning.lessons(now)
	s.Experiment = p.experiment.stats()
	s.Held, s.HeldByPolicy = p.held.list()
	s.Exhausted = p.held.exhausted()
	s.WaitedFor = p.topics.waitedFor()
	stalled, copies := p.outlets.stalled(now)
	s.Held = append(s.Held, stalled...)
	s.HeldRecords = p.held.count() + copies
	p.partitions(&s, now)
	s.HeldKeys = p.heldKeys(s.Topics)
	s.Apart = p.coAssignment.lasting(now)
	p.judgeHealth(&s, now)
	return s
}

// partitions fills in what the lanes say.
func (p *Pipeline) partitions(s *Stats, now time.Time) {
	s.Paused = make(map[PauseReason]int)
	backlog := make(map[string]int64)
	oldest := make(map[string]time.Time)
	leftOf := make(map[string]time.Duration)
	lanes := p.intake.all()
	for _, l := range lanes {
		ps := PartitionStats{Topic: l.topic, Partition: l.partition, End: l.end.Load(), Windowed: int(l.held.Load())}
		set := pauseSet(l.pauses.Load())
		for r := range pauseReasons {
			if set.has(r) {
				ps.Paused = append(ps.Paused, r)
				s.Paused[r]++
			}
		}
		if len(ps.Paused) > 0 {
			ps.PausedFor = now.Sub(time.Unix(0, l.pausedAt.Load()))
		}
		if at := l.unstable.Load(); at != 0 {
			ps.OpenTransaction = now.Sub(time.Unix(0, at))
		}
		l.strand.mu.Lock()
		ps.Watermark, ps.Running = l.watermark(), l.running
		open := int64(l.open)
		if ps.End > l.next {
			open += ps.End - l.next
		}
		due := l.oldestDue()
		unread := l.oldestUnread()
		l.strand.mu.Unlock()
		if keep := p.topics.retention(l.topic); keep > 0 && !unread.IsZero() {
			if left := unread.Add(keep).Sub(now); leftOf[l.topic] == 0 || left < leftOf[l.topic] {
				leftOf[l.topic] = left
			}
		}
		backlog[l.topic] += open
		if !due.IsZero() && (oldest[l.topic].IsZero() || due.Before(oldest[l.topic])) {
			oldest[l.topic] = due
		}
		s.Partitions = append(s.Partitions, ps)
	}
	for i := range s.Topics {
		s.Topics[i].Backlog = backlog[s.Topics[i].Topic]
		s.Topics[i].OldestDue = oldest[s.Topics[i].Topic]
		s.Topics[i].RetentionLeft = leftOf[s.Topics[i].Topic]
	}
	slices.SortFunc(s.Partitions, func(a, b PartitionStats) int {
		return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition))
	})
}

// oldestDue returns the earliest due time of what a retry lane holds, zero when it holds nothing.
func (l *lane) oldestDue() (t time.Time) {
	if l.tier == 0 {
		return t
	}
	if len(l.waiting) > 0 {
		t = l.waiting[0].due
	}
	earlier := func(e *entry) {
		if e.lane == l && (t.IsZero() || e.due.Before(t)) {
			t = e.due
		}
	}
	l.ready.each(earlier)
	for _, holder := range l.strand.keys {
		for e := holder; e != nil; e = e.behind {
			earlier(e)
		}
	}
	return t
}

// oldestUnread returns the timestamp of the first record that is not settled, zero when none is held.
func (l *lane) oldestUnread() time.Time {
	if len(l.batches) == 0 {
		return time.Time{}
	}
	b := l.batches[0]
	return b.records[b.low].Timestamp
}

// The health score starts at the success rate of the last minute and is cut by what stands in the way. Below
// unhealthyBelow a pipeline is unhealthy, below healthyFrom degraded.
const (
	healthyFrom    = 0.9
	unhealthyBelow = 0.5
	cutHeld        = 0.4 // the breaker is open, or dead letters look like an outage
	cutRouting     = 0.5 // copies cannot be written
	cutFault       = 0.7 // the cluster does not do something that the engine needs

	retentionNear = time.Hour              // less is left of an unread record's time
	skewTold      = 100 * time.Millisecond // a difference between clocks that is told
	unstableTold  = 15 * time.Second       // for so long a transaction keeps readers from records; ours last ten seconds at most
)

// judgeHealth fills in score, health, reasons and readiness.
func (p *Pipeline) judgeHealth(s *Stats, now time.Time) {
	s.Score = s.SuccessRate
	cut := func(by float64, format string, args ...any) {
		s.Score *= by
		s.Reasons = append(s.Reasons, fmt.Sprintf(format, args...))
	}
	if s.SuccessRate < healthyFrom {
		good, bad := p.meter.recent.counts(now)
		s.Reasons = append(s.Reasons, fmt.Sprintf("%d of %d attempts in the last minute failed", bad, good+bad))
	}
	for _, b := range append([]breaker.Snapshot{s.Breaker}, s.Breakers...) {
		if !b.State.Admits() {
			cut(cutHeld, "the breaker of %s is %s", b.Dependency, b.State)
		}
	}
	for _, d := range s.Parts {
		if n := d.Known - d.States[breaker.Closed]; n > 0 {
			s.Reasons = append(s.Reasons, fmt.Sprintf("the breakers of %d of %d parts of %s are not closed: their records are put off", n, d.Known, d.Dependency))
		}
	}
	if n := p.slots.allowed(); n > 0 {
		s.Reasons = append(s.Reasons, fmt.Sprintf("%s is back: %d of %d calls at once, and more by and by", s.Breaker.Dependency, n, s.Concurrency))
	}
	for _, r := range p.gate.reasons() {
		switch r {
		case PauseOutage:
			cut(cutHeld, "there is no credit for another dead letter: the pipeline holds, and tries one record at a time until successes have earned some")
		case PauseMembership:
			cut(cutFault, "the group's coordinator has not answered for more than %v: nothing is started until it does", p.membership.lasts)
		case PauseOperator:
			s.Reasons = append(s.Reasons, "an operator has paused the pipeline")
		}
	}
	if len(s.Held) > 0 {
		h := s.Held[0]
		cut(cutRouting, "%d copies cannot be written, the oldest for %v, to %s: %s", s.HeldRecords, now.Sub(h.Since).Round(time.Second), h.To, h.Err)
	}
	if s.HeldByPolicy > 0 {
		why := "as dead letters are disabled"
		if !p.cfg.DeadLetters.Disabled {
			why = "as classify says for such failures"
		}
		cut(cutRouting, "%d records that are given up are held, %s: `redeliver status` lists them, `redeliver release` tries one again, `redeliver skip` settles one", s.HeldByPolicy, why)
	}
	faults := p.faults.list(now)
	s.Faults = make(map[string]int, len(doingText))
	for doing := range doingText {
		s.Faults[doing] = 0
	}
	for _, f := range faults {
		s.Faults[f.doing]++
	}
	if len(faults) > 0 {
		cut(cutFault, "%s", faults[0].text)
	}
	if n := len(s.Apart); n > 0 {
		a := s.Apart[0]
		cut(cutFault, "%d source partitions are apart from their retry partitions, such as %s/%d, of which others have %s: the order of a key between its retries and fresh records is not kept",
			n, a.Source, a.Partition, strings.Join(a.Elsewhere, ", "))
	}
	if n := s.Paused[PauseTopic]; n > 0 {
		cut(cutFault, "%d partitions stand still, for topics are missing that retries go to", n)
	}
	if n := s.Paused[PauseDataLoss]; n > 0 {
		cut(cutFault, "%d partitions stand still, for unread records are gone", n)
	}
	for _, t := range s.Topics {
		if t.RetentionLeft != 0 && t.RetentionLeft < retentionNear {
			cut(cutFault, "the oldest unread record of %s falls to the topic's retention in %v", t.Topic, t.RetentionLeft.Round(time.Second))
		}
	}
	for _, ps := range s.Partitions {
		if ps.OpenTransaction > unstableTold {
			s.Reasons = append(s.Reasons, fmt.Sprintf("a transaction that is not ended has kept readers from %s/%d behind offset %d for %s: its producer hangs, or is gone and its time-out is long; "+
				"kafka-transactions.sh find-hanging names it", ps.Topic, ps.Partition, ps.End, ps.OpenTransaction.Round(time.Second)))
			break
		}
	}
	for _, pattern := range s.WaitedFor {
		s.Reasons = append(s.Reasons, fmt.Sprintf("no topic matches /%s/ yet: it is waited for", pattern))
	}
	if s.ClockSkew > skewTold {
		s.Reasons = append(s.Reasons, fmt.Sprintf("another member's clock is %v ahead of this one's", s.ClockSkew))
	}
	switch {
	case s.Score < unhealthyBelow:
		s.Health = Unhealthy
	case s.Score < healthyFrom || len(s.Held) > 0 || len(faults) > 0:
		s.Health = Degraded
	}
	p.judgeReady(s, faults)
}

// judgeReady says whether any partition can make progress, as far as this process knows.
func (p *Pipeline) judgeReady(s *Stats, faults []standingFault) {
	stopped := slices.IndexFunc(faults, standingFault.stops)
	unfetched := s.unfetched(faults)
	switch {
	case s.Phase != Running:
		s.NotReady = "the pipeline is " + s.Phase.String()
	case len(faults) > 0 && len(s.Partitions) == 0:
		s.NotReady = faults[0].text
	case stopped >= 0:
		s.NotReady = faults[stopped].text
	case unfetched >= 0:
		s.NotReady = faults[unfetched].text
	case len(s.Held) > 0:
		s.NotReady = "copies cannot be written to " + s.Held[0].To + ": " + s.Held[0].Err
	case s.Paused[PauseTopic] > 0 && s.Paused[PauseTopic] == len(s.Partitions):
		s.NotReady = "topics are missing that retries go to"
		if missing := slices.IndexFunc(faults, func(f standingFault) bool { return f.doing == "topics" }); missing >= 0 {
			s.NotReady = faults[missing].text
		}
	case s.Paused[PauseDataLoss] > 0 && s.Paused[PauseDataLoss] >= s.sources():
		s.NotReady = "unread records are gone in every source partition"
	}
	s.Ready = s.NotReady == ""
	if s.Phase == Starting && len(faults) > 0 {
		s.NotReady += ": " + faults[0].text
	}
}

// unfetched returns the index of a fault, when fetching fails for every source partition, else -1.
func (s *Stats) unfetched(faults []standingFault) (at int) {
	at = -1
	n := 0
	for i, f := range faults {
		if f.doing == "fetch" && s.isSource(f.topic) {
			n++
			at = i
		}
	}
	if n < s.sources() {
		return -1
	}
	return at
}

// sources counts the assigned partitions of source topics.
func (s *Stats) sources() (n int) {
	for _, p := range s.Partitions {
		if s.isSource(p.Topic) {
			n++
		}
	}
	return n
}

func (s *Stats) isSource(topic string) bool {
	return slices.ContainsFunc(s.Topics, func(t TopicStats) bool { return t.Topic == topic && t.Tier == 0 })
}
