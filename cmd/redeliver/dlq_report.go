package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/redeliver/redeliver/dlq"
)

// dryListed is how many of the entries that a dry run would change its table shows.
const dryListed = 100

// changeReport gathers what became of a chore, over all queues.
type changeReport struct {
	program *program
	flags   *filterFlags
	chore   chore
	format  outputFormat
	bar     *progress
	doubt   string // why outcomes in the queue at work may be waited for in vain

	summaries []changeSummary
	partly    bool
	resume    string          // the command that goes on with the last replay, where that can be
	topic     string          // that this is of
	begun     bool            // something was changed, or may have been
	cut       bool            // in the queue that came last, before it ended with an error
	gone      bool            // the last queue was gone through to its end
	found     map[string]bool // ids that some queue had
	missing   []string
	left      []string // ids whose entries the other filters leave out
	behind    int64    // records of the queue at work that stand behind open transactions
	listed    int
	edited    func(e dlq.Entry) string // of the queue at work; nil: nothing is edited
	entries   []changeEntry            // of the queue at work
}

// changeSummary is what became of a chore in one queue, as data.
type changeSummary struct {
	Pipeline   string           `json:"pipeline"`
	Queue      string           `json:"queue"`
	Run        string           `json:"run,omitempty"`
	Task       string           `json:"task,omitempty"`
	DryRun     bool             `json:"dry_run"`
	Complete   bool             `json:"complete"`
	Done       int64            `json:"done"`
	To         map[string]int64 `json:"to,omitempty"`
	Earlier    int64            `json:"done_earlier,omitempty"`
	Succeeded  int64            `json:"succeeded,omitempty"`
	Failed     int64            `json:"failed,omitempty"`
	Pending    int64            `json:"pending,omitempty"`
	NoGroup    int64            `json:"no_group,omitempty"`        // whose outcomes are those of the pipeline's group
	Headerless int64            `json:"without_headers,omitempty"` // of their records, which their origins have no more
	Unmeasured []string         `json:"limit_unknown,omitempty"`   // topics of which a dry run does not know how large a record they take
	Matched    int64            `json:"matched"`
	Replayed   int64            `json:"replayed_before"`
	Discarded  int64            `json:"discarded_before"`
	Unfinished map[string]int64 `json:"unfinished,omitempty"` // of those replayed before, by the replay, which has not ended
	Superseded int64            `json:"superseded,omitempty"` // they died again, and what they became stands for them
	Parked     int64            `json:"parked,omitempty"`
	Limited    int64            `json:"replay_limit"`
	LeftOut    []leftOut        `json:"left_out"`
	OtherGroup int64            `json:"other_group"`
	Duplicates int64            `json:"duplicates"`
	InDoubt    int64            `json:"in_doubt"`
	Cluster    string           `json:"cluster,omitempty"` // another one, where each copy is written at least once
	Unmarked   int64            `json:"unmarked,omitempty"`
	Missing    []string         `json:"missing"`
	Unselected []string         `json:"unselected,omitempty"` // ids whose entries the other filters leave out
	Open       int64            `json:"open_before,omitempty"`
	KeptLost   bool             `json:"kept_lost,omitempty"` // the index was emptied since the replay was started
	Taken      int64            `json:"taken,omitempty"`     // by retention, since then, at most: offsets
	Behind     int64            `json:"behind,omitempty"`    // a transaction that was open, and so left to a later run, at most: records
	Seconds    float64          `json:"seconds"`
	Error      string           `json:"error,omitempty"`
	// Entries are those that would be changed, on a dry run only.
	Entries []changeEntry `json:"entries,omitempty"`
}

// changeEntry is an entry that a dry run would change.
type changeEntry struct {
	ID     string    `json:"id"`
	Died   time.Time `json:"died"`
	Class  string    `json:"class"`
	Origin string    `json:"origin"`
	To     string    `json:"to,omitempty"`
	// Edit is the difference that the edits make, of the first hundred.
	Edit string `json:"edit,omitempty"`
}

type leftOut struct {
	Why   string `json:"why"`
	Count int64  `json:"count"`
	ID    string `json:"id"`
}

