package consumer

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/redeliver/redeliver/classify"
	"github.com/redeliver/redeliver/retrytopics"
)

// Notice tells that calls fail in a way that somebody wants to know of, see [classify.Treatment]. It stands for all failures of
// its class and rule since the notice before.
type Notice struct {
	Pipeline   string
	Dependency string
	Class      classify.Class
	Severity   classify.Severity
	Handling   classify.Handling
	Rule       string // that decided, for people
	Count      uint64 // failures since the notice before, this one included
	Since      time.Time
	// The first of these failures.
	ID      string
	Topic   string // of the origin
	Attempt int
	Error   string // at most 1 KiB
	Job     classify.Job
	// NotBefore is when the next notice of this class and rule may come.
	NotBefore time.Time
}

// The first failure of a class and rule is told at once. Further ones are told together, after noticeFirst, then twice as long
// each time, up to noticeLast; a time without any begins anew.
const (
	noticeFirst = time.Minute
	noticeLast  = time.Hour
	// noticeEnd is how long notices under way may take when a pipeline ends.
	noticeEnd = time.Second
)

// notices tells of failures at a falling rate: in the log those of severity high and critical, and those whose records are held or
// dropped, and to the callback those that ask for it. It never keeps a record waiting.
type notices struct {
	tell func(context.Context, Notice) // nil: nobody wants to know
	log  *slog.Logger

	ctx    context.Context
	cancel context.CancelFunc
	under  sync.WaitGroup

	mu    sync.Mutex
	ended bool
	kinds map[noticeKind]*noticed
}

// noticeKind is what is told together. There are as many rules as the configuration has; built-in ones are one.
type noticeKind struct {
	class  classify.Class
	rule   int
	wanted bool
}

// noticed is what is known of one kind.
type noticed struct {
	next    Notice // of what has not been told yet, Count 0 for nothing
	gap     time.Duration
	timer   *time.Timer
	telling bool
	what    string // type of the error that is told of
	status  int    // its HTTP status, 0 for none
}

func newNotices(tell func(context.Context, Notice), log *slog.Logger) *notices {
	ctx, cancel := context.WithCancel(context.Background())
	return &notices{tell: tell, log: log, ctx: ctx, cancel: cancel, kinds: make(map[noticeKind]*noticed)}
}

// wants reports whether a failure is to be told of.
func (n *notices) wants(f *classify.Failure) bool {
	return f.Severity >= classify.High || f.Handling == classify.Hold || f.Handling == classify.Drop || f.Notify && n.tell != nil
}

// failed notes a failure; made is called for what the notice says of the record.
func (n *notices) failed(f *classify.Failure, made func() Notice) {
	if !n.wants(f) {
		return
	}
	k := noticeKind{f.Class, f.UserRule, f.Notify}
	now := time.Now()
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.ended {
		return
	}
	kind := n.kinds[k]
	if kind == nil {
		kind = &noticed{gap: noticeFirst}
		n.kinds[k] = kind
	}
	if kind.next.Count++; kind.next.Count > 1 {
		return // what is told of many is made once
	}
	kind.next = made()
	kind.next.Class, kind.next.Severity, kind.next.Handling, kind.next.Rule = f.Class, f.Severity, f.Handling, f.Rule
	kind.next.Error = f.Text(retrytopics.MaxErrorSize)
	kind.next.Count, kind.next.Since = 1, now
	kind.what, kind.status = f.Type, f.Status
	if kind.timer == nil {
		n.out(k, kind, now)
	}
}

// out tells what has not been told and sets the time before which nothing more is. The lock is held.
func (n *notices) out(k noticeKind, kind *noticed, now time.Time) {
	notice := kind.next
	notice.NotBefore = now.Add(kind.gap)
	kind.timer = time.AfterFunc(kind.gap, func() { n.over(k, kind) })
	if kind.telling {
		return // what is slow to hear hears it next time
	}
	kind.next.Count = 0
	n.write(&notice, kind)
	if !k.wanted || n.tell == nil {
		return
	}
	kind.telling = true
	n.under.Go(func() {
		defer func() {
			if cause := recover(); cause != nil {
				n.log.Error("the function that is notified of failures panicked", "pipeline", notice.Pipeline, "panic", panicText(cause), "stack", string(debug.Stack()))
			}
			n.mu.Lock()
			kind.telling = false
			n.mu.Unlock()
		}()
		n.tell(n.ctx, notice)
	})
}

// over ends the time before which nothing is told.
func (n *notices) over(k noticeKind, kind *noticed) {
	n.mu.Lock()
	defer n.mu.Unlock()
	switch {
	case n.ended:
	case kind.next.Count == 0:
		delete(n.kinds, k)
	default:
		kind.gap = min(2*kind.gap, noticeLast)
		n.out(k, kind, time.Now())
	}
}

// write tells the log: what the error says, which may be of the payload, in detail only.
func (n *notices) write(notice *Notice, kind *noticed) {
	level := slog.LevelInfo
	switch {
	case notice.Severity == classify.Critical:
		level = slog.LevelError
	case notice.Severity == classify.High, notice.Handling == classify.Hold:
		level = slog.LevelWarn
	}
	n.log.Log(n.ctx, level, "calls fail", "pipeline", notice.Pipeline, "class", notice.Class, "severity", notice.Severity,
		"rule", notice.Rule, "failures", notice.Count, "handling", notice.Handling, "id", notice.ID, "attempt", notice.Attempt, "type", kind.what, "status", kind.status)
	n.log.Debug("what a call failed with", "pipeline", notice.Pipeline, "id", notice.ID, "error", notice.Error)
}

// end tells nothing more. Notices under way are cut off, and waited for a little.
func (n *notices) end() {
	n.mu.Lock()
	n.ended = true
	for _, kind := range n.kinds {
		kind.timer.Stop()
	}
	n.mu.Unlock()
	n.cancel()
	done := make(chan struct{})
	go func() {
		n.under.Wait()
		close(done)
	}()
	limit := time.NewTimer(noticeEnd)
	defer limit.Stop()
	select {
	case <-done:
	case <-limit.C:
		n.log.Warn("a notice of failures does not end")
	}
}

// String describes the notice in a line.
func (n Notice) String() string {
	times := fmt.Sprintf("%d calls failed", n.Count)
	if n.Count == 1 {
		times = "a call failed"
	}
	return strings.TrimSpace(fmt.Sprintf("%s: %s (%s, %s), first %s: %s", n.Pipeline, times, n.Class, n.Severity, n.ID, n.Error))
}
