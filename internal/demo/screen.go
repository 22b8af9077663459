package demo

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redeliver/redeliver/breaker"
)

// Columns of the screen.
const (
	labelWidth = 15
	countWidth = 7
	noteWidth  = 30
	leastBar   = 8
	mostBar    = 40
	leastStrip = 78 // columns that the strip of steps needs
	fullHeight = 24
)

// screen draws a view into a terminal of a size. It is a pure function of its fields.
type screen struct {
	view
	width, height int
	glyphs        glyphs
}

// draw returns at most height lines of at most width columns.
func (s screen) draw() []line {
	roomy := s.height >= fullHeight
	var lines []line
	block := func(add ...line) {
		if roomy && len(lines) > 0 {
			lines = append(lines, nil)
		}
		lines = append(lines, add...)
	}
	block(s.head(), s.strip())
	block(s.now(roomy)...)
	block(s.orders()...)
	block(s.retries()...)
	block(s.breakerLine())
	foot := s.foot(roomy)
	if room := s.height - len(lines) - len(foot); room > 0 {
		lines = append(lines, s.happened(room, roomy)...)
	}
	if len(lines)+len(foot) <= s.height {
		for len(lines)+len(foot) < s.height {
			lines = append(lines, nil)
		}
		lines = append(lines, foot...)
	}
	lines = lines[:min(len(lines), s.height)]
	for i := range lines {
		lines[i] = lines[i].clip(s.width)
	}
	return lines
}

func (s screen) head() line {
	clock := clockText(s.elapsed)
	if s.asked > 0 {
		clock += " of " + clockText(s.asked)
	}
	clock += "   Ctrl-C ends it "
	title := text(bold, " redeliver demo")
	return title.to(max(s.width-len(clock), title.width()+1)).and(dim, clock)
}

// strip shows where the story is among its steps.
func (s screen) strip() line {
	at := int(s.step) - int(normalStep)
	if s.width < leastStrip {
		if at < 0 || at >= len(stepNames) {
			return nil
		}
		return text(bold, fmt.Sprintf(" %d of %d: %s", at+1, len(stepNames), stepNames[at]))
	}
	var l line
	for i, name := range stepNames {
		l = l.and(plain, " ")
		switch {
		case i < at:
			l = l.and(good, s.glyphs.past+name)
		case i == at:
			l = l.and(inverse, s.glyphs.present+name)
		default:
			l = l.and(dim, s.glyphs.next+name)
		}
	}
	return l
}

// now says in words what happens, on two lines at least, so that what is below stays in its place.
func (s screen) now(roomy bool) (lines []line) {
	for _, words := range wrap(s.words, s.width-4) {
		lines = append(lines, text(bold, "  "+words))
	}
	for roomy && len(lines) < 2 {
		lines = append(lines, nil)
	}
	return lines
}

func (s screen) orders() []line {
	return []line{
		s.row("orders in", plain, s.in, nil, perSecond(s.inRate)),
		s.row("  waiting", plain, s.waiting, s.bar(s.waiting, plain), "in Kafka, not called yet"),
		s.row("  in flight", plain, s.inFlight, s.bar(s.inFlight, plain), fmt.Sprintf("calls to %s, at most %d", s.breaker.name, s.slots)),
		s.row("  done", good, s.done, s.curve(), perSecond(s.doneRate)),
	}
}

func (s screen) retries() (lines []line) {
	for _, t := range s.tiers {
		lines = append(lines, s.row(t.name, warn, t.count, s.bar(t.count, warn), s.due(t)))
	}
	note := ""
	if s.dead > 0 {
		note = "kept until they are replayed"
	}
	return append(lines, s.row("dead letters", bad, s.dead, s.bar(s.dead, bad), note))
}

func (s screen) due(t tierView) string {
	switch {
	case t.count == 0 || !t.known:
		return ""
	case t.due > 0:
		return fmt.Sprintf("next due in %.1fs", t.due.Seconds())
	case s.breaker.state == breaker.Closed:
		return "due now"
	}
	return "due, held by the breaker"
}

// row is a label, a count, a bar where there is room for one, and a note.
func (s screen) row(label string, st style, count int, bar line, note string) line {
	if count == 0 {
		st = dim
	}
	l := text(plain, " "+label).to(labelWidth)
	l = l.and(st, fmt.Sprintf("%*d", countWidth, count)).and(plain, "  ")
	if w := s.barWidth(); w > 0 {
		at := l.width()
		l = append(l, bar...).to(at+w).and(plain, "  ")
	}
	return l.and(dim, note)
}

func (s screen) barWidth() int {
	if w := s.width - labelWidth - countWidth - 2 - 2 - noteWidth; w >= leastBar {
		return min(w, mostBar)
	}
	return 0
}

// bar is a block for each record, as far as there is room.
func (s screen) bar(n int, st style) line {
	w := s.barWidth()
	if n <= w {
		return text(st, strings.Repeat(s.glyphs.bar, n))
	}
	return text(st, strings.Repeat(s.glyphs.bar, max(0, w-1))+s.glyphs.more)
}

// curve is the throughput of the last seconds. Its full height is twice what comes in normally.
func (s screen) curve() line {
	var b strings.Builder
	top := len(s.glyphs.levels) - 1
	for _, n := range s.history[max(0, len(s.history)-s.barWidth()):] {
		level := min(top, int(n/(2*s.usual)*float64(top)+0.5))
		if n > 0 {
			level = max(level, 1)
		}
		b.WriteRune(s.glyphs.levels[level])
	}
	return text(good, b.String())
}

func (s screen) breakerLine() line {
	st, note := plain, ""
	switch s.breaker.state {
	case breaker.Closed:
		st, note = good, "calls go through"
	case breaker.Open:
		st, note = bad, fmt.Sprintf("no calls; tries again in %.1fs", max(0, s.breaker.left.Seconds()))
	case breaker.HalfOpen:
		st, note = warn, fmt.Sprintf("%d of %d trial calls went well", s.breaker.calls, halfOpenCalls)
	case breaker.ForcedOpen, breaker.Disabled:
		note = "by an operator"
	}
	name := strings.ToUpper(stateWords(s.breaker.state))
	l := text(plain, " breaker").to(labelWidth).and(st, " "+s.glyphs.lamp+" "+name).to(labelWidth + countWidth + 7)
	return l.and(dim, " "+note)
}

// happened lists the last events that there is room for.
func (s screen) happened(room int, roomy bool) (lines []line) {
	if roomy {
		lines, room = append(lines, nil), room-1
	}
	from := max(0, len(s.events)-room)
	for _, e := range s.events[from:] {
		lines = append(lines, text(dim, fmt.Sprintf("%6.1fs  ", e.at.Seconds())).and(plain, e.text))
	}
	return lines
}

// foot says where other programs find the demo.
func (s screen) foot(roomy bool) []line {
	where := text(dim, fmt.Sprintf(" Kafka %s   metrics http://%s/metrics", s.broker, s.admin))
	if roomy {
		return []line{nil, where}
	}
	return []line{where}
}

func perSecond(rate float64) string { return strconv.Itoa(int(rate+0.5)) + " a second" }

func clockText(d time.Duration) string {
	s := int(d.Seconds())
	return fmt.Sprintf("%d:%02d", s/60, s%60)
}
