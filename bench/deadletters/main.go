// Command deadletters shows what the index and the replay do with a million dead letters, on Apache Kafka.
//
//	make deadletters BROKERS=host:port
//	go run ./deadletters -brokers host:port [-records 1000000] [-rounds 5] [-steps index,commands,speed,kills] [-profile FILE]
//
// It makes dead letters of 300 bytes from 40 distinct faults over 12 partitions, builds the index, and prints how long six commands
// take, each a process of its own. Then it replays all of them, beside a raw franz-go loop which reads the same dead letters and
// writes a copy and a mark of equal size for each in transactions of equal size, before and after. Last it replays another
// such queue, killed with SIGKILL three times on the way, and an independent reader checks record by record that every entry
// was replayed once.
//
// -steps does a part of that. -profile replays in this process what is left of the second queue, and writes a CPU profile of that.
package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	partitions = 12
	group      = "million"
	source     = "orders"
	crashed    = "orders-killed" // the queue whose replay is killed
)

type show struct {
	brokers []string
	records int
	rounds  int
	profile string // a file; "": none

	dir    string
	binary string
	client *kgo.Client
	admin  *kadm.Client
}

func main() {
	log.SetFlags(0)
	var s show
	brokers := flag.String("brokers", "", "brokers of a cluster that is there for this: topics million.* and orders* are made anew on it")
	flag.IntVar(&s.records, "records", 1_000_000, "dead letters in each queue")
	flag.IntVar(&s.rounds, "rounds", 5, "times that each command is run; the median is printed")
	steps := flag.String("steps", "index,commands,speed,kills", "what to show, of these; index builds the index that commands asks")
	flag.StringVar(&s.profile, "profile", "", "replay what is left of the second queue in this process, and write a CPU profile of that to the file")
	flag.Parse()
	if *brokers == "" {
		log.Fatal("-brokers: name a cluster, as of scripts/kafka start")
	}
	s.brokers = strings.Split(*brokers, ",")
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := s.run(ctx, strings.Split(*steps, ",")); err != nil {
		log.Fatal(err)
	}
}

func (s *show) run(ctx context.Context, steps []string) (err error) {
	parts := map[string]func(context.Context) error{"index": s.index, "commands": s.commands, "speed": s.speed, "kills": s.kills}
	for _, step := range steps {
		if parts[step] == nil {
			return fmt.Errorf("-steps: there is no %q", step)
		}
	}
	if s.dir, err = os.MkdirTemp("", "deadletters"); err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(s.dir) }() // it is in the temporary directory
	if s.client, err = kgo.NewClient(kgo.SeedBrokers(s.brokers...)); err != nil {
		return err
	}
	defer s.client.Close()
	s.admin = kadm.NewClient(s.client)
	if err := s.build(ctx); err != nil {
		return err
	}
	if err := s.makeTopics(ctx); err != nil {
		return err
	}
	if err := s.makeLetters(ctx); err != nil {
		return err
	}
	for _, step := range steps {
		if err := parts[step](ctx); err != nil {
			return err
		}
	}
	if s.profile != "" {
		return s.profiled(ctx)
	}
	return nil
}

// build makes the command and its configuration.
func (s *show) build(ctx context.Context) error {
	s.binary = filepath.Join(s.dir, "redeliver")
	build := exec.CommandContext(ctx, "go", "build", "-o", s.binary, "github.com/redeliver/redeliver/cmd/redeliver")
	build.Dir, build.Stderr = "..", os.Stderr
	if err := build.Run(); err != nil {
		return fmt.Errorf("build redeliver: %w", err)
	}
	config := fmt.Sprintf("kafka: {brokers: ['%s']}\nindex: {path: '%s'}\npipelines:\n  - name: %s\n    topics: [%s, %s]\n    handler: {http: {url: 'http://127.0.0.1:9/'}}\n",
		strings.Join(s.brokers, "', '"), filepath.Join(s.dir, "index"), group, source, crashed)
	return os.WriteFile(filepath.Join(s.dir, "config.yaml"), []byte(config), 0o600)
}

// makeTopics makes all topics anew.
func (s *show) makeTopics(ctx context.Context) error {
	var topics []string
	for _, topic := range []string{source, crashed} {
		topics = append(topics, topic, deadTopic(topic), deadTopic(topic)+".ledger")
		for _, delay := range []string{"1s", "10s", "60s"} {
			topics = append(topics, group+"."+topic+".retry-"+delay)
		}
	}
	topics = append(topics, rawCopies, rawMarks)
	if _, err := s.admin.DeleteTopics(ctx, topics...); err != nil {
		return err
	}
	for _, topic := range topics {
		if strings.HasSuffix(topic, ".ledger") {
			continue // the command makes it
		}
		for {
			_, err := s.admin.CreateTopic(ctx, partitions, 1, nil, topic)
			if err == nil {
				break
			}
			if !errors.Is(err, kerr.TopicAlreadyExists) { // it is being deleted
				return fmt.Errorf("create %s: %w", topic, err)
			}
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(100 * time.Millisecond):
			}
		}
	}
	return nil
}

