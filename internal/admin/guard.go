package admin

import (
	"fmt"
	"mime"
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// Whoever may connect may change, and a web page in a browser on this machine can send requests to the loopback too.
// So every request passes guard, and every change passes guardChange:
//
//   - the Host must be an address or localhost: a page whose own name was made to resolve to the loopback (DNS
//     rebinding) comes with that name. With users any Host will do, as the machine has names then, and a page has no token;
//   - a request that a browser says comes from another origin is refused;
//   - a change must say Content-Type: application/json, which a page may not send elsewhere without being asked.

func (s *Server) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		// A page has no token to send, and where there are users the machine has names.
		if len(s.config.Users) == 0 && !isAddress(r.Host) {
			fail(w, http.StatusForbidden, "the Host is %q: use the address of the server, like http://%s", r.Host, s.config.Listen)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func guardChange(next http.Handler) http.Handler {
	origin := http.NewCrossOriginProtection()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := origin.Check(r); err != nil {
			fail(w, http.StatusForbidden, "%v", err)
			return
		}
		if r.Method == http.MethodPost {
			if kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); kind != "application/json" {
				fail(w, http.StatusUnsupportedMediaType, "a change needs the header Content-Type: application/json")
				return
			}
			r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		}
		next.ServeHTTP(w, r)
	})
}

// isAddress reports whether a Host is an IP address or localhost, with or without port.
func isAddress(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	_, err := netip.ParseAddr(host)
	return err == nil || strings.EqualFold(host, "localhost")
}

// checkListen refuses an address that others can reach, unless it is closed to strangers and, but for Insecure, to listeners.
func checkListen(c Config) error {
	host, _, err := net.SplitHostPort(c.Listen)
	if err != nil {
		return fmt.Errorf("admin.listen is %q: it must be host:port, like 127.0.0.1:8080", c.Listen)
	}
	if strings.EqualFold(host, "localhost") {
		return nil
	}
	if addr, err := netip.ParseAddr(host); err == nil && addr.IsLoopback() {
		return nil
	}
	switch {
	case c.TLS == nil && !c.Insecure:
		return fmt.Errorf("admin.listen is %q, which other machines may reach: give a certificate in admin.tls, or set admin.insecure: true where nobody listens to the network", c.Listen)
	case len(c.Users) == 0:
		return fmt.Errorf("admin.listen is %q, which other machines may reach, and whoever reaches it could pause pipelines and skip records: name those who may in admin.users", c.Listen)
	}
	return nil
}
