package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/redeliver/redeliver/classify"
	"github.com/redeliver/redeliver/dlq"
)

// taskView is a replay as data.
type taskView struct {
	ID        string           `json:"id"`
	Pipeline  string           `json:"pipeline"`
	Queue     string           `json:"queue"`
	State     dlq.TaskState    `json:"state"`
	Why       string           `json:"why,omitempty"`
	By        string           `json:"by"`
	Started   time.Time        `json:"started"`
	Changed   time.Time        `json:"changed"`
	Worker    string           `json:"worker,omitempty"`
	Selects   string           `json:"selects"`
	Does      string           `json:"does"`
	Done      int64            `json:"done"`
	Succeeded int64            `json:"succeeded"`
	Failed    int64            `json:"failed"`
	To        map[string]int64 `json:"to,omitempty"`
	// Skipped is what it selects and has not replayed.
	Skipped skippedView `json:"skipped"`
	// DiedAgain is counted in the dead letters, by show only.
	DiedAgain *int64 `json:"died_again,omitempty"`

	queue queue
	max   int // replays of one entry
}

// skippedView is what a replay selects and has not replayed, by the names that its summary has.
type skippedView struct {
	Replayed   int64     `json:"replayed_before"`
	Discarded  int64     `json:"discarded_before"`
	Superseded int64     `json:"superseded"`
	Parked     int64     `json:"parked"`
	Limited    int64     `json:"replay_limit"`
	OtherGroup int64     `json:"other_group"`
	LeftOut    []leftOut `json:"left_out"`
	KeptLost   bool      `json:"kept_lost,omitempty"` // the index was emptied: nobody knows how much it lost
	Taken      int64     `json:"taken,omitempty"`     // by retention, at most: offsets

	left int64 // that somebody should look at
}

func viewSkipped(q queue, s dlq.Skipped) skippedView {
	return skippedView{s.Replayed, s.Discarded, s.Superseded, s.Parked, s.Limited, s.OtherGroup, viewLeftOut(q, s.LeftOut), s.KeptLost, s.Taken, s.Left()}
}

// keptLost is what people are told where that is so.
const keptLost = "what only the index kept and had not been replayed is gone, for the index was emptied since: nobody knows how much that was"

// byRetention is what people are told of how many records retention took at most.
func byRetention(n int64) string {
	return fmt.Sprintf("up to %d %s of what it covers taken by retention since it was started, not known to be dealt with (copies, ends of transactions and what the filters leave out count, too)", n, plural(int(n), "record"))
}

// text says what was left out and why, a line each.
func (s skippedView) text(max int) []string {
	var lines []string
	add := func(n int64, format string, args ...any) {
		if n > 0 {
			lines = append(lines, fmt.Sprintf("%d ", n)+fmt.Sprintf(format, args...))
		}
	}
	add(s.Replayed, "replayed before")
	add(s.Discarded, "discarded before")
	add(s.Superseded, "replayed before, and dead letters anew")
	add(s.Parked, "parked")
	add(s.Limited, "replayed %d %s or more", max, plural(max, "time"))
	for _, l := range s.LeftOut {
		add(l.Count, "%s (for example %s)", l.Why, l.ID)
	}
	add(s.OtherGroup, "of another consumer group")
	if s.KeptLost {
		lines = append(lines, keptLost)
	}
	if s.Taken > 0 {
		lines = append(lines, byRetention(s.Taken))
	}
	return lines
}

func viewTask(q queue, t dlq.Task) taskView {
	does := doesText(t.Replay, q.redact)
	if t.AnyGroup && q.attended() { // of another program's dead letters all are
		does += ", also what is of another consumer group"
	}
	return taskView{
		Skipped: viewSkipped(q, t.Skipped), queue: q, max: t.Replay.MaxReplays,
		ID: t.ID, Pipeline: q.pipeline.Name, Queue: q.Topic(), State: t.State, Why: q.redact.String(t.Why), By: t.By, Started: t.At.UTC(), Changed: t.Change.UTC(),
		Worker: t.Worker.By, Selects: selectsText(t.Replay.Filter, q.redact), Does: does, Done: t.Done, Succeeded: t.Succeeded, Failed: t.Failed, To: t.To,
	}
}

