package config

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"time"

	"github.com/redeliver/redeliver/internal/certs"
)

// dialer returns what connects to brokers and the like. Authorities, certificate and key are read again at a new connection when a file has
// changed. under is the path of the section, for errors.
func (t TLS) dialer(timeout time.Duration, under string) (func(context.Context, string, string) (net.Conn, error), error) {
	material, err := certs.Read(certs.Files{Authorities: t.CAFile, Certificate: t.CertFile, Key: t.KeyFile})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", under, err)
	}
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		ctx, cancel := context.WithTimeout(ctx, timeout)
		defer cancel()
		now, unread := material.Current()
		// The dialer sets the name of the host where none is given.
		config := &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: now.Authorities, Certificates: now.Certificates, ServerName: t.ServerName}
		conn, err := (&tls.Dialer{Config: config}).DialContext(ctx, network, address)
		if err != nil && unread != nil {
			return nil, fmt.Errorf("%w (with what was read before, as now %s cannot be read: %v)", err, under, unread)
		}
		return conn, err
	}, nil
}

// Dialer returns what connects to Redis.
func (r IndexRedis) Dialer() (func(ctx context.Context, network, address string) (net.Conn, error), error) {
	if r.TLS.Enabled {
		return r.TLS.dialer(dialTimeout, "index.redis.tls")
	}
	return (&net.Dialer{Timeout: dialTimeout}).DialContext, nil
}

// authorities returns the certificates that the other side is checked by, nil for the system's.
func (t TLS) authorities() (*x509.CertPool, error) {
	if t.CAFile == "" {
		return nil, nil
	}
	return certs.Authorities(t.CAFile)
}

// certificates checks the client's certificate, where there is one.
func (t TLS) certificates() error {
	if t.CertFile == "" {
		return nil
	}
	_, err := certs.Pair(t.CertFile, t.KeyFile)
	return err
}
