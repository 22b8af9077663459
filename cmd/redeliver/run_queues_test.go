package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/classify"
	"github.com/redeliver/redeliver/dlq"
	"github.com/redeliver/redeliver/retrytopics"
)

// TestRunLooksAfterDeadLetters: a replay that was only started is worked on by a running pipeline, and what the retention of the
// dead letters takes soon is in log and metrics.
func TestRunLooksAfterDeadLetters(t *testing.T) {
	address, listen := freeAddress(t), freeAddress(t)
	startBroker(t, address)
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
	t.Cleanup(service.Close)
	path := configFile(t, strings.ReplaceAll(pipelineOn([]string{address}, "dlq: {retention: 1d}"), "http://127.0.0.1:9/", service.URL)+"admin: {listen: '"+listen+"'}\n")
	client, err := kgo.NewClient(kgo.SeedBrokers(address), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	retention := "86400000"
	if _, err := kadm.NewClient(client).CreateTopic(t.Context(), 3, 1, map[string]*string{"retention.ms": &retention}, testDLQ); err != nil {
		t.Fatal(err)
	}
	for offset, age := range []time.Duration{23 * time.Hour, time.Hour} {
		state := retrytopics.State{ID: retrytopics.FormatID("", "orders", 0, int64(offset)), Topic: "orders", Offset: int64(offset), Group: "orders", Attempt: 4, Class: classify.Network, Reason: retrytopics.ReasonExhausted}
		letter := dlq.Letter(&kgo.Record{Key: []byte("k"), Value: []byte("v")}, state, testDLQ, 0)
		letter.Timestamp = time.Now().Add(-age)
		if err := client.ProduceSync(t.Context(), letter).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	r := startRun(t, "-c", path)
	r.log.await(t, "dead letters expire that nobody has dealt with")
	answer, err := http.Get("http://" + listen + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	metrics, _ := io.ReadAll(answer.Body)
	for _, want := range []string{`redeliver_dlq_expiring{pipeline="orders",topic="orders.orders.dlq"} 1`, `redeliver_dlq_expires_seconds{pipeline="orders",topic="orders.orders.dlq"} 3`} {
		if !strings.Contains(string(metrics), want) {
			t.Errorf("the metrics lack %s", want)
		}
	}
	run(t, "replay", "start", "--yes", "-c", path).want(t, exitDone, "waits for a running pipeline")
	r.log.await(t, "a replay is done")
	run(t, "dlq", "list", "-c", path).want(t, exitDone, "No dead letters match")
	r.stop()
	if status := r.ended(t); status != exitDone {
		t.Errorf("exit status %d", status)
	}
}
