package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/dlq"
	"github.com/redeliver/redeliver/internal/config"
	"github.com/redeliver/redeliver/retrytopics"
)

func newDLQEditCommand(p *program) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "edit ID",
		Short: "Edit one dead letter in your editor, and replay it as edited",
		Long: `Edit key, payload and headers of one dead letter in $VISUAL or $EDITOR, see what changed, and replay it so, once it is confirmed.
The dead letter itself stays as it was, and the ledger says what was changed of it, without what dlq.redact hides. One that was discarded is left so
unless --all is said, and one that was replayed unless --again is.

An edit that is not replayed - the answer was no, it was a dry run, it cannot be read, or the replay failed - is kept in a file that only you may
read, which is named: --from FILE goes on with it, in the place of an editor.`,
		Example: "  redeliver dlq edit k7qp-3-1042\n  redeliver dlq edit k7qp-3-1042 --from /tmp/redeliver-2871.json",
		Args:    argument("the id of a dead letter", false),
	}
	change, flags, takeOver := addChangeFlags(cmd), p.addQueueFlags(cmd), addTakeOver(cmd)
	addUnredacted(cmd, flags)
	flags.addNoIndex()
	to := cmd.Flags().String("to", string(dlq.OwnTier), "`where` to: retry (the group's own first tier), source, or topic:NAME; with @CLUSTER behind it on another cluster")
	again := cmd.Flags().Bool("again", false, "also when it was replayed before")
	all := cmd.Flags().Bool("all", false, "also when it was discarded")
	from := cmd.Flags().String("from", "", "`file` of an edit that was kept, in the place of an editor")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		destination, err := dlq.ParseDestination(*to)
		if err != nil {
			return usagef("--to: %w", err)
		}
		if err := dlq.CheckID(args[0]); err != nil {
			return usagef("%w", err)
		}
		c, selected, err := p.selectFor(flags, destination.Cluster(), false)
		if err != nil {
			return err
		}
		if *from != "" { // before anything connects
			if _, err := (draft{file: *from}).read(); err != nil {
				return usagef("--from %s: %w", *from, err)
			}
		}
		if !change.yes && !change.dryRun && !p.interactive {
			_, err := p.confirm(change, "Edit a dead letter")
			return err
		}
		if *from == "" && !p.interactive && p.editor() == "" {
			return usagef("there is no terminal for an editor: say --from FILE, or name an editor that needs none in $EDITOR")
		}
		q, e, done, err := p.findEntryOf(cmd.Context(), c, selected, flags, args[0])
		if err != nil {
			return err
		}
		defer done()
		if q.redact.Hides() {
			return usagef("an editor shows all of a dead letter, and dlq.redact of pipeline %s hides parts: say --unredacted", q.pipeline.Name)
		}
		if e.Status == dlq.StatusReplayed && !*again {
			return fmt.Errorf("%s: %s; --again edits and replays it once more", args[0], statusText(e))
		}
		if e.Status == dlq.StatusDiscarded && !*all {
			return fmt.Errorf("%s: %s; --all edits and replays it all the same", args[0], statusText(e))
		}
		if err := q.Check(dlq.Replay{To: destination}); err != nil {
			return usagef("--to: %w", err)
		}
		if err := p.reachCluster(cmd.Context(), q.config, destination.Cluster()); err != nil {
			return err
		}
		if _, err := originalOf(cmd.Context(), q, &e); err != nil { // one that is missing is left out, which is told
			return err
		}
		before := editableOf(e.Whole(), q.UserHeaders(&e))
		made := draft{file: *from, goOn: p.commandOf("dlq edit "+args[0], q, "")}
		for _, flag := range []struct {
			said bool
			text string
		}{{flags.whole, " --unredacted"}, {cmd.Flags().Changed("to"), " --to " + shellWord(*to)}, {*again, " --again"}, {*all, " --all"}, {flags.noIndex, " --no-index"}} {
			if flag.said {
				made.goOn += flag.text
			}
		}
		r := dlq.Replay{Filter: dlq.Filter{IDs: []string{e.ID()}, All: *all}, To: destination, Again: *again, MaxReplays: -1, TakeOver: *takeOver}
		if *from == "" {
			if err := leavesOut(cmd.Context(), q, r); err != nil {
				return err
			}
			if err := p.edit(cmd.Context(), before, &made); err != nil {
				return err
			}
		}
		after, err := made.read()
		if err != nil {
			return made.kept(err)
		}
		diff := lineDiff(before.text(), after.text())
		if diff == "" {
			fmt.Fprintln(p.out, "Nothing was edited, and nothing was replayed.")
			return made.drop()
		}
		fmt.Fprint(p.out, diff)
		confirmed, err := p.confirm(change, fmt.Sprintf("Replay %s of %s as edited to %s", e.ID(), q.Topic(), destination))
		switch {
		case err != nil:
			return made.kept(err)
		case !confirmed:
			fmt.Fprintln(p.err, made.where())
			return nil
		}
		r.Edit = func(r *kgo.Record) error { return after.apply(before, r) }
		r.EditText = editText(before, after, q.pipeline.Redaction())
		edits := replayChore(r)
		edits.remedy = map[dlq.Status]string{dlq.StatusReplayed: "--again edits and replays it once more", dlq.StatusDiscarded: "--all edits and replays it all the same"}
		report := &changeReport{program: p, flags: flags, chore: edits, format: asTable, found: make(map[string]bool)}
		q.ids = r.Filter.IDs
		s, err := q.Replay(cmd.Context(), r)
		err = p.busy(q, err)
		err = report.end(errors.Join(err, report.add(q, s, err)))
		if s.Done == 0 {
			return made.kept(err)
		}
		return errors.Join(err, made.drop())
	}
	return cmd
}

