// Package indexfile keeps an index of dead letters in a file, for [github.com/redeliver/redeliver/dlq.Indexed].
//
// The file is one of bbolt's, which is read where it lies, in the page cache. One process has it open at a time.
package indexfile

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	bolt "go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"github.com/redeliver/redeliver/dlq"
)

// ErrBusy is the error of a file that another process has open.
var ErrBusy = errors.New("another process has the index open")

// File is a [dlq.IndexStore] in a file. Its methods may be called concurrently.
type File struct {
	path string
	Options

	mu   sync.RWMutex // held for writing while the file is opened, or made anew
	db   *bolt.DB     // nil: it is not open
	rest *time.Timer  // until nobody has used it for so long as Options say; nil: they do not
	held atomic.Int32 // by whoever wants it for all of that time
	idle bool         // it was closed since nobody used it
	// torn: the file was damaged under a transaction, which holds its locks for ever: whoever closes it may wait as long.
	torn atomic.Bool
}

// Options say how a file is opened.
type Options struct {
	// Patience is how long to wait for another process that has the file open. Defaults to none.
	Patience time.Duration
	// Idle is after how long without use the file is closed, so that another process may have it: who needs little of it may go on for hours. It is
	// opened again when it is needed. Defaults to never.
	Idle time.Duration
	// Again is how long to wait for another process that has the file since it was idle, in the midst of what is done with it. Defaults to Patience.
	Again time.Duration
	// Warn is told why a file that was there is made anew. It may be nil.
	Warn func(why string)
}

var bucket = []byte("index")

// At is the index in a file. It is opened when it is needed first: made, with its directory, where it does not exist, and made
// anew where it cannot be read. What needs it while another process has it open fails with ErrBusy. The caller closes it, at the
// end and whenever others may have it for a while.
func At(path string, o Options) *File {
	f := &File{path: path, Options: o}
	if o.Idle > 0 {
		f.rest = time.AfterFunc(o.Idle, f.closeIdle)
	}
	return f
}

// opened opens the file if it is not. The caller calls f.used, unless there is an error.
func (f *File) opened(ctx context.Context) error {
	for {
		f.mu.RLock()
		if f.db != nil {
			return nil
		}
		f.mu.RUnlock()
		if err := f.open(ctx); err != nil {
			if names := (*fs.PathError)(nil); errors.As(err, &names) && names.Path == f.path {
				return err
			}
			return fmt.Errorf("open %s: %w", f.path, err)
		}
	}
}

// used is the end of what opened began.
func (f *File) used() {
	f.mu.RUnlock()
	if f.rest != nil {
		f.rest.Reset(f.Idle)
	}
}

// closeIdle closes the file unless somebody uses or holds it, who comes back here.
func (f *File) closeIdle() {
	if f.held.Load() > 0 || !f.mu.TryLock() {
		return
	}
	defer f.mu.Unlock()
	if f.db != nil {
		f.idle = true
		_ = f.close() // what was stored is safe
	}
}

// Hold implements [dlq.IndexHolder].
func (f *File) Hold() (release func()) {
	f.held.Add(1)
	return func() {
		if f.held.Add(-1) == 0 && f.rest != nil {
			f.rest.Reset(f.Idle)
		}
	}
}

func (f *File) open(ctx context.Context) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.db != nil {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(f.path), 0o700); err != nil {
		return err
	}
	patience := f.Patience
	if f.idle {
		patience = max(patience, f.Again)
	}
	db, err := await(ctx, f.path, patience)
	if unreadable(f.path, err) {
		if f.Warn != nil {
			f.Warn(fmt.Sprintf("%s is no index of dead letters that can be read (%v): it is built anew", f.path, err))
		}
		if err = os.Remove(f.path); err == nil {
			db, err = open(f.path, f.Patience)
		}
	}
	f.db = db
	return err
}

// awaits is how long nobody can interrupt who waits for a file.
const awaits = 250 * time.Millisecond

// await is open that ends with ctx.
func await(ctx context.Context, path string, patience time.Duration) (*bolt.DB, error) {
	for until := time.Now().Add(patience); ; {
		left := time.Until(until)
		db, err := open(path, min(left, awaits))
		if !errors.Is(err, ErrBusy) || left <= awaits {
			return db, err
		}
		if ctx.Err() != nil {
			return nil, fmt.Errorf("%w: %w", ErrBusy, context.Cause(ctx)) // which says nothing of what is in the file
		}
	}
}

// open opens the file that is there when nobody else has it open any more: whoever had may have put another one in its place ([File.Compact]), and what is
// written into the one before is written for nobody.
func open(path string, patience time.Duration) (db *bolt.DB, err error) {
	for {
		var file *os.File
		err = guarded(func() (err error) {
			db, err = bolt.Open(path, 0o600, &bolt.Options{
				Timeout: max(patience, time.Millisecond), FreelistType: bolt.FreelistMapType,
				OpenFile: func(name string, flag int, mode os.FileMode) (_ *os.File, err error) {
					file, err = os.OpenFile(name, flag, mode)
					return file, err
				},
			})
			return err
		})
		if errors.Is(err, berrors.ErrTimeout) {
			return nil, ErrBusy
		}
		if err != nil || isAt(file, path) {
			return db, err
		}
		if err := guarded(db.Close); err != nil {
			return nil, err
		}
	}
}

