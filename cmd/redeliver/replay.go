package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/dlq"
	"github.com/redeliver/redeliver/internal/jq"
)

func newReplayCommand(p *program) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "replay",
		Short: "Put dead letters back to work",
		Long: `Put dead letters back to work: by default into the first retry topic of their own consumer group, so that no other group sees
them again. They are due at once and their attempts are counted afresh.

It covers what is in the dead-letter topic when it starts and returns when all of it is acknowledged. Each record is
written together with its mark in the ledger, in one transaction: a run that is interrupted is gone on with by running it
again, with any filters, and nothing is replayed twice. What was replayed is left out from then on, unless it died again
or --again is said, which leaves out what died of its replay: the dead letter that it became stands for it. Records that were
replayed --max-replays times are left out and marked replay_limit.

With retry.on_dead_letter: hold the records of a key go in the order in which they first stood. One that stands behind another
dead record of its key is left out while that one stays; when all are replayed or discarded the key is open again. What comes for the
key in the meantime follows it: replay again, or pause the pipeline meanwhile.

It is a task: 'redeliver replay list' shows it, from any machine it can be paused and cancelled, and 'replay resume' goes on with it
when this process or this machine is gone. With --canary, --concurrency, --stop-at or --wait it waits for outcomes: what was
replayed has succeeded when its group has committed past it with no copy left in a retry topic, and failed when it is a dead
letter again, in the dead-letter topic that it is replayed from or in its pipeline's. That needs the pipeline to run; after ten minutes
without any outcome the replay pauses. With --stop-at no more entries are without an outcome than outcomes are known, or ten: so much is
at stake when all of it fails.

What another program is given back on its source is followed where the program tells: its group commits what it has read there, and its dead
letters come to --queue. Of share groups, and of programs that retry over topics of their own (@RetryableTopic), that cannot be known: with
these flags such entries are left out, and told. A dead letter that names no group, as SmallRye's, is taken for one of the pipeline's group.

Dead letters of share groups have by default neither key nor value of their records, and never the headers: a replay reads these at the origin. Where
nothing of a record is left, there or in its dead letter, it is left out, and told.

With @NAME behind --to the records go to another cluster, which clusters in the configuration names. No transaction spans two clusters: each
record is written there at least once, and marked when it is acknowledged. What was cut off between the two is written there once more
by the next run; its id, the idempotency key, is the same. Outcomes there are not known.

One replay or discard of a dead-letter topic is under way at a time: another one is refused meanwhile, unless it is told to
--take-over. One that was killed counts as under way for 15 seconds.

Exit status 3 says that some dead letters were left out, or that it was interrupted on the way, and the summary says which
and why. Those of other consumer groups, which share the topic, are told and are no reason for it.`,
		Example: `  redeliver replay --dry-run
  redeliver replay --class network --since 2h --rate 100/s
  redeliver replay --fingerprint k3f9qa --canary 10 --stop-at 20%
  redeliver replay --error 'amount' --jq '.amount |= tonumber' --dry-run
  redeliver replay --id k7qp-3-1042 --yes
  redeliver replay --to topic:orders-by-hand --set-header fixed-by=ann
  redeliver replay --to source@west --dry-run`,
		Args: noArguments,
	}
	format, change := addOutput(cmd), addChangeFlags(cmd)
	flags := p.addFilterFlags(cmd, 0)
	cmd.Flags().Lookup("limit").Usage = "replay at most so many, the first in the order of list; those left out do not count; 0: all"
	o, takeOver := addReplayFlags(cmd), addTakeOver(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		filter, err := flags.filter(time.Now())
		if err != nil {
			return err
		}
		replay, err := o.replay(filter)
		if err != nil {
			return err
		}
		c := replayChore(replay)
		c.filter, c.takeOver = filter, *takeOver
		c.do = func(q queue, f dlq.Filter, dry bool, tell tellers) (dlq.Summary, error) {
			r := replay
			r.Filter, r.DryRun, r.TakeOver, r.Progress, r.Entry = f, dry, *takeOver, tell.progress, tell.entry
			return q.Replay(cmd.Context(), r)
		}
		return p.changeQueues(cmd.Context(), flags, change, *format, c)
	}
	cmd.AddCommand(newReplayStartCommand(p), newReplayListCommand(p), newReplayShowCommand(p), newReplayPauseCommand(p), newReplayResumeCommand(p), newReplayCancelCommand(p))
	return cmd
}

