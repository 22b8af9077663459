package service

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/redeliver/redeliver/torture/internal/fate"
)

// Server counts calls. Make one with [NewServer].
type Server struct {
	log  *bufio.Writer
	seen func(member string)

	mu      sync.Mutex
	tick    int64
	snoozes map[string]int // how often a record was put off, by its id
	flying  int            // calls in flight
	watched Watched
	spare   int
	broken  error // the log could not be written
}

// Watched is a moment that is watched for.
type Watched struct {
	Member string
	Failed bool // a call was answered such that a copy of its record will be written; else: a call has begun
}

// NewServer makes a server that writes its log to w. seen is told when what is watched for has come.
func NewServer(w io.Writer, seen func(member string)) *Server {
	return &Server{log: bufio.NewWriterSize(w, 1<<16), seen: seen, snoozes: make(map[string]int)}
}

// Watch watches for a moment, once, and for none that was asked for before.
func (s *Server) Watch(w Watched) {
	s.mu.Lock()
	s.watched = w
	s.mu.Unlock()
}

// Spare puts records off that a call would make a dead letter of, from now on: those that are refused, and those that fail
// for the last time. last is that attempt; 0 ends it.
func (s *Server) Spare(last int) {
	s.mu.Lock()
	s.spare = last
	s.mu.Unlock()
}

// has says that a moment has come. The lock is held.
func (s *Server) has(w Watched) (watched bool) {
	watched = s.watched == w
	if watched {
		s.watched = Watched{}
	}
	return watched
}

// InFlight is how many calls are, of all members.
func (s *Server) InFlight() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.flying
}

// Serve takes members on the listener until ctx ends; then it hangs up on them and completes the log.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var members sync.WaitGroup
	stop := context.AfterFunc(ctx, func() { _ = l.Close() }) // its error is Accept's
	defer stop()
	members.Go(func() { s.flushNowAndThen(ctx) })
	for {
		conn, err := l.Accept()
		if err != nil {
			cancel()
			members.Wait()
			return errors.Join(s.end(), unlessEnded(ctx, err))
		}
		members.Go(func() {
			hangUp := context.AfterFunc(ctx, func() { _ = conn.Close() }) // so that reading ends
			defer hangUp()
			s.member(conn)
		})
	}
}

func unlessEnded(ctx context.Context, err error) error {
	if ctx.Err() != nil && errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

func (s *Server) end() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return errors.Join(s.broken, s.log.Flush())
}

// flushNowAndThen lets those who follow the log see it.
func (s *Server) flushNowAndThen(ctx context.Context) {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			s.mu.Lock()
			if err := s.log.Flush(); err != nil {
				s.broken = err
			}
			s.mu.Unlock()
		}
	}
}

// write writes a line of the log. The lock is held.
func (s *Server) write(e Event) {
	text, err := json.Marshal(e)
	if err == nil {
		_, err = s.log.Write(append(text, '\n'))
	}
	if err != nil {
		s.broken = err
	}
}

// caller is one member's connection.
type caller struct {
	*Server
	conn   net.Conn
	name   string
	flight map[uint64]*Call // under the server's lock
	out    sync.Mutex       // for writing to the connection
}

// member serves one member until its connection ends.
func (s *Server) member(conn net.Conn) {
	c := &caller{Server: s, conn: conn, flight: make(map[uint64]*Call)}
	lines := bufio.NewReaderSize(conn, 1<<16)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			break
		}
		var e Event
		if err := json.Unmarshal(line, &e); err != nil {
			s.fail(fmt.Errorf("a message that cannot be read: %q: %w", line, err))
			break
		}
		switch {
		case e.Hello != nil:
			c.name = e.Hello.Member
			s.mu.Lock()
			s.write(e)
			s.mu.Unlock()
		case e.Call != nil:
			c.begin(e.Call)
		case e.GaveUp != nil:
			c.giveUp(e.GaveUp)
		}
	}
	_ = conn.Close() // there is nobody to tell
	c.gone()
}

func (s *Server) fail(err error) {
	s.mu.Lock()
	s.broken = err
	s.mu.Unlock()
}

// begin takes a call, which ends after its work.
func (c *caller) begin(call *Call) {
	f, err := fate.Parse(call.Fate)
	if err != nil {
		c.fail(fmt.Errorf("%s calls with a record without a fate: %w", c.name, err))
	}
	call.Member = c.name
	c.mu.Lock()
	c.tick++
	call.Begin, call.BeganAt = c.tick, time.Now().UnixNano()
	c.flight[call.Number] = call
	c.flying++
	told := c.has(Watched{Member: c.name})
	c.mu.Unlock()
	if told {
		c.seen(c.name)
	}
	time.AfterFunc(f.Work, func() { c.answer(call, f) })
}

// answer ends a call that is in flight still.
func (c *caller) answer(call *Call, f fate.Fate) {
	c.mu.Lock()
	if c.flight[call.Number] != call {
		c.mu.Unlock()
		return
	}
	a := f.Answer(call.Attempt, c.snoozes[call.ID])
	switch {
	case a == fate.Snoozed:
		c.snoozes[call.ID]++
	case c.spare > 0 && (a == fate.Refused || a == fate.Failed && call.Attempt >= c.spare):
		a = fate.Snoozed
	}
	told := a != fate.OK && a != fate.Dropped && c.has(Watched{c.name, true})
	c.over(call, Outcome(a.String()))
	c.mu.Unlock()

	text, err := json.Marshal(reply{call.Number, a})
	if err != nil {
		c.fail(err)
		return
	}
	c.out.Lock()
	_, _ = c.conn.Write(append(text, '\n')) // a member that is gone is seen by its reader
	c.out.Unlock()
	if told {
		c.seen(c.name)
	}
}

// over writes a call down. The lock is held.
func (c *caller) over(call *Call, how Outcome) {
	delete(c.flight, call.Number)
	c.flying--
	c.tick++
	call.End, call.EndedAt, call.Outcome = c.tick, time.Now().UnixNano(), how
	c.write(Event{Call: call})
}

// giveUp ends a call whose handler does not wait any more.
func (c *caller) giveUp(g *GaveUp) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if call := c.flight[g.Number]; call != nil {
		c.over(call, g.Why)
		return
	}
	g.Member = c.name
	c.write(Event{GaveUp: g})
}

// gone ends the calls of a member that is gone.
func (c *caller) gone() {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := len(c.flight)
	for _, call := range c.flight {
		c.over(call, Cut)
	}
	c.tick++
	c.write(Event{Gone: &Gone{Member: c.name, Tick: c.tick, At: time.Now().UnixNano(), InFlight: n}})
}
