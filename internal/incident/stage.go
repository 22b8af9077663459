package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/internal/loopback"
)

// stage is what the incident happens on: a broker, a shop that takes orders, and a pipeline between them.
type stage struct {
	*terminal
	shop    *httptest.Server
	away    atomic.Bool // the warehouse does not answer
	taken   atomic.Int64
	client  *kgo.Client
	process *exec.Cmd // redeliver run
	ended   chan error
	orders  int
	brokers string
	own     bool // the broker is the one that `redeliver run` brings along
}

// newStage starts everything.
func newStage(ctx context.Context, t *terminal) (s *stage, err error) {
	s = &stage{terminal: t, ended: make(chan error, 1)}
	s.shop = httptest.NewServer(http.HandlerFunc(s.take))
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	s.brokers = os.Getenv("REDELIVER_TEST_BROKERS")
	args := []string{"run"}
	if s.own = s.brokers == ""; s.own {
		if s.brokers, err = loopback.FreeAddress(); err != nil {
			return s, err
		}
		args = append(args, "--embedded")
	}
	admin, err := loopback.FreeAddress()
	if err != nil {
		return s, err
	}
	text := fmt.Sprintf(configuration, s.brokers, s.brokers, admin, s.shop.URL)
	if err := os.WriteFile(filepath.Join(t.dir, "config.yaml"), []byte(text), 0o600); err != nil {
		return s, err
	}
	if s.client, err = kgo.NewClient(kgo.SeedBrokers(strings.Split(s.brokers, ",")...), kgo.DefaultProduceTopic("orders")); err != nil {
		return s, err
	}
	if !s.own {
		if _, err := kadm.NewClient(s.client).CreateTopic(ctx, 6, 1, nil, "orders"); err != nil {
			return s, fmt.Errorf("make topic orders: %w", err)
		}
	}
	log, err := os.Create(filepath.Join(t.dir, "run.log"))
	if err != nil {
		return s, err
	}
	s.process = exec.Command(t.binary, args...)
	s.process.Dir, s.process.Stderr = t.dir, log
	if err := s.process.Start(); err != nil {
		return s, err
	}
	go func() { s.ended <- s.process.Wait() }()
	return s, s.until(ctx, "the pipeline is ready", func() (bool, error) {
		answer, err := http.Get("http://" + admin + "/readyz")
		if err != nil {
			return false, nil
		}
		defer answer.Body.Close()
		return answer.StatusCode == http.StatusOK, nil
	})
}

// configuration: two retries within a second, so that a record dies while one looks on, and no breaker that holds them.
const configuration = `kafka: {brokers: ["%s"]}
embedded: {listen: "%s"}
admin: {listen: "%s"}
log: {level: warn}
pipelines:
  - name: orders
    topics: [orders]
    handler: {http: {url: "%s/orders"}}
    retry: {tiers: [200ms, 500ms]}
    breaker: {enabled: false}
`

// take takes an order as the shop does: amounts are numbers, and the warehouse of every eighth order is away now and then.
func (s *stage) take(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	order, text := r.Header.Get("Redeliver-Id"), string(body)
	trace := fmt.Sprintf("%016x", time.Now().UnixNano())
	switch {
	case strings.Contains(text, `"amount":"`):
		w.WriteHeader(http.StatusUnprocessableEntity)
		fmt.Fprintf(w, "order %s: amount is no number (trace %s)", order, trace)
	case s.away.Load() && strings.Contains(text, `"warehouse":7`):
		w.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprintf(w, "warehouse 7 did not answer within %d ms (trace %s)", 1500+len(trace)*int(time.Now().UnixNano()%9), trace)
	default:
		s.taken.Add(1)
	}
}

// sell writes orders, some of them with an amount in text.
func (s *stage) sell(ctx context.Context, n int, texts bool) error {
	var records []*kgo.Record
	for range n {
		s.orders++
		amount, customer := fmt.Sprintf("%d.50", s.orders%90+10), fmt.Sprintf("customer-%d", s.orders%17)
		if texts && s.orders%10 == 0 {
			amount = `"` + amount + `"`
		}
		if texts && s.orders%50 == 0 {
			customer = "test-robot"
		}
		warehouse := s.orders%8 + 1
		records = append(records, &kgo.Record{Key: []byte(customer), Value: fmt.Appendf(nil, `{"order":%d,"amount":%s,"warehouse":%d}`, s.orders, amount, warehouse)})
	}
	return s.client.ProduceSync(ctx, records...).FirstErr()
}

// until waits for what the pipeline comes to by itself, and gives up with the context.
func (s *stage) until(ctx context.Context, what string, is func() (bool, error)) error {
	for {
		if done, err := is(); err != nil || done {
			return err
		}
		select {
		case err := <-s.ended:
			s.ended <- err
			log, _ := os.ReadFile(filepath.Join(s.dir, "run.log"))
			return fmt.Errorf("redeliver run has ended: %w\n%s", errors.Join(err, errors.New("it should not")), log)
		case <-ctx.Done():
			return fmt.Errorf("wait until %s: %w", what, ctx.Err())
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// close ends everything.
func (s *stage) close() {
	if s.client != nil {
		s.client.Close()
	}
	if s.process != nil && s.process.Process != nil {
		_ = s.process.Process.Signal(os.Interrupt)
		<-s.ended
	}
	s.shop.Close()
}
