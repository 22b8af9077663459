package sim

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/redeliver/redeliver/consumer"
	"github.com/redeliver/redeliver/internal/kfakemend"
)

// TB is what a world needs of a test.
type TB interface {
	Helper()
	Fatalf(format string, args ...any)
	Logf(format string, args ...any)
}

// World is a cluster with a group's members, producers, and everything that can go wrong with them, in a bubble of
// testing/synctest. Its methods are called from the test's goroutine, but for [World.Produce]. The world records what an
// outsider can see; Finish ends it and returns the history.
type World struct {
	t     TB
	setup Setup
	ctx   context.Context

	net   *kfake.VirtualNetwork
	own   *link // of the simulation's own clients
	fake  *kfake.Cluster
	addrs []string
	rec   *recorder
	tap   *tap
	log   *tail
	Began time.Time

	Admin    *kadm.Client
	producer *kgo.Client
	Members  []*Member
	joined   int
	paused   bool
	agenda   []appointment
	common   []commonUpset
	aside    sync.WaitGroup // what runs beside the test's goroutine
	tend     func()         // what operators do while it settles; nil: nothing

	batches atomic.Int64

	mu         sync.Mutex
	h          *History
	records    map[int]*Record
	places     map[int]Place // of records that were acknowledged
	partitions map[string]int32
	numbers    int
	down       bool          // the dependency
	room       func() int    // for how many calls it has room, nil: any number
	flying     int           // calls to it
	slow       time.Duration // its calls, by so much
	lag        time.Duration // the members' requests, by so much
	rng        *rand.Rand
	failed     string

	brokerBack time.Time // when the broker that is out is back
}

// appointment is something that the test's goroutine is to do at a time.
type appointment struct {
	at time.Time
	do func()
}

// NewWorld makes a cluster with its source topics. It must be called inside a bubble of testing/synctest, and the world
// must be finished there.
func NewWorld(t TB, s Setup) *World {
	t.Helper()
	s.complete()
	w := &World{
		t: t, setup: s, ctx: context.Background(), net: new(kfake.VirtualNetwork), log: newTail(), Began: time.Now(),
		h:       &History{Log: nil, Started: make(map[Partition]int64)},
		records: make(map[int]*Record), places: make(map[int]Place), partitions: make(map[string]int32),
		rng: rand.New(rand.NewPCG(s.Seed, 0x5eed)),
	}
	w.own = newLink(w.net, nil, w.fevered("the simulation"))
	w.h.Terms = termsOf(s)
	w.h.Terms.Policies = make(map[string]Policy)
	fake, err := kfake.NewCluster(w.clusterOptions()...)
	if err != nil {
		t.Fatalf("make the cluster: %v", err)
	}
	w.fake, w.addrs = fake, fake.ListenAddrs()
	for _, topic := range w.h.Terms.Sources {
		w.create(topic, s.Sources[topic])
	}
	fake.ControlKey(kmsg.Fetch.Int16(), kfakemend.KeepAborted)
	w.rec = newRecorder(fake, w.h, &w.mu)
	w.rec.metadataLimit = s.MetadataLimit
	w.h.Begun = w.rec.now()
	w.rec.session = w.session()
	w.producer = w.client()
	w.rec.client = w.producer
	w.Admin = kadm.NewClient(w.producer)
	w.tap = newTap(fake, w.clientOptions())
	w.tap.saw = w.rec.saw
	w.rec.beforeTrim = w.read
	for _, source := range w.h.Terms.Sources { // their ends matter from the first commit on
		w.rec.saw(w.h.Terms.DLQTopic(source))
		for _, d := range w.tiers() {
			w.rec.saw(w.h.Terms.RetryTopic(source, d))
		}
		if w.h.Terms.HoldKey {
			w.rec.saw(w.h.Terms.RetryTopic(source, parkName))
		}
	}
	w.disturb(0, 20*time.Second)
	return w
}

