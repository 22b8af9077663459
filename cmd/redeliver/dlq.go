package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/redeliver/redeliver/dlq"
	"github.com/redeliver/redeliver/internal/config"
	"github.com/redeliver/redeliver/internal/jq"
	"github.com/redeliver/redeliver/retrytopics"
)

func newDLQCommand(p *program) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "dlq",
		Short: "List, show, group, edit, park, discard, export and import dead letters",
		Long: `List, show, group, edit, park, discard, export and import dead letters. 'redeliver replay' puts them back to work.

The dead letters of other programs - Spring for Apache Kafka, SmallRye, Kafka Connect, share groups - are named by --queue TOPIC and worked
on just the same, by their headers.

What was replayed, discarded or parked is written down in a ledger, a compacted topic beside the dead-letter topic, and left out
from then on unless --status or --all asks for it. What was written to the dead-letter topic is never changed.`,
		Args: noSuchCommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newDLQListCommand(p), newDLQShowCommand(p), newDLQStatsCommand(p), newDLQDiscardCommand(p), newDLQParkCommand(p), newDLQReopenCommand(p), newDLQRenewCommand(p), newDLQPurgeCommand(p), newDLQTailCommand(p), newDLQEditCommand(p), newDLQExportCommand(p), newDLQImportCommand(p))
	return cmd
}

// queue is a dead-letter topic of a pipeline.
type queue struct {
	*dlq.Queue
	config   *config.Config
	pipeline *config.Pipeline
	source   string // the topic whose records die there; "" where it is foreign
	foreign  bool   // another program keeps it
	redact   *dlq.Redaction
	registry config.SchemaRegistry
	ids      []string // of the filter, those that may be of this queue; nil: the filter names none
}

// queues are the dead-letter topics that a command works on.
type queues struct {
	all     []queue
	missing []string // ids that are of none of them
	close   func()
}

// attended says whether a running pipeline takes up the queue's replays, as the caretaker does: those of another program's dead letters none does, for no
// configuration names them.
func (q queue) attended() bool {
	return !q.foreign || slices.ContainsFunc(q.config.Pipelines, func(one config.Pipeline) bool { return one.DLQ.Enabled && one.Names().MatchDLQ(q.Topic()) })
}

// opener opens a dead-letter topic for a pipeline.
type opener func(one *config.Pipeline, topic string, options ...dlq.Option) (*dlq.Queue, error)

// openQueues opens the dead-letter topics of the pipelines that the filter selects. For a change it must be one pipeline.
// The caller closes them.
func (p *program) openQueues(ctx context.Context, f *filterFlags, change bool) (*queues, error) {
	c, err := p.load()
	if err != nil {
		return nil, err
	}
	selected, err := selectPipelines(c, f, change)
	if err != nil {
		return nil, err
	}
	return p.openQueuesOf(ctx, c, selected, f, change)
}

// selectPipelines returns the pipelines whose dead letters the filter selects. It asks the cluster nothing.
func selectPipelines(c *config.Config, f *filterFlags, change bool) ([]*config.Pipeline, error) {
	selected, err := pipelines(c, f.pipeline)
	if err == nil && (change && len(f.ids) == 0 || f.queue != "") {
		_, err = pipeline(c, f.pipeline) // several are too much to change at once, unless ids say which entries
		selected = selected[:1]
	}
	if err != nil {
		return nil, err
	}
	selected = slices.DeleteFunc(selected, func(one *config.Pipeline) bool { return f.queue == "" && !one.DLQ.Enabled })
	if len(selected) == 0 {
		return nil, usagef("dead letters are not enabled: see %s", c.At(c.Pipelines[0].Path("dlq.enabled")))
	}
	return selected, nil
}

