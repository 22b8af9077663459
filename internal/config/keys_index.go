package config

import "time"

// indexKept bounds index.keep: what is kept is read through with every question.
const indexKept = 10 * 365 * 24 * time.Hour

func indexKeys(x *Index) []key {
	return []key{
		choice("kind", &x.Kind, "file", "redis", "none").byDefault("file").
			means("Where the index is: in a file on this machine for each dead-letter topic, in Redis for all machines, or nowhere: then each command reads the topics."),
		text("path", &x.Path).computed("redeliver in the user's cache directory").like("/var/cache/redeliver").
			means("Directory of the files of kind: file. One process has a file open at a time; another one reads the topics meanwhile."),
		duration("keep", &x.Keep, 0, indexKept).byDefault("0s").like("90d").
			means("For how long after its death an entry that its topic has lost, to retention or a purge, can still be listed, shown and replayed; 0s: not at all. What is kept is lost with the index, and dead letters of which dlq.redact hides a part, or comes to hide one, are not kept."),
		section("redis",
			text("address", &x.Redis.Address).byDefault("127.0.0.1:6379").accepting("host:port").like("127.0.0.1:6379").
				means("Address of the Redis of kind: redis, host:port."),
			text("username", &x.Redis.Username).like("redeliver").means("The user; left out, the default one."),
			text("password", &x.Redis.Password).hidden().like(`"${REDIS_PASSWORD}"`).means("The user's password; take it from the environment rather than writing it here."),
			number("db", &x.Redis.DB, 0, 1<<20).byDefault("0").like("0").means("The database's number."),
			section("tls",
				toggle("enabled", &x.Redis.TLS.Enabled).byDefault("false").means("Speak TLS with Redis."),
				text("ca_file", &x.Redis.TLS.CAFile).like("/etc/redeliver/ca.pem").means("PEM file of the authorities that Redis's certificate is checked by; \"\" is the system's. A file of this section that changes is read again at the next connection."),
				text("cert_file", &x.Redis.TLS.CertFile).like("/etc/redeliver/client.pem").means("PEM file of the client's certificate, for mutual TLS; goes with key_file."),
				text("key_file", &x.Redis.TLS.KeyFile).like("/etc/redeliver/client.key").means("PEM file of the key of cert_file."),
				text("server_name", &x.Redis.TLS.ServerName).like("redis.example.com").means("The name that Redis's certificate is checked for; \"\" is the host that is dialled."),
			).means("Encryption of the connections to Redis."),
		).means("How Redis is reached, with kind: redis."),
	}
}
