package indexfile

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	berrors "go.etcd.io/bbolt/errors"

	"github.com/redeliver/redeliver/dlq"
)

// What the system does not do for a moment says nothing of the file, which may hold what nobody else has.
func TestWhatMakesAFileAnew(t *testing.T) {
	path := filepath.Join(t.TempDir(), "index")
	if err := os.WriteFile(path, []byte("something else"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		err  error
		path string
		anew bool
	}{
		{nil, path, false},
		{ErrBusy, path, false},
		{&fs.PathError{Op: "open", Path: path, Err: syscall.EACCES}, path, false},
		{syscall.ENOLCK, path, false}, // of flock on a network's file system
		{syscall.ENOMEM, path, false}, // of mmap
		{fmt.Errorf("mmap: %w", syscall.ENOMEM), path, false},
		{berrors.ErrInvalid, path, true},
		{berrors.ErrInvalid, t.TempDir(), false}, // which cannot be read, so that nobody knows
		{berrors.ErrChecksum, path, true},
		{berrors.ErrVersionMismatch, path, true},
		{errors.New("file size too small 12"), path, true},
		{fmt.Errorf("%w: page 4 is of no kind", dlq.ErrIndexDamaged), path, true},
	} {
		if got := unreadable(c.path, c.err); got != c.anew {
			t.Errorf("after %v it is made anew: %v, want %v", c.err, got, c.anew)
		}
	}
}

// Who waits for a file gets the one that is there then: what is written into the one before it would be lost.
func TestFileThatIsReplacedWhileAnotherProcessWaits(t *testing.T) {
	for name, replace := range map[string]func(*File) error{
		"compacted": func(f *File) error { return f.Compact(t.Context()) },
		"made anew": func(f *File) error { return f.Clear(t.Context()) },
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "index")
			put := func(f *File, name string) error {
				return f.Update(t.Context(), func(u dlq.IndexUpdate) error { return u.Put(name, []byte("value")) })
			}
			first, second := At(path, Options{Patience: time.Minute}), At(path, Options{Patience: time.Minute})
			if err := put(first, "first"); err != nil {
				t.Fatal(err)
			}
			waited := make(chan error, 1)
			go func() { waited <- errors.Join(put(second, "second"), second.Close()) }()
			for opened(t, path) < 2 { // descriptors
				runtime.Gosched()
			}
			if err := errors.Join(replace(first), put(first, "third"), first.Close(), <-waited); err != nil {
				t.Fatal(err)
			}
			third := At(path, Options{})
			defer third.Close()
			err := third.View(t.Context(), func(v dlq.IndexView) error {
				got, err := v.Get("second", "third")
				if got[0] == nil || got[1] == nil {
					t.Errorf("of what was written there is %q", got)
				}
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
		})
	}
}

