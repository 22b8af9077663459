package main

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/redeliver/redeliver/classify"
	"github.com/redeliver/redeliver/dlq"
	"github.com/redeliver/redeliver/retrytopics"
)

// filterFlags are the flags that select dead letters.
type filterFlags struct {
	cmd      *cobra.Command
	pipeline string
	whole    bool   // show what is redacted
	queue    string // a dead-letter topic of another program; "": the pipelines' own
	class    string
	severity string
	reason   string
	since    string
	until    string
	expiring string
	key      string
	err      string
	prints   []string
	topic    string
	ids      []string
	limit    int
	status   []string
	all      bool
	text     string
	noIndex  bool
}

// addFilterFlags gives a command the filters. limit is the most entries unless told otherwise, 0 for all.
func (p *program) addFilterFlags(cmd *cobra.Command, limit int) *filterFlags {
	f := &filterFlags{cmd: cmd}
	flags := cmd.Flags()
	flags.StringVar(&f.pipeline, "pipeline", "", "the pipeline's `name`; may be left out when there is one")
	addQueueFlag(cmd, f)
	flags.StringVar(&f.class, "class", "", "of this failure `class`")
	flags.StringVar(&f.severity, "severity", "", "of this `severity`: low, medium, high, critical")
	flags.StringVar(&f.reason, "reason", "", "dead for this `reason`")
	flags.StringVar(&f.since, "since", "", "dead since this `time`: 2h, 3d, 2006-01-02, 2006-01-02T15:04:05Z")
	flags.StringVar(&f.until, "until", "", "dead before this `time`, written as for --since")
	flags.StringVar(&f.expiring, "expiring", "", "that the topic's retention may take within this `time`, such as 24h or 3d, or before it: 2006-01-02T15:04:05Z")
	flags.StringVar(&f.key, "key", "", "with exactly this record `key`")
	flags.StringVar(&f.err, "error", "", "whose error matches this `regexp`")
	flags.StringVar(&f.text, "text", "", "with this `text` in the error or the payload, letter by letter")
	flags.StringSliceVar(&f.prints, "fingerprint", nil, "that died of this problem, by its `fingerprint` as stats shows it; may be repeated")
	flags.StringVar(&f.topic, "topic", "", "that came from this `topic`")
	flags.StringSliceVar(&f.ids, "id", nil, "with this `id`, as list shows it, or that of the origin (orders/3/1042); may be repeated")
	flags.IntVar(&f.limit, "limit", limit, "at most so many, the first in the order of list; 0: all")
	flags.StringSliceVar(&f.status, "status", nil, "with this `status`: open, replayed, discarded, replay_limit, parked; may be repeated (default open,replay_limit)")
	flags.BoolVar(&f.all, "all", false, "with any status")
	f.addNoIndex()
	cmd.MarkFlagsMutuallyExclusive("status", "all")

	fixed := func(flag string, values []string) {
		_ = cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
	}
	fixed("class", texts(classify.Classes()))
	fixed("severity", texts(classify.Severities()))
	fixed("reason", texts(retrytopics.Reasons()))
	fixed("status", texts(dlq.Statuses()))
	_ = cmd.RegisterFlagCompletionFunc("pipeline", p.completePipelines)
	return f
}

// addNoIndex gives the command the flag to do without the index.
func (f *filterFlags) addNoIndex() {
	f.cmd.Flags().BoolVar(&f.noIndex, "no-index", false, "read the topics, and not the index of them")
}

func texts[T any](values []T) []string {
	all := make([]string, len(values))
	for i, v := range values {
		all[i] = fmt.Sprint(v)
	}
	return all
}

// selecting are the flags that select by more than the pipeline.
var selecting = []string{"class", "severity", "reason", "since", "until", "expiring", "key", "error", "text", "fingerprint", "topic", "id", "status"}

// checkGiven refuses a flag that was given without a value, as by `--fingerprint "$PROBLEM"` where that is not set: it would select all there is. There
// is a key that is empty.
func (f *filterFlags) checkGiven() error {
	names := slices.DeleteFunc(slices.Clone(selecting), func(name string) bool { return name == "key" })
	return refuseEmpty(f.cmd, append(names, "pipeline", "queue")...)
}

// refuseEmpty refuses flags that were given without a value: they would be as if they were not there.
func refuseEmpty(cmd *cobra.Command, names ...string) error {
	for _, name := range names {
		flag := cmd.Flags().Lookup(name)
		if flag == nil || !flag.Changed {
			continue
		}
		empty := flag.Value.String() == ""
		if several, is := flag.Value.(pflag.SliceValue); is {
			empty = len(several.GetSlice()) == 0
		}
		if empty {
			return usagef("--%s is empty: say which, or leave it out", name)
		}
	}
	return nil
}

