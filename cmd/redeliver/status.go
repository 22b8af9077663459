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
	"time"

	"github.com/spf13/cobra"

	"github.com/redeliver/redeliver/internal/admin"
	"github.com/redeliver/redeliver/internal/config"
)

func newStatusCommand(p *program) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show lag, waiting retries, breakers and pauses of the pipelines",
		Long: `Show each pipeline's lag, the backlog of its retry tiers, the oldest due time, its breaker, and which partitions are paused
and why. A running process is asked first: it tells of the partitions that are its own. When none answers, or with
--cluster, the cluster is read: all partitions, from the group's commits, but no breakers and no pauses, which only
processes know. The source is named in the first line, or as "source" with -o json.`,
		Args: noArguments,
	}
	format, address := addOutput(cmd), addAdminFlag(cmd)
	pipeline := p.addPipelineFlag(cmd)
	cluster := cmd.Flags().Bool("cluster", false, "read the cluster, even if a process answers")
	cmd.MarkFlagsMutuallyExclusive("admin", "cluster")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		s, err := p.status(cmd.Context(), *address, *pipeline, *cluster)
		if err != nil {
			return err
		}
		return p.printStatus(*format, s)
	}
	return cmd
}

// fromProcess and fromCluster say where a status comes from.
const (
	fromProcess = "process"
	fromCluster = "cluster"
)

// status is what the command prints.
type status struct {
	Source    string                 `json:"source"` // process, cluster
	Address   string                 `json:"address"`
	At        time.Time              `json:"at"`
	Pipelines []admin.PipelineStatus `json:"pipelines"`
}

// status asks the process, and reads the cluster when that does not answer.
func (p *program) status(ctx context.Context, address, pipeline string, cluster bool) (status, error) {
	if cluster {
		c, err := p.load()
		if err != nil {
			return status{}, err
		}
		return p.statusOfCluster(ctx, c, pipeline)
	}
	client, c, err := p.adminClient(address)
	var unreachable *admin.UnreachableError
	switch {
	case err == nil:
		s, err := statusOfProcess(ctx, client, pipeline)
		if err == nil || !errors.As(err, &unreachable) {
			return s, err
		}
		fmt.Fprintf(p.err, "%v; reading the cluster instead\n", err)
	case c == nil || c.Admin.Listen != "":
		return status{}, err
	}
	if c, err = p.load(); err != nil {
		return status{}, err
	}
	return p.statusOfCluster(ctx, c, pipeline)
}

func statusOfProcess(ctx context.Context, client *admin.Client, pipeline string) (status, error) {
	answer, err := client.Status(ctx)
	if err != nil {
		return status{}, err
	}
	s := status{Source: fromProcess, Address: client.URL(), At: answer.At, Pipelines: answer.Pipelines}
	if pipeline != "" {
		s.Pipelines = slices.DeleteFunc(s.Pipelines, func(p admin.PipelineStatus) bool { return p.Pipeline != pipeline })
		if len(s.Pipelines) == 0 {
			return status{}, fmt.Errorf("the process at %s has no pipeline %q", client.URL(), pipeline)
		}
	}
	return s, nil
}

func (p *program) statusOfCluster(ctx context.Context, c *config.Config, pipeline string) (status, error) {
	chosen, err := pipelines(c, pipeline)
	if err != nil {
		return status{}, err
	}
	client, err := p.connect(ctx, c)
	if err != nil {
		return status{}, err
	}
	defer client.Close()
	s := status{Source: fromCluster, Address: strings.Join(c.Kafka.Brokers, ","), At: time.Now()}
	for _, one := range chosen {
		waiting, err := readBacklog(ctx, client, one)
		if err != nil {
			return status{}, fmt.Errorf("pipeline %s: %w", one.Name, err)
		}
		s.Pipelines = append(s.Pipelines, waiting)
	}
	return s, nil
}

func (p *program) printStatus(format outputFormat, s status) error {
	switch format {
	case asJSON:
		return printJSON(p.out, s)
	case asJSONL:
		rows := newRows[any](p.out, format)
		for _, one := range s.Pipelines {
			if err := rows.add(struct {
				Source string `json:"source"`
				admin.PipelineStatus
			}{s.Source, one}); err != nil {
				return err
			}
		}
		return rows.close()
	}
	what := "of its own partitions"
	if s.Source == fromCluster {
		what = "of all partitions; offsets are counted, so that gaps count as records"
	}
	fmt.Fprintf(p.out, "source: %s at %s, %s\n\n", s.Source, s.Address, what)
	for _, print := range []func(io.Writer, status) error{printPipelines, printTiers, printPaused, printHeld} {
		if err := print(p.out, s); err != nil {
			return err
		}
	}
	printReasons(p.out, s)
	return nil
}

