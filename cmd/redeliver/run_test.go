package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/internal/embedded"
	"github.com/redeliver/redeliver/internal/kafkatest"
	"github.com/redeliver/redeliver/internal/loopback"
)

// lines is a log that can be waited for.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
	more chan struct{} // closed at the next write
}

func newLines() *lines { return &lines{more: make(chan struct{})} }

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	close(l.more)
	l.more = make(chan struct{})
	return l.text.Write(b)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// await waits until the log contains the text.
func (l *lines) await(t *testing.T, text string) {
	t.Helper()
	timeout := time.NewTimer(30 * time.Second)
	defer timeout.Stop()
	for {
		l.mu.Lock()
		found, more := strings.Contains(l.text.String(), text), l.more
		l.mu.Unlock()
		if found {
			return
		}
		select {
		case <-more:
		case <-timeout.C:
			t.Fatalf("%q does not come; the log is\n%s", text, l)
		}
	}
}

// running is a `redeliver run` in this process.
type running struct {
	log  *lines
	stop context.CancelFunc // what the first signal does
	exit chan int
}

func startRun(t *testing.T, args ...string) *running {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	r := &running{log: newLines(), stop: stop, exit: make(chan int, 1)}
	p := &program{in: strings.NewReader(""), out: io.Discard, err: r.log, getenv: os.LookupEnv}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		r.exit <- p.main(ctx, append([]string{"run"}, args...))
	}()
	t.Cleanup(func() {
		stop()
		<-ended
		if t.Failed() {
			t.Logf("the log of run:\n%s", r.log)
		}
	})
	return r
}

// ended waits for the exit status.
func (r *running) ended(t *testing.T) int {
	t.Helper()
	select {
	case exit := <-r.exit:
		return exit
	case <-time.After(30 * time.Second):
		t.Fatalf("run does not end; its log is\n%s", r.log)
		return -1
	}
}

// freeAddress returns an address on the loopback that nobody listens on.
func freeAddress(t *testing.T) string {
	t.Helper()
	address, err := loopback.FreeAddress()
	if err != nil {
		t.Fatal(err)
	}
	return address
}

func startBroker(t *testing.T, address string) {
	t.Helper()
	broker, err := embedded.Start(t.Context(), embedded.Config{Listen: address, Temporary: true, Topics: map[string]int32{"orders": 3}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = broker.Close() })
}

func produce(t *testing.T, address string, values ...string) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(address), kgo.DefaultProduceTopic("orders"))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	for _, v := range values {
		r := &kgo.Record{Key: []byte(v), Value: []byte(v)}
		if err := client.ProduceSync(t.Context(), r).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
}

// shop is a service: it fails "later" on the first attempt, refuses "bad", and answers "hold" when it is told to.
type shop struct {
	*httptest.Server
	calls chan string // value and attempt
	hold  chan struct{}
}

func openShop(t *testing.T) *shop {
	t.Helper()
	s := &shop{calls: make(chan string, 100), hold: make(chan struct{})}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		value, attempt := string(body), r.Header.Get("Redeliver-Attempt")
		s.calls <- value + " " + attempt
		switch {
		case value == "later" && attempt == "1":
			w.WriteHeader(http.StatusServiceUnavailable)
		case value == "bad":
			w.WriteHeader(http.StatusUnprocessableEntity)
		case value == "hold":
			<-s.hold
		}
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *shop) expect(t *testing.T, want ...string) {
	t.Helper()
	missing := make(map[string]bool)
	for _, w := range want {
		missing[w] = true
	}
	for len(missing) > 0 {
		select {
		case call := <-s.calls:
			if !missing[call] {
				t.Fatalf("the service was called with %q, missing are %v", call, missing)
			}
			delete(missing, call)
		case <-time.After(30 * time.Second):
			t.Fatalf("the service was not called with %v", missing)
		}
	}
}

