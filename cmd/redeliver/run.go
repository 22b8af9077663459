package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/breaker"
	"github.com/redeliver/redeliver/classify"
	"github.com/redeliver/redeliver/consumer"
	"github.com/redeliver/redeliver/fleet"
	"github.com/redeliver/redeliver/internal/admin"
	"github.com/redeliver/redeliver/internal/certs"
	"github.com/redeliver/redeliver/internal/config"
	"github.com/redeliver/redeliver/internal/embedded"
	"github.com/redeliver/redeliver/internal/telemetry"
	"github.com/redeliver/redeliver/internal/webhook"
	"github.com/redeliver/redeliver/limit"
	"github.com/redeliver/redeliver/retrytopics"
)

func newRunCommand(p *program) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Run the pipelines of the configuration",
		Long: `Run the pipelines of the configuration until SIGTERM or SIGINT. Then nothing more is started, calls in flight have the
drain time to end, what is done is committed, and the consumer groups are left. A second signal leaves at once: what was
not committed is handled again.

A broker that cannot be reached is tried again for as long as it takes; /readyz says so meanwhile.

--embedded brings a broker along, for development: one node, in this process, kept on disk (see embedded in the
configuration). Source topics that are missing are made there.

Exit status: 0 after a drain, 1 when it could not start or was told to leave at once, 2 for a wrong configuration.`,
		Example: "  redeliver run\n  redeliver run -c other.yaml\n  redeliver run --embedded",
		Args:    noArguments,
	}
	own := cmd.Flags().Bool("embedded", false, "bring a broker along, for development")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		p.notices = true
		load := p.load
		if *own {
			load = p.loadEmbedded
		}
		c, err := load()
		if err != nil {
			return err
		}
		s := &service{program: p, config: c, embedded: *own, logs: newLogs(c, p.err)}
		s.log = s.logs.process
		return s.run(cmd.Context())
	}
	return cmd
}

// service is what `run` runs: the pipelines, their webhooks and breakers, and the admin server.
type service struct {
	program  *program
	config   *config.Config
	embedded bool
	logs     *logs
	log      *slog.Logger // of the process

	breakers  *breaker.Registry
	webhooks  []*webhook.Webhook
	notifiers []*webhook.Notifier
	pipelines []*supervised
	clients   []*telemetry.ClientMetrics
	fleet     *fleet.Member // nil: no breaker is shared with other processes
	caretaker *caretaker

	waiting atomic.Pointer[string] // why no pipeline has started yet
}

const (
	// embeddedPartitions is the number of partitions of source topics that the embedded broker makes.
	embeddedPartitions = 6
	// adminGrace is how long the admin server has to end its answers.
	adminGrace = 2 * time.Second
	// drainTold is how often a drain says what it still waits for.
	drainTold = 5 * time.Second
	// brokerSoon and brokerLate are the first and the longest pause between tries to reach a broker.
	brokerSoon = time.Second
	brokerLate = 15 * time.Second
)

// run starts everything, in an order in which what fails for good fails first, and ends it in the opposite order.
func (s *service) run(ctx context.Context) (err error) {
	if s.embedded {
		stop, err := s.startBroker(ctx)
		if err != nil {
			return err
		}
		defer stop()
	}
	err = s.program.startTracing(ctx, func(err error, times int64) {
		s.log.Warn("spans are not sent: they are dropped", "times", times, "error", err)
	})
	if err != nil {
		return err
	}
	s.caretaker = newCaretaker(s)
	s.breakers = breaker.NewRegistry()
	defer s.breakers.Close()
	if err := s.make(); err != nil {
		return &exitError{status: exitUsage, err: err}
	}
	defer func() {
		for _, w := range s.webhooks {
			w.Close()
		}
		for _, n := range s.notifiers {
			n.Close()
		}
	}()
	if s.config.Admin.Listen != "" {
		stop, err := s.startAdmin()
		if err != nil {
			return err
		}
		defer stop()
	}
	s.log.Info("redeliver runs", "config", s.config.File, "pipelines", strings.Join(pipelineNames(s.config), ","), "brokers", strings.Join(s.config.Kafka.Brokers, ","))
	if s.awaitBroker(ctx) {
		s.program.quits.Store(true) // the groups are to be told first
		go s.quit()
		leave := s.joinFleet(ctx)
		ended := s.lookAfterQueues(ctx)
		s.runPipelines(ctx)
		s.awaitEnd("what looks after the dead letters", ended)
		s.awaitEnd("the part of this process in the fleet", leave)
	}
	s.log.Info("redeliver has stopped")
	return nil
}