// doing tells progress on standard error.
func (r *changeReport) doing(q queue) tellers {
	show := func(task string) string { return r.program.commandOf("replay show "+task, q, "") }
	t := r.tellers(r.chore.doing+" "+q.Topic(), r.chore.done, show)
	if r.doubt = "does group " + q.pipeline.Group + " run?"; q.foreign {
		r.doubt = "does their group run?"
	}
	return t
}

// counting tells progress of a dry run, and the entries that would be changed where they are asked for.
func (r *changeReport) counting(q queue, list bool) tellers {
	t := r.tellers("counting "+q.Topic(), "match", nil) // of a dry run, which is no task
	if r.edited = nil; list && r.chore.edits != nil {
		r.edited = r.chore.edits(q)
	}
	switch {
	case list && r.format == asTable:
		t.entry = r.would
	case list:
		t.entry = r.collect
	}
	return t
}

// tellers tell progress, and once the replay's id, with the command that shows it.
func (r *changeReport) tellers(label, done string, show func(task string) string) tellers {
	r.bar = r.program.newProgress(label, 0)
	told := r.chore.task // by who named it
	return tellers{
		progress: func(at dlq.Progress) {
			r.bar.grow(at.Total)
			if at.Task != "" && at.Task != told && at.Done > 0 {
				told = at.Task
				r.bar.interject(func() { fmt.Fprintf(r.program.err, "This is replay %s: `%s` shows it.\n", told, show(told)) })
			}
			note := fmt.Sprintf("%d %s", at.Done, done)
			if at.Succeeded+at.Failed+at.Pending > 0 {
				note += fmt.Sprintf(" (%d succeeded, %d failed, %d not known yet)", at.Succeeded, at.Failed, at.Pending)
			}
			awaited := ""
			if at.Pending > 0 {
				awaited = fmt.Sprintf("%d %s awaited, %d succeeded, %d failed, %d %s", at.Pending, plural(int(at.Pending), "outcome"), at.Succeeded, at.Failed, at.Done, done)
			}
			r.bar.await(awaited, r.doubt)
			r.bar.set(at.Scanned, note)
		},
	}
}

// would tells an entry that a dry run would change.
func (r *changeReport) would(e dlq.Entry, topic string) {
	if r.listed++; r.listed > dryListed {
		return
	}
	text := e.ID() + "  " + clockText(e.At) + "  " + e.State.Class.String() + "  " + e.State.ID
	if topic != "" {
		text += "  to " + topic
	}
	fmt.Fprintln(r.program.out, printable(text))
	if r.edited != nil {
		fmt.Fprint(r.program.out, r.edited(e))
	}
}

// collect keeps an entry that a dry run would change for the summary, without the record.
func (r *changeReport) collect(e dlq.Entry, topic string) {
	one := changeEntry{ID: e.ID(), Died: jsonTime(e.At), Class: e.State.Class.String(), Origin: strings.Clone(e.State.ID), To: topic}
	if r.edited != nil && len(r.entries) < dryListed {
		one.Edit = r.edited(e)
	}
	r.entries = append(r.entries, one)
}

func (r *changeReport) endProgress() { r.bar.end() }

