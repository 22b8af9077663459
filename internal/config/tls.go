package config

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"time"
)

// dialer returns what connects to brokers. Authorities, certificate and key are read again at a new connection when a file has
// changed, so that they may be renewed under a running process; while they cannot be read, as when only one of two has been
// written yet, those from before are used.
func (t TLS) dialer(timeout time.Duration) (func(context.Context, string, string) (net.Conn, error), error) {
	m := &material{from: t}
	if err := m.read(); err != nil {
		return nil, err
	}
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		ctx, cancel := context.WithTimeout(ctx, timeout)
		defer cancel()
		config, unread := m.config()
		conn, err := (&tls.Dialer{Config: config}).DialContext(ctx, network, address)
		if err != nil && unread != nil {
			return nil, fmt.Errorf("%w (with what was read before, as now: %v)", err, unread)
		}
		return conn, err
	}, nil
}

// material is what was read from the files of a TLS section. It may be used concurrently.
type material struct {
	from TLS

	mu           sync.Mutex
	stamp        string // of the files that were read
	authorities  *x509.CertPool
	certificates []tls.Certificate
}

// config returns the configuration of a new connection, and why it is not that of the files as they are.
func (m *material) config() (_ *tls.Config, unread error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	unread = m.read()
	// The dialer sets the name of the host where none is given.
	return &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: m.authorities, Certificates: m.certificates, ServerName: m.from.ServerName}, unread
}

// read reads the files if they have changed.
func (m *material) read() error {
	stamp := m.from.stamp()
	if stamp == m.stamp {
		return nil
	}
	authorities, err := m.from.authorities()
	if err != nil {
		return fmt.Errorf("kafka.tls.ca_file: %w", err)
	}
	certificates, err := m.from.certificates()
	if err != nil {
		return fmt.Errorf("kafka.tls.cert_file: %w", err)
	}
	m.stamp, m.authorities, m.certificates = stamp, authorities, certificates
	return nil
}

// stamp changes when a file does. Kubernetes changes where a link leads, which shows here too.
func (t TLS) stamp() string {
	stamp := "read"
	for _, path := range []string{t.CAFile, t.CertFile, t.KeyFile} {
		if info, err := os.Stat(path); path != "" && err == nil {
			stamp += fmt.Sprintf(" %d/%d", info.Size(), info.ModTime().UnixNano())
		} else {
			stamp += " -"
		}
	}
	return stamp
}

// authorities returns the certificates that brokers are checked by, nil for the system's.
func (t TLS) authorities() (*x509.CertPool, error) {
	if t.CAFile == "" {
		return nil, nil
	}
	return readAuthorities(t.CAFile)
}

func readAuthorities(path string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, cause(err))
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s holds no PEM certificate", path)
	}
	return pool, nil
}

// certificates returns the client's certificate, none when there is none.
func (t TLS) certificates() ([]tls.Certificate, error) {
	if t.CertFile == "" {
		return nil, nil
	}
	for _, path := range []string{t.CertFile, t.KeyFile} {
		if _, err := os.ReadFile(path); err != nil {
			return nil, fmt.Errorf("%s: %w", path, cause(err))
		}
	}
	pair, err := tls.LoadX509KeyPair(t.CertFile, t.KeyFile)
	if err != nil {
		return nil, errors.New(strings.TrimPrefix(err.Error(), "tls: "))
	}
	return []tls.Certificate{pair}, nil
}