// abandonWithin is how long a process that is told to leave at once takes to tell its groups of it.
const abandonWithin = time.Second

// quit ends the process at a second signal.
func (s *service) quit() {
	<-s.program.quit
	s.log.Warn("a second signal: leaving at once, what is under way is handled again")
	ctx, cancel := context.WithTimeout(context.Background(), abandonWithin)
	defer cancel()
	var told sync.WaitGroup
	for _, p := range s.pipelines {
		told.Go(func() {
			if err := p.now().Abandon(ctx); err != nil {
				s.log.Warn("the group was not told that this member goes: what it had waits until its session is over", "pipeline", p.Name(), "error", err)
			}
		})
	}
	told.Wait()
	os.Exit(exitFailed)
}

// endsWithin is how long something is waited for that ends with the pipelines. It has had their drain time already.
const endsWithin = 10 * time.Second

// awaitEnd waits until something has ended that was told to; brokers that do not answer keep it for longer than anybody waits.
func (s *service) awaitEnd(what string, wait func()) {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		wait()
	}()
	timeout := time.NewTimer(endsWithin)
	defer timeout.Stop()
	select {
	case <-ended:
	case <-timeout.C:
		s.log.Warn("not waited for any longer: its requests are not answered", "what", what, "waited", endsWithin)
	}
}

// startBroker starts the embedded broker and points the configuration at it.
func (s *service) startBroker(ctx context.Context) (stop func(), err error) {
	topics := make(map[string]int32)
	for _, pipeline := range s.config.Pipelines {
		for _, topic := range pipeline.Topics {
			if _, pattern := config.Pattern(topic); !pattern {
				topics[topic] = embeddedPartitions
			}
		}
	}
	broker, err := embedded.Start(ctx, embedded.Config{
		Listen: s.config.Embedded.Listen, DataDir: s.config.Embedded.DataDir, Topics: topics, Log: s.log,
	})
	if err != nil {
		return nil, err
	}
	s.config.Kafka = config.Kafka{Brokers: []string{broker.Addr()}, ClientID: s.config.Kafka.ClientID}
	s.log.Info("the embedded broker listens: for development only, one node, in this process", "address", broker.Addr(), "data_dir", s.config.Embedded.DataDir)
	return func() {
		if err := broker.Close(); err != nil {
			s.log.Error("the embedded broker could not write everything to disk", "error", err)
		}
	}, nil
}

// make makes the pipelines out of the configuration. Its errors are mistakes in the configuration.
func (s *service) make() error {
	configs, err := s.config.Consumers(s.handler)
	if err != nil {
		return err
	}
	pacers := limit.NewRegistry()
	for i, c := range configs {
		c.Breakers, c.Pacers, c.Logger = s.breakers, pacers, s.logs.pipelines[c.Name].Logger
		clients, err := telemetry.NewClientMetrics(c.Name)
		if err != nil {
			return fmt.Errorf("%s: pipeline %s: %w", s.config.File, c.Name, err)
		}
		c.ClientOptions = append(slices.Clip(c.ClientOptions), kgo.WithHooks(clients))
		s.clients = append(s.clients, clients)
		c.Hooks = append(c.Hooks, healthLog{c.Logger})
		if s.program.tracer != nil {
			c.Tracer = s.program.tracer
		}
		if c.Notify, err = s.notifier(&s.config.Pipelines[i]); err != nil {
			return fmt.Errorf("%s: %w", s.config.At(s.config.Pipelines[i].Path("classify.notify")), err)
		}
		pipeline, err := supervise(c)
		if err != nil {
			return fmt.Errorf("%s: pipeline %s: %w", s.config.File, c.Name, err)
		}
		s.pipelines = append(s.pipelines, pipeline)
	}
	return s.makeFleet()
}

