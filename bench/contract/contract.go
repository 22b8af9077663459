// Package contract is what the harness and a contender agree on: the contender is a program that is told its task by flags,
// does it once, and prints one JSON object. Programs in other languages keep to the same flags and the same object.
package contract

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/signal"
	"strings"
	"time"
)

// Task is what a contender is asked to do.
type Task struct {
	Brokers  []string      // host:port
	Topic    string        // the source, which holds the records
	Group    string        // the consumer group; topics that the contender makes begin with its name
	Scenario string        // its letter
	Records  int           // to handle
	Parts    int           // partitions of the source
	Work     time.Duration // that a handler call takes; 0: it adds up a byte
	Limit    time.Duration // after which the contender stops, and tells how far it came; 0: none
	URL      string        // of the service to call, in the scenario that calls one
	Batch    int           // records a transaction at most, of those that are told so
	Answers  int           // bytes that an answer to a fetch may have, for clients that cannot do with one that is full; 0: the client's default
}

// Copies is the topic, which is there, that those write failed records to who make no topic of their own.
func (t Task) Copies() string { return t.Group + "-copies" }

// retries is how long those may go on after the limit whose first attempts are all made, and whose retries wait.
const retries = 20 * time.Second

// LimitOf returns the limit of a task of which so many first attempts are made.
func (t Task) LimitOf(attempts int) time.Duration {
	if t.Scenario == "c" && attempts >= t.Records && t.Limit > 0 {
		return t.Limit + retries
	}
	return t.Limit
}

// Flags returns the command line of a task.
func (t Task) Flags() []string {
	flags := []string{
		"-brokers", strings.Join(t.Brokers, ","), "-topic", t.Topic, "-group", t.Group, "-scenario", t.Scenario, "-records", fmt.Sprint(t.Records),
		"-partitions", fmt.Sprint(t.Parts), "-work", t.Work.String(), "-limit", t.Limit.String(), "-url", t.URL,
	}
	if t.Batch > 0 {
		flags = append(flags, "-batch", fmt.Sprint(t.Batch))
	}
	if t.Answers > 0 {
		flags = append(flags, "-answers", fmt.Sprint(t.Answers))
	}
	return flags
}

// ParseTask reads a command line.
func ParseTask(args []string) (t Task, err error) {
	f := flag.NewFlagSet("contender", flag.ContinueOnError)
	f.SetOutput(io.Discard)
	brokers := f.String("brokers", "", "")
	f.StringVar(&t.Topic, "topic", "", "")
	f.StringVar(&t.Group, "group", "", "")
	f.StringVar(&t.Scenario, "scenario", "", "")
	f.IntVar(&t.Records, "records", 0, "")
	f.IntVar(&t.Parts, "partitions", 0, "")
	f.DurationVar(&t.Work, "work", 0, "")
	f.DurationVar(&t.Limit, "limit", 0, "")
	f.StringVar(&t.URL, "url", "", "")
	f.IntVar(&t.Batch, "batch", 0, "")
	f.IntVar(&t.Answers, "answers", 0, "")
	if err := f.Parse(args); err != nil {
		return t, err
	}
	if *brokers == "" || t.Topic == "" || t.Group == "" || t.Records <= 0 {
		return t, errors.New("a task needs -brokers, -topic, -group and -records")
	}
	t.Brokers = strings.Split(*brokers, ",")
	return t, nil
}

// Result is what a contender prints.
type Result struct {
	Records     int                `json:"records"`           // handled in that time
	Head        int                `json:"head,omitempty"`    // handled before
	Seconds     float64            `json:"seconds"`           // from the end of the head to the last record
	CPUSeconds  float64            `json:"cpu_seconds"`       // of the process, in that time
	PeakBytes   int64              `json:"peak_bytes"`        // the most memory that was resident
	Allocations float64            `json:"allocations"`       // objects, in that time
	Counted     bool               `json:"counted,omitempty"` // allocations can be; 0 of them are none
	Idle        float64            `json:"idle,omitempty"`    // share of the time of all processors of the machine, the brokers' too, that these had nothing to do
	Stolen      float64            `json:"stolen,omitempty"`  // and that the host of a virtual machine gave to others; 0, both: not known
	Figures     map[string]float64 `json:"figures,omitempty"` // what else the scenario asks for
}

// Main runs a contender that is a program of its own.
func Main(run func(context.Context, Task, *Meter) error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := Run(ctx, os.Args[1:], run); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// Run reads the task, runs it, and prints the result.
func Run(ctx context.Context, args []string, run func(context.Context, Task, *Meter) error) error {
	t, err := ParseTask(args)
	if err != nil {
		return err
	}
	m := new(Meter)
	if err := run(ctx, t, m); err != nil {
		return err
	}
	r, err := m.Result()
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(r)
}

// Value makes a record's value. Its first byte is 1, so that a sum counts records, and its second says how many of the
// record's attempts fail. The rest are letters at random: what compresses to nothing comes in one fetch, before anything is timed.
func Value(size, failures int) []byte {
	v := make([]byte, max(size, 2))
	for i := range v {
		v[i] = 'a' + byte(rand.Uint32()&15)
	}
	v[0], v[1] = 1, byte(failures)
	return v
}

// Scattered is a number for the i-th record, the same in every run, that has nothing to do with its partition and its key: which of the records
// fail is decided by it, so that each partition and each key has its part of them.
func Scattered(i int) uint64 {
	x := uint64(i) * 0x9E3779B97F4A7C15
	x = (x ^ x>>30) * 0xBF58476D1CE4E5B9
	x = (x ^ x>>27) * 0x94D049BB133111EB
	return x ^ x>>31
}

// Failures returns how many attempts of a record fail.
func Failures(value []byte) int { return int(value[1]) }

// Always is more failures than there are attempts.
const Always = 255

// ErrFails is how a record fails.
var ErrFails = errors.New("the service is away")
