package main

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
)

const (
	progressPaint   = 100 * time.Millisecond // between two paintings on a terminal
	progressLine    = 5 * time.Second        // between two lines elsewhere
	progressStill   = 15 * time.Second       // without anything new, after which that is said, again and again
	progressPace    = 10 * time.Second       // of late, at least, that the rate is of
	progressHead    = time.Second            // in which a resumed work passes what is done already, so that it says nothing of the rate
	progressWidth   = 24                     // of the bar, where the terminal is wide enough
	progressColumns = 80                     // of a terminal that does not tell how wide it is
)

// progress tells how far a long work is, on standard error: one line painted over and over on a terminal, and a plain
// line every five seconds elsewhere. While nothing is new, as when brokers are waited for, that is said. Its methods may be called concurrently.
type progress struct {
	w        io.Writer
	terminal bool
	columns  func() int // of the terminal
	label    string

	mu      sync.Mutex
	total   int64 // 0: not known
	done    int64
	note    string
	awaited string // what is waited for beside the work itself, with what is known of it; "": nothing
	doubt   string // why it may be waited for in vain
	painted time.Time
	since   doneBy // what the rate is counted from, and what it will be from next
	next    doneBy
	head    bool // has passed
	width   int  // of what stands on the terminal's line
	moved   time.Time
	still   *time.Timer
	ended   bool
}

// doneBy is how much was done by a time.
type doneBy struct {
	at   time.Time
	done int64
}

// newProgress begins. total is what done will reach, 0 when that is not known.
func (p *program) newProgress(label string, total int64) *progress {
	now := time.Now()
	columns := p.columns
	if columns == nil {
		columns = func() int { return progressColumns }
	}
	g := &progress{w: p.err, terminal: p.terminal, columns: columns, label: label, total: total, painted: now, moved: now, since: doneBy{at: now}, next: doneBy{at: now}}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.still = time.AfterFunc(progressStill, g.tellStill)
	return g
}

// tellStill says that nothing is new.
func (g *progress) tellStill() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.ended {
		return
	}
	g.still.Reset(progressStill)
	g.painted = time.Now()
	g.paint(g.painted)
}

// set says how much is done; note is shown behind it.
func (g *progress) set(done int64, note string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.done != done || g.note != note {
		g.moved = time.Now()
		g.still.Reset(progressStill)
	}
	g.done, g.note = done, note
	now := time.Now()
	switch at := (doneBy{now, done}); {
	case done < g.next.done: // it began anew
		g.since, g.next = at, at
	case !g.head && now.Sub(g.next.at) >= progressHead:
		if g.head = true; now.Sub(g.next.at) < 2*progressHead { // else that is all that is known
			g.since, g.next = at, at
		}
	case now.Sub(g.next.at) >= progressPace:
		g.since, g.next = g.next, at
	}
	every := progressLine
	if g.terminal {
		every = progressPaint
	}
	if now.Sub(g.painted) >= every {
		g.painted = now
		g.paint(now)
	}
}

// await says what is waited for, and asks why that may be in vain. The line says so first when all else is done, and when nothing is new.
func (g *progress) await(awaited, doubt string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.awaited, g.doubt = awaited, doubt
}

// grow sets the total, when it becomes known or changes on the way.
func (g *progress) grow(total int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.total = total
}

// end ends it, and clears the line on a terminal, so that the summary begins on an empty one.
func (g *progress) end() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.ended = true
	g.still.Stop()
	g.clear()
}

// interject has something else said, on an empty line.
func (g *progress) interject(say func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.clear()
	say()
}

// clear clears the line on a terminal, and behind it the ^C that the terminal shows of an interruption.
func (g *progress) clear() {
	if g.terminal && g.width > 0 {
		fmt.Fprintf(g.w, "\r%s\r", strings.Repeat(" ", min(g.width+len("^C"), max(g.columns()-1, 1))))
		g.width = 0
	}
}

func (g *progress) paint(now time.Time) {
	if !g.terminal {
		fmt.Fprintln(g.w, g.text(now, 0))
		return
	}
	// A line that wraps could not be painted over: the bar gives way first, then the end of the line.
	room := max(g.columns()-1, 1)
	text := g.text(now, progressWidth)
	if over := utf8.RuneCountInString(text) - room; over > 0 {
		text = clip(g.text(now, progressWidth-over), room)
	}
	fmt.Fprintf(g.w, "\r%-*s", min(g.width, room), text)
	g.width = utf8.RuneCountInString(text)
}

// text is the line, with a bar so wide where there is room for one of some use.
func (g *progress) text(now time.Time, bar int) string {
	still := now.Sub(g.moved)
	if g.awaited != "" && (still >= progressStill || g.total > 0 && g.done >= g.total) { // when a rate, and what it leaves, would be untrue
		if still >= progressStill {
			return fmt.Sprintf("%s: nothing new for %s, %s %s", g.label, still.Truncate(time.Second), g.doubt, g.awaited)
		}
		return g.label + ": " + g.awaited
	}
	var b strings.Builder
	b.WriteString(g.label)
	if g.total > 0 {
		share := min(float64(g.done)/float64(g.total), 1)
		if bar >= progressWidth/4 {
			full := int(share * float64(bar))
			b.WriteString(" [" + strings.Repeat("=", full) + strings.Repeat(" ", bar-full) + "]")
		}
		fmt.Fprintf(&b, " %d of %d (%.0f %%)", g.done, g.total, share*100)
	} else {
		fmt.Fprintf(&b, " %d", g.done)
	}
	if seconds := now.Sub(g.since.at).Seconds(); seconds >= 1 && still < progressStill { // a rate, and what it leaves, would be untrue
		rate := float64(g.done-g.since.done) / seconds
		fmt.Fprintf(&b, ", %.0f/s", rate)
		if left := g.total - g.done; left > 0 && rate > 0 {
			fmt.Fprintf(&b, ", %s left", (time.Duration(float64(left)/rate) * time.Second).String())
		}
	}
	if g.note != "" {
		b.WriteString(", " + g.note)
	}
	if still >= progressStill {
		fmt.Fprintf(&b, ", nothing new for %s", still.Truncate(time.Second))
	}
	return b.String()
}
