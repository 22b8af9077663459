package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/bench/rawreplay"
)

const (
	rawCopies = "million.raw-copies"
	rawMarks  = "million.raw-marks"
)

// speed replays the queue between two rounds of the raw loop.
func (s *show) speed(ctx context.Context) error {
	var raw [2]time.Duration
	before := cpu()
	var err error
	if raw[0], err = s.raw(ctx); err != nil {
		return err
	}
	replayed, err := s.command(ctx, "replay", "--yes", "--topic", source, "-o", "json")
	if err != nil {
		return err
	}
	if raw[1], err = s.raw(ctx); err != nil {
		return err
	}
	mean, used := (raw[0]+raw[1])/2, (cpu()-before)/2
	fmt.Printf("\nreplay of all: %s, %.0f/s, with the start and end of its process; %s of a core\n", seconds(replayed.took), float64(s.records)/replayed.took.Seconds(), seconds(replayed.cpu))
	fmt.Printf("raw franz-go loop, before and after: %s and %s, %.0f/s; %s of a core\n", seconds(raw[0]), seconds(raw[1]), float64(s.records)/mean.Seconds(), seconds(used))
	fmt.Printf("ratio: %.2f\n", mean.Seconds()/replayed.took.Seconds())
	return s.check(ctx, source)
}

// cpu is how much of a core this process has used.
func cpu() time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		return 0
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// raw reads all dead letters and writes a copy and a mark of each, in transactions.
func (s *show) raw(ctx context.Context) (time.Duration, error) {
	began := time.Now()
	err := rawreplay.Run(ctx, s.brokers, deadTopic(source), rawCopies, rawMarks, partitions, s.records)
	return time.Since(began), err
}

// kills replays the other queue, and kills that three times.
func (s *show) kills(ctx context.Context) error {
	fmt.Println()
	for kill := range 3 {
		until := int64(s.records) * int64(kill+1) / 4
		cmd := exec.CommandContext(ctx, s.binary, "replay", "--yes", "--take-over", "--topic", crashed, "-c", filepath.Join(s.dir, "config.yaml"))
		var errs strings.Builder
		cmd.Stderr = &errs
		if err := cmd.Start(); err != nil {
			return err
		}
		ended := make(chan error, 1)
		go func() { ended <- cmd.Wait() }()
		for written := int64(0); written < until; {
			select {
			case err := <-ended:
				return errors.Join(fmt.Errorf("the replay ended before it was killed: %w", err), errors.New(errs.String()))
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(50 * time.Millisecond):
			}
			ends, err := s.admin.ListCommittedOffsets(ctx, tier(crashed))
			if err != nil {
				return err
			}
			written = 0
			for _, end := range ends[tier(crashed)] {
				written += end.Offset
			}
		}
		if err := cmd.Process.Signal(os.Kill); err != nil {
			return err
		}
		<-ended
		fmt.Printf("killed with SIGKILL when more than %d were written\n", until)
	}
	last, err := s.command(ctx, "replay", "--yes", "--take-over", "--topic", crashed, "-o", "json")
	if err != nil {
		return err
	}
	var summary []struct {
		Done     int64 `json:"done"`
		Replayed int64 `json:"replayed_before"`
	}
	if err := json.Unmarshal([]byte(last.out), &summary); err != nil || len(summary) != 1 {
		return fmt.Errorf("the summary is %q: %w", last.out, err)
	}
	fmt.Printf("the last replay found %d replayed and replayed %d in %s\n", summary[0].Replayed, summary[0].Done, seconds(last.took))
	return s.check(ctx, crashed)
}

func tier(topic string) string { return group + "." + topic + ".retry-1s" }

// check reads what was replayed with read_committed, as somebody who knows nothing of how, and holds it to the dead letters: each of them
// once, its key, value, headers and partition as they were.
func (s *show) check(ctx context.Context, topic string) error {
	want := make(map[string]uint64, s.records)
	err := s.each(ctx, deadTopic(topic), func(r *kgo.Record) error {
		want[header(r, "redeliver-id")] = sum(r)
		return nil
	})
	if err != nil {
		return err
	}
	dead := len(want)
	copies := 0
	err = s.each(ctx, tier(topic), func(r *kgo.Record) error {
		copies++
		id := header(r, "redeliver-id")
		was, known := want[id]
		switch {
		case !known:
			return fmt.Errorf("%s was replayed twice, or never died", id)
		case was != sum(r):
			return fmt.Errorf("%s was changed", id)
		}
		delete(want, id)
		return nil
	})
	if err == nil && (len(want) > 0 || dead != s.records) {
		err = fmt.Errorf("%d of %d dead letters were not replayed", len(want), dead)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", topic, err)
	}
	fmt.Printf("%s: %d dead letters, %d copies: each once, unchanged\n", deadTopic(topic), dead, copies)
	return nil
}

// each calls f with the committed records of a topic.
func (s *show) each(ctx context.Context, topic string, f func(*kgo.Record) error) error {
	ends, err := s.admin.ListCommittedOffsets(ctx, topic)
	if err != nil {
		return err
	}
	left, offsets := make(map[int32]int64), make(map[int32]kgo.Offset)
	for p, end := range ends[topic] {
		if end.Offset > 0 {
			left[p], offsets[p] = end.Offset, kgo.NewOffset().AtStart()
		}
	}
	reader, err := kgo.NewClient(kgo.SeedBrokers(s.brokers...), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords(),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: offsets}))
	if err != nil {
		return err
	}
	defer reader.Close()
	for len(left) > 0 {
		fetches := reader.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return err
		}
		for _, r := range fetches.Records() {
			if !r.Attrs.IsControl() {
				if err := f(r); err != nil {
					return err
				}
			}
			if r.Offset+1 >= left[r.Partition] {
				delete(left, r.Partition)
			}
		}
	}
	return nil
}
