package config

import (
	"fmt"
	"os"
	"strings"
	"sync"

	"github.com/redeliver/redeliver/internal/certs"
	"github.com/redeliver/redeliver/internal/webhook"
)

// Webhook returns what the webhook needs beside what the pipeline gives it. It fails when a file cannot be read any more.
func (h HandlerHTTP) Webhook() (webhook.Config, error) {
	c := webhook.Config{URL: h.URL, Headers: h.Headers, BatchMax: h.Batch.Max, Proxy: h.Proxy, HTTP2: h.HTTP2, ServerName: h.TLS.ServerName}
	if h.TLS != (WebhookTLS{}) {
		material, err := certs.Read(certs.Files{Authorities: h.TLS.CAFile, Certificate: h.TLS.CertFile, Key: h.TLS.KeyFile})
		if err != nil {
			return c, fmt.Errorf("handler.http.tls: %w", err)
		}
		c.TLS = material
	}
	if len(h.Sign.Secrets) > 0 || h.Sign.SecretsFile != "" {
		keeper, err := newSecretKeeper(h.Sign)
		if err != nil {
			return c, fmt.Errorf("handler.http.sign: %w", err)
		}
		c.Secrets = keeper.secrets
	}
	if h.Events.Enabled {
		c.CloudEvents = &webhook.CloudEvents{Source: h.Events.Source, Type: h.Events.Type}
	}
	return c, nil
}

// secretKeeper reads the secrets at each request. While they cannot be read those from before are used, as it is with certificates: a file that
// somebody is just writing must not cost records their attempts. It may be used concurrently.
type secretKeeper struct {
	sign Sign

	mu   sync.Mutex
	last []webhook.Secret
}

// newSecretKeeper fails where there are no secrets to begin with.
func newSecretKeeper(s Sign) (*secretKeeper, error) {
	first, err := s.secrets()
	return &secretKeeper{sign: s, last: first}, err
}

func (k *secretKeeper) secrets() ([]webhook.Secret, error) {
	now, err := k.sign.secrets()
	k.mu.Lock()
	defer k.mu.Unlock()
	if err == nil {
		k.last = now
	}
	return k.last, nil
}

func (s Sign) secrets() ([]webhook.Secret, error) {
	text := strings.Join(s.Secrets, "\n")
	if s.SecretsFile != "" {
		read, err := os.ReadFile(s.SecretsFile)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", s.SecretsFile, cause(err))
		}
		text = string(read)
	}
	all, err := webhook.ParseSecrets(text)
	if err == nil && len(all) == 0 {
		err = fmt.Errorf("%s holds no secret", s.SecretsFile)
	}
	return all, err
}

// webhookRules judge what goes beyond URL and headers.
func (r *reader) webhookRules(h HandlerHTTP, at string) {
	if path := at + ".proxy"; r.sound(path) && h.Proxy != "" {
		if err := (webhook.Config{URL: "http://localhost", Proxy: h.Proxy}).Validate(); err != nil {
			r.wrong(path, "handler.http.%v", err)
		}
	}
	tls := at + ".tls"
	switch {
	case !r.sound(tls+".ca_file", tls+".cert_file", tls+".key_file"):
	case h.TLS.CertFile != "" && h.TLS.KeyFile == "":
		r.wrong(tls+".cert_file", "handler.http.tls.cert_file goes with key_file; add key_file: the file of its private key")
	case h.TLS.KeyFile != "" && h.TLS.CertFile == "":
		r.wrong(tls+".key_file", "handler.http.tls.key_file goes with cert_file; add cert_file: the file of its certificate")
	default:
		if h.TLS.CAFile != "" {
			if _, err := certs.Authorities(h.TLS.CAFile); err != nil {
				r.wrong(tls+".ca_file", "handler.http.tls.ca_file: %v; name a readable PEM file of certificates", err)
			}
		}
		if h.TLS.CertFile != "" {
			if _, err := certs.Pair(h.TLS.CertFile, h.TLS.KeyFile); err != nil {
				r.wrong(tls+".cert_file", "handler.http.tls.cert_file: %v; name readable PEM files of a certificate and its own key", err)
			}
		}
	}
	secrets, file := at+".sign.secrets", at+".sign.secrets_file"
	switch {
	case !r.sound(secrets, file):
	case len(h.Sign.Secrets) > 0 && h.Sign.SecretsFile != "":
		r.wrong(file, "handler.http.sign.secrets and secrets_file are both set; keep one of them")
	case h.Sign.SecretsFile != "":
		if _, err := h.Sign.secrets(); err != nil {
			r.wrong(file, "handler.http.sign.secrets_file: %v", err)
		}
	case len(h.Sign.Secrets) > 0 && h.Sign.Secrets[0] != masked: // as `config show` prints them
		if _, err := h.Sign.secrets(); err != nil {
			r.wrong(secrets, "handler.http.sign.secrets: %v", err)
		}
	}
	if path := at + ".cloudevents.enabled"; r.sound(path, at+".batch.max") && h.Events.Enabled {
		if err := (webhook.Config{URL: "http://localhost", BatchMax: h.Batch.Max, CloudEvents: new(webhook.CloudEvents)}).Validate(); err != nil {
			r.wrong(path, "handler.http.%v", err)
		}
	}
}