// openQueuesOf opens the dead-letter topics of these pipelines.
func (p *program) openQueuesOf(ctx context.Context, c *config.Config, selected []*config.Pipeline, f *filterFlags, change bool) (*queues, error) {
	client, err := p.connect(ctx, c)
	if err != nil {
		return nil, err
	}
	qs := &queues{close: client.Close}
	if change {
		if err := p.startTracing(ctx, func(err error, _ int64) { fmt.Fprintln(p.err, "spans are not sent:", err) }); err != nil {
			client.Close()
			return nil, err
		}
	}
	open := func(_ *config.Pipeline, topic string, options ...dlq.Option) (*dlq.Queue, error) {
		return dlq.Open(client, topic, p.traced(options)...)
	}
	if f.noIndex && c.Index.Kind != "none" && c.Index.Keep > 0 {
		fmt.Fprintln(p.err, "without the index: what the topics have lost and it keeps (index.keep) is not there")
	}
	if !f.noIndex && c.Index.Kind != "none" {
		x, err := p.openIndexes(ctx, c, client)
		if err != nil {
			qs.close()
			return nil, err
		}
		if x != nil {
			p.indexes = x
			qs.close = func() { x.close(); client.Close() }
			open = func(one *config.Pipeline, topic string, options ...dlq.Option) (*dlq.Queue, error) {
				return dlq.Open(client, topic, append(slices.Clone(p.traced(options)), x.option(topic, one.Redaction()))...)
			}
		}
	}
	for _, one := range selected {
		if f.queue != "" {
			err := qs.addForeign(c, one, f.queue, open)
			if err == nil {
				err = refuseInternal(ctx, kadm.NewClient(client), f.queue)
			}
			if err != nil {
				qs.close()
				return nil, err
			}
			continue
		}
		sources, err := sourcesOf(ctx, kadm.NewClient(client), one)
		if err == nil {
			err = qs.add(c, one, sources, f.topic, open)
		}
		if err != nil {
			qs.close()
			return nil, err
		}
	}
	for i := range qs.all {
		if qs.all[i].registry = c.Registry; !f.whole {
			qs.all[i].redact = qs.all[i].pipeline.Redaction()
		}
	}
	if err := p.resolve(ctx, qs, f); err != nil {
		qs.close()
		return nil, err
	}
	return qs, nil
}

// sourcesOf are the topics that the pipeline reads; the cluster is asked only when a pattern is among them.
func sourcesOf(ctx context.Context, adm *kadm.Client, one *config.Pipeline) ([]string, error) {
	var existing []string
	if slices.ContainsFunc(one.Topics, func(topic string) bool { _, is := config.Pattern(topic); return is }) {
		topics, err := adm.ListTopics(ctx)
		if err != nil {
			return nil, fmt.Errorf("list the topics: %w", err)
		}
		existing = topics.Names()
	}
	return one.Sources(existing), nil
}

// add opens the queues of one pipeline; of one source topic only when that is asked for.
func (qs *queues) add(c *config.Config, one *config.Pipeline, sources []string, only string, open opener) error {
	names := one.Names()
	options, err := queueOptions(c, one)
	if err != nil {
		return err
	}
	if holdsKeys(one) {
		options = append(options, dlq.KeysAreHeld())
	}
	if slices.Contains(sources, only) {
		sources = []string{only}
	}
	for _, source := range sources {
		topic := names.DLQTopic(source)
		if slices.ContainsFunc(qs.all, func(q queue) bool { return q.Topic() == topic }) {
			continue
		}
		q, err := open(one, topic, options...)
		if err != nil {
			return err
		}
		qs.all = append(qs.all, queue{Queue: q, config: c, pipeline: one, source: source})
	}
	return nil
}

// queueOptions say how the dead letters of a pipeline are worked on.
func queueOptions(c *config.Config, one *config.Pipeline) ([]dlq.Option, error) {
	schedule, err := one.Policy().Compile()
	if err != nil {
		return nil, err
	}
	names, tiers := one.Names(), schedule.Tiers()
	options := []dlq.Option{
		dlq.ForGroup(one.Group), dlq.RetryNames(namesOfAll(c, one)...), dlq.JQ(jq.Compile), dlq.HeaderLimit(int(one.HeaderLimit)), dlq.HeaderDialects(one.HeaderDialects()...),
	}
	if len(tiers) > 0 {
		options = append(options, dlq.FirstTier(func(origin string) string { return names.RetryTopic(origin, tiers[0]) }))
	}
	if !c.Topics.Create {
		options = append(options, dlq.LedgerExists())
	}
	for _, one := range c.Clusters {
		reach, err := one.ClientOptions()
		if err != nil {
			return nil, fmt.Errorf("cluster %s: %w", one.Name, err)
		}
		options = append(options, dlq.Cluster(one.Name, reach...))
	}
	return options, nil
}

