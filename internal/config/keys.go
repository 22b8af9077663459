package config

import (
	"time"

	"github.com/redeliver/redeliver/classify"
)

// fileKeys are the keys of the whole file, bound to c.
func fileKeys(c *Config) []key {
	return []key{
		section("kafka", kafkaKeys(&c.Kafka)...).
			means("How the brokers are reached."),
		sections("clusters", &c.Clusters, Cluster{}, clusterKeys).like("[{name: west, brokers: [\"west:9092\"]}]").
			means("Other clusters that `redeliver replay --to source@NAME` can write to. Nothing else connects to them."),
		section("embedded", embeddedKeys(&c.Embedded)...).
			means("The broker of `run --embedded`, for development only: one node, in this process, kept on disk."),
		section("schema_registry", registryKeys(&c.Registry)...).
			means("Where `dlq show` looks schemas up, of Avro and Protobuf payloads in the wire format of Confluent's Schema Registry."),
		section("topics",
			toggle("create", &c.Topics.Create).byDefault("true").
				means("Make and change retry and dead-letter topics as needed. With false they are only checked: make them with `redeliver topics apply`."),
			number("replication_factor", &c.Topics.ReplicationFactor, -1, 100).byDefault("-1").accepting("-1, for that of the source, or a number of replicas from 1").like("3").
				means("Replicas of new retry and dead-letter topics; -1 is that of the source. From 3 on they are made with min.insync.replicas=2."),
		).means("How retry and dead-letter topics are made."),
		section("fleet",
			text("topic", &c.Fleet.Topic).byDefault("redeliver.control").accepting("redeliver.control, or a name that ends in .redeliver-control").like("payments.redeliver-control").
				means("The control topic: processes that name one topic are one fleet, and breakers with one name are one there, whatever the consumer groups. redeliver.control, or a name that ends in .redeliver-control."),
			duration("start_timeout", &c.Fleet.StartTimeout, time.Second, time.Hour).byDefault("15s").like("15s").
				means("How long a process waits, before it handles records, until it knows what stands in the control topic. Then it begins without, and says so."),
		).means("What the pipelines with breaker.scope: fleet share with those of other processes. Without such a pipeline there is no control topic."),
		section("admin",
			text("listen", &c.Admin.Listen).byDefault("127.0.0.1:8080").accepting("host:port").like("127.0.0.1:8080").
				means("Address of metrics, health and control, host:port; \"\" is none."),
			toggle("insecure", &c.Admin.Insecure).byDefault("false").
				means("Allow an address that other machines can reach without TLS: whoever listens to the network hears the users' tokens."),
			section("tls",
				text("cert_file", &c.Admin.TLS.CertFile).like("/etc/redeliver/admin.pem").means("PEM file of the listener's certificate, \"\" for none; goes with key_file. A file of this section that changes is read again at the next connection."),
				text("key_file", &c.Admin.TLS.KeyFile).like("/etc/redeliver/admin.key").means("PEM file of the key of cert_file."),
				text("client_ca_file", &c.Admin.TLS.ClientCAFile).like("/etc/redeliver/users.pem").means("PEM file of the authorities of the users' certificates; \"\" is none."),
			).means("TLS of the listener."),
			sections("users", &c.Admin.Users, User{}, userKeys).like(`[{name: ops, role: operator, token: "${ADMIN_TOKEN}"}]`).
				means("Who may use the listener. Needed for an address that other machines can reach; without it everybody on this machine may do everything. /livez and /readyz ask nobody."),
		).means("The listener of /metrics, /healthz, /readyz and of the commands that act on a running process."),
		section("log",
			choice("level", &c.Log.Level, "debug", "info", "warn", "error").byDefault("info").
				means("The least level that is logged."),
			choice("format", &c.Log.Format, "text", "json").byDefault("text").
				means("How a line of the log is written."),
		).means("What is logged, on standard error."),
		section("index", indexKeys(&c.Index)...).
			means("The index of dead letters, which follows their topics so that `redeliver dlq` answers at once. It is a cache: what is lost of it is read again."),
		section("defaults", defaultsKeys()...).
			means("Merged under every pipeline, key by key at every depth; a list is taken as a whole. Everything that a pipeline has but its name and group."),
		sections("pipelines", &c.Pipelines, Pipeline{}, pipelineKeys).required().like("\n  - name: orders\n    topics: [orders]\n    handler: {http: {url: \"http://127.0.0.1:9000/orders\"}}").
			means("The pipelines: each a consumer group with its topics, handler and policy."),
	}
}

