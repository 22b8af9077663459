package secure

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/internal/config"
)

const env = "REDELIVER_TEST_SECURE_KAFKA"

// binary is a redeliver of the code as it stands, made by TestMain.
var binary string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		if os.Getenv(env) == "" {
			return m.Run()
		}
		dir, err := os.MkdirTemp("", "redeliver-secure-")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		binary = filepath.Join(dir, "redeliver")
		build := exec.Command("go", "build", "-o", binary, "../../cmd/redeliver")
		if out, err := build.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "go build: %v\n%s", err, out)
			return 1
		}
		return m.Run()
	}())
}

// bundle is a user, a topic and a pipeline of its own.
type bundle struct {
	directory string // of the node
	brokers   string
	topic     string
	user      string
	config    string // file
	admin     *kadm.Client
	client    *kgo.Client // the admin's
	service   *service
}

const password = "a-password"

// setup makes them. The user may do nothing yet; more is further text of the pipeline's configuration.
func setup(t *testing.T, more string) *bundle {
	t.Helper()
	directory := os.Getenv(env)
	if directory == "" {
		t.Skipf("only on a secure Apache Kafka: scripts/kafka --name secure start --secure --port 0, then %s=$(scripts/kafka --name secure directory)", env)
	}
	brokers, err := os.ReadFile(filepath.Join(directory, "brokers"))
	if err != nil {
		t.Fatal(err)
	}
	id := fmt.Sprintf("%s-%d", strings.ToLower(strings.NewReplacer("/", "-", "_", "-").Replace(t.Name())), time.Now().UnixNano())
	b := &bundle{directory: directory, brokers: strings.TrimSpace(string(brokers)), topic: "orders-" + id, user: "user-" + id, service: newService(t)}
	opts, err := config.Kafka{
		Brokers: []string{b.brokers}, ClientID: "admin", TLS: config.TLS{Enabled: true, CAFile: b.tls("ca.pem")},
		SASL: config.SASL{Mechanism: "scram-sha-512", Username: "admin", Password: "admin-secret"},
	}.ClientOptions()
	if err != nil {
		t.Fatal(err)
	}
	if b.client, err = kgo.NewClient(append(opts, kgo.RecordPartitioner(kgo.ManualPartitioner()))...); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.client.Close)
	b.admin = kadm.NewClient(b.client)
	ctx := t.Context()
	if _, err := b.admin.CreateTopic(ctx, 3, 1, nil, b.topic); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		all, err := b.admin.ListTopics(ctx)
		if err != nil {
			t.Error(err)
			return
		}
		for _, name := range all.Names() {
			if strings.Contains(name, b.topic) {
				if _, err := b.admin.DeleteTopic(ctx, name); err != nil {
					t.Error(err)
				}
			}
		}
	})
	for _, mechanism := range []kadm.ScramMechanism{kadm.ScramSha256, kadm.ScramSha512} {
		if _, err := b.admin.AlterUserSCRAMs(ctx, nil, []kadm.UpsertSCRAM{{User: b.user, Mechanism: mechanism, Iterations: 4096, Password: password}}); err != nil {
			t.Fatal(err)
		}
	}
	b.config = b.file(t, fmt.Sprintf(`
kafka:
  brokers: [%q]
  tls: {enabled: true, ca_file: %q}
  sasl: {mechanism: scram-sha-512, username: %q, password: %s}
admin: {listen: ""}
pipelines:
  - name: orders
    group: %s
    topics: [%q]
    handler: {http: {url: %q}}
    retry: {tiers: [200ms], max_retries: 2}
    breaker: {enabled: false}
%s`, b.brokers, b.tls("ca.pem"), b.user, password, b.user, b.topic, b.service.url, more))
	return b
}

func (b *bundle) tls(name string) string { return filepath.Join(b.directory, "tls", name) }

