package sim

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/classify"
	"github.com/redeliver/redeliver/consumer"
)

// TB is what a world needs of a test.
type TB interface {
	Helper()
	Fatalf(format string, args ...any)
	Logf(format string, args ...any)
}

// Setup says what a world is made of. The zero value of a field is a sensible default.
type Setup struct {
	Brokers  int              // defaults to 1
	Sources  map[string]int32 // topics and their partitions; defaults to orders with 3
	Config   consumer.Config  // of every member; what the world itself must say is overwritten
	Batch    consumer.BatchSize
	Latency  [2]time.Duration // of every request of a member, between these
	Seed     uint64
	LogLevel slog.Level
	// Prompt, see Terms. Defaults to 3 s; negative: not checked.
	Prompt time.Duration
}

func (s *Setup) complete() {
	if s.Brokers == 0 {
		s.Brokers = 1
	}
	if s.Sources == nil {
		s.Sources = map[string]int32{"orders": 3}
	}
	if s.Config.Group == "" {
		s.Config.Group = "g"
	}
	if s.Prompt == 0 {
		s.Prompt = 3 * time.Second
	}
	if s.Config.Topics == nil {
		for t := range s.Sources {
			s.Config.Topics = append(s.Config.Topics, t)
		}
		slices.Sort(s.Config.Topics)
	}
}

// rebalanceTime is how long a change of members may disturb the others: heartbeats, two rounds of joining, and calls
// that are drained.
func (s *Setup) rebalanceTime() time.Duration { return 75 * time.Second }

// World is a cluster with a group's members, a producer, and everything that can go wrong with them, in a bubble of
// testing/synctest. Its methods are called from the test's goroutine. The world records what an outsider can see; Finish
// ends it and returns the history.
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

	batches atomic.Int64

	mu      sync.Mutex
	h       *History
	records map[int]*Record
	places  map[int]Place // of records that were acknowledged
	numbers int
	down    bool // the dependency
	slow    time.Duration
	rng     *rand.Rand
	failed  string

	brokerBack time.Time // when the broker that is out is back
}

// NewWorld makes a cluster with its source topics. It must be called inside a bubble of testing/synctest, and the world
// must be finished there.
func NewWorld(t TB, s Setup) *World {
	t.Helper()
	s.complete()
	w := &World{
		t: t, setup: s, ctx: context.Background(), net: new(kfake.VirtualNetwork), log: newTail(), Began: time.Now(),
		h:       &History{Log: nil, Started: make(map[Partition]int64)},
		records: make(map[int]*Record), places: make(map[int]Place),
		rng: rand.New(rand.NewPCG(s.Seed, 0x5eed)),
	}
	w.own = newLink(w.net, nil)
	w.h.Terms = termsOf(s)
	var ports []int
	for i := range s.Brokers {
		ports = append(ports, 9092+i)
	}
	fake, err := kfake.NewCluster(kfake.NumBrokers(s.Brokers), kfake.Ports(ports...), kfake.ListenFn(w.net.Listen),
		kfake.BrokerConfigs(map[string]string{"default.replication.factor": fmt.Sprint(min(3, s.Brokers))}))
	if err != nil {
		t.Fatalf("make the cluster: %v", err)
	}
	w.fake, w.addrs = fake, fake.ListenAddrs()
	for _, topic := range w.h.Terms.Sources {
		if err := fake.CreateTopic(topic, s.Sources[topic], map[string]string{"retention.ms": "-1"}); err != nil {
			t.Fatalf("create %s: %v", topic, err)
		}
	}
	w.rec = newRecorder(fake, w.h, &w.mu)
	w.h.Begun = w.rec.now()
	w.producer = w.client()
	w.Admin = kadm.NewClient(w.producer)
	w.tap = newTap(fake, w.clientOptions())
	w.tap.saw = w.rec.saw
	w.rec.beforeTrim = func() {
		if err := w.tap.sync(w.ctx); err != nil {
			w.fail("read before a trim: %v", err)
		}
	}
	for _, source := range w.h.Terms.Sources { // their ends matter from the first commit on
		w.rec.saw(w.h.Terms.DLQTopic(source))
		for _, d := range w.tiers() {
			w.rec.saw(w.h.Terms.RetryTopic(source, d))
		}
	}
	w.disturb(0, 20*time.Second)
	return w
}

