package embedded

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"time"
)

// The files of a data directory, beside kfake's own in brokerDirectory.
const (
	lockFile    = "LOCK"
	versionFile = "VERSION"
	marksFile   = "marks.json"
)

// format is the layout of the data directory: this package's files and the kfake that wrote the others.
const format = 1

// InUseError reports that another process has the data directory.
type InUseError struct {
	Dir    string
	Holder string // who has it, as it wrote itself: process and address; may be empty
}

// Error says who has the directory and what to do about it.
func (e *InUseError) Error() string {
	holder := e.Holder
	if holder == "" {
		holder = "another process"
	}
	return fmt.Sprintf("embedded broker: data directory %s is in use by %s; stop that, connect to it with kafka.brokers, "+
		"or set embedded.data_dir to another directory", e.Dir, holder)
}

// directory is an opened data directory. It is this process's until release.
type directory struct {
	path      string
	clusterID string
	lock      *os.File
}

// version is the content of the version file.
type version struct {
	Format    int       `json:"format"`
	ClusterID string    `json:"cluster_id"`
	Created   time.Time `json:"created"`
	// Kfake is the version of the broker that made the directory, for people.
	Kfake string `json:"kfake"`
}

// openDirectory makes the directory where it is missing and takes it for this process, which will listen on address.
func openDirectory(path, address string) (*directory, error) {
	if err := os.MkdirAll(path, 0o755); err != nil {
		return nil, fmt.Errorf("embedded broker: data directory: %w", err)
	}
	if err := refuseForeign(path); err != nil {
		return nil, err
	}
	lock, err := takeLock(filepath.Join(path, lockFile), fmt.Sprintf("process %d (listening on %s)", os.Getpid(), address))
	if holder, ok := errors.AsType[*heldError](err); ok {
		return nil, &InUseError{Dir: path, Holder: holder.by}
	}
	if err != nil {
		return nil, fmt.Errorf("embedded broker: locking data directory %s: %w", path, err)
	}
	d := &directory{path: path, lock: lock}
	if err := d.checkVersion(); err != nil {
		return nil, errors.Join(err, d.release())
	}
	return d, nil
}

// release gives the directory back. The lock file stays: deleting it would race with a process that is just opening it.
func (d *directory) release() error { return d.lock.Close() }

// refuseForeign keeps the broker from strewing its files over somebody's home directory.
func refuseForeign(path string) error {
	entries, err := os.ReadDir(path)
	if err != nil {
		return fmt.Errorf("embedded broker: data directory: %w", err)
	}
	ours := len(entries) == 0
	for _, e := range entries {
		ours = ours || e.Name() == versionFile || e.Name() == lockFile
	}
	if !ours {
		return fmt.Errorf("embedded broker: %s is not empty and was not made by an embedded broker (it has no %s file); "+
			"set embedded.data_dir to a new or empty directory", path, versionFile)
	}
	return nil
}

// checkVersion reads the version file, or writes it in a new directory.
func (d *directory) checkVersion() error {
	path := filepath.Join(d.path, versionFile)
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		d.clusterID = newClusterID()
		return writeJSON(path, version{Format: format, ClusterID: d.clusterID, Created: time.Now().UTC(), Kfake: kfakeVersion()})
	}
	if err != nil {
		return fmt.Errorf("embedded broker: %w", err)
	}
	var v version
	if err := json.Unmarshal(raw, &v); err != nil {
		return fmt.Errorf("embedded broker: %s is damaged (%w); restore it, or set embedded.data_dir to another directory", path, err)
	}
	if v.Format != format {
		return fmt.Errorf("embedded broker: %s has format %d and this binary reads %d; use the redeliver that wrote it, "+
			"or set embedded.data_dir to another directory", d.path, v.Format, format)
	}
	d.clusterID = v.ClusterID
	return nil
}

func newClusterID() string {
	var random [4]byte
	_, _ = rand.Read(random[:]) // never fails, it says
	return clusterIDPrefix + hex.EncodeToString(random[:])
}

func kfakeVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	for _, m := range info.Deps {
		if strings.HasSuffix(m.Path, "/kfake") {
			return m.Version
		}
	}
	return "unknown"
}

// writeJSON replaces a file whole or not at all, also when the power fails.
func writeJSON(path string, v any) error {
	raw, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*.tmp")
	if err != nil {
		return fmt.Errorf("embedded broker: %w", err)
	}
	_, err = f.Write(raw)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("embedded broker: writing %s: %w", path, errors.Join(err, os.Remove(f.Name())))
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return fmt.Errorf("embedded broker: %w", err)
	}
	return nil
}
