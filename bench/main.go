// Command bench measures the pipeline beside raw franz-go and beside what people use today, in the same run on the same broker.
//
//	go run . [-scenarios abc] [-rounds 5] [-scale 1] [-peers auto|none] [-embedded=false] [-out results.json] [-docs ../docs]
//
// The embedded broker runs in a process of its own, and so does every contender in every round; rounds are interleaved, contender
// after contender. What is printed are medians, and of the ratios round by round: absolute numbers depend on the machine and
// its mood, ratios much less. Where REDELIVER_TEST_BROKERS names brokers, all is measured there too. The JSON file keeps what other runs
// measured of other scenarios, and -docs writes all that it has into docs/performance.md.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"os/signal"
	"runtime/pprof"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/google/pprof/profile"
	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/redeliver/redeliver/bench/contract"
	"github.com/redeliver/redeliver/bench/harness"
	"github.com/redeliver/redeliver/bench/report"
	"github.com/redeliver/redeliver/bench/scenarios"
	"github.com/redeliver/redeliver/bench/shares"
)

// plain are the characters that mean nothing to a shell.
const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.,:/+"

// mostScale is ten measurements in one: more records than that are in the memory of no embedded broker.
const mostScale = 10

type options struct {
	letters  string
	rounds   int
	scale    float64
	peers    string
	embedded bool
	out      string
	docs     string
	from     string
	patience time.Duration
	profiles string
	// given are the flags that differ from their defaults, as a shell takes them.
	given string
}

func main() {
	if err := command(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// command is what a person runs, or one of the processes that a run starts.
func command(args []string) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if len(args) > 0 {
		switch args[0] {
		case "broker":
			return serveBroker()
		case "service":
			return scenarios.Service()
		case "contend":
			return contend(ctx, args[1:])
		}
	}
	var o options
	f := flag.NewFlagSet("bench", flag.ExitOnError)
	f.StringVar(&o.letters, "scenarios", "", "letters of the scenarios to run, such as abd; default: all")
	f.IntVar(&o.rounds, "rounds", 5, "rounds that count; one before them warms up")
	f.Float64Var(&o.scale, "scale", 1, "of the number of records: 0.01 shows that all works")
	f.StringVar(&o.peers, "peers", "auto", "auto: those whose tools are here; none; or names, such as sarama,watermill")
	f.BoolVar(&o.embedded, "embedded", true, "measure on the embedded broker")
	f.StringVar(&o.out, "out", "", "write the results to this JSON file; what it has of other scenarios and brokers stays")
	f.StringVar(&o.docs, "docs", "", "write the tables and plots into performance.md in this directory")
	f.StringVar(&o.from, "from", "", "measure nothing, read the results from this JSON file")
	f.DurationVar(&o.patience, "patience", 5*time.Minute, "with one round of one contender")
	f.StringVar(&o.profiles, "profiles", "", "write a CPU profile of every round of our own contenders to this directory, and tell of its parts in nanoseconds a record; it costs a few percent")
	_ = f.Parse(args) // it exits
	if f.NArg() > 0 {
		return fmt.Errorf("%q: want flags only", f.Args())
	}
	o.given = given(f)
	return run(ctx, o)
}

// given returns the flags that differ from their defaults as they can be pasted into a shell.
func given(f *flag.FlagSet) string {
	var all []string
	f.Visit(func(one *flag.Flag) {
		value := one.Value.String()
		if value == one.DefValue {
			return
		}
		if strings.Trim(value, plain) != "" {
			value = "'" + strings.ReplaceAll(value, "'", `'\''`) + "'"
		}
		all = append(all, "-"+one.Name+"="+value) // with a space between them, a flag that is true or false would take no value
	})
	return strings.Join(all, " ")
}

// check refuses what would measure something else than was asked for, or nothing, in the place of what is recorded.
func (o options) check(all []harness.Scenario) error {
	if o.rounds < 0 {
		return fmt.Errorf("-rounds %d: give 1 or more, or 0 for the round that warms up alone", o.rounds)
	}
	if !(o.scale > 0 && o.scale <= mostScale) { // nor is it not a number
		return fmt.Errorf("-scale %v: give a number above 0, %d at most", o.scale, mostScale)
	}
	for _, letter := range o.letters {
		if !slices.ContainsFunc(all, func(s harness.Scenario) bool { return s.Letter == string(letter) }) {
			return fmt.Errorf("-scenarios %s: there is no scenario %c", o.letters, letter)
		}
	}
	return nil
}

// writable says whether what is to be written can be.
func (o options) writable() error {
	if o.out != "" {
		if err := report.Writable(o.out); err != nil {
			return fmt.Errorf("-out: %w", err)
		}
	}
	if o.docs != "" {
		if err := report.PageWritable(o.docs); err != nil {
			return fmt.Errorf("-docs: %w", err)
		}
	}
	return nil
}

func run(ctx context.Context, o options) (err error) {
	all := scenarios.All()
	if err := o.check(all); err != nil {
		return err
	}
	if err := o.writable(); err != nil { // before hours are spent
		return err
	}
	if o.from != "" {
		if _, err := os.Stat(o.from); err != nil { // Read takes one that is not there for one that has nothing
			return fmt.Errorf("-from: %w", err)
		}
		runs, err := report.Read(o.from)
		if err != nil {
			return err
		}
		if len(runs) == 0 {
			return fmt.Errorf("-from %s: nothing was measured there", o.from)
		}
		return errors.Join(report.Table(os.Stdout, runs, all), record(runs, all, o))
	}
	former, err := report.Read(o.out)
	if o.out != "" && err != nil {
		return err
	}
	chosen := slices.DeleteFunc(slices.Clone(all), func(s harness.Scenario) bool {
		return o.letters != "" && !strings.Contains(o.letters, s.Letter)
	})
	apache := os.Getenv("REDELIVER_TEST_BROKERS")
	if !o.embedded && apache == "" {
		return errors.New("-embedded=false, and REDELIVER_TEST_BROKERS names no broker: there is nothing to measure on")
	}
	var kafka *harness.Cluster
	if apache != "" { // before hours are spent on the embedded one
		if kafka, err = harness.Connect(ctx, "Apache Kafka", strings.Split(apache, ",")); err != nil {
			return fmt.Errorf("REDELIVER_TEST_BROKERS: %w", err)
		}
		defer kafka.Close()
	}
	programs, err := buildPeers(ctx, o.peers)
	if err != nil {
		return err
	}
	results := report.New(o.rounds, o.scale, o.given)
	maps.Copy(results.Versions, programs.versions)
	defer func() {
		err = errors.Join(err, report.Table(os.Stdout, report.Runs{results}, all))
		if o.scale < 1 {
			fmt.Printf("\nThat was %g of the full size, which shows that all works: its ratios say nothing.\n", o.scale)
		}
	}()
	var failures []error
	measure := func(cluster *harness.Cluster) error {
		broker, err := described(ctx, cluster)
		if err != nil {
			return err
		}
		results.Brokers = append(results.Brokers, broker)
		for _, s := range chosen {
			measured, err := harness.Run(ctx, cluster, s, harness.Options{
				Rounds: o.rounds, Scale: o.scale, Patience: o.patience, Command: programs.command(o.profiles),
				Tell: func(format string, arguments ...any) { fmt.Fprintf(os.Stderr, format+"\n", arguments...) },
			})
			results.Add(measured, s.Cases(o.scale))
			if ctx.Err() != nil {
				return ctx.Err()
			}
			failures = append(failures, err)
			if err := record(former.With(results), all, o); err != nil { // a run takes hours, and may not come to its end
				return err
			}
		}
		return nil
	}
	if o.embedded {
		if err := onEmbedded(ctx, measure); err != nil {
			return err
		}
	}
	if kafka != nil {
		if err := measure(kafka); err != nil {
			return err
		}
	}
	return errors.Join(failures...)
}

// onEmbedded measures on the embedded broker, which is there meanwhile: what it has in memory is gone when the next one is measured.
func onEmbedded(ctx context.Context, measure func(*harness.Cluster) error) error {
	address, stop, err := harness.Serve("broker")
	if err != nil {
		return err
	}
	defer stop()
	cluster, err := harness.Connect(ctx, harness.Embedded, strings.Split(address, ","))
	if err != nil {
		return err
	}
	defer cluster.Close()
	return measure(cluster)
}

// described is a broker's name, and of Apache Kafka what it says of itself; the embedded one's version is its module's.
func described(ctx context.Context, c *harness.Cluster) (string, error) {
	if c.Name == harness.Embedded {
		return c.Name, nil
	}
	said, err := c.Describe(ctx)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%s (%s)", c.Name, said), nil
}

// record writes what was measured, now and before, where that was asked for.
func record(runs report.Runs, all []harness.Scenario, o options) error {
	if len(runs) == 0 {
		return nil // the first scenario broke off
	}
	if o.out != "" {
		if err := runs.Write(o.out); err != nil {
			return err
		}
	}
	if o.docs == "" {
		return nil
	}
	return report.Page(o.docs, runs, all)
}

// serveBroker is the embedded broker: it prints its address and serves until its standard input ends.
func serveBroker() error {
	c, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		return err
	}
	defer c.Close()
	fmt.Println(strings.Join(c.ListenAddrs(), ","))
	_, _ = io.Copy(io.Discard, os.Stdin) // whatever ends it, it ends
	return nil
}