// holdsKeys says whether a pipeline keeps keys closed while it has dead letters of them.
func holdsKeys(one *config.Pipeline) bool { return one.Retry.OnDeadLetter == "hold" }

// holdsKeysFor says whether some pipeline keeps keys closed for the dead letters in a topic: for its own, whoever names them, and for those of no other program.
func holdsKeysFor(c *config.Config, topic string) bool {
	return slices.ContainsFunc(c.Pipelines, func(one config.Pipeline) bool {
		return one.DLQ.Enabled && holdsKeys(&one) && one.Names().MatchDLQ(topic)
	})
}

// namesOfAll are the names of the pipeline's topics, and of the others': what another program dead-lettered may be of any.
func namesOfAll(c *config.Config, one *config.Pipeline) []retrytopics.Names {
	names := []retrytopics.Names{one.Names()}
	for i := range c.Pipelines {
		names = append(names, c.Pipelines[i].Names())
	}
	return names
}

// addForeign opens a dead-letter topic of another program, whose entries that name no group are taken for the pipeline's.
func (qs *queues) addForeign(c *config.Config, one *config.Pipeline, topic string, open opener) error {
	if retrytopics.Legal(topic) != topic {
		return usagef("--queue %q: want the name of a dead-letter topic", topic)
	}
	if is := otherThanDead(c, topic); is != "" {
		return notDead(topic, is)
	}
	options, err := queueOptions(c, one)
	if err != nil {
		return err
	}
	if holdsKeysFor(c, topic) {
		options = append(options, dlq.KeysAreHeld())
	}
	q, err := open(one, topic, append(options, dlq.AnyGroup())...)
	if err != nil {
		return err
	}
	qs.all = append(qs.all, queue{Queue: q, config: c, pipeline: one, foreign: true})
	return nil
}

func notDead(topic, is string) error {
	return usagef("--queue %s: %s; name one that holds dead letters of another program", topic, is)
}

// refuseInternal asks the cluster whether it keeps a topic for itself. Where it does not tell, whatever reads the topic says why.
func refuseInternal(ctx context.Context, adm *kadm.Client, topic string) error {
	if topics, err := adm.ListTopics(ctx, topic); err == nil && topics[topic].IsInternal {
		return notDead(topic, "the cluster keeps that topic for itself")
	}
	return nil
}

// otherThanDead says what a topic is that pipelines work with, if not dead letters: to purge it would lose what is still to be handled, or what became of
// dead letters. "" for any other topic.
func otherThanDead(c *config.Config, topic string) string {
	if retrytopics.IsInternal(topic) { // not all brokers say so
		return "that is one of Kafka's own"
	}
	if letters, is := strings.CutSuffix(topic, dlq.LedgerTopic("")); is {
		return "that is the ledger of " + letters
	}
	if c.HasFleet() && topic == c.Fleet.Topic {
		return "that is the control topic of the fleet"
	}
	for i := range c.Pipelines {
		one := &c.Pipelines[i]
		if slices.Contains(one.Sources([]string{topic}), topic) {
			return "pipeline " + one.Name + " reads that topic"
		}
		if _, _, is := one.Names().Match(topic); is {
			return "that is a retry topic of pipeline " + one.Name
		}
	}
	return ""
}

