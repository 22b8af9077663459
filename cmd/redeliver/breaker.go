package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/redeliver/redeliver/fleet"
	"github.com/redeliver/redeliver/internal/admin"
)

func newBreakerCommand(p *program) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "breaker",
		Short: "Show and force the circuit breakers of a running process, or of a fleet",
		Long: `Show and force the circuit breakers of the process at --admin. A breaker with scope: fleet is changed in all processes, those
that start later too, whichever of them is asked; --via kafka writes to the control topic instead, and needs none of them.`,
		Args: noSuchCommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(
		newBreakerListCommand(p),
		newBreakerEventsCommand(p),
		newBreakerChangeCommand(p, "open", "Keep a breaker open, until close or auto",
			"Keep a breaker open until `close` or `auto`: what depends on it pauses, and no record loses an attempt."),
		newBreakerChangeCommand(p, "close", "Keep a breaker closed, until open or auto",
			"Keep a breaker closed, whatever is measured, until `open` or `auto`: records that fail use up their attempts."),
		newBreakerChangeCommand(p, "metrics-only", "Let a breaker admit everything and only tell what it would do",
			"Let a breaker admit everything and measure, and tell in its events what it would have done, until `open`, `close` or `auto`."),
		newBreakerChangeCommand(p, "auto", "Let a breaker measure again",
			"Give a breaker that was forced back to what the configuration says: it measures, and begins closed, unless breaker.mode says otherwise."),
	)
	return cmd
}

func newBreakerListCommand(p *program) *cobra.Command {
	cmd := &cobra.Command{Use: "list", Short: "Show the breakers", Args: noArguments}
	format, address, via := addOutput(cmd), addAdminFlag(cmd), addVia(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		breakers, err := p.listBreakers(cmd, *address, *via)
		if err != nil {
			return err
		}
		now := time.Now()
		rows := newRows(p.out, *format,
			column[admin.BreakerStatus]{title: "DEPENDENCY", cell: func(b admin.BreakerStatus) string { return b.Dependency }},
			column[admin.BreakerStatus]{title: "STATE", cell: breakerStateText},
			column[admin.BreakerStatus]{title: "SINCE", cell: func(b admin.BreakerStatus) string { return sinceText(b.Since, now) }},
			column[admin.BreakerStatus]{title: "CALLS", right: true, cell: func(b admin.BreakerStatus) string { return strconv.FormatUint(b.Calls, 10) }},
			column[admin.BreakerStatus]{title: "FAILED", right: true, cell: func(b admin.BreakerStatus) string { return percent(b.FailureRate) }},
			column[admin.BreakerStatus]{title: "SLOW", right: true, cell: func(b admin.BreakerStatus) string { return strconv.FormatUint(b.Slow, 10) }},
			column[admin.BreakerStatus]{title: "PROBES", cell: func(b admin.BreakerStatus) string { return until(b.OpenUntil, now) }},
			column[admin.BreakerStatus]{title: "OPENED", right: true, cell: func(b admin.BreakerStatus) string { return strconv.FormatUint(b.Opened, 10) }},
			column[admin.BreakerStatus]{title: "FLEET", cell: func(b admin.BreakerStatus) string { return fleetText(b, now) }},
			column[admin.BreakerStatus]{title: "WHY", cell: func(b admin.BreakerStatus) string { return clip(b.Why, 80) }},
		)
		for _, b := range breakers {
			if err := rows.add(b); err != nil {
				return err
			}
		}
		return rows.close()
	}
	return cmd
}

// listBreakers asks a process, or reads the control topic.
func (p *program) listBreakers(cmd *cobra.Command, address, via string) ([]admin.BreakerStatus, error) {
	kafka, err := viaIsKafka(cmd, via)
	if err != nil {
		return nil, err
	}
	if kafka {
		return p.breakersOfTopic(cmd.Context())
	}
	client, _, err := p.adminClient(address)
	if err != nil {
		return nil, err
	}
	breakers, err := client.Breakers(cmd.Context())
	return breakers, p.hinted(err)
}