// contend is one round of one of our own contenders: a letter, a name, and a task.
func contend(ctx context.Context, args []string) error {
	profile := ""
	if len(args) > 1 && args[0] == "-profile" {
		profile, args = args[1], args[2:]
	}
	if len(args) < 2 {
		return errors.New("contend: want a scenario, a contender and a task")
	}
	for _, s := range scenarios.All() {
		for _, c := range s.Contenders {
			if s.Letter == args[0] && c.Name == args[1] && c.Run != nil {
				return contract.Run(ctx, args[2:], profiled(profile, c.Run))
			}
		}
	}
	return fmt.Errorf("contend: there is no %q in scenario %q", args[1], args[0])
}

type contender = func(context.Context, contract.Task, *contract.Meter) error

// profiled writes a CPU profile of the round to a file that carries the name of its group, and notes what it says of the parts.
func profiled(directory string, run contender) contender {
	if directory == "" {
		return run
	}
	return func(ctx context.Context, t contract.Task, m *contract.Meter) (err error) {
		if err := os.MkdirAll(directory, 0o755); err != nil {
			return err
		}
		f, err := os.Create(directory + "/" + t.Group + ".prof")
		if err != nil {
			return err
		}
		if err := pprof.StartCPUProfile(f); err != nil {
			return errors.Join(err, f.Close())
		}
		err = run(ctx, t, m)
		pprof.StopCPUProfile()
		if err = errors.Join(err, f.Close()); err != nil {
			return err
		}
		return tellShares(f.Name(), m)
	}
}

// tellShares notes where the CPU time of a round went, as nanoseconds a record, those of the head included, of the whole process.
func tellShares(file string, m *contract.Meter) error {
	r, err := m.Result()
	if err != nil {
		return err
	}
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	p, err := profile.Parse(f)
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	for part, took := range shares.Of(p) {
		m.Figure(part+", ns", float64(took.Nanoseconds())/float64(r.Head+r.Records))
	}
	return nil
}
