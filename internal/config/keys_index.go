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
			toggle("tls", &x.Redis.TLS).byDefault("false").means("Speak TLS with Redis."),
		).means("How Redis is reached, with kind: redis."),
	}
}
