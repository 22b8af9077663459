package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redeliver/redeliver/internal/admin"
)

func (p *program) printStatus(format outputFormat, s status) error {
	switch format {
	case asJSON:
		return printJSON(p.out, s)
	case asJSONL:
		rows := newRows[pipelineStatus](p.out, format)
		for _, one := range s.Pipelines {
			if err := rows.add(one); err != nil {
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
	for _, print := range []func(io.Writer, status) error{printPipelines, printTiers, printLimits, printTenants, printPaused, printHeldKeys, printHeld, printExhausted, printLearned} {
		if err := print(p.out, s); err != nil {
			return err
		}
	}
	printReasons(p.out, s)
	return nil
}

func printPipelines(w io.Writer, s status) error {
	type row = pipelineStatus
	process := func(cell func(*admin.PipelineStatus) string) func(row) string {
		return func(r row) string {
			if r.Process == nil {
				return "?"
			}
			return cell(r.Process)
		}
	}
	rows := newRows(w, asTable,
		column[row]{title: "PIPELINE", cell: func(r row) string { return r.Pipeline }},
		column[row]{title: "STATE", cell: stateText},
		column[row]{title: "HEALTH", cell: process(func(p *admin.PipelineStatus) string { return p.Health })},
		column[row]{title: "LAG", right: true, cell: func(r row) string { return strconv.FormatInt(r.Lag, 10) }},
		column[row]{title: "RETRIES", right: true, cell: func(r row) string { return strconv.FormatInt(r.Retries, 10) }},
		column[row]{title: "OLDEST DUE", cell: func(r row) string { return until(r.OldestDue, s.At) }},
		column[row]{title: "IN FLIGHT", right: true, cell: process(func(p *admin.PipelineStatus) string { return strconv.Itoa(p.InFlight) })},
		column[row]{title: "BREAKER", cell: process(breakerText)},
		column[row]{title: "PAUSED", cell: process(func(p *admin.PipelineStatus) string { return pausedText(p.Paused) })},
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
	if len(all) > 0 {
		fmt.Fprintln(w)
	}
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
	for _, p := range s.processes() {
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
	for _, p := range s.processes() {
		all = append(all, p.Held...)
	}
	if len(all) > 0 {
		fmt.Fprintln(w)
	}
	return printAll(rows, all)
}

// printExhausted names the records that are held since they are given up, as `redeliver skip` and `release` take them.
func printExhausted(w io.Writer, s status) error {
	type row = admin.ExhaustedStatus
	rows := newRows(w, asTable,
		column[row]{title: "RECORD GIVEN UP", cell: func(e row) string { return fmt.Sprintf("%s/%d/%d", e.Topic, e.Partition, e.Offset) }},
		column[row]{title: "ID", cell: func(e row) string { return e.ID }},
		column[row]{title: "FOR", cell: func(e row) string { return span(s.At.Sub(e.Since)) }},
		column[row]{title: "REASON", cell: func(e row) string { return e.Reason }},
		column[row]{title: "CLASS", cell: func(e row) string { return e.Class }},
		column[row]{title: "SEVERITY", cell: func(e row) string { return e.Severity }},
		column[row]{title: "ATTEMPTS", right: true, cell: func(e row) string { return strconv.Itoa(e.Attempts) }},
		column[row]{title: "ERROR", cell: func(e row) string { return clip(e.Error, 80) }},
	)
	var all []row
	hidden := 0
	for _, p := range s.processes() {
		all = append(all, p.Exhausted...)
		hidden += p.HeldByPolicy - len(p.Exhausted)
	}
	if len(all) > 0 {
		fmt.Fprintln(w)
	}
	if err := printAll(rows, all); err != nil || hidden <= 0 {
		return err
	}
	_, err := fmt.Fprintf(w, "and %d more\n", hidden)
	return err
}

// printReasons says why something is not as it should be, a line each.
func printReasons(w io.Writer, s status) {
	var lines []string
	if s.NotReady != "" {
		lines = append(lines, "no pipeline has started: "+s.NotReady)
	}
	for _, p := range s.Pipelines {
		if p.Process != nil {
			continue // which says it with its reasons
		}
		for _, pattern := range p.WaitsFor {
			lines = append(lines, fmt.Sprintf("%s: no topic matches %s yet: it is waited for", p.Pipeline, pattern))
		}
	}
	for _, p := range s.processes() {
		if p.NotReady != "" {
			lines = append(lines, p.Pipeline+": not ready: "+p.NotReady)
		}
		for _, reason := range p.Reasons {
			if reason != p.NotReady {
				lines = append(lines, p.Pipeline+": "+reason)
			}
		}
	}
	lines = append(lines, fleetLines(s)...)
	for _, p := range s.processes() {
		if a := p.Admission; a != nil && a.Credit < float64(a.Burst) {
			lines = append(lines, fmt.Sprintf("%s: credit for dead letters: %.4g of %d", p.Pipeline, a.Credit, a.Burst))
		}
	}
	if len(lines) > 0 {
		fmt.Fprintln(w)
	}
	for _, line := range lines {
		fmt.Fprintln(w, printable(line))
	}
}

// fleetLines says what processes agree on, and whether they can.
func fleetLines(s status) (lines []string) {
	if s.Fleet != nil && !s.Fleet.Reachable {
		lines = append(lines, fmt.Sprintf("fleet: the control topic %s cannot be reached for %s: the last state holds: %s", s.Fleet.Topic, span(s.At.Sub(s.Fleet.Since)), s.Fleet.Trouble))
	}
	for _, p := range s.processes() {
		if p.Order != nil {
			lines = append(lines, fmt.Sprintf("%s: %s, in all processes", p.Pipeline, orderText(p.Order, s.At)))
		}
		if p.Breaker != nil && p.Breaker.Fleet != nil && (p.Breaker.Fleet.Order != nil || p.Breaker.Fleet.Open) {
			lines = append(lines, fmt.Sprintf("%s: breaker %s: %s, in all processes", p.Pipeline, p.Breaker.Dependency, fleetText(*p.Breaker, s.At)))
		}
	}
	return lines
}

func printAll[T any](rows *rows[T], all []T) error {
	for _, v := range all {
		if err := rows.add(v); err != nil {
			return err
		}
	}
	return rows.close()
}

func stateText(p pipelineStatus) string {
	switch {
	case p.Process == nil:
		return p.GroupState
	case p.Process.Phase == "running" && !p.Process.Ready:
		return "not ready"
	}
	return p.Process.Phase
}

func breakerText(p *admin.PipelineStatus) string {
	if p.Breaker == nil {
		return "-"
	}
	text := p.Breaker.Dependency + " " + p.Breaker.State
	for _, b := range p.Breakers {
		text += ", " + b.Dependency + " " + b.State
	}
	for _, parts := range p.Parts {
		if n := parts.Known - parts.States["closed"]; n > 0 {
			text += fmt.Sprintf(", %d of %d parts not closed", n, parts.Known)
		}
	}
	return text
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
