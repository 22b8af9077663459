package sim

import (
	"context"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/consumer"
)

// Member is one pipeline of the group, with a network of its own.
type Member struct {
	Name     string
	Pipeline *consumer.Pipeline

	instance string // "": it is not static

	w      *World
	link   *link
	cancel context.CancelFunc
	done   chan struct{}
	died   chan struct{}
	dead   atomic.Bool
	err    error
	gone   bool // told to stop, or crashed
}

// start makes a member of a configuration and runs it.
func (w *World) start(name string, cfg consumer.Config) (*Member, error) {
	m := &Member{Name: name, instance: cfg.InstanceID, w: w, link: newLink(w.net, w.latency, w.fevered(name)), done: make(chan struct{}), died: make(chan struct{})}
	cfg.Brokers = w.addrs
	cfg.ClientID = name
	cfg.Logger = slog.New(slog.NewTextHandler(w.log, &slog.HandlerOptions{Level: w.setup.LogLevel})).With("member", name)
	cfg.ClientOptions = append([]kgo.Opt{kgo.Dialer(m.link.DialContext), loginAs(service)}, cfg.ClientOptions...)
	w.policyOfMember(name, &cfg)
	if size := w.setup.Batch; size.Records > 0 {
		cfg.Handler = consumer.BatchFunc(m.handleBatch, size)
	} else {
		cfg.Handler = consumer.HandlerFunc(m.handle)
	}
	p, err := consumer.New(cfg)
	if err != nil {
		return nil, err
	}
	m.Pipeline = p
	ctx, cancel := context.WithCancel(context.Background())
	m.cancel = cancel
	go func() {
		m.err = p.Run(ctx)
		w.mu.Lock()
		w.rec.ended[name] = true
		w.mu.Unlock()
		close(m.done)
	}()
	return m, nil
}

// handle is the handler: it looks up the record's fate, lives it, and takes the call down.
func (m *Member) handle(ctx context.Context, r *consumer.Record) error {
	if m.dead.Load() {
		<-ctx.Done()
		return ctx.Err()
	}
	call := m.w.begin(m, r, 0)
	v, work, deaf := m.w.verdict(m, r)
	defer func() { m.w.end(m, call, &v) }()
	return v.carryOut(ctx, work, deaf, m.died, func() { m.w.cancelled(call) })
}

// handleBatch is the handler of batches: each record's fate is lived, in one call as long as the longest.
func (m *Member) handleBatch(ctx context.Context, b *consumer.Batch) error {
	if m.dead.Load() {
		<-ctx.Done()
		return ctx.Err()
	}
	number := m.w.batches.Add(1)
	calls := make([]int, len(b.Records))
	verdicts := make([]verdict, len(b.Records))
	var whole verdict
	longest, deaf := 0, false
	works := make([]time.Duration, len(b.Records))
	for i, r := range b.Records {
		calls[i] = m.w.begin(m, r, number)
		v, work, d := m.w.verdict(m, r)
		verdicts[i], works[i] = v, work
		if works[i] > works[longest] {
			longest = i
		}
		deaf = deaf || d
	}
	err := whole.carryOut(ctx, works[longest], deaf, m.died, func() {
		for _, c := range calls {
			m.w.cancelled(c)
		}
	})
	for i := range verdicts {
		v := &verdicts[i]
		if err != nil { // the batch was given up as a whole
			v.result, v.class, v.delay = whole.result, whole.class, 0
		} else if v.panics || v.hangs { // one record's panic or hang would be the whole batch's: here it fails
			v.panics, v.hangs, v.err = false, false, errDown
			v.class = classOfDown
		}
		if v.err != nil && err == nil {
			b.Fail(i, v.err)
		}
		m.w.end(m, calls[i], v)
	}
	return err
}

// settled reports whether the member is part of its group while that does not rebalance. At other times it cannot save
// where it is, and it does not keep what it has when a connection breaks on it.
func (m *Member) settled() bool {
	info := m.w.fake.GroupInfo(m.w.h.Terms.Group)
	return info != nil && info.State == "Stable" && slices.ContainsFunc(info.Members, func(g kfake.GroupMember) bool { return g.ClientID == m.Name })
}

// running reports whether the member's process is there.
func (m *Member) running() bool {
	select {
	case <-m.done:
		return false
	default:
		return !m.dead.Load()
	}
}

// Stop ends the member as SIGTERM would, and waits for it.
func (m *Member) Stop() {
	m.Leave()
	m.w.await(m.done)
}

// Leave is Stop without the wait.
func (m *Member) Leave() {
	w := m.w
	w.disturb(0, w.setup.rebalanceTime())
	if !m.settled() || w.missesOne() {
		w.upset(m.Name, Unsaved, w.setup.rebalanceTime())
	}
	w.mu.Lock()
	w.h.Stops = append(w.h.Stops, Stop{m.Name, w.rec.now()})
	w.mu.Unlock()
	m.gone = true
	m.cancel()
	if m.instance != "" { // it does not leave its group
		w.disturb(0, w.session()+w.setup.rebalanceTime())
	}
}

// Crash kills the member: its connections are cut for good, and nothing that it does afterwards counts.
func (m *Member) Crash() {
	w := m.w
	w.upset(m.Name, Crash, 0)
	w.disturb(0, w.session()+w.setup.rebalanceTime())
	w.trouble(w.session())
	w.mu.Lock() // no call of the member begins or ends meanwhile
	m.dead.Store(true)
	w.rec.ended[m.Name] = true
	w.mu.Unlock()
	m.link.sever()
	close(m.died)
	m.gone = true
	m.cancel()
	w.stopsUnsaved()
}
