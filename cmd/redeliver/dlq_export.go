package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/redeliver/redeliver/dlq"
)

func newDLQExportCommand(p *program) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "export",
		Short: "Write dead letters to standard output as JSON lines, byte for byte",
		Long: `Write dead letters to standard output as JSON lines, with all that stands in the dead-letter topic: key, value and header
values are in base64, null stays null, and the headers are in their order with their duplicates, Redeliver's own among
them. timestamp is that of the dead letter in Unix ms. 'redeliver dlq import' writes them back.`,
		Example: "  redeliver dlq export --class validation > broken.jsonl",
		Args:    noArguments,
	}
	format := asJSONL
	cmd.Flags().VarP(&format, "output", "o", "output `format`: jsonl (one object a line), json")
	flags := p.addFilterFlags(cmd, 0)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if format == asTable {
			return usagef("-o table: records are not exported as a table; see `redeliver dlq list`")
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
		rows := newRows[dlq.Exported](p.out, format)
		n := 0
		err = p.each(qs, func(q queue) error {
			filter := filter
			filter.IDs = q.ids
			if flags.limit > 0 {
				if filter.Limit = flags.limit - n; filter.Limit == 0 {
					return nil
				}
			}
			for e, err := range q.Entries(cmd.Context(), filter) {
				if err != nil {
					return err
				}
				if err := rows.add(e.Export()); err != nil {
					return err
				}
				n++
			}
			return nil
		})
		if err != nil {
			return err
		}
		fmt.Fprintf(p.err, "exported %d %s\n", n, plural(n, "dead letter"))
		return rows.close()
	}
	return cmd
}
