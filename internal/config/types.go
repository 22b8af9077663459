package config

import (
	"slices"
	"time"

	"github.com/redeliver/redeliver/classify"
)

// Config is a configuration file that was read without a mistake: what stands in it, and the defaults for the rest.
type Config struct {
	File string // the name it was read from

	Kafka     Kafka
	Clusters  []Cluster
	Embedded  Embedded
	Registry  SchemaRegistry
	Topics    Topics
	Fleet     Fleet
	Admin     Admin
	Log       Log
	Index     Index
	Pipelines []Pipeline

	// Warnings are what is allowed and may still be a mistake.
	Warnings []Problem
	// Notices are what is allowed and meant, and has to be known by who runs the pipelines or looks after their dead letters.
	Notices []Problem

	places map[string]Place
}

// Kafka says how the brokers are reached.
type Kafka struct {
	Brokers  []string // host:port
	ClientID string
	TLS      TLS
	SASL     SASL

	Section string // its path in the file, for errors that come when it is used; "": kafka
}

// Cluster is another cluster, that dead letters can be replayed to.
type Cluster struct {
	Name string
	Kafka
}

// TLS says how connections to the brokers are encrypted.
type TLS struct {
	Enabled    bool
	CAFile     string // PEM; "": the system's certificates
	CertFile   string // PEM, the client's certificate; "": none
	KeyFile    string // PEM, its key
	ServerName string // "": the host that is dialled
}

// SASL says who the client is.
type SASL struct {
	Mechanism    string // plain, scram-sha-256, scram-sha-512, oauthbearer, aws-msk-iam; "" when there is no sasl section
	Username     string // of plain and scram
	Password     string
	PasswordFile string // read when the client is made, and again at every new connection
	OAuth        OAuth
	AWS          AWS
}

// OAuth says where the token of mechanism oauthbearer comes from: one of Token, TokenFile and TokenURL.
type OAuth struct {
	Token            string
	TokenFile        string // read at every new connection
	TokenURL         string // of the authorization server, which is asked with the client's credentials
	ClientID         string
	ClientSecret     string
	ClientSecretFile string
	Scopes           []string
	CAFile           string            // PEM, the authorities of the authorization server; "": the system's
	Extensions       map[string]string // that the broker gets beside the token
}

// AWS are the credentials of mechanism aws-msk-iam; without an AccessKeyID those of the environment.
type AWS struct {
	AccessKeyID         string
	SecretAccessKey     string
	SecretAccessKeyFile string
	SessionToken        string
}

// Embedded is the development broker of `run --embedded`.
type Embedded struct {
	Listen  string // host:port on the loopback
	DataDir string
}

// Topics says how retry and dead-letter topics are made.
type Topics struct {
	Create            bool
	ReplicationFactor int // -1: that of the source
}

// Fleet says how breakers are shared with other processes.
type Fleet struct {
	Topic        string // the control topic
	StartTimeout time.Duration
}

// ScopeFleet is the scope of a breaker that processes share.
const ScopeFleet = "fleet"

// HasFleet reports whether a pipeline shares a breaker with other processes.
func (c *Config) HasFleet() bool {
	return slices.ContainsFunc(c.Pipelines, func(p Pipeline) bool { return p.InFleet() })
}

// InFleet reports whether the pipeline shares one of its breakers with other processes.
func (p *Pipeline) InFleet() bool {
	return slices.ContainsFunc(p.AllBreakers(), func(b Breaker) bool { return b.Scope == ScopeFleet })
}

// AllBreakers are those of all that the handler calls, the one of breaker first.
func (p *Pipeline) AllBreakers() []Breaker { return append([]Breaker{p.Breaker}, p.Breakers...) }

// Admin is the listener of metrics, health and control.
type Admin struct {
	Listen   string // host:port; "": none
	Insecure bool   // allow an address that others can reach without TLS
	TLS      AdminTLS
	Users    []User
}

// AdminTLS is the certificate of the admin listener.
type AdminTLS struct {
	CertFile     string // PEM; "": plain HTTP
	KeyFile      string
	ClientCAFile string // PEM, the authorities of the users' certificates; "": there are none
}

// User is somebody who may use the admin listener.
type User struct {
	Name        string
	Role        string // viewer, operator
	Token       string
	TokenFile   string // read at each request
	Certificate string // common name
}

// Secret returns the user's token, "" where there is a certificate instead.
func (u User) Secret() (string, error) { return secret(u.Token, u.TokenFile) }

// Log says what is logged and how.
type Log struct {
	Level  string // debug, info, warn, error
	Format string // text, json
}

// Index says where the index of dead letters is.
type Index struct {
	Kind  string        // file, redis, none
	Path  string        // the directory of the files; "": redeliver in the user's cache directory
	Keep  time.Duration // for how long what the topics lost is kept; 0: it is not
	Redis IndexRedis
}

// IndexRedis says how Redis is reached.
type IndexRedis struct {
	Address  string // host:port
	Username string
	Password string
	DB       int
	TLS      TLS
}

