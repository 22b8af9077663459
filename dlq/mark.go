package dlq

import (
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/twmb/franz-go/pkg/kgo"
)

// mark fills in the ledger record that says what became of an entry: now, at a time that is after all marks that were read.
func (w *writer) mark(r *kgo.Record, e *Entry, status Status, now time.Time, at int64, to, reason string) {
	v := ledgerValue{
		V: ledgerVersion, Status: status.String(), At: at, By: w.self.By, Run: w.self.Run, TaskID: w.self.taskOf(), To: to, Reason: reason,
		ID: e.State.ID, Group: e.State.Group, Replays: e.State.Replays, Replay: e.State.Replay, Born: BirthOf(&e.State),
		Seen: max(w.ends[e.Partition], e.Offset+1),
	}
	if status == StatusReplayed || status == StatusDiscarded {
		v.Until = untilOf(e, now)
	}
	times, told := e.Mark.Times, 0
	if status == StatusReplayed {
		v.Edit = w.edit
		times, told = times+1, 1
	}
	if times > told {
		v.Times = times
	}
	if !e.Mark.Renewed.IsZero() {
		v.Renewed = e.Mark.Renewed.UnixMilli()
	}
	if v.Renewed == at && !e.Mark.onlyRenewed() {
		v.Was = decided{At: e.Mark.At.UnixMilli(), By: e.Mark.By, Run: e.Mark.Run}
		if e.Mark.Task != e.Mark.Run {
			v.Was.TaskID = e.Mark.Task
		}
	}
	if need := len(w.keys.prefix) + 2*20 + v.sizeBound(); cap(w.room)-len(w.room) < need {
		w.room = make([]byte, 0, max(need, markRoom))
	}
	key := w.keys.appendMark(w.room, e.Partition, e.Offset)
	value := v.appendMark(key[len(key):])
	r.Topic, r.Partition, r.Timestamp = w.ledger, e.Partition, now // of a ledger that was made as large as the dead letters
	r.Key, r.Value = key[len(w.room):len(key):len(key)], value[:len(value):len(value)]
	w.room = key[:len(key)+len(value)]
}

// markRoom is for the keys and values of some marks, which lie one behind the other: they come and go together.
const markRoom = 32 << 10

// sizeBound is the most that appendMark appends.
func (v *ledgerValue) sizeBound() int {
	const names, numbers, escape = 240, 10 * 20, len(`\u0000`)
	return names + numbers + escape*(len(v.Status)+len(v.By)+len(v.Run)+len(v.To)+len(v.Reason)+len(v.Edit)+len(v.ID)+len(v.Group)+len(v.Replay)+len(v.TaskID)+
		len(v.Was.By)+len(v.Was.Run)+len(v.Was.TaskID))
}

// appendMark appends the value of a mark, byte for byte what encoding/json makes of it, which takes several times as long.
func (v *ledgerValue) appendMark(b []byte) []byte {
	b = strconv.AppendInt(append(b, `{"v":`...), int64(v.V), 10)
	b = appendField(b, `,"status":`, v.Status)
	b = strconv.AppendInt(append(b, `,"at":`...), v.At, 10)
	b = appendField(b, `,"by":`, v.By)
	b = appendField(b, `,"run":`, v.Run)
	b = appendField(b, `,"to":`, v.To)
	b = appendField(b, `,"reason":`, v.Reason)
	b = appendField(b, `,"edit":`, v.Edit)
	b = appendField(b, `,"id":`, v.ID)
	b = appendField(b, `,"group":`, v.Group)
	if v.Replays != 0 {
		b = strconv.AppendInt(append(b, `,"replays":`...), int64(v.Replays), 10)
	}
	b = appendField(b, `,"replay":`, v.Replay)
	if v.Born != 0 {
		b = strconv.AppendInt(append(b, `,"born":`...), v.Born, 10)
	}
	if v.Times != 0 {
		b = strconv.AppendInt(append(b, `,"times":`...), int64(v.Times), 10)
	}
	if v.Renewed != 0 {
		b = strconv.AppendInt(append(b, `,"renewed":`...), v.Renewed, 10)
	}
	if v.Was != (decided{}) {
		b = v.Was.append(append(b, `,"was":`...))
	}
	if v.Seen != 0 {
		b = strconv.AppendInt(append(b, `,"seen":`...), v.Seen, 10)
	}
	if v.Until != 0 {
		b = strconv.AppendInt(append(b, `,"until":`...), v.Until, 10)
	}
	b = appendField(b, `,"of":`, v.TaskID)
	return append(b, '}')
}

func (d *decided) append(b []byte) []byte {
	b = strconv.AppendInt(append(b, `{"at":`...), d.At, 10)
	b = appendField(b, `,"by":`, d.By)
	b = appendField(b, `,"run":`, d.Run)
	b = appendField(b, `,"of":`, d.TaskID)
	return append(b, '}')
}

// appendField appends a text that there is, with the name before it.
func appendField(b []byte, name, text string) []byte {
	if text == "" {
		return b
	}
	return appendJSON(append(b, name...), text)
}

// appendJSON appends a text as encoding/json does, which escapes what HTML and JavaScript take for something else.
func appendJSON(b []byte, s string) []byte {
	const hex = "0123456789abcdef"
	b = append(b, '"')
	plain := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c < utf8.RuneSelf {
			if c >= ' ' && c != '"' && c != '\\' && c != '<' && c != '>' && c != '&' {
				i++
				continue
			}
			b = append(b, s[plain:i]...)
			switch c {
			case '"', '\\':
				b = append(b, '\\', c)
			case '\b':
				b = append(b, `\b`...)
			case '\f':
				b = append(b, `\f`...)
			case '\n':
				b = append(b, `\n`...)
			case '\r':
				b = append(b, `\r`...)
			case '\t':
				b = append(b, `\t`...)
			default:
				b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
			}
			i++
			plain = i
			continue
		}
		r, width := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && width == 1:
			b = append(append(b, s[plain:i]...), `\ufffd`...)
			plain = i + 1
		case r == '\u2028' || r == '\u2029':
			b = append(append(b, s[plain:i]...), '\\', 'u', '2', '0', '2', hex[r&15])
			plain = i + width
		}
		i += width
	}
	return append(append(b, s[plain:]...), '"')
}
