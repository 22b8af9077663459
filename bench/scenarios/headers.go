package scenarios

import (
	"bytes"
	"slices"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/bench/contract"
	"github.com/redeliver/redeliver/classify"
	"github.com/redeliver/redeliver/retrytopics"
)

const (
	// putOff is the delay that every failure of the routing scenario asks for, and tierOfCopy where its copy waits first.
	putOff     = time.Hour
	tierOfCopy = time.Minute
)

// failed is the state of a record after the one failure that the pipeline routes it for.
func failed(r *kgo.Record, group string, now time.Time) retrytopics.State {
	s := retrytopics.Fresh(r, "")
	why := classify.New(nil).Classify(contract.ErrFails)
	s.Group, s.Attempt, s.Due, s.HopDue, s.FirstFailed = group, 1, now.Add(putOff), now.Add(tierOfCopy), now
	s.Class, s.Severity, s.Error = why.Class, why.Severity, why.Text(retrytopics.MaxErrorSize)
	s.History = []retrytopics.Try{{N: 1, At: now.UnixMilli(), Class: why.Class.String(), Error: s.Error}}
	return s
}

// rawHeaders writes by hand what the pipeline's copies carry, byte for byte: what differs from copy to copy, and the rest as it stands
// on the first one. Two allocations make a copy's headers.
type rawHeaders struct {
	group  string
	fixed  []kgo.RecordHeader
	before []byte // of the history, up to its time
	after  []byte
}

func (h *rawHeaders) of(r *kgo.Record, now time.Time) []kgo.RecordHeader {
	if h.fixed == nil {
		h.learn(r, now)
	}
	headers := append(make([]kgo.RecordHeader, 0, len(h.fixed)), h.fixed...)
	buf := make([]byte, 0, len(r.Topic)+len(h.before)+len(h.after)+128)
	for i := range headers {
		start := len(buf)
		switch headers[i].Key {
		case retrytopics.HeaderID:
			buf = append(append(buf, r.Topic...), '/')
			buf = append(strconv.AppendInt(buf, int64(r.Partition), 10), '/')
			buf = strconv.AppendInt(buf, r.Offset, 10)
		case retrytopics.HeaderOriginPartition:
			buf = strconv.AppendInt(buf, int64(r.Partition), 10)
		case retrytopics.HeaderOriginOffset:
			buf = strconv.AppendInt(buf, r.Offset, 10)
		case retrytopics.HeaderOriginTimestamp:
			buf = strconv.AppendInt(buf, r.Timestamp.UnixMilli(), 10)
		case retrytopics.HeaderDue:
			buf = strconv.AppendInt(buf, ceilMilli(now.Add(putOff)), 10)
		case retrytopics.HeaderHopDue:
			buf = strconv.AppendInt(buf, ceilMilli(now.Add(tierOfCopy)), 10)
		case retrytopics.HeaderFirstFailed:
			buf = strconv.AppendInt(buf, now.UnixMilli(), 10)
		case retrytopics.HeaderHistory:
			buf = append(strconv.AppendInt(append(buf, h.before...), now.UnixMilli(), 10), h.after...)
		default:
			continue
		}
		headers[i].Value = buf[start:len(buf):len(buf)]
	}
	return headers
}

// learn takes the headers of the first copy as a pattern.
func (h *rawHeaders) learn(r *kgo.Record, now time.Time) {
	s := failed(r, h.group, now)
	h.fixed = s.AppendHeaders(nil, r.Headers, 0)
	const at = `"at":`
	for _, one := range h.fixed {
		if one.Key != retrytopics.HeaderHistory {
			continue
		}
		before, rest, _ := bytes.Cut(one.Value, []byte(at))
		h.before, h.after = append(slices.Clone(before), at...), bytes.TrimLeft(rest, "0123456789")
	}
}

func ceilMilli(t time.Time) int64 { return t.Add(time.Millisecond - 1).UnixMilli() }
