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
them. timestamp is that of the dead letter in Unix ms.`,
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
		rows := newRows[exported](p.out, format)
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
				if err := rows.add(export(e)); err != nil {
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

// exported is a dead letter, byte for byte. A nil slice of bytes is null in JSON.
type exported struct {
	ID        string           `json:"id"`
	Topic     string           `json:"topic"`
	Partition int32            `json:"partition"`
	Offset    int64            `json:"offset"`
	Timestamp int64            `json:"timestamp"`
	Status    dlq.Status       `json:"status"`
	Key       []byte           `json:"key"`
	Value     []byte           `json:"value"`
	Headers   []exportedHeader `json:"headers"`
}

type exportedHeader struct {
	Key   string `json:"key"`
	Value []byte `json:"value"`
}

func export(e dlq.Entry) exported {
	r := e.Record
	x := exported{
		ID: e.ID(), Topic: e.Topic, Partition: e.Partition, Offset: e.Offset, Timestamp: r.Timestamp.UnixMilli(), Status: e.Status,
		Key: r.Key, Value: r.Value, Headers: make([]exportedHeader, len(r.Headers)),
	}
	for i, h := range r.Headers {
		x.Headers[i] = exportedHeader{h.Key, h.Value}
	}
	return x
}