// Pipeline is one pipeline with the defaults merged in.
type Pipeline struct {
	Name             string
	Group            string
	GroupProtocol    string // classic, eager, consumer
	InstanceID       string
	IDNamespace      string
	Topics           []string // names, and /regex/ between slashes
	Start            string   // earliest, latest, or an RFC 3339 time
	Ordering         string   // partition, key, none
	Concurrency      int
	Shares           Shares
	Window           Window
	Delivery         string // at_least_once, exactly_once_routing
	Drain            time.Duration
	SessionTimeout   time.Duration // 0 with consumer: it is the brokers'
	RebalanceTimeout time.Duration
	OnDataLoss       string // hold, skip
	HeaderLimit      int64  // bytes
	Headers          Headers
	Handler          Handler
	Retry            Retry
	Classify         Classify
	Breaker          Breaker
	Breakers         []Breaker // of what the handler calls beside the dependency of Breaker
	Limits           []Limit
	Tenants          Tenants
	Priority         Priority
	DLQ              DLQ

	origin
}

// Headers is what stands in the headers of copies.
type Headers struct {
	Dialects []string // spring, smallrye, kip1191
}

// Shares are the guaranteed shares of the handler slots.
type Shares struct {
	Fresh   float64
	Retries float64
}

// Window bounds what a pipeline holds in memory.
type Window struct {
	Records int
	Bytes   int64
}

// Handler is what a pipeline's records are handed to.
type Handler struct {
	Timeout time.Duration
	HTTP    HandlerHTTP
}

// HandlerHTTP is a webhook.
type HandlerHTTP struct {
	URL     string
	Headers map[string]string // sent with every request
	Batch   Batch
	Proxy   string // URL; "": that of the environment
	HTTP2   bool
	TLS     WebhookTLS
	Sign    Sign
	Events  CloudEvents
}

// WebhookTLS says how the service is known, and the client to it.
type WebhookTLS struct {
	CAFile     string // PEM; "": the system's certificates
	CertFile   string // PEM, the client's certificate; "": none
	KeyFile    string
	ServerName string // "": the host of the URL
}

// Sign are the secrets that requests are signed with; none: they are not.
type Sign struct {
	Secrets     []string
	SecretsFile string // a line each; read again when it changes
}

// CloudEvents says whether records are described as events.
type CloudEvents struct {
	Enabled bool
	Source  string
	Type    string
}

// Batch is how many records one request carries.
type Batch struct {
	Max int // 1: one record a request, its value as the body
}

// Retry is a pipeline's retry policy.
type Retry struct {
	Delays
	Tiers        []time.Duration
	AutoTiers    bool          // tiers: auto
	TotalTimeout time.Duration // 0: none
	InPlace      InPlace
	HoldKey      bool
	OnDeadLetter string // release, hold
	Topic        string // template
	Overrides    []Override
	Adaptive     Adaptive
	Experiment   Experiment
}

// Adaptive are delays that are learned.
type Adaptive struct {
	Enabled     bool
	AttemptCost float64
	HalfLife    time.Duration
	Minimum     int
}

// Delays say how often a record is retried and when: of a policy, or of an override.
type Delays struct {
	Strategy      string // tiered, exponential, linear, fixed, immediate, custom
	Custom        string // the name of a registered strategy
	MaxRetries    int
	InitialDelay  time.Duration
	Multiplier    float64
	BackoffFactor float64
	MinDelay      time.Duration
	MaxDelay      time.Duration
	Jitter        bool
}

// InPlace are quick tries on the spot before the first hop.
type InPlace struct {
	Max   int
	Delay time.Duration
}

// Override is another policy for some failures. What it does not say is the pipeline's.
type Override struct {
	Class  string            // "": any
	Status classify.Statuses // empty: any
	Topic  string            // source topic, "": any
	Job    classify.Job      // empty fields: any
	Delays
	TotalTimeout time.Duration // 0: none, negative: the pipeline's
}

// Breaker watches the dependency that the handler calls.
type Breaker struct {
	Enabled       bool
	Mode          string // auto, forced_open, disabled, metrics_only
	Dependency    string
	Scope         string // process, fleet
	Window        time.Duration
	WindowCalls   int // instead of Window when the window is a number of calls
	MinimumCalls  int
	Failures      int // 0: off
	FailureRate   float64
	SlowCall      time.Duration
	SlowRate      float64
	OpenFor       time.Duration
	HalfOpenCalls int
	Classes       []string // that count against the dependency
	Ignore        []string // that do not, of all others

	OpenMultiplier float64
	OpenMax        time.Duration
	OpenJitter     float64
	HalfOpenFor    time.Duration // 0: no limit
	SlowStart      time.Duration // 0: none

	By    string // "", tenant, header:NAME, host:NAME
	Parts int    // that are known at once, with By
}

// DLQ says what becomes of records that are not retried any more.
type DLQ struct {
	Enabled   bool
	Exhausted string // hold, drop: with enabled: false
	Topic     string // template
	Retention time.Duration
	Redact    Redact
	Admission Admission
}

// Admission bounds the dead letters by credit, which successes earn.
type Admission struct {
	Enabled    bool
	Burst      int     // at the start, and at most
	PerSuccess float64 // dead letters
}