// selectsText says in flags what a filter selects, without what is hidden.
func selectsText(f dlq.Filter, redact *dlq.Redaction) string {
	if flags := selectingFlags(f, redact); len(flags) > 0 {
		return strings.Join(flags, " ")
	}
	return "all that are to be dealt with"
}

// selectingFlags are the flags of a filter, each with its value as a shell takes it, without what is hidden.
func selectingFlags(f dlq.Filter, redact *dlq.Redaction) []string {
	var text []string
	flag := func(name, value string) {
		if value != "" {
			text = append(text, "--"+name+" "+shellWord(value))
		}
	}
	for _, id := range f.IDs {
		flag("id", id)
	}
	if f.Class != classify.None {
		flag("class", f.Class.String())
	}
	if f.Severity != classify.SeverityNone {
		flag("severity", f.Severity.String())
	}
	flag("reason", string(f.Reason))
	flag("topic", f.Topic)
	if !f.Since.IsZero() {
		flag("since", f.Since.UTC().Format(time.RFC3339Nano))
	}
	if !f.Until.IsZero() {
		flag("until", f.Until.UTC().Format(time.RFC3339Nano))
	}
	if !f.ExpiringBefore.IsZero() {
		flag("expiring", f.ExpiringBefore.UTC().Format(time.RFC3339Nano))
	}
	if f.Key != nil {
		text = append(text, "--key "+shellWord(string(redact.Bytes(f.Key))))
	}
	if f.Error != nil {
		flag("error", redact.String(f.Error.String()))
	}
	flag("text", redact.String(f.Text))
	for _, print := range f.Fingerprints {
		flag("fingerprint", print.String())
	}
	for _, status := range f.Status {
		flag("status", status.String())
	}
	if f.All {
		text = append(text, "--all")
	}
	if f.Limit > 0 {
		flag("limit", strconv.Itoa(f.Limit))
	}
	return text
}

// doesText says in words what a replay does with what it selects, without what is hidden.
func doesText(r dlq.Replay, redact *dlq.Redaction) string {
	text := []string{"to " + string(r.To)}
	if r.To == "" {
		text[0] = "to " + string(dlq.OwnTier)
	}
	add := func(is bool, format string, args ...any) {
		if is {
			text = append(text, fmt.Sprintf(format, args...))
		}
	}
	add(r.To.Cluster() != "", "each at least once")
	add(r.Rate > 0, "%s", rateText(r.Rate))
	add(r.Canary > 0, "%d first, the rest if %.4g %% of them succeed", r.Canary, 100*orAll(r.CanaryRate))
	add(r.Concurrency > 0, "%d at a time", r.Concurrency)
	add(r.StopAt > 0, "stop when more than %.4g %% fail", 100*r.StopAt)
	add(r.Wait, "wait for outcomes")
	add(r.Again, "again what was replayed")
	add(r.MaxReplays > 0 && r.MaxReplays != dlq.DefaultMaxReplays, "up to %d replays of one", r.MaxReplays)
	add(r.MaxReplays < 0, "however often replayed")
	for _, h := range r.SetHeaders {
		add(true, "set header %s", h.Key)
	}
	for _, name := range r.UnsetHeaders {
		add(true, "unset header %s", name)
	}
	add(r.SetKey != nil, "set key %q", redact.Bytes(r.SetKey))
	add(r.JQ != "", "jq %s", redact.String(r.JQ))
	return strings.Join(text, ", ")
}

// rateText is a rate as --rate takes it, with up to four digits that matter.
func rateText(rate float64) string {
	unit := "s"
	for _, longer := range []string{"m", "h"} {
		if rate >= 1 {
			break
		}
		rate, unit = 60*rate, longer
	}
	decimals := math.Pow10(max(3-int(math.Log10(rate)), 0))
	return strconv.FormatFloat(math.Round(rate*decimals)/decimals, 'f', -1, 64) + "/" + unit
}

func orAll(share float64) float64 {
	if share == 0 {
		return 1
	}
	return share
}

