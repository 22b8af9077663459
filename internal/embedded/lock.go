package embedded

import (
	"fmt"
	"os"
)

// heldError reports that another process holds a lock.
type heldError struct{ by string }

func (e *heldError) Error() string { return "held by " + e.by }

// takeLock locks a file for this process and writes into it who we are. The system drops the lock when the process ends,
// however it ends, so there are no stale locks.
func takeLock(path, who string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	held, err := tryLock(f)
	if err == nil && !held {
		by, _ := os.ReadFile(path) // an unreadable name leaves the holder unnamed
		err = &heldError{by: string(by)}
	}
	if err == nil {
		err = rewrite(f, who)
	}
	if err != nil {
		_ = f.Close() // nothing was written that could be lost
		return nil, err
	}
	return f, nil
}

func rewrite(f *os.File, content string) error {
	if err := f.Truncate(0); err != nil {
		return err
	}
	if _, err := f.WriteAt([]byte(content), 0); err != nil {
		return fmt.Errorf("writing %s: %w", f.Name(), err)
	}
	return nil
}