func printPipelines(w io.Writer, s status) error {
	type row = admin.PipelineStatus
	process := func(cell func(row) string) func(row) string {
		return func(r row) string {
			if s.Source == fromCluster {
				return "?"
			}
			return cell(r)
		}
	}
	rows := newRows(w, asTable,
		column[row]{title: "PIPELINE", cell: func(r row) string { return r.Pipeline }},
		column[row]{title: "STATE", cell: stateText},
		column[row]{title: "HEALTH", cell: process(func(r row) string { return r.Health })},
		column[row]{title: "LAG", right: true, cell: func(r row) string { return strconv.FormatInt(lag(r), 10) }},
		column[row]{title: "RETRIES", right: true, cell: func(r row) string { return strconv.FormatInt(retries(r), 10) }},
		column[row]{title: "OLDEST DUE", cell: func(r row) string { return until(oldestDue(r), s.At) }},
		column[row]{title: "IN FLIGHT", right: true, cell: process(func(r row) string { return strconv.Itoa(r.InFlight) })},
		column[row]{title: "BREAKER", cell: process(breakerText)},
		column[row]{title: "PAUSED", cell: process(func(r row) string { return pausedText(r.Paused) })},
	)
	return printAll(rows, s.Pipelines)
}

// printTiers prints what waits in each topic.
func printTiers(w io.Writer, s status) error {
	type row struct {
		pipeline string
		admin.TopicStatus
	}
	rows := newRows(w, asTable,
		column[row]{title: "PIPELINE", cell: func(r row) string { return r.pipeline }},
		column[row]{title: "TIER", cell: func(r row) string { return r.Tier }},
		column[row]{title: "TOPIC", cell: func(r row) string { return r.Topic }},
		column[row]{title: "WAITING", right: true, cell: func(r row) string { return strconv.FormatInt(r.Backlog, 10) }},
		column[row]{title: "OLDEST DUE", cell: func(r row) string { return until(r.OldestDue, s.At) }},
	)
	var all []row
	for _, p := range s.Pipelines {
		for _, t := range p.Topics {
			all = append(all, row{p.Pipeline, t})
		}
	}
	fmt.Fprintln(w)
	return printAll(rows, all)
}

// pausedRow are the partitions of one topic that are paused for the same reasons.
type pausedRow struct {
	pipeline, topic, why string
	partitions           []int32
	longest              float64 // seconds
}

// pausedRows leaves out the partitions that only wait for a due time, which is their way of being well.
func pausedRows(s status) (rows []*pausedRow) {
	for _, p := range s.Pipelines {
		for _, partition := range p.Partitions {
			if slices.Equal(partition.Paused, []string{"due"}) {
				continue
			}
			why := strings.Join(partition.Paused, ", ")
			i := slices.IndexFunc(rows, func(r *pausedRow) bool {
				return r.pipeline == p.Pipeline && r.topic == partition.Topic && r.why == why
			})
			if i < 0 {
				i = len(rows)
				rows = append(rows, &pausedRow{pipeline: p.Pipeline, topic: partition.Topic, why: why})
			}
			rows[i].partitions = append(rows[i].partitions, partition.Partition)
			rows[i].longest = max(rows[i].longest, partition.PausedFor)
		}
	}
	return rows
}

func printPaused(w io.Writer, s status) error {
	rows := newRows(w, asTable,
		column[*pausedRow]{title: "PIPELINE", cell: func(r *pausedRow) string { return r.pipeline }},
		column[*pausedRow]{title: "PAUSED TOPIC", cell: func(r *pausedRow) string { return r.topic }},
		column[*pausedRow]{title: "PARTITIONS", cell: func(r *pausedRow) string { return ranges(r.partitions) }},
		column[*pausedRow]{title: "WHY", cell: func(r *pausedRow) string { return r.why }},
		column[*pausedRow]{title: "FOR", cell: func(r *pausedRow) string { return span(time.Duration(r.longest * float64(time.Second))) }},
	)
	all := pausedRows(s)
	if len(all) > 0 {
		fmt.Fprintln(w)
	}
	return printAll(rows, all)
}

