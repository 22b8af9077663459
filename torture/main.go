// Torture runs pipelines on three nodes of Apache Kafka under load, kills, pauses and cuts off everything that can be, and
// has a process of its own judge by each promise what came of it.
//
//	torture run [-for 5m] [-seed N] [-rate 2200] [-delivery at_least_once] [-hold-key] [-protocol classic]
//
// The other processes of a run are this program too, in another role: service, member, load, verify. Each role is a
// package under internal/. It ends with status 1 when a promise was broken.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/redeliver/redeliver/consumer"
	"github.com/redeliver/redeliver/torture/internal/chaos"
	"github.com/redeliver/redeliver/torture/internal/load"
	"github.com/redeliver/redeliver/torture/internal/member"
	"github.com/redeliver/redeliver/torture/internal/service"
	"github.com/redeliver/redeliver/torture/internal/verify"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if len(os.Args) < 2 {
		os.Args = append(os.Args, "run")
	}
	if err := role(ctx, os.Args[1], os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, "torture:", err)
		os.Exit(1)
	}
}

// role plays one of a run's processes.
func role(ctx context.Context, name string, args []string) error {
	if name == "run" {
		return run(ctx, args)
	}
	if len(args) != 1 {
		return fmt.Errorf("role %q is for processes that torture run starts", name)
	}
	config := []byte(args[0])
	switch name {
	case "service":
		return play(config, func(c service.Config) error { return service.Run(ctx, c, os.Stdin, os.Stdout) })
	case "verify":
		// It follows the run to its end, and ends with its driver.
		return play(config, func(c verify.Config) error { return verify.Run(ctx, c, os.Stdin, os.Stdout) })
	case "member":
		endWithDriver()
		return play(config, func(c member.Config) error { return member.Run(ctx, c, os.Stdout) })
	case "load":
		endWithDriver()
		return play(config, func(c load.Config) error { return load.Run(ctx, c) })
	}
	return fmt.Errorf("there is no role %q", name)
}

// play reads a role's configuration and runs it.
func play[C any](text []byte, f func(C) error) error {
	slog.SetDefault(slog.New(slog.NewTextHandler(os.Stderr, nil)))
	var c C
	if err := json.Unmarshal(text, &c); err != nil {
		return err
	}
	return f(c)
}

// endWithDriver ends the process when the driver is gone, whose pipe standard input is.
func endWithDriver() {
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin) // however it ends
		fmt.Fprintln(os.Stderr, "torture: the driver is gone")
		os.Exit(1)
	}()
}

func run(ctx context.Context, args []string) error {
	var c chaos.Config
	flags := flag.NewFlagSet("torture run", flag.ExitOnError)
	flags.DurationVar(&c.For, "for", 5*time.Minute, "how long the chaos lasts; starting and settling come on top")
	flags.Uint64Var(&c.Seed, "seed", 0, "of the plan and of the records; 0: a random one")
	flags.IntVar(&c.Rate, "rate", 2200, "records a second")
	flags.IntVar(&c.Partitions, "partitions", 6, "of the source at first")
	flags.StringVar(&c.Delivery, "delivery", chaos.AtLeastOnce, "of the members: "+chaos.AtLeastOnce+" or "+chaos.ExactlyOnceRouting)
	flags.BoolVar(&c.HoldKey, "hold-key", false, "members hold keys, with "+chaos.ExactlyOnceRouting)
	protocol := flags.String("protocol", consumer.Classic.String(), "of the group: classic, eager or consumer")
	flags.StringVar(&c.Kafka, "kafka", "scripts/kafka", "the script that runs Apache Kafka")
	flags.BoolVar(&c.Keep, "keep", false, "keep the logs in any case")
	if err := flags.Parse(args); err != nil {
		return err
	}
	for c.Protocol = consumer.Classic; c.Protocol.String() != *protocol; c.Protocol++ {
		if c.Protocol > consumer.NextGen {
			return fmt.Errorf("group protocol %q: it is classic, eager or consumer", *protocol)
		}
	}
	if c.Seed == 0 {
		c.Seed = rand.Uint64N(1_000_000)
	}
	return chaos.Run(ctx, c, os.Stdout)
}
