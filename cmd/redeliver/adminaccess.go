package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"

	"github.com/redeliver/redeliver/internal/certs"
	"github.com/redeliver/redeliver/internal/config"
)

// The environment of the commands that talk to a running process. It goes before what the configuration of this machine's process says.
const (
	envAdminToken = "REDELIVER_ADMIN_TOKEN"
	envAdminCA    = "REDELIVER_ADMIN_CA_FILE"
	envAdminCert  = "REDELIVER_ADMIN_CERT_FILE"
	envAdminKey   = "REDELIVER_ADMIN_KEY_FILE"
)

// adminAccess returns the token to show and how TLS is spoken, with c the configuration of the process, nil where it was named by
// --admin. A process of the same configuration is known by its very certificate, whatever names that has.
func (p *program) adminAccess(c *config.Config) (token string, secure *tls.Config, err error) {
	env := func(name string) string {
		value, _ := p.getenv(name)
		return value
	}
	material, err := certs.Read(certs.Files{Authorities: env(envAdminCA), Certificate: env(envAdminCert), Key: env(envAdminKey)})
	if err != nil {
		return "", nil, fmt.Errorf("%s, %s and %s: %w", envAdminCA, envAdminCert, envAdminKey, err)
	}
	now, _ := material.Current()
	secure = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: now.Authorities, Certificates: now.Certificates}
	token = env(envAdminToken)
	if c == nil {
		return token, secure, nil
	}
	if token == "" {
		token = operatorToken(c.Admin.Users)
	}
	if c.Admin.TLS.CertFile != "" && now.Authorities == nil {
		pair, err := certs.Pair(c.Admin.TLS.CertFile, c.Admin.TLS.KeyFile)
		if err != nil {
			return "", nil, fmt.Errorf("%s: %w", c.At("admin.tls.cert_file"), err)
		}
		secure.InsecureSkipVerify = true // VerifyPeerCertificate is stricter: this certificate, or none
		secure.VerifyPeerCertificate = func(shown [][]byte, _ [][]*x509.Certificate) error {
			if len(shown) == 0 || !bytes.Equal(shown[0], pair.Certificate[0]) {
				return errors.New("the process at that address has another certificate than admin.tls.cert_file")
			}
			return nil
		}
	}
	return token, secure, nil
}

// operatorToken returns the token of the first operator that has one, else of the first viewer.
func operatorToken(users []config.User) (token string) {
	for _, u := range users {
		if one, err := u.Secret(); err == nil && one != "" {
			if u.Role == "operator" {
				return one
			}
			if token == "" {
				token = one
			}
		}
	}
	return token
}
