package deploy

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/redeliver/redeliver/internal/loopback"
)

// The alerts, in their quick copy, are put to a real outage: a process of `redeliver run`, a Kafka, a service that goes away, and Debian's
// Prometheus, which scrapes the one and tells this test, its Alertmanager, of alerts that fire and end.
func TestTheRightAlertsFireAndEndInAnOutage(t *testing.T) {
	s := newStage(t)
	s.tell("all is well: the service answers")
	s.flows(t)

	s.tell("the service answers 503 to everything")
	s.service.answer.Store(http.StatusServiceUnavailable)
	s.fires(t, "RedeliverBreakerOpenLong")
	s.tell("the service is back")
	s.service.answer.Store(http.StatusOK)
	s.ends(t, "RedeliverBreakerOpenLong")
	s.never(t, "RedeliverDeadLettersRise", "RedeliverOutage", "RedeliverRoutingFails", "RedeliverPausedLong", "RedeliverDown")

	s.tell("one record of five is wrong, and Kafka refuses what is written to the dead letters")
	takeAgain := s.refuse()
	s.service.wrong.Store(true)
	s.fires(t, "RedeliverRoutingFails")
	s.never(t, "RedeliverDeadLettersRise")
	s.tell("Kafka takes dead letters again")
	takeAgain()
	s.ends(t, "RedeliverRoutingFails")
	s.fires(t, "RedeliverDeadLettersRise")
	s.tell("records are right again")
	s.service.wrong.Store(false)
	s.ends(t, "RedeliverDeadLettersRise")

	s.tell("an operator pauses the pipeline, and goes home")
	s.redeliver(t, "pause", "orders")
	s.fires(t, "RedeliverPausedLong")
	s.tell("the operator is called, and resumes it")
	s.redeliver(t, "resume", "orders")
	s.ends(t, "RedeliverPausedLong")
	s.never(t, "RedeliverDown", "RedeliverRecordsLost", "RedeliverRetentionNear", "RedeliverOutage")

	s.tell("the process is ended")
	s.process.stop(t)
	s.fires(t, "RedeliverDown")
	s.answers(t)
	s.publish(t)
}

// stage is everything that the outage needs.
type stage struct {
	began      time.Time
	service    *flakyService
	cluster    *kfake.Cluster
	process    *child
	prometheus string // its address
	config     string
	binary     string

	mu      sync.Mutex
	firing  map[string]bool
	fired   map[string]bool
	changed chan struct{} // closed at the next change
	lines   []string
	numbers []string
}

func newStage(t *testing.T) *stage {
	t.Helper()
	program := requirePrometheus(t, "prometheus")
	s := &stage{began: time.Now(), firing: make(map[string]bool), fired: make(map[string]bool), changed: make(chan struct{}), binary: build(t)}

	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(6, "orders"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	s.cluster = cluster
	s.service = newFlakyService(t)
	s.produce(t, cluster.ListenAddrs())

	admin := freeAddress(t)
	s.config = filepath.Join(t.TempDir(), "config.yaml")
	write(t, s.config, fmt.Sprintf(`
kafka: {brokers: [%q]}
admin: {listen: %q}
pipelines:
  - name: orders
    topics: [orders]
    handler: {timeout: 1s, http: {url: %q}}
    retry: {tiers: [100ms, 500ms], max_retries: 20}
    breaker: {dependency: payments-api, window: 2s, minimum_calls: 10, open_for: 500ms, slow_start: 1s}
`, strings.Join(cluster.ListenAddrs(), ","), admin, s.service.url))
	s.process = start(t, s.binary, "run", "-c", s.config)

	alertmanager := httptest.NewServer(http.HandlerFunc(s.told))
	t.Cleanup(alertmanager.Close)
	s.prometheus = freeAddress(t)
	file := filepath.Join(t.TempDir(), "prometheus.yaml")
	write(t, file, fmt.Sprintf(`
global: {scrape_interval: 200ms, scrape_timeout: 200ms, evaluation_interval: 200ms}
rule_files: [%q]
alerting: {alertmanagers: [{static_configs: [{targets: [%q]}]}]}
scrape_configs:
  - {job_name: redeliver, static_configs: [{targets: [%q], labels: {namespace: prod}}]}
`, quickRules(t), strings.TrimPrefix(alertmanager.URL, "http://"), admin))
	start(t, program, "--config.file="+file, "--storage.tsdb.path="+t.TempDir(), "--web.listen-address="+s.prometheus,
		"--enable-feature=native-histograms", "--log.level=warn")
	return s
}

// refuse has Kafka take no dead letters, until it is called off.
func (s *stage) refuse() (takeAgain func()) {
	return s.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: "orders.orders.dlq", Err: kerr.NotEnoughReplicas, Count: -1}).Remove
}