func (b *bundle) file(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// redeliver runs a command with the bundle's configuration and returns what it printed, and its exit status.
func (b *bundle) redeliver(t *testing.T, args ...string) (out string, status int) {
	t.Helper()
	return redeliver(t, b.config, args...)
}

func redeliver(t *testing.T, file string, args ...string) (out string, status int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	command := exec.CommandContext(ctx, binary, append(args, "-c", file)...)
	text, err := command.CombinedOutput()
	if err != nil && command.ProcessState == nil {
		t.Fatal(err)
	}
	return string(text), command.ProcessState.ExitCode()
}

// must runs a command that has to succeed.
func (b *bundle) must(t *testing.T, args ...string) string {
	t.Helper()
	out, status := b.redeliver(t, args...)
	if status != 0 {
		t.Fatalf("redeliver %s: exit status %d\n%s", strings.Join(args, " "), status, out)
	}
	return out
}

// run starts `redeliver run`, which is ended with the test.
func (b *bundle) run(t *testing.T) *log {
	t.Helper()
	command, said := exec.Command(binary, "run", "-c", b.config), new(log)
	command.Stdout, command.Stderr = said, said
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- command.Wait() }()
	t.Cleanup(func() {
		if err := command.Process.Signal(syscall.SIGTERM); err != nil {
			t.Error(err)
		}
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("redeliver run: %v", err)
			}
		case <-time.After(40 * time.Second):
			t.Error("redeliver run does not end")
			if err := command.Process.Kill(); err != nil {
				t.Error(err)
			}
			<-ended
		}
		if t.Failed() {
			t.Logf("redeliver run says\n%s", said)
		}
	})
	return said
}

// produce writes records with these values, as the admin.
func (b *bundle) produce(t *testing.T, values ...string) {
	t.Helper()
	for i, v := range values {
		r := &kgo.Record{Topic: b.topic, Partition: int32(i % 3), Key: []byte(v), Value: []byte(v)}
		if err := b.client.ProduceSync(t.Context(), r).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
}

// awaitRecords waits until a topic holds so many records.
func (b *bundle) awaitRecords(t *testing.T, topic string, n int) {
	t.Helper()
	reader, err := kgo.NewClient(append(b.client.Opts(), kgo.ConsumeTopics(topic), kgo.FetchIsolationLevel(kgo.ReadCommitted()))...)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for read := 0; read < n; {
		fetches := reader.PollFetches(ctx)
		if ctx.Err() != nil {
			t.Fatalf("%s holds %d records, want %d", topic, read, n)
		}
		read += fetches.NumRecords()
	}
}

// service is what the pipeline calls. A value that begins with "once" fails the first time, "dead" is wrong until it is mended.
type service struct {
	url string

	mu     sync.Mutex
	mended bool
	done   map[string]bool
	more   chan struct{}
}

func newService(t *testing.T) *service {
	t.Helper()
	s := &service{done: make(map[string]bool), more: make(chan struct{})}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body bytes.Buffer
		if _, err := body.ReadFrom(r.Body); err != nil {
			return
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		switch value := body.String(); {
		case strings.HasPrefix(value, "dead") && !s.mended:
			w.WriteHeader(http.StatusUnprocessableEntity)
		case strings.HasPrefix(value, "once") && r.Header.Get("Redeliver-Attempt") == "1":
			w.WriteHeader(http.StatusServiceUnavailable)
		default:
			s.done[value] = true
			close(s.more)
			s.more = make(chan struct{})
		}
	}))
	t.Cleanup(server.Close)
	s.url = server.URL
	return s
}

func (s *service) mend() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mended = true
}

// await waits until so many values were handled.
func (s *service) await(t *testing.T, n int, said *log) {
	t.Helper()
	limit := time.NewTimer(time.Minute)
	defer limit.Stop()
	for {
		s.mu.Lock()
		done, more := len(s.done), s.more
		s.mu.Unlock()
		if done >= n {
			return
		}
		select {
		case <-more:
		case <-limit.C:
			t.Fatalf("%d values are handled, want %d; redeliver run says\n%s", done, n, said)
		}
	}
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