// add takes the summary of one queue and prints it, unless it is to be a part of one document.
func (r *changeReport) add(q queue, s dlq.Summary, failed error) error {
	if failed != nil && s.Took == 0 {
		return nil // it did not begin, and the error says why
	}
	for _, id := range q.ids {
		if !slices.Contains(s.Missing, id) {
			r.found[id] = true
		}
	}
	for _, id := range s.Unselected {
		r.left = append(r.left, r.whyUnselected(q, id))
	}
	if s.Complete || failed == nil {
		r.missing = append(r.missing, s.Missing...)
	}
	one := changeSummary{
		Pipeline: q.pipeline.Name, Queue: q.Topic(), Run: s.Run, Task: s.Task, DryRun: s.DryRun, Complete: s.Complete, Done: s.Done, To: s.To,
		Earlier: s.Earlier, Succeeded: s.Succeeded, Failed: s.Failed, Pending: s.Pending, NoGroup: s.NoGroup, Headerless: s.Headerless, Unmeasured: s.LimitUnknown,
		Matched: s.Matched, Replayed: s.Replayed, Discarded: s.Discarded, Unfinished: s.Unfinished, Superseded: s.Superseded, Parked: s.Parked, Limited: s.Limited, LeftOut: viewLeftOut(q, s.LeftOut),
		OtherGroup: s.OtherGroup, Duplicates: s.Duplicates, InDoubt: s.InDoubt, Cluster: r.chore.cluster, Unmarked: s.Unmarked, Missing: append([]string{}, s.Missing...), Unselected: s.Unselected, Open: s.Open, KeptLost: s.KeptLost, Taken: s.Taken, Behind: r.behind, Seconds: s.Took.Seconds(),
	}
	if failed != nil {
		one.Error = failed.Error()
	}
	if errors.Is(failed, context.Canceled) {
		one.Error = "interrupted"
	}
	one.Entries, r.entries = r.entries, nil
	s.Missing = nil // other queues may have them
	r.partly = r.partly || s.Partly() || r.chore.waits && len(s.Unfinished) > 0
	if s.Task != "" && s.Done > 0 && !s.Complete {
		r.resume, r.topic = r.resuming(q, s.Task), q.Topic()
	}
	r.gone = s.Complete
	changed := !s.DryRun && s.Done+s.InDoubt+s.Unmarked > 0
	r.begun, r.cut = r.begun || changed, changed && failed != nil
	r.summaries = append(r.summaries, one)
	if r.format == asTable {
		if r.listed > dryListed {
			fmt.Fprintf(r.program.out, "and %d more\n", r.listed-dryListed)
		}
		r.listed = 0
		return r.print(r.program.out, q, one, s.Took)
	}
	return nil
}

// resuming is the command that goes on with a replay.
func (r *changeReport) resuming(q queue, task string) string {
	return r.program.commandOf("replay resume "+task, q, "")
}

// whyUnselected says why an entry that was named is not among those that the filters select.
func (r *changeReport) whyUnselected(q queue, id string) string {
	f := r.chore.filter
	before := f.ExpiringBefore
	if f.IDs, f.Status, f.All, f.Limit, f.ExpiringBefore = nil, nil, false, 0, (time.Time{}); !before.IsZero() && reflect.DeepEqual(f, dlq.Filter{}) {
		return fmt.Sprintf("dead letter %s of %s does not expire before %s", id, q.Topic(), before.Local().Format(time.DateTime))
	}
	return fmt.Sprintf("dead letter %s of %s is there, and the other filters leave it out", id, q.Topic())
}

func viewLeftOut(q queue, all []dlq.LeftOut) []leftOut {
	view := make([]leftOut, 0, len(all))
	for _, l := range all {
		view = append(view, leftOut{q.redact.Why(l.Why), l.Count, l.ID}) // jq says what a program raises in its own words
	}
	return view
}

