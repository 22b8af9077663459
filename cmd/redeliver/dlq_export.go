package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/redeliver/redeliver/dlq"
	"github.com/redeliver/redeliver/internal/parquet"
)

func newDLQExportCommand(p *program) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "export",
		Short: "Write dead letters to standard output as JSON lines or Parquet, byte for byte",
		Long: `Write dead letters to standard output as JSON lines, or as a Parquet file (-o parquet), with all that stands in the dead-letter topic: key, value and header
values are in base64, null stays null, and the headers are in their order with their duplicates, Redeliver's own among
them. timestamp is that of the dead letter in Unix ms, -1 where it has none. In Parquet keys and values are bytes, and timestamp is one. 'redeliver dlq import' writes
both back.`,
		Example: "  redeliver dlq export --class validation > broken.jsonl\n  redeliver dlq export -o parquet --since 30d > month.parquet",
		Args:    noArguments,
	}
	format := exportFormat{asJSONL}
	cmd.Flags().VarP(&format, "output", "o", "output `format`: jsonl (one object a line), json, parquet")
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(exportFormats, cobra.ShellCompDirectiveNoFileComp))
	flags := p.addFilterFlags(cmd, 0)
	addUnredacted(cmd, flags)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		file, is := p.out.(*os.File)
		shown := is && term.IsTerminal(int(file.Fd()))
		if shown && format.outputFormat == asParquet {
			return usagef("-o parquet: that is no text for a terminal; write it to a file: redeliver dlq export -o parquet > letters.parquet")
		}
		filter, err := flags.look(time.Now())
		if err != nil {
			return err
		}
		qs, err := p.openQueues(cmd.Context(), flags, false)
		if err != nil {
			return err
		}
		defer qs.close()
		for _, q := range qs.all {
			if q.redact.Hides() {
				return usagef("export writes dead letters byte for byte, and dlq.redact of pipeline %s hides parts of them: say --unredacted", q.pipeline.Name)
			}
		}
		rows := p.exportRows(format.outputFormat)
		n, exported, named := 0, func() {}, p.named(flags)
		err = p.each(qs, func(q queue) error {
			filter := filter
			filter.IDs = q.ids
			if flags.limit > 0 {
				if filter.Limit = flags.limit - n; filter.Limit == 0 {
					return nil
				}
			}
			if !shown { // on a terminal the letters themselves say how far it is
				bar := p.newProgress("exporting "+q.Topic(), 0)
				defer bar.end()
				exported = func() { bar.set(int64(n), "") }
			}
			for e, err := range q.Entries(cmd.Context(), filter) {
				if err != nil {
					return err
				}
				x := e.Export()
				if err := x.Check(); err != nil {
					return fmt.Errorf("dead letter %s: %w; leave it out by --since or --until", x.ID, err)
				}
				if err := rows.add(x); err != nil {
					return err
				}
				named.met(&e)
				n++
				exported()
			}
			p.tellBehind(cmd.Context(), q, shownLater)
			return nil
		})
		if err != nil {
			return err
		}
		if err := rows.close(); err != nil {
			return err
		}
		fmt.Fprintf(p.err, "exported %d %s\n", n, plural(n, "dead letter"))
		return named.end(cmd.Context(), qs, flags.limit > 0 && n == flags.limit)
	}
	return cmd
}

// asParquet is a format of export only.
const asParquet outputFormat = "parquet"

var exportFormats = []string{string(asJSONL), string(asJSON), string(asParquet)}

// exportFormat is the value of export's -o.
type exportFormat struct{ outputFormat }

// Set implements pflag.Value.
func (f *exportFormat) Set(s string) error {
	switch {
	case s == string(asTable):
		return errors.New("records are not exported as a table; see `redeliver dlq list`")
	case !slices.Contains(exportFormats, s):
		return fmt.Errorf("want one of %s", strings.Join(exportFormats, ", "))
	}
	f.outputFormat = outputFormat(s)
	return nil
}

// letterRows takes dead letters that are exported.
type letterRows interface {
	add(x dlq.Exported) error
	close() error
}

func (p *program) exportRows(format outputFormat) letterRows {
	if format == asParquet {
		return parquetRows{parquet.NewWriter(p.out)}
	}
	return newRows[dlq.Exported](p.out, format)
}

// parquetRows writes them as a Parquet file.
type parquetRows struct{ file *parquet.Writer }

func (r parquetRows) add(x dlq.Exported) error { return r.file.Write(x) }

func (r parquetRows) close() error { return r.file.Close() }