// leavesOut says why a replay leaves its entry out whatever is edited, before somebody edits it.
func leavesOut(ctx context.Context, q queue, r dlq.Replay) error {
	r.DryRun = true
	s, err := q.Replay(ctx, r)
	switch {
	case err != nil:
		return err
	case s.Done == 0 && len(s.LeftOut) > 0:
		return fmt.Errorf("%s: a replay leaves it out: %s; nothing was edited", r.Filter.IDs[0], q.redact.Why(s.LeftOut[0].Why))
	case s.Done == 0 && s.OtherGroup > 0:
		return fmt.Errorf("%s: a replay leaves it out, for it is of another consumer group; nothing was edited", r.Filter.IDs[0])
	}
	return nil
}

// findEntry looks an entry up by its id. The caller calls done.
func (p *program) findEntry(ctx context.Context, flags *filterFlags, id string) (q queue, e dlq.Entry, done func(), err error) {
	if err := dlq.CheckID(id); err != nil {
		return q, e, nil, usagef("%w", err)
	}
	c, selected, err := p.selectFor(flags, "", false)
	if err != nil {
		return q, e, nil, err
	}
	return p.findEntryOf(ctx, c, selected, flags, id)
}

// findEntryOf looks an entry of these pipelines up.
func (p *program) findEntryOf(ctx context.Context, c *config.Config, selected []*config.Pipeline, flags *filterFlags, id string) (q queue, e dlq.Entry, done func(), err error) {
	flags.ids = []string{id}
	qs, err := p.openQueuesOf(ctx, c, selected, flags, false)
	if err != nil {
		return q, e, nil, err
	}
	if q, e, err = p.entryOf(ctx, qs, id); err != nil {
		qs.close()
		return q, e, nil, err
	}
	return q, e, qs.close, nil
}

// editable is what of a dead letter can be edited, as it stands in the editor.
type editable struct {
	Key     bytesView       `json:"key"`
	Headers []headerView    `json:"headers"`
	Kind    string          `json:"kind"` // of the payload: json, text, base64, null
	Payload json.RawMessage `json:"payload"`
}

// editableOf is a record with these headers.
func editableOf(r *kgo.Record, headers []kgo.RecordHeader) editable {
	d := editable{Key: r.Key, Headers: []headerView{}, Payload: json.RawMessage("null")}
	for _, h := range headers {
		d.Headers = append(d.Headers, headerView{h.Key, h.Value})
	}
	switch {
	case r.Value == nil:
		d.Kind = "null"
	case json.Valid(r.Value) && utf8.Valid(r.Value):
		d.Kind, d.Payload = "json", r.Value
	case utf8.Valid(r.Value):
		d.Kind = "text"
		d.Payload, _ = json.Marshal(string(r.Value))
	default:
		d.Kind = "base64"
		d.Payload, _ = json.Marshal(base64.StdEncoding.EncodeToString(r.Value))
	}
	return d
}

func (d editable) text() string {
	var b bytes.Buffer
	_ = printJSON(&b, d) // it was made of JSON
	return b.String()
}

