package config

import "net"

// indexRules judge what the index is given beside its kind.
func (r *reader) indexRules(x Index) {
	if !r.sound("index.kind") {
		return
	}
	if path := "index.redis.address"; x.Kind == "redis" && r.sound(path) {
		if host, port, err := net.SplitHostPort(x.Redis.Address); err != nil || host == "" || port == "" {
			r.wrong(path, "%s: %s is no host:port; write for example 127.0.0.1:6379", path, quote(x.Redis.Address))
		}
	}
	if path := "index.path"; r.given(path) && r.sound(path) && x.Kind != "file" {
		r.warning(r.place(path), path+" has no effect with index.kind: "+x.Kind)
	}
	if path := "index.keep"; x.Kind == "none" && x.Keep > 0 && r.sound(path) {
		r.wrong(path, "%s: without an index nothing is kept; write index.kind: file or redis", path)
	}
}