func userKeys(u *User) []key {
	return []key{
		text("name", &u.Name).required().like("ops").means("Who it is, for the log of changes. Unique."),
		choice("role", &u.Role, "viewer", "operator").byDefault("viewer").means("viewer sees metrics, health and status; operator makes changes, too."),
		text("token", &u.Token).hidden().like(`"${ADMIN_TOKEN}"`).means("The token that the user sends: Authorization: Bearer TOKEN. At least 16 characters."),
		text("token_file", &u.TokenFile).like("/run/secrets/admin-token").means("File that holds the token; read at each request, so that it may change."),
		text("certificate", &u.Certificate).like("ops.example.com").means("Instead of a token: the common name of the user's certificate, which an authority of tls.client_ca_file has signed."),
	}
}

func kafkaKeys(k *Kafka) []key {
	return []key{
		wordsOrCommas("brokers", &k.Brokers).required().orElsewhere().accepting("a list of brokers, each host:port").like("[localhost:9092]").
			means("Seed brokers, each host:port: a list, or one text with commas. Not needed with `run --embedded` and `demo`."),
		text("client_id", &k.ClientID).byDefault("redeliver").like("redeliver").
			means("What the brokers know this client by, in their logs and quotas."),
		section("tls",
			toggle("enabled", &k.TLS.Enabled).byDefault("false").means("Speak TLS with the brokers."),
			text("ca_file", &k.TLS.CAFile).like("/etc/redeliver/ca.pem").means("PEM file of the authorities that brokers' certificates are checked by; \"\" is the system's. A file of this section that changes is read again at the next connection."),
			text("cert_file", &k.TLS.CertFile).like("/etc/redeliver/client.pem").means("PEM file of the client's certificate, for mutual TLS; goes with key_file."),
			text("key_file", &k.TLS.KeyFile).like("/etc/redeliver/client.key").means("PEM file of the key of cert_file."),
			text("server_name", &k.TLS.ServerName).like("kafka.example.com").means("The name that brokers' certificates are checked for; \"\" is the host that is dialled."),
		).means("Encryption of the connections to the brokers."),
		section("sasl",
			choice("mechanism", &k.SASL.Mechanism, saslSCRAM512, saslSCRAM256, saslPlain, saslOAuth, saslAWS).byDefault(saslSCRAM512).
				notYet("gssapi", "scram-sha-512, scram-sha-256, plain, oauthbearer or aws-msk-iam").
				means("How the client proves who it is: by user and password (scram, plain), by a token (oauthbearer), or by AWS credentials (Amazon MSK)."),
			text("username", &k.SASL.Username).like("redeliver").means("The user, with scram and plain."),
			text("password", &k.SASL.Password).hidden().like(`"${KAFKA_PASSWORD}"`).means("The user's password; take it from the environment rather than writing it here."),
			text("password_file", &k.SASL.PasswordFile).like("/run/secrets/kafka-password").
				means("File that holds the password, instead of password; read at every new connection, so that it may change."),
			section("oauth",
				text("token", &k.SASL.OAuth.Token).hidden().like(`"${KAFKA_TOKEN}"`).means("The token. It is never renewed."),
				text("token_file", &k.SASL.OAuth.TokenFile).like("/run/secrets/kafka-token").means("File that holds the token; read at every new connection, so that it may be renewed."),
				text("token_url", &k.SASL.OAuth.TokenURL).like("https://id.example.com/oauth2/token").means("URL of an authorization server that gives tokens for client_id and its secret."),
				text("client_id", &k.SASL.OAuth.ClientID).like("redeliver").means("What the authorization server knows this client by."),
				text("client_secret", &k.SASL.OAuth.ClientSecret).hidden().like(`"${CLIENT_SECRET}"`).means("The client's secret."),
				text("client_secret_file", &k.SASL.OAuth.ClientSecretFile).like("/run/secrets/client-secret").means("File that holds the client's secret, instead of client_secret; read for every token."),
				words("scopes", &k.SASL.OAuth.Scopes).like("[kafka]").means("Scopes to ask for."),
				text("ca_file", &k.SASL.OAuth.CAFile).like("/etc/redeliver/ca.pem").means("PEM file of the authorities that the authorization server is checked by; \"\" is the system's."),
				textMap("extensions", &k.SASL.OAuth.Extensions).like("{logicalCluster: lkc-1}").means("Extensions that the broker gets beside the token (KIP-342)."),
			).means("With mechanism oauthbearer: where the token comes from; one of token, token_file and token_url."),
			section("aws",
				text("access_key_id", &k.SASL.AWS.AccessKeyID).like(`"${AWS_ACCESS_KEY_ID}"`).
					means("The access key; \"\" takes key and secret from AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, or from the container's host (Amazon ECS, EKS Pod Identity)."),
				text("secret_access_key", &k.SASL.AWS.SecretAccessKey).hidden().like(`"${AWS_SECRET_ACCESS_KEY}"`).means("The key's secret."),
				text("secret_access_key_file", &k.SASL.AWS.SecretAccessKeyFile).like("/run/secrets/aws-secret").means("File that holds the key's secret, instead of secret_access_key; read at every new connection."),
				text("session_token", &k.SASL.AWS.SessionToken).hidden().like(`"${AWS_SESSION_TOKEN}"`).means("The session's token, where the key is a temporary one."),
			).means("With mechanism aws-msk-iam: the credentials."),
		).onlyIfPresent().means("Authentication with the brokers. Without this section there is none."),
	}
}

