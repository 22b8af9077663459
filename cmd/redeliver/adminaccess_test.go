package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// selfSigned writes a certificate that names no address, and its key.
func selfSigned(t *testing.T) (certificate, key string) {
	t.Helper()
	pair, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "redeliver"}, DNSNames: []string{"redeliver.example.com"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &pair.PublicKey, pair)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(pair)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	certificate, key = filepath.Join(dir, "admin.pem"), filepath.Join(dir, "admin.key")
	for path, block := range map[string]*pem.Block{certificate: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return certificate, key
}

// Whoever has the configuration may use the process; others need a token, and an authority for its certificate.
func TestCommandsShowTheirTokenToAProcessWithTLS(t *testing.T) {
	c := cluster(t)
	certificate, key := selfSigned(t)
	address := freeAddress(t)
	file := configFile(t, pipelineOn(c.ListenAddrs())+fmt.Sprintf(`
admin:
  listen: %q
  tls: {cert_file: %q, key_file: %q}
  users:
    - {name: eve, role: viewer, token: the-token-of-eve}
    - {name: ops, role: operator, token: the-token-of-ops}
`, address, certificate, key))
	r := startRun(t, "-c", file)
	r.log.await(t, "https://"+address)
	r.log.await(t, "partitions assigned")

	run(t, "pause", "orders", "-c", file).want(t, exitDone, "pipeline orders is paused")
	r.log.await(t, "change=pause pipeline=orders by=ops")

	elsewhere := []string{"resume", "orders", "--admin", "https://" + address}
	run(t, elsewhere...).want(t, exitFailed, "certificate")
	session{env: map[string]string{envAdminCA: certificate}}.run(t, elsewhere...).want(t, exitFailed, "certificate")

	// What the environment says goes before the configuration.
	for token, refusal := range map[string]string{"the-token-of-eve": "eve is a viewer: a change needs the role operator", "wrong": "say who you are"} {
		session{env: map[string]string{envAdminToken: token}}.run(t, "resume", "orders", "-c", file).want(t, exitFailed, refusal)
	}

	// Another program at that address has another certificate.
	other, otherKey := selfSigned(t)
	impostor := configFile(t, pipelineOn(c.ListenAddrs())+fmt.Sprintf("\nadmin: {listen: %q, tls: {cert_file: %q, key_file: %q}}\n", address, other, otherKey))
	run(t, "resume", "orders", "-c", impostor).want(t, exitFailed, "another certificate than admin.tls.cert_file")
}