func newReplayListCommand(p *program) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List replays, the latest first: those that have not ended, and the last hundred that have",
		Args:  noArguments,
	}
	format, flags := addOutput(cmd), p.addQueueFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		qs, err := p.openQueues(cmd.Context(), flags, false)
		if err != nil {
			return err
		}
		defer qs.close()
		rows := newRows(p.out, *format, taskColumns()...)
		listed := 0
		err = p.each(qs, func(q queue) error {
			tasks, err := q.Tasks(cmd.Context())
			if err != nil {
				return err
			}
			listed += len(tasks)
			for _, t := range tasks {
				if err := rows.add(viewTask(q, t)); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		if listed == 0 {
			fmt.Fprintln(p.err, "No replay is known: none was started, or the dead letters are in another queue, which --queue names.")
		}
		return rows.close()
	}
	return cmd
}

func taskColumns() []column[taskView] {
	return []column[taskView]{
		{title: "REPLAY", cell: func(t taskView) string { return t.ID }},
		{title: "QUEUE", cell: func(t taskView) string { return t.Queue }},
		{title: "STATE", cell: func(t taskView) string { return string(t.State) }},
		{title: "REPLAYED", right: true, cell: func(t taskView) string { return strconv.FormatInt(t.Done, 10) }},
		{title: "FAILED", right: true, cell: func(t taskView) string {
			if t.Done > 0 && t.Succeeded+t.Failed == 0 {
				return "-" // nobody waited for outcomes, or none is known yet: what died again show counts
			}
			return strconv.FormatInt(t.Failed, 10)
		}},
		{title: "LEFT OUT", right: true, cell: func(t taskView) string { return strconv.FormatInt(t.Skipped.left, 10) }},
		{title: "STARTED", cell: func(t taskView) string { return t.Started.Local().Format(time.DateTime) }},
		{title: "BY", cell: func(t taskView) string { return t.By }},
		{title: "SELECTS", cell: func(t taskView) string { return clip(t.Selects, 60) }},
		{title: "WHY", cell: func(t taskView) string { return clip(t.Why, 60) }},
	}
}

// addQueueFlags gives a command the one flag that says whose dead letters it is about.
func (p *program) addQueueFlags(cmd *cobra.Command) *filterFlags {
	flags := &filterFlags{cmd: cmd}
	cmd.Flags().StringVar(&flags.pipeline, "pipeline", "", "the pipeline's `name`; may be left out")
	_ = cmd.RegisterFlagCompletionFunc("pipeline", p.completePipelines)
	addQueueFlag(cmd, flags)
	return flags
}

// addUnredacted gives a command the flag that shows what the configuration hides.
func addUnredacted(cmd *cobra.Command, f *filterFlags) {
	cmd.Flags().BoolVar(&f.whole, "unredacted", false, "with what dlq.redact of the configuration hides")
}

// addQueueFlag gives a command the flag that names the dead letters of another program.
func addQueueFlag(cmd *cobra.Command, f *filterFlags) {
	cmd.Flags().StringVar(&f.queue, "queue", "", "instead of the pipeline's own dead letters those in this `topic`, of Spring, SmallRye, Kafka Connect or a share group")
}

// withTask calls f with the queue that has a replay.
func (p *program) withTask(ctx context.Context, flags *filterFlags, id string, f func(q queue, t dlq.Task) error) error {
	qs, err := p.openQueues(ctx, flags, false)
	if err != nil {
		return err
	}
	defer qs.close()
	for _, q := range qs.all {
		t, err := q.Task(ctx, id)
		switch {
		case errors.Is(err, dlq.ErrNoTask), errors.Is(err, dlq.ErrNoTopic):
			continue
		case err != nil:
			return p.granting(q, err)
		}
		return f(q, t)
	}
	elsewhere := ""
	if flags.queue == "" { // whose replays no list shows that does not name it
		elsewhere = "; one of another program's dead letters is found with --queue"
	}
	return fmt.Errorf("%s: there is no such replay: see `%s`%s", id, p.commandLike("replay list", flags), elsewhere)
}

func newReplayShowCommand(p *program) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "show REPLAY",
		Short: "Show one replay: what it does, how far it is, and how much of it died again",
		Args:  argument("a replay", false),
	}
	format, flags := addOutput(cmd), p.addQueueFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return p.withTask(cmd.Context(), flags, args[0], func(q queue, t dlq.Task) error {
			view := viewTask(q, t)
			again, err := q.DiedAgain(cmd.Context(), t.ID)
			if err != nil {
				return err
			}
			view.DiedAgain = &again
			if *format != asTable {
				return printOne(p.out, *format, view)
			}
			return p.showTask(view)
		})
	}
	return cmd
}