// clusterKeys are a name, and what kafka has.
func clusterKeys(c *Cluster) []key {
	name := text("name", &c.Name).required().accepting("letters, digits and '-'").like("west").matching(namePattern).
		means("Names the cluster in --to, after an @: letters, digits, '-'. Unique.")
	return append([]key{name}, kafkaKeys(&c.Kafka)...)
}

func embeddedKeys(e *Embedded) []key {
	return []key{
		text("listen", &e.Listen).byDefault("127.0.0.1:9092").accepting("host:port on the loopback").like("127.0.0.1:9092").
			means("Address that the embedded broker listens on: on the loopback only, as it asks nobody who they are."),
		text("data_dir", &e.DataDir).byDefault(".redeliver").like(".redeliver").
			means("Directory that the embedded broker keeps its records in."),
	}
}

// defaultsKeys are the keys of a pipeline but those that belong to one pipeline only. Nothing is required of them.
func defaultsKeys() []key {
	var keys []key
	for _, k := range pipelineKeys(new(Pipeline)) {
		if k.name != "name" && k.name != "group" {
			keys = append(keys, k)
		}
	}
	return keys
}

func pipelineKeys(p *Pipeline) []key {
	return []key{
		text("name", &p.Name).required().accepting("letters, digits and '-'").like("orders").matching(namePattern).
			means("Names the pipeline in logs, metrics and commands: letters, digits, '-'. Unique."),
		text("group", &p.Group).computed("the name").like("orders").
			means("The consumer group. No two pipelines have the same."),
		choice("group_protocol", &p.GroupProtocol, "classic", "eager", "consumer").byDefault("classic").
			means("The protocol between the group and its coordinator, the same for all members: classic gives up only what moves, eager gives up everything in a rebalance, consumer is that of KIP-848 (Apache Kafka 4.0 or newer, better 4.3)."),
		text("instance_id", &p.InstanceID).like("orders-1").
			means("Makes the member static: a restart within session_timeout causes no rebalance, and until then what it had waits for it. Every process of the group needs an id of its own: of two with one id one stands by."),
		text("id_namespace", &p.IDNamespace).like("v2").
			means("Put before the ids of this pipeline's records, to set them apart from those of topics that had the same names before."),
		words("topics", &p.Topics).required().orElsewhere().accepting("a list of topic names, or of /regular expressions/ between slashes").like("[orders]").
			means("Source topics: names, and regular expressions between slashes, which match whole names and never a retry or dead-letter topic."),
		text("start", &p.Start).byDefault("earliest").accepting("earliest, latest, or a time like 2026-01-31T00:00:00Z").like("earliest").
			means("Where the group begins to read its source topics the first time: earliest, latest, or the first record from an RFC 3339 time on."),
		choice("ordering", &p.Ordering, "key", "partition", "none").byDefault("key").
			means("What is handled one at a time: the records of a key, of a partition, or none."),
		number("concurrency", &p.Concurrency, 1, 100_000).byDefault("64").like("64").
			means("The most handler calls in flight in this process."),
		section("shares",
			fraction("fresh", &p.Shares.Fresh, 0, 1).byDefault("0.5").means("The fresh records' share of the handler slots."),
			fraction("retries", &p.Shares.Retries, 0, 1).byDefault("0.5").means("The retries' share of the handler slots."),
		).means("The guaranteed shares of the handler slots when fresh records and retries both want them. They are weighed against each other; what one does not use is lent to the other."),
		section("window",
			number("records", &p.Window.Records, 1, 10_000_000).byDefault("10000").like("10000").
				means("The most records that are fetched and not yet settled."),
			size("bytes", &p.Window.Bytes, 1<<20, 1<<40).byDefault("64MiB").
				means("The most bytes of their keys, values and headers; one poll may go beyond."),
		).means("Bounds what the pipeline holds in memory, and what is handled again after a crash."),
		choice("delivery", &p.Delivery, "at_least_once", "exactly_once_routing").byDefault("at_least_once").
			means("What holds when a process dies between writing a copy and committing: the record is routed and delivered again, or, by a transaction, never both."),
		duration("drain", &p.Drain, time.Millisecond, day).byDefault("30s").
			means("How long running handlers have to end when a partition is given up or the pipeline stops. handler.timeout < drain < rebalance_timeout."),
		duration("session_timeout", &p.SessionTimeout, 6*time.Second, 30*time.Minute).byDefault("45s").
			means("How long the group waits for a silent member. Brokers allow 6s to 30m unless they are configured otherwise. With group_protocol: consumer it is the brokers'."),
		duration("rebalance_timeout", &p.RebalanceTimeout, time.Second, day).byDefault("60s").
			means("How long a member may take to give up partitions."),
		choice("on_data_loss", &p.OnDataLoss, "hold", "skip").byDefault("hold").
			means("When records of a source are gone before they were read: hold the partition and say so, or skip to what is left and say so."),
		size("header_limit", &p.HeaderLimit, 2<<10, 1<<20).byDefault("4KiB").like("4KiB").
			means("The most bytes of Redeliver's own headers on a copy; the oldest history gives way first."),
		section("headers",
			choices("dialects", &p.Headers.Dialects, "spring", "smallrye", "kip1191").like("[spring]").
				means("Write the headers of other programs too, beside Redeliver's own, so that what reads their retry topics and dead letters can read these: of Spring for Apache Kafka, of SmallRye, of share groups (KIP-1191, dead letters only). They are overwritten on every copy and taken off by a replay, and are not in header_limit."),
		).means("What stands in the headers of copies and dead letters."),
		section("handler", handlerKeys(&p.Handler)...).
			means("What the records are handed to."),
		section("retry", retryKeys(&p.Retry)...).
			means("How often a failed record is tried again, when, and over which tiers."),
		section("classify", classifyKeys(&p.Classify)...).
			means("Rules that say what kind of failure an error is, and how failures are treated."),
		section("breaker", breakerKeys(&p.Breaker)...).
			means("The circuit breaker of the dependency that the handler calls."),
		sections("limits", &p.Limits, Limit{}, limitKeys).like("[{name: per-user, by: user, rate: 10/s}]").
			means("How often the handler is called, by the whole pipeline, its dependency, or each value of a header."),
		section("tenants", tenantKeys(&p.Tenants)...).
			means("Divides the handler slots between tenants, so that one with much to do takes nothing from the others."),
		section("priority", priorityKeys(&p.Priority)...).
			means("Lets records of a higher priority go first, of those that are ready in a process; never within a key."),
		sections("breakers", &p.Breakers, Breaker{}, moreBreakerKeys).like("[{dependency: ledger}]").
			means("The circuit breakers of what the handler calls beside the dependency of breaker. Every record is taken to need all of it: while one of them is not closed the pipeline holds. A failure counts against the one that the answer names in Redeliver-Dependency, else against breaker's."),
		section("dlq", dlqKeys(&p.DLQ)...).
			means("What becomes of records that are not retried any more."),
	}
}

