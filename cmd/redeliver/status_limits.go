package main

import (
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/redeliver/redeliver/internal/admin"
)

// printLimits prints how far each limit is behind.
func printLimits(w io.Writer, s status) error {
	type row struct {
		pipeline string
		admin.LimitStatus
	}
	rows := newRows(w, asTable,
		column[row]{title: "PIPELINE", cell: func(r row) string { return r.pipeline }},
		column[row]{title: "LIMIT", cell: func(r row) string { return r.Name }},
		column[row]{title: "PER", cell: func(r row) string { return r.Per }},
		column[row]{title: "RATE", right: true, cell: func(r row) string { return r.Rate }},
		column[row]{title: "PUT OFF", right: true, cell: func(r row) string { return strconv.FormatUint(r.PutOff, 10) }},
		column[row]{title: "AHEAD", cell: func(r row) string { return span(time.Duration(r.Ahead * float64(time.Second))) }},
		column[row]{title: "KEYS", right: true, cell: func(r row) string { return strconv.Itoa(r.Keys) }},
	)
	var all []row
	for _, p := range s.processes() {
		for _, l := range p.Limits {
			all = append(all, row{p.Pipeline, l})
		}
	}
	if len(all) > 0 {
		fmt.Fprintln(w)
	}
	return printAll(rows, all)
}

// shownTenants is how many tenants of a pipeline are printed.
const shownTenants = 10

// printTenants prints the tenants that use most.
func printTenants(w io.Writer, s status) error {
	type row struct {
		pipeline string
		admin.TenantStatus
	}
	rows := newRows(w, asTable,
		column[row]{title: "PIPELINE", cell: func(r row) string { return r.pipeline }},
		column[row]{title: "TENANT", cell: func(r row) string { return strconv.Quote(r.Tenant) }},
		column[row]{title: "WEIGHT", right: true, cell: func(r row) string { return strconv.FormatFloat(r.Weight, 'g', -1, 64) }},
		column[row]{title: "IN FLIGHT", right: true, cell: func(r row) string { return strconv.Itoa(r.InFlight) }},
		column[row]{title: "WINDOW", right: true, cell: func(r row) string { return strconv.Itoa(r.Windowed) }},
		column[row]{title: "PUT OFF", right: true, cell: func(r row) string { return strconv.FormatUint(r.PutOff, 10) }},
	)
	var all []row
	for _, p := range s.processes() {
		for _, t := range p.Tenants[:min(len(p.Tenants), shownTenants)] {
			all = append(all, row{p.Pipeline, t})
		}
	}
	if len(all) > 0 {
		fmt.Fprintln(w)
	}
	return printAll(rows, all)
}