// clusterOptions are those of the fake cluster. Members have a name and permissions of their own, so that these can be
// taken from them.
func (w *World) clusterOptions() []kfake.Opt {
	ports := make([]int, w.setup.Brokers)
	for i := range ports {
		ports[i] = 9092 + i
	}
	return []kfake.Opt{
		kfake.NumBrokers(w.setup.Brokers), kfake.Ports(ports...), kfake.ListenFn(w.net.Listen),
		kfake.BrokerConfigs(map[string]string{"default.replication.factor": fmt.Sprint(min(3, w.setup.Brokers))}),
		kfake.EnableSASL(), kfake.EnableACLs(), kfake.Superuser("PLAIN", operator, operator), kfake.User("PLAIN", service, service, permissions()...),
	}
}

// create makes a topic.
func (w *World) create(topic string, partitions int32) {
	if err := w.fake.CreateTopic(topic, partitions, map[string]string{"retention.ms": "-1"}); err != nil {
		w.t.Fatalf("create %s: %v", topic, err)
	}
	w.partitions[topic] = partitions
}

func (w *World) clientOptions() []kgo.Opt {
	return []kgo.Opt{kgo.SeedBrokers(w.addrs...), kgo.Dialer(w.own.DialContext), kgo.Rack(ownRack), loginAs(operator)}
}

// client makes a client of the simulation's own.
func (w *World) client(opts ...kgo.Opt) *kgo.Client {
	opts = append(append(w.clientOptions(), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerLinger(0)), opts...)
	c, err := kgo.NewClient(opts...)
	if err != nil {
		w.abort("make a client: %v", err)
	}
	return c
}

func (w *World) latency() time.Duration {
	lo, hi := w.setup.Latency[0], w.setup.Latency[1]
	w.mu.Lock()
	defer w.mu.Unlock()
	return lo + w.lag + time.Duration(w.rng.Int64N(int64(hi-lo)+1))
}

// fail notes what went wrong with the simulation itself.
func (w *World) fail(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.failed == "" {
		w.failed = fmt.Sprintf(format, args...)
	}
}

// insist does something to the cluster that other faults may keep it from for a while.
func (w *World) insist(what string, do func() error) {
	err := do()
	for range produceTries {
		if err == nil {
			return
		}
		w.Sleep(time.Second)
		err = do()
	}
	w.fail("%s: %v", what, err)
}

// fevered returns what to do when somebody sends requests without a pause.
func (w *World) fevered(who string) func() {
	return func() {
		w.fail("%s sent more than %d requests in one second at %s", who, fever, time.Now().Format("15:04:05"))
	}
}

// abort ends the test since the simulation itself cannot go on, and leaves nothing behind: a bubble with goroutines in it
// would take the whole test binary down.
func (w *World) abort(format string, args ...any) {
	w.t.Helper()
	for _, m := range w.Members {
		m.link.sever()
		m.cancel()
		<-m.done
	}
	w.producer.Close()
	w.fake.Close()
	w.t.Fatalf(format+"\n%s", append(args, w.Log())...)
}

// Join starts a member with the world's configuration, as the tweaks change it.
func (w *World) Join(tweaks ...func(*consumer.Config)) *Member {
	cfg := w.setup.Config
	if w.setup.Static {
		cfg.InstanceID = w.freeInstance()
	}
	for _, tweak := range tweaks {
		tweak(&cfg)
	}
	w.disturb(0, w.setup.rebalanceTime())
	w.joined++
	m, err := w.start(fmt.Sprintf("m%d", w.joined), cfg)
	if err != nil {
		w.abort("make a pipeline: %v", err)
	}
	w.Members = append(w.Members, m)
	w.upsetFrom(m.Name)
	return m
}

// freeInstance returns the first instance id that no process has that runs.
func (w *World) freeInstance() string {
	for n := 1; ; n++ {
		name := fmt.Sprintf("i%d", n)
		if !slices.ContainsFunc(w.Members, func(m *Member) bool { return m.running() && m.instance == name }) {
			return name
		}
	}
}

