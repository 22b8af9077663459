package config

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"github.com/redeliver/redeliver/retrytopics"
)

// rules are what holds across keys. The functions below and in the other rules_*.go files each judge one part of the
// file; what one key may be by itself stands in keys.go.
func (r *reader) rules(c *Config, o Options) {
	r.kafkaRules(c.Kafka, "kafka")
	r.clusterRules(c)
	r.listenRules(c)
	r.registryRules(c.Registry)
	r.adminRules(c.Admin)
	if c.Topics.ReplicationFactor == 0 {
		r.wrong("topics.replication_factor", "topics.replication_factor: 0 replicas cannot be; write -1, for that of the source, or a number from 1")
	}
	for i := range c.Pipelines {
		c.Pipelines[i].origin = origin{path: fmt.Sprintf("pipelines[%d]", i), places: r.places}
		r.pipelineRules(&c.Pipelines[i], fmt.Sprintf("pipelines[%d]", i))
	}
	r.rulesAcrossPipelines(c)
	r.fleetRules(c)
	r.indexRules(c)
}

// fleetRules judge the name of the control topic: no pipeline reads it, and none makes one that Kafka takes for it.
func (r *reader) fleetRules(c *Config) {
	const path = "fleet.topic"
	if !r.sound(path) {
		return
	}
	switch topic := c.Fleet.Topic; {
	case !legalTopic.MatchString(topic):
		r.wrong(path, "fleet.topic: %s is no legal topic name (letters, digits, '.', '_', '-', at most 249)", quote(topic))
	case !retrytopics.IsControl(topic):
		r.wrong(path, "fleet.topic: %s is neither %s nor ends in %s, so that a pattern of source topics might match it; did you mean %s%s?",
			quote(topic), retrytopics.DefaultControlTopic, retrytopics.ControlSuffix, topic, retrytopics.ControlSuffix)
	case r.given(path) && !c.HasFleet():
		r.warning(r.place(path), "fleet.topic has no effect while no pipeline has breaker.scope: fleet")
	}
}

// wrong reports a mistake at the value of a path.
func (r *reader) wrong(path, format string, args ...any) {
	r.problem(r.place(path), fmt.Sprintf(format, args...))
}

// given says whether a path has a value in the file, its defaults included.
func (r *reader) given(path string) bool {
	_, ok := r.places[path]
	return ok
}

// sound says whether all paths could be read, and everything above them.
func (r *reader) sound(paths ...string) bool {
	for _, path := range paths {
		for path != "" {
			if r.bad[path] {
				return false
			}
			path = path[:max(0, strings.LastIndexAny(path, ".["))]
		}
	}
	return true
}

// shown is a value in a message, which says where it comes from if it is not in the file.
func (r *reader) shown(path, text string) string {
	if r.given(path) {
		return text
	}
	return text + " (the default)"
}

// listenRules judge the addresses that this process listens on.
func (r *reader) listenRules(c *Config) {
	if path := "embedded.listen"; r.sound(path) {
		host, _, wrong := listenAddress(c.Embedded.Listen)
		switch {
		case wrong != "":
			r.wrong(path, "%s: %s; write host:port, like 127.0.0.1:9092", path, wrong)
		case !loopback(host):
			r.wrong(path, "%s: %s can be reached from other machines, and the embedded broker asks nobody who they are; listen on the loopback: 127.0.0.1:9092", path, quote(c.Embedded.Listen))
		}
	}
	if r.sound("embedded.data_dir") && c.Embedded.DataDir == "" {
		r.wrong("embedded.data_dir", "embedded.data_dir is empty; name a directory, like .redeliver")
	}
	path := "admin.listen"
	if c.Admin.Listen == "" || !r.sound(path) {
		return
	}
	host, _, wrong := listenAddress(c.Admin.Listen)
	switch {
	case wrong != "":
		r.wrong(path, "%s: %s; write host:port, like 127.0.0.1:8080, or \"\" for none", path, wrong)
	case !loopback(host) && c.Admin.TLS.CertFile == "" && !c.Admin.Insecure && r.sound("admin.insecure", "admin.tls"):
		r.wrong(path, "%s: %s can be reached from other machines; listen on 127.0.0.1, or add tls: {cert_file, key_file} beside it, or insecure: true if nobody listens to the network", path, quote(c.Admin.Listen))
	case !loopback(host) && len(c.Admin.Users) == 0 && r.sound("admin.users"):
		r.wrong(path, "%s: whoever reaches %s could pause pipelines and skip records; add users: [{name: ops, role: operator, token: \"${ADMIN_TOKEN}\"}] beside it, or listen on 127.0.0.1", path, quote(c.Admin.Listen))
	case !loopback(host) && c.Admin.TLS.CertFile == "":
		r.warning(r.place(path), fmt.Sprintf("%s: whoever listens to the network hears the tokens that are sent to %s (admin.insecure: true)", path, c.Admin.Listen))
	case sameAddress(c.Admin.Listen, c.Embedded.Listen):
		at := path
		if !r.given(path) {
			at = "embedded.listen"
		}
		r.wrong(at, "%s and embedded.listen are both %s; choose another port for one", path, r.shown(path, c.Admin.Listen))
	}
}

// sameAddress says whether two listeners would be in each other's way.
func sameAddress(a, b string) bool {
	hostA, portA, wrongA := listenAddress(a)
	hostB, portB, wrongB := listenAddress(b)
	local := func(host string) string {
		if host == "localhost" {
			return "127.0.0.1"
		}
		return host
	}
	return wrongA == "" && wrongB == "" && portA == portB && portA != 0 && local(hostA) == local(hostB)
}

// listenAddress splits host:port; the host may be empty, for all addresses of the machine.
func listenAddress(s string) (host string, port int, wrong string) {
	host, portText, err := net.SplitHostPort(s)
	if err != nil {
		if s == "" {
			return "", 0, "the address is empty"
		}
		return "", 0, quote(s) + " is no host:port"
	}
	port, err = strconv.Atoi(portText)
	if err != nil || port < 0 || port > 65535 {
		return "", 0, fmt.Sprintf("%s has no port from 0 to 65535", quote(s))
	}
	return host, port, ""
}

// loopback says whether only this machine reaches a host. A name other than localhost may mean anything tomorrow.
func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Unmap().IsLoopback()
}
