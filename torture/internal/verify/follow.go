package verify

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/redeliver/redeliver/torture/internal/service"
)

// follow reads a file that another process is writing, line by line, until ctx ends, and then to its end.
func follow(ctx context.Context, path string, line func([]byte) error) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // it was only read
	r := bufio.NewReaderSize(f, 1<<20)
	var begun []byte // a line that is being written
	for {
		ended := ctx.Err() != nil // before the read, so that what was written before it is seen
		part, err := r.ReadBytes('\n')
		begun = append(begun, part...)
		switch {
		case err == nil:
			if err := line(begun); err != nil {
				return fmt.Errorf("%s: %q: %w", path, begun, err)
			}
			begun = begun[:0]
			continue
		case !errors.Is(err, io.EOF):
			return err
		case ended && len(begun) > 0:
			return fmt.Errorf("%s ends within a line: %q", path, begun)
		case ended:
			return nil
		}
		select {
		case <-ctx.Done():
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// producedLine takes a line of the load.
func (v *verifier) producedLine(line []byte) error {
	var number int
	var partition int32
	var offset, timestamp int64
	if _, err := fmt.Sscan(string(line), &number, &partition, &offset, &timestamp); err != nil {
		return err
	}
	v.mu.Lock()
	v.h.AddProduced(number, partition, offset, timestamp)
	v.mu.Unlock()
	return nil
}

// calledLine takes a line of the service.
func (v *verifier) calledLine(line []byte) error {
	var e service.Event
	if err := json.Unmarshal(line, &e); err != nil {
		return err
	}
	v.mu.Lock()
	v.h.AddEvent(e)
	v.mu.Unlock()
	return nil
}
