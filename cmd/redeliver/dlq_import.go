package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"github.com/redeliver/redeliver/dlq"
	"github.com/redeliver/redeliver/internal/parquet"
)

func newDLQImportCommand(p *program) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "import FILE",
		Short: "Write dead letters that were exported back, byte for byte",
		Long: `Write dead letters that were exported, as JSON lines or as Parquet, back into the topics and partitions that they came from, byte for byte,
with the time of their death; - reads standard input. One that still is there becomes a copy of its entry: to import twice makes
no second entry, and one that was replayed or discarded stays so.

All of them are read and checked before the first is written.`,
		Example: "  redeliver dlq export --class validation > broken.jsonl\n  redeliver dlq import broken.jsonl",
		Args:    argument("a file that export wrote, - for standard input", false),
	}
	change, flags := addChangeFlags(cmd), p.addQueueFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		letters, counts, done, err := p.openLetters(args[0])
		if err != nil {
			return err
		}
		defer done()
		qs, err := p.openQueues(cmd.Context(), flags, false)
		if err != nil {
			return err
		}
		defer qs.close()
		var total int64
		for topic, n := range counts {
			if !slices.ContainsFunc(qs.all, func(q queue) bool { return q.Topic() == topic }) {
				return usagef("%d %s of %s: that is a dead-letter topic of no pipeline in the configuration", n, plural(int(n), "dead letter"), topic)
			}
			total += n
		}
		if total == 0 {
			fmt.Fprintln(p.err, "There is nothing to import.")
			return nil
		}
		what := fmt.Sprintf("import %d %s to %s", total, plural(int(total), "dead letter"), topicsText(counts))
		if change.dryRun {
			fmt.Fprintln(p.out, "dry run: would "+what)
			return nil
		}
		if args[0] == "-" && !change.yes {
			return usagef("standard input is the dead letters, and nobody can be asked: say --yes")
		}
		if _, err := p.confirm(change, "I"+what[1:]); err != nil {
			return err
		}
		var written int64
		err = p.each(qs, func(q queue) error {
			n, err := q.Import(cmd.Context(), of(q.Topic(), letters()))
			if n > 0 {
				fmt.Fprintf(p.out, "%s: imported %d %s\n", q.Topic(), n, plural(int(n), "dead letter"))
			}
			written += n
			return err
		})
		if err != nil && written > 0 {
			return partlyf("%w; import it again for the rest: what was imported makes no second entry", err)
		}
		return err
	}
	return cmd
}

// of are the letters of one topic.
func of(topic string, letters iter.Seq2[dlq.Exported, error]) iter.Seq2[dlq.Exported, error] {
	return func(yield func(dlq.Exported, error) bool) {
		for x, err := range letters {
			if (err != nil || x.Topic == topic) && !yield(x, err) {
				return
			}
		}
	}
}

// openLetters checks the lines of a file, and returns what reads them again, and how many there are by topic. Standard input
// is kept in a file for that. The caller calls done.
func (p *program) openLetters(name string) (letters func() iter.Seq2[dlq.Exported, error], counts map[string]int64, done func(), err error) {
	file, remove := (*os.File)(nil), func() {}
	if name == "-" {
		if file, err = os.CreateTemp("", "redeliver-*.jsonl"); err != nil {
			return nil, nil, nil, fmt.Errorf("keep standard input: %w", err)
		}
		remove = func() { _ = os.Remove(file.Name()) }
		if _, err := io.Copy(file, p.in); err != nil {
			_ = file.Close()
			remove()
			return nil, nil, nil, fmt.Errorf("read standard input: %w", err)
		}
	} else if file, err = os.Open(name); err != nil {
		return nil, nil, nil, usagef("%w", err)
	}
	done = func() { _ = file.Close(); remove() }
	letters = func() iter.Seq2[dlq.Exported, error] { return readLetters(file, name) }
	counts = make(map[string]int64)
	for x, err := range letters() {
		if err != nil {
			done()
			return nil, nil, nil, err
		}
		counts[x.Topic]++
	}
	return letters, counts, done, nil
}

// readParquet reads a Parquet file.
func readParquet(file *os.File, name string, yield func(dlq.Exported, error) bool) {
	about, err := file.Stat()
	if err != nil {
		yield(dlq.Exported{}, fmt.Errorf("read %s: %w", name, err))
		return
	}
	n := 0
	for x, failed := range parquet.Read(file, about.Size()) {
		n++
		if failed == nil {
			failed = x.Check()
		}
		if failed != nil {
			failed = usagef("%s, row %d: %w: want a file of `redeliver dlq export -o parquet`", name, n, failed)
		}
		if !yield(x, failed) || failed != nil {
			return
		}
	}
}

// readLetters reads lines of JSON, from the beginning of the file, or the rows of a Parquet file.
func readLetters(file *os.File, name string) iter.Seq2[dlq.Exported, error] {
	return func(yield func(dlq.Exported, error) bool) {
		begin := make([]byte, len(parquet.Magic))
		if n, _ := file.ReadAt(begin, 0); string(begin[:n]) == parquet.Magic {
			readParquet(file, name, yield)
			return
		}
		if _, err := file.Seek(0, io.SeekStart); err != nil {
			yield(dlq.Exported{}, fmt.Errorf("read %s: %w", name, err))
			return
		}
		lines := bufio.NewReaderSize(file, 1<<20)
		for n := 1; ; n++ {
			line, err := lines.ReadBytes('\n')
			if text := bytes.TrimSpace(line); len(text) > 0 {
				var x dlq.Exported
				failed := json.Unmarshal(text, &x)
				if failed == nil {
					failed = x.Check()
				}
				if failed != nil {
					failed = usagef("%s:%d: %w: want lines of `redeliver dlq export`", name, n, failed)
				}
				if !yield(x, failed) || failed != nil {
					return
				}
			}
			if err != nil {
				if !errors.Is(err, io.EOF) {
					yield(dlq.Exported{}, fmt.Errorf("read %s: %w", name, err))
				}
				return
			}
		}
	}
}