// replayChore is the chore of a replay, without what it selects and how it is done.
func replayChore(r dlq.Replay) chore {
	return chore{
		doing:   "replay",
		done:    "replayed",
		max:     r.MaxReplays,
		cluster: r.To.Cluster(),
		waits:   r.Waits(),
		edits:   func(q queue) func(dlq.Entry) string { return editsOf(q, r) },
		check:   func(q queue) error { return q.Check(r) },
		remedy:  map[dlq.Status]string{dlq.StatusReplayed: "--again replays those that have not died again", dlq.StatusDiscarded: "--status discarded replays them", dlq.StatusParked: "--status parked replays them"},
		ask:     func(q queue, s dlq.Summary) string { return replayQuestion(q, r, s) },
	}
}

// replayFlags are those of replay beside the filters.
type replayFlags struct {
	to         string
	rate       string
	maxReplays int
	setHeaders []string
	unset      []string
	setKey     string
	jq         string
	cmd        *cobra.Command
	again      bool

	concurrency int
	canary      int
	canaryRate  string
	stopAt      string
	wait        bool
}

func addReplayFlags(cmd *cobra.Command) *replayFlags {
	o := &replayFlags{cmd: cmd}
	flags := cmd.Flags()
	flags.StringVar(&o.to, "to", string(dlq.OwnTier), "`where` to: retry (the group's own first tier), source, or topic:NAME; with @CLUSTER behind it on another cluster")
	flags.StringVar(&o.rate, "rate", "", "at most so many: `100/s`, 10/m, 5000/h (default no limit)")
	flags.IntVar(&o.maxReplays, "max-replays", dlq.DefaultMaxReplays, "leave out what was replayed so often; -1: no cap")
	flags.StringArrayVar(&o.setHeaders, "set-header", nil, "set this header on the records, `name=value`; may be repeated")
	flags.StringSliceVar(&o.unset, "unset-header", nil, "take this header off the records, by its `name`; may be repeated")
	flags.StringVar(&o.setKey, "set-key", "", "give the records this `key`; with --to retry and source they keep their partition")
	flags.StringVar(&o.jq, "jq", "", "change JSON payloads by this `program` of jq, such as '.amount = 1'; they are written as jq writes them: without spaces, keys in order and each once; what is no JSON is left out")
	flags.IntVar(&o.concurrency, "concurrency", 0, "replay the next one when fewer than `n` are without an outcome: neither succeeded nor dead again (default no limit; 1000 with the flags below)")
	flags.IntVar(&o.canary, "canary", 0, "replay `n` first, wait for their outcomes, and go on only if they succeed; what the brokers refuse does not")
	flags.StringVar(&o.canaryRate, "canary-rate", "100%", "the `share` of the canaries that has to succeed")
	flags.StringVar(&o.stopAt, "stop-at", "", "stop when more than this `share` of the outcomes, from ten on, is that it died again, such as 20%; no more are without an outcome than are known, or ten")
	flags.BoolVar(&o.wait, "wait", false, "wait for the outcomes of all that is replayed")
	flags.BoolVar(&o.again, "again", false, "replay also what was replayed before")
	_ = cmd.RegisterFlagCompletionFunc("to", cobra.FixedCompletions([]string{"retry", "source", "topic:"}, cobra.ShellCompDirectiveNoFileComp|cobra.ShellCompDirectiveNoSpace))
	return o
}

