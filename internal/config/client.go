package config

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"
)

// ClientOptions returns what a Kafka client needs to reach the brokers: addresses, client id, TLS and SASL. It fails
// when a certificate file has become unreadable since the configuration was checked.
func (k Kafka) ClientOptions() ([]kgo.Opt, error) {
	security, err := k.Security()
	if err != nil {
		return nil, err
	}
	return append(security, kgo.SeedBrokers(k.Brokers...), kgo.ClientID(k.ClientID)), nil
}

// Security returns the options for TLS and SASL only.
func (k Kafka) Security() ([]kgo.Opt, error) {
	var opts []kgo.Opt
	if k.TLS.Enabled {
		authorities, err := k.TLS.authorities()
		if err != nil {
			return nil, fmt.Errorf("kafka.tls.ca_file: %w", err)
		}
		certificates, err := k.TLS.certificates()
		if err != nil {
			return nil, fmt.Errorf("kafka.tls.cert_file: %w", err)
		}
		opts = append(opts, kgo.DialTLSConfig(&tls.Config{
			MinVersion:   tls.VersionTLS12,
			RootCAs:      authorities,
			Certificates: certificates,
			ServerName:   k.TLS.ServerName,
		}))
	}
	if k.SASL.Mechanism != "" {
		opts = append(opts, kgo.SASL(k.SASL.mechanism()))
	}
	return opts, nil
}

// mechanism asks for the password at every new connection, so that one in a file may change.
func (s SASL) mechanism() sasl.Mechanism {
	scramAuth := func(context.Context) (scram.Auth, error) {
		password, err := s.password()
		return scram.Auth{User: s.Username, Pass: password}, err
	}
	switch s.Mechanism {
	case "plain":
		return plain.Plain(func(context.Context) (plain.Auth, error) {
			password, err := s.password()
			return plain.Auth{User: s.Username, Pass: password}, err
		})
	case "scram-sha-256":
		return scram.Sha256(scramAuth)
	}
	return scram.Sha512(scramAuth)
}

// password returns the password, of a file without the end of line that editors put there.
func (s SASL) password() (string, error) {
	if s.PasswordFile == "" {
		return s.Password, nil
	}
	text, err := os.ReadFile(s.PasswordFile)
	if err != nil {
		return "", fmt.Errorf("%s: %w", s.PasswordFile, cause(err))
	}
	password := strings.TrimRight(string(text), "\r\n")
	if password == "" {
		return "", fmt.Errorf("%s is empty", s.PasswordFile)
	}
	return password, nil
}

// authorities returns the certificates that brokers are checked by, nil for the system's.
func (t TLS) authorities() (*x509.CertPool, error) {
	if t.CAFile == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(t.CAFile)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", t.CAFile, cause(err))
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s holds no PEM certificate", t.CAFile)
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
