// Command flaky is the service of the demo in compose.yaml: it takes orders, and fails as services do. Of twenty orders one is refused at its
// first attempt, of a hundred one is wrong, and now and then the service is away for a while.
package main

import (
	"flag"
	"log/slog"
	"net/http"
	"os"
	"strconv"
	"time"
)

func main() {
	listen := flag.String("listen", ":9000", "`address` to listen on")
	every := flag.Duration("every", 3*time.Minute, "how long from one outage to the next; 0: there are none")
	last := flag.Duration("for", 30*time.Second, "how long an outage lasts")
	flag.Parse()

	slog.Info("flaky service", "listen", *listen, "outage_every", *every, "outage_for", *last)
	s := &service{every: *every, last: *last, began: time.Now(), now: time.Now}
	server := &http.Server{Addr: *listen, Handler: s, ReadHeaderTimeout: 5 * time.Second}
	slog.Error("flaky service has ended", "error", server.ListenAndServe())
	os.Exit(1)
}

// service answers by what Redeliver says of a record: where it first stood, and which attempt it is.
type service struct {
	every, last time.Duration
	began       time.Time
	now         func() time.Time
}

// ServeHTTP implements http.Handler. It may be called concurrently.
func (s *service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	offset, err := strconv.ParseInt(r.Header.Get("Redeliver-Offset"), 10, 64)
	switch {
	case err != nil:
		http.Error(w, "this is no call of Redeliver: it has no Redeliver-Offset", http.StatusBadRequest)
	case s.away():
		http.Error(w, "the service is away", http.StatusServiceUnavailable)
	case offset%100 == 99:
		http.Error(w, "the order has no amount", http.StatusUnprocessableEntity)
	case offset%20 == 10 && r.Header.Get("Redeliver-Attempt") == "1":
		http.Error(w, "the order is locked", http.StatusServiceUnavailable)
	default:
		w.WriteHeader(http.StatusNoContent)
	}
}

// away says whether an outage is under way: each time at the end of so long.
func (s *service) away() bool {
	return s.every > 0 && s.now().Sub(s.began)%s.every >= s.every-s.last
}
