// Command incident runs an incident, from the first dead letter to the empty queue, with the binary as a user runs it, and writes what a
// terminal shows of it to docs/incident.md. It brings a broker along; with REDELIVER_TEST_BROKERS it runs on that cluster, whose topics
// `orders` and what belongs to it have to be new.
//
//	go run ./internal/incident [-o docs/incident.md]
package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"time"
)

func main() {
	out := flag.String("o", "docs/incident.md", "the `file` to write")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	if err := run(ctx, *out); err != nil {
		fmt.Fprintln(os.Stderr, "incident:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out string) error {
	dir, err := os.MkdirTemp("", "redeliver-incident-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	var text bytes.Buffer
	t := &terminal{dir: dir, out: &text, told: os.Stderr, binary: filepath.Join(dir, "bin", "redeliver")}
	if err := build(ctx, t.binary); err != nil {
		return err
	}
	s, err := newStage(ctx, t)
	if err != nil {
		return err
	}
	defer s.close()
	if err := s.story(ctx); err != nil {
		return fmt.Errorf("%w; so far:\n%s", err, text.String())
	}
	return os.WriteFile(out, text.Bytes(), 0o644)
}