func (o *replayFlags) replay(of dlq.Filter) (dlq.Replay, error) {
	r := dlq.Replay{MaxReplays: o.maxReplays, Again: o.again, Concurrency: o.concurrency, Canary: o.canary, Wait: o.wait}
	if err := refuseEmpty(o.cmd, "to", "rate", "jq", "canary-rate", "stop-at"); err != nil {
		return r, err
	}
	if err := (dlq.Replay{Filter: of}).Check(); err != nil {
		return r, usagef("--text, --since, --until: %w", err)
	}
	switch {
	case o.concurrency < 0:
		return r, usagef("--concurrency %d: want 0 for no limit, or more", o.concurrency)
	case o.canary < 0:
		return r, usagef("--canary %d: want 0 for none, or more", o.canary)
	}
	if o.maxReplays == 0 || o.maxReplays < -1 {
		return r, usagef("--max-replays %d: want 1 or more, or -1 for no cap", o.maxReplays)
	}
	var err error
	if r.To, err = dlq.ParseDestination(o.to); err != nil {
		return r, usagef("--to: %w", err)
	}
	if r.Rate, err = parseRate(o.rate); err != nil {
		return r, usagef("--rate: %w", err)
	}
	share, err := parseShare(o.canaryRate)
	switch {
	case err != nil:
		return r, usagef("--canary-rate: %w", err)
	case o.canary > 0:
		r.CanaryRate = share
	case o.cmd.Flags().Changed("canary-rate"):
		return r, usagef("--canary-rate %s: it is the share of the canaries that has to succeed, and there are none: say how many with --canary", o.canaryRate)
	}
	if o.stopAt != "" {
		if r.StopAt, err = parseShare(o.stopAt); err != nil {
			return r, usagef("--stop-at: %w", err)
		}
	}
	if err := r.Check(); err != nil {
		return r, usagef("%w", err)
	}
	for _, h := range o.setHeaders {
		name, value, ok := strings.Cut(h, "=")
		if !ok || name == "" {
			return r, usagef("--set-header %q: want name=value", h)
		}
		r.SetHeaders = append(r.SetHeaders, kgo.RecordHeader{Key: name, Value: []byte(value)})
	}
	if o.cmd.Flags().Changed("unset-header") && len(o.unset) == 0 {
		return r, usagef("--unset-header: want the name of a header")
	}
	if r.UnsetHeaders = o.unset; o.cmd.Flags().Changed("set-key") {
		r.SetKey = []byte(o.setKey)
	}
	if err := r.Check(); err != nil {
		return r, usagef("--set-header, --unset-header: %w", err) // the others were checked above
	}
	if r.JQ = o.jq; o.jq != "" {
		if _, err := jq.Compile(o.jq); err != nil {
			return r, usagef("--jq: %w", err)
		}
	}
	return r, nil
}

// parseRate reads how many a second, minute or hour, and returns how many a second; 0 for no limit.
func parseRate(text string) (float64, error) {
	if text == "" {
		return 0, nil
	}
	number, unit, found := strings.Cut(text, "/")
	if !found {
		unit = "s"
	}
	per := map[string]float64{"s": 1, "m": 60, "h": 3600}[unit]
	n, err := strconv.ParseFloat(number, 64)
	if err != nil || per == 0 || !(n > 0) || n > 1e9 {
		return 0, fmt.Errorf("%q: want a number above 0 and s, m or h, as in 100/s", text)
	}
	return n / per, nil
}

// parseShare reads a share: 20%, 0.2.
func parseShare(text string) (float64, error) {
	number, percent := strings.CutSuffix(strings.TrimSpace(text), "%")
	number = strings.TrimSpace(number)
	if percent {
		number += "e-2" // read as it is written: a hundredth of the float next to 33.3 is not the one next to 0.333
	}
	share, err := strconv.ParseFloat(number, 64)
	if err != nil || !(share > 0) || share > 1 {
		return 0, fmt.Errorf("%q: want a share above 0 and up to 1, as in 20%% or 0.2", text)
	}
	return share, nil
}

// replayQuestion says what is going to happen, and to whom else.
func replayQuestion(q queue, r dlq.Replay, s dlq.Summary) string {
	text := fmt.Sprintf("Replay %d %s of %s to %s", s.Done, plural(int(s.Done), "dead letter"), q.Topic(), topicsText(s.To))
	if r.Canary > 0 {
		text += fmt.Sprintf(", %d first", r.Canary)
	}
	if r.To.Cluster() != "" {
		text += ", on another cluster, each at least once"
	}
	if r.To != dlq.OwnTier && r.To != dlq.OwnTier.On(r.To.Cluster()) {
		text += ", where every consumer group that reads it gets them"
	}
	return text
}