func handlerKeys(h *Handler) []key {
	return []key{
		duration("timeout", &h.Timeout, time.Millisecond, day).byDefault("25s").like("25s").
			means("The longest that one call may take; shorter than drain."),
		section("http",
			text("url", &h.HTTP.URL).required().orElsewhere().accepting("an http or https URL").like(`"http://127.0.0.1:9000/orders"`).
				means("Where each record is posted to."),
			textMap("headers", &h.HTTP.Headers).hidden().
				means("Request headers that are sent with every call."),
			section("batch",
				number("max", &h.HTTP.Batch.Max, 1, 10_000).byDefault("1").like("1").
					means("The most records of one request. 1 posts a record's value as it is; above 1 the body is a JSON array."),
			).means("Several records in one request."),
			text("proxy", &h.HTTP.Proxy).like("http://proxy.example.com:3128").means("URL of a proxy, http, https or socks5; \"\" is that of the environment (HTTP_PROXY, HTTPS_PROXY, NO_PROXY)."),
			toggle("http2", &h.HTTP.HTTP2).byDefault("false").
				means("Speak HTTP/2 where the URL is https and the service has it. All requests share few connections, and one that breaks fails all of those on it; else each has a connection of its own. No request is sent twice in either."),
			section("tls",
				text("ca_file", &h.HTTP.TLS.CAFile).like("/etc/redeliver/service-ca.pem").means("PEM file of the authorities that the service's certificate is checked by; \"\" is the system's. A file of this section that changes is read again."),
				text("cert_file", &h.HTTP.TLS.CertFile).like("/etc/redeliver/client.pem").means("PEM file of the client's certificate, for mutual TLS; goes with key_file."),
				text("key_file", &h.HTTP.TLS.KeyFile).like("/etc/redeliver/client.key").means("PEM file of the key of cert_file."),
				text("server_name", &h.HTTP.TLS.ServerName).like("orders.example.com").means("The name that the service's certificate is checked for; \"\" is the host of the URL."),
			).means("TLS with the service, where the URL is https."),
			section("sign",
				words("secrets", &h.HTTP.Sign.Secrets).hidden().like(`["${WEBHOOK_SECRET}"]`).means("Secrets that every request is signed with, as Standard Webhooks say: whsec_ and base64. All of them sign, so that a new one can be added before the old one is taken away."),
				text("secrets_file", &h.HTTP.Sign.SecretsFile).like("/run/secrets/webhook").means("File that holds the secrets, a line each, instead of secrets; read at each request, so that they may change. While it cannot be read those from before are used."),
			).means("Signs requests: headers webhook-id, webhook-timestamp, webhook-signature."),
			section("cloudevents",
				toggle("enabled", &h.HTTP.Events.Enabled).byDefault("false").means("Describe each record as an event, in the binary mode of CloudEvents 1.0: headers ce-id, ce-source, ce-type, ce-time, ce-partitionkey. A record with ce_ headers is the event that these say. Not with batch.max above 1."),
				text("source", &h.HTTP.Events.Source).like("/shop").means("The source of events whose record has none; \"\" is /kafka/ and the topic."),
				text("type", &h.HTTP.Events.Type).like("com.example.order").means("The type of events whose record has none; \"\" is record."),
			).means("Records as CloudEvents."),
		).means("A webhook."),
	}
}

