package scenarios

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/bench/contract"
	"github.com/redeliver/redeliver/bench/harness"
	"github.com/redeliver/redeliver/consumer"
	"github.com/redeliver/redeliver/internal/webhook"
)

const rawPosts = "franz-go and net/http"

var webhooks = harness.Scenario{
	Letter: "i",
	Name:   "webhooks",
	About: "The webhook handler posts each record to a trivial HTTP server in another process, over connections that are kept alive, 64 at a time; and in batches of up to 100. The limit is a plain loop that posts " +
		"each record from 64 goroutines with Go's client. A round ends after 10 s, with the rate by then.",
	Contenders: []harness.Contender{
		{Name: rawPosts, Run: postAll},
		{Name: redeliver, Against: rawPosts, Run: call(1)},
		{Name: "Redeliver, batches of 100", Run: call(100)},
	},
	Cases: func(scale float64) []harness.Case {
		return []harness.Case{{
			Name: "100 B, 12 partitions", Size: 100,
			Task: contract.Task{Records: harness.Scaled(2_000_000, scale, 1000), Parts: 12, Limit: harness.Limit(10*time.Second, scale)},
			Round: func(_ context.Context, _ *harness.Cluster, _ string, t *contract.Task) (func() error, error) {
				url, stop, err := harness.Serve("service")
				t.URL = url
				return func() error {
					stop()
					return nil
				}, err
			},
		}}
	},
}

// Service is the trivial server: it reads what is posted, and answers that all went well, until its standard input ends.
func Service() error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Printf("http://%s/\n", l.Addr())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin) // whatever ends it, it ends
		_ = l.Close()                        // which ends Serve
	}()
	answer := []byte(`{"results":[]}`)
	err = http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // who posts counts
		_, _ = w.Write(answer)
	}))
	if strings.Contains(err.Error(), net.ErrClosed.Error()) {
		err = nil
	}
	return err
}

func call(batch int) func(context.Context, contract.Task, *contract.Meter) error {
	return func(ctx context.Context, t contract.Task, m *contract.Meter) error {
		w, err := webhook.New(webhook.Config{URL: t.URL, BatchMax: batch})
		if err != nil {
			return err
		}
		defer w.Close()
		return work(ctx, t, m, member(t, w.Handler()), seldom(func(p *consumer.Pipeline) int {
			n := int(p.Stats().Completed)
			if n > 0 {
				m.Begin()
			}
			return n
		}))
	}
}

func postAll(ctx context.Context, t contract.Task, m *contract.Meter) error {
	cl, err := kgo.NewClient(rawOptions(t)...)
	if err != nil {
		return err
	}
	defer cl.Close()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: consumer.DefaultConcurrency}}
	defer client.CloseIdleConnections()
	return rawLoop(ctx, t, m, cl, func(fetches kgo.Fetches) error {
		var posts sync.WaitGroup
		records := make(chan *kgo.Record)
		failed := make(chan error, consumer.DefaultConcurrency)
		for range consumer.DefaultConcurrency {
			posts.Go(func() {
				for r := range records {
					if err := post(ctx, client, t.URL, r.Value); err != nil {
						failed <- err
						for range records { // the loop below must end
						}
						return
					}
				}
			})
		}
		fetches.EachRecord(func(r *kgo.Record) { records <- r })
		close(records)
		posts.Wait()
		select {
		case err := <-failed:
			return err
		default:
			return nil
		}
	}, nil)
}

func post(ctx context.Context, client *http.Client, url string, body []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	answer, err := client.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }() // it was read
	if _, err := io.Copy(io.Discard, answer.Body); err != nil {
		return err
	}
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("the service answered %s", answer.Status)
	}
	return nil
}
