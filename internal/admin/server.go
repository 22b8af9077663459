package admin

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// Config says where the server listens and what it shows. Funcs are called at each request, concurrently.
type Config struct {
	// Breakers returns the breakers of the process. Defaults to none.
	Breakers func() []Breaker
	// Fleet is this process's part in a fleet. Defaults to none.
	Fleet Fleet
	// Insecure allows an address that other machines can reach. Whoever reaches it may then make changes. Defaults to
	// false: only loopback addresses.
	Insecure bool
	// Listen is the address, host:port; port 0 takes a free one. Required.
	Listen string
	// Logger gets the changes that are made. Defaults to slog.Default().
	Logger *slog.Logger
	// Metrics serves /metrics. Defaults to none: not found.
	Metrics http.Handler
	// NotReady returns why the process as a whole is not ready, or "". Defaults to ready.
	NotReady func() string
	// Pipelines returns the pipelines of the process. Defaults to none.
	Pipelines func() []Pipeline
}

// Limits of the server.
const (
	maxConnections = 128
	maxHeader      = 16 << 10 // bytes
	maxBody        = 16 << 10 // bytes
	headerTimeout  = 5 * time.Second
	readTimeout    = 10 * time.Second
	writeTimeout   = 30 * time.Second
	idleTimeout    = time.Minute
)

// Server is a running server. Make one with [Start].
type Server struct {
	config   Config
	listener net.Listener
	http     *http.Server
	served   chan error
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
	if err := checkListen(c.Listen, c.Insecure); err != nil {
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
	s := &Server{config: c, served: make(chan error, 1)}
	s.http = &http.Server{
		Handler:           s.handler(),
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          slog.NewLogLogger(c.Logger.Handler(), slog.LevelDebug),
	}
	return s, nil
}

func (s *Server) serve(l net.Listener) {
	s.listener = l
	go func() { s.served <- s.http.Serve(limit(l, maxConnections)) }()
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
	api.HandleFunc("GET /api/v1/breakers", s.breakers)
	api.HandleFunc("GET /api/v1/breakers/{name}/events", s.breakerEvents)
	api.HandleFunc("POST /api/v1/breakers/{name}/{action}", s.changeBreaker)
	api.HandleFunc("POST /api/v1/pipelines/{name}/pause", s.pause)
	api.HandleFunc("POST /api/v1/pipelines/{name}/resume", s.resume)
	api.HandleFunc("POST /api/v1/skip", s.skip)
	api.HandleFunc("POST /api/v1/release", s.release)
	mux.Handle("/api/", guardChange(api))
	return s.guard(mux)
}
