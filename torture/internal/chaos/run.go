// Package chaos drives a torture run: it starts Apache Kafka, the service, the verifier, the load and the members, each a
// process of its own, does to them what its plan says, waits until everything has settled, and has the verifier judge.
package chaos

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/consumer"
	"github.com/redeliver/redeliver/torture/internal/fate"
	"github.com/redeliver/redeliver/torture/internal/load"
	"github.com/redeliver/redeliver/torture/internal/member"
	"github.com/redeliver/redeliver/torture/internal/service"
	"github.com/redeliver/redeliver/torture/internal/upset"
	"github.com/redeliver/redeliver/torture/internal/verify"
)

// Config is what is asked for.
type Config struct {
	For        time.Duration // of chaos; starting and settling come on top
	Seed       uint64        // of the plan and of the records
	Rate       int           // records a second
	Partitions int           // of the source at first
	Delivery   string
	HoldKey    bool // members hold keys
	Protocol   consumer.GroupProtocol
	Kafka      string // the script that runs it
	Keep       bool   // the directory with logs, also when every promise was kept
}

// The deliveries that members can be configured with.
const (
	AtLeastOnce        = "at_least_once"
	ExactlyOnceRouting = "exactly_once_routing"
)

func (c *Config) exactlyOnce() bool { return c.Delivery == ExactlyOnceRouting }

func (c *Config) records() fate.Records { return fate.Records{Seed: c.Seed, Held: c.HoldKey} }

// String says what members are configured with, as far as runs differ in that.
func (c *Config) String() string {
	text := fmt.Sprintf("%s, group protocol %s", c.Delivery, c.Protocol)
	if c.HoldKey {
		text += ", hold_key"
	}
	return text
}

const (
	group   = "torture"
	topic   = "orders"
	letters = group + "." + topic + ".dlq"

	// tail is for how long after an upset a member may not know yet what it has lost: the group may wait for a session and
	// then for a rebalance.
	tail = member.SessionTimeout + member.Rebalance

	// stalled is for how long nothing at all may happen while records are waited for.
	stalled = 2 * time.Minute
)

// ErrBroken is the end of a run in which a promise was broken.
var ErrBroken = errors.New("a promise was broken")

type run struct {
	c     Config
	dir   string
	began time.Time
	diary *upset.Diary

	cluster  *cluster
	admin    *kadm.Client
	service  *serviceProcess
	verifier *verifierProcess
	load     *process
	seats    []*seat

	abort    context.CancelCauseFunc // ends the run
	watchers sync.WaitGroup
	turn     sync.Mutex // to have the service watch
	mu       sync.Mutex // of what follows, and of out
	out      io.Writer
	faults   []error
}

// Run is a whole run. What it finds goes to out; ErrBroken says that a promise was broken.
func Run(ctx context.Context, c Config, out io.Writer) (err error) {
	if c.Delivery != AtLeastOnce && c.Delivery != ExactlyOnceRouting {
		return fmt.Errorf("delivery %q: it is %s or %s", c.Delivery, AtLeastOnce, ExactlyOnceRouting)
	}
	if c.HoldKey && !c.exactlyOnce() {
		return fmt.Errorf("keys are held with delivery %s only", ExactlyOnceRouting)
	}
	dir, err := os.MkdirTemp("", "torture-")
	if err != nil {
		return err
	}
	r := &run{c: c, dir: dir, began: time.Now(), out: out}
	r.say("seed %d, %v of chaos, %d records/s, %s; logs in %s", c.Seed, c.For, c.Rate, &c, dir)
	defer func() {
		keep := err != nil || c.Keep
		err = errors.Join(err, r.end(keep))
		if keep {
			r.say("the logs of all processes are in %s, those of the brokers in %s; the same plan again: SEED=%d", dir, r.brokerLogs(), c.Seed)
		}
	}()
	ctx, r.abort = context.WithCancelCause(ctx)
	defer r.abort(nil)
	for _, part := range []func(context.Context) error{r.start, r.chaos, r.settle, r.judge} {
		if err := part(ctx); err != nil {
			if cause := context.Cause(ctx); cause != nil {
				return cause
			}
			return err
		}
	}
	return nil
}