func (d editable) value() ([]byte, error) {
	var text string
	switch d.Kind {
	case "json":
		var b bytes.Buffer
		err := json.Compact(&b, d.Payload)
		return b.Bytes(), err
	case "text", "base64":
		if err := json.Unmarshal(d.Payload, &text); err != nil {
			return nil, fmt.Errorf("payload: want text in quotes, for kind %s", d.Kind)
		}
		if d.Kind == "text" {
			return []byte(text), nil
		}
		return base64.StdEncoding.DecodeString(text)
	case "null":
		return nil, nil
	}
	return nil, fmt.Errorf("kind %q: want json, text, base64 or null", d.Kind)
}

// check says what is wrong with what came out of the editor.
func (d editable) check() error {
	if _, err := d.value(); err != nil {
		return err
	}
	for _, h := range d.Headers {
		if retrytopics.IsOwnHeader(h.Key) {
			return fmt.Errorf("header %q: want another, not one of Redeliver's own", h.Key)
		}
	}
	return nil
}

// apply makes the edits in a record. A payload that was not edited stays byte for byte what it was.
func (d editable) apply(before editable, r *kgo.Record) error {
	value, err := d.value()
	if err != nil {
		return err
	}
	if was, err := before.value(); err != nil || d.Kind != before.Kind || !bytes.Equal(was, value) {
		r.Value = value
	}
	r.Key, r.Headers = d.Key, nil
	names := make(map[string][]string) // of headers, by what an editor is given of them
	for _, h := range before.Headers {
		if shown := jsonName(h.Key); shown != h.Key {
			names[shown] = append(names[shown], h.Key)
		}
	}
	for _, h := range d.Headers {
		name := h.Key
		if was := names[name]; len(was) > 0 { // bytes that are no UTF-8 stay as they were
			name, names[name] = was[0], was[1:]
		}
		r.Headers = append(r.Headers, kgo.RecordHeader{Key: name, Value: h.Value})
	}
	return nil
}

// jsonName is a name as a reader of its JSON has it.
func jsonName(name string) (read string) {
	text, err := json.Marshal(name)
	if err == nil {
		err = json.Unmarshal(text, &read)
	}
	if err != nil { // which no text makes
		return name
	}
	return read
}

// draft is an edit in its file.
type draft struct {
	file string
	made bool   // by this command, which takes it away when nobody needs it any more
	goOn string // the command that goes on with it, without the file
}

// where says where the edit is, and how it is gone on with.
func (d draft) where() string {
	return fmt.Sprintf("your edit is in %s: `%s --from %s` goes on with it", d.file, d.goOn, d.file)
}

// kept is an error after which the edit stays in its file.
func (d draft) kept(err error) error {
	switch {
	case err == nil:
		err = errors.New("nothing was replayed")
	case errors.Is(err, context.Canceled): // of which no more is told than that
		err = errors.New("interrupted; nothing was replayed")
	}
	if d.made && d.empty() {
		_ = os.Remove(d.file) // which may be gone
		return err
	}
	return fmt.Errorf("%w; %s", err, d.where())
}

// empty says whether the editor has left nothing, or no file.
func (d draft) empty() bool {
	text, err := os.ReadFile(d.file)
	return errors.Is(err, fs.ErrNotExist) || err == nil && len(bytes.TrimSpace(text)) == 0
}

func (d draft) drop() error {
	if !d.made {
		return nil
	}
	return os.Remove(d.file)
}

