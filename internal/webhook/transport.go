package webhook

import (
	"crypto/tls"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/redeliver/redeliver/internal/certs"
)

const (
	// dialTimeout and tlsTimeout bound what comes before a request, so that an unreachable host is told from a slow one.
	dialTimeout = 10 * time.Second
	tlsTimeout  = 10 * time.Second
	// idleTimeout is how long a connection is kept without a request. It is below the five seconds after which Node's
	// HTTP server closes a connection, so that a request seldom meets one that is being closed.
	idleTimeout = 4 * time.Second
	// maxResponseHeader bounds the header of a response, in bytes; a larger one fails the attempt.
	maxResponseHeader = 64 << 10
	// pingAfter is how long a connection of HTTP/2 may be silent under a request before it is asked whether it lives, and pingTimeout how long
	// it has to answer: all calls are on it, and each would wait for its own time-out.
	pingAfter   = 5 * time.Second
	pingTimeout = 5 * time.Second
	// materialLook is how often it is looked whether certificates have changed.
	materialLook = time.Second
)

// newTransport returns the connections to the service.
//
// It speaks HTTP/1.1 only, unless HTTP/2 is asked for: one connection that breaks fails every call in flight on it. Requests go to the transport and
// not to an [http.Client], which would follow redirects.
func newTransport(c Config, secure *tls.Config) *http.Transport {
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(c.HTTP2)
	proxy := http.ProxyFromEnvironment
	if c.Proxy != "" {
		u, _ := url.Parse(c.Proxy) // validated
		proxy = http.ProxyURL(u)
	}
	return &http.Transport{
		Proxy:                  proxy,
		DialContext:            (&net.Dialer{Timeout: dialTimeout, KeepAlive: 15 * time.Second}).DialContext,
		TLSClientConfig:        secure,
		TLSHandshakeTimeout:    tlsTimeout,
		MaxIdleConns:           c.Concurrency,
		MaxIdleConnsPerHost:    c.Concurrency,
		IdleConnTimeout:        idleTimeout,
		MaxResponseHeaderBytes: maxResponseHeader,
		DisableCompression:     true, // answers are read as they are and never unpacked
		Protocols:              &protocols,
		HTTP2:                  &http.HTTP2Config{SendPingTimeout: pingAfter, PingTimeout: pingTimeout},
	}
}

// renewing makes the transport anew when the certificates that it uses have changed. It may be used concurrently.
type renewing struct {
	config   Config
	material *certs.Material

	mu      sync.Mutex
	now     *http.Transport
	version uint64
	looked  time.Time
}

// transport returns the transport of a new request.
func (r *renewing) transport() *http.Transport {
	r.mu.Lock()
	defer r.mu.Unlock()
	if now := time.Now(); now.Sub(r.looked) >= materialLook {
		r.looked = now
		// While files cannot be read the ones from before are used.
		if current, _ := r.material.Current(); current.Version != r.version || r.now == nil {
			if r.now != nil {
				r.now.CloseIdleConnections()
			}
			r.version = current.Version
			r.now = newTransport(r.config, &tls.Config{
				MinVersion: tls.VersionTLS12, RootCAs: current.Authorities, Certificates: current.Certificates, ServerName: r.config.ServerName,
			})
		}
	}
	return r.now
}
