// Package indexfile keeps an index of dead letters in a file, for [github.com/redeliver/redeliver/dlq.Indexed].
//
// The file is one of bbolt's, which is read where it lies, in the page cache. One process has it open at a time.
package indexfile

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"sync"
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

	mu sync.RWMutex // held for writing while the file is opened, or made anew
	db *bolt.DB     // nil: it is not open
}

// Options say how a file is opened.
type Options struct {
	// Patience is how long to wait for another process that has the file open. Defaults to none.
	Patience time.Duration
	// Warn is told why a file that was there is made anew. It may be nil.
	Warn func(why string)
}

var bucket = []byte("index")

// At is the index in a file. It is opened when it is needed first: made, with its directory, where it does not exist, and made
// anew where it cannot be read. What needs it while another process has it open fails with ErrBusy. The caller closes it.
func At(path string, o Options) *File { return &File{path: path, Options: o} }

// opened opens the file if it is not. The caller unlocks f.mu for reading, unless there is an error.
func (f *File) opened() error {
	for {
		f.mu.RLock()
		if f.db != nil {
			return nil
		}
		f.mu.RUnlock()
		if err := f.open(); err != nil {
			return fmt.Errorf("open %s: %w", f.path, err)
		}
	}
}

func (f *File) open() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.db != nil {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(f.path), 0o700); err != nil {
		return err
	}
	db, err := open(f.path, f.Patience)
	if unreadable(err) {
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

func open(path string, patience time.Duration) (db *bolt.DB, err error) {
	err = guarded(func() (err error) {
		db, err = bolt.Open(path, 0o600, &bolt.Options{Timeout: max(patience, time.Millisecond), FreelistType: bolt.FreelistMapType})
		return err
	})
	if errors.Is(err, berrors.ErrTimeout) {
		return nil, ErrBusy
	}
	return db, err
}

// unreadable says whether the file is not one of ours, and not that it may not be opened.
func unreadable(err error) bool {
	return err != nil && !errors.Is(err, ErrBusy) && !errors.As(err, new(*fs.PathError))
}

// guarded calls f, and makes an error of what a damaged file does to whoever reads it: bbolt panics, and a part of the file that is not
// there faults.
func guarded(f func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%w: %v", dlq.ErrIndexDamaged, r)
		}
	}()
	return f()
}

// View implements [dlq.IndexStore].
func (f *File) View(_ context.Context, do func(dlq.IndexView) error) error {
	if err := f.opened(); err != nil {
		return err
	}
	defer f.mu.RUnlock()
	return guarded(func() error {
		return f.db.View(func(tx *bolt.Tx) error { return do(view{tx.Bucket(bucket)}) })
	})
}

// Update implements [dlq.IndexStore].
func (f *File) Update(_ context.Context, do func(dlq.IndexUpdate) error) error {
	if err := f.opened(); err != nil {
		return err
	}
	defer f.mu.RUnlock()
	return guarded(func() error {
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
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.db != nil {
		_ = guarded(f.db.Close) // it is not needed any more, however it was
		f.db = nil
	}
	if err := os.Remove(f.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	db, err := open(f.path, f.Patience)
	f.db = db
	return err
}

// compactedAtOnce are the bytes that are copied in one transaction.
const compactedAtOnce = 16 << 20

// Compact implements [dlq.IndexCompactor]: what is stored is copied to another file, which takes the place of this one.
func (f *File) Compact(context.Context) error {
	if err := f.opened(); err != nil {
		return err
	}
	f.mu.RUnlock()
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.db == nil {
		return fs.ErrClosed
	}
	to := f.path + ".compact"
	if err := os.Remove(to); err != nil && !errors.Is(err, fs.ErrNotExist) { // of a process that was killed
		return err
	}
	if err := f.copyTo(to); err != nil {
		return errors.Join(err, os.Remove(to))
	}
	err := guarded(f.db.Close)
	if f.db = nil; err != nil {
		return err
	}
	if err := os.Rename(to, f.path); err != nil {
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
	err = guarded(func() error { return bolt.Compact(db, f.db, compactedAtOnce) })
	return errors.Join(err, db.Close())
}

// Close closes the file, if it was opened.
func (f *File) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.db == nil {
		return nil
	}
	db := f.db
	f.db = nil
	return guarded(db.Close)
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