// read reads the edit, and says what is wrong with it.
func (d draft) read() (after editable, err error) {
	text, err := os.ReadFile(d.file)
	if err != nil {
		return after, fmt.Errorf("read what was edited: %w", err)
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	line := func(offset int64) int { return 1 + bytes.Count(text[:min(int(offset), len(text))], []byte("\n")) }
	err = decoder.Decode(&after)
	if wrong := (*json.SyntaxError)(nil); errors.As(err, &wrong) {
		err = fmt.Errorf("line %d: %w", line(wrong.Offset), err)
	}
	switch behind := bytes.TrimLeft(text[decoder.InputOffset():], " \t\r\n"); {
	case errors.Is(err, io.EOF):
		err = errors.New("the file is empty")
	case errors.Is(err, io.ErrUnexpectedEOF):
		err = errors.New("the JSON document has no end")
	case err == nil && len(behind) > 0:
		err = fmt.Errorf("line %d: there is more behind the JSON document", line(int64(len(text)-len(behind))))
	case err == nil:
		err = after.check()
	}
	if err != nil {
		return after, fmt.Errorf("%w; nothing was replayed", err)
	}
	return after, nil
}

// editor is the command that the environment names; "" where it names none.
func (p *program) editor() string {
	for _, name := range []string{"VISUAL", "EDITOR"} {
		if value, is := p.getenv(name); is && strings.TrimSpace(value) != "" {
			return value
		}
	}
	return ""
}

// edit opens the editor with what is to be edited. Whatever interrupts this command does not end the editor, which decides for itself
// what becomes of the text that somebody types: an interrupt from the terminal reaches it, too.
func (p *program) edit(ctx context.Context, d editable, made *draft) error {
	command := cmp.Or(p.editor(), "vi")
	file, err := os.CreateTemp("", "redeliver-*.json") // which nobody else may read
	if err != nil {
		return fmt.Errorf("make a file to edit: %w", err)
	}
	made.file, made.made = file.Name(), true
	_, err = file.WriteString(d.text())
	if err = errors.Join(err, file.Close()); err != nil {
		return fmt.Errorf("write a file to edit: %w", err)
	}
	p.letIndexesGo()
	p.quits.Store(true)
	defer p.quits.Store(false)
	editor := exec.CommandContext(context.WithoutCancel(ctx), "sh", "-c", command+` "$1"`, "editor", made.file)
	editor.Stdin, editor.Stdout, editor.Stderr = os.Stdin, os.Stderr, os.Stderr
	if err = editor.Run(); err != nil {
		err = fmt.Errorf("editor %s: %w", command, err)
	} else if ctx.Err() != nil {
		err = errors.New("interrupted")
	}
	if made.empty() && err == nil {
		return made.kept(errors.New("the editor left nothing; nothing was edited, and nothing was replayed"))
	}
	if closed := os.Chmod(made.file, 0o600); closed != nil && err == nil { // an editor may have put a file of its own in the place of it
		err = closed
	}
	if err == nil {
		return nil
	}
	if text, unread := os.ReadFile(made.file); unread == nil && string(text) == d.text() { // nobody needs it, and it shows what may be hidden elsewhere
		return errors.Join(fmt.Errorf("%w; nothing was edited, and nothing was replayed", err), made.drop())
	}
	return made.kept(fmt.Errorf("%w; nothing was replayed", err))
}

// lineDiff tells the lines in which two texts differ, with two lines around them; "" when they do not.
func lineDiff(before, after string) string {
	a, b := strings.Split(strings.TrimSuffix(before, "\n"), "\n"), strings.Split(strings.TrimSuffix(after, "\n"), "\n")
	const context = 2
	head := 0
	for head < min(len(a), len(b)) && a[head] == b[head] {
		head++
	}
	if head == len(a) && head == len(b) {
		return ""
	}
	tail := 0
	for tail < min(len(a), len(b))-head && a[len(a)-1-tail] == b[len(b)-1-tail] {
		tail++
	}
	var lines []string
	add := func(sign string, of []string) {
		for _, line := range of {
			lines = append(lines, sign+printable(line))
		}
	}
	add("  ", a[max(head-context, 0):head])
	common, i, j := longestCommon(a[head:len(a)-tail], b[head:len(b)-tail]), head, head
	for _, line := range common {
		x, y := i+slices.Index(a[i:], line), j+slices.Index(b[j:], line)
		add("- ", a[i:x])
		add("+ ", b[j:y])
		add("  ", a[x:x+1])
		i, j = x+1, y+1
	}
	add("- ", a[i:len(a)-tail])
	add("+ ", b[j:len(b)-tail])
	add("  ", a[len(a)-tail:min(len(a)-tail+context, len(a))])
	return strings.Join(lines, "\n") + "\n"
}

// diffCells bounds the work of a diff: above it what lies between the first and the last line that differ is one change.
const diffCells = 4_000_000

// longestCommon are the most lines that stand in both, in their order.
func longestCommon(a, b []string) []string {
	if len(a)*len(b) > diffCells {
		return nil
	}
	most := make([][]int32, len(a)+1)
	for i := range most {
		most[i] = make([]int32, len(b)+1)
	}
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if most[i][j] = max(most[i+1][j], most[i][j+1]); a[i] == b[j] {
				most[i][j] = most[i+1][j+1] + 1
			}
		}
	}
	var common []string
	for i, j := 0, 0; i < len(a) && j < len(b); {
		switch {
		case a[i] == b[j]:
			common = append(common, a[i])
			i, j = i+1, j+1
		case most[i+1][j] >= most[i][j+1]:
			i++
		default:
			j++
		}
	}
	return common
}