// ranges writes numbers as people do: 0-5,8.
func ranges(numbers []int32) string {
	slices.Sort(numbers)
	var parts []string
	for i := 0; i < len(numbers); {
		last := i
		for last+1 < len(numbers) && numbers[last+1] == numbers[last]+1 {
			last++
		}
		part := strconv.Itoa(int(numbers[i]))
		if last > i {
			part += "-" + strconv.Itoa(int(numbers[last]))
		}
		parts = append(parts, part)
		i = last + 1
	}
	return strings.Join(parts, ",")
}

func printHeld(w io.Writer, s status) error {
	rows := newRows(w, asTable,
		column[admin.HeldStatus]{title: "HELD RECORD", cell: func(h admin.HeldStatus) string { return h.ID }},
		column[admin.HeldStatus]{title: "TO", cell: func(h admin.HeldStatus) string { return h.To }},
		column[admin.HeldStatus]{title: "FOR", cell: func(h admin.HeldStatus) string { return span(s.At.Sub(h.Since)) }},
		column[admin.HeldStatus]{title: "TRIES", right: true, cell: func(h admin.HeldStatus) string { return strconv.Itoa(h.Tries) }},
		column[admin.HeldStatus]{title: "ERROR", cell: func(h admin.HeldStatus) string { return clip(h.Error, 80) }},
	)
	var all []admin.HeldStatus
	for _, p := range s.Pipelines {
		all = append(all, p.Held...)
	}
	if len(all) > 0 {
		fmt.Fprintln(w)
	}
	return printAll(rows, all)
}

// printReasons says why something is not as it should be, a line each.
func printReasons(w io.Writer, s status) {
	var lines []string
	for _, p := range s.Pipelines {
		if p.NotReady != "" {
			lines = append(lines, p.Pipeline+": not ready: "+p.NotReady)
		}
		for _, reason := range p.Reasons {
			if reason != p.NotReady {
				lines = append(lines, p.Pipeline+": "+reason)
			}
		}
		if p.HeldByPolicy > 0 {
			lines = append(lines, fmt.Sprintf("%s: %d exhausted records are held, as there are no dead letters: skip them, or allow dead letters", p.Pipeline, p.HeldByPolicy))
		}
	}
	if len(lines) > 0 {
		fmt.Fprintln(w)
	}
	for _, line := range lines {
		fmt.Fprintln(w, printable(line))
	}
}

func printAll[T any](rows *rows[T], all []T) error {
	for _, v := range all {
		if err := rows.add(v); err != nil {
			return err
		}
	}
	return rows.close()
}

func stateText(p admin.PipelineStatus) string {
	if p.Phase == "running" && !p.Ready {
		return "not ready"
	}
	return p.Phase
}

func breakerText(p admin.PipelineStatus) string {
	if p.Breaker == nil {
		return "-"
	}
	return p.Breaker.Dependency + " " + p.Breaker.State
}

// pausedText lists reasons with their partitions: "due 3, breaker 6".
func pausedText(paused map[string]int) string {
	var parts []string
	for _, reason := range slices.Sorted(maps.Keys(paused)) {
		if paused[reason] > 0 {
			parts = append(parts, fmt.Sprintf("%s %d", reason, paused[reason]))
		}
	}
	if len(parts) == 0 {
		return "-"
	}
	return strings.Join(parts, ", ")
}

// lag is what waits in the source topics.
func lag(p admin.PipelineStatus) (n int64) {
	for _, t := range p.Topics {
		if t.Tier == admin.SourceTier {
			n += t.Backlog
		}
	}
	return n
}

// retries is what waits in the retry topics.
func retries(p admin.PipelineStatus) (n int64) {
	for _, t := range p.Topics {
		if t.Tier != admin.SourceTier {
			n += t.Backlog
		}
	}
	return n
}

func oldestDue(p admin.PipelineStatus) (oldest *time.Time) {
	for _, t := range p.Topics {
		if t.OldestDue != nil && (oldest == nil || t.OldestDue.Before(*oldest)) {
			oldest = t.OldestDue
		}
	}
	return oldest
}
