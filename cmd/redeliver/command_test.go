package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
)

// terminal is how a test's command line is run: what is typed on a terminal, or that there is none.
type session struct {
	env      map[string]string
	answer   string // typed on the terminal
	terminal bool   // there is one
}

// result is what a command line printed and how it ended.
type ended struct {
	status   int
	out, err string
}

// run runs a command line in this process.
func (s session) run(t *testing.T, args ...string) ended {
	t.Helper()
	var out, errs bytes.Buffer
	p := &program{
		in: strings.NewReader(s.answer), out: &out, err: &errs,
		getenv: func(name string) (string, bool) {
			if v, ok := s.env[name]; ok || name != "XDG_CACHE_HOME" {
				return v, ok
			}
			return cacheOf(t), true
		},
		interactive: s.terminal,
		patience:    2 * time.Second,
	}
	status := p.main(t.Context(), args)
	return ended{status, out.String(), errs.String()}
}

var caches sync.Map // of tests, by their names

// cacheOf is the directory in which the command lines of a test have their indexes.
func cacheOf(t *testing.T) string {
	dir, known := caches.Load(t.Name())
	if !known {
		dir, _ = caches.LoadOrStore(t.Name(), t.TempDir())
	}
	return dir.(string)
}

// run runs a command line where there is no terminal.
func run(t *testing.T, args ...string) ended {
	t.Helper()
	return session{}.run(t, args...)
}

// want checks the status and that each text is printed on one of the streams.
func (e ended) want(t *testing.T, status int, texts ...string) {
	t.Helper()
	if e.status != status {
		t.Errorf("exit status %d, want %d", e.status, status)
	}
	for _, text := range texts {
		if !strings.Contains(e.out+e.err, text) {
			t.Errorf("not printed: %s", text)
		}
	}
	if t.Failed() {
		t.Logf("standard output:\n%s\nstandard error:\n%s", e.out, e.err)
	}
}

// configFile writes a configuration into a directory of the test's own.
func configFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// pipelineOn is a configuration with one pipeline, orders, on some brokers, and more lines of that pipeline.
func pipelineOn(brokers []string, lines ...string) string {
	text := "kafka: {brokers: ['" + strings.Join(brokers, "', '") + "']}\npipelines:\n  - name: orders\n    topics: [orders]\n    handler: {http: {url: 'http://127.0.0.1:9/'}}\n"
	for _, line := range lines {
		text += "    " + line + "\n"
	}
	return text
}

// cluster is a broker in this process, on the loopback, with a topic orders of three partitions.
func cluster(t *testing.T, opts ...kfake.Opt) *kfake.Cluster {
	t.Helper()
	c, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(1), kfake.SeedTopics(3, "orders")}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}
