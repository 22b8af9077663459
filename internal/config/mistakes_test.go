package config

import (
	"strconv"
	"strings"
)

// mark stands in the text of a mistake where its message has to point; it is taken out before the text is read.
const mark = "‸"

// mistakeRow is one mistake that somebody can make.
type mistakeRow struct {
	key  string // of the table in keys.go, that it is about; "": of the file as a whole
	text string // a file with one mistake, at the mark
	want string // a part of the message: what would be right
}

// inPipeline is a good file but for the lines given, which stand in its one pipeline.
func inPipeline(lines string) string {
	return `kafka: {brokers: [localhost:9092]}
pipelines:
  - name: orders
    topics: [orders]
    handler: {http: {url: "http://127.0.0.1:9000/orders"}}
    ` + strings.ReplaceAll(strings.TrimSpace(lines), "\n", "\n    ") + "\n"
}

// with is inPipeline with a part of it changed.
func with(lines, old, changed string) string {
	text := inPipeline(lines)
	if !strings.Contains(text, old) {
		panic("a good file does not contain " + old)
	}
	return strings.Replace(text, old, changed, 1)
}

// atTop is a good file but for the lines given, which stand beside its pipelines.
func atTop(lines string) string {
	if !strings.Contains(lines, "kafka") {
		lines = "kafka: {brokers: [localhost:9092]}\n" + lines
	}
	return lines + `
pipelines:
  - name: orders
    topics: [orders]
    handler: {http: {url: "http://127.0.0.1:9000/orders"}}
`
}

