package admin

import (
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"sync"

	"golang.org/x/time/rate"
)

// Role is what a user may do.
type Role uint8

const (
	// Viewer sees metrics, health and status.
	Viewer Role = iota
	// Operator makes changes, too.
	Operator
)

// String returns viewer or operator.
func (r Role) String() string { return [...]string{"viewer", "operator"}[r] }

// User is somebody who may use the server: whoever has the token, or a certificate of that name.
type User struct {
	Name string
	Role Role
	// Token is the bearer token that the user shows; it is asked for at each request, so that one in a file may change. nil: none.
	Token func() (string, error)
	// Certificate is the common name of the user's certificate, which the server's authorities have signed. "": none.
	Certificate string
}

// Failures of one address are answered as fast as this, and then refused without a look at what it shows.
const (
	failuresBurst = 20
	failuresAgain = rate.Limit(1) // a second
	maxWrongDoers = 1000          // addresses that are remembered
)

// userKey is where the request's user is kept.
type userKey struct{}

// who returns the user of a request, for the log. Without users it is who the command says it is run by, which is a claim.
func who(r *http.Request) string {
	if u, ok := r.Context().Value(userKey{}).(*User); ok {
		return u.Name
	}
	return printable(r.Header.Get(userHeader))
}

// open are the paths for which nobody is asked who he is: they tell a probe yes or no.
var open = map[string]bool{"/livez": true, "/readyz": true}

// authenticate lets in whom the server knows, each to what the role allows. Without users everybody may do everything.
func (s *Server) authenticate(next http.Handler) http.Handler {
	if len(s.config.Users) == 0 {
		return next
	}
	failures := &wrongDoers{by: make(map[netip.Prefix]*rate.Limiter)}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if open[r.URL.Path] {
			next.ServeHTTP(w, r)
			return
		}
		user := s.byCertificate(r)
		if user == nil {
			limiter := failures.of(r.RemoteAddr)
			if limiter.Tokens() < 1 {
				w.Header().Set("Retry-After", "1")
				fail(w, http.StatusTooManyRequests, "too many requests from your address had no right credential: wait a second")
				return
			}
			if user = s.byToken(r); user == nil {
				limiter.Allow()
				s.refused(failures, r)
				w.Header().Set("WWW-Authenticate", `Bearer realm="redeliver"`)
				fail(w, http.StatusUnauthorized, "say who you are: Authorization: Bearer TOKEN, or a certificate, of a user in admin.users")
				return
			}
		}
		if r.Method != http.MethodGet && r.Method != http.MethodHead && user.Role != Operator {
			s.config.Logger.Warn("operator refused", "user", user.Name, "role", user.Role.String(), "method", r.Method, "path", printable(r.URL.Path), "from", r.RemoteAddr)
			fail(w, http.StatusForbidden, "%s is a viewer: a change needs the role operator (admin.users)", user.Name)
			return
		}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), userKey{}, user)))
	})
}

// byCertificate returns the user of the verified certificate of the connection.
func (s *Server) byCertificate(r *http.Request) *User {
	if r.TLS == nil || len(r.TLS.VerifiedChains) == 0 {
		return nil
	}
	name := r.TLS.PeerCertificates[0].Subject.CommonName
	for i := range s.config.Users {
		if u := &s.config.Users[i]; u.Certificate != "" && u.Certificate == name {
			return u
		}
	}
	return nil
}

// byToken returns the user whose token the request shows. It takes as long whoever that is, and for nobody.
func (s *Server) byToken(r *http.Request) (user *User) {
	scheme, shown, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if len(r.Header.Values("Authorization")) > 1 || !strings.EqualFold(scheme, "Bearer") {
		shown = ""
	}
	hash := sha256.Sum256([]byte(shown))
	for i := range s.config.Users {
		u := &s.config.Users[i]
		if u.Token == nil {
			continue
		}
		token, err := u.Token()
		if err != nil {
			s.config.Logger.Error("a token of admin.users cannot be read", "user", u.Name, "error", err)
			continue
		}
		// Hashes are of one length, which is all that the comparison's time tells.
		want := sha256.Sum256([]byte(token))
		if subtle.ConstantTimeCompare(hash[:], want[:]) == 1 && token != "" && shown != "" {
			user = u
		}
	}
	return user
}

// refused logs a failure, ever more seldom.
func (s *Server) refused(failures *wrongDoers, r *http.Request) {
	if n := failures.count(); n&(n-1) == 0 {
		s.config.Logger.Warn("somebody without a right credential was refused", "from", r.RemoteAddr, "method", r.Method, "path", printable(r.URL.Path), "refused_so_far", n)
	}
}

// wrongDoers remembers addresses that have failed. It may be used concurrently.
type wrongDoers struct {
	mu   sync.Mutex
	by   map[netip.Prefix]*rate.Limiter
	seen uint64
}

func (d *wrongDoers) count() uint64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.seen++
	return d.seen
}

// of returns the limiter of an address.
func (d *wrongDoers) of(remote string) *rate.Limiter {
	network := networkOf(remote)
	d.mu.Lock()
	defer d.mu.Unlock()
	limiter := d.by[network]
	if limiter == nil {
		if len(d.by) >= maxWrongDoers {
			for some := range d.by { // whichever
				delete(d.by, some)
				break
			}
		}
		limiter = rate.NewLimiter(failuresAgain, failuresBurst)
		d.by[network] = limiter
	}
	return limiter
}

// validateUsers says what is wrong with the users.
func validateUsers(users []User) error {
	for _, u := range users {
		if u.Name == "" || (u.Token == nil) == (u.Certificate == "") {
			return fmt.Errorf("admin.users: %s needs a name, and one of token and certificate", cmp.Or(u.Name, "a user"))
		}
	}
	return nil
}