// start starts everything.
func (r *run) start(ctx context.Context) (err error) {
	produced, called, diary := filepath.Join(r.dir, "produced"), filepath.Join(r.dir, "calls"), filepath.Join(r.dir, "diary")
	for _, path := range []string{produced, called} {
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			return err
		}
	}
	book, err := os.Create(diary)
	if err != nil {
		return err
	}
	r.diary = upset.NewDiary(book)
	if r.cluster, err = startCluster(ctx, r.c.Kafka, r.dir); err != nil {
		return err
	}
	r.say("Apache Kafka on %d nodes", len(r.cluster.nodes))
	client, err := kgo.NewClient(kgo.SeedBrokers(r.cluster.nodes...), kgo.RequestTimeoutOverhead(5*time.Second), kgo.MetadataMinAge(250*time.Millisecond))
	if err != nil {
		return err
	}
	r.admin = kadm.NewClient(client)
	settings := map[string]*string{"min.insync.replicas": kadm.StringPtr("2"), "retention.ms": kadm.StringPtr("-1")}
	if err := r.eventually(ctx, "the source to be made", func(ctx context.Context) error {
		_, err := r.admin.CreateTopic(ctx, int32(r.c.Partitions), nodes, settings, topic)
		return err
	}); err != nil {
		return err
	}
	if r.service, err = startService(r.dir, service.Config{Log: called, Last: member.MaxRetries + 1}); err != nil {
		return err
	}
	if r.verifier, err = startVerifier(r.dir, verify.Config{
		Brokers: r.cluster.nodes, Produced: produced, Called: called, Diary: diary, Verdict: filepath.Join(r.dir, "verdict"),
		Terms: verify.Terms{
			Group: group, Topic: topic, Records: r.c.records(), Window: member.Window, Concurrency: member.Concurrency, MaxRetries: member.MaxRetries,
			Tail: tail, ExactlyOnce: r.c.exactlyOnce(), HoldKey: r.c.HoldKey, Begun: r.began.UnixMilli(),
		},
	}); err != nil {
		return err
	}
	for i := range members {
		s := &seat{name: string(rune('a' + i)), tiers: len(member.Tiers())}
		if i == 0 { // the others are dynamic
			s.instance = s.name
		}
		if s.proxies, err = newProxies(s.name, r.cluster.nodes); err != nil {
			return err
		}
		r.seats = append(r.seats, s)
		if err := r.sit(s); err != nil {
			return err
		}
	}
	r.load, err = start(r.dir, "load", "load", load.Config{Brokers: r.cluster.nodes, Topic: topic, Records: r.c.records(), Rate: r.c.Rate, Log: produced})
	return err
}

// settle ends the load and waits until every record has its outcome and everything is committed, for as long as
// anything happens.
func (r *run) settle(ctx context.Context) error {
	r.say("chaos is over, waiting for what it has left")
	r.load.signal(syscall.SIGTERM)
	loading := r.load.ended
	last, since, calm := int64(-1), time.Now(), 0
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for n := 1; ; n++ {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-r.verifier.ended:
			return r.verifier.died()
		case <-loading:
			if r.load.err != nil {
				return r.load.died()
			}
			loading = nil
			continue
		case <-tick.C:
		}
		p := r.verifier.latest()
		if p.Progress != last {
			last, since = p.Progress, time.Now()
		}
		if loading == nil && p.Settled == p.Produced && p.Lag == 0 {
			if calm++; calm == 4 { // nothing comes late
				return nil
			}
		} else {
			calm = 0
		}
		if n%5 == 0 {
			r.progress()
		}
		if time.Since(since) > stalled {
			r.fault(fmt.Errorf("nothing has happened for %v while %d records have no outcome and the group lags by %d: %s %s",
				stalled, p.Produced-p.Settled, p.Lag, p.Behind, p.Error))
			return nil
		}
	}
}

// judge stops the members and the service, and has the verifier judge.
func (r *run) judge(ctx context.Context) error {
	for _, s := range r.seats {
		r.stopped(s)
	}
	r.service.signal(syscall.SIGTERM)
	<-r.service.ended
	if r.service.err != nil {
		return r.service.died()
	}
	if err := r.diary.Err(); err != nil {
		return err
	}
	r.say("all records have settled, judging")
	verdict, err := r.verifier.ask(ctx, verify.Finish)
	if err != nil {
		return err
	}
	text, err := os.ReadFile(filepath.Join(r.dir, "verdict"))
	if err != nil {
		return err
	}
	r.mu.Lock()
	faults := r.faults
	r.mu.Unlock()
	r.summary(string(text), faults)
	if !verdict.Kept || len(faults) > 0 {
		return ErrBroken
	}
	return nil
}

// end ends whatever is still there.
func (r *run) end(keep bool) error {
	var all []*process
	for _, s := range r.seats {
		if s.p != nil {
			select {
			case <-s.gone:
			default:
				close(s.gone)
			}
			all = append(all, s.p)
		}
	}
	if r.load != nil {
		all = append(all, r.load)
	}
	if r.verifier != nil {
		all = append(all, r.verifier.process)
	}
	if r.service != nil {
		all = append(all, r.service.process)
	}
	for _, p := range all {
		p.kill()
	}
	r.watchers.Wait()
	for _, s := range r.seats {
		s.proxies.stop()
	}
	if r.admin != nil {
		r.admin.Close()
	}
	var err error
	if r.cluster != nil {
		err = r.cluster.stop(keep)
	}
	if !keep {
		err = errors.Join(err, os.RemoveAll(r.dir))
	}
	return err
}

// brokerLogs says where the brokers' logs are.
func (r *run) brokerLogs() string {
	if r.cluster == nil {
		return "no place"
	}
	directory, err := r.cluster.directory()
	if err != nil {
		return err.Error()
	}
	return directory
}

// eventually tries until it works, for as long as nothing at all may happen.
func (r *run) eventually(ctx context.Context, what string, try func(context.Context) error) error {
	until, told := time.Now().Add(stalled), ""
	for {
		once, cancel := context.WithTimeout(ctx, 30*time.Second)
		err := try(once)
		cancel()
		if err == nil || ctx.Err() != nil {
			return ctx.Err()
		}
		if told != err.Error() {
			told = err.Error()
			r.say("        waiting for %s: %v", what, err)
		}
		if time.Now().After(until) {
			return fmt.Errorf("waited %v for %s: %w", stalled, what, err)
		}
		pause(ctx, 200*time.Millisecond)
	}
}