// Later lets the test's goroutine do something after a time, while it sleeps or waits for something of the world.
func (w *World) Later(after time.Duration, do func()) {
	w.agenda = append(w.agenda, appointment{time.Now().Add(after), do})
	slices.SortStableFunc(w.agenda, func(a, b appointment) int { return a.at.Compare(b.at) })
}

// Sleep lets virtual time pass.
func (w *World) Sleep(d time.Duration) {
	over := make(chan struct{})
	time.AfterFunc(d, func() { close(over) })
	w.await(over)
}

// await waits for something, and keeps appointments meanwhile.
func (w *World) await(over <-chan struct{}) {
	for {
		var next <-chan time.Time
		if len(w.agenda) > 0 {
			timer := time.NewTimer(time.Until(w.agenda[0].at))
			defer timer.Stop()
			next = timer.C
		}
		select {
		case <-over:
			return
		case <-next:
			first := w.agenda[0]
			w.agenda = w.agenda[1:]
			first.do()
		}
	}
}

// Heal ends what may be wrong: what has a time has ended, the dependency is up, nobody has paused anything, and somebody is
// there to work.
func (w *World) Heal() {
	for len(w.agenda) > 0 {
		w.Sleep(time.Until(w.agenda[0].at))
	}
	over := make(chan struct{})
	go func() { w.aside.Wait(); close(over) }()
	w.await(over)
	w.Down(false)
	w.Pause(false)
	if w.living() == 0 {
		w.Join()
	}
}

// living counts the members that were not told to stop.
func (w *World) living() (n int) {
	for _, m := range w.Members {
		if !m.gone {
			n++
		}
	}
	return n
}

// Skip settles a record by an operator's word, on whichever member holds it.
func (w *World) Skip(at Place) error {
	err := fmt.Errorf("no member holds %s", at)
	when := w.rec.now()
	for _, m := range w.Members {
		if m.gone {
			continue
		}
		if err = m.Pipeline.Skip(at.Topic, at.Number, at.Offset, "the simulation says so"); err == nil {
			w.noteFault("operator skip")
			w.mu.Lock()
			w.h.Skipped = append(w.h.Skipped, Skip{at, when})
			w.mu.Unlock()
			return nil
		}
	}
	return err
}

// Finish waits until everything is settled, at most for limit, stops the members, closes the cluster and returns what
// was seen.
func (w *World) Finish(limit time.Duration) *History {
	w.t.Helper()
	w.Heal()
	w.Settle(limit)
	return w.Close()
}

// Close is Finish without the wait for what is not settled.
func (w *World) Close() *History {
	w.t.Helper()
	w.h.Ended = w.rec.now()
	for _, m := range w.Members {
		if !m.gone {
			m.Leave()
		}
	}
	for _, m := range w.Members {
		w.await(m.done)
		if m.err != nil {
			w.fail("%s ended with %v", m.Name, m.err)
		}
	}
	w.rec.flush()
	w.rec.beforeTrim = nil
	w.read()
	if len(w.tap.missed) > 0 {
		w.fail("the independent reader missed %s", strings.Join(w.tap.missed, ", "))
	}
	w.producer.Close()
	w.fake.Close()
	w.h.Log = w.tap.contents()
	w.h.Ended = w.rec.now()
	w.h.tellApart()
	slices.SortStableFunc(w.h.Produced, func(a, b Produced) int { return strings.Compare(a.Place.Topic, b.Place.Topic) })
	if w.failed != "" {
		w.t.Fatalf("the simulation itself failed: %s\n%s", w.failed, w.Log())
	}
	return w.h
}

// read lets the independent reader read what there is.
func (w *World) read() {
	ctx, cancel := context.WithTimeout(w.ctx, 10*time.Minute)
	defer cancel()
	if err := w.tap.sync(ctx); err != nil {
		w.fail("read the topics: %v", err)
	}
}

// Log returns the newest lines of the members' logs.
func (w *World) Log() string { return w.log.String() }