// print tells the summary to people.
func (r *changeReport) print(w io.Writer, q queue, s changeSummary, took time.Duration) error {
	if r.chore.starts != nil && !s.DryRun {
		who := "a running pipeline, or for: "
		switch {
		case !q.attended():
			who = "this, for running pipelines take up those of their own dead letters only: "
		case q.config.Index.Kind == "file" && r.chore.starts[s.Task]:
			who = "this, for what only the index keeps is in a file here: "
		}
		_, err := fmt.Fprintf(w, "%s: replay %s waits for %s%s\n", s.Queue, s.Task, who, r.resuming(q, s.Task))
		return err
	}
	would := ""
	if s.DryRun {
		would = "dry run: would have "
	}
	text := fmt.Sprintf("%s: %s%s %d %s", s.Queue, would, r.chore.done, s.Done, plural(int(s.Done), "dead letter"))
	if len(s.To) > 0 {
		text += " to " + topicsText(s.To)
	}
	if !s.DryRun && s.Done > 0 {
		text += fmt.Sprintf(" in %v", took.Round(time.Millisecond))
	}
	lines := []string{text}
	remark := func(n int64, format string, args ...any) {
		if n > 0 {
			lines = append(lines, "  "+fmt.Sprintf("%d ", n)+fmt.Sprintf(format, args...))
		}
	}
	if s.Cluster != "" && s.Done+s.Unmarked > 0 {
		lines = append(lines, "  on cluster "+s.Cluster+" each at least once: a copy and its mark here are no transaction")
	}
	remark(s.Unmarked, "written to cluster %s, or under way there, and not marked: they are still open, and the next run writes them once more", s.Cluster)
	remark(s.Earlier, "before, by the same replay")
	remark(s.Succeeded, "succeeded")
	remark(s.Failed, "failed again: they are dead letters anew")
	remark(s.Pending, "whose outcome is not known yet: see `%s`", r.program.commandOf("replay show "+s.Task, q, ""))
	remark(s.NoGroup, "name no consumer group: the outcomes are those of group %s, of pipeline %s", q.pipeline.Group, q.pipeline.Name)
	remark(s.Headerless, "without the headers of their records, for their origin has them no more")
	if len(s.Unmeasured) > 0 {
		lines = append(lines, "  "+limitUnknown(s.Unmeasured))
	}
	remark(s.Replayed, "%s", r.before(dlq.StatusReplayed))
	remark(s.Discarded, "%s", r.before(dlq.StatusDiscarded))
	const named = 3
	unfinished := slices.Sorted(maps.Keys(s.Unfinished))
	for _, id := range unfinished[:min(named, len(unfinished))] {
		remark(s.Unfinished[id], "of them by replay %s, which has not ended: `%s`", id, r.resuming(q, id))
	}
	if more := len(unfinished) - named; more > 0 {
		lines = append(lines, fmt.Sprintf("  the others by %d more %s that have not ended: see `%s`", more, plural(more, "replay"), r.program.commandOf("replay list", q, "")))
	}
	remark(s.Superseded, "had been replayed before and died again: left out, for the dead letters that they became stand for them")
	remark(s.Parked, "parked, and left so%s", r.remedy(dlq.StatusParked))
	remark(s.Open, "open already, and left so")
	remark(s.Limited, "left out, replayed %d %s or more: `--max-replays -1` replays them", r.chore.max, plural(r.chore.max, "time"))
	for _, l := range s.LeftOut {
		remark(l.Count, "left out: %s (for example %s)", l.Why, l.ID)
	}
	remark(s.OtherGroup, "left out, of another consumer group%s", r.chore.others)
	if s.KeptLost {
		lines = append(lines, "  "+keptLost)
	}
	if s.Taken > 0 {
		lines = append(lines, "  "+byRetention(s.Taken))
	}
	remark(s.Duplicates, "further %s, not counted", copies(s.Duplicates))
	remark(s.InDoubt, "may be %s or not, for the brokers did not answer: run it again, the ledger knows", r.chore.done)
	_, err := io.WriteString(w, strings.Join(lines, "\n")+"\n")
	return err
}

// remedy is how the chore is done all the same to entries of a status.
func (r *changeReport) remedy(status dlq.Status) string {
	if how := r.chore.remedy[status]; how != "" {
		return ": " + how
	}
	return ""
}

// before says of entries with a status that they had it, and what becomes of them.
func (r *changeReport) before(status dlq.Status) string {
	if r.chore.remedy[status] != "" {
		return "had been " + status.String() + " before" + r.remedy(status)
	}
	how := ""
	if status == dlq.StatusDiscarded {
		how = "; `redeliver replay --status discarded` replays them"
	}
	return "had been " + status.String() + " before and stay so: they are not " + r.chore.done + how
}

// limitUnknown is what people are told of topics of which nobody knows how large a record they take.
func limitUnknown(topics []string) string {
	const named = 3
	of := strings.Join(topics[:min(named, len(topics))], ", ")
	if more := len(topics) - named; more > 0 {
		of += fmt.Sprintf(" and %d more %s", more, plural(more, "topic"))
	}
	return "what is too large for " + of + " is left out when it is written and is not known yet: max.message.bytes there cannot be read (grant DescribeConfigs on it)"
}

// copies names n further copies of entries.
func copies(n int64) string {
	if n == 1 {
		return "copy of an entry"
	}
	return "copies of entries"
}

