package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/redeliver/redeliver/internal/admin"
	"github.com/redeliver/redeliver/internal/experiment"
)

func newExperimentCommand(p *program) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "experiment",
		Short: "Show which variant of a retry policy is better",
		Long: `Show what became of the records of each variant of retry.experiment: how many failed, attempts per success, time to success,
dead letters, each with what it may be in truth, and a verdict.

Each process counts for itself, since it started. Name several with --admin, repeated, to have their counts added; what
other processes have counted is not in it.`,
		Args: noArguments,
	}
	format, pipeline := addOutput(cmd), p.addPipelineFlag(cmd)
	addresses := cmd.Flags().StringArray("admin", nil, "address of a process, a `URL`, repeated for several; default: admin.listen of the configuration")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		asked := *addresses
		if len(asked) == 0 {
			asked = []string{""}
		}
		var all []experimentReport
		var from []string
		for _, address := range asked {
			client, _, err := p.adminClient(address)
			if err != nil {
				return err
			}
			if slices.Contains(from, client.URL()) {
				return usagef("--admin: %s is there twice, and its counts would be added twice: name each process once", client.URL())
			}
			from = append(from, client.URL())
			counts, err := client.Experiments(cmd.Context())
			if err != nil {
				return olderProcess(err)
			}
			if all, err = addCounts(all, client.URL(), *pipeline, counts); err != nil {
				return err
			}
		}
		if len(all) == 0 {
			return noExperiment(*pipeline)
		}
		return p.printExperiments(*format, all)
	}
	return cmd
}

// olderProcess explains the answer of a release without experiments.
func olderProcess(err error) error {
	var refused *admin.RefusedError
	if errors.As(err, &refused) && refused.Status == 404 {
		return fmt.Errorf("the process does not know of experiments: %w; run a newer release there", err)
	}
	return err
}

func noExperiment(pipeline string) error {
	if pipeline != "" {
		return fmt.Errorf("the pipeline %s has no experiment in the processes that were asked: set retry.experiment, and restart them", pipeline)
	}
	return errors.New("there is no experiment in the processes that were asked: set retry.experiment of a pipeline, and restart them")
}

// experimentReport is what is known of an experiment.
type experimentReport struct {
	Pipeline   string    `json:"pipeline"`
	Group      string    `json:"group"`
	Experiment string    `json:"experiment"`
	By         string    `json:"by"`
	Since      time.Time `json:"since"`
	Processes  []string  `json:"processes"` // that were asked
	experiment.Report

	counts experiment.Counts
}

// addCounts adds what a process has counted.
func addCounts(all []experimentReport, from, pipeline string, counts []experiment.Counts) ([]experimentReport, error) {
next:
	for _, c := range counts {
		if pipeline != "" && c.Pipeline != pipeline {
			continue
		}
		for i := range all {
			if all[i].Group != c.Group || all[i].Pipeline != c.Pipeline {
				continue
			}
			if err := all[i].counts.Add(c); err != nil {
				return nil, fmt.Errorf("%s: %w", from, err)
			}
			all[i].Processes = append(all[i].Processes, from)
			continue next
		}
		all = append(all, experimentReport{Pipeline: c.Pipeline, Group: c.Group, Experiment: c.Experiment, By: c.By, Processes: []string{from}, counts: c})
	}
	return all, nil
}

func (p *program) printExperiments(format outputFormat, all []experimentReport) error {
	for i := range all {
		all[i].Since, all[i].Report = all[i].counts.Since, experiment.Judge(all[i].counts)
	}
	if format != asTable {
		return printAll(newRows[experimentReport](p.out, format), all)
	}
	for i, r := range all {
		if i > 0 {
			fmt.Fprintln(p.out)
		}
		if err := r.print(p.out); err != nil {
			return err
		}
	}
	return nil
}

// print writes the report for people.
func (r experimentReport) print(w io.Writer) error {
	fmt.Fprintf(w, "pipeline %s, group %s: experiment %s by %s, since %s\n", printable(r.Pipeline), printable(r.Group), printable(r.Experiment), r.By, r.Since.Local().Format(time.DateTime))
	fmt.Fprintf(w, "counted by %s; other processes of the group are not in it\n\n", printable(strings.Join(r.Processes, ", ")))
	rows := newRows(w, asTable,
		column[experiment.Result]{title: "VARIANT", cell: func(v experiment.Result) string { return v.Variant }},
		column[experiment.Result]{title: "GETS", right: true, cell: r.gets},
		column[experiment.Result]{title: "FAILED", right: true, cell: func(v experiment.Result) string { return strconv.FormatUint(v.Failed, 10) }},
		column[experiment.Result]{title: "WAIT", right: true, cell: func(v experiment.Result) string { return strconv.FormatUint(v.Waiting, 10) }},
		column[experiment.Result]{title: "ATTEMPTS PER SUCCESS", cell: func(v experiment.Result) string { return intervalText(v.Attempts, twoDigits) }},
		column[experiment.Result]{title: "TO SUCCESS, MEDIAN", cell: func(v experiment.Result) string { return intervalText(v.Median, secondsText) }},
		column[experiment.Result]{title: "MEAN", cell: func(v experiment.Result) string { return intervalText(v.Mean, secondsText) }},
		column[experiment.Result]{title: "DEAD", cell: func(v experiment.Result) string {
			return strconv.FormatUint(v.Dead, 10) + ", " + intervalText(v.DeadShare, shareText)
		}},
	)
	if err := printAll(rows, r.Results); err != nil {
		return err
	}
	fmt.Fprintln(w)
	for _, c := range r.Comparisons {
		fmt.Fprintf(w, "%s against %s: %s\n", printable(c.Variant), printable(c.With), printable(c.Verdict))
	}
	for _, note := range r.Notes {
		fmt.Fprintln(w, printable(note))
	}
	return nil
}

// gets is which records a variant gets.
func (r experimentReport) gets(v experiment.Result) string {
	if r.By != "key" {
		return strings.Join(v.JobTypes, ", ")
	}
	sum := 0.0
	for _, other := range r.Results {
		sum += other.Weight
	}
	return fmt.Sprintf("%.0f %%", 100*v.Weight/sum)
}

// intervalText writes an estimate and, in brackets, what it may be.
func intervalText(i *experiment.Interval, text func(float64) string) string {
	if i == nil {
		return "-"
	}
	return fmt.Sprintf("%s [%s to %s]", text(i.Value), text(i.Low), text(i.High))
}

func twoDigits(v float64) string { return strconv.FormatFloat(v, 'f', 2, 64) }

func shareText(v float64) string { return strconv.FormatFloat(100*v, 'f', 1, 64) + " %" }

func secondsText(v float64) string {
	if v >= 600 {
		return span(time.Duration(v * float64(time.Second)))
	}
	return strconv.FormatFloat(v, 'g', 3, 64) + "s"
}