// mistakes has a row for every key and for every rule. They are in the order of the contract.
var mistakes = []mistakeRow{
	// the text itself
	{"", mark + "", "the file is empty: it needs at least one pipeline; print an example with: redeliver config example"},
	{"", mark + "# only a comment\n", "print an example with: redeliver config example"},
	{"", mark + "---\n", "the file is empty"},
	{"", mark + "just text\n", "the file is a plain value, not a section of keys; it holds the keys kafka, embedded"},
	{"", mark + "- kafka\n- pipelines\n", "the file is a list, not a section"},
	{"", mark + "\xff\xfek\x00", "the file is UTF-16; save it as UTF-8"},
	{"", "kafka:\n  client_id: gr" + mark + "\xfcn\n", "no UTF-8 text from here on; save it as UTF-8"},
	{"", "kafka: x" + mark + "\x00y\n", "a control character stands here; is this a YAML file?"},
	{"", "kafka:\n" + mark + "\tbrokers: [a:1]\n", "indented with a tab: YAML wants spaces"},
	{"", "kafka:\n  tls: " + mark + "{enabled: true\n", "the file ends before what begins here is complete"},
	{"", "kafka: {brokers: [$" + mark + "{BROKER}]}\n", `inside [...] and {...} a variable needs quotes: "${NAME}"`},
	{"", "kafka:\n  client_id: " + mark + "@home\n", "put a value that begins with @ in quotes"},
	{"", "kafka:\n  client_id: " + mark + "`home`\n", "put a value that begins with ` in quotes"},
	{"", "kafka:\n  client_id: a\n    tls" + mark + ": {}\n", `is the line indented too far, or does a value with ": " in it lack quotes?`},
	{"", "kafka:\n  client_id: a\n " + mark + "tls: {}\n", "are the lines of one section indented alike?"},
	{"", "kafka: " + mark + "*nothing\n", "define it with & before"},
	{"", atTop("") + mark + "---\nkafka: {}\n", "a second YAML document begins here; write everything in one document"},
	{"", atTop("") + "---\nkafka: " + mark + "@\n", "put a value that begins with @ in quotes"},
	{"", atTop("log: {level: info}\n" + mark + "log: {format: text}"), `the key "log" stands here a second time, first in line 2; remove one`},
	{"", atTop("x-a: 1\n? " + mark + "[x]\n: b"), "a key is a plain name, no list or section"},
	{"", atTop("log: " + mark + "!env {level: info}"), "the tag !env means nothing here; remove it"},
	{"", atTop("x-loop: " + mark + "&a [*a]"), "an anchor (&name) contains its own alias"},
	{"", atTop("log:\n  <<: " + mark + "info"), "<< merges a section or a list of sections, like <<: *base"},
	{"", atTop("log: {level: \"" + mark + "${NOT_SET}\"}"), "the environment variable NOT_SET is not set; set it, or give a default: ${NOT_SET:-default}"},
	{"", atTop("kafka:\n  brokers: [localhost:9092]\n  client_id: a-" + mark + "${a b}"), `"a b" is no name of an environment variable; write ${NAME} or ${NAME:-default}, or $${ for a plain ${`},
	{"", atTop("kafka:\n  brokers: [localhost:9092]\n  client_id: a-" + mark + "${A:-${B}}"), "the default of A has a variable in it, which is not replaced; write a plain text: ${A:-default}"},
	{"", atTop("kafka:\n  brokers: [localhost:9092]\n  client_id: a-" + mark + "${ab"), "${ is not closed with }; for a plain ${ write $${"},
	{"", mark + strings.Repeat("#", largest+1), "larger than 4 MiB; is it a configuration?"},
	{"", bomb, "unfold to more than 100000 values"},
	{"", atTop(mark + "kafak: {brokers: [a:1]}"), `the file has no key "kafak"; did you mean kafka?`},
	{"", atTop(mark + "brokers: [a:1]"), `the file has no key "brokers"; it belongs under kafka`},
	{"", atTop("kafka: {brokers: [a:1]}\n" + mark + "retry: {tiers: auto}"), `the file has no key "retry"; it belongs under pipelines[]`},
	{"", inPipeline(mark + "kafka: {}"), `a pipeline has no key "kafka"; it belongs at the top of the file`},
	{"", "%kafka" + mark + ": {}\n", "the file is no YAML here"},
	{"", inPipeline("window: {" + mark + "drain: 30s}"), `window has no key "drain"; it belongs under the pipeline itself`},
	{"", inPipeline(mark + "tiers: [1s]"), `a pipeline has no key "tiers"; it belongs under retry`},
	{"", inPipeline("retry: {" + mark + "zzz: 1}"), `retry has no key "zzz"; its keys are tiers, strategy, max_retries`},
	{"", inPipeline(mark + "drain:"), "drain has no value; write drain: 30s, or remove the key"},

	// kafka
	{"kafka", atTop("kafka: " + mark + "localhost:9092"), "kafka is a plain value; it holds the keys brokers, client_id, tls, sasl"},
	{"kafka.brokers", mark + "log: {level: info}\npipelines: [{name: a, topics: [a], handler: {http: {url: \"http://h\"}}}]", "the file lacks kafka.brokers, a list of brokers, each host:port; add kafka: {brokers: [localhost:9092]}"},
	{"kafka.brokers", atTop(mark + "kafka: {client_id: x}"), "kafka lacks brokers, a list of brokers, each host:port; add brokers: [localhost:9092]"},
	{"kafka.brokers", atTop("kafka: {brokers: " + mark + "[]}"), "kafka.brokers is empty; name at least one broker: brokers: [localhost:9092]"},
	{"kafka.brokers", atTop("kafka: {brokers: [" + mark + "localhost]}"), `"localhost" has no port; write localhost:9092`},
	{"kafka.brokers", atTop("kafka: {brokers: [a:9092, " + mark + "'kafka://b:9092/']}"), `is a URL; write only host:port: b:9092`},
	{"kafka.brokers", atTop("kafka: {brokers: [" + mark + "'a:http']}"), `has no port from 1 to 65535; write for example a:9092`},
	{"kafka.brokers", atTop("kafka: {brokers: [" + mark + "'a:b:c']}"), `is no host:port; write for example localhost:9092`},
	{"kafka.brokers", atTop("kafka: {brokers: [" + mark + "':9092']}"), `names no host; write for example localhost:9092`},
	{"kafka.brokers", atTop("kafka: {brokers: " + mark + "{a: 1}}"), "a section of keys is no list; want a list of brokers, each host:port: brokers: [localhost:9092]"},
	{"kafka.brokers", atTop("kafka: {brokers: [" + mark + "[a]]}"), "a list is no text in a list of texts"},
	{"kafka.client_id", atTop("kafka: {brokers: [a:1], client_id: " + mark + "[x]}"), "a list is not text; want text: client_id: redeliver"},
	{"kafka.client_id", atTop("kafka: {brokers: [a:1], client_id: " + mark + "''}"), "kafka.client_id is empty; name this client, like redeliver"},
	{"kafka.tls", atTop("kafka: {brokers: [a:1], tls: " + mark + "true}"), "kafka.tls is a plain value; it holds the keys enabled, ca_file"},
	{"kafka.tls.enabled", atTop("kafka: {brokers: [a:1], tls: {enabled: " + mark + "yes}}"), `"yes" is not true or false; did you mean true?`},
	{"kafka.tls.ca_file", atTop("kafka: {brokers: [a:1], tls: {ca_file: " + mark + "ca.pem}}"), "kafka.tls.ca_file is set, but TLS is off; write enabled: true beside it, or remove it"},
	{"kafka.tls.ca_file", atTop("kafka: {brokers: [a:1], tls: {enabled: true, ca_file: " + mark + "/does/not/exist.pem}}"), "/does/not/exist.pem: no such file or directory; name a readable PEM file of certificates"},
	{"kafka.tls.ca_file", atTop("kafka: {brokers: [a:1], tls: {enabled: true, ca_file: " + mark + "'${DIR}/empty'}}"), "holds no PEM certificate; name a readable PEM file"},
	{"kafka.tls.cert_file", atTop("kafka: {brokers: [a:1], tls: {enabled: true, cert_file: " + mark + "cert.pem}}"), "kafka.tls.cert_file goes with key_file; add key_file"},
	{"kafka.tls.cert_file", atTop("kafka: {brokers: [a:1], tls: {enabled: true, cert_file: " + mark + "/no/cert.pem, key_file: /no/key.pem}}"), "/no/cert.pem: no such file or directory; name readable PEM files of a certificate and its own key"},
	{"kafka.tls.key_file", atTop("kafka: {brokers: [a:1], tls: {enabled: true, key_file: " + mark + "key.pem}}"), "kafka.tls.key_file goes with cert_file; add cert_file"},
	{"kafka.tls.key_file", atTop("kafka: {brokers: [a:1], tls: {enabled: true, cert_file: '${DIR}/cert.pem', key_file: " + mark + "'${DIR}/other.pem'}}"), "private key does not match public key; name readable PEM files of a certificate and its own key"},
	{"kafka.tls.server_name", atTop("kafka: {brokers: [a:1], tls: {server_name: " + mark + "kafka.example}}"), "kafka.tls.server_name is set, but TLS is off"},
	{"kafka.sasl", atTop("kafka: {brokers: [a:1], " + mark + "sasl: {username: u}}"), `kafka.sasl lacks a password; add password: "${KAFKA_PASSWORD}", or password_file`},
	{"kafka.sasl.mechanism", atTop("kafka: {brokers: [a:1], sasl: {mechanism: " + mark + "SCRAM-SHA-511, username: u, password: p}}"), `"SCRAM-SHA-511" is unknown; did you mean scram-sha-512?`},
	{"kafka.sasl.mechanism", atTop("kafka: {brokers: [a:1], sasl: {mechanism: " + mark + "oauthbearer, username: u, password: p}}"), "oauthbearer is not in this version of Redeliver yet; write mechanism: scram-sha-512, scram-sha-256 or plain"},
	{"kafka.sasl.username", atTop("kafka: {brokers: [a:1], " + mark + "sasl: {password: p}}"), "kafka.sasl lacks username, text; add username: redeliver"},
	{"kafka.sasl.username", atTop("kafka: {brokers: [a:1], sasl: {username: " + mark + "'', password: p}}"), "kafka.sasl.username is empty; name the user"},
	{"kafka.sasl.password", atTop("kafka: {brokers: [a:1], sasl: {username: u, password: " + mark + "[p]}}"), `kafka.sasl.password: a list is not text; want text: password: "${KAFKA_PASSWORD}"`},
	{"kafka.sasl.password_file", atTop("kafka: {brokers: [a:1], sasl: {username: u, password: p, password_file: " + mark + "f}}"), "kafka.sasl.password and password_file are both set; keep one of them"},
	{"kafka.sasl.password_file", atTop("kafka: {brokers: [a:1], sasl: {username: u, password_file: " + mark + "/does/not/exist}}"), "/does/not/exist: no such file or directory; name a readable file that holds the password"},
	{"kafka.sasl.password_file", atTop("kafka: {brokers: [a:1], sasl: {username: u, password_file: " + mark + "'${DIR}/empty'}}"), "is empty; name a readable file"},

	// embedded, topics, admin, log
	{"embedded", atTop("embedded: " + mark + "true"), "embedded is a plain value; it holds the keys listen, data_dir"},
	{"embedded.listen", atTop("embedded: {listen: " + mark + "'0.0.0.0:9092'}"), "can be reached from other machines, and the embedded broker asks nobody who they are; listen on the loopback: 127.0.0.1:9092"},
	{"embedded.listen", atTop("embedded: {listen: " + mark + "'9092'}"), "is no host:port; write host:port, like 127.0.0.1:9092"},
	{"embedded.data_dir", atTop("embedded: {data_dir: " + mark + "''}"), "embedded.data_dir is empty; name a directory, like .redeliver"},
	{"topics", atTop("topics: " + mark + "[orders]"), "topics is a list; it holds the keys create, replication_factor"},
	{"topics.create", atTop("topics: {create: " + mark + "maybe}"), `"maybe" is not true or false; want true or false: create: true`},
	{"topics.create", atTop("topics: {create: " + mark + "off}"), "did you mean false?"},
	{"topics.replication_factor", atTop("topics: {replication_factor: " + mark + "0}"), "0 replicas cannot be; write -1, for that of the source, or a number from 1"},
	{"topics.replication_factor", atTop("topics: {replication_factor: " + mark + "three}"), `"three" is no whole number; want -1, for that of the source, or a number of replicas from 1: replication_factor: 3`},
	{"fleet", atTop("fleet: " + mark + "redeliver.control"), "fleet is a plain value; it holds the keys topic, start_timeout"},
	{"fleet.topic", atTop("fleet: {topic: " + mark + "payments}"), `"payments" is neither redeliver.control nor ends in .redeliver-control, so that a pattern of source topics might match it; did you mean payments.redeliver-control?`},
	{"fleet.topic", atTop("fleet: {topic: " + mark + "'a b.redeliver-control'}"), "is no legal topic name"},
	{"fleet.start_timeout", atTop("fleet: {start_timeout: " + mark + "0s}"), "0s is out of range; want a duration from 1s to 1h"},
	{"index", atTop("index: " + mark + "redis"), "index is a plain value; it holds the keys kind, path, keep, redis"},
	{"index.kind", atTop("index: {kind: " + mark + "sqlite}"), `"sqlite" is unknown; want one of file, redis, none`},
	{"index.keep", atTop("index: {keep: " + mark + "90}"), "did you mean 90s?"},
	{"index.keep", atTop("index: {kind: none, keep: " + mark + "90d}"), "without an index nothing is kept"},
	{"index.path", atTop("index: {path: " + mark + "[a]}"), "a list is not text"},
	{"index.redis", atTop("index: {redis: " + mark + "localhost}"), "index.redis is a plain value; it holds the keys address"},
	{"index.redis.address", atTop("index: {kind: redis, redis: {address: " + mark + "localhost}}"), `"localhost" is no host:port; write for example 127.0.0.1:6379`},
	{"index.redis.username", atTop("index: {kind: redis, redis: {username: " + mark + "[a]}}"), "a list is not text"},
	{"index.redis.password", atTop("index: {kind: redis, redis: {password: " + mark + "[a]}}"), "a list is not text"},
	{"index.redis.db", atTop("index: {kind: redis, redis: {db: " + mark + "-1}}"), "-1 is out of range"},
	{"index.redis.tls", atTop("index: {kind: redis, redis: {tls: " + mark + "maybe}}"), "maybe"},
	{"admin", atTop("admin: " + mark + "127.0.0.1:8080"), "admin is a plain value; it holds the keys listen, insecure"},
	{"admin.listen", atTop("admin: {listen: " + mark + "':8080'}"), "whoever reaches it can pause pipelines and skip records; listen on 127.0.0.1, or write insecure: true beside it"},
	{"admin.listen", atTop("admin: {listen: " + mark + "'localhost:99999'}"), "has no port from 0 to 65535; write host:port, like 127.0.0.1:8080"},
	{"admin.listen", atTop("embedded: {listen: 127.0.0.1:9000}\nadmin: {listen: " + mark + "'127.0.0.1:9000'}"), "admin.listen and embedded.listen are both 127.0.0.1:9000; choose another port for one"},
	{"admin.listen", atTop("embedded: {listen: 127.0.0.1:9000}\nadmin: {listen: " + mark + "'localhost:9000'}"), "admin.listen and embedded.listen are both localhost:9000"},
	{"embedded.listen", atTop("embedded: {listen: " + mark + "'127.0.0.1:8080'}"), "admin.listen and embedded.listen are both 127.0.0.1:8080 (the default); choose another port for one"},
	{"embedded.listen", atTop("embedded: {listen: " + mark + "''}"), "the address is empty; write host:port"},
	{"admin.insecure", atTop("admin: {insecure: " + mark + "1}"), `"1" is not true or false; did you mean true?`},
	{"log", atTop("log: " + mark + "debug"), "log is a plain value; it holds the keys level, format"},
	{"log.level", atTop("log: {level: " + mark + "warning}"), `"warning" is unknown; did you mean warn?`},
	{"log.format", atTop("log: {format: " + mark + "xml}"), `"xml" is unknown; want one of text, json: format: text`},

	// defaults and pipelines
	{"defaults", atTop("defaults: " + mark + "[]"), "defaults is a list; it holds the keys group_protocol, instance_id"},
	{"defaults", atTop("defaults: {" + mark + "group: x}"), `defaults has no key "group": each pipeline has its own`},
	{"defaults", atTop("defaults: {retry: {" + mark + "teirs: [1s]}}"), `defaults.retry has no key "teirs"; did you mean tiers?`},
	{"defaults", atTop("defaults: {drain: " + mark + "5m}"), "drain, 5m, is not shorter than rebalance_timeout"},
	{"pipelines", mark + "kafka: {brokers: [a:1]}\n", "the file lacks pipelines, a list of sections; add pipelines:"},
	{"pipelines", "kafka: {brokers: [a:1]}\n" + mark + "pipelines: []\n", "pipelines is empty; add pipelines:"},
	{"pipelines", "kafka: {brokers: [a:1]}\npipelines:\n  " + mark + "orders: {topics: [orders]}\n", "pipelines is a section of keys, not a list; begin each element with a dash"},
	{"pipelines", "kafka: {brokers: [a:1]}\npipelines:\n  - " + mark + "orders\n", "an element of pipelines is a plain value; it holds the keys name, group"},
	{"pipelines[].name", "kafka: {brokers: [a:1]}\npipelines:\n  - " + mark + "topics: [orders]\n    handler: {http: {url: \"http://h\"}}\n", "this pipeline lacks name, letters, digits and '-'; add name: orders"},
	{"pipelines[].name", with("drain: 30s", "name: orders", "name: "+mark+"my orders"), `"my orders" has other characters than letters, digits and '-'; write for example my-orders`},
	{"pipelines[].name", inPipeline("drain: 30s\n") + "  - name: " + mark + "orders\n    group: other\n    topics: [other]\n    handler: {http: {url: \"http://h\"}}\n", "orders is the name of the pipeline in line 3 too; names are unique"},
	{"pipelines[].group", inPipeline("group: " + mark + "''"), "group is empty; name the consumer group, or remove the key: then it is the pipeline's name"},
	{"pipelines[].group", inPipeline("group: " + mark + strings.Repeat("g", 250)), "group is longer than 249 characters"},
	{"pipelines[].group", inPipeline("group: one") + "  - name: other\n    group: " + mark + "one\n    topics: [other]\n    handler: {http: {url: \"http://h\"}}\n", "one is the group of pipeline orders too; two pipelines of one group would take each other's partitions: give one another group"},
	{"pipelines[].group_protocol", inPipeline("group_protocol: " + mark + "kip-848"), `"kip-848" is unknown; want one of classic, eager, consumer: group_protocol: classic`},
	{"pipelines[].group_protocol", inPipeline("group_protocol: " + mark + "cooperative"), `"cooperative" is unknown; want one of classic, eager, consumer`},
	{"pipelines[].instance_id", inPipeline("instance_id: " + mark + "{a: b}"), "a section of keys is not text; want text: instance_id: orders-1"},
	{"pipelines[].id_namespace", inPipeline("id_namespace: " + mark + "'a/b'"), "id_namespace:"},
	{"pipelines[].topics", strings.Replace(with("drain: 30s", "    topics: [orders]\n", ""), "name: orders", mark+"name: orders", 1), "this pipeline lacks topics, a list of topic names, or of /regular expressions/ between slashes; add topics: [orders]"},
	{"pipelines[].topics", with("drain: 30s", "[orders]", mark+"[]"), "topics is empty; name at least one: topics: [orders]"},
	{"pipelines[].topics", with("drain: 30s", "[orders]", mark+"orders"), "a plain value is no list; want a list of topic names"},
	{"pipelines[].topics", with("drain: 30s", "[orders]", "[orders, "+mark+"'a*']"), `"a*" is no legal topic name`},
	{"pipelines[].topics", with("drain: 30s", "[orders]", "[orders, "+mark+"orders]"), "orders stands here a second time; remove one"},
	{"pipelines[].topics", with("drain: 30s", "[orders]", "["+mark+"__consumer_offsets]"), "__consumer_offsets is Kafka's own topic, which holds no records for a handler; name the source topic"},
	{"pipelines[].topics", with("drain: 30s", "[orders]", "["+mark+"orders.orders.retry-10s]"), "looks like a retry or dead-letter topic, which no pipeline reads as a source"},
	{"pipelines[].topics", with("drain: 30s", "[orders]", "["+mark+"'/or(ders/']"), "/or(ders/ is no regular expression: missing closing )"},
	{"pipelines[].topics", with("drain: 30s", "[orders]", "["+mark+"'//']"), "// matches no topic; write a regular expression between the slashes"},
	{"pipelines[].start", inPipeline("start: " + mark + "lastest"), `"lastest" is unknown; did you mean latest?`},
	{"pipelines[].start", inPipeline("start: " + mark + "2026-01-31"), "has no time of day and zone; did you mean 2026-01-31T00:00:00Z?"},
	{"pipelines[].start", inPipeline("start: " + mark + "now-1h"), "is no place to start; want earliest, latest, or a time"},
	{"pipelines[].ordering", inPipeline("ordering: " + mark + "keys"), `"keys" is unknown; did you mean key?`},
	{"pipelines[].concurrency", inPipeline("concurrency: " + mark + "0"), "0 is out of range; want a whole number from 1 to 100000: concurrency: 64"},
	{"pipelines[].concurrency", inPipeline("concurrency: " + mark + "many"), `"many" is no whole number; want a whole number from 1 to 100000: concurrency: 64`},
	{"pipelines[].shares", inPipeline("shares: " + mark + "0.5"), "shares is a plain value; it holds the keys fresh, retries"},
	{"pipelines[].shares.fresh", inPipeline("shares: {fresh: " + mark + "0, retries: 1}"), "0 is out of range; want a number above 0, up to 1: fresh: 0.5"},
	{"pipelines[].shares.retries", inPipeline("shares: {retries: " + mark + "50%}"), `"50%" is no number; did you mean 0.5?`},
	{"pipelines[].window", inPipeline("window: " + mark + "10000"), "window is a plain value; it holds the keys records, bytes"},
	{"pipelines[].window.records", inPipeline("window: {records: " + mark + "63}"), "window.records, 63, is less than concurrency, 64 (the default): not all handler slots could be used; raise window.records or lower concurrency"},
	{"pipelines[].window.records", inPipeline("window: {records: " + mark + "10k}"), `"10k" is no whole number`},
	{"pipelines[].window.bytes", inPipeline("window: {bytes: " + mark + "64MB}"), `"64MB" is no size; did you mean 64MiB?`},
	{"pipelines[].window.bytes", inPipeline("window: {bytes: " + mark + "lots}"), `"lots" is no size; its units are B, KiB, MiB, GiB; want a size from 1MiB`},
	{"pipelines[].window.bytes", inPipeline("window: {bytes: " + mark + "1KiB}"), "1KiB is out of range; want a size from 1MiB"},
	{"pipelines[].delivery", inPipeline("delivery: " + mark + "exactly_once"), `"exactly_once" is unknown; did you mean exactly_once_routing?`},
	{"pipelines[].drain", inPipeline("drain: " + mark + "20s"), "handler.timeout, 25s (the default), is not shorter than drain, 20s: a call could outlive the drain and be repeated elsewhere; want handler.timeout < drain < rebalance_timeout"},
	{"pipelines[].drain", inPipeline("drain: " + mark + "30"), `"30" has no unit; did you mean 30s?`},
	{"pipelines[].session_timeout", inPipeline("session_timeout: " + mark + "1s"), "1s is out of range; want a duration from 6s to 30m"},
	{"pipelines[].session_timeout", inPipeline("group_protocol: consumer\nsession_timeout: " + mark + "45s"), "session_timeout is the brokers' with group_protocol: consumer; remove it here, and set group.consumer.session.timeout.ms there"},
	{"pipelines[].rebalance_timeout", inPipeline("rebalance_timeout: " + mark + "30s"), "drain, 30s (the default), is not shorter than rebalance_timeout, 30s: the group would go on without this member while it drains"},
	{"pipelines[].on_data_loss", inPipeline("on_data_loss: " + mark + "ignore"), `"ignore" is unknown; want one of hold, skip: on_data_loss: hold`},
	{"pipelines[].header_limit", inPipeline("header_limit: " + mark + "1KiB"), "1KiB is out of range; want a size from 2KiB"},

	// limits
	{"pipelines[].limits", inPipeline("limits: " + mark + "10/s"), "limits is a plain value, not a list"},
	{"pipelines[].limits", inPipeline("limits: " + mark + "[" + strings.Repeat("{name: a, rate: 1/s},", 9) + "]"), "limits: there are 9, at most 8"},
	{"pipelines[].limits[].name", inPipeline("limits: [" + mark + "{rate: 10/s}]"), "limits[0] lacks name, letters, digits and '-'; add name: per-user"},
	{"pipelines[].limits[].name", inPipeline("limits: [{rate: 10/s, name: " + mark + "per user}]"), `"per user" has other characters than letters, digits and '-'; write for example per-user`},
	{"pipelines[].limits[].name", inPipeline("limits: [{rate: 10/s, name: a}, {rate: 10/s, name: " + mark + "a}]"), "a is there twice"},
	{"pipelines[].limits[].rate", inPipeline("limits: [{name: a, rate: " + mark + "100}]"), `"100" is no rate; did you mean 100/s?`},
	{"pipelines[].limits[].rate", inPipeline("limits: [{name: a, rate: " + mark + "10/min}]"), `"10/min" is no rate; did you mean 10/m?`},
	{"pipelines[].limits[].rate", inPipeline("limits: [{name: a, rate: " + mark + "fast}]"), `"fast" is no rate: write a number of calls and s, m or h, like 100/s`},
	{"pipelines[].limits[].rate", inPipeline("limits: [{name: a, rate: " + mark + "0/s}]"), "the rate 0/s is not above 0; want a rate: rate: 100/s"},
	{"pipelines[].limits[].burst", inPipeline("limits: [{name: a, rate: 1/s, burst: " + mark + "-1}]"), "-1 is out of range"},
	{"pipelines[].limits[].by", inPipeline("limits: [{name: a, rate: 1/s, by: " + mark + "usr}]"), `"usr" is unknown; did you mean user?`},
	{"pipelines[].limits[].by", inPipeline("limits: [{name: a, rate: 1/s, by: " + mark + "x-customer}]"), `"x-customer" is unknown; for a header write header:x-customer`},
	{"pipelines[].limits[].by", inPipeline("limits: [{name: a, rate: 1/s, by: " + mark + "'header:'}]"), `"header:" names no header`},
	{"pipelines[].limits[].by", inPipeline("ordering: partition\nlimits: [{name: a, rate: 1/s, by: " + mark + "user}]"), "user does not go with ordering: partition"},
	{"pipelines[].limits[].max_keys", inPipeline("limits: [{name: a, rate: 1/s, by: user, max_keys: " + mark + "0}]"), "0 is out of range"},
	{"pipelines[].limits[].rate", inPipeline("breaker: {dependency: api}\nlimits: [{name: a, rate: 1/s, by: dependency}]") +
		"  - name: other\n    topics: [other]\n    handler: {http: {url: \"http://h\"}}\n    breaker: {dependency: api}\n    limits: [{name: a, by: dependency, rate: " + mark + "2/s}]\n", "a is 2/s with burst 0 here and 1/s with burst 0 in pipeline orders, and both share the limit of api"},

	// tenants and priority
	{"pipelines[].tenants", inPipeline("tenants: " + mark + "acme"), "tenants is a plain value; it holds the keys header, default_weight"},
	{"pipelines[].tenants.header", inPipeline("ordering: partition\ntenants: {header: " + mark + "t}"), "tenants.header does not go with ordering: partition"},
	{"pipelines[].tenants.header", inPipeline("tenants: {header: " + mark + "[t]}"), "a list is not text"},
	{"pipelines[].tenants.default_weight", inPipeline("tenants: {header: t, default_weight: " + mark + "0}"), "0 is out of range; want a number from 0.001 to 1000"},
	{"pipelines[].tenants.weights", inPipeline("tenants: {header: t, weights: {a: " + mark + "heavy}}"), `a: "heavy" is no number above 0; want a section of tenants and weights: weights: {acme: 3}`},
	{"pipelines[].tenants.weights", inPipeline("tenants: {header: t, weights: {a: " + mark + "[3]}}"), "a is a list, not a weight"},
	{"pipelines[].tenants.weights", inPipeline("tenants: {header: t, weights: " + mark + "3}"), "a plain value is no section of tenants and weights"},
	{"pipelines[].tenants.weights", inPipeline("tenants: {weights: " + mark + "{a: 3}}"), "tenants.weights is for a header; add header: redeliver-tenant beside it"},
	{"pipelines[].tenants.max_in_flight", inPipeline("tenants: {header: t, max_in_flight: " + mark + "-1}"), "-1 is out of range"},
	{"pipelines[].tenants.max_tenants", inPipeline("tenants: {header: t, max_tenants: " + mark + "0}"), "0 is out of range"},
	{"pipelines[].priority", inPipeline("priority: " + mark + "9"), "priority is a plain value; it holds the keys header, default"},
	{"pipelines[].priority.header", inPipeline("ordering: partition\npriority: {header: " + mark + "p}"), "priority.header does not go with ordering: partition"},
	{"pipelines[].priority.default", inPipeline("priority: {header: p, default: " + mark + "10}"), "10 is out of range; want a whole number from 0 to 9"},
	{"pipelines[].priority.ageing", inPipeline("priority: {header: p, ageing: " + mark + "0}"), "0s is out of range"},
	{"pipelines[].priority.default", inPipeline("priority: {default: " + mark + "5}"), "priority.default is for a header; add header: redeliver-priority beside it"},

	// handler
	{"pipelines[].handler", with("drain: 30s", `{http: {url: "http://127.0.0.1:9000/orders"}}`, mark+"http"), "handler is a plain value; it holds the keys timeout, http"},
	{"pipelines[].handler.timeout", with("drain: 31s", "{http:", "{timeout: "+mark+"31s, http:"), "handler.timeout, 31s, is not shorter than drain, 31s"},
	{"pipelines[].handler.timeout", with("drain: 31s", "{http:", "{timeout: "+mark+"soon, http:"), `"soon" is no duration; its units are d, h, m, s, ms; want a duration from 1ms to 1d: timeout: 25s`},
	{"pipelines[].handler.timeout", with("drain: 31s", "{http:", "{timeout: "+mark+"10 s, http:"), `"10 s" is no duration; did you mean 10s?`},
	{"pipelines[].handler.http", with("drain: 30s", `{url: "http://127.0.0.1:9000/orders"}`, mark+"\"http://h\""), "handler.http is a plain value; it holds the keys url, headers, batch"},
	{"pipelines[].handler.http.url", with("drain: 30s", `{url: "http://127.0.0.1:9000/orders"}`, "{url: "+mark+"127.0.0.1:9000}"), "handler.http.url"},
	{"pipelines[].handler.http.url", with("drain: 30s", `"http://127.0.0.1:9000/orders"`, mark+"ftp://h/x"), "it must begin with http:// or https:// and name a host"},
	{"pipelines[].handler.http.url", "kafka: {brokers: [a:1]}\npipelines:\n  - " + mark + "name: orders\n    topics: [orders]\n", `this pipeline lacks handler.http.url, an http or https URL; add handler: {http: {url: "http://127.0.0.1:9000/orders"}}`},
	{"pipelines[].handler.http.headers", with("drain: 30s", "{url:", "{headers: {a: b, "+mark+"Content-Length: 5}, url:"), "Content-Length is set by HTTP itself: leave it out"},
	{"pipelines[].handler.http.headers", with("drain: 30s", "{url:", "{headers: {"+mark+"Redeliver-Id: x}, url:"), "Redeliver-Id is set by Redeliver from the record: choose another name"},
	{"pipelines[].handler.http.url", with("drain: 30s", `"http://127.0.0.1:9000/orders"`, mark+"''"), "handler.http.url is missing: give the address that records are posted to, like http://127.0.0.1:9000/orders"},
	{"pipelines[].handler.http.headers", with("drain: 30s", "{url:", "{headers: {"+mark+"X-A: \"a\\nb\"}, url:"), "the value of X-A has a control character"},
	{"pipelines[].handler.http.headers", with("drain: 30s", "{url:", "{headers: {"+mark+"'a b': x}, url:"), "no legal name of an HTTP header"},
	{"pipelines[].handler.http.headers", with("drain: 30s", "{url:", "{headers: "+mark+"[a], url:"), "want a section of names and texts: headers: {Authorization"},
	{"pipelines[].handler.http.headers", with("drain: 30s", "{url:", "{headers: {a: "+mark+"[b]}, url:"), "want a section of names and texts"},
	{"pipelines[].handler.http.batch", with("drain: 30s", "{url:", "{batch: "+mark+"100, url:"), "handler.http.batch is a plain value; it holds the keys max"},
	{"pipelines[].handler.http.batch.max", with("drain: 30s", "{url:", "{batch: {max: "+mark+"0}, url:"), "0 is out of range; want a whole number from 1 to 10000: max: 1"},
	{"pipelines[].handler.http.batch.max", with("window: {records: 100}", "{url:", "{batch: {max: "+mark+"200}, url:"), "handler.http.batch.max, 200, is more than window.records, 100: such a batch could never be full"},

	// retry
	{"pipelines[].retry", inPipeline("retry: " + mark + "5"), "retry is a plain value; it holds the keys tiers, strategy"},
	{"pipelines[].retry.strategy", inPipeline("retry: {strategy: " + mark + "exponental}"), `"exponental" is unknown; did you mean exponential?`},
	{"pipelines[].retry.strategy", inPipeline("retry: {strategy: " + mark + "custom}"), "retry.strategy: custom needs the name of a registered strategy beside it; add custom: fibonacci, or another name: the registered ones are fibonacci"},
	{"pipelines[].retry.custom", inPipeline("retry: {strategy: custom, custom: " + mark + "fibonaci}"), `that calls retrytopics.Register); did you mean fibonacci?`},
	{"pipelines[].retry.custom", inPipeline("retry: {strategy: fixed, custom: " + mark + "fibonacci}"), "retry.custom does not apply to the strategy fixed: it is not one that is registered by name; remove it, or choose strategy: custom"},
	{"pipelines[].retry.tiers", inPipeline("retry: {tiers: [10s, " + mark + "1s]}"), "tiers ascend: 1s comes after 10s"},
	{"pipelines[].retry.tiers", inPipeline("retry: {tiers: [1s, " + mark + "1s]}"), "tiers ascend: 1s comes after 1s"},
	{"pipelines[].retry.tiers", inPipeline("retry: {tiers: [" + mark + "-1s, 1s]}"), "is no tier: want a whole number of milliseconds, at least 1ms"},
	{"pipelines[].retry.tiers", inPipeline("retry: {tiers: [1s, " + mark + "10]}"), `"10" has no unit; did you mean 10s?`},
	{"pipelines[].retry.tiers", inPipeline("retry: {tiers: [1s, " + mark + "[10s]]}"), "a list is no duration; want a list of ascending durations, or auto: tiers: [1s, 10s, 60s]"},
	{"pipelines[].retry.tiers", inPipeline("retry: {tiers: " + mark + "[]}"), "the list is empty; want a list of ascending durations, or auto"},
	{"pipelines[].retry.tiers", inPipeline("retry: {tiers: [1s, " + mark + "31d]}"), "744h is too long, at most 30 days (720h)"},
	{"pipelines[].retry.tiers", inPipeline("retry: {strategy: fixed, initial_delay: 1s, tiers: " + mark + "[" + manyTiers + "]}"), "33 tiers are too many, at most 32: every tier is a topic for each source"},
	{"pipelines[].retry.tiers", inPipeline("retry: {tiers: " + mark + "1s}"), `"1s" is neither a list nor auto; want`},
	{"pipelines[].retry.tiers", inPipeline("retry: {tiers: " + mark + "{a: 1s}}"), "a section of keys is no list of durations"},
	{"pipelines[].retry.tiers", inPipeline("retry: {tiers: " + mark + "auto}"), "auto makes tiers of a strategy's delays, and the delays of tiered are the tiers; name them: [1s, 10s, 60s], or choose strategy: exponential"},
	{"pipelines[].retry.tiers", inPipeline("retry: {strategy: linear, tiers: " + mark + "auto, max_retries: 50, max_delay: 1h}"), "auto would make 50 tiers, at most 32"},
	{"pipelines[].retry.max_retries", inPipeline("retry: {max_retries: " + mark + "-1}"), "-1 is out of range; want a whole number from 0 to 1000: max_retries: 3"},
	{"pipelines[].retry.initial_delay", inPipeline("retry: {initial_delay: " + mark + "2s}"), "retry.initial_delay does not apply to the strategy tiered (the default): its delays are the tiers; remove it, or choose strategy: exponential or linear or fixed"},
	{"pipelines[].retry.initial_delay", inPipeline("retry: {strategy: fixed, initial_delay: " + mark + "5m}"), "above max_delay"},
	{"pipelines[].retry.multiplier", inPipeline("retry: {strategy: fixed, multiplier: " + mark + "2}"), "retry.multiplier does not apply to the strategy fixed: its delay does not grow; remove it, or choose strategy: exponential"},
	{"pipelines[].retry.multiplier", inPipeline("retry: {strategy: exponential, multiplier: " + mark + "0.5}"), "0.5 is out of range; want a number from 1 to 1000: multiplier: 3"},
	{"pipelines[].retry.backoff_factor", inPipeline("retry: {strategy: exponential, backoff_factor: " + mark + "2}"), "retry.backoff_factor does not apply to the strategy exponential: it grows by multiplier; remove it, or choose strategy: linear"},
	{"pipelines[].retry.backoff_factor", inPipeline("retry: {strategy: linear, backoff_factor: " + mark + "lots}"), `"lots" is no number; want a number above 0, up to 1000: backoff_factor: 1.5`},
	{"pipelines[].retry.min_delay", inPipeline("retry: {strategy: immediate, min_delay: " + mark + "1s}"), "retry.min_delay does not apply to the strategy immediate: it has no delay"},
	{"pipelines[].retry.min_delay", inPipeline("retry: {strategy: linear, min_delay: " + mark + "10s, max_delay: 5s}"), "10s is above max_delay, 5s"},
	{"pipelines[].retry.min_delay", inPipeline("retry: {min_delay: " + mark + "5s}"), "5s is above the shortest tier, 1s: no record would wait that tier alone; lower it or leave the tier out"},
	{"pipelines[].retry.max_delay", inPipeline("retry: {max_delay: " + mark + "5s}"), "5s is below the longest tier, 60s"},
	{"pipelines[].retry.max_delay", inPipeline("retry: {strategy: fixed, max_delay: " + mark + "60d}"), "60d is out of range; want a duration from 1ms to 30d: max_delay: 60s"},
	{"pipelines[].retry.jitter", inPipeline("retry: {jitter: " + mark + "25%}"), "want true or false: jitter: true"},
	{"pipelines[].retry.total_timeout", inPipeline("retry: {total_timeout: " + mark + "never}"), `"never" is no duration; its units are d, h, m, s, ms; want a duration from 0s to 3650d: total_timeout: 1h`},
	{"pipelines[].retry.in_place", inPipeline("retry: {in_place: " + mark + "3}"), "retry.in_place is a plain value; it holds the keys max, delay"},
	{"pipelines[].retry.in_place.max", inPipeline("retry: {in_place: {max: " + mark + "11}}"), "11 is out of range; want a whole number from 0 to 10"},
	{"pipelines[].retry.in_place.max", inPipeline("retry: {max_retries: 0, in_place: {max: " + mark + "2}}"), "tries on the spot are retries, and max_retries allows none"},
	{"pipelines[].retry.adaptive", inPipeline("retry: {adaptive: " + mark + "true}"), "retry.adaptive is a plain value; it holds the keys enabled, attempt_cost, half_life, minimum"},
	{"pipelines[].retry.adaptive.enabled", inPipeline("retry: {adaptive: {enabled: " + mark + "yess}}"), "yess"},
	{"pipelines[].retry.adaptive.attempt_cost", inPipeline("retry: {adaptive: {enabled: true, attempt_cost: " + mark + "0}}"), "0 is out of range"},
	{"pipelines[].retry.adaptive.half_life", inPipeline("retry: {adaptive: {enabled: true, half_life: " + mark + "1s}}"), "1s is out of range; want a duration from 60s to 3650d: half_life: 1d"},
	{"pipelines[].retry.adaptive.minimum", inPipeline("retry: {adaptive: {enabled: true, minimum: " + mark + "0}}"), "0 is out of range; want a whole number from 1 to 100000: minimum: 10"},
	{"pipelines[].retry.in_place.delay", inPipeline("retry: {in_place: {max: 2, delay: " + mark + "2m}}"), "2m is out of range; want a duration from 1ms to 60s: delay: 50ms"},
	{"pipelines[].retry.hold_key", inPipeline("retry: {hold_key: " + mark + "true}"), "retry.hold_key needs delivery: exactly_once_routing, for else"},
	{"pipelines[].retry.hold_key", inPipeline("delivery: exactly_once_routing\nordering: none\nretry: {hold_key: " + mark + "true}"), "and ordering is none; write ordering: key, or hold_key: false"},
	{"pipelines[].retry.hold_key", inPipeline("delivery: exactly_once_routing\ngroup_protocol: consumer\nretry: {hold_key: " + mark + "true}"), "write group_protocol: classic, or hold_key: false"},
	{"pipelines[].retry.on_dead_letter", inPipeline("retry: {on_dead_letter: " + mark + "hold}"), "retry.on_dead_letter: hold needs hold_key: true, for without it nothing waits behind a record"},
	{"pipelines[].retry.on_dead_letter", inPipeline("delivery: exactly_once_routing\ndlq: {enabled: false}\nretry: {hold_key: true, on_dead_letter: " + mark + "hold}"), "and dlq.enabled is false; enable them, or write on_dead_letter: release"},
	{"pipelines[].retry.on_dead_letter", inPipeline("delivery: exactly_once_routing\ndlq: {retention: 7d}\nretry: {hold_key: true, on_dead_letter: " + mark + "hold}"), "write retention: -1, or on_dead_letter: release"},
	{"pipelines[].retry.on_dead_letter", inPipeline("retry: {on_dead_letter: " + mark + "keep}"), "keep"},
	{"pipelines[].retry.topic", inPipeline("retry: {topic: " + mark + "'{group}.retry'}"), "{delay}"},
	{"pipelines[].retry.topic", inPipeline("retry: {topic: " + mark + "''}"), `retry.topic is empty; write a template like "{group}.{topic}.retry-{delay}", or remove the key`},
	{"pipelines[].retry.topic", with("retry: {topic: "+mark+"'{group}.retry-{delay}'}", "[orders]", "[orders, clicks]"), "{topic}"},
	{"pipelines[].retry.overrides", inPipeline("retry: {overrides: " + mark + "{class: network}}"), "retry.overrides is a section of keys, not a list; begin each element with a dash"},
	{"pipelines[].retry.overrides", inPipeline("retry: {overrides: [" + mark + "{max_retries: 2}]}"), "matches nothing by itself: set class, status, topic, or job_type"},
	{"pipelines[].retry.overrides", inPipeline("retry: {overrides: [{class: network}, " + mark + "{class: network}]}"), "never applies: overrides[0] matches the same (network) and comes first"},
	{"pipelines[].retry.overrides", inPipeline("retry: {overrides: [{class: network}, " + mark + "{class: network, topic: orders}]}"), "never applies: overrides[0] (network) matches all of network+topic:orders and comes first; put the narrower one first"},
	{"pipelines[].retry.overrides[].class", inPipeline("retry: {overrides: [{class: " + mark + "rate-limit}]}"), `"rate-limit" is unknown; did you mean rate_limited?`},
	{"pipelines[].retry.overrides[].status", inPipeline("retry: {overrides: [{status: " + mark + "42}]}"), `"42" is no HTTP status; want an HTTP status, all of a hundred, like 5xx, or a list of these: status: 429`},
	{"pipelines[].retry.overrides[].status", inPipeline("retry: {overrides: [{status: [409, " + mark + "6xx]}]}"), `"6xx" is no HTTP status; want`},
	{"pipelines[].retry.overrides[].status", inPipeline("retry: {overrides: [{status: " + mark + "[]}]}"), "the list is empty; want"},
	{"pipelines[].retry.overrides[].status", inPipeline("retry: {overrides: [{status: " + mark + "{a: 1}}]}"), "a section of keys is no HTTP status; want"},
	{"pipelines[].retry.overrides[].status", inPipeline("retry: {overrides: [{status: 5xx}, " + mark + "{status: 503}]}"), "never applies: overrides[0] (5xx) matches all of 503 and comes first; put the narrower one first"},
	{"pipelines[].retry.overrides[].status", inPipeline("retry: {overrides: [" + mark + "{status: [" + everyOther + "]}]}"), "is too long to be counted by, 999 bytes of at most 300: name fewer statuses, or whole hundreds like 5xx"},
	{"pipelines[].retry.overrides[].job_type", inPipeline("retry: {overrides: [{job_type: " + mark + "'a,b'}]}"), "cannot be counted by: want at most 64 printable bytes without ',' and '='"},
	{"pipelines[].retry.overrides[].user", inPipeline("retry: {overrides: [{user: " + mark + "a=b}]}"), "cannot be counted by"},
	{"pipelines[].retry.overrides[].project", inPipeline("retry: {overrides: [{project: " + mark + "[a]}]}"), "a list is not text"},
	{"pipelines[].retry.overrides[].tenant", inPipeline("retry: {overrides: [{tenant: " + mark + "'a=b'}]}"), "cannot be counted by"},
	{"pipelines[].retry.overrides[].total_timeout", inPipeline("retry: {overrides: [{class: network, total_timeout: " + mark + "5}]}"), `"5" has no unit; did you mean 5s?`},
	{"pipelines[].retry.overrides[].custom", inPipeline("retry: {overrides: [{class: network, strategy: custom, custom: " + mark + "x}]}"), `no strategy is registered as "x" (one of your own is built into the binary, by a file in cmd/redeliver that calls retrytopics.Register); the registered ones are fibonacci`},
	{"pipelines[].retry.overrides[].topic", inPipeline("retry: {overrides: [{topic: " + mark + "order}]}"), `the pipeline does not read the topic "order"; did you mean orders?`},
	{"pipelines[].retry.overrides[].topic", inPipeline("retry: {overrides: [{topic: " + mark + "payments}]}"), `its topics are orders`},
	{"pipelines[].retry.overrides[].strategy", inPipeline("retry: {overrides: [{class: network, strategy: " + mark + "random}]}"), `"random" is unknown; want one of tiered, exponential, linear, fixed, immediate, custom`},
	{"pipelines[].retry.overrides[].max_retries", inPipeline("retry: {overrides: [{class: network, max_retries: " + mark + "5000}]}"), "5000 is out of range; want a whole number from 0 to 1000"},
	{"pipelines[].retry.overrides[].initial_delay", inPipeline("retry: {overrides: [{class: network, initial_delay: " + mark + "1s}]}"), "retry.overrides[0].initial_delay does not apply to the strategy tiered (the pipeline's): its delays are the tiers; remove it, or choose strategy: exponential or linear or fixed"},
	{"pipelines[].retry.overrides[].initial_delay", inPipeline("retry: {overrides: [{class: network, strategy: fixed, initial_delay: " + mark + "2m}]}"), "2m is above max_delay, 60s"},
	{"pipelines[].retry.overrides[].multiplier", inPipeline("retry: {overrides: [{class: network, strategy: linear, multiplier: " + mark + "3}]}"), "does not apply to the strategy linear: it grows by backoff_factor"},
	{"pipelines[].retry.overrides[].backoff_factor", inPipeline("retry: {overrides: [{class: network, strategy: immediate, backoff_factor: " + mark + "3}]}"), "does not apply to the strategy immediate: it has no delay"},
	{"pipelines[].retry.overrides[].min_delay", inPipeline("retry: {overrides: [{class: network, strategy: linear, min_delay: " + mark + "2m}]}"), "2m is above max_delay, 60s"},
	{"pipelines[].retry.overrides[].max_delay", inPipeline("retry: {overrides: [{class: network, max_delay: " + mark + "1}]}"), `"1" has no unit; did you mean 1s?`},
	{"pipelines[].retry.overrides[].jitter", inPipeline("retry: {jitter: false, overrides: [{class: network, jitter: " + mark + "true}]}"), "cannot turn on what retry.jitter turns off for the whole pipeline; remove jitter: false there, and write it in the overrides that want none"},

	// classify
	{"pipelines[].classify", inPipeline("classify: " + mark + "[]"), "classify is a list; it holds the keys rules, classes, notify"},
	{"pipelines[].classify.rules", inPipeline("classify: {rules: " + mark + "network}"), "classify.rules is a plain value, not a list; begin each element with a dash"},
	{"pipelines[].classify.rules", inPipeline("classify: {rules: [" + mark + "{class: network}]}"), "classify.rules[0] matches nothing; add match: a regular expression over the error's text, or another condition: match, type, status, grpc, sqlstate, header, job_type, user, project, tenant, topic, dependency, when"},
	{"pipelines[].classify.rules", inPipeline("classify: {rules: [{" + mark + "statuss: 409, class: network}]}"), "has no key \"statuss\"; did you mean status?"},
	{"pipelines[].classify.rules[].match", inPipeline("classify: {rules: [{match: " + mark + "'a(b', class: network}]}"), "classify.rules[0].match is no regular expression: missing closing )"},
	{"pipelines[].classify.rules[].type", inPipeline("classify: {rules: [{type: " + mark + "'net OpError', class: network}]}"), `classify.rules[0].type: "net OpError" is no name of a Go type; write it as dead letters show it, like *net.OpError, or a pattern, like *net.*`},
	{"pipelines[].classify.rules[].status", inPipeline("classify: {rules: [{status: " + mark + "5x, class: network}]}"), `"5x" is no HTTP status; want an HTTP status, all of a hundred, like 5xx, or a list of these: status: 409`},
	{"pipelines[].classify.rules[].grpc", inPipeline("classify: {rules: [{grpc: " + mark + "unavailable, class: network}]}"), `classify.rules[0].grpc: unknown gRPC status "unavailable": did you mean UNAVAILABLE?`},
	{"pipelines[].classify.rules[].grpc", inPipeline("classify: {rules: [{grpc: [ABORTED, " + mark + "OK], class: network}]}"), `unknown gRPC status "OK": the statuses are CANCELLED, UNKNOWN`},
	{"pipelines[].classify.rules[].sqlstate", inPipeline("classify: {rules: [{sqlstate: " + mark + "4000, class: network}]}"), `classify.rules[0].sqlstate: "4000" is no SQLSTATE: give five digits and capital letters, like 40001, or the first two for a whole group, like 40`},
	{"pipelines[].classify.rules[].header", inPipeline("classify: {rules: [{header: " + mark + "region, class: network}]}"), `a plain value is no section of names and texts; want a section of header names and regular expressions: header: {region: "^eu-"}`},
	{"pipelines[].classify.rules[].header", inPipeline("classify: {rules: [{header: {region: " + mark + "'(', zone: a}, class: network}]}"), "classify.rules[0].header.region is no regular expression: missing closing )"},
	{"pipelines[].classify.rules[].header", inPipeline("classify: {rules: [{header: {redeliver-attempt: " + mark + "'1'}, class: network}]}"), "classify.rules[0].header: redeliver-attempt is Redeliver's own, which says something else on every attempt; name a header of the producer's"},
	{"pipelines[].classify.rules[].header", inPipeline("classify: {rules: [{header: " + mark + "{'': a}, class: network}]}"), "classify.rules[0].header: a name is empty; write the name of a header"},
	{"pipelines[].classify.rules[].job_type", inPipeline("classify: {rules: [{job_type: " + mark + "'', class: network}]}"), "classify.rules[0].job_type is empty; write what it has to be, or remove the key"},
	{"pipelines[].classify.rules[].user", inPipeline("classify: {rules: [{user: [a, " + mark + "''], class: network}]}"), "classify.rules[0].user is empty"},
	{"pipelines[].classify.rules[].project", inPipeline("classify: {rules: [{project: " + mark + "[], class: network}]}"), "the list is empty; want a text, or a list of texts: project: p-4"},
	{"pipelines[].classify.rules[].tenant", inPipeline("classify: {rules: [{tenant: " + mark + "{a: b}, class: network}]}"), "a section of keys is no list; want a text, or a list of texts: tenant: acme"},
	{"pipelines[].classify.rules[].topic", inPipeline("classify: {rules: [{topic: " + mark + "order, class: network}]}"), `classify.rules[0].topic: the pipeline does not read the topic "order"; did you mean orders?`},
	{"pipelines[].classify.rules[].topic", inPipeline("classify: {rules: [{topic: [orders, " + mark + "payments], class: network}]}"), `its topics are orders`},
	{"pipelines[].classify.rules[].dependency", inPipeline("classify: {rules: [{dependency: " + mark + "'', class: network}]}"), "classify.rules[0].dependency is empty"},
	{"pipelines[].classify.rules[].when", inPipeline("classify: {rules: [{when: " + mark + "statuss == 503, class: network}]}"), `classify.rules[0].when: "statuss" is unknown; did you mean status?`},
	{"pipelines[].classify.rules[].when", inPipeline("classify:\n  rules:\n    - when: 'status == 503 and " + mark + "shade == 1'\n      class: network"), `classify.rules[0].when: "shade" is unknown; the names are attempt, class, dependency`},
	{"pipelines[].classify.rules[].when", inPipeline("classify:\n  rules:\n    - when: |\n        status == 503\n          and " + mark + "tenantt == 'a'\n      class: network"), `"tenantt" is unknown; did you mean tenant?`},
	{"pipelines[].classify.rules[].when", inPipeline("classify:\n  rules:\n    - when: " + mark + ">\n        status ==\n        503 and x\n      class: network"), `(line 1, column 19 of the expression)`},
	{"pipelines[].classify.rules[].when", inPipeline("classify: {rules: [{when: \"status " + mark + "== 'x'\", class: network}]}"), "classify.rules[0].when: invalid operation: == (mismatched types int and string)"},
	{"pipelines[].classify.rules[].when", inPipeline("classify: {rules: [{when: status " + mark + "= 503, class: network}]}"), "classify.rules[0].when: = compares nothing; write == for equal"},
	{"pipelines[].classify.rules[].when", inPipeline("classify: {rules: [{when: " + mark + "status, class: network}]}"), "expected bool, but got int"},
	{"pipelines[].classify.rules[].when", inPipeline("classify: {rules: [{when: " + mark + "'', class: network}]}"), "the expression is empty; write one like 'status in 500..599"},
	{"pipelines[].classify.rules[].class", inPipeline("classify: {rules: [{match: x, class: " + mark + "netwrok}]}"), `"netwrok" is unknown; did you mean network?`},
	{"pipelines[].classify.rules[].class", inPipeline("classify: {rules: [" + mark + "{match: x}]}"), "classify.rules[0] lacks class, one of transient, rate_limited, network"},
	{"pipelines[].classify.rules[].severity", inPipeline("classify: {rules: [{match: x, class: network, severity: " + mark + "urgent}]}"), `"urgent" is unknown; want one of low, medium, high, critical: severity: high`},
	{"pipelines[].classify.rules[].handling", inPipeline("classify: {rules: [{match: x, class: network, handling: " + mark + "dead-letter}]}"), `"dead-letter" is unknown; did you mean dead_letter?`},
	{"pipelines[].classify.rules[].handling", inPipeline("dlq: {enabled: false}\nclassify: {rules: [{match: x, class: network, handling: " + mark + "dead_letter}]}"), "classify.rules[0].handling: no dead letters are kept (dlq.enabled: false); write hold or drop, or enable them"},
	{"pipelines[].classify.rules", inPipeline("classify: {rules: [{match: x, class: network}, " + mark + "{tenant: a, match: x, class: system}]}"), `classify.rules[1] never applies: classify.rules[0] (match "x") matches all that it matches and comes first; put the narrower one first, or remove one`},
	{"pipelines[].classify.rules[].notify", inPipeline("classify: {rules: [{match: x, class: network, notify: " + mark + "true}]}"), `classify.rules[0].notify: nobody is there to be told; add classify: {notify: {url: "http://127.0.0.1:9000/notices"}}, or write notify: false`},
	{"pipelines[].classify.classes", inPipeline("classify: {classes: " + mark + "[network]}"), "classify.classes is a list; it holds the keys transient, rate_limited, network"},
	{"pipelines[].classify.classes", inPipeline("classify: {classes: {" + mark + "auth: {handling: hold}}}"), `classify.classes has no key "auth"; did you mean authentication?`},
	{"pipelines[].classify.classes.transient", inPipeline("classify: {classes: {transient: " + mark + "hold}}"), "classify.classes.transient is a plain value; it holds the keys severity, handling, notify"},
	{"pipelines[].classify.classes.transient.severity", inPipeline("classify: {classes: {transient: {severity: " + mark + "hihg}}}"), `"hihg" is unknown; did you mean high?`},
	{"pipelines[].classify.classes.transient.handling", inPipeline("classify: {classes: {transient: {handling: " + mark + "ignore}}}"), `"ignore" is unknown; want one of retry, dead_letter, hold, drop: handling: hold`},
	{"pipelines[].classify.classes.transient.notify", inPipeline("classify: {classes: {transient: {notify: " + mark + "yes}}}"), "did you mean true?"},
	{"pipelines[].classify.classes.rate_limited", inPipeline("classify: {classes: {rate_limited: " + mark + "hold}}"), "classify.classes.rate_limited is a plain value; it holds the keys severity, handling, notify"},
	{"pipelines[].classify.classes.rate_limited.severity", inPipeline("classify: {classes: {rate_limited: {severity: " + mark + "hihg}}}"), `"hihg" is unknown; did you mean high?`},
	{"pipelines[].classify.classes.rate_limited.handling", inPipeline("classify: {classes: {rate_limited: {handling: " + mark + "ignore}}}"), `"ignore" is unknown; want one of retry, dead_letter, hold, drop: handling: hold`},
	{"pipelines[].classify.classes.rate_limited.notify", inPipeline("classify: {classes: {rate_limited: {notify: " + mark + "yes}}}"), "did you mean true?"},
	{"pipelines[].classify.classes.network", inPipeline("classify: {classes: {network: " + mark + "hold}}"), "classify.classes.network is a plain value; it holds the keys severity, handling, notify"},
	{"pipelines[].classify.classes.network.severity", inPipeline("classify: {classes: {network: {severity: " + mark + "hihg}}}"), `"hihg" is unknown; did you mean high?`},
	{"pipelines[].classify.classes.network.handling", inPipeline("classify: {classes: {network: {handling: " + mark + "ignore}}}"), `"ignore" is unknown; want one of retry, dead_letter, hold, drop: handling: hold`},
	{"pipelines[].classify.classes.network.handling", inPipeline("dlq: {enabled: false}\nclassify: {classes: {network: {handling: " + mark + "dead_letter}}}"), "classify.classes.network.handling: no dead letters are kept (dlq.enabled: false)"},
	{"pipelines[].classify.classes.network.notify", inPipeline("classify: {classes: {network: {notify: " + mark + "yes}}}"), "did you mean true?"},
	{"pipelines[].classify.classes.system", inPipeline("classify: {classes: {system: " + mark + "hold}}"), "classify.classes.system is a plain value; it holds the keys severity, handling, notify"},
	{"pipelines[].classify.classes.system.severity", inPipeline("classify: {classes: {system: {severity: " + mark + "hihg}}}"), `"hihg" is unknown; did you mean high?`},
	{"pipelines[].classify.classes.system.handling", inPipeline("classify: {classes: {system: {handling: " + mark + "ignore}}}"), `"ignore" is unknown; want one of retry, dead_letter, hold, drop: handling: hold`},
	{"pipelines[].classify.classes.system.notify", inPipeline("classify: {classes: {system: {notify: " + mark + "yes}}}"), "did you mean true?"},
	{"pipelines[].classify.classes.permanent", inPipeline("classify: {classes: {permanent: " + mark + "hold}}"), "classify.classes.permanent is a plain value; it holds the keys severity, handling, notify"},
	{"pipelines[].classify.classes.permanent.severity", inPipeline("classify: {classes: {permanent: {severity: " + mark + "hihg}}}"), `"hihg" is unknown; did you mean high?`},
	{"pipelines[].classify.classes.permanent.handling", inPipeline("classify: {classes: {permanent: {handling: " + mark + "ignore}}}"), `"ignore" is unknown; want one of retry, dead_letter, hold, drop: handling: hold`},
	{"pipelines[].classify.classes.permanent.notify", inPipeline("classify: {classes: {permanent: {notify: " + mark + "yes}}}"), "did you mean true?"},
	{"pipelines[].classify.classes.validation", inPipeline("classify: {classes: {validation: " + mark + "hold}}"), "classify.classes.validation is a plain value; it holds the keys severity, handling, notify"},
	{"pipelines[].classify.classes.validation.severity", inPipeline("classify: {classes: {validation: {severity: " + mark + "hihg}}}"), `"hihg" is unknown; did you mean high?`},
	{"pipelines[].classify.classes.validation.handling", inPipeline("classify: {classes: {validation: {handling: " + mark + "ignore}}}"), `"ignore" is unknown; want one of retry, dead_letter, hold, drop: handling: hold`},
	{"pipelines[].classify.classes.validation.notify", inPipeline("classify: {classes: {validation: {notify: " + mark + "yes}}}"), "did you mean true?"},
	{"pipelines[].classify.classes.authentication", inPipeline("classify: {classes: {authentication: " + mark + "hold}}"), "classify.classes.authentication is a plain value; it holds the keys severity, handling, notify"},
	{"pipelines[].classify.classes.authentication.severity", inPipeline("classify: {classes: {authentication: {severity: " + mark + "hihg}}}"), `"hihg" is unknown; did you mean high?`},
	{"pipelines[].classify.classes.authentication.handling", inPipeline("classify: {classes: {authentication: {handling: " + mark + "ignore}}}"), `"ignore" is unknown; want one of retry, dead_letter, hold, drop: handling: hold`},
	{"pipelines[].classify.classes.authentication.notify", inPipeline("classify: {classes: {authentication: {notify: " + mark + "yes}}}"), "did you mean true?"},
	{"pipelines[].classify.classes.network.notify", inPipeline("classify: {classes: {network: {notify: " + mark + "true}}}"), "classify.classes.network.notify: nobody is there to be told"},
	{"pipelines[].classify.notify", inPipeline("classify: {notify: " + mark + "true}"), "classify.notify is a plain value; it holds the keys url, headers, timeout"},
	{"pipelines[].classify.notify.url", inPipeline("classify: {notify: {url: " + mark + "localhost}}"), "it must begin with http:// or https:// and name a host"},
	{"pipelines[].classify.notify.url", inPipeline("classify: {notify: {url: " + mark + "''}}"), "classify.notify.url is empty; write the address that notices are posted to, or remove the key"},
	{"pipelines[].classify.notify.headers", inPipeline("classify: {notify: {url: \"http://h/\", headers: " + mark + "[a]}}"), "want a section of names and texts"},
	{"pipelines[].classify.notify.timeout", inPipeline("classify: {notify: {timeout: " + mark + "2m}}"), "2m is out of range; want a duration from 1ms to 60s: timeout: 5s"},

	// breaker
	{"pipelines[].breaker", inPipeline("breaker: " + mark + "false"), "breaker is a plain value; it holds the keys enabled, mode, dependency"},
	{"pipelines[].breaker.enabled", inPipeline("breaker: {enabled: " + mark + "on}"), "did you mean true?"},
	{"pipelines[].breaker.dependency", inPipeline("breaker: {dependency: " + mark + "''}"), "breaker.dependency is empty; name what the handler calls, or remove the key"},
	{"pipelines[].breaker.dependency", inPipeline("breaker: {dependency: api}") + "  - name: other\n    topics: [other]\n    handler: {http: {url: \"http://h\"}}\n    breaker: {dependency: api, open_for: " + mark + "5s}\n", "breaker.open_for is 5s here and 30s in pipeline orders, and both share the breaker of api; write the same in both, or in defaults:"},
	{"pipelines[].breaker.scope", inPipeline("breaker: {scope: " + mark + "flet}"), "did you mean fleet?"},
	{"pipelines[].breaker.window", inPipeline("breaker: {window: " + mark + "1ms}"), "1ms is out of range; want a duration from 100ms to 1d, or a number of calls from 1 to 1000000: window: 30s"},
	{"pipelines[].breaker.window", inPipeline("breaker: {window: " + mark + "0}"), "0 calls are out of range"},
	{"pipelines[].breaker.window", inPipeline("breaker: {window: " + mark + "long}"), `"long" is no duration`},
	{"pipelines[].breaker.minimum_calls", inPipeline("breaker: {window: 10, minimum_calls: " + mark + "20}"), "breaker.minimum_calls, 20, is more than the 10 calls that breaker.window holds: the breaker would never open; lower it or raise window"},
	{"pipelines[].breaker.failures", inPipeline("breaker: {failures: " + mark + "-1}"), "-1 is out of range; want a whole number from 0"},
	{"pipelines[].breaker.failure_rate", inPipeline("breaker: {failure_rate: " + mark + "1.5}"), "1.5 is out of range; want a number above 0, up to 1: failure_rate: 0.5"},
	{"pipelines[].breaker.slow_call", inPipeline("breaker: {slow_call: " + mark + "5}"), `"5" has no unit; did you mean 5s?`},
	{"pipelines[].breaker.slow_rate", inPipeline("breaker: {slow_rate: " + mark + "100%}"), "did you mean 1?"},
	{"pipelines[].breaker.open_for", inPipeline("breaker: {open_for: " + mark + "0s}"), "0s is out of range; want a duration from 10ms to 1d: open_for: 30s"},
	{"pipelines[].breaker.half_open_calls", inPipeline("breaker: {half_open_calls: " + mark + "0}"), "0 is out of range; want a whole number from 1 to 10000: half_open_calls: 3"},
	{"pipelines[].breaker.mode", inPipeline("breaker: {mode: " + mark + "metrics-only}"), `"metrics-only" is unknown; did you mean metrics_only?`},
	{"pipelines[].breaker.mode", inPipeline("breaker: {enabled: false, mode: " + mark + "metrics_only}"), "breaker.mode: metrics_only and enabled: false contradict one another; remove one of them"},
	{"pipelines[].breaker.open_multiplier", inPipeline("breaker: {open_multiplier: " + mark + "0.5}"), "0.5 is out of range; want a number from 1 to 100: open_multiplier: 2"},
	{"pipelines[].breaker.open_max", inPipeline("breaker: {open_multiplier: 2, open_max: " + mark + "10s}"), "breaker.open_max, 10s, is below open_for, 30s (the default): raise it, or lower open_for"},
	{"pipelines[].breaker.open_jitter", inPipeline("breaker: {open_jitter: " + mark + "25%}"), "did you mean 0.25?"},
	{"pipelines[].breaker.half_open_for", inPipeline("breaker: {half_open_for: " + mark + "20s}"), "breaker.half_open_for, 20s, must be longer than handler.timeout, 25s (the default)"},
	{"pipelines[].breaker.slow_start", inPipeline("breaker: {slow_start: " + mark + "10}"), `"10" has no unit; did you mean 10s?`},
	{"pipelines[].breaker.ignore", inPipeline("breaker: {ignore: [" + mark + "sytem]}"), `breaker.ignore: there is no class "sytem"; did you mean system?`},
	{"pipelines[].breaker.ignore", inPipeline("breaker: {classes: [network], ignore: " + mark + "[system]}"), "breaker.ignore and breaker.classes say the same thing in two ways: remove one of them"},
	{"pipelines[].breaker.ignore", inPipeline("breaker: {ignore: " + mark + "[transient, rate_limited, network, system, authentication]}"), "breaker.ignore names every class that counts: the breaker would never open"},
	{"pipelines[].breaker.by", inPipeline("breaker: {by: " + mark + "customer}"), `breaker.by: "customer" is none of tenant, header:NAME, host:NAME`},
	{"pipelines[].breaker.by", inPipeline("breaker: {by: " + mark + "host}"), "breaker.by: host needs the name of a header; write for example by: host:x-callback-url"},
	{"pipelines[].breaker.parts", inPipeline("breaker: {by: tenant, parts: " + mark + "0}"), "0 is out of range; want a whole number from 1 to 100000: parts: 1000"},
	{"pipelines[].breakers", inPipeline("breakers: " + mark + "ledger"), "breakers is a plain value, not a list; begin each element with a dash"},
	{"pipelines[].breakers[].dependency", inPipeline("breakers: [" + mark + "{failures: 3}]"), "breakers[0] lacks dependency"},
	{"pipelines[].breakers[].dependency", inPipeline("breaker: {dependency: api}\nbreakers: [{dependency: " + mark + "api}]"), `breakers: the dependency "api" is there twice, or is that of breaker`},
	{"pipelines[].breakers[].dependency", inPipeline("breakers: [{dependency: " + mark + "''}]"), "breakers: dependency is empty; name what the handler calls, as Redeliver-Dependency does"},
	{"pipelines[].breakers", inPipeline("breakers: " + mark + "[{dependency: d0}, {dependency: d1}, {dependency: d2}, {dependency: d3}, {dependency: d4}, {dependency: d5}, {dependency: d6}, {dependency: d7}, {dependency: d8}, {dependency: d9}, {dependency: d10}, {dependency: d11}, {dependency: d12}, {dependency: d13}, {dependency: d14}, {dependency: d15}]"), "breakers: 16 are too many; give at most 15"},
	{"pipelines[].breaker.by", inPipeline("breaker: {scope: fleet, by: " + mark + "tenant}"), "breaker.by and scope: fleet do not go together: parts are watched by each process for itself; remove one of them"},
	{"pipelines[].breakers[].open_max", inPipeline("breakers: [{dependency: ledger, open_max: " + mark + "1s}]"), "breaker.open_max, 1s, is below open_for, 30s"},
	{"pipelines[].breakers[].open_for", inPipeline("breakers: [{dependency: api}]") + "  - name: other\n    topics: [other]\n    handler: {http: {url: \"http://h\"}}\n    breaker: {dependency: api, open_for: " + mark + "5s}\n", "breaker.open_for is 5s here and 30s in pipeline orders, and both share the breaker of api"},
	{"pipelines[].breaker.classes", inPipeline("breaker: {classes: [network, " + mark + "timeouts]}"), `there is no class "timeouts"; the classes are transient, rate_limited, network`},
	{"pipelines[].breaker.classes", inPipeline("breaker: {classes: [" + mark + "sytem]}"), `there is no class "sytem"; did you mean system?`},
	{"pipelines[].breaker.classes", inPipeline("breaker: {classes: " + mark + "[]}"), "breaker.classes is empty: the breaker would never open; name the classes that count, or write enabled: false beside it"},

	// dlq
	{"pipelines[].dlq", inPipeline("dlq: " + mark + "dead"), "dlq is a plain value; it holds the keys enabled, exhausted, topic"},
	{"pipelines[].dlq.enabled", inPipeline("dlq: {enabled: " + mark + "no}"), "did you mean false?"},
	{"pipelines[].dlq.exhausted", inPipeline("dlq: {exhausted: " + mark + "drop}"), "drop has no effect while there is a dead-letter topic; write enabled: false beside it, or remove it"},
	{"pipelines[].dlq.topic", inPipeline("dlq: {topic: " + mark + "'dead'}"), "{group}"},
	{"pipelines[].dlq.topic", inPipeline("dlq: {topic: " + mark + "'{group}.{topic}.retry-1s'}"), "makes names that \"{group}.{topic}.retry-{delay}\" makes too"},
	{"pipelines[].dlq.topic", inPipeline("dlq: {topic: " + mark + "'{group}.{topic}.{group}'}"), "has {group} 2 times, once is enough"},
	{"pipelines[].dlq.topic", inPipeline("dlq: {topic: " + mark + "'{group}.{topic}.{delay}'}"), "a dead letter has no {delay}"},
	{"pipelines[].dlq.topic", inPipeline("dlq: {topic: " + mark + "'{group}.{topic}.{name}'}"), "only {group}, {topic} and {delay} may stand in braces"},
	{"pipelines[].dlq.topic", inPipeline("dlq: {topic: " + mark + "'{group}/{topic}'}"), `"/" may not stand in the name of a topic`},
	{"pipelines[].dlq.topic", inPipeline("dlq: {topic: " + mark + "'{group}{topic}'}"), "put a separator between the braces, or names could not be told apart"},
	{"pipelines[].dlq.topic", inPipeline("dlq: {topic: " + mark + "'{group}.{topic}." + strings.Repeat("x", 249) + "'}"), "is too long: at most"},
	{"pipelines[].dlq.topic", inPipeline("dlq: {topic: " + mark + "''}"), `dlq.topic is empty; write a template like "{group}.{topic}.dlq", or remove the key`},
	{"pipelines[].dlq.retention", inPipeline("dlq: {retention: " + mark + "0s}"), "0s is out of range; want -1, for ever, or a duration from 1s to 36500d: retention: 7d"},
	{"pipelines[].dlq.admission", inPipeline("dlq: {admission: " + mark + "1000}"), "dlq.admission is a plain value; it holds the keys enabled, burst, per_success"},
	{"pipelines[].dlq.admission.enabled", inPipeline("dlq: {admission: {enabled: " + mark + "'n'}}"), "did you mean false?"},
	{"pipelines[].dlq.admission.burst", inPipeline("dlq: {admission: {burst: " + mark + "0}}"), "0 is out of range; want a whole number from 1"},
	{"pipelines[].dlq.admission.per_success", inPipeline("dlq: {admission: {per_success: " + mark + "0}}"), "0 is out of range; want a number from 0.001 to 1000"},

	// names of topics, across pipelines
	{"pipelines[].topics", inPipeline("retry: {topic: '{group}-again-{delay}'}") + "  - name: other\n    topics: [" + mark + "orders-again-10s]\n    handler: {http: {url: \"http://h\"}}\n", "orders-again-10s is a topic that pipeline orders makes for its retries or dead letters, which no pipeline reads as a source"},
	{"pipelines[].topics", with("retry: {topic: '{group}-again-{delay}'}", "[orders]", "["+mark+"orders-again-7s]"), "orders-again-7s has the name that retry.topic gives the pipeline's own retry topic of 7s; give the retry topics another template, or read another source"},
	{"pipelines[].retry.topic", with("group: a", "[orders]", "[b.c]") + "  - " + mark + "name: other\n    group: a.b\n    topics: [c]\n    handler: {http: {url: \"http://h\"}}\n", "this pipeline makes the topic a.b.c.retry-1s, and pipeline orders makes the topic too; give one of them another group, or another template"},
	{"pipelines[].retry.topic", with("group: a_b", "[orders]", "[c]") + "  - " + mark + "name: other\n    group: a.b\n    topics: [c]\n    handler: {http: {url: \"http://h\"}}\n", "Kafka does not allow both, which differ only in '.' and '_'"},
}

// manyTiers are one more than there may be.
var manyTiers = func() string {
	all := make([]string, 33)
	for i := range all {
		all[i] = strconv.Itoa(i+1) + "s"
	}
	return strings.Join(all, ", ")
}()

// bomb unfolds to a hundred million values.
var bomb = func() string {
	var b strings.Builder
	b.WriteString("x-0: &a0 [x, x, x, x, x, x, x, x, x, x]\n")
	for i := 1; i < 8; i++ {
		n, below := strconv.Itoa(i), "*a"+strconv.Itoa(i-1)
		b.WriteString("x-" + n + ": &a" + n + " [" + strings.Repeat(below+", ", 9) + below + "]\n")
	}
	return mark + b.String()
}()

// everyOther are so many statuses that no count of attempts could be named after them.
var everyOther = func() string {
	var all []string
	for code := 100; code < 600; code += 2 {
		all = append(all, strconv.Itoa(code))
	}
	return strings.Join(all, ", ")
}()
