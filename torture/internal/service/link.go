package service

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"sync"

	"github.com/redeliver/redeliver/torture/internal/fate"
)

// Link is a member's connection to the service. Its methods may be called concurrently.
type Link struct {
	conn net.Conn
	out  sync.Mutex // for writing

	mu    sync.Mutex
	last  uint64
	waits map[uint64]chan fate.Answer
	ended chan struct{} // closed when the service is gone
}

// Dial connects a member to the service.
func Dial(address string, h Hello) (*Link, error) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	l := &Link{conn: conn, waits: make(map[uint64]chan fate.Answer), ended: make(chan struct{})}
	if err := l.send(Event{Hello: &h}); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	go l.read()
	return l, nil
}

// Ended is closed when the service is gone.
func (l *Link) Ended() <-chan struct{} { return l.ended }

// Close hangs up.
func (l *Link) Close() error { return l.conn.Close() }

// Call makes a call and waits for its answer, or until ctx ends: then it tells the service so and returns ctx's error.
func (l *Link) Call(ctx context.Context, c Call) (fate.Answer, error) {
	wait := make(chan fate.Answer, 1)
	l.mu.Lock()
	l.last++
	c.Number = l.last
	l.waits[c.Number] = wait
	l.mu.Unlock()
	defer l.forget(c.Number)
	if err := l.send(Event{Call: &c}); err != nil {
		return 0, err
	}
	select {
	case a := <-wait:
		return a, nil
	case <-l.ended:
		return 0, errors.New("the service is gone")
	case <-ctx.Done():
		select {
		case a := <-wait: // both at once
			return a, nil
		default:
		}
	}
	why := Cancelled
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		why = TimedOut
	}
	if err := l.send(Event{GaveUp: &GaveUp{Number: c.Number, Why: why}}); err != nil {
		return 0, err
	}
	return 0, ctx.Err()
}

func (l *Link) forget(number uint64) {
	l.mu.Lock()
	delete(l.waits, number)
	l.mu.Unlock()
}

func (l *Link) send(e Event) error {
	text, err := json.Marshal(e)
	if err != nil {
		return err
	}
	l.out.Lock()
	defer l.out.Unlock()
	if _, err := l.conn.Write(append(text, '\n')); err != nil {
		return fmt.Errorf("tell the service: %w", err)
	}
	return nil
}

// read hands out the answers.
func (l *Link) read() {
	defer close(l.ended)
	lines := bufio.NewReaderSize(l.conn, 1<<16)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return
		}
		var r reply
		if json.Unmarshal(line, &r) != nil {
			return
		}
		l.mu.Lock()
		wait := l.waits[r.Number]
		l.mu.Unlock()
		if wait != nil {
			wait <- r.Answer
		}
	}
}