func get(url string) (int, string, error) {
	response, err := http.Get(url)
	if err != nil {
		return 0, "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return response.StatusCode, string(body), err
}

func awaitReady(t *testing.T, listen string) {
	t.Helper()
	kafkatest.Eventually(t, 30*time.Second, func() error {
		code, body, err := get("http://" + listen + "/readyz")
		if err == nil && code != 200 {
			err = fmt.Errorf("%d: %s", code, body)
		}
		return err
	})
}

// From the configuration over a webhook, a retry and a dead letter to the drain at a signal.
func TestRun(t *testing.T) {
	address, listen, service := freeAddress(t), freeAddress(t), openShop(t)
	startBroker(t, address)
	config := writeConfig(t, listen, address, service.URL)
	run := startRun(t, "-c", config)
	awaitReady(t, listen)

	produce(t, address, "fine", "later", "bad")
	service.expect(t, "fine 1", "later 1", "bad 1", "later 2")
	kafkatest.Eventually(t, 30*time.Second, func() error {
		_, metrics, err := get("http://" + listen + "/metrics")
		for _, want := range []string{
			`redeliver_records_total{outcome="done",pipeline="orders",topic="orders"} 1`,
			`redeliver_records_total{outcome="retried",pipeline="orders",topic="orders"} 1`,
			`redeliver_records_total{outcome="done",pipeline="orders",topic="orders.orders.retry-1s"} 1`,
			`redeliver_dead_letters_total{class="validation",pipeline="orders",reason="not_retriable",severity="medium"} 1`,
			`redeliver_breaker_state{dependency="orders-api",state="closed"} 1`,
		} {
			if err == nil && !strings.Contains(metrics, want) {
				err = fmt.Errorf("%s is missing in\n%s", want, metrics)
			}
		}
		return err
	})
	out, _, exit := command(t, "status", "-c", config)
	if exit != 0 || !strings.Contains(out, "source: process at http://"+listen) || !strings.Contains(out, "orders-api closed") {
		t.Errorf("status: exit status %d\n%s", exit, out)
	}

	produce(t, address, "hold")
	service.expect(t, "hold 1")
	run.stop()
	run.log.await(t, "1 handler call (orders 1)")
	if code, _, err := get("http://" + listen + "/readyz"); err != nil || code != 503 {
		t.Errorf("while draining /readyz says %d, %v", code, err)
	}
	close(service.hold)
	if exit := run.ended(t); exit != 0 {
		t.Errorf("exit status %d", exit)
	}
	run.log.await(t, "msg=drained")

	// Everything is committed, and with the process gone the cluster tells of it.
	out, errs, exit := command(t, "status", "-c", config)
	if exit != 0 || !strings.Contains(errs, "reading the cluster instead") {
		t.Errorf("status: exit status %d, %s", exit, errs)
	}
	for _, want := range []string{"source: cluster at " + address, "orders    nobody runs  ?         0        0  -"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is missing in\n%s", want, out)
		}
	}
}

// A waiting retry is seen in the cluster too, with its due time out of the record itself.
func TestStatusOfTheClusterKnowsWhatWaits(t *testing.T) {
	address, listen, service := freeAddress(t), freeAddress(t), openShop(t)
	startBroker(t, address)
	config := writeConfig(t, listen, address, service.URL)
	run := startRun(t, "-c", config)
	awaitReady(t, listen)
	produce(t, address, "later")
	service.expect(t, "later 1")
	kafkatest.Eventually(t, 10*time.Second, func() error { // its copy is written and its commit is made in a moment
		out, errs, exit := command(t, "status", "--cluster", "-o", "jsonl", "-c", config)
		for _, want := range []string{`"source":"cluster"`, `"group_state":"stable, 1 member"`, `"retries":1`, `"oldest_due":"`} {
			if exit != 0 || !strings.Contains(out, want) {
				return fmt.Errorf("%s is missing: exit status %d, %s%s", want, exit, out, errs)
			}
		}
		return nil
	})
	run.stop()
	if exit := run.ended(t); exit != 0 {
		t.Errorf("exit status %d", exit)
	}
	out, _, _ := command(t, "status", "-c", config, "-o", "json")
	for _, want := range []string{`"group_state": "nobody runs"`, `"lag": 0`} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is missing in\n%s", want, out)
		}
	}
}

