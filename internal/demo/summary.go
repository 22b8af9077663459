package demo

import (
	"fmt"
	"strings"
	"time"
)

// sumUp prints the summary, and what is wrong.
func (s *show) sumUp(r recount) error {
	var b strings.Builder
	s.summarize(&b, r)
	if !r.equal() {
		s.accuse(&b, r)
	}
	if _, err := fmt.Fprint(s.Out, b.String()); err != nil {
		return err
	}
	if !r.equal() {
		return ErrDiffers
	}
	return nil
}

// summarize tells what happened, and how often it was counted.
func (s *show) summarize(b *strings.Builder, r recount) {
	t := r.totals
	fmt.Fprintf(b, "\nredeliver demo ran for %v", time.Since(s.feed.began).Round(100*time.Millisecond))
	if s.story.told > 0 {
		fmt.Fprintf(b, " and told its story %s", times(s.story.told))
	}
	if s.cut != "" {
		fmt.Fprintf(b, "; %s in the middle of the story", s.cut)
	}
	b.WriteString("\n\n")
	writeTable(b, r.shown())
	fmt.Fprintf(b, "\nin %d = done %d + dead letters %d + waiting %d", t.orders, t.done, t.open, sum(t.waiting))
	if t.discarded > 0 {
		fmt.Fprintf(b, " + discarded %d", t.discarded)
	}
	fmt.Fprintf(b, "\ndone %d = at once %d", t.done, t.when[sourceTopic])
	for _, d := range s.pace.tiers {
		fmt.Fprintf(b, " + %s %d", tierName(d), t.when[names.RetryTopic(sourceTopic, d)])
	}
	fmt.Fprintf(b, " + replay %d\n", t.when[afterReplay])
	notes := s.notes(r)
	if r.equal() {
		notes = append(notes, "Every figure is the same whoever counts: the raw topics, the service, /metrics.")
	}
	for _, note := range notes {
		for _, l := range wrap(note, summaryWidth) {
			b.WriteString(l + "\n")
		}
	}
}

// summaryWidth is that of a terminal of old, which is what everybody has.
const summaryWidth = 79

// notes say what the figures alone do not.
func (s *show) notes(r recount) (notes []string) {
	t := r.totals
	if opened := s.story.breaker().Opened; opened > 0 {
		notes = append(notes, fmt.Sprintf("The breaker opened %s. Calls that failed while it opened or probed: %d, none of which cost an attempt.", times(int(opened)), t.free))
	}
	if t.strangers > 0 {
		notes = append(notes, fmt.Sprintf("%s in topic %s came from somebody else than the demo.", plural(t.strangers, "record"), sourceTopic))
	}
	if t.above > 0 {
		notes = append(notes, fmt.Sprintf("%s above the group's commit: with a broker that stays, the next start would call them again.", plural(t.above, "done order")))
	}
	if n := t.waiting[sourceTopic]; n > 0 {
		notes = append(notes, fmt.Sprintf("%s not called yet.", plural(n, "order")))
	}
	for _, d := range s.pace.tiers {
		if n := t.waiting[names.RetryTopic(sourceTopic, d)]; n > 0 {
			notes = append(notes, fmt.Sprintf("%s still in %s.", plural(n, "order"), tierName(d)))
		}
	}
	if r.unsettled {
		notes = append(notes, fmt.Sprintf("Not everything settled within %v: the machine is busy, or something hangs.", settleBound))
	}
	for _, m := range s.story.missed {
		notes = append(notes, "Not reached: "+m+".")
	}
	return notes
}

// accuse tells what does not add up, for a report.
func (s *show) accuse(b *strings.Builder, r recount) {
	b.WriteString("\nThe figures do not add up. This is a bug: please report it with these lines.\n")
	for _, row := range r.rows {
		if !row.equal() {
			fmt.Fprintf(b, "  differs: %s\n", row.sentence())
		}
	}
	for _, f := range r.faults {
		fmt.Fprintf(b, "  wrong: %s\n", f)
	}
	for _, l := range s.journal.last() {
		fmt.Fprintf(b, "  log: %s\n", l)
	}
}

// sentence tells a row in words: dead letters: topics 7, metrics 6.
func (r row) sentence() string {
	var says []string
	for w := range witnesses {
		if r.speaks[w] {
			says = append(says, fmt.Sprintf("%s %d", witnessNames[w], r.says[w]))
		}
	}
	return strings.TrimSpace(r.what) + ": " + strings.Join(says, ", ")
}

// writeTable writes the rows with a column for each witness, and marks those that differ.
func writeTable(b *strings.Builder, rows []row) {
	width := 0
	for _, r := range rows {
		width = max(width, len(r.what))
	}
	fmt.Fprintf(b, "%-*s", width, "recounted")
	for _, name := range witnessNames {
		fmt.Fprintf(b, "  %7s", name)
	}
	b.WriteString("\n")
	for _, r := range rows {
		text := fmt.Sprintf("%-*s", width, r.what)
		for w := range witnesses {
			if r.speaks[w] {
				text += fmt.Sprintf("  %7d", r.says[w])
			} else {
				text += fmt.Sprintf("  %7s", "")
			}
		}
		if !r.equal() {
			text += "  <- differs"
		}
		b.WriteString(strings.TrimRight(text, " ") + "\n")
	}
}

func times(n int) string {
	switch n {
	case 1:
		return "once"
	case 2:
		return "twice"
	}
	return fmt.Sprintf("%d times", n)
}