func (p *program) showTask(t taskView) error {
	lines := [][]string{
		{"replay", t.ID}, {"queue", t.Queue}, {"pipeline", t.Pipeline}, {"state", string(t.State)},
		{"selects", t.Selects}, {"does", t.Does}, {"started", t.Started.Local().Format(time.DateTime) + " by " + t.By},
		{"changed", t.Changed.Local().Format(time.DateTime)}, {"replayed", strconv.FormatInt(t.Done, 10)},
	}
	if len(t.To) > 0 {
		lines = append(lines, []string{"to", topicsText(t.To)})
	}
	for i, text := range t.Skipped.text(t.max) {
		lines = append(lines, []string{[]string{"left out", ""}[min(i, 1)], text})
	}
	if t.Why != "" {
		lines = append(lines, []string{"why", t.Why})
	}
	if t.Worker != "" {
		lines = append(lines, []string{"worker", t.Worker})
	}
	if t.Succeeded+t.Failed > 0 {
		lines = append(lines, []string{"outcomes", fmt.Sprintf("%d succeeded, %d failed again", t.Succeeded, t.Failed)})
	}
	lines = append(lines, []string{"died again", strconv.FormatInt(*t.DiedAgain, 10)})
	for _, line := range lines {
		line[1] = printable(line[1])
	}
	if err := printTable(p.out, lines, []bool{false, false}); err != nil {
		return err
	}
	if !t.State.Ended() && t.State != dlq.TaskRunning {
		_, err := fmt.Fprintf(p.out, "\nGo on with it:  %s\n", p.commandOf("replay resume "+t.ID, t.queue, ""))
		return err
	}
	return nil
}

func newReplayPauseCommand(p *program) *cobra.Command {
	return p.newReplayEndCommand("pause", "Pause a replay, wherever it runs", dlq.TaskPaused, func(ctx context.Context, q queue, id string) (dlq.Task, error) { return q.Pause(ctx, id) })
}

func newReplayCancelCommand(p *program) *cobra.Command {
	return p.newReplayEndCommand("cancel", "End a replay for good, wherever it runs", dlq.TaskCancelled, func(ctx context.Context, q queue, id string) (dlq.Task, error) { return q.Cancel(ctx, id) })
}

// newReplayEndCommand makes a command that ends the work on a replay.
func (p *program) newReplayEndCommand(name, short string, done dlq.TaskState, end func(context.Context, queue, string) (dlq.Task, error)) *cobra.Command {
	cmd := &cobra.Command{
		Use:   name + " REPLAY",
		Short: short,
		Args:  argument("a replay", false),
	}
	change, flags := addChangeFlags(cmd), p.addQueueFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return p.withTask(cmd.Context(), flags, args[0], func(q queue, t dlq.Task) error {
			if t.State == done && t.Worker.Run == "" { // nobody need be asked
				fmt.Fprintf(p.out, "%s is %s already, with %d %s replayed\n", t.ID, done, t.Done, plural(int(t.Done), "dead letter"))
				return nil
			}
			if t.State.Ended() {
				return fmt.Errorf("%w: replay %s is %s", dlq.ErrTaskEnded, t.ID, t.State)
			}
			what := fmt.Sprintf("%s replay %s of %s, which is %s", strings.ToUpper(name[:1])+name[1:], t.ID, q.Topic(), t.State)
			if change.dryRun {
				fmt.Fprintln(p.out, "dry run: would "+strings.ToLower(what[:1])+what[1:])
				return nil
			}
			if _, err := p.confirm(change, what); err != nil {
				return err
			}
			t, err := end(cmd.Context(), q, t.ID)
			if err != nil {
				return err
			}
			fmt.Fprintf(p.out, "%s: %s, with %d %s replayed\n", t.ID, done, t.Done, plural(int(t.Done), "dead letter"))
			return nil
		})
	}
	return cmd
}

