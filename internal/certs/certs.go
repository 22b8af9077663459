// Package certs reads authorities, certificates and keys out of PEM files, and reads them again when the files have changed, so that
// they may be renewed under a running process.
package certs

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"sync"
)

// Files names PEM files; "" is none.
type Files struct {
	Authorities string
	Certificate string // goes with Key
	Key         string
}

// Material is what was read from files. It may be used concurrently.
type Material struct {
	files Files

	mu    sync.Mutex
	stamp string // of the files that were read
	now   Current
}

// Current is what the files held when they could be read last.
type Current struct {
	Authorities  *x509.CertPool    // nil: none are named
	Certificates []tls.Certificate // none or one
	Version      uint64            // grows when something else was read
}

// Read reads the files.
func Read(files Files) (*Material, error) {
	m := &Material{files: files}
	return m, m.read()
}

// Current returns what the files hold. While they cannot be read, as when only one of two has been written yet, it returns what was read
// before, and why.
func (m *Material) Current() (Current, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	unread := m.read()
	return m.now, unread
}

// read reads the files if they have changed.
func (m *Material) read() error {
	stamp := m.files.stamp()
	if stamp == m.stamp {
		return nil
	}
	var now Current
	var err error
	if m.files.Authorities != "" {
		if now.Authorities, err = Authorities(m.files.Authorities); err != nil {
			return err
		}
	}
	if m.files.Certificate != "" {
		pair, err := Pair(m.files.Certificate, m.files.Key)
		if err != nil {
			return err
		}
		now.Certificates = []tls.Certificate{pair}
	}
	now.Version = m.now.Version + 1
	m.stamp, m.now = stamp, now
	return nil
}

// stamp changes when a file does. Kubernetes changes where a link leads, which shows here too.
func (f Files) stamp() string {
	stamp := "read"
	for _, path := range []string{f.Authorities, f.Certificate, f.Key} {
		if info, err := os.Stat(path); path != "" && err == nil {
			stamp += fmt.Sprintf(" %d/%d", info.Size(), info.ModTime().UnixNano())
		} else {
			stamp += " -"
		}
	}
	return stamp
}

// Authorities returns the certificates of a file.
func Authorities(path string) (*x509.CertPool, error) {
	text, err := read(path)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s holds no PEM certificate", path)
	}
	return pool, nil
}

// Pair returns a certificate with its key.
func Pair(certificate, key string) (tls.Certificate, error) {
	first, err := read(certificate)
	if err != nil {
		return tls.Certificate{}, err
	}
	second, err := read(key)
	if err != nil {
		return tls.Certificate{}, err
	}
	pair, err := tls.X509KeyPair(first, second)
	if err != nil {
		return tls.Certificate{}, errors.New(strings.TrimPrefix(err.Error(), "tls: "))
	}
	return pair, nil
}

// read reads a file; its error names it once.
func read(path string) ([]byte, error) {
	text, err := os.ReadFile(path)
	var of *fs.PathError
	if errors.As(err, &of) {
		err = of.Err
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return text, nil
}
