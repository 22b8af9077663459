package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/redeliver/redeliver/dlq"
)

// hoursShown is how many of the last hours the table shows.
const hoursShown = 24

func newDLQStatsCommand(p *program) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "stats",
		Short: "Group dead letters by problem, and count them by status, class, reason, topic and hour",
		Long: `Group dead letters by problem, and count them by status, class, reason, topic and hour.

Dead letters with one failure class and one error text have the same problem, where numbers, ids, addresses and times in the
text do not count. Of each problem it shows how many there are, when the first and the last one died, a trend, an
example, and the command that replays just these. The trends of all problems are of the same time, and of one height.`,
		Example: "  redeliver dlq stats\n  redeliver dlq stats --since 1h --problems 3\n  redeliver replay --fingerprint k3f9qa",
		Args:    noArguments,
	}
	format := addOutput(cmd)
	flags := p.addFilterFlags(cmd, 0)
	_ = cmd.Flags().MarkHidden("limit")
	problems := cmd.Flags().Int("problems", problemsShown, "show the `n` largest problems; 0: all")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		p.notices = true
		filter, err := flags.look(time.Now())
		if err != nil {
			return err
		}
		if *problems < 0 {
			return usagef("--problems %d: want 0 for all, or more", *problems)
		}
		qs, err := p.openQueues(cmd.Context(), flags, false)
		if err != nil {
			return err
		}
		defer qs.close()
		rows := newRows[queueStats](p.out, *format)
		first := true
		err = p.each(qs, func(q queue) error {
			filter := filter
			filter.IDs = q.ids
			stats, err := q.Stats(cmd.Context(), filter)
			if err != nil {
				return err
			}
			counts := statsOf(q, stats)
			if counts.Problems, counts.FurtherProblems, err = p.problemsOf(cmd.Context(), q, qs.all, flags, filter, stats, *problems); err != nil {
				return err
			}
			p.tellBehind(cmd.Context(), q, shownLater)
			if *format != asTable {
				return rows.add(counts)
			}
			if !first {
				fmt.Fprintln(p.out)
			}
			first = false
			return showStats(p.out, counts, p.commandOf("dlq renew", q, flags.pipeline), time.Now())
		})
		if err != nil || *format == asTable {
			return err
		}
		return rows.close()
	}
	return cmd
}

// queueStats are the counts of a queue as data. All but ByStatus are of the statuses asked for.
type queueStats struct {
	Pipeline string           `json:"pipeline"`
	Queue    string           `json:"queue"`
	Entries  int64            `json:"entries"`
	ByStatus map[string]int64 `json:"by_status"`
	ByClass  map[string]int64 `json:"by_class"`
	ByReason map[string]int64 `json:"by_reason"`
	ByTopic  map[string]int64 `json:"by_topic"`
	ByHour   []hourCount      `json:"by_hour"`
	Problems []problemView    `json:"problems"`
	// FurtherProblems are not shown.
	FurtherProblems int       `json:"further_problems"`
	Oldest          time.Time `json:"oldest,omitzero"`
	Newest          time.Time `json:"newest,omitzero"`
	Bytes           int64     `json:"bytes"`
	Ungrouped       int64     `json:"ungrouped"`
	Duplicates      int64     `json:"duplicates"`
	OtherGroup      int64     `json:"other_group"`
	Damaged         int64     `json:"damaged"`
	// Expiring are still to be dealt with, and may be taken by the topic's retention soon; Expires is when the first may be.
	Expiring int64     `json:"expiring"`
	Expires  time.Time `json:"expires,omitzero"`
	// FailedAnew had been replayed or discarded, and are open again since their records failed once more.
	FailedAnew int64 `json:"failed_anew"`
}

type hourCount struct {
	Hour  time.Time `json:"hour"`
	Count int64     `json:"count"`
}

func statsOf(q queue, s dlq.Stats) queueStats {
	stats := queueStats{
		Pipeline: q.pipeline.Name, Queue: q.Topic(), Entries: s.Entries,
		ByStatus: named(s.ByStatus), ByClass: named(s.ByClass), ByReason: named(s.ByReason), ByTopic: s.ByTopic,
		ByHour: []hourCount{}, Bytes: s.Bytes, Ungrouped: s.Ungrouped, Duplicates: s.Duplicates, OtherGroup: s.OtherGroup, Damaged: s.Damaged,
		Expiring: s.Expiry.Entries, Expires: jsonTime(s.Expiry.First),
		FailedAnew: s.FailedAnew,
	}
	if s.Entries > 0 {
		stats.Oldest, stats.Newest = jsonTime(s.Oldest), jsonTime(s.Newest)
	}
	for _, hour := range slices.SortedFunc(maps.Keys(s.ByHour), time.Time.Compare) {
		stats.ByHour = append(stats.ByHour, hourCount{jsonTime(hour), s.ByHour[hour]})
	}
	return stats
}

func named[K comparable](counts map[K]int64) map[string]int64 {
	all := make(map[string]int64, len(counts))
	for k, n := range counts {
		all[fmt.Sprint(k)] += n
	}
	return all
}

