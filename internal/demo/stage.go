package demo

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/breaker"
	"github.com/redeliver/redeliver/consumer"
	"github.com/redeliver/redeliver/dlq"
	"github.com/redeliver/redeliver/internal/admin"
	"github.com/redeliver/redeliver/internal/embedded"
	"github.com/redeliver/redeliver/internal/telemetry"
	"github.com/redeliver/redeliver/internal/webhook"
	"github.com/redeliver/redeliver/retrytopics"
)

// stage is everything that the story plays on: the broker, the service, the pipeline that reads the one and calls the
// other, its metrics, and the client of the load and the replay.
type stage struct {
	pace     pace
	broker   *embedded.Broker
	service  *service
	webhook  *webhook.Webhook
	pipeline *consumer.Pipeline
	admin    *admin.Server
	client   *kgo.Client
	queue    *dlq.Queue
	reader   *reader
	load     *load

	lit chan struct{} // closed when it is known whether there is a broker
}

func newStage(p pace) *stage { return &stage{pace: p, lit: make(chan struct{})} }

// build starts what needs to be there before the pipeline runs. What it started is on the stage also when it fails, for
// clear to end.
func (s *stage) build(ctx context.Context, hook *tally, log *slog.Logger, failed func(error)) (err error) {
	s.broker, err = embedded.Start(ctx, embedded.Config{
		Listen: "127.0.0.1:0", Temporary: true, Log: log, Topics: map[string]int32{sourceTopic: partitions},
	})
	close(s.lit)
	if err != nil {
		return err
	}
	if s.service, err = startService(s.pace.latency, hook.answered); err != nil {
		return err
	}
	if s.webhook, err = webhook.New(webhook.Config{URL: s.service.url(), Concurrency: concurrency}); err != nil {
		return err
	}
	if s.pipeline, err = consumer.New(s.pipelineConfig(hook, log)); err != nil {
		return err
	}
	if s.admin, err = s.startAdmin(log); err != nil {
		return err
	}
	if s.client, err = kgo.NewClient(kgo.SeedBrokers(s.broker.Addr()), kgo.ClientID("demo-load"), kgo.ProducerLinger(0)); err != nil {
		return fmt.Errorf("make the load's client: %w", err)
	}
	tier := names.RetryTopic(sourceTopic, s.pace.tiers[0])
	s.queue, err = dlq.Open(s.client, names.DLQTopic(sourceTopic), dlq.ForGroup(groupName), dlq.FirstTier(func(string) string { return tier }))
	if err != nil {
		return err
	}
	s.load = newLoad(s.client, s.pace.rate, failed)
	s.reader, err = newReader(s.broker.Addr(), s.pace.tiers)
	return err
}

func (s *stage) pipelineConfig(hook *tally, log *slog.Logger) consumer.Config {
	return consumer.Config{
		Brokers: []string{s.broker.Addr()},
		Group:   groupName,
		Topics:  []string{sourceTopic},
		Handler: s.webhook.Handler(),
		Hooks:   []consumer.Hook{hook},
		Logger:  log,
		Retry:   retrytopics.Policy{Tiers: s.pace.tiers},
		Breaker: breaker.Config{
			Dependency: dependency, Window: breakerWindow, MinimumCalls: minimumCalls, OpenFor: s.pace.openFor, HalfOpenCalls: halfOpenCalls,
		},
		Concurrency: concurrency, HandlerTimeout: handlerTimeout, Drain: drainTime,
	}
}

func (s *stage) startAdmin(log *slog.Logger) (*admin.Server, error) {
	registry := telemetry.NewRegistry(func() []telemetry.Source { return []telemetry.Source{s.pipeline} })
	return admin.Start(admin.Config{
		Listen:    "127.0.0.1:0",
		Logger:    log,
		Metrics:   promhttp.HandlerFor(registry, promhttp.HandlerOpts{}),
		Pipelines: func() []admin.Pipeline { return []admin.Pipeline{s.pipeline} },
		Breakers:  func() []admin.Breaker { return []admin.Breaker{s.pipeline.Breaker()} },
	})
}

func (s *stage) metricsURL() string { return "http://" + s.admin.Addr() + "/metrics" }

// clear ends everything that was started, the last first, and removes the broker's directory.
func (s *stage) clear() error {
	var errs []error
	if s.reader != nil {
		s.reader.close()
	}
	if s.client != nil {
		s.client.Close()
	}
	if s.admin != nil {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		errs = append(errs, s.admin.Close(ctx))
		cancel()
	}
	if s.webhook != nil {
		s.webhook.Close()
	}
	if s.service != nil {
		errs = append(errs, s.service.close())
	}
	if s.broker != nil {
		errs = append(errs, s.broker.Close())
	}
	return errors.Join(errs...)
}

// abandon ends the broker and removes its directory, under the feet of whoever plays.
func (s *stage) abandon() error {
	<-s.lit
	if s.broker == nil {
		return nil
	}
	return s.broker.Close()
}
