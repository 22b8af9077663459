// Package member is a member of the consumer group in a torture run: a process that runs the real pipeline, and dies when
// it is killed. Its handler asks the service how each call ends.
package member

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/breaker"
	"github.com/redeliver/redeliver/classify"
	"github.com/redeliver/redeliver/consumer"
	"github.com/redeliver/redeliver/retrytopics"
	"github.com/redeliver/redeliver/torture/internal/fate"
	"github.com/redeliver/redeliver/torture/internal/service"
)

// What every member is configured with, and the verdict counts on.
const (
	Window         = 1000
	Concurrency    = 64
	MaxRetries     = 3
	SessionTimeout = 6 * time.Second
	Drain          = 8 * time.Second
	Rebalance      = 12 * time.Second
)

// Ready is what a member says when it can be stopped with SIGTERM: a line on its standard output.
const Ready = "ready\n"

// Transactional stands before a transactional id of the member: a line on its standard output, for each producer of transactions that
// it makes.
const Transactional = "transactional id "

// Tiers are the tiers of the retry policy; a member may be told to run with the first only.
func Tiers() []time.Duration { return []time.Duration{time.Second, 3 * time.Second} }

// Config is what a member is told.
type Config struct {
	Name    string            // of this life of it: another one after a restart
	Brokers []string          // their own addresses
	Proxies map[string]string // the address that stands for each broker's on this member's way to it
	Service string            // address
	Group   string
	Topic   string
	Tiers   int // how many of Tiers it knows
	// Instance makes it a static member, "": it is none.
	Instance string
	Protocol consumer.GroupProtocol
	// ExactlyOnce has copies and offsets go in transactions.
	ExactlyOnce bool
	// HoldKey has later records of a key wait behind one that is retried, until it is done or dead.
	HoldKey bool
}

// Run runs a member until ctx ends.
func Run(ctx context.Context, c Config, says io.Writer) error {
	if _, err := io.WriteString(says, Ready); err != nil {
		return err
	}
	tiers := Tiers()[:c.Tiers]
	hello := service.Hello{Member: c.Name}
	for _, t := range tiers {
		hello.Tiers = append(hello.Tiers, t.Milliseconds())
	}
	link, err := service.Dial(c.Service, hello)
	if err != nil {
		return err
	}
	config := consumer.Config{
		Brokers:          c.Brokers,
		Group:            c.Group,
		Topics:           []string{c.Topic},
		HoldKey:          c.HoldKey,
		Name:             c.Name,
		InstanceID:       c.Instance,
		GroupProtocol:    c.Protocol,
		Handler:          handler{link},
		Retry:            retrytopics.Policy{Tiers: tiers, MaxRetries: MaxRetries},
		Window:           consumer.Window{Records: Window},
		Concurrency:      Concurrency,
		HandlerTimeout:   5 * time.Second,
		Drain:            Drain,
		RebalanceTimeout: Rebalance,
		SessionTimeout:   SessionTimeout,
		// Towards the end only those are left that fail: to a breaker that is an outage, in which attempts are free.
		Breaker: breaker.Config{Disabled: true},
		// What the chaos makes of the topics is known soon, not after the minute that a quiet cluster is worth.
		ClientOptions: []kgo.Opt{
			kgo.Dialer(c.dial), kgo.MetadataMinAge(250 * time.Millisecond), kgo.MetadataMaxAge(2 * time.Second),
			kgo.HeartbeatInterval(time.Second), kgo.WithHooks(producers{says}),
		},
		Logger: slog.Default(),
	}
	if c.Protocol == consumer.NextGen {
		config.SessionTimeout = 0 // the brokers', which have been told the same
	}
	if c.ExactlyOnce {
		config.Delivery = consumer.ExactlyOnceRouting
	}
	p, err := consumer.New(config)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		select {
		case <-link.Ended():
			cancel(errors.New("the service is gone"))
		case <-ctx.Done():
		}
	}()
	return p.Run(ctx)
}

// producers says what transactional ids the member's clients have.
type producers struct{ says io.Writer }

// OnNewClient implements [kgo.HookNewClient].
func (p producers) OnNewClient(client *kgo.Client) {
	if id, _ := client.OptValue(kgo.TransactionalID).(string); id != "" {
		_, _ = io.WriteString(p.says, Transactional+id+"\n") // a driver that is gone ends the member anyway
	}
}

// dial goes to a broker by way of the proxy that stands before it.
func (c *Config) dial(ctx context.Context, network, address string) (net.Conn, error) {
	proxy, ok := c.Proxies[address]
	if !ok {
		return nil, fmt.Errorf("no proxy stands before %s", address)
	}
	var d net.Dialer
	return d.DialContext(ctx, network, proxy)
}

type handler struct{ link *service.Link }

// Handle asks the service.
func (h handler) Handle(ctx context.Context, r *consumer.Record) error {
	raw := r.Raw()
	text, _ := r.Header(fate.Header)
	call := service.Call{
		ID: r.ID(), Attempt: r.Attempt(), Topic: raw.Topic, Partition: raw.Partition, Offset: raw.Offset,
		Key: r.Key, Fate: string(text), Sum: fate.Sum(r.Key, r.Value, r.Headers, r.Timestamp),
		Started: time.Now().UnixNano(),
	}
	if raw.Topic != r.Topic { // a copy: on the source anybody can write the header
		call.Due = due(raw)
	}
	a, err := h.link.Call(ctx, call)
	if err != nil {
		return err
	}
	return ends[a]
}

// due reads a copy's due time without code of the engine.
func due(r *kgo.Record) int64 {
	for _, h := range r.Headers {
		if h.Key == "redeliver-due" {
			ms, _ := strconv.ParseInt(string(h.Value), 10, 64) // 0, at once, for what cannot be read
			return ms
		}
	}
	return 0
}

// ends are what the handler returns for each answer.
var ends = map[fate.Answer]error{
	fate.OK:       nil,
	fate.Failed:   errors.New("fails, as is its fate"),
	fate.Refused:  classify.Mark(errors.New("refused, as is its fate"), classify.Permanent),
	fate.Snoozed:  consumer.Snooze(fate.SnoozeFor),
	fate.Asked:    consumer.RetryAfter(fate.AskFor, errors.New("asks for a retry, as is its fate")),
	fate.AskedFar: consumer.RetryAfter(fate.AskFarFor, errors.New("asks for a late retry, as is its fate")),
	fate.Dropped:  consumer.Drop("as is its fate"),
}