func deadTopic(topic string) string { return group + "." + topic + ".dlq" }

// ran is what a process printed, how long it was there, and how much of a core it used: on a machine that does other things as well
// the one says little without the other.
type ran struct {
	out       string
	took, cpu time.Duration
}

// command runs redeliver.
func (s *show) command(ctx context.Context, args ...string) (ran, error) {
	cmd := exec.CommandContext(ctx, s.binary, append(args, "-c", filepath.Join(s.dir, "config.yaml"))...)
	var errs strings.Builder
	cmd.Stderr = &errs
	began := time.Now()
	out, err := cmd.Output()
	took := time.Since(began)
	if err != nil {
		return ran{}, fmt.Errorf("redeliver %s: %w\n%s", strings.Join(args, " "), err, errs.String())
	}
	return ran{string(out), took, cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()}, nil
}

// index builds the index, with the first command that wants it.
func (s *show) index(ctx context.Context) error {
	built, err := s.command(ctx, "dlq", "stats", "--problems", "0", "--topic", source, "-o", "json")
	if err != nil {
		return err
	}
	var size int64
	files, _ := filepath.Glob(filepath.Join(s.dir, "index", "*"))
	for _, file := range files {
		if info, err := os.Stat(file); err == nil {
			size += info.Size()
		}
	}
	fmt.Printf("index of %d dead letters built in %s, %s of a core (%d MiB)\n", s.records, seconds(built.took), seconds(built.cpu), size>>20)
	return fortyProblems(built.out)
}

// fortyProblems fails where stats counts another number of problems than there are faults.
func fortyProblems(stats string) error {
	var queues []struct {
		Problems []struct{} `json:"problems"`
	}
	if err := json.Unmarshal([]byte(stats), &queues); err != nil {
		return err
	}
	faults, problems := len(services)*len(shapes), 0
	for _, queue := range queues {
		problems += len(queue.Problems)
	}
	if problems != faults {
		return fmt.Errorf("%d faults are %d problems", faults, problems)
	}
	fmt.Printf("%d faults are as many problems\n", faults)
	return nil
}

// commands prints how long six commands take, then some whose filters no table of the index narrows down, and holds their answers to those of a scan.
func (s *show) commands(ctx context.Context) error {
	plain, err := s.median(ctx, "version")
	if err != nil {
		return err
	}
	fmt.Printf("\n%-80s %10s %10s %10s\n", "command (one that does nothing takes "+millis(plain.took)+")", "by index", "of a core", "by scan")
	for _, args := range [][]string{
		{"dlq", "list"},
		{"dlq", "list", "--class", "network", "--since", middle.Format(time.RFC3339), "--limit", "50"},
		{"dlq", "list", "--error", `search.*attempt 41[0-9]{3} of`, "--limit", "0"},
		{"dlq", "list", "--text", fmt.Sprintf(`"order":%d,`, s.records/2), "--limit", "0"},
		{"dlq", "stats"},
		{"dlq", "stats", "--since", middle.Format(time.RFC3339), "--text", "payments"},
		// A text that none has and that is too short for the tables, one that most have, and expressions that most match.
		{"dlq", "list", "--text", "~~", "--limit", "0"},
		{"dlq", "stats", "--text", "dog"},
		{"dlq", "list", "--text", "the quick brown fox jumps"},
		{"dlq", "stats", "--error", "(?i)ERROR: S"},
		{"dlq", "stats", "--error", "s.*e"},
	} {
		all := append(slices.Clone(args), "--topic", source, "-o", "json")
		by, err := s.median(ctx, all...)
		if err != nil {
			return err
		}
		const byScan = " --no-index"
		scanned, err := s.command(ctx, append(all, strings.TrimSpace(byScan))...)
		if err != nil {
			return err
		}
		if by.out != strings.ReplaceAll(scanned.out, byScan, "") { // it stands in the commands that stats prints
			return fmt.Errorf("redeliver %s: the index and a scan answer differently", strings.Join(args, " "))
		}
		fmt.Printf("redeliver %-70s %10s %10s %10s\n", strings.Join(args, " "), millis(by.took), millis(by.cpu), seconds(scanned.took))
	}
	return nil
}

// median runs a command some times, and returns the run whose time is the median.
func (s *show) median(ctx context.Context, args ...string) (ran, error) {
	var runs []ran
	for range s.rounds {
		one, err := s.command(ctx, args...)
		if err != nil {
			return one, err
		}
		runs = append(runs, one)
	}
	slices.SortFunc(runs, func(a, b ran) int { return cmp.Compare(a.took, b.took) })
	return runs[len(runs)/2], nil
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.1f s", d.Seconds()) }

func millis(d time.Duration) string { return fmt.Sprintf("%d ms", d.Milliseconds()) }
