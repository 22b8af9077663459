package fleet

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/retrytopics"
)

// DefaultTopic is the control topic unless another one is named.
const DefaultTopic = retrytopics.DefaultControlTopic

// DefaultStartTimeout is how long a member waits for the end of the log before it begins without.
const DefaultStartTimeout = 15 * time.Second

// Config says how a member takes part in a fleet.
type Config struct {
	// Brokers are the seed brokers, host:port. Required.
	Brokers []string
	// ClientID is what the brokers know this client by. Defaults to "redeliver".
	ClientID string
	// ClientOptions are passed to the Kafka client: TLS, SASL, dialers, hooks.
	ClientOptions []kgo.Opt
	// Topic is the control topic. All processes that name one topic are one fleet: breakers with one name are one there,
	// whatever the groups of the pipelines. Its name is DefaultTopic, or ends in ".redeliver-control", so that no pattern of source
	// topics matches it. Defaults to DefaultTopic.
	Topic string
	// Manual leaves the topic to the operator: it is waited for.
	Manual bool
	// ReplicationFactor of the topic, when it is made. Defaults to 3, or to one on each broker where there are fewer.
	ReplicationFactor int
	// StartTimeout bounds the wait for the end of the log before [Member.Ready]. Defaults to 15s.
	StartTimeout time.Duration
	// Name is this process's for people. Defaults to host name and process id.
	Name string
	// Logger gets the member's log. Defaults to slog.Default().
	Logger *slog.Logger
}

func (c *Config) complete() error {
	c.ClientID = cmp.Or(c.ClientID, "redeliver")
	c.Topic = cmp.Or(c.Topic, DefaultTopic)
	c.StartTimeout = cmp.Or(c.StartTimeout, DefaultStartTimeout)
	if c.Name == "" {
		host, err := os.Hostname()
		if err != nil {
			host = "unknown"
		}
		c.Name = fmt.Sprintf("%s:%d", host, os.Getpid())
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	var errs []error
	if len(c.Brokers) == 0 {
		errs = append(errs, errors.New("fleet: Brokers: name at least one broker, host:port"))
	}
	if !retrytopics.IsControl(c.Topic) {
		errs = append(errs, fmt.Errorf("fleet: Topic: %q is neither %s nor ends in %s: a pattern of source topics might match it", c.Topic, DefaultTopic, retrytopics.ControlSuffix))
	}
	if c.StartTimeout < 0 {
		errs = append(errs, fmt.Errorf("fleet: StartTimeout is %v: give a positive duration", c.StartTimeout))
	}
	return errors.Join(errs...)
}

// New checks the configuration and makes a member. It does not connect.
func New(c Config) (*Member, error) {
	if err := c.complete(); err != nil {
		return nil, err
	}
	m := newMember(c.Logger, c.Topic, c.Name+"/"+rand.Text()[:8], c.Name, &kafkaJournal{config: c})
	m.patience = c.StartTimeout
	return m, nil
}

// Run takes part in the fleet until ctx ends. While the control topic cannot be reached it keeps trying. Afterwards the
// breakers measure on their own again.
func (m *Member) Run(ctx context.Context) { m.run(ctx, m.patience) }
