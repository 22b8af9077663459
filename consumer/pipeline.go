package consumer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/breaker"
	"github.com/redeliver/redeliver/classify"
	"github.com/redeliver/redeliver/internal/credit"
	"github.com/redeliver/redeliver/retrytopics"
)

// Pipeline reads the source and retry topics of one consumer group, calls handlers, and sends what fails to retry and
// dead-letter topics. Make one with [New] and [Pipeline.Run] it once. All methods may be called concurrently.
type Pipeline struct {
	cfg        Config
	reuses     bool // the rooms of copies: no tracer, and no hook of the client, is shown them
	patterns   []*regexp.Regexp
	schedule   *retrytopics.Schedule
	learning   *learning   // nil: delays are not learned
	experiment *experiment // nil: there is none
	classifier *classify.Classifier
	notices    *notices
	deps       []*dependency // that of Config.Breaker first
	parted     bool          // one of them is watched part by part
	strange    strangeNames
	breaker    *breaker.Breaker // of the first dependency
	slowCall   time.Duration
	log        *slog.Logger
	hooks      hooks

	limits     *limits // nil: none by key
	flows      *flows  // nil: neither tenants nor priorities are told apart
	gate       *gate
	slots      *slots
	meter      *meter
	held       *heldRecords
	outlets    *outlets
	copier     *copier // nil with a transactor
	faults     *faults
	repeats    repeats
	strangers  strangers
	losses     *losses
	intake     *intake
	committer  *committer
	membership *membership
	transactor *transactor // nil: at least once
	scans      *heldScans
	deadWatch  *deadWatch // nil: no key is closed by its dead letters
	topics     *topics
	closing    closing
	strands    strands
	probes     atomic.Uint64 // so many were begun
	spreads    atomic.Uint64 // so many records were looked for out of their turn
	workers    sync.Pool
	lastText   atomic.Pointer[failureText]

	client *kgo.Client
	admin  *kadm.Client

	phase   atomic.Uint32
	started atomic.Int64 // Unix nanoseconds; 0: not yet
	ran     atomic.Bool

	kept         keptPartitions
	coAssignment *coAssignment
	standby      atomic.Bool       // another process has the instance id
	revived      atomic.Bool       // whether a static member that came back needs a rebalance was looked at
	own          *breaker.Registry // to be closed with the pipeline
}

// New checks the configuration and makes a pipeline. It does not connect.
func New(c Config) (*Pipeline, error) {
	if err := c.complete(); err != nil {
		return nil, err
	}
	p := &Pipeline{cfg: c, log: c.Logger, classifier: classify.New(c.Classify).With(c.Classes)}
	var err error
	if p.schedule, err = c.Retry.Compile(); err != nil {
		return nil, fmt.Errorf("consumer: Retry: %w", err)
	}
	if p.patterns, err = anchored(c.TopicPatterns); err != nil {
		return nil, err
	}
	if p.hooks, err = sortHooks(c.Hooks); err != nil {
		return nil, err
	}
	registry := c.Breakers
	if registry == nil {
		p.own = breaker.NewRegistry()
		registry = p.own
	}
	if p.deps, err = c.dependencies(registry); err != nil {
		return nil, err
	}
	p.breaker = p.deps[0].breaker
	p.learning = newLearning(c.Adaptive, p.schedule, p.deps[0].name)
	p.experiment = newExperiment(p.schedule, time.Now())
	p.slowCall = p.breaker.Config().SlowCall
	breakers := make([]*breaker.Breaker, len(p.deps))
	for i, d := range p.deps {
		breakers[i] = d.breaker
		p.parted = p.parted || d.parts != nil
	}
	p.meter = newMeter(p.classifier)
	p.notices = newNotices(c.Notify, c.Logger)
	p.held = newHeldRecords()
	p.outlets = newOutlets(batchesOf(c.Delivery))
	p.faults = newFaults(p)
	p.losses = newLosses()
	p.gate = newGate(breakers, credit.New(c.DeadLetters.Burst, c.DeadLetters.PerSuccess), p.holdChanged, p.wakeAll)
	p.slots = newSlots(c.Concurrency, c.Shares, func() bool { return p.strands.count.Load() > 1 }, p.work)
	if p.limits, p.slots.pacing, err = newLimits(&c); err != nil {
		return nil, fmt.Errorf("consumer: Limits: %w", err)
	}
	p.slots.pacing.join(p.slots.turn)
	p.flows = newFlows(&c, p.slots)
	p.membership = newMembership(&p.cfg, p.membershipChanged)
	p.intake = newIntake(p)
	p.committer = newCommitter(p)
	p.reuses = c.Tracer == nil && !seesRecords(c.ClientOptions)
	if c.Delivery == ExactlyOnceRouting {
		p.transactor = newTransactor(p)
	} else {
		p.copier = newCopier(p.copyOptions)
	}
	p.scans = newHeldScans(p)
	if c.OnDeadLetter == HoldOnDeadLetter {
		p.deadWatch = newDeadWatch(p)
	}
	p.topics = newTopics(p)
	p.coAssignment = newCoAssignment(p)
	p.strands.all = make(map[strandKey]*strand)
	p.kept.parts = make(map[partition]struct{})
	p.workers.New = func() any {
		return &worker{record: Record{pipeline: c.Name, group: c.Group, namespace: c.IDNamespace}, calls: &callState{p: p}}
	}
	return p, nil
}

