package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/redeliver/redeliver/internal/config"
)

func newValidateCommand(p *program) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "validate",
		Short: "Check the configuration",
		Long: `Check the configuration, without connecting to anything. All mistakes are told at once, each with its place and what would
be right. Exit status 0 when there is none, 2 otherwise.

--explain prints the timetable of every pipeline: attempts, delays, the tiers travelled, the copies made.
--connect also checks against the cluster: brokers, topics, permissions, and what ` + "`redeliver topics apply`" + ` would do.`,
		Example: "  redeliver validate\n  redeliver validate -c other.yaml --explain\n  redeliver validate --connect",
		Args:    noArguments,
	}
	format := addOutput(cmd)
	connect := cmd.Flags().Bool("connect", false, "check against the cluster, too")
	explain := cmd.Flags().Bool("explain", false, "print the timetable of every pipeline")
	embedded := cmd.Flags().Bool("embedded", false, "check it for run --embedded: kafka.brokers need not be there")
	cmd.Flags().Lookup("embedded").NoOptDefVal = "true"
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if *connect && *embedded {
			return usagef("--connect and --embedded exclude each other: the embedded broker is there only while it runs")
		}
		report := validation{File: p.configFile, Problems: []config.Problem{}, Warnings: []config.Problem{}}
		c, err := p.read(config.Options{Embedded: *embedded})
		if err != nil {
			return p.invalid(*format, report, err)
		}
		report.Valid, report.Warnings = true, append(append(report.Warnings, c.Warnings...), c.Notices...)
		if *explain {
			report.Timetables = timetables(c)
		}
		if *connect {
			report.Checks = p.checkCluster(cmd.Context(), c)
		}
		return p.validated(*format, c, report)
	}
	return cmd
}

// validation is the result of validate as -o json prints it.
type validation struct {
	File       string           `json:"file"`
	Valid      bool             `json:"valid"`
	Problems   []config.Problem `json:"problems"`
	Warnings   []config.Problem `json:"warnings"`
	Timetables []timetable      `json:"timetables,omitempty"`
	Checks     []check          `json:"checks,omitempty"`
}

// invalid tells the mistakes: on standard error for people, as data for programs.
func (p *program) invalid(format outputFormat, report validation, err error) error {
	var problems config.Problems
	if format == asTable || !errors.As(err, &problems) {
		return err
	}
	report.Problems = problems
	if err := printOne(p.out, format, report); err != nil {
		return err
	}
	return &exitError{status: exitUsage}
}

func (p *program) validated(format outputFormat, c *config.Config, report validation) error {
	failed := failures(report.Checks)
	if format != asTable {
		if err := printOne(p.out, format, report); err != nil {
			return err
		}
	} else {
		for _, w := range report.Warnings {
			fmt.Fprintf(p.err, "warning: %s\n", w.Error())
		}
		fmt.Fprintf(p.out, "%s is valid: %d %s (%s)\n", c.File, len(c.Pipelines), plural(len(c.Pipelines), "pipeline"), strings.Join(pipelineNames(c), ", "))
		for _, t := range report.Timetables {
			if err := t.print(p.out); err != nil {
				return err
			}
		}
		if err := printChecks(p.out, report.Checks); err != nil {
			return err
		}
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d checks against the cluster failed", failed, len(report.Checks))
	}
	return nil
}
