package config

import (
	"context"
	"crypto/tls"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redeliver/redeliver/internal/certs/certstest"
)

// mutualServer is a server that wants the client's certificate and says whose it was.
type mutualServer struct {
	address string
	trust   atomic.Pointer[tls.Config]
	clients chan string // the common name, or why there is none
}

func newMutualServer(t *testing.T, a *certstest.Authority) *mutualServer {
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
func (s *mutualServer) renew(t *testing.T, a *certstest.Authority) {
	t.Helper()
	s.trust.Store(&tls.Config{Certificates: []tls.Certificate{a.Sign(t, "server")}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: a.Pool()})
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
	first, second := certstest.New(t, "first"), certstest.New(t, "second")
	renew := func(a *certstest.Authority, name string) {
		certificate, key := certstest.PEM(t, a.Sign(t, name))
		put(section.CAFile, a.PEM())
		put(section.CertFile, certificate)
		put(section.KeyFile, key)
	}
	renew(first, "one")
	server := newMutualServer(t, first)
	dial, err := section.dialer(5*time.Second, "kafka.tls")
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
	certificate, key := certstest.PEM(t, second.Sign(t, "four"))
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

// A secret follows another without a restart, and a file that is just being written, or is gone, costs no record an attempt.
func TestSecretsOfSignaturesAreReadAgainAndKeptMeanwhile(t *testing.T) {
	const first, second = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
	file := filepath.Join(t.TempDir(), "secrets")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(first)
	c, err := HandlerHTTP{URL: "http://h/", Sign: Sign{SecretsFile: file}}.Webhook()
	if err != nil {
		t.Fatal(err)
	}
	signs := func(when string, want int) {
		t.Helper()
		if got, err := c.Secrets(); err != nil || len(got) != want {
			t.Errorf("%s: it signs with %d secrets, %v; want %d", when, len(got), err, want)
		}
	}
	signs("at first", 1)
	write(second + "\n" + first + "\n")
	signs("while one follows another", 2)
	write("")
	signs("while the file is being written", 2)
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	signs("without the file", 2)

	for _, never := range []Sign{{SecretsFile: file}, {Secrets: []string{masked}}} {
		if _, err := (HandlerHTTP{URL: "http://h/", Sign: never}).Webhook(); err == nil {
			t.Errorf("%+v: requests would never be signed, and nothing is said at the start", never)
		}
	}
}