// Name returns the pipeline's name.
func (p *Pipeline) Name() string { return p.cfg.Name }

// Group returns the pipeline's consumer group.
func (p *Pipeline) Group() string { return p.cfg.Group }

// Breaker returns the breaker of the pipeline's dependency, the one of [Config.Breaker].
func (p *Pipeline) Breaker() *breaker.Breaker { return p.breaker }

// Schedule returns the compiled retry policy.
func (p *Pipeline) Schedule() *retrytopics.Schedule { return p.schedule }

// Run handles records until ctx ends. Then it starts nothing more, waits at most the drain time for what is under way,
// commits, and leaves the group; waiting retries stay in their topics and delay nothing. It returns nil after such an
// end, also when handlers did not end in time: their records are handled again by whoever has the partition next.
//
// While brokers cannot be reached Run keeps trying: see [Stats.Ready]. It returns an error for what trying again does
// not mend, such as options that the client refuses.
func (p *Pipeline) Run(ctx context.Context) error {
	if p.ran.Swap(true) {
		return errors.New("consumer: a Pipeline runs once: make another one with New")
	}
	p.started.Store(time.Now().UnixNano())
	defer p.watchHealth()() // until it is stopped
	defer p.phase.Store(uint32(Stopped))
	if p.own != nil {
		defer p.own.Close()
	}
	defer p.notices.end()
	client, err := kgo.NewClient(p.clientOptions()...)
	if err != nil {
		return fmt.Errorf("consumer: the Kafka client refuses its options: %w", err)
	}
	p.client, p.admin, p.intake.sources.client = client, kadm.NewClient(client), client
	p.intake.group.size.adapt(client)
	if p.intake.retries.client, err = kgo.NewClient(p.retryOptions()...); err != nil {
		client.Close()
		return fmt.Errorf("consumer: the Kafka client refuses its options: %w", err)
	}
	defer p.closing.wait(p.intake.retries.client.Close)
	if p.copier != nil {
		if err := p.copier.connect(); err != nil {
			client.Close()
			return fmt.Errorf("consumer: %w", err)
		}
		defer p.closing.wait(p.copier.close)
	}
	defer p.leave()
	if p.deadWatch != nil {
		if err := p.deadWatch.connect(); err != nil {
			return fmt.Errorf("consumer: the Kafka client refuses its options: %w", err)
		}
		defer p.closing.wait(p.deadWatch.close)
	}
	defer p.scans.end()

	defer p.follow()()
	defer p.membership.end()
	p.gate.onBreaker(breaker.Event{}) // another pipeline may have opened it already

	defer p.coAssignment.end()
	if !p.prepare(ctx) {
		return nil
	}
	if err := p.checkProtocol(ctx); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return fmt.Errorf("consumer: group %s: %w", p.cfg.Group, err)
	}
	p.topics.subscribe()
	p.phase.Store(uint32(Running))
	p.live(ctx)
	return nil
}