func newReplayResumeCommand(p *program) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "resume REPLAY",
		Short: "Go on with a replay that waits, was paused, or whose process or machine is gone",
		Args:  argument("a replay", false),
	}
	format, change, flags, takeOver := addOutput(cmd), addChangeFlags(cmd), p.addQueueFlags(cmd), addTakeOver(cmd)
	flags.addNoIndex()
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return p.withTask(cmd.Context(), flags, args[0], func(q queue, t dlq.Task) error {
			if t.State.Ended() {
				return fmt.Errorf("%w: replay %s is %s", dlq.ErrTaskEnded, t.ID, t.State)
			}
			if err := q.Check(t.Replay); err != nil {
				return err
			}
			if err := p.reachCluster(cmd.Context(), q.config, t.Replay.To.Cluster()); err != nil {
				return err
			}
			if change.dryRun {
				fmt.Fprintf(p.out, "dry run: would go on with replay %s of %s: %s, %s; %d replayed so far\n", t.ID, q.Topic(), selectsText(t.Replay.Filter, q.redact), doesText(t.Replay, q.redact), t.Done)
				return nil
			}
			if _, err := p.confirm(change, fmt.Sprintf("Go on with replay %s of %s (%s, %s)", t.ID, q.Topic(), selectsText(t.Replay.Filter, q.redact), doesText(t.Replay, q.redact))); err != nil {
				return err
			}
			report := &changeReport{program: p, flags: flags, chore: replayChore(t.Replay), format: *format, found: make(map[string]bool)}
			report.chore.task, report.resume = t.ID, report.resuming(q, t.ID) // there is a replay, whatever comes of this call
			s, err := q.Resume(cmd.Context(), t.ID, dlq.Work{TakeOver: *takeOver, Progress: report.doing(q).progress})
			report.endProgress()
			err = p.busy(q, err)
			return report.end(errors.Join(err, report.add(q, s, err)))
		})
	}
	return cmd
}

func newReplayStartCommand(p *program) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "start",
		Short: "Write a replay down, for another process to work on",
		Long: `Write a replay down in the ledger, with what it selects as it is now, and print its id. A 'redeliver run' of the pipeline takes it
up within some seconds, and another one goes on with it where that one is killed; 'redeliver replay show ID' says how far it is. Without one,
and of the dead letters of another program (--queue), which no 'redeliver run' looks after, 'redeliver replay resume ID' works on it, on any
machine that reaches the brokers. 'redeliver replay' does both at once.`,
		Example: "  redeliver replay start --class network --rate 100/s --canary 10\n  redeliver replay show 20251123-121320-5f1c",
		Args:    noArguments,
	}
	format, change := addOutput(cmd), addChangeFlags(cmd)
	flags, o := p.addFilterFlags(cmd, 0), addReplayFlags(cmd)
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
		c.filter, c.starts = filter, make(map[string]bool)
		c.ask = func(q queue, s dlq.Summary) string { return "Start a task: " + replayQuestion(q, replay, s) }
		c.do = func(q queue, f dlq.Filter, dry bool, tell tellers) (dlq.Summary, error) {
			r := replay
			r.Filter, r.DryRun, r.Progress, r.Entry = f, dry, tell.progress, tell.entry
			if dry {
				return q.Replay(cmd.Context(), r)
			}
			t, err := q.Start(cmd.Context(), r)
			if err != nil {
				return dlq.Summary{}, err // it did not begin
			}
			c.starts[t.ID] = t.Kept
			return dlq.Summary{Task: t.ID, Took: time.Since(t.At), Complete: true}, nil
		}
		return p.changeQueues(cmd.Context(), flags, change, *format, c)
	}
	return cmd
}
