package config

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
)

// kafkaRules judge how the brokers are reached.
func (r *reader) kafkaRules(k Kafka) {
	if path := "kafka.brokers"; r.sound(path) && r.given(path) {
		if len(k.Brokers) == 0 {
			r.wrong(path, "%s is empty; name at least one broker: brokers: [localhost:9092]", path)
		}
		for i, broker := range k.Brokers {
			if wrong := brokerAddress(broker); wrong != "" {
				at := fmt.Sprintf("%s[%d]", path, i)
				if !r.given(at) {
					at = path // one text with commas
				}
				r.wrong(at, "%s: %s", path, wrong)
			}
		}
	}
	if path := "kafka.client_id"; r.sound(path) && k.ClientID == "" {
		r.wrong(path, "%s is empty; name this client, like redeliver", path)
	}
	r.tlsRules(k.TLS)
	if r.given("kafka.sasl") && r.sound("kafka.sasl") {
		r.saslRules(k)
	}
}

// brokerAddress says what is wrong with a seed broker, and what would be right.
func brokerAddress(s string) string {
	if scheme, rest, found := strings.Cut(s, "://"); found {
		return fmt.Sprintf("%s is a URL; write only host:port: %s", quote(scheme+"://"+rest), strings.TrimSuffix(rest, "/"))
	}
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		if !strings.Contains(s, ":") && s != "" {
			return fmt.Sprintf("%s has no port; write %s:9092", quote(s), s)
		}
		return fmt.Sprintf("%s is no host:port; write for example localhost:9092", quote(s))
	}
	if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
		return fmt.Sprintf("%s has no port from 1 to 65535; write for example %s:9092", quote(s), host)
	}
	if host == "" || strings.ContainsAny(host, " /@") {
		return fmt.Sprintf("%s names no host; write for example localhost:%s", quote(s), port)
	}
	return ""
}

func (r *reader) tlsRules(t TLS) {
	if !r.sound("kafka.tls.enabled") {
		return
	}
	files := []struct{ key, path string }{{"ca_file", t.CAFile}, {"cert_file", t.CertFile}, {"key_file", t.KeyFile}, {"server_name", t.ServerName}}
	for _, f := range files {
		if f.path != "" && !t.Enabled {
			r.wrong("kafka.tls."+f.key, "kafka.tls.%s is set, but TLS is off; write enabled: true beside it, or remove it", f.key)
			return
		}
	}
	if !t.Enabled {
		return
	}
	switch {
	case t.CertFile != "" && t.KeyFile == "":
		r.wrong("kafka.tls.cert_file", "kafka.tls.cert_file goes with key_file; add key_file: the file of its private key")
		return
	case t.KeyFile != "" && t.CertFile == "":
		r.wrong("kafka.tls.key_file", "kafka.tls.key_file goes with cert_file; add cert_file: the file of its certificate")
		return
	}
	if _, err := t.authorities(); err != nil {
		r.wrong("kafka.tls.ca_file", "kafka.tls.ca_file: %v; name a readable PEM file of certificates", err)
	}
	if err := t.certificates(); err != nil {
		at := "kafka.tls.cert_file"
		if _, err := os.ReadFile(t.CertFile); err == nil {
			at = "kafka.tls.key_file"
		}
		r.wrong(at, "%s: %v; name readable PEM files of a certificate and its own key", at, err)
	}
}