func TestRunWaitsForABroker(t *testing.T) {
	address, listen, service := freeAddress(t), freeAddress(t), openShop(t)
	config := writeConfig(t, listen, address, service.URL)
	run := startRun(t, "-c", config)
	run.log.await(t, "nothing listens there")
	code, body, err := get("http://" + listen + "/readyz")
	if err != nil || code != 503 || !strings.Contains(body, address) {
		t.Errorf("/readyz says %d, %q, %v", code, body, err)
	}
	if code, _, err := get("http://" + listen + "/livez"); err != nil || code != 200 {
		t.Errorf("/livez says %d, %v", code, err)
	}
	if out, _, exit := command(t, "status", "-c", config); exit != 0 || !strings.Contains(out, "no pipeline has started: no broker of kafka.brokers ("+address+") answers") {
		t.Errorf("status ends with %d and says\n%s", exit, out)
	}
	startBroker(t, address)
	awaitReady(t, listen)
	run.stop()
	if exit := run.ended(t); exit != 0 {
		t.Errorf("exit status %d", exit)
	}
}

func TestRunMayBeStoppedWhileItWaits(t *testing.T) {
	run := startRun(t, "-c", writeConfig(t, freeAddress(t), freeAddress(t), "http://127.0.0.1:1/"))
	run.log.await(t, "nothing listens there")
	run.stop()
	if exit := run.ended(t); exit != 0 {
		t.Errorf("exit status %d", exit)
	}
}

// The embedded broker brings the topics along and keeps what it holds.
func TestRunEmbedded(t *testing.T) {
	address, listen, service := freeAddress(t), freeAddress(t), openShop(t)
	config := writeConfig(t, listen, address, service.URL)
	for _, value := range []string{"first", "second"} {
		run := startRun(t, "--embedded", "-c", config)
		awaitReady(t, listen)
		produce(t, address, value)
		service.expect(t, value+" 1") // and not the first once more
		run.stop()
		if exit := run.ended(t); exit != 0 {
			t.Errorf("exit status %d", exit)
		}
	}
}

func TestRunFailsAtOnceForWhatCannotWork(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	go func() { // another program, which hangs up on whoever is not its client
		for {
			c, err := taken.Accept()
			if err != nil {
				return
			}
			c.Close()
		}
	}()
	bad := filepath.Join(t.TempDir(), "bad.yaml")
	text := "kafka: {brokers: [127.0.0.1:1]}\npipelines: [{name: orders, topics: [orders], handler: {http: {url: \"http://h/\", headers: {Redeliver-Id: x}}}}]\n"
	if err := os.WriteFile(bad, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	// As config show prints it: validate takes that, and whoever knows how secrets are masked would be let in.
	masked := configFile(t, pipelineOn([]string{"127.0.0.1:1"})+"admin: {listen: '127.0.0.1:0', users: [{name: ops, role: operator, token: '******'}]}\n")
	tests := []struct {
		name string
		args []string
		exit int
		errs []string
	}{
		{"a token that is a mask", []string{"-c", masked}, 2, []string{"config.yaml:6:", "the token of ops is ******", "give the token itself"}},
		{"no configuration", []string{"-c", filepath.Join(t.TempDir(), "none.yaml")}, 2, []string{"none.yaml"}},
		{"a header of ours", []string{"-c", bad}, 2, []string{"bad.yaml:2:", "Redeliver-Id is set by Redeliver"}},
		{"an admin address in use", []string{"-c", writeConfig(t, taken.Addr().String(), "127.0.0.1:1", "http://h/")}, 1, []string{"admin.listen", "in use"}},
		{"an embedded address in use", []string{"--embedded", "-c", writeConfig(t, "", taken.Addr().String(), "http://h/")}, 1, []string{taken.Addr().String()}},
		{"an argument", []string{"orders"}, 2, []string{"orders"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			run := startRun(t, test.args...)
			if exit := run.ended(t); exit != test.exit {
				t.Errorf("exit status %d, want %d", exit, test.exit)
			}
			for _, part := range test.errs {
				if !strings.Contains(run.log.String(), part) {
					t.Errorf("%q is missing", part)
				}
			}
		})
	}
}
