package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"reflect"
	"slices"
	"strings"
	"time"

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
no second entry, and one that was replayed or discarded stays so. That is known by the headers: a record of which they say nothing of an
origin becomes another entry each time, unless it was carried forward (dlq renew).

All of them are read and checked before the first is written. Where some are older than the retention of their topic none is: it would take
them at once. The topic is then to keep its records for longer first; that of a pipeline as dlq.retention says.`,
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
				return usagef("%d %s of %s: %s", n, plural(int(n), "dead letter"), topic, notSelected(flags))
			}
			total += n
		}
		if total == 0 {
			fmt.Fprintln(p.err, "There is nothing to import.")
			return nil
		}
		if err := p.each(qs, func(q queue) error {
			return checkFits(cmd.Context(), q, p.commandOf("dlq renew", q, flags.pipeline), p.withProgress("checking "+q.Topic(), counts[q.Topic()], of(q.Topic(), letters())))
		}); err != nil {
			return err
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
			n, err := q.Import(cmd.Context(), p.withProgress("importing "+q.Topic(), counts[q.Topic()], of(q.Topic(), letters())))
			if n > 0 {
				fmt.Fprintf(p.out, "%s: imported %d %s\n", q.Topic(), n, plural(int(n), "dead letter"))
			}
			written += n
			return err
		})
		const again = "import it again for the rest: what was imported makes no second entry, if its headers say what it is"
		switch {
		case err == nil || written == 0:
			return err
		case errors.Is(err, context.Canceled): // of which no more is told than that
			return partlyf("interrupted; " + again)
		}
		return partlyf("%w; "+again, err)
	}
	return cmd
}

// notSelected says why a topic is none that import writes to with these flags. Dead letters go back to the topic that they came from.
func notSelected(f *filterFlags) string {
	switch {
	case f.queue != "":
		return "import writes them back to that topic, and --queue names " + f.queue
	case f.pipeline != "":
		return "that is no dead-letter topic of pipeline " + f.pipeline
	}
	return "that is a dead-letter topic of no pipeline in the configuration"
}

// checkFits refuses letters of partitions that the topic does not have, and those that its retention would take as soon as they are written. renew is the
// command that gives them their time anew.
func checkFits(ctx context.Context, q queue, renew string, letters iter.Seq2[dlq.Exported, error]) error {
	partitions, err := q.Partitions(ctx)
	if err != nil {
		return err
	}
	retention, err := q.ImportRetention(ctx)
	if err != nil {
		return err
	}
	var expired, all int
	now := time.Now()
	oldest := now
	for x, err := range letters {
		if err != nil {
			return err
		}
		if int(x.Partition) >= partitions {
			return fmt.Errorf("a dead letter was in partition %d, and %s has %d: nothing was imported. Give the topic as many partitions as it had", x.Partition, q.Topic(), partitions)
		}
		all++
		if at := x.Expires(retention); !at.IsZero() && at.Before(now) {
			expired++
			if died := time.UnixMilli(x.Timestamp); died.Before(oldest) {
				oldest = died
			}
		}
	}
	if expired == 0 {
		return nil
	}
	const day = 24 * time.Hour
	enough := (now.Sub(oldest)/day + 2) * day
	return fmt.Errorf("%d of the %d %s died longer ago than %s keeps records (retention.ms=%d), the first on %s: it would take them at once, and nothing was imported. "+
		"Raise retention.ms of the topic to %d first (%d days); before you lower it again `%s --expiring %dh` gives them their time anew",
		expired, all, plural(all, "dead letter"), q.Topic(), retention.Milliseconds(), oldest.Local().Format(time.DateOnly), enough.Milliseconds(), enough/day, renew, (enough-retention)/time.Hour+1)
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

// withProgress are the letters, of which so many are expected, with progress while they are read.
func (p *program) withProgress(label string, total int64, letters iter.Seq2[dlq.Exported, error]) iter.Seq2[dlq.Exported, error] {
	return func(yield func(dlq.Exported, error) bool) {
		bar := p.newProgress(label, total)
		defer bar.end()
		n := int64(0)
		for x, err := range letters {
			if !yield(x, err) {
				return
			}
			n++
			bar.set(n, "")
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
	for x, err := range p.withProgress("reading "+name, 0, letters()) {
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
				x, failed := readLetter(text)
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

// readLetter reads a line, which has to say all that decides where and when its record is written: the first partition, or 1970, is meant by nobody who has
// mistyped a name.
func readLetter(line []byte) (dlq.Exported, error) {
	var x struct {
		dlq.Exported
		Partition *int32 `json:"partition"`
		Timestamp *int64 `json:"timestamp"`
	}
	lines := json.NewDecoder(bytes.NewReader(line))
	lines.DisallowUnknownFields()
	if err := lines.Decode(&x); err != nil {
		if name, unknown := strings.CutPrefix(err.Error(), "json: unknown field "); unknown {
			err = fmt.Errorf("key %s is none of a dead letter", name)
		}
		return x.Exported, err
	}
	if _, err := lines.Token(); !errors.Is(err, io.EOF) {
		return x.Exported, errors.New("something stands behind the dead letter")
	}
	if err := checkKeys(line); err != nil {
		return x.Exported, err
	}
	switch {
	case x.Topic == "": // which says what is wrong with it
	case x.Partition == nil:
		return x.Exported, errors.New("there is no partition")
	case x.Timestamp == nil:
		return x.Exported, errors.New("there is no timestamp")
	default:
		x.Exported.Partition, x.Exported.Timestamp = *x.Partition, *x.Timestamp
	}
	return x.Exported, x.Check()
}

// letterKeys are the keys of a dead letter, and of a header of it.
var letterKeys = append(keysOf(reflect.TypeFor[dlq.Exported]()), keysOf(reflect.TypeFor[dlq.ExportedHeader]())...)

// keysOf are the keys that the fields of a struct have in JSON.
func keysOf(of reflect.Type) []string {
	var keys []string
	for i := range of.NumField() {
		key, _, _ := strings.Cut(of.Field(i).Tag.Get("json"), ",")
		keys = append(keys, key)
	}
	return keys
}

// checkKeys refuses what was read of a line though it is not said clearly: a key that an object has twice, of which the last one counted, and one in other
// letters, as "Topic", which counted as another one. The line is JSON.
func checkKeys(line []byte) error {
	var open [][]string // keys of the objects around, the innermost last
	for i := 0; i < len(line); i++ {
		switch line[i] {
		case '{':
			open = append(open, nil)
		case '}':
			open = open[:len(open)-1]
		case '"':
			from := i
			for i++; line[i] != '"'; i++ {
				if line[i] == '\\' {
					i++
				}
			}
			if !bytes.HasPrefix(bytes.TrimLeft(line[i+1:], " \t\r\n"), []byte(":")) {
				continue // a value
			}
			var key string
			if err := json.Unmarshal(line[from:i+1], &key); err != nil {
				return err
			}
			in := &open[len(open)-1]
			switch {
			case !slices.Contains(letterKeys, key):
				return fmt.Errorf("key %q is none of a dead letter", key)
			case slices.Contains(*in, key):
				return fmt.Errorf("key %q stands there twice", key)
			}
			*in = append(*in, key)
		}
	}
	return nil
}