// filter is what the flags say.
func (f *filterFlags) filter(now time.Time) (dlq.Filter, error) {
	if err := f.checkGiven(); err != nil {
		return dlq.Filter{}, err
	}
	filter := dlq.Filter{Topic: f.topic, Text: f.text, Limit: f.limit, All: f.all, Reason: retrytopics.Reason(f.reason)}
	var err error
	if f.class != "" {
		if f.class == classify.None.String() {
			return filter, usagef("--class none: that is what dead letters have that say no class, as those of other programs; select them by --error, --text or --fingerprint")
		}
		if filter.Class, err = classify.Parse(f.class); err != nil {
			return filter, usagef("--class: %w", err)
		}
	}
	if f.severity != "" {
		if filter.Severity, err = classify.ParseSeverity(f.severity); err != nil {
			return filter, usagef("--severity: %w", err)
		}
	}
	if reasons := texts(retrytopics.Reasons()); f.reason != "" && !contains(reasons, f.reason) {
		return filter, usagef("--reason %q: want one of %s", f.reason, strings.Join(reasons, ", "))
	}
	if filter.Since, err = parseTime(f.since, now); err != nil {
		return filter, usagef("--since: %w", err)
	}
	if filter.Until, err = parseTime(f.until, now); err != nil {
		return filter, usagef("--until: %w", err)
	}
	if !filter.Since.IsZero() && !filter.Until.IsZero() && !filter.Since.Before(filter.Until) {
		return filter, usagef("--since is not before --until: no dead letter can match")
	}
	if f.expiring != "" {
		within, ok := parseAgo(f.expiring)
		filter.ExpiringBefore = now.Add(within)
		if !ok {
			filter.ExpiringBefore, err = time.Parse(time.RFC3339, f.expiring)
		}
		if err != nil || ok && within <= 0 {
			return filter, usagef("--expiring %q: want within how long, as in 24h or 3d, or before when, as in 2006-01-02T15:04:05Z", f.expiring)
		}
	}
	if f.cmd.Flags().Changed("key") {
		filter.Key = []byte(f.key)
	}
	if f.err != "" {
		if filter.Error, err = regexp.Compile(f.err); err != nil {
			return filter, usagef("--error: %w", err)
		}
	}
	for _, text := range f.prints {
		print, err := dlq.ParseFingerprint(text)
		if err != nil {
			return filter, usagef("--fingerprint: %w", err)
		}
		filter.Fingerprints = append(filter.Fingerprints, print)
	}
	if f.limit < 0 {
		return filter, usagef("--limit %d: want 0 for all, or more", f.limit)
	}
	for _, name := range f.status {
		status, err := dlq.ParseStatus(name)
		if err != nil {
			return filter, usagef("--status: %w", err)
		}
		filter.Status = append(filter.Status, status)
	}
	for _, id := range f.ids {
		if err := dlq.CheckID(id); err != nil {
			return filter, usagef("%w", err)
		}
	}
	return filter, nil
}

// look is filter for commands that only look: an entry that is named by its id is shown whatever became of it.
func (f *filterFlags) look(now time.Time) (dlq.Filter, error) {
	filter, err := f.filter(now)
	filter.All = filter.All || len(f.ids) > 0 && len(f.status) == 0
	return filter, err
}

// narrow says whether the flags select by more than the pipeline.
func (f *filterFlags) narrow() bool {
	for _, flag := range selecting {
		if f.cmd.Flags().Changed(flag) {
			return true
		}
	}
	return len(f.ids) > 0
}

func contains(all []string, s string) bool {
	for _, one := range all {
		if one == s {
			return true
		}
	}
	return false
}

// parseTime reads a point in time: RFC 3339, a date, a date and a time of this place, or how long ago it is.
func parseTime(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		return at, nil
	}
	for _, layout := range []string{time.DateOnly, "2006-01-02 15:04", time.DateTime, "2006-01-02T15:04", "2006-01-02T15:04:05"} {
		if at, err := time.ParseInLocation(layout, text, now.Location()); err == nil {
			return at, nil
		}
	}
	if ago, ok := parseAgo(text); ok {
		return now.Add(-ago), nil
	}
	return time.Time{}, fmt.Errorf("%q is no time: want how long ago (90m, 2h, 3d), a date (2006-01-02), or a time (2006-01-02T15:04:05Z)", text)
}

// parseAgo reads a Go duration, or days before it: 3d, 1d12h.
func parseAgo(text string) (time.Duration, bool) {
	var ago time.Duration
	if days, rest, found := strings.Cut(text, "d"); found {
		n, err := strconv.ParseUint(days, 10, 16)
		if err != nil {
			return 0, false
		}
		ago, text = time.Duration(n)*24*time.Hour, rest
	}
	if text == "" {
		return ago, true
	}
	rest, err := time.ParseDuration(text)
	return ago + rest, err == nil && rest >= 0
}
