package webhook

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/redeliver/redeliver/internal/certs"
)

func TestAServiceWithAnAuthorityOfItsOwnThatWantsACertificate(t *testing.T) {
	names := make(chan string, 1)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		names <- r.TLS.PeerCertificates[0].Subject.String()
	}))
	server.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert}
	server.Config.ErrorLog = discardLog()
	server.StartTLS()
	defer server.Close()

	// The server's own certificate serves as the client's, too.
	pair := server.TLS.Certificates[0]
	key, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	files := certs.Files{Authorities: filepath.Join(dir, "ca.pem"), Certificate: filepath.Join(dir, "client.pem"), Key: filepath.Join(dir, "client.key")}
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: pair.Certificate[0]})
	for path, text := range map[string][]byte{files.Authorities: certificate, files.Certificate: certificate, files.Key: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})} {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	material, err := certs.Read(files)
	if err != nil {
		t.Fatal(err)
	}
	w := open(t, Config{URL: server.URL, TLS: material})
	if err := w.postOne(context.Background(), order()); err != nil {
		t.Fatal(err)
	}
	if name := <-names; name != server.Certificate().Subject.String() {
		t.Errorf("the service sees %s", name)
	}
	before := w.connections()
	if w.connections() != before {
		t.Error("connections are given up though no file has changed")
	}

	// An authority that signed nothing of the service's.
	if err := os.WriteFile(files.Authorities, otherAuthority(t), 0o600); err != nil {
		t.Fatal(err)
	}
	w.renewing.looked = w.renewing.looked.Add(-materialLook)
	if err := w.postOne(context.Background(), order()); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("with another authority: %v", err)
	}
	if w.connections() == before {
		t.Error("the old connections are used though a file has changed")
	}
}

// otherAuthority is a certificate that has nothing to do with the service.
func otherAuthority(t *testing.T) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

func TestRequestsGoThroughTheProxy(t *testing.T) {
	asked := make(chan string, 1)
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- r.RequestURI
		_, _ = io.Copy(io.Discard, r.Body)
	}))
	defer proxy.Close()
	w := open(t, Config{URL: "http://payments.internal/orders", Proxy: proxy.URL})
	if err := w.postOne(context.Background(), order()); err != nil {
		t.Fatal(err)
	}
	if uri := <-asked; uri != "http://payments.internal/orders" {
		t.Errorf("the proxy is asked for %s", uri)
	}
}