// produce writes two hundred records a second until the test ends.
func (s *stage) produce(t *testing.T, brokers []string) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.DefaultProduceTopic("orders"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for n := 0; ; n++ {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				client.Produce(ctx, &kgo.Record{Key: []byte(strconv.Itoa(n)), Value: []byte(strconv.Itoa(n))}, nil)
			}
		}
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
		client.Close()
	})
}

// told is Alertmanager's part: Prometheus posts what fires, and what has ended.
func (s *stage) told(_ http.ResponseWriter, r *http.Request) {
	var alerts []struct {
		Labels      map[string]string
		Annotations map[string]string
		EndsAt      time.Time
	}
	if err := json.NewDecoder(r.Body).Decode(&alerts); err != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range alerts {
		name, fires := a.Labels["alertname"], a.EndsAt.After(time.Now())
		if s.firing[name] == fires {
			continue
		}
		s.firing[name] = fires
		if fires {
			s.fired[name] = true
			s.note("FIRES %-26s %s", name, a.Annotations["description"])
		} else {
			s.note("ENDS  %s", name)
		}
		close(s.changed)
		s.changed = make(chan struct{})
	}
}

func (s *stage) tell(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.note("%s", text)
}

// note adds a line to the transcript, with the time that would have passed by the rules as they are.
func (s *stage) note(format string, args ...any) {
	passed := (time.Since(s.began) * quicker).Round(time.Minute)
	s.lines = append(s.lines, fmt.Sprintf("%2dh%02dm  ", int(passed.Hours()), int(passed.Minutes())%60)+fmt.Sprintf(format, args...))
}

func (s *stage) fires(t *testing.T, alert string) { t.Helper(); s.await(t, alert, true) }
func (s *stage) ends(t *testing.T, alert string)  { t.Helper(); s.await(t, alert, false) }

// await waits until Prometheus says that an alert fires or has ended.
func (s *stage) await(t *testing.T, alert string, fires bool) {
	t.Helper()
	limit := time.NewTimer(2 * time.Minute)
	defer limit.Stop()
	for {
		s.mu.Lock()
		is, changed := s.firing[alert], s.changed
		s.mu.Unlock()
		if is == fires {
			return
		}
		select {
		case <-changed:
		case <-limit.C:
			s.mu.Lock()
			defer s.mu.Unlock()
			t.Fatalf("%s: firing is %v, want %v\n%s\nthe process says\n%s", alert, is, fires, strings.Join(s.lines, "\n"), s.process.log)
		}
	}
}

// never fails the test if one of the alerts has fired until now.
func (s *stage) never(t *testing.T, alerts ...string) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range alerts {
		if s.fired[a] {
			t.Errorf("%s has fired, and there was no reason to\n%s", a, strings.Join(s.lines, "\n"))
		}
	}
}

// flows waits until records are handled.
func (s *stage) flows(t *testing.T) {
	t.Helper()
	select {
	case <-s.service.busy:
	case <-time.After(time.Minute):
		t.Fatalf("no record is handled; the process says\n%s", s.process.log)
	}
}

