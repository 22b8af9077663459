package demo

import (
	"context"
	"io"
	"strings"
	"sync"
	"time"
)

// What a terminal is told (xterm's control sequences). The alternate screen leaves what stood there before as it was.
const (
	enterScreen = "\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[2J" // alternate screen, no cursor, no wrapping, empty
	leaveScreen = "\x1b[?7h\x1b[?25h\x1b[0m\x1b[?1049l"
	beginPaint  = "\x1b[?2026h\x1b[H" // shown at once when it ends, where the terminal knows how
	endOfLine   = "\x1b[K\r\n"
	endPaint    = "\x1b[K\x1b[J\x1b[?2026l"
)

// terminal paints on the alternate screen between enter and leave. Its methods may be called concurrently.
type terminal struct {
	out  io.Writer
	size func() (width, height int, err error)

	mu    sync.Mutex
	on    bool
	width int // when it was painted last
	high  int
}

// enter begins to paint.
func (t *terminal) enter() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.on, t.width = true, 0
	_, err := io.WriteString(t.out, enterScreen)
	return err
}

// leave gives the terminal back as it was. It may be called again, and without enter.
func (t *terminal) leave() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.on {
		t.on = false
		_, _ = io.WriteString(t.out, leaveScreen)
	}
}

// dimensions returns the size to draw for, also where the terminal does not tell it.
func (t *terminal) dimensions() (width, height int) {
	width, height, err := t.size()
	if err != nil || width < 1 || height < 1 {
		return 80, fullHeight
	}
	return width, height
}

// paint shows the lines, in one write so that nothing is seen half-done. After a change of size all is painted anew.
func (t *terminal) paint(lines []line, width, height int, colour bool) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.on {
		return nil
	}
	var b strings.Builder
	b.WriteString(beginPaint)
	if width != t.width || height != t.high {
		b.WriteString("\x1b[2J")
		t.width, t.high = width, height
	}
	for i, l := range lines {
		if i > 0 {
			b.WriteString(endOfLine)
		}
		b.WriteString(l.render(colour))
	}
	b.WriteString(endPaint)
	_, err := io.WriteString(t.out, b.String())
	return err
}

// show paints views until ctx ends.
func (t *terminal) show(ctx context.Context, every time.Duration, v *viewer, g glyphs, colour bool) error {
	if err := t.enter(); err != nil {
		return err
	}
	defer t.leave()
	suspended, stop := suspensions()
	defer stop()
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		width, height := t.dimensions()
		s := screen{view: v.view(), width: width, height: height, glyphs: g}
		if err := t.paint(s.draw(), width, height, colour); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-suspended:
			t.leave()
			suspend()
			if err := t.enter(); err != nil {
				return err
			}
		case <-tick.C:
		}
	}
}
