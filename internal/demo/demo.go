package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"
)

// ErrDiffers is the error of a demo whose figures do not add up. What differs was printed.
var ErrDiffers = errors.New("the figures do not add up")

// ErrQuit is the error of a demo that was not let come to its end.
var ErrQuit = errors.New("it was quit: nothing was recounted")

// Config says how long the demo runs and how it is shown.
type Config struct {
	// ASCII draws the screen with signs of ASCII only. Defaults to false.
	ASCII bool
	// Colour uses the terminal's colours. Defaults to false.
	Colour bool
	// For is how long the demo runs, the end included. A telling of the story that is under way is brought to its end,
	// up to 30 seconds later, unless For is too short for one. Defaults to 0: until the context ends.
	For time.Duration
	// Out gets the screen or the plain lines, and the summary. Required.
	Out io.Writer
	// Quit, when it is closed, ends the demo at once, wherever it is: the terminal and the temporary directory are put right,
	// everything else is left to the end of the process. Defaults to nil: never.
	Quit <-chan struct{}
	// Size returns the size of the terminal that Out is, in columns and lines. Defaults to nil: Out is no terminal and
	// gets plain lines.
	Size func() (width, height int, err error)
}

// Run runs the demo until its time is over or ctx ends, recounts, and prints a summary. A demo that ctx ended is as good
// as another. The error is ErrDiffers when the figures do not add up, ErrQuit after Quit, or says what could not be
// started.
func Run(ctx context.Context, c Config) error { return newShow(c, normal()).run(ctx) }

// show is one run of the demo.
type show struct {
	Config
	pace
	stage      *stage
	feed       *feed
	tally      *tally
	journal    *journal
	accountant *accountant
	story      *story
	terminal   *terminal

	playing                         *task // the whole show
	presenter, engine, reader, load *task

	cut      string        // why the show ended in the middle of the story
	summedUp chan struct{} // closed before the summary is printed
}

func newShow(c Config, p pace) *show {
	s := &show{Config: c, pace: p, stage: newStage(p), feed: newFeed(), summedUp: make(chan struct{})}
	s.journal = newJournal(s.feed)
	s.tally = newTally(p, s.feed)
	s.terminal = &terminal{out: c.Out, size: c.Size}
	return s
}

// run lets the show go on until its end, or leaves it where it is when somebody quits.
func (s *show) run(ctx context.Context) error {
	s.playing = begin(ctx, s.terminal.leave, s.whole)
	select {
	case <-s.playing.done:
		return s.playing.err
	case <-s.Quit:
	}
	select {
	case <-s.summedUp: // too late for that: only what was started is being ended
		<-s.playing.done
		return s.playing.err
	default:
		s.terminal.leave()
		return errors.Join(ErrQuit, s.stage.abandon())
	}
}

// whole builds the stage, performs, and clears the stage.
func (s *show) whole(ctx context.Context) (err error) {
	defer s.terminal.leave() // on a panic too
	defer func() { err = errors.Join(err, s.stage.clear()) }()

	failed := func(err error) { s.feed.tell("%v", err) }
	if err := s.stage.build(ctx, s.tally, slog.New(s.journal), failed); err != nil {
		if ctx.Err() == nil {
			return err
		}
		_, err := fmt.Fprintln(s.Out, "redeliver demo: ended before it began")
		return err
	}
	s.accountant = newAccountant(s.stage.reader, s.stage.service)
	s.story = &story{stage: s.stage, feed: s.feed, tally: s.tally, accountant: s.accountant}
	return s.perform(ctx)
}

// perform plays the story and ends it.
func (s *show) perform(ctx context.Context) error {
	s.feed.now(starting, fmt.Sprintf("A Kafka broker starts in this process (%s, gone at the end), a payment service, and a pipeline that calls it for each order.",
		s.stage.broker.Addr()))
	s.begin(ctx)
	defer s.end()

	if err := s.play(ctx); err != nil {
		return err
	}
	if ctx.Err() != nil {
		// The terminal is given back before anything that takes time, so that a second Ctrl-C finds it as it was.
		_ = s.presenter.end()
		s.cut = "it was interrupted"
		fmt.Fprintln(s.Out, "Interrupted: calls in flight end, all is recounted. Ctrl-C again quits at once.")
	} else if s.cut == "" {
		s.feed.now(ending, "The time is over: the load stops, everything settles, and all is recounted.")
	} else {
		s.feed.now(ending, "The time is over: the load stops, and all is recounted.")
	}
	result, err := s.finish(context.WithoutCancel(ctx))
	lost := s.presenter.end()
	if err != nil {
		return err
	}
	close(s.summedUp)
	return errors.Join(s.sumUp(result), lost)
}

