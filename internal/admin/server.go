package admin

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/redeliver/redeliver/internal/certs"
)

// Config says where the server listens and what it shows. Funcs are called at each request, concurrently.
type Config struct {
	// Breakers returns the breakers of the process. Defaults to none.
	Breakers func() []Breaker
	// Fleet is this process's part in a fleet. Defaults to none.
	Fleet Fleet
	// Insecure allows an address that other machines can reach without TLS: who listens to the network hears the tokens. Defaults to
	// false.
	Insecure bool
	// Listen is the address, host:port; port 0 takes a free one. Required.
	Listen string
	// LogLevels are those of the pipelines. Defaults to none: they cannot be changed.
	LogLevels LogLevels
	// Logger gets the changes that are made. Defaults to slog.Default().
	Logger *slog.Logger
	// Metrics serves /metrics. Defaults to none: not found.
	Metrics http.Handler
	// NotReady returns why the process as a whole is not ready, or "". Defaults to ready.
	NotReady func() string
	// Pipelines returns the pipelines of the process. Defaults to none.
	Pipelines func() []Pipeline
	// TLS is the server's certificate, and the authorities of its users' certificates where it has some. Files that change are read
	// again at the next connection. Defaults to none: plain HTTP.
	TLS *certs.Material
	// Users may use the server. Required for an address that other machines can reach. Defaults to everybody.
	Users []User

	timeouts timeouts
}

// timeouts of a connection, and of what counts as stuck; 0 is the server's own.
type timeouts struct{ header, read, idle, stuck time.Duration }

// Limits of the server.
const (
	maxConnections = 128
	maxOfAddress   = 32       // of these
	maxHeader      = 16 << 10 // bytes
	maxBody        = 16 << 10 // bytes
	headerTimeout  = 5 * time.Second
	readTimeout    = 10 * time.Second
	writeTimeout   = 30 * time.Second
	idleTimeout    = time.Minute
	stuckTimeout   = 30 * time.Second
)

// Server is a running server. Make one with [Start].
type Server struct {
	config   Config
	listener net.Listener
	http     *http.Server
	served   chan error
	liveness liveness
}

// Start listens and serves until [Server.Close]. It fails when the address cannot be listened on, or is not a loopback
// address and that is not allowed.
func Start(c Config) (*Server, error) {
	s, err := newServer(c)
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", c.Listen)
	if err != nil {
		return nil, fmt.Errorf("listen on admin.listen: %w: choose another address, or \"\" for none", err)
	}
	s.serve(listener)
	return s, nil
}

// newServer makes a server that does not listen yet.
func newServer(c Config) (*Server, error) {
	if err := errors.Join(checkListen(c), validateUsers(c.Users)); err != nil {
		return nil, err
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.Breakers == nil {
		c.Breakers = func() []Breaker { return nil }
	}
	if c.Pipelines == nil {
		c.Pipelines = func() []Pipeline { return nil }
	}
	if c.NotReady == nil {
		c.NotReady = func() string { return "" }
	}
	s := &Server{config: c, served: make(chan error, 1), liveness: liveness{patience: cmp.Or(c.timeouts.stuck, stuckTimeout)}}
	s.http = &http.Server{
		Handler:           s.handler(),
		ReadHeaderTimeout: cmp.Or(c.timeouts.header, headerTimeout),
		ReadTimeout:       cmp.Or(c.timeouts.read, readTimeout),
		WriteTimeout:      writeTimeout,
		IdleTimeout:       cmp.Or(c.timeouts.idle, idleTimeout),
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          slog.NewLogLogger(c.Logger.Handler(), slog.LevelDebug),
	}
	return s, nil
}

func (s *Server) serve(l net.Listener) {
	s.listener = l
	l = limit(l, maxConnections, maxOfAddress)
	if s.config.TLS != nil {
		l = tls.NewListener(l, &tls.Config{MinVersion: tls.VersionTLS12, GetConfigForClient: s.tlsConfig})
	}
	go func() { s.served <- s.http.Serve(l) }()
}

// tlsConfig is the configuration of a new connection.
func (s *Server) tlsConfig(*tls.ClientHelloInfo) (*tls.Config, error) {
	now, err := s.config.TLS.Current()
	if err != nil {
		s.config.Logger.Error("admin.tls cannot be read: what was read before is used", "error", err)
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12, Certificates: now.Certificates, NextProtos: []string{"http/1.1"}}
	if now.Authorities != nil {
		c.ClientAuth, c.ClientCAs = tls.VerifyClientCertIfGiven, now.Authorities
	}
	return c, nil
}

// Addr is the address that the server listens on.
func (s *Server) Addr() string { return s.listener.Addr().String() }

// Close stops listening and waits for requests in flight until ctx ends, then ends them.
func (s *Server) Close(ctx context.Context) error {
	err := s.http.Shutdown(ctx)
	if err != nil {
		err = errors.Join(err, s.http.Close())
	}
	<-s.served
	return err
}

// handler puts the routes together.
func (s *Server) handler() http.Handler {
	mux := http.NewServeMux()
	if s.config.Metrics != nil {
		mux.Handle("GET /metrics", s.config.Metrics)
	}
	mux.HandleFunc("GET /livez", s.livez)
	mux.HandleFunc("GET /readyz", s.readyz)
	mux.HandleFunc("GET /healthz", s.healthz)

	api := http.NewServeMux()
	api.HandleFunc("GET /api/v1/status", s.status)
	api.HandleFunc("GET /api/v1/experiments", s.experiments)
	api.HandleFunc("GET /api/v1/breakers", s.breakers)
	api.HandleFunc("GET /api/v1/breakers/{name}/events", s.breakerEvents)
	api.HandleFunc("POST /api/v1/breakers/{name}/{action}", s.changeBreaker)
	api.HandleFunc("POST /api/v1/pipelines/{name}/pause", s.pause)
	api.HandleFunc("POST /api/v1/pipelines/{name}/resume", s.resume)
	api.HandleFunc("POST /api/v1/pipelines/{name}/log", s.logLevel)
	api.HandleFunc("POST /api/v1/skip", s.skip)
	api.HandleFunc("POST /api/v1/release", s.release)
	mux.Handle("/api/", guardChange(api))
	return s.guard(s.authenticate(mux))
}
