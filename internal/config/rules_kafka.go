package config

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
)

// kafkaRules judge how brokers are reached; under is the path of the section: kafka, or that of another cluster.
func (r *reader) kafkaRules(k Kafka, under string) {
	if path := under + ".brokers"; r.sound(path) && r.given(path) {
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
	if path := under + ".client_id"; r.sound(path) && k.ClientID == "" {
		r.wrong(path, "%s is empty; name this client, like redeliver", path)
	}
	r.tlsRules(k.TLS, under+".tls")
	if sasl := under + ".sasl"; r.given(sasl) && r.sound(sasl) {
		r.saslRules(k, under)
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

func (r *reader) tlsRules(t TLS, under string) {
	if !r.sound(under + ".enabled") {
		return
	}
	files := []struct{ key, path string }{{"ca_file", t.CAFile}, {"cert_file", t.CertFile}, {"key_file", t.KeyFile}, {"server_name", t.ServerName}}
	for _, f := range files {
		if f.path != "" && !t.Enabled {
			r.wrong(under+"."+f.key, "%s.%s is set, but TLS is off; write enabled: true beside it, or remove it", under, f.key)
			return
		}
	}
	if !t.Enabled {
		return
	}
	switch {
	case t.CertFile != "" && t.KeyFile == "":
		r.wrong(under+".cert_file", "%s.cert_file goes with key_file; add key_file: the file of its private key", under)
		return
	case t.KeyFile != "" && t.CertFile == "":
		r.wrong(under+".key_file", "%s.key_file goes with cert_file; add cert_file: the file of its certificate", under)
		return
	}
	if _, err := t.authorities(); err != nil {
		r.wrong(under+".ca_file", "%s.ca_file: %v; name a readable PEM file of certificates", under, err)
	}
	if err := t.certificates(); err != nil {
		at := under + ".cert_file"
		if _, err := os.ReadFile(t.CertFile); err == nil {
			at = under + ".key_file"
		}
		r.wrong(at, "%s: %v; name readable PEM files of a certificate and its own key", at, err)
	}
}

// clusterRules judge the other clusters.
func (r *reader) clusterRules(c *Config) {
	first := make(map[string]int)
	for i, one := range c.Clusters {
		at := clusterPath(i)
		r.kafkaRules(one.Kafka, at)
		name := at + ".name"
		if !r.sound(name) {
			continue
		}
		before, twice := first[one.Name]
		switch {
		case !legalName.MatchString(one.Name):
			r.wrong(name, "%s: %s has other characters than letters, digits and '-'; write for example %s", name, quote(one.Name), legalised(one.Name))
		case twice:
			r.wrong(name, "%s: %s is the name of the cluster in line %d, too; give each its own", name, quote(one.Name), r.place(clusterPath(before)+".name").Line)
		default:
			first[one.Name] = i
		}
	}
}
