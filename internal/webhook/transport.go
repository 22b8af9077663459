package webhook

import (
	"net"
	"net/http"
	"time"
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
)

// newTransport returns the connections to the service.
//
// It speaks HTTP/1.1 only: with HTTP/2 one broken connection would fail every call in flight, and its client repeats
// requests by itself. Requests go to the transport and not to an [http.Client], which would follow redirects.
func newTransport(concurrency int) *http.Transport {
	var http1 http.Protocols
	http1.SetHTTP1(true)
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            (&net.Dialer{Timeout: dialTimeout, KeepAlive: 15 * time.Second}).DialContext,
		TLSHandshakeTimeout:    tlsTimeout,
		MaxIdleConns:           concurrency,
		MaxIdleConnsPerHost:    concurrency,
		IdleConnTimeout:        idleTimeout,
		MaxResponseHeaderBytes: maxResponseHeader,
		DisableCompression:     true, // answers are read as they are and never unpacked
		Protocols:              &http1,
	}
}
