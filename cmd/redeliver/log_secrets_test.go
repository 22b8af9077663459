package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/internal/kafkatest"
)

// Whatever fails, the log from info on has nothing of keys, values and headers, of what a service answers, and of secrets: here a service
// that gives back what it was sent fails each record in another way, and nobody can be notified; another pipeline has breakers that are
// named after headers, and copies whose headers are not what it wrote.
func TestTheLogTellsNothingOfThePayload(t *testing.T) {
	c := cluster(t)
	marks := []string{"m4rk-key", "m4rk-value", "m4rk-header", "m4rk-query", "m4rk-token", "m4rk-environment"}
	echo := func(status int) *httptest.Server {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			answer := status
			switch {
			case status != 0:
			case strings.Contains(string(body), "late"):
				answer = http.StatusServiceUnavailable
			case strings.Contains(string(body), "bad"):
				answer = http.StatusUnprocessableEntity
			case strings.Contains(string(body), "broken"):
				panic(http.ErrAbortHandler)
			}
			w.WriteHeader(answer)
			fmt.Fprintf(w, "%s %v", body, r.Header)
		}))
		t.Cleanup(s.Close)
		return s
	}
	t.Setenv("H7_TOKEN", "m4rk-environment")
	listen := freeAddress(t)
	file := configFile(t, `
kafka: {brokers: ['`+strings.Join(c.ListenAddrs(), "', '")+`']}
admin: {listen: '`+listen+`'}
pipelines:
  - name: orders
    topics: [orders]
    handler: {http: {url: '`+echo(0).URL+`/?q=m4rk-query', headers: {Authorization: m4rk-token, X-Token: "${H7_TOKEN}"}}}
    classify:
      rules: [{class: transient, notify: true, match: "."}]
      notify: {url: '`+echo(http.StatusInternalServerError).URL+`/?q=m4rk-query', headers: {Authorization: m4rk-token}}
    retry: {tiers: [100ms], max_retries: 1}
    breaker: {enabled: false}
    dlq: {enabled: false}
  - name: parts
    topics: [orders]
    tenants: {header: h}
    handler: {http: {url: '`+echo(http.StatusServiceUnavailable).URL+`'}}
    retry: {tiers: [1h]}
    breaker: {by: "header:h", failures: 1}
`)
	run := startRun(t, "-c", file)
	awaitReady(t, listen)
	client, err := kgo.NewClient(kgo.SeedBrokers(c.ListenAddrs()...), kgo.DefaultProduceTopic("orders"))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	for _, what := range []string{"late", "bad", "broken"} {
		r := &kgo.Record{Key: []byte("m4rk-key-" + what), Value: []byte(what + " m4rk-value"), Headers: []kgo.RecordHeader{{Key: "h", Value: []byte("m4rk-header")}}}
		if err := client.ProduceSync(t.Context(), r).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	damaged := &kgo.Record{Topic: "parts.orders.retry-1h", Key: []byte("m4rk-key"), Value: []byte("m4rk-value")}
	for _, name := range []string{"id", "origin-offset", "attempt", "counts", "due", "class", "history", "reason", "traceparent", "replay"} {
		damaged.Headers = append(damaged.Headers, kgo.RecordHeader{Key: "redeliver-" + name, Value: []byte("m4rk-header\n")})
	}
	damaged.Headers = append(damaged.Headers, kgo.RecordHeader{Key: "redeliver-group", Value: []byte("parts")})
	if err := client.ProduceSync(t.Context(), damaged).FirstErr(); err != nil {
		t.Fatal(err)
	}
	kafkatest.Eventually(t, 30*time.Second, func() error {
		for _, event := range []string{"record is exhausted and held", "breaker of a part", "copy with damaged headers"} {
			if !strings.Contains(run.log.String(), event) {
				return fmt.Errorf("the log does not tell %q", event)
			}
		}
		return nil
	})
	awaitMetric(t, listen, `redeliver_attempts_total{class="transient",pipeline="orders",severity="low"} 6`) // each has failed twice
	run.stop()
	run.ended(t)
	log := run.log.String()
	if !strings.Contains(log, "pipeline=orders") {
		t.Fatalf("the log has nothing of the pipeline:\n%s", log)
	}
	for _, mark := range marks {
		if i := strings.Index(log, mark); i >= 0 {
			line := log[strings.LastIndexByte(log[:i], '\n')+1:]
			line, _, _ = strings.Cut(line, "\n")
			t.Errorf("the log tells of %s: %s", mark, line)
		}
	}
}
