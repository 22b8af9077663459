package harness

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/redeliver/redeliver/bench/contract"
)

// Options say how scenarios are run.
type Options struct {
	Rounds   int           // that count; one before them warms up the broker
	Scale    float64       // of the number of records
	Patience time.Duration // with one contender's round
	// Command returns the command that runs a contender of a scenario, or why there is none. Neither: it is not wanted.
	Command func(s Scenario, c Contender) ([]string, error)
	// Tell is told what happens.
	Tell func(format string, arguments ...any)
}

// Measured is what was measured of one contender in one case: a result for each round.
type Measured struct {
	Broker    string            `json:"broker"`
	Scenario  string            `json:"scenario"`
	Case      string            `json:"case"`
	Contender string            `json:"contender"`
	Against   string            `json:"against,omitempty"`
	Task      int               `json:"task,omitempty"` // records that were to be handled; a result with fewer was cut off at the scenario's limit
	Rounds    []contract.Result `json:"rounds"`
	Left      string            `json:"left,omitempty"` // why it was left out, from the start or after some rounds. "": it was not
}

// Run runs all cases of a scenario on a cluster. A contender that fails is left out from then on, and told of; so that one peer does not
// spoil the measurement of all.
func Run(ctx context.Context, cluster *Cluster, s Scenario, o Options) ([]Measured, error) {
	var all []Measured
	var failed []string
	for n, one := range s.Cases(o.Scale) {
		one.Task.Brokers, one.Task.Scenario = cluster.Brokers, s.Letter
		if cluster.Name == Embedded {
			one.Task.Answers = largeAnswers
		}
		prefix := fmt.Sprintf("bench-%s-%d-%d", s.Letter, os.Getpid(), n)
		one.Task.Topic = prefix
		o.Tell("(%s) %s: %s, on %s", s.Letter, s.Name, one.Name, cluster.Name)
		measured, left, err := rounds(ctx, cluster, s, one, o)
		// What a scenario made is of no use to the next one.
		err = firstOf(err, cluster.Delete(context.WithoutCancel(ctx), func(topic string) bool { return strings.HasPrefix(topic, prefix) }))
		if err != nil {
			return all, fmt.Errorf("scenario %s, %s: %w", s.Letter, one.Name, err)
		}
		all, failed = append(all, measured...), append(failed, left...)
	}
	if len(failed) > 0 {
		return all, fmt.Errorf("scenario %s: %s", s.Letter, strings.Join(failed, "\n"))
	}
	return all, nil
}

// largeAnswers is more than the partitions of any scenario can fill an answer with. The embedded broker leaves partitions out of one that is full, where Kafka lists
// them without records, and the client of the JVM throws such an answer away, again and again.
const largeAnswers = 256 << 20

func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func rounds(ctx context.Context, cluster *Cluster, s Scenario, one Case, o Options) (all []Measured, failed []string, err error) {
	if err := prepare(ctx, cluster, &one); err != nil {
		return nil, nil, err
	}
	type entrant struct {
		command  []string
		own      bool // it says something only when something is odd
		measured Measured
	}
	var entrants []*entrant
	var taking []Contender // the same ones
	for _, c := range s.Contenders {
		if one.Only != nil && !slices.Contains(one.Only, c.Name) {
			continue
		}
		command, err := o.Command(s, c)
		if err != nil {
			o.Tell("  %s is left out: %v", c.Name, err)
		}
		if command == nil && err == nil {
			continue
		}
		e := &entrant{command, c.Run != nil, Measured{Broker: cluster.Name, Scenario: s.Letter, Case: one.Name, Contender: c.Name, Against: c.Against, Task: one.Task.Records}}
		if err != nil {
			e.command, e.measured.Left = nil, err.Error()
		}
		entrants, taking = append(entrants, e), append(taking, c)
	}
	for round, turns := range order(s.Letter+one.Name, taking, o.Rounds+1) {
		for _, i := range turns {
			e := entrants[i]
			if e.command == nil {
				continue // it is left out
			}
			t := one.Task
			t.Group = fmt.Sprintf("%s-%d-%d", t.Topic, round, i)
			r, said, err := once(ctx, cluster, one, e.measured.Contender, e.command, t, o.Patience)
			if ctx.Err() != nil {
				return nil, nil, ctx.Err()
			}
			if err != nil {
				o.Tell("  %s failed, and is left out: %v", e.measured.Contender, err)
				failed = append(failed, fmt.Sprintf("%s, %s: %v", one.Name, e.measured.Contender, err))
				e.command = nil
				e.measured.Rounds, e.measured.Left = nil, fmt.Sprintf("failed in round %d: %s", round, lastLine(err))
				continue
			}
			o.Tell("  round %d: %-40s %10.0f a second", round, e.measured.Contender, float64(r.Records)/r.Seconds)
			if said != "" && e.own {
				o.Tell("  it said: %s", said)
			}
			if one.Learn != nil {
				one.Learn(e.measured.Contender, r)
			}
			if round > 0 || o.Rounds == 0 {
				e.measured.Rounds = append(e.measured.Rounds, r)
			}
		}
	}
	for _, e := range entrants {
		all = append(all, e.measured)
	}
	return all, failed, nil
}

// lastLine is the end of what a contender said, without the command that it was started by.
func lastLine(err error) string {
	lines := strings.Split(strings.TrimSpace(err.Error()), "\n")
	return lines[len(lines)-1]
}

func prepare(ctx context.Context, cluster *Cluster, one *Case) error {
	if one.Prepare != nil {
		return one.Prepare(ctx, cluster, one)
	}
	if err := cluster.Create(ctx, one.Task.Topic, one.Task.Parts); err != nil {
		return err
	}
	return cluster.Fill(ctx, one.Task.Topic, one.Task.Parts, one.Task.Records, one.Size, one.Failures)
}

// once runs one round of one contender, and deletes the topics that it made. said is what it wrote to its standard error.
func once(ctx context.Context, cluster *Cluster, one Case, contender string, command []string, t contract.Task, patience time.Duration) (r contract.Result, said string, err error) {
	group := t.Group
	stop := func() error { return nil }
	if one.Round != nil {
		s, err := one.Round(ctx, cluster, contender, &t)
		if err != nil {
			return r, "", err
		}
		if s != nil {
			stop = s
		}
	}
	r, said, err = contend(ctx, command, t, patience)
	if err = firstOf(err, stop()); err != nil {
		return r, said, err
	}
	return r, said, cluster.Delete(ctx, func(topic string) bool { // Spring's retry topics begin with the source's name
		return strings.HasPrefix(topic, group+".") || strings.HasPrefix(topic, group+"-") || strings.Contains(topic, "-"+group+"-")
	})
}
