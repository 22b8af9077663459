package config

import (
	"fmt"

	"github.com/redeliver/redeliver/internal/certs"
)

// shortestToken is how many characters a token has at least: nobody guesses sixteen at random.
const shortestToken = 16

// adminRules judge the certificate and the users of the admin listener.
func (r *reader) adminRules(a Admin) {
	r.adminTLSRules(a.TLS)
	names := make(map[string]bool)
	for i, u := range a.Users {
		path := fmt.Sprintf("admin.users[%d]", i)
		if names[u.Name] && u.Name != "" {
			r.wrong(path+".name", "admin.users: there are two called %s; give each a name of its own", u.Name)
		}
		names[u.Name] = true
		r.userRules(path, u, a.TLS.ClientCAFile != "")
	}
}

func (r *reader) adminTLSRules(t AdminTLS) {
	const path = "admin.tls"
	switch {
	case !r.sound(path+".cert_file", path+".key_file", path+".client_ca_file"):
	case t.CertFile != "" && t.KeyFile == "":
		r.wrong(path+".cert_file", "admin.tls.cert_file goes with key_file; add key_file: the file of its private key")
	case t.KeyFile != "" && t.CertFile == "":
		r.wrong(path+".key_file", "admin.tls.key_file goes with cert_file; add cert_file: the file of its certificate")
	case t.ClientCAFile != "" && t.CertFile == "":
		r.wrong(path+".client_ca_file", "admin.tls.client_ca_file goes with cert_file and key_file: users show certificates only to a listener that has one")
	case t.CertFile != "":
		if _, err := certs.Pair(t.CertFile, t.KeyFile); err != nil {
			r.wrong(path+".cert_file", "admin.tls.cert_file: %v; name readable PEM files of a certificate and its own key", err)
		}
		if t.ClientCAFile != "" {
			if _, err := certs.Authorities(t.ClientCAFile); err != nil {
				r.wrong(path+".client_ca_file", "admin.tls.client_ca_file: %v; name a readable PEM file of certificates", err)
			}
		}
	}
}

func (r *reader) userRules(path string, u User, authorities bool) {
	if !r.sound(path+".token", path+".token_file", path+".certificate") {
		return
	}
	var given []string
	for _, source := range []struct{ key, value string }{{"token", u.Token}, {"token_file", u.TokenFile}, {"certificate", u.Certificate}} {
		if source.value != "" {
			given = append(given, source.key)
		}
	}
	switch {
	case len(given) == 0:
		r.problem(r.place(path), fmt.Sprintf("admin.users: %s has nothing to show; add token: \"${ADMIN_TOKEN}\", token_file, or certificate: the common name of one", u.Name))
	case len(given) > 1:
		r.wrong(path+"."+given[1], "admin.users: %s and %s are both set; keep one of them, or write two users", given[0], given[1])
	case u.Certificate != "":
		if !authorities {
			r.wrong(path+".certificate", "admin.users: a certificate needs admin.tls.client_ca_file, the authorities that sign such; add it")
		}
	default:
		token, err := u.Secret()
		switch {
		case err != nil:
			r.wrong(path+".token_file", "admin.users: token_file: %v; name a readable file that holds the token", err)
		case len(token) < shortestToken && token != masked: // as `config show` prints it
			r.wrong(path+"."+given[0], "admin.users: the token of %s has less than %d characters, and could be guessed; make one with: openssl rand -hex 32", u.Name, shortestToken)
		}
	}
}
