package config

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// authority signs certificates.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
	pem         []byte
}

func newAuthority(t *testing.T, name string) *authority {
	t.Helper()
	a := &authority{}
	a.certificate, a.key, a.pem, _ = a.sign(t, name)
	return a
}

// sign makes a certificate for 127.0.0.1, by the authority; the first one is its own.
func (a *authority) sign(t *testing.T, name string) (certificate *x509.Certificate, key *ecdsa.PrivateKey, certificatePEM, keyPEM []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		BasicConstraintsValid: true, IsCA: a.certificate == nil, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	parent, signer := template, key
	if a.certificate != nil {
		parent, signer = a.certificate, a.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	if certificate, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return certificate, key, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})
}

// mutualServer is a server that wants the client's certificate and says whose it was.
type mutualServer struct {
	address string
	trust   atomic.Pointer[tls.Config]
	clients chan string // the common name, or why there is none
}

func newMutualServer(t *testing.T, a *authority) *mutualServer {
	t.Helper()
	s := &mutualServer{clients: make(chan string, 1)}
	s.renew(t, a)
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return s.trust.Load(), nil }})
	if err != nil {
		t.Fatal(err)
	}
	s.address = listener.Addr().String()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			secure := conn.(*tls.Conn)
			if err := secure.Handshake(); err != nil {
				s.clients <- err.Error()
			} else {
				s.clients <- secure.ConnectionState().PeerCertificates[0].Subject.CommonName
			}
			conn.Close()
		}
	}()
	t.Cleanup(func() {
		listener.Close()
		<-ended
	})
	return s
}

// renew gives the server a certificate of that authority, which alone it trusts from now on.
func (s *mutualServer) renew(t *testing.T, a *authority) {
	t.Helper()
	_, _, certificate, key := a.sign(t, "server")
	pair, err := tls.X509KeyPair(certificate, key)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(a.certificate)
	s.trust.Store(&tls.Config{Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool})
}

func TestCertificatesAreRenewedUnderARunningClient(t *testing.T) {
	dir := t.TempDir()
	section := TLS{Enabled: true, CAFile: filepath.Join(dir, "ca.pem"), CertFile: filepath.Join(dir, "client.pem"), KeyFile: filepath.Join(dir, "client.key")}
	age := time.Now().Add(-time.Hour)
	put := func(path string, text []byte) {
		t.Helper()
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		// Two writes within one tick of the file system's clock are told apart.
		age = age.Add(time.Second)
		if err := os.Chtimes(path, age, age); err != nil {
			t.Fatal(err)
		}
	}
	first, second := newAuthority(t, "first"), newAuthority(t, "second")
	renew := func(a *authority, name string) {
		_, _, certificate, key := a.sign(t, name)
		put(section.CAFile, a.pem)
		put(section.CertFile, certificate)
		put(section.KeyFile, key)
	}
	renew(first, "one")
	server := newMutualServer(t, first)
	dial, err := section.dialer(5 * time.Second)
	if err != nil {
		t.Fatal(err)
	}
	connects := func(what, as string) {
		t.Helper()
		conn, err := dial(context.Background(), "tcp", server.address)
		if err == nil {
			defer conn.Close()
		}
		if got := <-server.clients; err != nil || got != as {
			t.Errorf("%s: the server sees %q, want %q; the client: %v", what, got, as, err)
		}
	}
	connects("as it began", "one")
	renew(first, "two")
	connects("another certificate", "two")
	renew(second, "three")
	server.renew(t, second)
	connects("another authority", "three")

	// Only one file of two has been written, and then the other.
	_, _, certificate, key := second.sign(t, "four")
	put(section.CertFile, certificate)
	connects("a certificate that its key does not fit yet", "three")
	put(section.KeyFile, key)
	connects("and then does", "four")

	put(section.CAFile, []byte("nonsense"))
	connects("an authority that cannot be read", "four")
	server.renew(t, first)
	_, err = dial(context.Background(), "tcp", server.address)
	<-server.clients
	if err == nil || !strings.Contains(err.Error(), "with what was read before") || !strings.Contains(err.Error(), section.CAFile+" holds no PEM certificate") {
		t.Errorf("a connection that fails, while a file cannot be read: %v", err)
	}
}