func (w *World) clientOptions() []kgo.Opt {
	return []kgo.Opt{kgo.SeedBrokers(w.addrs...), kgo.Dialer(w.own.DialContext)}
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
	if hi <= 0 {
		return 0
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return lo + time.Duration(w.rng.Int64N(int64(hi-lo)+1))
}

// fail notes what went wrong with the simulation itself.
func (w *World) fail(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.failed == "" {
		w.failed = fmt.Sprintf(format, args...)
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
	return m
}

// Sleep lets virtual time pass.
func (w *World) Sleep(d time.Duration) { time.Sleep(d) }

// Produce puts records into their topics and waits until all are acknowledged.
func (w *World) Produce(records ...*Record) {
	w.t.Helper()
	w.produce(w.producer, false, records...)
}

func (w *World) produce(client *kgo.Client, aborted bool, records ...*Record) {
	w.t.Helper()
	byKafka := make(map[*kgo.Record]*Record)
	var out []*kgo.Record
	for _, r := range records {
		k := w.kafka(r)
		byKafka[k] = r
		out = append(out, k)
	}
	for try := 0; len(out) > 0; try++ { // a client gives up when it finds no broker; what it says failed was not written
		var failed []*kgo.Record
		for _, res := range client.ProduceSync(w.ctx, out...) {
			if res.Err == nil {
				w.acknowledged(byKafka[res.Record], res.Record, aborted)
				continue
			}
			if failed = append(failed, res.Record); try == produceTries {
				w.abort("produce to %s: %v", res.Record.Topic, res.Err)
			}
		}
		if out = failed; len(out) > 0 {
			time.Sleep(time.Second)
		}
	}
}

// produceTries is how often the simulation itself tries to write a record.
const produceTries = 100

// kafka gives a record its number and makes it one for the client.
func (w *World) kafka(r *Record) *kgo.Record {
	if r.Topic == "" {
		r.Topic = w.h.Terms.Sources[0]
	}
	w.mu.Lock()
	r.n = w.numbers
	w.numbers++
	w.records[r.n] = r
	w.mu.Unlock()
	value, headers := r.body()
	at := r.Timestamp
	if at.IsZero() {
		at = time.Now()
	}
	return &kgo.Record{Topic: r.Topic, Partition: r.Partition, Key: r.Key, Value: value, Headers: headers, Timestamp: at}
}

func (w *World) acknowledged(r *Record, k *kgo.Record, aborted bool) {
	place := Place{Partition{k.Topic, k.Partition}, k.Offset}
	p := Produced{
		Place: place, ID: place.String(), Key: k.Key, Value: k.Value, Headers: k.Headers, Timestamp: k.Timestamp,
		At: w.rec.now(), Aborted: aborted,
	}
	for _, h := range k.Headers {
		if h.Key == "redeliver-id" {
			p.ID = string(h.Value)
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.h.Produced = append(w.h.Produced, p)
	w.places[r.n] = place
}

// ProduceInTransaction puts records into their topics in one transaction, which is committed or aborted.
func (w *World) ProduceInTransaction(commit bool, records ...*Record) {
	w.t.Helper()
	client := w.client(kgo.TransactionalID("sim-producer"))
	defer client.Close()
	if err := client.BeginTransaction(); err != nil {
		w.abort("begin a transaction: %v", err)
	}
	w.produce(client, !commit, records...)
	if err := client.EndTransaction(w.ctx, kgo.TransactionEndTry(commit)); err != nil {
		w.abort("end a transaction: %v", err)
	}
}

// alien is the group that planted copies are of. Their values say so, too.
const alien = "another-group"

// Plant writes a copy of another group into one of this group's retry topics.
func (w *World) Plant(source, delay string, partition int32) {
	w.t.Helper()
	due := fmt.Sprint(time.Now().UnixMilli())
	r := &kgo.Record{
		Topic: w.h.Terms.RetryTopic(source, delay), Partition: partition, Key: []byte(alien), Value: []byte(alien),
		Headers: []Header{
			{Key: "redeliver-id", Value: []byte(source + "/0/0")}, {Key: "redeliver-origin-topic", Value: []byte(source)},
			{Key: "redeliver-origin-partition", Value: []byte("0")}, {Key: "redeliver-origin-offset", Value: []byte("0")},
			{Key: "redeliver-group", Value: []byte(alien)}, {Key: "redeliver-attempt", Value: []byte("1")}, {Key: "redeliver-due", Value: []byte(due)},
		},
	}
	w.producer.ProduceSync(w.ctx, r) // a fault may refuse it, as it would a copy
}

// Skip settles a record by an operator's word, on whichever member holds it.
func (w *World) Skip(at Place) error {
	err := fmt.Errorf("no member holds %s", at)
	for _, m := range w.Members {
		if m.gone {
			continue
		}
		if err = m.Pipeline.Skip(at.Topic, at.Number, at.Offset, "the simulation says so"); err == nil {
			w.mu.Lock()
			w.h.Skipped = append(w.h.Skipped, Skip{at, w.rec.now()})
			w.mu.Unlock()
			return nil
		}
	}
	return err
}

// begin takes down that a call began and returns its number.
func (w *World) begin(m *Member, r *consumer.Record, batch int64) int {
	raw := r.Raw()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.h.Calls = append(w.h.Calls, Call{
		Member: m.Name, From: Place{Partition{raw.Topic, raw.Partition}, raw.Offset},
		Origin: Place{Partition{r.Topic, r.Partition}, r.Offset}, ID: r.ID(), Group: r.Group(), Attempt: r.Attempt(), Replays: r.Replays(),
		Batch: batch, Key: r.Key, Value: r.Value, Headers: slices.Clone(r.Headers), Timestamp: r.Timestamp, Start: w.rec.now(),
	})
	return len(w.h.Calls) - 1
}

// verdict decides how a call ends.
func (w *World) verdict(m *Member, r *consumer.Record) (v verdict, work time.Duration, deaf bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	rec := w.records[numberOf(r)]
	if rec == nil {
		if w.failed == "" {
			w.failed = fmt.Sprintf("the handler was called with a record that nobody produced: %s", r.ID())
		}
		return verdict{result: Succeeded}, 0, false
	}
	if w.down {
		return verdict{result: Failed, class: classOfDown, outage: true, err: errDown}, rec.Fate.Work + w.slow, false
	}
	return rec.next(), rec.Fate.Work + w.slow, rec.Fate.Deaf
}

const classOfDown = classify.Network

func (w *World) cancelled(call int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if c := &w.h.Calls[call]; c.Cancelled.IsZero() {
		c.Cancelled = w.rec.now()
	}
}

// end takes down how a call ended. What a dead member's call comes to nobody knows.
func (w *World) end(m *Member, call int, v *verdict) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if m.dead.Load() {
		return
	}
	c := &w.h.Calls[call]
	c.Result, c.Class, c.Delay, c.Outage = v.result, "", v.delay, v.outage
	if v.result == Failed || v.result == Buried {
		c.Class = v.class.String()
	}
	c.End = w.rec.now()
}

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

// Calls returns the calls so far of a record.
func (w *World) Calls(r *Record) (calls []Call) {
	w.mu.Lock()
	defer w.mu.Unlock()
	at, ok := w.places[r.n]
	for _, c := range w.h.Calls {
		if ok && c.Origin == at {
			calls = append(calls, c)
		}
	}
	return calls
}

// PlaceOf returns where a produced record stands.
func (w *World) PlaceOf(r *Record) Place {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.places[r.n]
}

// lag describes the partitions of sources and retry topics that are not committed to their end, "" for none.
func (w *World) lag() string {
	info := w.fake.GroupInfo(w.h.Terms.Group)
	var behind []string
	for _, t := range w.readTopics() {
		for _, p := range w.fake.PartitionInfos(t) {
			at := int64(-1)
			if info != nil {
				if c, ok := info.Commits[t][p.Partition]; ok {
					at = c.Offset
				}
			}
			if p.HighWatermark > max(at, 0) {
				behind = append(behind, fmt.Sprintf("%s/%d at %d of %d", t, p.Partition, at, p.HighWatermark))
			}
		}
	}
	return strings.Join(behind, ", ")
}

// readTopics lists the sources and the retry topics that there are.
func (w *World) readTopics() []string {
	topics := slices.Clone(w.h.Terms.Sources)
	w.rec.mu.Lock()
	defer w.rec.mu.Unlock()
	for t := range w.rec.topics {
		if w.h.Terms.IsRetry(t) {
			topics = append(topics, t)
		}
	}
	slices.Sort(topics)
	return topics
}

// Settle waits until everything is committed, at most for limit.
func (w *World) Settle(limit time.Duration) bool {
	until := time.Now().Add(limit)
	for {
		lag := w.lag()
		if lag == "" {
			w.h.Settled, w.h.Unsettled = true, ""
			return true
		}
		if time.Now().After(until) {
			w.h.Settled, w.h.Unsettled = false, lag
			_, _ = w.log.Write([]byte(w.Diagnose())) // a buffer
			return false
		}
		time.Sleep(500 * time.Millisecond)
	}
}

// trickle is how often a record that succeeds comes while a plan settles, as traffic goes on in life: what failed while
// the breaker was not closed waits for a success of another record.
const trickle = 30 * time.Second

// settleWithTraffic is Settle while traffic goes on.
func (w *World) settleWithTraffic(limit time.Duration) {
	until := time.Now().Add(limit)
	for !w.Settle(trickle) && time.Now().Before(until) {
		for _, source := range w.h.Terms.Sources {
			for p := range w.setup.Sources[source] {
				w.Produce(&Record{Topic: source, Partition: p, Key: fmt.Appendf(nil, "traffic-%d", w.numbers)})
			}
		}
	}
}

// Finish waits until everything is settled, at most for limit, stops the members, closes the cluster and returns what
// was seen.
func (w *World) Finish(limit time.Duration) *History {
	w.t.Helper()
	w.Settle(limit)
	return w.Close()
}

// Close is Finish without the wait for what is not settled.
func (w *World) Close() *History {
	w.t.Helper()
	w.h.Ended = w.rec.now()
	for _, m := range w.Members {
		if !m.gone {
			m.Stop()
		}
		<-m.done
		if m.err != nil {
			w.fail("%s ended with %v", m.Name, m.err)
		}
	}
	w.rec.flush()
	w.rec.beforeTrim = nil
	ctx, cancel := context.WithTimeout(w.ctx, 10*time.Minute)
	defer cancel()
	if err := w.tap.sync(ctx); err != nil {
		w.fail("read the topics at the end: %v", err)
	}
	if len(w.tap.missed) > 0 {
		w.fail("the independent reader missed %s", strings.Join(w.tap.missed, ", "))
	}
	w.producer.Close()
	w.fake.Close()
	w.h.Log = w.tap.contents()
	w.h.Ended = w.rec.now()
	slices.SortStableFunc(w.h.Produced, func(a, b Produced) int { return strings.Compare(a.Place.Topic, b.Place.Topic) })
	if w.failed != "" {
		w.t.Fatalf("the simulation itself failed: %s\n%s", w.failed, w.Log())
	}
	return w.h
}

// Log returns the newest lines of the members' logs.
func (w *World) Log() string { return w.log.String() }
