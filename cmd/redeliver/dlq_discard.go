package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/redeliver/redeliver/dlq"
)

func newDLQDiscardCommand(p *program) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "discard [ID...]",
		Short: "Give dead letters up: list, stats and replay leave them out",
		Long: `Give dead letters up: list, stats and replay leave them out from then on, unless --status or --all asks for them. Who did it
and why (--why, which has to be said) is kept in the ledger. The records stay in the topic for as long as its retention keeps them.

They are named by their ids, by filters, or by both.`,
		Example: "  redeliver dlq discard k7qp-3-1042 --why \"a test order\"\n  redeliver dlq discard --class validation --until 30d --why INC-12 --yes",
	}
	p.setsAside(cmd, aside{doing: "discard", done: "discarded", reasoned: true, do: (*dlq.Queue).Discard})
	return cmd
}

func newDLQParkCommand(p *program) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "park [ID...]",
		Short: "Set dead letters aside: list, stats and replay leave them out until they are reopened or named",
		Long: `Set dead letters aside that cannot be dealt with now: list, stats and replay leave them out, unless --status parked or their
ids ask for them. 'redeliver dlq reopen' takes that back. Who did it and why (--why, which has to be said) is kept in the ledger.`,
		Example: "  redeliver dlq park k7qp-3-1042 --why \"waits for the bank\"\n  redeliver dlq park --fingerprint k3f9qa --why INC-17 --yes",
	}
	p.setsAside(cmd, aside{doing: "park", done: "parked", reasoned: true, do: (*dlq.Queue).Park, remedy: map[dlq.Status]string{dlq.StatusParked: "they are already"}})
	return cmd
}

func newDLQReopenCommand(p *program) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "reopen [ID...]",
		Short:   "Make parked dead letters open again",
		Example: "  redeliver dlq reopen --fingerprint k3f9qa",
	}
	p.setsAside(cmd, aside{doing: "reopen", done: "reopened", do: (*dlq.Queue).Reopen})
	return cmd
}

// aside is what discard, park and reopen differ in.
type aside struct {
	doing, done string
	reasoned    bool // it has to be said why
	do          func(*dlq.Queue, context.Context, dlq.Discard) (dlq.Summary, error)
	remedy      map[dlq.Status]string
}

// setsAside makes a command of it.
func (p *program) setsAside(cmd *cobra.Command, a aside) {
	format, change := addOutput(cmd), addChangeFlags(cmd)
	flags := p.addFilterFlags(cmd, 0)
	takeOver := addTakeOver(cmd)
	why := cmd.Flags().String("why", "", "why, for the ledger")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		flags.ids = append(flags.ids, args...)
		filter, err := flags.filter(time.Now())
		if err != nil {
			return err
		}
		if !flags.narrow() {
			return usagef("say which: ids, or a filter such as --class or --until")
		}
		if a.reasoned && !change.dryRun && strings.TrimSpace(*why) == "" {
			return usagef("say why, for whoever finds them %s: --why \"a test order\"", a.done)
		}
		return p.changeQueues(cmd.Context(), flags, change, *format, chore{
			filter: filter, takeOver: *takeOver,
			doing:  a.doing,
			done:   a.done,
			remedy: a.remedy,
			others: ": named by their own ids they are " + a.done,
			ask: func(q queue, s dlq.Summary) string {
				return fmt.Sprintf("%s %d %s of %s", strings.ToUpper(a.doing[:1])+a.doing[1:], s.Done, plural(int(s.Done), "dead letter"), q.Topic())
			},
			do: func(q queue, f dlq.Filter, dry bool, tell tellers) (dlq.Summary, error) {
				return a.do(q.Queue, cmd.Context(), dlq.Discard{
					Filter: f, Reason: *why, DryRun: dry, TakeOver: *takeOver, Progress: tell.progress, Entry: tell.placeless(),
				})
			},
		})
	}
}