func retryKeys(r *Retry) []key {
	keys := []key{tiers("tiers", &r.Tiers, &r.AutoTiers).byDefault("[1s, 10s, 60s]").
		means("The delays that have a retry topic, ascending; the delays of every strategy travel over them. auto makes one of each delay of the timetable.")}
	keys = append(keys, delayKeys(&r.Delays)...)
	return append(keys,
		duration("total_timeout", &r.TotalTimeout, 0, 3650*day).byDefault("0").like("1h").
			means("No retry later than this after the first failure; time that the record was held by pauses is left out. 0 is no limit."),
		section("in_place",
			number("max", &r.InPlace.Max, 0, 10).byDefault("0").means("Quick tries on the spot before the first hop; each is an attempt."),
			duration("delay", &r.InPlace.Delay, time.Millisecond, time.Minute).byDefault("50ms").like("50ms").means("The wait between them."),
		).means("Tries on the spot."),
		toggle("hold_key", &r.HoldKey).byDefault("false").
			means("Make later records of a key wait behind one that is being retried, in a topic of their own. Needs ordering: key and delivery: exactly_once_routing."),
		choice("on_dead_letter", &r.OnDeadLetter, "release", "hold").byDefault("release").
			means("What becomes of the records that wait behind one of their key that dies: release lets them run; hold sends them and all later ones of the key after it into the dead letters, until these are replayed or discarded. hold needs hold_key."),
		text("topic", &r.Topic).byDefault(`"{group}.{topic}.retry-{delay}"`).like(`"{group}.{topic}.retry-{delay}"`).
			means("Template of the retry topics' names, with {group}, {delay}, and {topic}, which only a pipeline of one source topic may leave out."),
		sections("overrides", &r.Overrides, Override{Delays: Delays{MaxRetries: -1, Jitter: true}, TotalTimeout: -1}, overrideKeys).like("[{class: rate_limited, strategy: fixed, initial_delay: 10s, max_retries: 20}]").
			means("Other policies for some failures; the first match wins. What an override does not say is the pipeline's."),
		section("adaptive",
			toggle("enabled", &r.Adaptive.Enabled).byDefault("false").means("Learn the delays. Until enough is known, and for overrides with a strategy of their own, the strategy holds."),
			factor("attempt_cost", &r.Adaptive.AttemptCost, 0.001, 1000).byDefault("0.25").like("0.25").
				means("The price of an attempt, in first delays of the strategy: so much longer a record may wait for one attempt less."),
			duration("half_life", &r.Adaptive.HalfLife, time.Minute, 3650*day).byDefault("1d").like("1d").
				means("After this time what was seen counts half."),
			number("minimum", &r.Adaptive.Minimum, 1, 100_000).byDefault("10").like("10").
				means("How much must be known of a dependency and class, in observations that have nothing to do with each other."),
		).means("Delays that are learned from what succeeds, between min_delay and max_delay; see docs/adaptive.md. What is learned outlives the process where that has a control topic, see fleet."),
		section("experiment", experimentKeys(&r.Experiment)...).onlyIfPresent().
			means("Retries some records by other policies, to find out which is best: `redeliver experiment` tells. See docs/experiments.md."),
	)
}

