package config

import (
	"fmt"
	"net"
	"slices"
)

// indexRules judge what the index is given beside its kind.
func (r *reader) indexRules(c *Config) {
	x := c.Index
	if !r.sound("index.kind") {
		return
	}
	if path := "index.redis.address"; x.Kind == "redis" && r.sound(path) {
		if host, port, err := net.SplitHostPort(x.Redis.Address); err != nil || host == "" || port == "" {
			r.wrong(path, "%s: %s is no host:port; write for example 127.0.0.1:6379", path, quote(x.Redis.Address))
		}
	}
	if x.Kind == "redis" {
		r.tlsRules(x.Redis.TLS, "index.redis.tls")
	}
	if path := "index.path"; r.given(path) && r.sound(path) && x.Kind != "file" {
		r.warning(r.place(path), path+" has no effect with index.kind: "+x.Kind)
	}
	path := "index.keep"
	if x.Keep <= 0 || !r.sound(path) {
		return
	}
	if x.Kind == "none" {
		r.wrong(path, "%s: without an index nothing is kept; write index.kind: file or redis", path)
	}
	if i := slices.IndexFunc(c.Pipelines, func(p Pipeline) bool { return p.Redaction().Hides() }); i >= 0 {
		r.warning(r.place(path), fmt.Sprintf("%s: dead letters of which pipelines[%d].dlq.redact hides a part are not kept, as no part of them is in the index; `redeliver dlq renew` carries them forward in their topic", path, i))
	}
}
