package demo

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// trouble is what an order does to the service. It stands in the order.
type trouble string

const (
	none    trouble = ""
	once    trouble = "fails once"
	twice   trouble = "fails twice"
	bug     trouble = "meets the bug" // fails until the bug is fixed
	invalid trouble = "has no amount" // refused until the bug is fixed
)

// order is the value of a record.
type order struct {
	Number int     `json:"order"`
	Cents  int     `json:"cents"`
	Demo   trouble `json:"demo,omitempty"`
}

// call is one request that the service saw.
type call struct {
	attempt int   // as Redeliver said it
	at      int64 // Unix ms of its arrival
	status  int   // of the answer; 0: the caller did not wait for it
}

// service is the payment service: an HTTP server that fails as the story wants it, and remembers every call by the id of
// its record. Its methods may be called concurrently.
type service struct {
	server   *http.Server
	listener net.Listener
	served   chan struct{}
	latency  time.Duration
	answered func(o order, attempt, status int) // told outside the lock

	mu     sync.Mutex
	down   bool
	fixed  bool
	calls  map[string][]call
	failed map[string]int  // calls that the order itself made fail, by id
	good   map[trouble]int // orders that were paid
}

// startService listens on a free port of the loopback.
func startService(latency time.Duration, answered func(o order, attempt, status int)) (*service, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("start the payment service: %w", err)
	}
	s := &service{
		listener: listener, served: make(chan struct{}), latency: latency, answered: answered,
		calls: make(map[string][]call), failed: make(map[string]int), good: make(map[trouble]int),
	}
	s.server = &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second}
	go func() {
		defer close(s.served)
		_ = s.server.Serve(listener) // ends with ErrServerClosed
	}()
	return s, nil
}

func (s *service) url() string { return "http://" + s.listener.Addr().String() + "/pay" }

// close ends the service, and the calls in flight with it.
func (s *service) close() error {
	err := s.server.Close()
	<-s.served
	return err
}

// ServeHTTP takes an order's payment, after some work.
func (s *service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	at := time.Now().UnixMilli()
	var o order
	err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20)).Decode(&o)
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		http.Error(w, "this is no order", http.StatusRequestEntityTooLarge)
		return
	}
	// What somebody else wrote into the topic may be no order of ours, and is paid all the same.
	id := r.Header.Get("Redeliver-Id")
	attempt, _ := strconv.Atoi(r.Header.Get("Redeliver-Attempt"))

	status, text := s.decide(id, o.Demo)
	work := time.NewTimer(s.latency/4 + rand.N(s.latency*3/4+1))
	defer work.Stop()
	select {
	case <-work.C:
	case <-r.Context().Done():
		status = 0
	}
	s.remember(id, call{attempt: attempt, at: at, status: status}, o.Demo)
	if status == 0 {
		return
	}
	if s.answered != nil {
		s.answered(o, attempt, status)
	}
	w.WriteHeader(status)
	fmt.Fprintln(w, text)
}

// decide says how a call ends.
func (s *service) decide(id string, t trouble) (status int, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down {
		return http.StatusServiceUnavailable, "payments is down"
	}
	fails := 0
	switch {
	case t == invalid && !s.fixed:
		return http.StatusUnprocessableEntity, "the order has no amount"
	case t == bug && !s.fixed:
		return http.StatusInternalServerError, "nil pointer in discount.go"
	case t == once:
		fails = 1
	case t == twice:
		fails = 2
	}
	if s.failed[id] < fails {
		s.failed[id]++
		return http.StatusServiceUnavailable, "too busy, try again"
	}
	return http.StatusOK, "paid"
}

func (s *service) remember(id string, c call, t trouble) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls[id] = append(s.calls[id], c)
	if c.status == http.StatusOK {
		s.good[t]++
	}
}

// setDown begins or ends an outage.
func (s *service) setDown(down bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down = down
}

// setFixed mends the bug, or brings it back.
func (s *service) setFixed(fixed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fixed = fixed
}

// paid counts the orders with the trouble that were paid.
func (s *service) paid(t trouble) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.good[t]
}

// callsOf returns the calls for a record, in the order of their ends.
func (s *service) callsOf(id string) []call {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls[id]
}

// forget lets go of a record that was accounted for.
func (s *service) forget(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.calls, id)
	delete(s.failed, id)
}

// strangers returns how many ids the service was called with that known does not know.
func (s *service) strangers(known func(id string) bool) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id := range s.calls {
		if !known(id) {
			n++
		}
	}
	return n
}