// begin sets everything going. Only the presenter ends with ctx; the others each have their turn.
func (s *show) begin(ctx context.Context) {
	going := context.WithoutCancel(ctx)
	s.presenter = begin(ctx, s.terminal.leave, s.present)
	s.engine = begin(going, s.terminal.leave, s.stage.pipeline.Run)
	s.reader = begin(going, s.terminal.leave, s.stage.reader.run)
	s.load = begin(going, s.terminal.leave, s.stage.load.run)
}

// end ends what has not ended, when something went wrong.
func (s *show) end() {
	_ = s.presenter.end()
	s.load.endWithin(time.Second)
	_ = s.engine.end()
	_ = s.reader.end()
}

// present shows the story on the terminal or in plain lines.
func (s *show) present(ctx context.Context) error {
	v := &viewer{stage: s.stage, feed: s.feed, tally: s.tally, asked: s.For}
	if s.Size == nil {
		p := &printer{out: s.Out, every: s.pace.status}
		return p.print(ctx, v)
	}
	signs := unicodeGlyphs
	if s.ASCII {
		signs = asciiGlyphs
	}
	return s.terminal.show(ctx, s.pace.repaint, v, signs, s.Colour)
}

// play lets the story be told until it is over, its time is, ctx ends, nobody can see it any more, or something breaks.
func (s *show) play(ctx context.Context) error {
	deadline, over := s.limits()
	story := begin(ctx, s.terminal.leave, func(ctx context.Context) error { return s.story.tell(ctx, deadline) })
	select {
	case <-story.done:
	case <-over:
		s.cut = "its time was over"
	case <-s.presenter.done:
		s.cut = "its output could not be written"
	case <-s.engine.done:
		_ = story.end()
		return fmt.Errorf("the pipeline ended by itself: %w", s.engine.err)
	}
	if err := story.end(); err != nil && !errors.Is(err, errOver) {
		return err
	}
	return nil
}

// limits returns when the last telling of the story should be over, and what tells that it must be.
func (s *show) limits() (deadline time.Time, over <-chan time.Time) {
	if s.For <= 0 {
		return deadline, nil
	}
	deadline = s.feed.began.Add(s.For - s.pace.closing)
	limit := time.Until(deadline)
	if s.For >= s.pace.story {
		limit += s.pace.overtime
	}
	return deadline, time.After(limit)
}

// The bounds of the end.
const (
	loadBound    = 10 * time.Second // for the last orders to be acknowledged
	settleBound  = 20 * time.Second // for everything to settle
	recountBound = 30 * time.Second // for the topics to be read to their ends
)

// finish stops the load, lets everything settle, stops the engine, and recounts.
func (s *show) finish(ctx context.Context) (recount, error) {
	if !s.load.endWithin(loadBound) {
		return recount{}, fmt.Errorf("the broker did not acknowledge the last orders within %v", loadBound)
	}
	unsettled := false
	if s.cut == "" {
		unsettled = !s.awaitSettled()
	}
	if err := s.engine.end(); err != nil {
		return recount{}, fmt.Errorf("the pipeline: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, recountBound)
	defer cancel()
	m, err := scrape(ctx, s.stage.metricsURL())
	if err != nil {
		return recount{}, err
	}
	if err := s.accountant.closeAll(ctx); err != nil {
		return recount{}, err
	}
	if err := s.reader.end(); err != nil {
		return recount{}, err
	}
	r := compare(s.accountant.totals, m, int(s.stage.load.acked.Load()), s.stage.reader.replayed(), s.accountant.unknown())
	r.unsettled = unsettled
	return r, nil
}

// awaitSettled waits until every order is done or dead.
func (s *show) awaitSettled() bool {
	look := time.NewTicker(s.pace.repaint / 2)
	defer look.Stop()
	bound := time.NewTimer(settleBound)
	defer bound.Stop()
	for !s.story.settled() {
		select {
		case <-look.C:
		case <-bound.C:
			return false
		}
	}
	return true
}