// Who closes a file waits for what is under way with it. Then another process may have it, and whatever needs it later opens it again.
func TestFileThatIsClosedForAWhile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "index")
	f, other := At(path, Options{}), At(path, Options{})
	t.Cleanup(func() { _ = errors.Join(f.Close(), other.Close()) })
	put := func(f *File, name string) error {
		return f.Update(t.Context(), func(u dlq.IndexUpdate) error { return u.Put(name, []byte("value")) })
	}
	reads, mayEnd, read, closed := make(chan struct{}), make(chan struct{}), make(chan error, 1), make(chan error, 1)
	go func() {
		read <- f.View(t.Context(), func(dlq.IndexView) error {
			close(reads)
			<-mayEnd
			return nil
		})
	}()
	<-reads
	go func() { closed <- f.Close() }()
	if err := put(other, "early"); !errors.Is(err, ErrBusy) {
		t.Errorf("while it is read another process has it: %v", err)
	}
	close(mayEnd)
	if err := errors.Join(<-read, <-closed, put(other, "name"), other.Compact(t.Context()), other.Close()); err != nil {
		t.Fatal(err)
	}
	if err := f.Compact(t.Context()); err != nil {
		t.Errorf("compacted when it was closed: %v", err)
	}
	err := f.View(t.Context(), func(v dlq.IndexView) error {
		got, err := v.Get("name")
		if got[0] == nil {
			t.Error("what another process wrote meanwhile is not there")
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// A file that nobody uses is another process's, but for one that is held; who needs it again waits for it.
func TestFileThatIsIdle(t *testing.T) {
	path := filepath.Join(t.TempDir(), "index")
	f, other, hasty := At(path, Options{Idle: time.Millisecond, Again: time.Minute}), At(path, Options{Patience: time.Minute}), At(path, Options{})
	t.Cleanup(func() { _ = errors.Join(f.Close(), other.Close(), hasty.Close()) })
	put := func(f *File, name string) error {
		return f.Update(t.Context(), func(u dlq.IndexUpdate) error { return u.Put(name, []byte("value")) })
	}
	release := f.Hold()
	if err := put(f, "first"); err != nil {
		t.Fatal(err)
	}
	f.closeIdle()
	if err := put(hasty, "early"); !errors.Is(err, ErrBusy) {
		t.Errorf("while it is held another process has it: %v", err)
	}
	release()
	if err := put(other, "second"); err != nil {
		t.Fatal(err)
	}
	again := make(chan error, 1)
	go func() { again <- put(f, "third") }()
	for opened(t, path) < 2 {
		runtime.Gosched()
	}
	ended, end := context.WithCancel(t.Context())
	end()
	patient := At(path, Options{Patience: time.Minute})
	if err := patient.View(ended, func(dlq.IndexView) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("who waits and is interrupted: %v", err)
	}
	if err := errors.Join(other.Close(), <-again); err != nil {
		t.Fatal(err)
	}
	err := f.View(t.Context(), func(v dlq.IndexView) error {
		got, err := v.Get("first", "second", "third")
		for i, value := range got {
			if value == nil {
				t.Errorf("of what was put there is not number %d", i)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// opened counts the descriptors of a file that this process has open.
func opened(t *testing.T, path string) (n int) {
	t.Helper()
	all, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip("no /proc: ", err)
	}
	for _, one := range all {
		if to, err := os.Readlink("/proc/self/fd/" + one.Name()); err == nil && to == path {
			n++
		}
	}
	return n
}

// A file that is cut short while it is changed is made anew, and nobody waits for who cannot end.
func TestFileThatIsDamagedUnderAChange(t *testing.T) {
	path := filepath.Join(t.TempDir(), "index")
	f := At(path, Options{})
	put := func(from, to int) func(u dlq.IndexUpdate) error {
		return func(u dlq.IndexUpdate) error {
			for i := from; i < to; i++ {
				if err := u.Put(fmt.Sprint("part ", i), make([]byte, 3000)); err != nil {
					return err
				}
			}
			return nil
		}
	}
	for cut := int64(2); cut < 64; cut *= 2 {
		if err := f.Update(t.Context(), put(0, 300)); err != nil {
			t.Fatal(err)
		}
		err := f.Update(t.Context(), func(u dlq.IndexUpdate) error {
			if err := os.Truncate(path, cut*int64(os.Getpagesize())); err != nil {
				return err
			}
			return put(100, 400)(u)
		})
		if !errors.Is(err, dlq.ErrIndexDamaged) {
			t.Errorf("cut to %d pages: %v", cut, err)
		}
		if err != nil && strings.Contains(err.Error(), "runtime error") {
			t.Errorf("it says %v", err)
		}
		ended := make(chan error, 1)
		go func() {
			ended <- errors.Join(f.Clear(t.Context()), f.Update(t.Context(), put(0, 1)), f.Close())
		}()
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("cut to %d pages, it was made anew with %v", cut, err)
			}
		case <-time.After(30 * time.Second):
			t.Fatalf("cut to %d pages, it hangs", cut)
		}
	}
}

// An error names the file, once.
func TestErrorsNameTheFile(t *testing.T) {
	path := t.TempDir() // a directory
	f := At(path, Options{})
	err := f.View(t.Context(), func(dlq.IndexView) error { return nil })
	if err == nil || strings.Count(err.Error(), path) != 1 {
		t.Errorf("got %v, want an error with %s, once", err, path)
	}
}
