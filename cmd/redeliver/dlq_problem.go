package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/redeliver/redeliver/dlq"
)

const (
	problemsShown = 10 // unless told otherwise
	problemWidth  = 120
)

// problemView is a problem as data.
type problemView struct {
	Fingerprint dlq.Fingerprint `json:"fingerprint"`
	Class       string          `json:"class"`
	Error       string          `json:"error"`
	Entries     int64           `json:"entries"`
	First       time.Time       `json:"first"`
	Last        time.Time       `json:"last"`
	Example     string          `json:"example"`
	Trend       []trendCount    `json:"trend"`
	Replay      string          `json:"replay"` // the command that replays just these
}

// trendCount counts entries from a time on, up to that of the next one.
type trendCount struct {
	From  time.Time `json:"from"`
	Count int64     `json:"count"`
}

// problemsOf are the largest problems of a queue among all, and how many more there are.
func (p *program) problemsOf(ctx context.Context, q queue, all []queue, flags *filterFlags, f dlq.Filter, s dlq.Stats, limit int) ([]problemView, int, error) {
	largest := s.Problems
	if limit > 0 {
		largest = largest[:min(limit, len(largest))]
	}
	if f.Topic == "" && slices.ContainsFunc(all, func(other queue) bool { return other.pipeline == q.pipeline && other.source != q.source }) {
		f.Topic = q.source
	}
	command := p.commandOf("replay", q, flags.pipeline) + sameEntries(f, s, flags.noIndex)
	hidden, err := hide(ctx, q, largest)
	if err != nil {
		return nil, 0, err
	}
	destinations, err := destinationsOf(ctx, q, largest)
	switch {
	case ctx.Err() != nil:
		return nil, 0, err
	case err != nil: // what was counted is told all the same
		fmt.Fprintf(p.err, "where the dead letters of %s can go back to is not known, so that commands which name no destination may leave them out: %v\n", q.Topic(), err)
	}
	views := make([]problemView, 0, len(largest))
	for _, one := range hidden {
		view := problemView{
			Fingerprint: one.Fingerprint, Class: one.Class.String(), Error: one.Error, Entries: one.Entries, First: jsonTime(one.First), Last: jsonTime(one.Last),
			Example: one.Example, Replay: command + " --fingerprint " + one.Fingerprint.String() + destinations[one.Example],
		}
		from := s.Trends.Start
		for _, n := range one.Trend {
			view.Trend = append(view.Trend, trendCount{jsonTime(from), n})
			from = from.Add(s.Trends.Step) // of all steps together there may be no duration
		}
		views = append(views, view)
	}
	return views, len(s.Problems) - len(largest), nil
}

// commandOf is a command line for the dead letters of a queue, to be pasted into a shell. It names the configuration where it is not the default one, and
// the pipeline where there are several or it was named.
func (p *program) commandOf(words string, q queue, named string) string {
	command := p.command(words)
	if named != "" || len(q.config.Pipelines) > 1 || q.foreign {
		command += " --pipeline " + shellWord(q.pipeline.Name)
	}
	if q.foreign {
		command += " --queue " + shellWord(q.Topic())
	}
	return command
}

// command is a command line with the configuration that this one has.
func (p *program) command(words string) string {
	command := "redeliver " + words
	if p.configFile != defaultConfigFile {
		command += " -c " + shellWord(p.configFile)
	}
	return command
}

// commandLike is a command line for the queues that these flags name, where it is not known which of them is meant.
func (p *program) commandLike(words string, f *filterFlags) string {
	command := p.command(words)
	for _, flag := range []struct{ name, value string }{{"pipeline", f.pipeline}, {"queue", f.queue}} {
		if flag.value != "" {
			command += " --" + flag.name + " " + shellWord(flag.value)
		}
	}
	return command
}

// sameEntries are the flags by which a replay selects what was counted by a filter, but for the problem. What was replayed, and what was replayed too
// often, it takes only if that was asked for and is there.
func sameEntries(f dlq.Filter, s dlq.Stats, noIndex bool) string {
	again := s.ByStatus[dlq.StatusReplayed] > 0 && (f.All || slices.Contains(f.Status, dlq.StatusReplayed))
	f.Fingerprints, f.Limit = nil, 0
	f.All = f.All && s.ByStatus[dlq.StatusDiscarded]+s.ByStatus[dlq.StatusParked] > 0
	flags := ""
	for _, flag := range selectingFlags(f, nil) {
		flags += " " + flag
	}
	if again {
		flags += " --again"
	}
	if len(f.Status) == 1 && f.Status[0] == dlq.StatusLimited {
		flags += " --max-replays -1"
	}
	if noIndex {
		flags += " --no-index"
	}
	return flags
}

