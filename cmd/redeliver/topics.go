package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/redeliver/redeliver/internal/config"
	"github.com/redeliver/redeliver/retrytopics"
)

func newTopicsCommand(p *program) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "topics",
		Short: "Show and make the topics that a configuration needs",
		Args:  noSuchCommand,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newTopicsPlanCommand(p), newTopicsApplyCommand(p), newTopicsACLsCommand(p))
	return cmd
}

func newTopicsPlanCommand(p *program) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "plan",
		Short: "Show what is to be done to retry and dead-letter topics",
		Long: `Show what is to be done to retry and dead-letter topics. Nothing is changed.

With -o strimzi it prints all of these topics as they should be, the ones that are there included, as resources KafkaTopic, and the
user with the privileges that 'redeliver topics acls' prints as a KafkaUser. The source topics are left to whoever has them.`,
		Example: "  redeliver topics plan\n  redeliver topics plan -o strimzi --strimzi-cluster main | kubectl apply -f -",
		Args:    noArguments,
	}
	format := addOutput(cmd)
	strimzi := addStrimzi(cmd, format)
	name := p.addPipelineFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := strimzi.wanted(*format); err != nil {
			return err
		}
		plans, _, done, err := p.planTopics(cmd.Context(), *name)
		if done == nil {
			return err
		}
		defer done()
		if *format == asStrimzi {
			return errors.Join(err, p.printStrimzi(strimzi, *name, plans))
		}
		return errors.Join(err, p.showPlans(*format, plans))
	}
	return cmd
}

func newTopicsApplyCommand(p *program) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "apply",
		Short: "Make and change retry and dead-letter topics as the plan says",
		Long: `Make and change retry and dead-letter topics as 'redeliver topics plan' says. It may be repeated: what is as it should be
is left alone. No topic is deleted and no record.`,
		Args: noArguments,
	}
	format := addOutput(cmd)
	name := p.addPipelineFlag(cmd)
	change := addChangeFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		plans, adm, done, partly := p.planTopics(cmd.Context(), *name)
		if done == nil {
			return partly
		}
		defer done()
		if err := p.showPlans(*format, plans); err != nil {
			return err
		}
		if nothing(plans) {
			return partly
		}
		if change.dryRun {
			fmt.Fprintln(p.err, "dry run: nothing was changed")
			return partly
		}
		if ok, err := p.confirm(change, summary(plans)); !ok {
			return err
		}
		if err := p.applyPlans(cmd.Context(), adm, plans); err != nil {
			return err
		}
		return partly
	}
	return cmd
}

// pipelinePlan is the plan of one pipeline's topics.
type pipelinePlan struct {
	Pipeline string `json:"pipeline"`
	retrytopics.Plan
}

// planTopics compares what one pipeline, or each, needs with what the cluster has. With done, which the caller calls at the
// end, there are plans, and an error says for which pipelines there are none.
func (p *program) planTopics(ctx context.Context, name string) (plans []pipelinePlan, adm *kadm.Client, done func(), err error) {
	c, err := p.load()
	if err != nil {
		return nil, nil, nil, err
	}
	chosen, err := pipelines(c, name)
	if err != nil {
		return nil, nil, nil, err
	}
	client, err := p.connect(ctx, c)
	if err != nil {
		return nil, nil, nil, err
	}
	adm = kadm.NewClient(client)
	adm.SetTimeoutMillis(15_000)
	// An operator who says apply says it whatever topics.create lets pipelines do by themselves.
	c.Topics.Create = true
	err = p.eachPipeline(ctx, chosen, "planned", func(pipeline *config.Pipeline) error {
		plan, err := planOf(ctx, adm, c.Topics, pipeline)
		if err != nil {
			return err
		}
		plans = append(plans, pipelinePlan{pipeline.Name, whole(plan)})
		return nil
	})
	if plan, planned, controlErr := planControl(ctx, adm, c, chosen); planned {
		plans = append(plans, plan)
	} else if controlErr != nil {
		err = errors.Join(err, controlErr)
	}
	if len(plans) == 0 {
		client.Close()
		return nil, nil, nil, err
	}
	return plans, adm, client.Close, err
}

// fleetPlan is the name that the plan of the control topic goes by: a pipeline may not have it.
const fleetPlan = "(fleet)"

// planControl compares the control topic with what it should be, where a chosen pipeline is one of a fleet.
func planControl(ctx context.Context, adm *kadm.Client, c *config.Config, chosen []*config.Pipeline) (one pipelinePlan, planned bool, err error) {
	if !slices.ContainsFunc(chosen, (*config.Pipeline).InFleet) {
		return one, false, nil
	}
	plan, err := retrytopics.PlanControl(ctx, adm, c.Fleet.Topic, retrytopics.Want{ReplicationFactor: c.Topics.ReplicationFactor, AllowCreate: true})
	if err != nil {
		return one, false, err
	}
	return pipelinePlan{fleetPlan, whole(plan)}, true, nil
}

// whole writes an empty list as [] in JSON, never as null.
func whole(plan retrytopics.Plan) retrytopics.Plan {
	plan.Actions = append([]retrytopics.Action{}, plan.Actions...)
	plan.Topics = append([]retrytopics.Topic{}, plan.Topics...)
	plan.Warnings = append([]string{}, plan.Warnings...)
	plan.Leftover = append([]string{}, plan.Leftover...)
	return plan
}

