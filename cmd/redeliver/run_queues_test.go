package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
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
	lettersOfAge(t, client, 23*time.Hour, time.Hour)
	r := startRun(t, "-c", path)
	r.log.await(t, "dead letters expire that nobody has dealt with")
	r.log.await(t, `renew="redeliver dlq renew -c `+path+` --pipeline orders"`)
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

// lettersOfAge writes dead letters that died so long ago.
func lettersOfAge(t *testing.T, client *kgo.Client, ages ...time.Duration) {
	t.Helper()
	for offset, age := range ages {
		state := retrytopics.State{ID: retrytopics.FormatID("", "orders", 0, int64(offset)), Topic: "orders", Offset: int64(offset), Group: "orders", Attempt: 4, Class: classify.Network, Reason: retrytopics.ReasonExhausted}
		letter := dlq.Letter(&kgo.Record{Key: []byte("k"), Value: []byte("v")}, state, testDLQ, 0)
		letter.Timestamp = time.Now().Add(-age)
		if err := client.ProduceSync(t.Context(), letter).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestRunReplaysWhatAnIndexKeeps: a running pipeline finds in a shared index what the topic has lost; a file is on the machine of who made it.
func TestRunReplaysWhatAnIndexKeeps(t *testing.T) {
	address := freeAddress(t)
	startBroker(t, address)
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
	t.Cleanup(service.Close)
	pipeline := strings.ReplaceAll(pipelineOn([]string{address}, "dlq: {retention: 7d}"), "http://127.0.0.1:9/", service.URL) + "admin: {listen: '127.0.0.1:0'}\n"
	shared := configFile(t, pipeline+"index: {kind: redis, keep: 90d, redis: {address: '"+miniredis.RunT(t).Addr()+"'}}\n")
	alone := configFile(t, pipeline+"index: {keep: 90d}\n")
	client, err := kgo.NewClient(kgo.SeedBrokers(address), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	admin := kadm.NewClient(client)
	if _, err := admin.CreateTopic(t.Context(), 3, 1, nil, testDLQ); err != nil {
		t.Fatal(err)
	}
	lettersOfAge(t, client, time.Hour, time.Hour, time.Hour)
	for _, path := range []string{shared, alone} {
		run(t, "dlq", "list", "-c", path).want(t, exitDone, "orders/0/2")
	}
	lost := make(kadm.Offsets)
	lost.AddOffset(testDLQ, 0, 2, -1)
	if _, err := admin.DeleteRecords(t.Context(), lost); err != nil {
		t.Fatal(err)
	}
	run(t, "replay", "start", "--class", "validation", "--yes", "-c", alone).want(t, exitDone, "waits for this, for what only the index keeps is in a file here: redeliver replay resume ")
	r := startRun(t, "-c", shared)
	r.log.await(t, "partitions assigned") // the retry topics are there
	run(t, "replay", "start", "--yes", "-c", shared).want(t, exitDone, "waits for a running pipeline")
	r.log.await(t, "replayed=3")
	run(t, "dlq", "list", "-c", shared).want(t, exitDone, "No dead letters match")
	r.stop()
	if status := r.ended(t); status != exitDone {
		t.Errorf("exit status %d", status)
	}
}

// TestRunFollowsWhatAnIndexKeeps: into a shared index a running pipeline reads the dead letters whatever their topic's retention: it may lose them otherwise.
func TestRunFollowsWhatAnIndexKeeps(t *testing.T) {
	address, listen := freeAddress(t), freeAddress(t)
	startBroker(t, address)
	path := configFile(t, pipelineOn([]string{address}, "dlq: {retention: -1}")+"admin: {listen: '"+listen+"'}\n"+
		"index: {kind: redis, keep: 90d, redis: {address: '"+miniredis.RunT(t).Addr()+"'}}\n")
	client, err := kgo.NewClient(kgo.SeedBrokers(address), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	admin, forever := kadm.NewClient(client), "-1"
	if _, err := admin.CreateTopic(t.Context(), 3, 1, map[string]*string{"retention.ms": &forever}, testDLQ); err != nil {
		t.Fatal(err)
	}
	lettersOfAge(t, client, time.Hour, time.Hour, time.Hour)
	r := startRun(t, "-c", path)
	awaitMetric(t, listen, `redeliver_dlq_expiring{pipeline="orders",topic="orders.orders.dlq"} 0`) // they were looked at
	lost := make(kadm.Offsets)
	lost.AddOffset(testDLQ, 0, 2, -1)
	if _, err := admin.DeleteRecords(t.Context(), lost); err != nil {
		t.Fatal(err)
	}
	run(t, "dlq", "list", "-c", path).want(t, exitDone, "orders/0/0", "orders/0/1", "orders/0/2")
	r.stop()
	if status := r.ended(t); status != exitDone {
		t.Errorf("exit status %d", status)
	}
}