// strategies are the names of the strategies.
var strategies = []string{"tiered", "exponential", "linear", "fixed", "immediate", "custom"}

// delayKeys are what a policy and an override both have.
func delayKeys(d *Delays) []key {
	return []key{
		choice("strategy", &d.Strategy, strategies...).byDefault("tiered").
			means("How the delay grows: tiered waits one tier after the other; exponential, linear, fixed and immediate compute it, custom is one that was written in Go."),
		number("max_retries", &d.MaxRetries, 0, 1000).computed("the number of tiers for tiered, otherwise 5").like("3").
			means("Attempts after the first one; 0 is none. Beyond the tiers the last one repeats."),
		duration("initial_delay", &d.InitialDelay, time.Millisecond, 30*day).byDefault("1s").like("1s").
			means("The delay before the first retry; for exponential, linear, fixed and custom."),
		factor("multiplier", &d.Multiplier, 1, 1000).byDefault("3").like("3").
			means("What each delay of exponential is multiplied by: 1s, 3s, 9s, 27s."),
		fraction("backoff_factor", &d.BackoffFactor, 0, 1000).byDefault("1.5").like("1.5").
			means("What linear adds, in initial delays: 1s, 2.5s, 4s, 5.5s."),
		text("custom", &d.Custom).accepting("the name of a registered strategy").like("fibonacci").
			means("With strategy: custom, the name that the strategy is registered by: fibonacci (1s, 1s, 2s, 3s, 5s) is there, others are built into the binary with retrytopics.Register."),
		duration("min_delay", &d.MinDelay, time.Millisecond, 30*day).byDefault("100ms").like("100ms").
			computed("or the shortest tier, where that is shorter").means("No delay is shorter; not for immediate."),
		duration("max_delay", &d.MaxDelay, time.Millisecond, 30*day).byDefault("60s").computed("or the longest tier for tiered, where that is longer").like("60s").
			means("No delay is longer, but one that the failure itself asked for."),
		toggle("jitter", &d.Jitter).byDefault("true").
			means("Lengthen each delay by a random part of it, up to 25 %, or 10 % where it was learned; never shorten it."),
	}
}

