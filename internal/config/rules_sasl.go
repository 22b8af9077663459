package config

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/redeliver/redeliver/internal/certs"
)

// saslRules judge who the client is; under is the path of the section that holds sasl.
func (r *reader) saslRules(k Kafka, under string) {
	path := under + ".sasl"
	if !r.sound(path + ".mechanism") {
		return
	}
	s := k.SASL
	r.saslOthers(s, path)
	switch s.Mechanism {
	case saslOAuth:
		r.oauthRules(s.OAuth, path)
	case saslAWS:
		r.secretRules(path+".aws.secret_access_key", s.AWS.SecretAccessKey, s.AWS.SecretAccessKeyFile, "AWS_SECRET_ACCESS_KEY", s.AWS.AccessKeyID != "")
		if s.AWS.AccessKeyID == "" && s.AWS.SessionToken != "" {
			r.wrong(path+".aws.session_token", "%s.aws.session_token goes with access_key_id; add it, or leave out both to take them from the environment", path)
		}
	default:
		switch {
		case !r.sound(path + ".username"):
		case !r.given(path + ".username"):
			r.problem(r.keyPlace(path), path+" lacks username, text; add username: redeliver")
		case s.Username == "":
			r.wrong(path+".username", "%s.username is empty; name the user", path)
		}
		r.secretRules(path+".password", s.Password, s.PasswordFile, "KAFKA_PASSWORD", true)
	}
	if what := sentInClear[s.Mechanism]; what != "" && !k.TLS.Enabled && r.sound(under+".tls.enabled") {
		r.warning(r.place(path+".mechanism"), path+".mechanism: "+s.Mechanism+" sends the "+what+" unencrypted as "+under+".tls.enabled is false; enable TLS, or use scram-sha-512")
	}
}

// sentInClear is what a mechanism leaves to TLS to hide.
var sentInClear = map[string]string{saslPlain: "password", saslOAuth: "token"}

// saslOthers complains of what belongs to another mechanism.
func (r *reader) saslOthers(s SASL, under string) {
	mechanism := s.Mechanism
	values := map[string]string{
		"username": s.Username, "password": s.Password, "password_file": s.PasswordFile,
		"oauth.token": s.OAuth.Token, "oauth.token_file": s.OAuth.TokenFile, "oauth.token_url": s.OAuth.TokenURL, "aws.access_key_id": s.AWS.AccessKeyID,
	}
	password := "scram-sha-512, scram-sha-256 and plain"
	for _, of := range []struct {
		keys       []string
		mechanisms string
	}{
		{[]string{"username", "password", "password_file"}, password},
		{[]string{"oauth.token", "oauth.token_file", "oauth.token_url"}, saslOAuth},
		{[]string{"aws.access_key_id"}, saslAWS},
	} {
		if strings.Contains(of.mechanisms, mechanism) {
			continue
		}
		for _, key := range of.keys {
			if path := under + "." + key; r.sound(path) && values[key] != "" {
				r.wrong(path, "%s goes with mechanism %s, and it is %s; remove it, or correct mechanism", path, of.mechanisms, r.shown(under+".mechanism", mechanism))
			}
		}
	}
}

// secretRules judge a secret that stands in the configuration or in a file.
func (r *reader) secretRules(path, text, file, variable string, needed bool) {
	name := path[strings.LastIndexByte(path, '.')+1:]
	section := strings.TrimSuffix(path, "."+name)
	switch {
	case !r.sound(path, path+"_file"):
	case text != "" && file != "":
		r.wrong(path+"_file", "%s and %s_file are both set; keep one of them", path, name)
	case text == "" && file == "" && needed:
		r.problem(r.keyPlace(section), fmt.Sprintf("%s lacks a %s; add %s: \"${%s}\", or %s_file: the file that holds it", section, name, name, variable, name))
	case file != "":
		if _, err := secret("", file); err != nil {
			r.wrong(path+"_file", "%s_file: %v; name a readable file that holds the %s", path, err, name)
		}
	}
}

func (r *reader) oauthRules(o OAuth, under string) {
	path := under + ".oauth"
	if !r.sound(path+".token", path+".token_file", path+".token_url") {
		return
	}
	var given []string
	for _, source := range []struct{ key, value string }{{"token", o.Token}, {"token_file", o.TokenFile}, {"token_url", o.TokenURL}} {
		if source.value != "" {
			given = append(given, source.key)
		}
	}
	switch {
	case len(given) == 0:
		at := path
		if !r.given(path) {
			at = under
		}
		r.problem(r.keyPlace(at), under+" has no token; add oauth: {token_file: the file that holds it}, or token_url with client_id and client_secret")
		return
	case len(given) > 1:
		r.wrong(path+"."+given[1], "%s.%s and %s are both set; keep one of them", path, given[0], given[1])
		return
	case given[0] == "token_file":
		if _, err := secret("", o.TokenFile); err != nil {
			r.wrong(path+".token_file", "%s.token_file: %v; name a readable file that holds the token", path, err)
		}
	}
	if o.TokenURL == "" {
		for _, other := range []struct {
			key string
			set bool
		}{
			{"client_id", o.ClientID != ""}, {"client_secret", o.ClientSecret != ""}, {"client_secret_file", o.ClientSecretFile != ""}, {"scopes", len(o.Scopes) > 0}, {"ca_file", o.CAFile != ""},
		} {
			if other.set {
				r.wrong(path+"."+other.key, "%s.%s goes with token_url; add it, or remove this", path, other.key)
				return
			}
		}
		return
	}
	u, err := url.Parse(o.TokenURL)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		r.wrong(path+".token_url", "%s.token_url is no URL of an authorization server; write for example https://id.example.com/oauth2/token", path)
	case u.Scheme == "http" && !loopback(u.Hostname()):
		r.wrong(path+".token_url", "%s.token_url would send the client's secret unencrypted; write https://", path)
	}
	if o.ClientID == "" && r.sound(path+".client_id") {
		r.problem(r.keyPlace(path), path+" lacks client_id; add client_id: redeliver")
	}
	r.secretRules(path+".client_secret", o.ClientSecret, o.ClientSecretFile, "CLIENT_SECRET", true)
	if o.CAFile != "" {
		if _, err := certs.Authorities(o.CAFile); err != nil {
			r.wrong(path+".ca_file", "%s.ca_file: %v; name a readable PEM file of certificates", path, err)
		}
	}
}
