package main

import (
	"context"
	"errors"
	"fmt"
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
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if *cluster && *address != "" {
			return usagef("--admin asks a process and --cluster the cluster: say one of them")
		}
		s, err := p.status(cmd.Context(), *address, *pipeline, *cluster)
		if len(s.Pipelines) == 0 && err != nil {
			return err
		}
		return errors.Join(err, p.printStatus(*format, s))
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
	Source    string           `json:"source"`  // process, cluster
	Address   string           `json:"address"` // of the process or the brokers
	At        time.Time        `json:"at"`
	NotReady  string           `json:"not_ready,omitempty"` // why the process has started no pipeline yet
	Pipelines []pipelineStatus `json:"pipelines"`

	Fleet *admin.FleetStatus `json:"fleet,omitempty"` // from a process of one only
}

// pipelineStatus is what is known of a pipeline from either source, and what only a process knows.
type pipelineStatus struct {
	Source     string              `json:"source"`
	Pipeline   string              `json:"pipeline"`
	Group      string              `json:"group"`
	GroupState string              `json:"group_state,omitempty"` // from the cluster only
	Lag        int64               `json:"lag"`
	Retries    int64               `json:"retries"`
	OldestDue  *time.Time          `json:"oldest_due,omitempty"`
	Topics     []admin.TopicStatus `json:"topics"`
	WaitsFor   []string            `json:"waits_for,omitempty"` // patterns that no topic matches yet

	Process *admin.PipelineStatus `json:"process,omitempty"` // from a process only
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
		var s status
		if s, err = statusOfProcess(ctx, client, pipeline); err == nil || !errors.As(err, &unreachable) {
			return s, err
		}
	case c == nil || c.Admin.Listen != "": // no address for another reason than that there is none to be
		return status{}, err
	}
	c, loadErr := p.load()
	if loadErr != nil {
		if address != "" {
			return status{}, err // there is no configuration to find the cluster by
		}
		return status{}, loadErr
	}
	if unreachable != nil {
		fmt.Fprintf(p.err, "%v; reading the cluster instead\n", unreachable)
	}
	return p.statusOfCluster(ctx, c, pipeline)
}

func statusOfProcess(ctx context.Context, client *admin.Client, pipeline string) (status, error) {
	answer, err := client.Status(ctx)
	if err != nil {
		return status{}, err
	}
	s := status{Source: fromProcess, Address: client.URL(), At: answer.At, NotReady: answer.NotReady, Pipelines: []pipelineStatus{}, Fleet: answer.Fleet}
	for _, one := range answer.Pipelines {
		if pipeline != "" && one.Pipeline != pipeline {
			continue
		}
		s.Pipelines = append(s.Pipelines, pipelineStatus{
			Source: fromProcess, Pipeline: one.Pipeline, Group: one.Group, Lag: one.Lag, Retries: one.Retries,
			OldestDue: oldestDue(one.Topics), Topics: one.Topics, WaitsFor: one.WaitsFor, Process: &one,
		})
	}
	if pipeline != "" && len(s.Pipelines) == 0 {
		return status{}, fmt.Errorf("the process at %s has no pipeline %q", client.URL(), pipeline)
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
	s := status{Source: fromCluster, Address: strings.Join(c.Kafka.Brokers, ","), At: time.Now(), Pipelines: []pipelineStatus{}}
	err = p.eachPipeline(ctx, chosen, "shown", func(one *config.Pipeline) error {
		waiting, err := readBacklog(ctx, client, one)
		if err == nil {
			s.Pipelines = append(s.Pipelines, waiting)
		}
		return err
	})
	return s, err
}

// processes are the pipelines as their process knows them; none when the cluster was read.
func (s status) processes() (all []*admin.PipelineStatus) {
	for _, p := range s.Pipelines {
		if p.Process != nil {
			all = append(all, p.Process)
		}
	}
	return all
}

func oldestDue(topics []admin.TopicStatus) (oldest *time.Time) {
	for _, t := range topics {
		if t.OldestDue != nil && (oldest == nil || t.OldestDue.Before(*oldest)) {
			oldest = t.OldestDue
		}
	}
	return oldest
}