// planOf compares what a pipeline needs with what the cluster has.
func planOf(ctx context.Context, adm *kadm.Client, t config.Topics, pipeline *config.Pipeline) (retrytopics.Plan, error) {
	topics, err := adm.ListTopics(ctx)
	if err != nil {
		return retrytopics.Plan{}, fmt.Errorf("list the topics: %w", err)
	}
	sources := pipeline.Sources(topics.Names())
	want, err := pipeline.Wanted(t, sources)
	if err != nil {
		return retrytopics.Plan{}, err
	}
	plan, err := retrytopics.MakePlan(ctx, adm, want)
	for _, pattern := range pipeline.Unmatched(sources) {
		plan.Warnings = append(plan.Warnings, fmt.Sprintf("no topic matches %s yet: nothing is planned for it", pattern))
	}
	return plan, err
}

// showPlans prints what is to be done on standard output and what should be known about it on standard error.
func (p *program) showPlans(format outputFormat, plans []pipelinePlan) error {
	if format != asTable {
		r := newRows[pipelinePlan](p.out, format)
		for _, plan := range plans {
			if err := r.add(plan); err != nil {
				return err
			}
		}
		return r.close()
	}
	if err := printPlans(p.out, plans); err != nil {
		return err
	}
	p.tellPlans(plans)
	return nil
}

// tellPlans says what should be known about the plans.
func (p *program) tellPlans(plans []pipelinePlan) {
	for _, plan := range plans {
		for _, warning := range plan.Warnings {
			fmt.Fprintf(p.err, "warning: pipeline %s: %s\n", plan.Pipeline, warning)
		}
		for _, topic := range plan.Leftover {
			fmt.Fprintf(p.err, "left over: pipeline %s no longer needs %s; records that wait there are drained by `redeliver run`\n", plan.Pipeline, topic)
		}
		if plan.Empty() {
			fmt.Fprintf(p.err, "pipeline %s: all topics are as they should be\n", plan.Pipeline)
		}
	}
}

// planRow is one line of the table.
type planRow struct {
	pipeline string
	action   retrytopics.Action
}

func printPlans(w io.Writer, plans []pipelinePlan) error {
	r := newRows(w, asTable,
		column[planRow]{title: "PIPELINE", cell: func(r planRow) string { return r.pipeline }},
		column[planRow]{title: "ACTION", cell: func(r planRow) string { return string(r.action.Kind) }},
		column[planRow]{title: "TOPIC", cell: func(r planRow) string { return r.action.Topic }},
		column[planRow]{title: "PARTITIONS", right: true, cell: func(r planRow) string { return partitionsText(r.action) }},
		column[planRow]{title: "REPLICAS", right: true, cell: func(r planRow) string { return replicasText(r.action) }},
		column[planRow]{title: "WHY", cell: func(r planRow) string { return r.action.Why }},
		column[planRow]{title: "SETTINGS", cell: func(r planRow) string { return settingsText(r.action) }},
	)
	for _, plan := range plans {
		for _, action := range plan.Actions {
			if err := r.add(planRow{plan.Pipeline, action}); err != nil {
				return err
			}
		}
	}
	return r.close()
}

func partitionsText(a retrytopics.Action) string {
	if a.OldPartitions > 0 && a.OldPartitions != a.Partitions {
		return fmt.Sprintf("%d to %d", a.OldPartitions, a.Partitions)
	}
	return strconv.Itoa(int(a.Partitions))
}

func replicasText(a retrytopics.Action) string {
	if a.Replication <= 0 {
		return "default"
	}
	return strconv.Itoa(int(a.Replication))
}

func settingsText(a retrytopics.Action) string {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(a.Configs)) {
		text := name + "=" + a.Configs[name]
		if old := a.OldConfigs[name]; old != "" {
			text += " (now " + old + ")"
		}
		all = append(all, text)
	}
	return strings.Join(all, " ")
}

func nothing(plans []pipelinePlan) bool {
	return !slices.ContainsFunc(plans, func(p pipelinePlan) bool { return !p.Empty() })
}

// summary is the question before plans are applied: "Create 4 topics, grow 1".
func summary(plans []pipelinePlan) string {
	counts := map[retrytopics.Kind]int{}
	var kinds []retrytopics.Kind // in the order of the plan
	for _, plan := range plans {
		for _, a := range plan.Actions {
			if counts[a.Kind]++; counts[a.Kind] == 1 {
				kinds = append(kinds, a.Kind)
			}
		}
	}
	var parts []string
	for i, kind := range kinds {
		text := fmt.Sprintf("%s %d", kind, counts[kind])
		if i == 0 {
			text = strings.ToUpper(text[:1]) + text[1:] + " " + plural(counts[kind], "topic")
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, ", ")
}

func plural(n int, word string) string {
	if n == 1 {
		return word
	}
	return word + "s"
}

// applyPlans goes on after a pipeline whose plan fails: the topics of one have nothing to do with those of another.
func (p *program) applyPlans(ctx context.Context, adm *kadm.Client, plans []pipelinePlan) error {
	var failed []string
	var first error
	for _, plan := range plans {
		if plan.Empty() {
			continue
		}
		if err := plan.Apply(ctx, adm); err != nil {
			fmt.Fprintf(p.err, "pipeline %s: %v\n", plan.Pipeline, err)
			failed = append(failed, plan.Pipeline)
			first = err
			continue
		}
		fmt.Fprintf(p.err, "pipeline %s: %s: done\n", plan.Pipeline, strings.ToLower(summary([]pipelinePlan{plan})))
	}
	switch {
	case len(failed) == 0:
		return nil
	case len(failed) == len(plans):
		return fmt.Errorf("topics were not made: %w", first)
	}
	return partlyf("the topics of %s were not made; those of the other pipelines were", strings.Join(failed, ", "))
}