// notifier makes what posts the notices of a pipeline, nil where nobody wants them.
func (s *service) notifier(p *config.Pipeline) (func(context.Context, consumer.Notice), error) {
	hook := p.Classify.Notify
	if hook.URL == "" {
		return nil, nil
	}
	n, err := webhook.NewNotifier(webhook.Config{URL: hook.URL, Headers: hook.Headers, Timeout: hook.Timeout}, s.log)
	if err != nil {
		return nil, err
	}
	s.notifiers = append(s.notifiers, n)
	return n.Tell, nil
}

// handler makes the webhook of a pipeline.
func (s *service) handler(p *config.Pipeline) (consumer.Handler, error) {
	schedule, err := p.Policy().Compile()
	if err != nil {
		return nil, err
	}
	// What a step waits for comes after the attempt of the step before it; tries on the spot are no wait.
	steps := slices.DeleteFunc(schedule.Timetable(classify.Transient), func(s retrytopics.Step) bool { return s.InPlace })
	config, err := p.Handler.HTTP.Webhook()
	if err != nil {
		return nil, err
	}
	config.Concurrency = p.Concurrency
	config.PolicyDelay = func(attempt int) time.Duration {
		if len(steps) < 2 {
			return time.Second
		}
		return steps[min(max(attempt, 1), len(steps)-1)].Delay
	}
	w, err := webhook.New(config)
	if err != nil {
		return nil, err
	}
	s.webhooks = append(s.webhooks, w)
	return w.Handler(), nil
}

// startAdmin starts metrics, health and control.
func (s *service) startAdmin() (stop func(), err error) {
	metrics := telemetry.NewRegistry(func() (all []telemetry.Source) {
		for _, p := range s.pipelines {
			all = append(all, p)
		}
		return all
	})
	metrics.MustRegister(telemetry.NewExpiringCollector(s.caretaker.expiries))
	for _, c := range s.clients {
		metrics.MustRegister(c)
	}
	config := admin.Config{
		Listen:    s.config.Admin.Listen,
		Insecure:  s.config.Admin.Insecure,
		Logger:    s.logs.audit,
		LogLevels: s.logs,
		Metrics: promhttp.HandlerFor(metrics, promhttp.HandlerOpts{
			MaxRequestsInFlight: 4, Timeout: 10 * time.Second, ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelWarn),
		}),
		NotReady: func() string {
			if why := s.waiting.Load(); why != nil {
				return *why
			}
			return ""
		},
		Pipelines: func() (all []admin.Pipeline) {
			for _, p := range s.pipelines {
				all = append(all, p)
			}
			return all
		},
		Breakers: func() (all []admin.Breaker) {
			for _, b := range s.breakers.All() {
				all = append(all, b)
			}
			for _, family := range s.breakers.Families() {
				for _, b := range family.All() {
					all = append(all, b)
				}
			}
			return all
		},
	}
	if config.TLS, config.Users, err = s.adminSecurity(); err != nil {
		return nil, err
	}
	if s.fleet != nil {
		metrics.MustRegister(telemetry.NewFleetCollector(s.fleet.Status))
		config.Fleet = s.fleet
	}
	server, err := admin.Start(config)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.config.At("admin.listen"), err)
	}
	scheme := "http://"
	if config.TLS != nil {
		scheme = "https://"
	}
	s.log.Info("metrics, health and control listen", "address", scheme+server.Addr())
	return func() {
		ctx, cancel := context.WithTimeout(context.Background(), adminGrace)
		defer cancel()
		if err := server.Close(ctx); err != nil && !errors.Is(err, http.ErrServerClosed) {
			s.log.Debug("the admin server was ended with answers under way", "error", err)
		}
	}, nil
}

