package main

import (
	"fmt"
	"io"
	"strconv"

	"github.com/redeliver/redeliver/internal/admin"
)

// printHeldKeys prints what waits where keys are held.
func printHeldKeys(w io.Writer, s status) error {
	type row struct {
		pipeline string
		*admin.HeldKeysStatus
	}
	number := func(n func(row) int) func(row) string { return func(r row) string { return strconv.Itoa(n(r)) } }
	rows := newRows(w, asTable,
		column[row]{title: "PIPELINE", cell: func(r row) string { return r.pipeline }},
		column[row]{title: "HELD KEYS", right: true, cell: number(func(r row) int { return r.Keys })},
		column[row]{title: "RECORDS", right: true, cell: number(func(r row) int { return r.Records })},
		column[row]{title: "PARKED", right: true, cell: func(r row) string { return strconv.FormatInt(r.Parked, 10) }},
		column[row]{title: "CLOSED KEYS", right: true, cell: number(func(r row) int { return r.Closed })},
		column[row]{title: "DEAD LETTERS", right: true, cell: number(func(r row) int { return r.Dead })},
		column[row]{title: "OLDEST", cell: func(r row) string {
			if r.Oldest == nil {
				return "-"
			}
			return span(s.At.Sub(*r.Oldest))
		}},
		column[row]{title: "BEING READ", cell: func(r row) string {
			if r.Reading == 0 {
				return "-"
			}
			return fmt.Sprintf("%d partitions", r.Reading)
		}},
	)
	var all []row
	for _, p := range s.processes() {
		if p.HeldKeys != nil {
			all = append(all, row{p.Pipeline, p.HeldKeys})
		}
	}
	if len(all) > 0 {
		fmt.Fprintln(w)
	}
	return printAll(rows, all)
}