// sinceText is since when something is so; "-" where that is not known.
func sinceText(since, now time.Time) string {
	if since.IsZero() {
		return "-"
	}
	return span(now.Sub(since))
}

// breakerStateText also says where a breaker would stand that is only for metrics.
func breakerStateText(b admin.BreakerStatus) string {
	if b.Would != "" {
		return b.State + " (would be " + b.Would + ")"
	}
	return b.State
}

func newBreakerEventsCommand(p *program) *cobra.Command {
	cmd := &cobra.Command{
		Use: "events NAME", Short: "Show when a breaker changed its state and why", Args: argument("the name of a breaker", false),
		Long: "Show the last 50 changes of a breaker's state since the process started, oldest first: when, from what to what, and why.",
	}
	format, address := addOutput(cmd), addAdminFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		client, _, err := p.adminClient(*address)
		if err != nil {
			return err
		}
		events, err := client.BreakerEvents(cmd.Context(), args[0])
		if err != nil {
			return err
		}
		if len(events) == 0 {
			fmt.Fprintf(p.err, "breaker %s has not changed its state since the process started\n", args[0])
		}
		type row = admin.BreakerEvent
		return printAll(newRows(p.out, *format,
			column[row]{title: "AT", cell: func(e row) string { return e.At.Local().Format(time.DateTime) }},
			column[row]{title: "FROM", cell: func(e row) string { return e.From }},
			column[row]{title: "TO", cell: func(e row) string {
				if e.Would {
					return "would be " + e.To
				}
				return e.To
			}},
			column[row]{title: "WHY", cell: func(e row) string { return e.Why }},
		), events)
	}
	return cmd
}

func newBreakerChangeCommand(p *program, action, short, long string) *cobra.Command {
	cmd := &cobra.Command{Use: action + " NAME", Short: short, Long: long, Args: argument("the name of a breaker", false)}
	format, address, change, via := addOutput(cmd), addAdminFlag(cmd), addChangeFlags(cmd), addVia(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		name := args[0]
		if kafka, err := viaIsKafka(cmd, *via); err != nil {
			return err
		} else if kafka {
			return p.orderViaKafka(cmd.Context(), change, *format, "breaker "+action, name, fleet.Order{Wish: fleet.Wish(action)})
		}
		client, _, err := p.adminClient(*address)
		if err != nil {
			return err
		}
		check := func(ctx context.Context) (string, error) {
			breakers, err := client.Breakers(ctx)
			if err != nil {
				return "", err
			}
			i := slices.IndexFunc(breakers, func(b admin.BreakerStatus) bool { return b.Dependency == name })
			if i < 0 {
				return "", fmt.Errorf("there is no breaker %q; the breakers are %s", name, strings.Join(dependencies(breakers), ", "))
			}
			return fmt.Sprintf("dry run: would %s breaker %s, which is %s", action, name, breakers[i].State), nil
		}
		do := func(ctx context.Context) (string, error) { return client.Breaker(ctx, name, action) }
		return p.hinted(p.changeProcess(cmd.Context(), change, *format, "breaker "+action, name, "", check, do))
	}
	return cmd
}

func dependencies(breakers []admin.BreakerStatus) (names []string) {
	for _, b := range breakers {
		names = append(names, b.Dependency)
	}
	return names
}

// span is a duration as people read it: rounded to what matters.
func span(d time.Duration) string {
	switch {
	case d < 0:
		return "-" + span(-d)
	case d < 10*time.Second:
		return d.Round(100 * time.Millisecond).String()
	case d < time.Hour:
		return d.Round(time.Second).String()
	case d < 48*time.Hour:
		return strings.TrimSuffix(d.Round(time.Minute).String(), "0s")
	}
	return strconv.Itoa(int(d/(24*time.Hour))) + "d"
}

// until says when something is to be: "in 3s", "3s ago", or "-" for never.
func until(at *time.Time, now time.Time) string {
	switch {
	case at == nil:
		return "-"
	case at.After(now):
		return "in " + span(at.Sub(now))
	}
	return span(now.Sub(*at)) + " ago"
}

func percent(fraction float64) string { return strconv.FormatFloat(100*fraction, 'f', 0, 64) + "%" }