// end prints what is printed as one document and makes the exit status.
func (r *changeReport) end(failed error) error {
	if r.format != asTable {
		rows := newRows[changeSummary](r.program.out, r.format)
		for _, s := range r.summaries {
			if err := rows.add(s); err != nil {
				return err
			}
		}
		if err := rows.close(); err != nil {
			return err
		}
	}
	if failed != nil {
		return r.failure(failed)
	}
	if failed := slices.IndexFunc(r.summaries, func(s changeSummary) bool { return s.Failed > 0 }); failed >= 0 {
		return partlyf("%d of what was replayed failed again", r.summaries[failed].Failed)
	}
	var missing []string
	for _, id := range r.missing {
		if !r.found[id] && !slices.Contains(missing, id) {
			missing = append(missing, id)
		}
	}
	switch {
	case len(missing) > 0 && len(r.found) == 0:
		return fmt.Errorf("there is no dead letter %s: see `%s`", strings.Join(missing, ", "), r.program.commandLike("dlq list", r.flags))
	case len(missing)+len(r.left) > 0:
		if len(missing) > 0 {
			r.left = append(r.left, "there is no dead letter "+strings.Join(missing, ", "))
		}
		return partlyf("%s", strings.Join(r.left, "; "))
	case r.partly:
		return partlyf("some dead letters were left out, see above")
	}
	return nil
}

// failure says what an error that ended the chore leaves behind.
func (r *changeReport) failure(err error) error {
	interrupted := errors.Is(err, context.Canceled)
	switch {
	case errors.Is(err, dlq.ErrPaused), errors.Is(err, dlq.ErrStopped), errors.Is(err, dlq.ErrCancelled):
		if r.resume != "" && errors.Is(err, dlq.ErrPaused) {
			return partlyf("%w; what was replayed is marked: `%s` goes on with it", err, r.resume)
		}
		if r.gone {
			return partlyf("%w; nothing else was left to replay", err)
		}
		return partlyf("%w; what was replayed is marked, and the rest is left as it was", err)
	case interrupted && r.resume != "":
		return partlyf("interrupted; what was %s is marked: `%s` goes on with it", r.chore.done, r.resume)
	case interrupted && r.begun:
		return partlyf("interrupted; what was %s is marked: run it again for the rest", r.chore.done)
	case interrupted:
		return &exitError{status: exitFailed, err: fmt.Errorf("interrupted; nothing was %s", r.chore.done)}
	case r.begun && r.deleted(err): // there is nothing to go on with
		return partlyf("%w, and what was left with it", err)
	case r.begun && r.resume != "" && (errors.Is(err, kerr.UnknownTopicID) || errors.Is(err, kerr.UnknownTopicOrPartition)): // of one that it writes to, its ledger perhaps
		return partlyf("%w; if it is another one, `%s` goes on with it", err, r.resume)
	case r.begun && r.resume != "" && tookOver(err):
		return partlyf("%w; `%s` goes on with it", err, r.resume)
	case r.begun && r.resume != "":
		return partlyf("%w; what was %s is marked: `%s` goes on with it", err, r.chore.done, r.resume)
	case r.cut && !tookOver(err):
		return partlyf("%w; what was %s is marked: run it again for the rest", err, r.chore.done)
	case r.begun:
		return partlyf("%w", err)
	}
	return err
}

// tookOver says whether an error is that somebody else began to write, which says what is marked, and what becomes of the rest.
func tookOver(err error) bool {
	fenced := new(dlq.FencedError)
	return errors.As(err, &fenced) && fenced.By.Run != ""
}

// deleted says whether an error is that the topic of the replay was deleted, or its ledger: with either the replay is gone.
func (r *changeReport) deleted(err error) bool {
	topic := new(dlq.TopicDeletedError)
	return errors.As(err, &topic) && (topic.Topic == r.topic || topic.Topic == dlq.LedgerTopic(r.topic))
}

// topicsText names topics, the one that gets most first.
func topicsText(counts map[string]int64) string {
	names := slices.SortedFunc(maps.Keys(counts), func(a, b string) int {
		if counts[a] != counts[b] {
			return int(counts[b] - counts[a])
		}
		return strings.Compare(a, b)
	})
	return strings.Join(names, " and ")
}