// thePipelines is what an override's keys are where it does not give them.
const thePipelines = "the pipeline's"

// overrideKeys have no defaults: what is not said is the pipeline's.
func overrideKeys(o *Override) []key {
	keys := []key{
		choice("class", &o.Class, classNames()...).like("rate_limited").means("For failures of this class."),
		statuses("status", &o.Status).like("429").means("For answers with this HTTP status, with any of a hundred (5xx), or of a list."),
		text("topic", &o.Topic).like("orders").means("For records of this source topic."),
		text("job_type", &o.Job.Type).like("invoice").means("For records with this redeliver-job-type."),
		text("user", &o.Job.User).like("u-17").means("For records with this redeliver-user."),
		text("project", &o.Job.Project).like("p-4").means("For records with this redeliver-project."),
		text("tenant", &o.Job.Tenant).like("acme").means("For records with this redeliver-tenant."),
	}
	for _, k := range delayKeys(&o.Delays) {
		k.def, k.otherwise = "", thePipelines
		keys = append(keys, k)
	}
	return append(keys, duration("total_timeout", &o.TotalTimeout, 0, 3650*day).like("1h").computed(thePipelines).
		means("No retry later than this after the first failure; 0 is no limit."))
}

func breakerKeys(b *Breaker) []key {
	return []key{
		toggle("enabled", &b.Enabled).byDefault("true").means("Watch the dependency. false is mode: disabled."),
		choice("mode", &b.Mode, "auto", "forced_open", "disabled", "metrics_only").byDefault("auto").
			means("auto follows what is measured; forced_open holds the pipeline until `redeliver breaker close`; disabled admits everything; metrics_only does too, and tells in events what auto would have done."),
		text("dependency", &b.Dependency).computed("the pipeline's name").like("payments-api").
			means("What the handler calls. Breakers with one name are one, shared by all pipelines of the process, and configured alike."),
		choice("scope", &b.Scope, "process", "fleet").byDefault("process").
			means("Who shares the breaker's state: the pipelines of this process, or of all processes with the same fleet.topic. In a fleet one process probes for all, and what an operator says with breaker, pause and resume reaches all."),
		windowOf("window", &b.Window, &b.WindowCalls, 100*time.Millisecond, day, 1_000_000).byDefault("30s").like("30s").
			means("What the rates are taken over: a duration, or a number of calls."),
		number("minimum_calls", &b.MinimumCalls, 1, 1_000_000).byDefault("20").computed("or the calls that window holds, where those are fewer").like("20").
			means("The rates open the breaker only from so many calls in the window on."),
		number("failures", &b.Failures, 0, 1_000_000).byDefault("0").like("10").
			means("So many failures in a row open it too; 0 is off."),
		fraction("failure_rate", &b.FailureRate, 0, 1).byDefault("0.5").means("The share of failed calls that opens it."),
		duration("slow_call", &b.SlowCall, 0, day).byDefault("5s").like("5s").means("A call that takes longer is slow; 0 is off."),
		fraction("slow_rate", &b.SlowRate, 0, 1).byDefault("1.0").like("1.0").means("The share of slow calls that opens it."),
		duration("open_for", &b.OpenFor, 10*time.Millisecond, day).byDefault("30s").means("How long it stays open before it lets probes through."),
		factor("open_multiplier", &b.OpenMultiplier, 1, 100).byDefault("1").like("2").
			means("Each time it opens again, without having stayed closed for as long as it was open, it stays open so many times longer. 1 is the same wait each time."),
		duration("open_max", &b.OpenMax, 10*time.Millisecond, 7*day).byDefault("5m").computed("or open_for, where that is longer").like("5m").
			means("The longest that open_multiplier makes it stay open, before jitter."),
		factor("open_jitter", &b.OpenJitter, 0, 1).byDefault("0").computed("or 0.25 where open_multiplier is above 1").like("0.25").
			means("Lengthen each time that it stays open by a random part of it, at most this one, so that many processes do not probe at one moment."),
		number("half_open_calls", &b.HalfOpenCalls, 1, 10_000).byDefault("3").like("3").
			means("So many probes are let through. It opens again when none succeeds, or failure_rate of them fail, and closes otherwise."),
		duration("half_open_for", &b.HalfOpenFor, 0, day).byDefault("5m").computed("or twice handler.timeout, where that is longer").like("5m").
			means("The longest that the probes may take, all of them together: those that are out then have failed, and what has ended decides. 0 is no limit."),
		duration("slow_start", &b.SlowStart, 0, time.Hour).byDefault("10s").like("10s").
			means("After it has closed, the calls at once grow over this time from half_open_calls to concurrency, and shrink by half at failures, so that the backlog does not trip it again. 0 is all at once."),
		words("classes", &b.Classes).byDefault("[transient, network, rate_limited, system, authentication]").
			accepting("a list of failure classes").like("[transient, network]").
			means("The classes of failures that count against the dependency."),
		words("ignore", &b.Ignore).accepting("a list of failure classes").like("[rate_limited]").
			means("Instead of classes: those of its default that do not count."),
		text("by", &b.By).accepting("tenant, header:NAME or host:NAME").like("tenant").
			means("Watch the dependency part by part: by the header redeliver-tenant, by a header, or by the host of the URL in a header. A part whose breaker opens pauses nothing: its records are put off over the retry topics without using an attempt, and all others go on."),
		number("parts", &b.Parts, 1, 100_000).byDefault("1000").like("1000").
			means("With by: how many parts are known at once. Closed ones that were used longest ago give way, and where none is closed the others share one breaker."),
	}
}