func (s *stage) redeliver(t *testing.T, args ...string) {
	t.Helper()
	out, err := exec.Command(s.binary, append(args, "-c", s.config)...).CombinedOutput()
	if err != nil {
		t.Fatalf("redeliver %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// answers asks Prometheus what every panel of the dashboard asks, over the whole of the outage.
func (s *stage) answers(t *testing.T) {
	t.Helper()
	silent := 0
	for _, panel := range readDashboard(t).Panels {
		for _, target := range panel.Targets {
			series, largest := s.ask(t, quickQuery(t, panel.Title, target.Expr))
			if series == 0 {
				silent++
			}
			s.numbers = append(s.numbers, fmt.Sprintf("| %s | %d | %s |", panel.Title, series, largest))
		}
	}
	// There are no limits, tenants, parts or held keys in this outage, and nothing was lost.
	if silent > 5 {
		t.Errorf("%d queries of the dashboard have no answer\n%s", silent, strings.Join(s.numbers, "\n"))
	}
	if series, _ := s.ask(t, `histogram_quantile(0.99, sum(rate(redeliver_handler_seconds[2s])))`); series == 0 {
		t.Error("Prometheus, with native histograms on, has got none")
	}
}

func quickQuery(t *testing.T, where, expr string) string {
	return quickened(t, where, strings.ReplaceAll(query(expr), "[1m]", "[4m]"))
}

// ask returns how many series a query has, and the largest value of any.
func (s *stage) ask(t *testing.T, query string) (series int, largest string) {
	t.Helper()
	values := url.Values{"query": {query}, "start": {strconv.FormatInt(s.began.Unix(), 10)}, "end": {strconv.FormatInt(time.Now().Unix(), 10)}, "step": {"1"}}
	response, err := http.Get("http://" + s.prometheus + "/api/v1/query_range?" + values.Encode())
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var answer struct {
		Status, Error string
		Data          struct{ Result []struct{ Values [][2]any } }
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil || answer.Status != "success" {
		t.Fatalf("%s: %v %s", query, err, answer.Error)
	}
	most := 0.0
	for _, r := range answer.Data.Result {
		for _, v := range r.Values {
			if n, err := strconv.ParseFloat(v[1].(string), 64); err == nil && n == n {
				most = max(most, n)
			}
		}
	}
	return len(answer.Data.Result), strconv.FormatFloat(most, 'g', 3, 64)
}

// publish prints the transcript, and writes it into the page that REDELIVER_TRANSCRIPT names.
func (s *stage) publish(t *testing.T) {
	t.Helper()
	s.mu.Lock()
	transcript, numbers := strings.Join(s.lines, "\n"), strings.Join(s.numbers, "\n")
	s.mu.Unlock()
	t.Log("\n" + transcript)
	path := os.Getenv("REDELIVER_TRANSCRIPT")
	if path == "" {
		return
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	page := between(t, string(text), "alerts", "```\n"+transcript+"\n```\n")
	page = between(t, page, "dashboard", "| panel | series | largest value |\n|---|---|---|\n"+numbers+"\n")
	write(t, path, page)
}

// between puts the text between the marks of a page.
func between(t *testing.T, page, mark, text string) string {
	t.Helper()
	before, rest, ok := strings.Cut(page, "<!-- "+mark+" -->\n")
	_, after, closed := strings.Cut(rest, "<!-- end of "+mark+" -->\n")
	if !ok || !closed {
		t.Fatalf("there are no marks for %s in the page", mark)
	}
	return before + "<!-- " + mark + " -->\n" + text + "<!-- end of " + mark + " -->\n" + after
}

// flakyService answers as it is told to.
type flakyService struct {
	url    string
	answer atomic.Int32
	wrong  atomic.Bool // every fifth record is
	calls  atomic.Int64
	busy   chan struct{} // closed when it has been called
}

func newFlakyService(t *testing.T) *flakyService {
	t.Helper()
	s := &flakyService{busy: make(chan struct{})}
	s.answer.Store(http.StatusOK)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.calls.Add(1) == 100 {
			close(s.busy)
		}
		offset, _ := strconv.Atoi(r.Header.Get("Redeliver-Offset"))
		switch {
		case s.answer.Load() != http.StatusOK:
			w.WriteHeader(int(s.answer.Load()))
		case s.wrong.Load() && offset%5 == 0:
			w.WriteHeader(http.StatusUnprocessableEntity)
		case offset%20 == 0 && r.Header.Get("Redeliver-Attempt") == "1":
			w.WriteHeader(http.StatusServiceUnavailable) // there are retries at all times
		}
	}))
	t.Cleanup(server.Close)
	s.url = server.URL
	return s
}

// child is a process that this test has started and ends.
type child struct {
	command *exec.Cmd
	log     *log
	ended   chan error
	stopped bool
}

// log is what a process has printed.
type log struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *log) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func start(t *testing.T, program string, args ...string) *child {
	t.Helper()
	return startCommand(t, exec.Command(program, args...))
}

func startCommand(t *testing.T, command *exec.Cmd) *child {
	t.Helper()
	c := &child{command: command, log: new(log), ended: make(chan error, 1)}
	c.command.Stdout, c.command.Stderr = c.log, c.log
	if err := c.command.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { c.ended <- c.command.Wait() }()
	t.Cleanup(func() {
		c.stop(t)
		if t.Failed() {
			t.Logf("%s says\n%s", filepath.Base(command.Path), c.log)
		}
	})
	return c
}

// stop ends the process, in good order as far as it does that within half a minute.
func (c *child) stop(t *testing.T) {
	t.Helper()
	if c.stopped {
		return
	}
	c.stopped = true
	if err := c.command.Process.Signal(syscall.SIGTERM); err != nil {
		t.Errorf("%s: %v\n%s", c.command.Path, err, c.log)
		return
	}
	select {
	case <-c.ended:
	case <-time.After(30 * time.Second):
		t.Errorf("%s does not end\n%s", c.command.Path, c.log)
		if err := c.command.Process.Kill(); err != nil {
			t.Error(err)
		}
		<-c.ended
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

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