// resolve gives each queue the ids that may be of it, and leaves out those that have none where ids are given. An entry's
// id says which queue it is of by its tag; that of an origin may be of any.
func (p *program) resolve(ctx context.Context, qs *queues, f *filterFlags) error {
	ids := f.ids
	if len(ids) == 0 {
		return nil
	}
	taken := make(map[string]bool)
	for i := range qs.all {
		q := &qs.all[i]
		own, err := q.Tag(ctx)
		if errors.Is(err, dlq.ErrNoTopic) {
			continue
		}
		if err != nil {
			return p.granting(*q, err)
		}
		for _, id := range ids {
			tag := dlq.IDTag(id)
			if tag == "" && !strings.Contains(id, "/") && len(qs.all) > 1 {
				return usagef("%q may be of several queues: give the id whole, as `%s` shows it%s", id, p.commandLike("dlq list", f), qs.narrowed(f))
			}
			if tag == own || tag == "" {
				q.ids, taken[id] = append(q.ids, id), true
			}
		}
	}
	qs.all = slices.DeleteFunc(qs.all, func(q queue) bool { return len(q.ids) == 0 })
	for _, id := range ids {
		if !taken[id] {
			qs.missing = append(qs.missing, id)
		}
	}
	return nil
}

// entryOf looks one up by its id, which has to be that of one queue's only: records of one origin die in the queue of each group that reads it.
func (p *program) entryOf(ctx context.Context, qs *queues, id string) (of queue, found dlq.Entry, err error) {
	var all []string
	by := ""
	for _, q := range qs.all {
		e, err := q.Entry(ctx, id)
		var several *dlq.SeveralEntriesError
		switch {
		case errors.As(err, &several):
			for _, one := range several.Entries {
				all = append(all, fmt.Sprintf("%s (pipeline %s, %s, %s, died %s)", one.ID, q.pipeline.Name, q.Topic(), one.Status, clockText(one.Died)))
			}
			continue
		case errors.Is(err, dlq.ErrNoEntry), errors.Is(err, dlq.ErrNoTopic):
			continue
		case err != nil:
			return q, e, p.granting(q, err)
		case len(all) == 0:
			of, found = q, e
		case q.pipeline != of.pipeline:
			by = ", or say --pipeline"
		}
		all = append(all, fmt.Sprintf("%s (pipeline %s, %s)", e.ID(), q.pipeline.Name, q.Topic()))
	}
	switch len(all) {
	case 0:
		for _, q := range qs.all {
			p.tellBehind(ctx, q, shownLater)
		}
		return of, found, fmt.Errorf("%s: %w: retention or a purge took it, its topic was made again, it stands behind an open transaction, or it is of another pipeline", id, dlq.ErrNoEntry)
	case 1:
		return of, found, nil
	}
	last := len(all) - 1
	return of, found, usagef("%s is of several dead letters, %s and %s: name one by its own id%s", id, strings.Join(all[:last], ", "), all[last], by)
}

// narrowed says by which other flags of the command one queue is selected.
func (qs *queues) narrowed(f *filterFlags) string {
	var by []string
	if slices.ContainsFunc(qs.all, func(q queue) bool { return q.pipeline != qs.all[0].pipeline }) {
		by = append(by, "--pipeline")
	}
	if f.cmd.Flags().Lookup("topic") != nil {
		by = append(by, "--topic")
	}
	if len(by) == 0 {
		return ""
	}
	return ", or say " + strings.Join(by, " or ")
}

// each calls f with every queue. A pipeline's whose topic does not exist has no dead letters, which is told; one that was named has another name.
func (p *program) each(qs *queues, f func(q queue) error) error {
	for _, q := range qs.all {
		err := f(q)
		switch {
		case errors.Is(err, dlq.ErrNoTopic) && q.foreign:
			return fmt.Errorf("--queue: %w: is that its name?", err)
		case errors.Is(err, dlq.ErrNoTopic):
			fmt.Fprintf(p.err, "pipeline %s: %v; see `%s`\n", q.pipeline.Name, err, p.command("topics plan"))
			continue
		}
		if err != nil {
			return p.granting(q, err)
		}
	}
	return nil
}

// granting says what to grant where the error is that the user may not do something with a topic of the queue.
func (p *program) granting(q queue, err error) error {
	switch {
	case !errors.Is(err, kerr.TopicAuthorizationFailed):
		return err
	case !q.attended():
		return fmt.Errorf("%w; this user needs Describe and Read on %s and %s, and Write on the latter to change anything", err, q.Topic(), q.Ledger())
	}
	return fmt.Errorf("%w; `%s` prints what this user needs", err, p.command("topics acls --for operate --pipeline "+shellWord(q.pipeline.Name)))
}