// moreBreakerKeys are those of a breaker beside the first one, which has to be named.
func moreBreakerKeys(b *Breaker) []key {
	keys := breakerKeys(b)
	for i := range keys {
		if keys[i].name == "dependency" {
			keys[i].need, keys[i].otherwise = true, ""
		}
	}
	return keys
}

func dlqKeys(d *DLQ) []key {
	return []key{
		toggle("enabled", &d.Enabled).byDefault("true").
			means("Keep a dead-letter topic. With false exhausted says what becomes of such records."),
		choice("exhausted", &d.Exhausted, "hold", "drop").byDefault("hold").
			means("With enabled: false: hold exhausted records in place until they are skipped, or drop them."),
		text("topic", &d.Topic).byDefault(`"{group}.{topic}.dlq"`).like(`"{group}.{topic}.dlq"`).
			means("Template of the dead-letter topics' names, with {group}, and {topic}, which only a pipeline of one source topic may leave out."),
		durationOrForever("retention", &d.Retention, time.Second, 36500*day).byDefault("-1").like("7d").
			means("How long entries are kept; -1 is until they are replayed or discarded. With a duration they expire."),
		section("redact", redactKeys(&d.Redact)...).
			means("What is hidden when dead letters are shown, listed and followed, and not in the index; the dead letters themselves are left as they are."),
		section("admission",
			toggle("enabled", &d.Admission.Enabled).byDefault("true").means("Hold the pipeline rather than flooding the dead letters."),
			number("burst", &d.Admission.Burst, 1, 1_000_000_000).byDefault("1000").like("1000").
				means("Credit for dead letters, in each process: so many at the start, and at most. A record that is exhausted or not retriable needs one; what the handler itself sent there does not."),
			factor("per_success", &d.Admission.PerSuccess, 0.001, 1000).byDefault("4").like("4").
				means("The credit that each success earns, in thousandths at the finest. While dead letters stay below per_success for each success, no more than burst of them at a time hold the pipeline."),
		).means("Protects the dead letters from an outage: without credit the pipeline holds, and tries one record at a time until successes have earned some."),
	}
}

// classNames are the names of the failure classes.
func classNames() []string {
	var names []string
	for _, c := range classify.Classes() {
		names = append(names, c.String())
	}
	return names
}

const namePattern = `^[A-Za-z0-9][A-Za-z0-9-]*$`