// destinationsOf says by which flag a replay takes each problem's example to where it can go, "" for its retry topic. Dead letters of another program may be
// of a group, or a topic, that has none; and those that do not tell of a topic that is there need one to be named. With an error it says what is known.
func destinationsOf(ctx context.Context, q queue, problems []dlq.Problem) (map[string]string, error) {
	flags := make(map[string]string, len(problems))
	if !q.foreign {
		return flags, nil
	}
	const named = " --to topic:NAME"
	for _, one := range problems {
		flags[one.Example] = named
	}
	for _, d := range []struct {
		to   dlq.Destination
		flag string
	}{{dlq.Source, " --to source"}, {dlq.OwnTier, ""}} { // the one that is wanted most comes last
		if len(flags) == 0 {
			break
		}
		r := dlq.Replay{
			Filter: dlq.Filter{All: true, IDs: slices.Collect(maps.Keys(flags))}, To: d.to, Again: true, MaxReplays: -1, DryRun: true,
			Entry: func(e dlq.Entry, _ string) { flags[e.ID()] = d.flag },
		}
		if _, err := q.Replay(ctx, r); err != nil {
			maps.DeleteFunc(flags, func(_, flag string) bool { return flag == named })
			return flags, err
		}
	}
	return flags, nil
}

// hide are the problems without what is to be hidden, for which the examples have to be read.
func hide(ctx context.Context, q queue, problems []dlq.Problem) ([]dlq.Problem, error) {
	if !q.redact.Hides() || len(problems) == 0 {
		return problems, nil
	}
	filter, examples := dlq.Filter{All: true}, make(map[string]*dlq.Entry)
	for _, one := range problems {
		filter.IDs = append(filter.IDs, one.Example)
	}
	for e, err := range q.Entries(ctx, filter) {
		if err != nil {
			return nil, err
		}
		examples[e.ID()] = &e
	}
	hidden := make([]dlq.Problem, 0, len(problems))
	for _, one := range problems {
		hidden = append(hidden, q.redact.Problem(one, examples[one.Example]))
	}
	return hidden, nil
}

// shellWord quotes what a shell would take apart.
func shellWord(s string) string {
	if s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./=+,:@%") == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// showProblems prints the problems for people.
func showProblems(w io.Writer, s queueStats, now time.Time) error {
	if len(s.Problems) == 0 {
		return nil
	}
	var most int64
	for _, p := range s.Problems {
		for _, at := range p.Trend {
			most = max(most, at.Count)
		}
	}
	fmt.Fprintln(w)
	for _, p := range s.Problems {
		text := p.Error
		if text == "" {
			text = "without an error text"
		}
		fmt.Fprintf(w, "%7d  %s: %s\n", p.Entries, p.Class, clip(printable(text), problemWidth))
		when := ago(p.Last, now)
		if p.Entries > 1 {
			when = fmt.Sprintf("first %s, last %s  %s", ago(p.First, now), when, sparkline(p.Trend, most))
		}
		fmt.Fprintf(w, "         %s  for example %s\n         %s\n", when, p.Example, p.Replay)
	}
	if s.FurtherProblems > 0 {
		fmt.Fprintf(w, "and %d further %s: --problems 0 shows all\n", s.FurtherProblems, plural(s.FurtherProblems, "problem"))
	}
	return nil
}

// sparkline draws counts as bars of eight heights, the highest for most. What is none has no bar.
func sparkline(counts []trendCount, most int64) string {
	bars := []rune("▁▂▃▄▅▆▇█")
	line := make([]rune, 0, len(counts))
	for _, at := range counts {
		if at.Count == 0 {
			line = append(line, ' ')
			continue
		}
		line = append(line, bars[(at.Count*int64(len(bars))-1)/max(most, 1)])
	}
	if !slices.ContainsFunc(line, func(r rune) bool { return r != ' ' }) {
		return ""
	}
	return "|" + string(line) + "|"
}
