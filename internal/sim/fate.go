package sim

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redeliver/redeliver/classify"
	"github.com/redeliver/redeliver/consumer"
)

// FateKind is what a record does to its handler.
type FateKind uint8

// The fates.
const (
	Succeed FateKind = iota
	Fail             // with Class
	Panic
	Hang   // until the context ends
	Snooze // for Delay
	Ask    // to be retried after Delay
	Drop
	Bury // asks for the dead letters
)

// String names the fate.
func (k FateKind) String() string {
	return [...]string{"succeed", "fail", "panic", "hang", "snooze", "ask", "drop", "bury"}[k]
}

// ForEver as Fate.Times: the record never succeeds.
const ForEver = -1

// Fate says how the calls of a record end: Times times as Kind says, and then well.
type Fate struct {
	Kind  FateKind
	Times int
	Class classify.Class // of a failure; transient if none is said
	Delay time.Duration  // that a snooze or a retry asks for
	Work  time.Duration  // how long each call takes
	Deaf  bool           // the handler does not listen to its context while it works
}

// Record is a record to be produced.
type Record struct {
	Topic     string
	Partition int32
	Key       []byte
	NullValue bool
	Padding   int // bytes of value
	Headers   []Header
	Timestamp time.Time // zero: when it is produced
	Fate      Fate
	After     time.Duration // when a plan produces it, from its beginning

	Transaction *Transaction // that it is produced in; records with one transaction go together

	n     int // its number, by which a handler knows its fate
	calls int // that ended as the fate says
}

// Header is a header of a record.
type Header = consumer.Header

const numberHeader = "sim-n"

// body returns value and headers, with the record's number in one of them.
func (r *Record) body() (value []byte, headers []Header) {
	headers = append(headers, r.Headers...)
	if r.NullValue {
		return nil, append(headers, Header{Key: numberHeader, Value: []byte(strconv.Itoa(r.n))})
	}
	return []byte(fmt.Sprintf("%d;%s", r.n, strings.Repeat("x", r.Padding))), headers
}

// numberOf reads a record's number, -1 if it has none.
func numberOf(r *consumer.Record) int {
	text, _, found := strings.Cut(string(r.Value), ";")
	if !found {
		h, _ := r.Header(numberHeader)
		text = string(h)
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		return -1
	}
	return n
}

// verdict is how one call ends.
type verdict struct {
	result Result
	class  classify.Class
	delay  time.Duration
	outage bool
	err    error
	panics bool
	hangs  bool
}

// next decides how a call of the record ends. It is called once for each call, under the world's lock.
func (r *Record) next() verdict {
	f := r.Fate
	if f.Times != ForEver && r.calls >= f.Times {
		switch f.Kind {
		case Drop, Bury:
		default:
			return verdict{result: Succeeded}
		}
	}
	r.calls++
	class := f.Class
	if class == classify.None {
		class = classify.Transient
	}
	err := classify.Mark(fmt.Errorf("record %d fails, as is its fate", r.n), class)
	switch f.Kind {
	case Fail:
		return verdict{result: Failed, class: class, err: err}
	case Panic:
		return verdict{result: Failed, class: classify.System, panics: true}
	case Hang:
		return verdict{result: Failed, class: classify.Transient, hangs: true}
	case Snooze:
		return verdict{result: Snoozed, delay: f.Delay, err: consumer.Snooze(f.Delay)}
	case Ask:
		return verdict{result: Failed, class: class, delay: f.Delay, err: consumer.RetryAfter(f.Delay, err)}
	case Drop:
		return verdict{result: Dropped, err: consumer.Drop("its fate")}
	case Bury:
		return verdict{result: Buried, class: class, err: consumer.DeadLetter(err)}
	}
	return verdict{result: Succeeded}
}

var (
	errDown = classify.Mark(errors.New("the dependency is down"), classify.Network)
	errBusy = classify.Mark(errors.New("the dependency has no room for more calls"), classify.Network)
)

// carryOut does what a verdict says and returns how it really ended: a handler that listens gives up when its context is
// cancelled. cancelled is called when the context is seen to end.
func (v *verdict) carryOut(ctx context.Context, work time.Duration, deaf bool, died <-chan struct{}, cancelled func()) error {
	if v.hangs {
		select {
		case <-ctx.Done():
			cancelled()
		case <-died:
			return errDied
		}
		return v.gaveUp(ctx)
	}
	if work > 0 {
		timer := time.NewTimer(work)
		defer timer.Stop()
		done := ctx.Done()
		for waiting := true; waiting; {
			select {
			case <-timer.C:
				waiting = false
			case <-died:
				return errDied
			case <-done:
				cancelled()
				if !deaf {
					return v.gaveUp(ctx)
				}
				done = nil
			}
		}
	}
	if v.panics {
		panic("as is its fate")
	}
	return v.err
}

// gaveUp ends a call whose context has ended: at its time-out that is a failure, else it is no outcome.
func (v *verdict) gaveUp(ctx context.Context) error {
	v.class, v.delay, v.outage = classify.Transient, 0, false
	v.result = Interrupted
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		v.result = Failed
	}
	return ctx.Err()
}

var errDied = errors.New("sim: the member died")
