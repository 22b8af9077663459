package main

import (
	"fmt"
	"io"
	"time"

	"github.com/redeliver/redeliver/internal/admin"
)

// printLearned prints what adaptive pipelines have learned, and why the last delay was what it was.
func printLearned(w io.Writer, s status) error {
	type row struct {
		pipeline string
		at       time.Time
		admin.LearnedStatus
	}
	wait := func(seconds float64) string {
		if seconds == 0 {
			return "> 1d"
		}
		return span(time.Duration(seconds * float64(time.Second)))
	}
	rows := newRows(w, asTable,
		column[row]{title: "LEARNED", cell: func(r row) string { return r.pipeline }},
		column[row]{title: "DEPENDENCY", cell: func(r row) string { return r.Dependency }},
		column[row]{title: "CLASS", cell: func(r row) string { return r.Class }},
		column[row]{title: "SEEN", right: true, cell: func(r row) string { return fmt.Sprintf("%.0f", r.Observations) }},
		column[row]{title: "RECOVERED 50%", right: true, cell: func(r row) string { return wait(r.Half) }},
		column[row]{title: "90%", right: true, cell: func(r row) string { return wait(r.NineTenths) }},
		column[row]{title: "50% NOW", right: true, cell: func(r row) string { return wait(r.HalfNow) }},
		column[row]{title: "KEPT", cell: func(r row) string { return keptText(r.Kept, r.at) }},
		column[row]{title: "LAST DELAY", cell: func(r row) string { return adviceText(r.LearnedStatus, r.at) }},
	)
	for _, p := range s.processes() {
		for _, l := range p.Learned {
			if err := rows.add(row{p.Pipeline, s.At, l}); err != nil {
				return err
			}
		}
	}
	if len(rows.cells) == 0 {
		return nil
	}
	if err := rows.close(); err != nil {
		return err
	}
	_, err := fmt.Fprintln(w)
	return err
}

// keptText says where it is kept what was learned.
func keptText(kept *time.Time, now time.Time) string {
	if kept == nil {
		return "in memory"
	}
	return "control topic, " + until(kept, now)
}

// adviceText says why a delay was what it was.
func adviceText(l admin.LearnedStatus, now time.Time) string {
	if l.Last == nil {
		if l.Observations < float64(l.Minimum) {
			return fmt.Sprintf("the strategy's, until %d are seen", l.Minimum)
		}
		return "-"
	}
	of := func(seconds float64) string { return span(time.Duration(seconds * float64(time.Second))) }
	return fmt.Sprintf("%s, %s: %s after the first failure, %d retries left, the next succeeds with %s",
		of(l.Last.Delay), until(&l.Last.At, now), of(l.Last.Since), l.Last.Left, percent(l.Last.Succeeds))
}
