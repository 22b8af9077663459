package config

import (
	"cmp"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// dialTimeout is how long a connection to a broker may take, its TLS handshake included. It is the default of the client, too.
const dialTimeout = 10 * time.Second

// ClientOptions returns what a Kafka client needs to reach the brokers: addresses, client id, TLS and SASL. It fails
// when a certificate file has become unreadable since the configuration was checked.
func (k Kafka) ClientOptions() ([]kgo.Opt, error) { return k.ClientOptionsWithin(dialTimeout) }

// ClientOptionsWithin returns the same for a client whose connections may take so long each.
func (k Kafka) ClientOptionsWithin(timeout time.Duration) ([]kgo.Opt, error) {
	security, err := k.security(timeout)
	if err != nil {
		return nil, err
	}
	return append(security, kgo.SeedBrokers(k.Brokers...), kgo.ClientID(k.ClientID)), nil
}

// Security returns the options for TLS and SASL only.
func (k Kafka) Security() ([]kgo.Opt, error) { return k.security(dialTimeout) }

func (k Kafka) security(timeout time.Duration) ([]kgo.Opt, error) {
	var opts []kgo.Opt
	under := cmp.Or(k.Section, "kafka")
	switch {
	case k.TLS.Enabled:
		dial, err := k.TLS.dialer(timeout, under+".tls")
		if err != nil {
			return nil, err
		}
		opts = append(opts, kgo.Dialer(dial))
	case timeout != dialTimeout:
		opts = append(opts, kgo.DialTimeout(timeout))
	}
	if k.SASL.Mechanism != "" {
		opts = append(opts, kgo.SASL(k.SASL.mechanism(under+".sasl")))
	}
	return opts, nil
}