// showStats prints counts for people, with the command that carries forward what expires.
func showStats(w io.Writer, s queueStats, renew string, now time.Time) error {
	fmt.Fprintf(w, "%s (pipeline %s): %d %s", s.Queue, s.Pipeline, s.Entries, plural(int(s.Entries), "dead letter"))
	if s.Entries > 0 {
		fmt.Fprintf(w, ", %s; the oldest died %s, the newest %s", sizeText(s.Bytes), ago(s.Oldest, now), ago(s.Newest, now))
	}
	fmt.Fprintln(w)
	if err := showProblems(w, s, now); err != nil {
		return err
	}
	for _, part := range []struct {
		title  string
		counts map[string]int64
	}{{"STATUS", s.ByStatus}, {"CLASS", s.ByClass}, {"REASON", s.ByReason}, {"TOPIC", s.ByTopic}} {
		if err := showCounts(w, part.title, part.counts); err != nil {
			return err
		}
	}
	if err := showHours(w, s.ByHour); err != nil {
		return err
	}
	if s.Expiring > 0 {
		fmt.Fprintf(w, "%d %s, the first %s: the topic's retention takes them; `%s` carries them forward\n", s.Expiring, expireText(s.Expiring), in(s.Expires, now), renew)
	}
	for _, remark := range []struct {
		n    int64
		text string
	}{
		{s.FailedAnew, "open again: they had been replayed or discarded, and their records failed anew, as where the offsets of the group were reset"},
		{s.Duplicates, "further " + copies(s.Duplicates) + ", not counted"},
		{s.Ungrouped, "of further problems, too many to keep apart"},
		{s.OtherGroup, "of another consumer group"},
		{s.Damaged, "whose headers Redeliver did not write, or that are damaged"},
	} {
		if remark.n > 0 {
			fmt.Fprintf(w, "%d %s\n", remark.n, remark.text)
		}
	}
	return nil
}

func showCounts(w io.Writer, title string, counts map[string]int64) error {
	if len(counts) == 0 {
		return nil
	}
	fmt.Fprintln(w)
	rows := newRows(w, asTable,
		column[string]{title: title, cell: orDash},
		column[string]{title: "ENTRIES", right: true, cell: func(name string) string { return strconv.FormatInt(counts[name], 10) }},
	)
	names := slices.SortedFunc(maps.Keys(counts), func(a, b string) int {
		return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a, b))
	})
	for _, name := range names {
		if err := rows.add(name); err != nil {
			return err
		}
	}
	return rows.close()
}

// showHours prints the last hours in which something died, with a bar for each.
func showHours(w io.Writer, hours []hourCount) error {
	if len(hours) == 0 {
		return nil
	}
	fmt.Fprintln(w)
	if hidden := len(hours) - hoursShown; hidden > 0 {
		fmt.Fprintf(w, "the last %d of %d hours in which something died:\n", hoursShown, len(hours))
		hours = hours[hidden:]
	}
	most := slices.MaxFunc(hours, func(a, b hourCount) int { return cmp.Compare(a.Count, b.Count) }).Count
	rows := newRows(w, asTable,
		column[hourCount]{title: "HOUR", cell: func(h hourCount) string { return h.Hour.Local().Format("2006-01-02 15:04") }},
		column[hourCount]{title: "ENTRIES", right: true, cell: func(h hourCount) string { return strconv.FormatInt(h.Count, 10) }},
		column[hourCount]{cell: func(h hourCount) string { return strings.Repeat("#", int(max(1, h.Count*40/most))) }},
	)
	for _, h := range hours {
		if err := rows.add(h); err != nil {
			return err
		}
	}
	return rows.close()
}

func sizeText(bytes int64) string {
	switch {
	case bytes < 10<<10:
		return fmt.Sprintf("%d bytes", bytes)
	case bytes < 10<<20:
		return fmt.Sprintf("%d KiB", bytes>>10)
	}
	return fmt.Sprintf("%d MiB", bytes>>20)
}

func expireText(n int64) string {
	if n == 1 {
		return "expires"
	}
	return "expire"
}

// in is how long after now a time is.
func in(at, now time.Time) string {
	text := strings.TrimSuffix(ago(now, at), " ago")
	if text == "just now" || at.Before(now) {
		return "now"
	}
	return "in " + text
}

// noTime is what Kafka says of a record without a time, in Unix ms.
const noTime = -1

// clockText is the time of a record where it has one.
func clockText(at time.Time) string {
	if at.UnixMilli() == noTime {
		return "-"
	}
	return at.Local().Format(time.DateTime)
}

// ago is how long before now a time was, in the one or two units that matter. One that is ahead, as that of a producer whose clock is, is told as that.
func ago(at, now time.Time) string {
	d := now.Sub(at)
	switch {
	case at.UnixMilli() == noTime:
		return "at no known time"
	case d <= -time.Minute:
		return strings.TrimSuffix(ago(now, at), "ago") + "ahead of now"
	case d < time.Second:
		return "just now"
	case d < time.Minute:
		return fmt.Sprintf("%d s ago", d/time.Second)
	case d < time.Hour:
		return fmt.Sprintf("%d min ago", d/time.Minute)
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h ago", d/time.Hour)
	}
	return fmt.Sprintf("%d days ago", d/(24*time.Hour))
}
