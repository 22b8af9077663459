package consumer

import (
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/breaker"
	"github.com/redeliver/redeliver/classify"
	"github.com/redeliver/redeliver/retrytopics"
)

// Defaults of Config.
const (
	DefaultClientID         = "redeliver"
	DefaultConcurrency      = 64
	DefaultDrain            = 30 * time.Second
	DefaultHandlerTimeout   = 25 * time.Second
	DefaultHeaderLimit      = 4096
	DefaultRebalanceTimeout = 60 * time.Second
	DefaultSessionTimeout   = 45 * time.Second
	DefaultWindowRecords    = 10000
	DefaultWindowBytes      = 64 << 20
	DefaultBurst            = 1000
	DefaultPerSuccess       = 4
)

var topicSyntax = regexp.MustCompile(`^[A-Za-z0-9._-]{1,249}$`)

var nameSyntax = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9-]*$`)

// defaultCounts are the classes that count against a dependency.
var defaultCounts = []classify.Class{classify.Transient, classify.Network, classify.RateLimited, classify.System, classify.Authentication}

// complete fills in the defaults and reports everything that is wrong.
func (c *Config) complete() error {
	sessionGiven := c.SessionTimeout != 0
	c.defaults()
	var errs []error
	wrong := func(field, format string, args ...any) {
		errs = append(errs, fmt.Errorf("consumer: %s: %s", field, fmt.Sprintf(format, args...)))
	}
	if len(c.Brokers) == 0 {
		wrong("Brokers", "name at least one broker, host:port")
	}
	if c.Group == "" {
		wrong("Group", "name the consumer group")
	}
	f, isFunc := c.Handler.(HandlerFunc)
	switch {
	case isFunc && f == nil:
		wrong("Handler", "is a nil function")
	case c.Handler == nil && c.Mux == nil:
		wrong("Handler", "set Handler, or Mux for several topics")
	case c.Handler != nil && c.Mux != nil:
		wrong("Handler", "set Handler or Mux, not both")
	}
	if len(c.Topics) == 0 && len(c.TopicPatterns) == 0 {
		wrong("Topics", "name at least one source topic or pattern")
	}
	for _, class := range c.CountsAgainst {
		if class == classify.None || class > classify.Authentication {
			wrong("CountsAgainst", "%d is none of the seven classes", class)
		}
	}
	if err := checkTreatments(c.Classes); err != nil {
		wrong("Classes", "%v", err)
	}
	for _, re := range c.TopicPatterns {
		if re == nil {
			wrong("TopicPatterns", "one is nil")
		}
	}
	for _, t := range c.Topics {
		if c.Mux != nil && c.Mux.routes[t] == nil {
			wrong("Mux", "no handler for topic %q", t)
		}
	}
	if c.Ordering > Unordered {
		wrong("Ordering", "%d is none: ByKey, ByPartition or Unordered", c.Ordering)
	}
	if c.Delivery > ExactlyOnceRouting {
		wrong("Delivery", "%d is none: AtLeastOnce or ExactlyOnceRouting", c.Delivery)
	}
	if c.OnDataLoss > SkipDataLoss {
		wrong("OnDataLoss", "%d is none: HoldOnDataLoss or SkipDataLoss", c.OnDataLoss)
	}
	if c.GroupProtocol > NextGen {
		wrong("GroupProtocol", "%d is none: Classic, Eager or NextGen", c.GroupProtocol)
	}
	if c.HoldKey {
		if c.Delivery != ExactlyOnceRouting {
			wrong("HoldKey", "needs Delivery ExactlyOnceRouting: else a record could be both put off and handled where it was, after others of its key")
		}
		if c.Ordering != ByKey {
			wrong("HoldKey", "needs Ordering ByKey: it is the order of keys that it keeps across retries")
		}
		if c.GroupProtocol == NextGen {
			wrong("HoldKey", "needs GroupProtocol Classic or Eager: with NextGen the coordinator assigns, and nothing holds a source partition and its retry partitions together")
		}
	}
	if c.OnDeadLetter > HoldOnDeadLetter {
		wrong("OnDeadLetter", "%d is none: ReleaseOnDeadLetter or HoldOnDeadLetter", c.OnDeadLetter)
	}
	if c.OnDeadLetter == HoldOnDeadLetter {
		if !c.HoldKey {
			wrong("OnDeadLetter", "HoldOnDeadLetter needs HoldKey: without it nothing waits behind a record")
		}
		if c.DeadLetters.Disabled {
			wrong("OnDeadLetter", "HoldOnDeadLetter needs dead letters, and DeadLetters.Disabled keeps none")
		}
		if c.DeadLetters.Retention > 0 {
			wrong("OnDeadLetter", "HoldOnDeadLetter needs dead letters that stay until they are dealt with, and DeadLetters.Retention deletes them")
		}
	}
	if sessionGiven && c.GroupProtocol == NextGen {
		wrong("SessionTimeout", "is the broker's with NextGen: leave it out, and set group.consumer.session.timeout.ms there, or consumer.session.timeout.ms of the group")
	}
	if c.HandlerTimeout < 0 || c.SessionTimeout < 0 {
		wrong("HandlerTimeout", "%v, and SessionTimeout %v, must be above 0", c.HandlerTimeout, c.SessionTimeout)
	}
	for i, t := range c.Topics {
		switch {
		case !topicSyntax.MatchString(t):
			wrong("Topics", "%q is no name of a topic; patterns go into TopicPatterns", t)
		case retrytopics.IsInternal(t):
			wrong("Topics", "%q is Kafka's own topic, which holds no records for a handler", t)
		case slices.Contains(c.Topics[:i], t):
			wrong("Topics", "%q is there twice", t)
		default:
			if _, _, own := c.Names.Match(t); own && c.Group != "" {
				wrong("Topics", "%q is a retry topic of this group, which it reads anyway", t)
			}
		}
	}
	if c.Group != "" && !nameSyntax.MatchString(c.Name) {
		wrong("Name", "%q: use letters, digits and '-'", c.Name)
	}
	if c.Concurrency < 1 {
		wrong("Concurrency", "is %d, at least 1", c.Concurrency)
	}
	if c.Window.Records < 1 || c.Window.Bytes < 1 {
		wrong("Window", "%d records and %d bytes: both at least 1", c.Window.Records, c.Window.Bytes)
	}
	if c.Shares.Fresh <= 0 || c.Shares.Retries <= 0 {
		wrong("Shares", "both must be above 0")
	}
	if per := c.DeadLetters.PerSuccess; !(per >= 0.001 && per <= 1000) {
		wrong("DeadLetters", "PerSuccess is %v: give 0.001 to 1000 dead letters for each success", per)
	}
	c.completeLimits(wrong)
	c.completeFlows(wrong)
	if c.HeaderLimit < 2048 {
		wrong("HeaderLimit", "is %d, at least 2048 bytes", c.HeaderLimit)
	}
	for _, d := range c.HeaderDialects {
		if _, err := retrytopics.ParseDialect(string(d)); err != nil {
			wrong("HeaderDialects", "%v", err)
		}
	}
	c.completeDependencies(wrong)
	if limit := c.Breaker.HalfOpenFor; limit > 0 && limit <= c.HandlerTimeout {
		wrong("Breaker", "HalfOpenFor is %v: give more than HandlerTimeout, %v, or a probe that takes as long as it may counts as failed; or a negative one for no limit", limit, c.HandlerTimeout)
	}
	if c.HandlerTimeout >= c.Drain {
		wrong("HandlerTimeout", "%v must be below Drain, %v, so that a call can end while a partition is given up", c.HandlerTimeout, c.Drain)
	}
	if c.Drain >= c.RebalanceTimeout {
		wrong("Drain", "%v must be below RebalanceTimeout, %v, or the group goes on without this member", c.Drain, c.RebalanceTimeout)
	}
	if c.Group != "" {
		if err := c.Names.Validate(len(c.Topics) + 2*len(c.TopicPatterns)); err != nil {
			wrong("Names", "%v", err)
		}
	}
	if err := refused(c.Group, c.ClientOptions); err != nil {
		wrong("ClientOptions", "%v", err)
	}
	return errors.Join(errs...)
}

// completeDependencies checks the dependencies beside the first one, and gives their probes the time that a call may take.
func (c *Config) completeDependencies(wrong func(field, format string, args ...any)) {
	if n := len(c.Dependencies) + 1; n > maxDependencies {
		wrong("Dependencies", "are %d with that of Breaker: give at most %d", n, maxDependencies)
	}
	c.Dependencies = slices.Clone(c.Dependencies)
	names := []string{c.Breaker.Dependency}
	for i := range c.Dependencies {
		d := &c.Dependencies[i]
		switch name := d.Breaker.Dependency; {
		case name == "":
			wrong("Dependencies", "number %d has no name: set Breaker.Dependency", i)
		case slices.Contains(names, name):
			wrong("Dependencies", "%q is there twice, or is that of Breaker", name)
		}
		names = append(names, d.Breaker.Dependency)
		for _, class := range d.CountsAgainst {
			if class == classify.None || class > classify.Authentication {
				wrong("Dependencies", "%s: CountsAgainst: %d is none of the seven classes", d.Breaker.Dependency, class)
			}
		}
		if d.Breaker.HalfOpenFor == 0 && 2*c.HandlerTimeout > breaker.DefaultHalfOpenFor {
			d.Breaker.HalfOpenFor = 2 * c.HandlerTimeout
		}
	}
}

func (c *Config) defaults() {
	c.ClientID = or(c.ClientID, DefaultClientID)
	c.Concurrency = or(c.Concurrency, DefaultConcurrency)
	c.Drain = or(c.Drain, DefaultDrain)
	c.HandlerTimeout = or(c.HandlerTimeout, DefaultHandlerTimeout)
	c.HeaderLimit = or(c.HeaderLimit, DefaultHeaderLimit)
	c.Name = or(c.Name, c.Group)
	c.RebalanceTimeout = or(c.RebalanceTimeout, DefaultRebalanceTimeout)
	c.SessionTimeout = or(c.SessionTimeout, DefaultSessionTimeout)
	c.Shares = or(c.Shares, Shares{Fresh: 0.5, Retries: 0.5})
	c.Window.Records = or(c.Window.Records, DefaultWindowRecords)
	c.Window.Bytes = or(c.Window.Bytes, DefaultWindowBytes)
	c.DeadLetters.Burst = or(c.DeadLetters.Burst, DefaultBurst)
	c.DeadLetters.PerSuccess = or(c.DeadLetters.PerSuccess, DefaultPerSuccess)
	c.Names.Group = or(c.Names.Group, c.Group)
	c.Breaker.Dependency = or(c.Breaker.Dependency, c.Name)
	if c.CountsAgainst == nil {
		c.CountsAgainst = defaultCounts
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	c.Topics = slices.Clone(c.Topics)
	if len(c.Topics) == 0 && c.Mux != nil {
		c.Topics = c.Mux.Topics()
	}
	if c.Breakers == nil {
		c.Breaker = withName(c.Breaker, c.Name)
	}
	if c.Breaker.HalfOpenFor == 0 && 2*c.HandlerTimeout > breaker.DefaultHalfOpenFor {
		c.Breaker.HalfOpenFor = 2 * c.HandlerTimeout // a probe may take as long as any call
	}
}

// checkTreatments says what is wrong with the treatments of classes.
func checkTreatments(all classify.Treatments) error {
	var errs []error
	for class, t := range all {
		switch {
		case class == classify.None || class > classify.Authentication:
			errs = append(errs, fmt.Errorf("%d is none of the seven classes", class))
		case t.Severity > classify.Critical:
			errs = append(errs, fmt.Errorf("%v: %d is none of the severities", class, t.Severity))
		case t.Handling > classify.Drop:
			errs = append(errs, fmt.Errorf("%v: %d is none of the handlings", class, t.Handling))
		}
	}
	return errors.Join(errs...)
}

func withName(b breaker.Config, name string) breaker.Config {
	b.Dependency = or(b.Dependency, name)
	return b
}

func or[T comparable](v, otherwise T) T {
	var zero T
	if v == zero {
		return otherwise
	}
	return v
}

// anchored makes patterns match whole names only.
func anchored(patterns []*regexp.Regexp) (out []*regexp.Regexp, err error) {
	for _, re := range patterns {
		a, err := regexp.Compile(`\A(?:` + re.String() + `)\z`)
		if err != nil {
			return nil, fmt.Errorf("consumer: TopicPatterns: %w", err)
		}
		out = append(out, a)
	}
	return out, nil
}

// refused names an option of the client that would break a promise. What an option does is seen on a client that is
// made with the user's options only; making one does not connect.
func refused(group string, opts []kgo.Opt) error {
	if len(opts) == 0 {
		return nil
	}
	if slices.Contains(opts, nil) {
		return errors.New("one of them is nil")
	}
	base := []kgo.Opt{kgo.ConsumerGroup(or(group, "none"))}
	cl, err := kgo.NewClient(append(slices.Clone(base), opts...)...)
	if err != nil {
		return err
	}
	defer cl.Close()
	bare, err := kgo.NewClient(base...)
	if err != nil {
		return err
	}
	defer bare.Close()
	for _, o := range []struct {
		name string
		opt  any
		why  string
	}{
		{"SeedBrokers", kgo.SeedBrokers, "set Config.Brokers"},
		{"ConsumerGroup", kgo.ConsumerGroup, "set Config.Group"},
		{"ConsumeTopics", kgo.ConsumeTopics, "set Config.Topics"},
		{"InstanceID", kgo.InstanceID, "set Config.InstanceID"},
		{"TransactionalID", kgo.TransactionalID, "the engine's own"},
		{"AutoCommitInterval", kgo.AutoCommitInterval, "offsets are committed when records are settled, not when they are polled"},
		{"AutoCommitMarks", kgo.AutoCommitMarks, "offsets are committed when records are settled, not when they are marked"},
		{"DefaultProduceTopicAlways", kgo.DefaultProduceTopicAlways, "every copy would go to one topic"},
		{"ManualFlushing", kgo.ManualFlushing, "copies would never be sent"},
		{"ConsumeRegex", kgo.ConsumeRegex, "set Config.TopicPatterns"},
		{"MaxBufferedBytes", kgo.MaxBufferedBytes, "one leader that is away would stop the copies for all others; Config.Window bounds the memory"},
		{"AllowAutoTopicCreation", kgo.AllowAutoTopicCreation, "retry topics need settings of their own"},
		{"GroupProtocol", kgo.GroupProtocol, "members of one group speak one protocol"},
		{"AllowIdempotentProduceCancellation", kgo.AllowIdempotentProduceCancellation, "a copy in doubt would be written twice, or not at all"},
		{"DisableIdempotentWrite", kgo.DisableIdempotentWrite, "copies are written by an idempotent producer"},
		{"RecordDeliveryTimeout", kgo.RecordDeliveryTimeout, "a copy in doubt would be written twice"},
		{"ServerSideBalancer", kgo.ServerSideBalancer, "set Config.GroupProtocol"},
		{"RecordRetries", kgo.RecordRetries, "a copy in doubt would be written twice"},
	} {
		if fmt.Sprint(cl.OptValues(o.opt)...) != fmt.Sprint(bare.OptValues(o.opt)...) {
			return fmt.Errorf("kgo.%s is not for the user of this engine: %s", o.name, o.why)
		}
	}
	return nil
}