// adminSecurity returns the certificate of the admin listener, nil for none, and its users.
func (s *service) adminSecurity() (material *certs.Material, users []admin.User, err error) {
	a := s.config.Admin
	if a.TLS.CertFile != "" {
		material, err = certs.Read(certs.Files{Authorities: a.TLS.ClientCAFile, Certificate: a.TLS.CertFile, Key: a.TLS.KeyFile})
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", s.config.At("admin.tls"), err)
		}
	}
	for i, u := range a.Users {
		if token, err := u.Secret(); err == nil && config.IsMask(token) {
			return nil, nil, &exitError{status: exitUsage, err: fmt.Errorf("%s: the token of %s is %s, which `redeliver config show` prints for every secret, and lets in whoever knows that: give the token itself",
				s.config.At(fmt.Sprintf("admin.users[%d]", i)), u.Name, token)}
		}
		one := admin.User{Name: u.Name, Certificate: u.Certificate}
		if u.Role == admin.Operator.String() {
			one.Role = admin.Operator
		}
		if u.Certificate == "" {
			one.Token = u.Secret
		}
		users = append(users, one)
	}
	return material, users, nil
}

// awaitBroker waits until a broker answers, for as long as it takes, and says what it waits for. It returns false when
// ctx ended first. From then on the engine itself rides out a broker that goes away.
func (s *service) awaitBroker(ctx context.Context) bool {
	defer s.waiting.Store(nil)
	for pause := brokerSoon; ; pause = min(2*pause, brokerLate) {
		client, err := s.program.connect(ctx, s.config)
		if err == nil {
			client.Close()
			return true
		}
		if ctx.Err() != nil {
			return false
		}
		why := err.Error()
		s.waiting.Store(&why)
		s.log.Warn("waiting for Kafka", "error", why, "next_try_in", pause)
		select {
		case <-ctx.Done():
			return false
		case <-time.After(pause):
		}
	}
}

// runPipelines runs the pipelines until ctx ends and they are drained.
func (s *service) runPipelines(ctx context.Context) {
	var running sync.WaitGroup
	for _, p := range s.pipelines {
		running.Go(func() { p.run(ctx) })
	}
	drained := make(chan struct{})
	go func() {
		running.Wait()
		close(drained)
	}()
	<-ctx.Done()
	s.tellDrain(drained)
}

// tellDrain says what the drain waits for until it is over.
func (s *service) tellDrain(drained <-chan struct{}) {
	began := time.Now()
	var longest time.Duration
	for _, p := range s.config.Pipelines {
		longest = max(longest, p.Drain)
	}
	s.log.Info("draining: nothing more is started; a second signal leaves at once", "waiting_for", s.inFlight(), "at_most", longest)
	tick := time.NewTicker(drainTold)
	defer tick.Stop()
	for {
		select {
		case <-drained:
			s.log.Info("drained", "took", time.Since(began).Round(time.Millisecond))
			return
		case <-tick.C:
			s.log.Info("still draining", "waiting_for", s.inFlight(), "since", time.Since(began).Round(time.Second))
		}
	}
}

// inFlight says for people what is under way: "3 handler calls (orders 2, clicks 1)".
func (s *service) inFlight() string {
	total := 0
	var parts []string
	for _, p := range s.pipelines {
		if n := p.Stats().InFlight; n > 0 {
			total += n
			parts = append(parts, fmt.Sprintf("%s %d", p.Name(), n))
		}
	}
	if total == 0 {
		return "the last commits"
	}
	return fmt.Sprintf("%d handler %s (%s)", total, plural(total, "call"), strings.Join(parts, ", "))
}