// prepare makes the topics that the pipeline needs, for as long as it takes. It returns false when ctx ended first.
func (p *Pipeline) prepare(ctx context.Context) bool {
	for {
		err := p.topics.ensure(ctx)
		if ctx.Err() != nil {
			return false
		}
		if err == nil {
			p.faults.clear("topics")
			return true
		}
		p.faults.note("topics", "", -1, err)
		select {
		case <-ctx.Done():
			return false
		case <-time.After(topicsSoon):
		}
	}
}

// live runs the engine until ctx ends, and drains it.
func (p *Pipeline) live(ctx context.Context) {
	working, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	var wg sync.WaitGroup
	polling, stopPolling := context.WithCancel(working)
	wg.Go(func() { p.intake.sources.run(polling) })
	wg.Go(func() { p.intake.retries.run(polling) })
	wg.Go(func() { p.committer.run(working) })
	wg.Go(func() { p.topics.run(working) })
	if p.transactor != nil {
		wg.Go(func() { p.transactor.run(working) })
	}
	if p.deadWatch != nil {
		wg.Go(func() { p.deadWatch.run(working) })
	}
	if len(p.hooks.stats) > 0 {
		wg.Go(func() { p.report(working) })
	}
	<-ctx.Done()
	p.phase.Store(uint32(Draining))
	stopPolling()
	lanes := p.intake.all()
	p.log.Info("draining", "pipeline", p.cfg.Name, "in_flight", p.slots.inFlight(), "at_most", p.cfg.Drain)
	p.drain(working, lanes)
	timeout := commitTimeout
	if p.transactor != nil { // a transaction may be under way
		timeout += endTimeout
	}
	last, cancel := context.WithTimeout(working, timeout)
	defer cancel()
	if err := within(last, func() error { return p.committer.commit(last, lanes, p.committer.commitLast) }); err != nil {
		p.log.Warn("last commit failed: what was handled since the one before is handled again", "pipeline", p.cfg.Name, "error", err)
	}
	if in := doubtful(lanes); len(in) > 0 {
		p.log.Warn("stopped while it is in doubt what has become of a transaction: if it was not committed, what was handled of its partitions is handled again", "pipeline", p.cfg.Name,
			"partitions", len(in))
	}
	stop()
	p.closing.wait(wg.Wait)
	if p.transactor != nil {
		p.closing.wait(p.transactor.reset) // it has done so itself, if it has ended
	}
	p.closeLanes(lanes)
	p.log.Info("stopped", "pipeline", p.cfg.Name)
}

// report hands the counts to the hooks once a second.
func (p *Pipeline) report(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			s := p.Stats()
			for _, h := range p.hooks.stats {
				h.OnStats(s)
			}
		}
	}
}

// relieve is called after records of a lane were settled.
func (p *Pipeline) relieve(l *lane) {
	p.intake.relieve(l)
	p.committer.moved()
}

// handlerFor returns the handler of a source topic.
func (p *Pipeline) handlerFor(source string) Handler {
	if p.cfg.Mux != nil {
		return p.cfg.Mux.handler(source)
	}
	return p.cfg.Handler
}

// sourceState begins the state of a record of a source topic.
func (p *Pipeline) sourceState(r *kgo.Record) *retrytopics.State {
	s := new(retrytopics.State)
	p.fillState(s, r)
	return s
}

func (p *Pipeline) fillState(s *retrytopics.State, r *kgo.Record) {
	*s = retrytopics.Fresh(r, p.cfg.IDNamespace)
	s.Group = p.cfg.Group
}

// stateOf reads the state that a record of any of the group's topics carries.
func (p *Pipeline) stateOf(r *kgo.Record) *retrytopics.State {
	if p.topics.note(r.Topic).retry {
		s, _ := retrytopics.Decode(r)
		return &s
	}
	return p.sourceState(r)
}

func (p *Pipeline) retryTopic(source string, tier time.Duration) string {
	return p.topics.retry(source, tier)
}

func (p *Pipeline) dlqTopic(source string) string { return p.topics.letter(source) }
