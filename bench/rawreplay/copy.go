package rawreplay

import (
	"crypto/sha256"
	"encoding/base64"
	"slices"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/retrytopics"
)

const run = "20251123-121320-5f1c" // as a replay is named

// writer writes by hand, in three allocations, what a replay writes for a dead letter: the headers of its copy, byte for byte but for times and names,
// and a mark as long as the replay's. It has no other case than the one that it learnt from the first letter.
type writer struct {
	headers []kgo.RecordHeader // of the copy of the first one
	from    []int              // where they stand on the letter; -1: they do not
	mark    struct{ key, before, after string }
}

func newWriter(copies string, letter *kgo.Record) (*writer, error) {
	s, err := retrytopics.Decode(letter)
	if err != nil {
		return nil, err
	}
	replayed := s.Replayed(time.Now(), "AAAAAAAAAAAA")
	w := &writer{headers: replayed.AppendHeaders(nil, letter.Headers, 0)}
	for _, h := range w.headers {
		at := slices.IndexFunc(letter.Headers, func(was kgo.RecordHeader) bool { return was.Key == h.Key })
		if h.Key == retrytopics.HeaderAttempt {
			at = -1
		}
		w.from = append(w.from, at)
	}
	w.mark.key = "k3f9qak3f9qak3f9qak3f9/"
	w.mark.before = `{"v":1,"status":"replayed","at":`
	w.mark.after = `,"by":"somebody@host","run":"` + run + `","to":"` + copies + `","group":"` + s.Group + `","id":"`
	return w, nil
}

// of returns the copy of a letter and its mark.
func (w *writer) of(letter *kgo.Record, copies, marks string, now time.Time) (copied, mark *kgo.Record) {
	both := new([2]kgo.Record)
	headers := append(make([]kgo.RecordHeader, 0, len(w.headers)), w.headers...)
	var id []byte
	for i, at := range w.from {
		if at >= 0 {
			headers[i].Value = letter.Headers[at].Value
		}
		if headers[i].Key == retrytopics.HeaderID {
			id = headers[i].Value
		}
	}
	buf := make([]byte, 0, 128+len(w.mark.key)+len(w.mark.before)+len(w.mark.after)+len(id))
	for i := range headers {
		start := len(buf)
		switch headers[i].Key {
		case retrytopics.HeaderDue:
			buf = strconv.AppendInt(buf, now.UnixMilli(), 10)
		case retrytopics.HeaderReplay:
			sum := sha256.Sum256(append(append(buf[start:], run...), id...))
			buf = base64.RawURLEncoding.AppendEncode(buf[:start], sum[:9])
		default:
			continue
		}
		headers[i].Value = buf[start:len(buf):len(buf)]
	}
	key := len(buf)
	buf = append(strconv.AppendInt(append(buf, w.mark.key...), int64(letter.Partition), 10), '/')
	buf = strconv.AppendInt(buf, letter.Offset, 10)
	value := len(buf)
	buf = strconv.AppendInt(append(buf, w.mark.before...), now.UnixMilli(), 10)
	buf = append(append(append(buf, w.mark.after...), id...), `"}`...)
	both[0] = kgo.Record{Topic: copies, Partition: letter.Partition, Key: letter.Key, Value: letter.Value, Headers: headers, Timestamp: now}
	both[1] = kgo.Record{Topic: marks, Partition: letter.Partition, Key: buf[key:value:value], Value: buf[value:]}
	return &both[0], &both[1]
}