// isAt says whether an open file is the one that has the path now.
func isAt(file *os.File, path string) bool {
	opened, err := file.Stat()
	if err != nil {
		return false
	}
	there, err := os.Stat(path)
	return err == nil && os.SameFile(opened, there)
}

// unreadable says whether what is in the file is not ours, or damaged, and not that the system does not let us have it, as a file system that has no locks for
// the moment, or no memory: what only the index keeps must not go for that.
func unreadable(path string, err error) bool {
	if err == nil || errors.Is(err, ErrBusy) || errors.As(err, new(*fs.PathError)) || errors.As(err, new(syscall.Errno)) {
		return false
	}
	return !errors.Is(err, berrors.ErrInvalid) || readable(path) == nil // which it is of a file that cannot be read, too
}

// readable fails when the beginning of a file cannot be read, which says what it is.
func readable(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // it was only read
	if _, err = io.CopyN(io.Discard, f, 1<<20); errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// errFault is of an error that was a panic: what was under way is not ended as it should be. It has nothing to add.
var errFault = errors.New("")

// guarded calls f, and makes an error of what a damaged file does to whoever reads it: bbolt panics, and a part of the file that is not
// there faults.
func guarded(f func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		switch r := recover().(type) {
		case nil:
		case runtime.Error: // a page that is not there, or not what it was
			err = fmt.Errorf("%w%w", dlq.ErrIndexDamaged, errFault)
		default:
			err = fmt.Errorf("%w: %v%w", dlq.ErrIndexDamaged, r, errFault)
		}
	}()
	return f()
}

// transact calls f with the file, and takes down where that was damaged meanwhile.
func (f *File) transact(do func() error) error {
	err := guarded(do)
	if errors.Is(err, errFault) {
		f.torn.Store(true)
	}
	return err
}

// close closes what is open. What is torn is left to itself: the file was removed, or is with the process.
func (f *File) close() error {
	db := f.db
	if f.db = nil; db == nil {
		return nil
	}
	if f.torn.Swap(false) {
		go func() { _ = guarded(db.Close) }() // it may hang
		return nil
	}
	return guarded(db.Close)
}

// View implements [dlq.IndexStore].
func (f *File) View(ctx context.Context, do func(dlq.IndexView) error) error {
	if err := f.opened(ctx); err != nil {
		return err
	}
	defer f.used()
	return f.transact(func() error {
		return f.db.View(func(tx *bolt.Tx) error { return do(view{tx.Bucket(bucket)}) })
	})
}

// Update implements [dlq.IndexStore].
func (f *File) Update(ctx context.Context, do func(dlq.IndexUpdate) error) error {
	if err := f.opened(ctx); err != nil {
		return err
	}
	defer f.used()
	return f.transact(func() error {
		return f.db.Update(func(tx *bolt.Tx) error {
			b, err := tx.CreateBucketIfNotExists(bucket)
			if err != nil {
				return err
			}
			b.FillPercent = 1 // names come in order, or nearly
			return do(update{view{b}})
		})
	})
}

// Clear implements [dlq.IndexStore]: the file is made anew.
func (f *File) Clear(context.Context) error {
	defer f.Hold()()
	f.mu.Lock()
	defer f.mu.Unlock()
	err := os.Remove(f.path) // while others wait for it, who look then which one is there
	_ = f.close()            // it is not needed any more, however it was
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	db, err := open(f.path, f.Patience)
	f.db = db
	return err
}

// compactedAtOnce are the bytes that are copied in one transaction.
const compactedAtOnce = 16 << 20

// Compact implements [dlq.IndexCompactor]: what is stored is copied to another file, which takes the place of this one.
func (f *File) Compact(ctx context.Context) error {
	defer f.Hold()()
	for f.mu.Lock(); f.db == nil; f.mu.Lock() { // somebody may close it again in between
		f.mu.Unlock()
		if err := f.opened(ctx); err != nil {
			return err
		}
		f.used()
	}
	defer f.mu.Unlock()
	to := f.path + ".compact"
	if err := os.Remove(to); err != nil && !errors.Is(err, fs.ErrNotExist) { // of a process that was killed
		return err
	}
	if err := f.copyTo(to); err != nil {
		return errors.Join(err, os.Remove(to))
	}
	err := os.Rename(to, f.path) // while others wait for the one before
	if err = errors.Join(err, f.close()); err != nil {
		return err
	}
	db, err := open(f.path, f.Patience)
	f.db = db
	return err
}

func (f *File) copyTo(path string) error {
	db, err := open(path, f.Patience)
	if err != nil {
		return err
	}
	err = f.transact(func() error { return bolt.Compact(db, f.db, compactedAtOnce) })
	return errors.Join(err, db.Close())
}

// Close closes the file, if it was opened, when what is under way has ended. It is opened again when it is needed.
func (f *File) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.idle = false
	return f.close()
}

type view struct{ bucket *bolt.Bucket } // nil: nothing was put yet

func (v view) Get(names ...string) ([][]byte, error) {
	values := make([][]byte, len(names))
	if v.bucket == nil {
		return values, nil
	}
	for i, name := range names {
		values[i] = v.bucket.Get([]byte(name))
	}
	return values, nil
}

type update struct{ view }

func (u update) Put(name string, value []byte) error { return u.bucket.Put([]byte(name), value) }

func (u update) Delete(names ...string) error {
	for _, name := range names {
		if err := u.bucket.Delete([]byte(name)); err != nil {
			return err
		}
	}
	return nil
}
