package chaos

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"
)

// proxies stand between one member, with all its lives, and the brokers: one before each broker.
type proxies struct {
	server *toxiproxy.ApiServer // what all need and nobody talks to
	all    []*toxiproxy.Proxy
}

// newProxies puts proxies before the brokers.
func newProxies(member string, brokers []string) (*proxies, error) {
	p := &proxies{server: toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())}
	for i, broker := range brokers {
		proxy := toxiproxy.NewProxy(p.server, fmt.Sprintf("%s-%d", member, i+1), "127.0.0.1:0", broker)
		if err := proxy.Start(); err != nil {
			p.stop()
			return nil, err
		}
		p.all = append(p.all, proxy)
	}
	return p, nil
}

// byBroker maps each broker's address to that of its proxy.
func (p *proxies) byBroker() map[string]string {
	m := make(map[string]string)
	for _, proxy := range p.all {
		m[proxy.Upstream] = proxy.Listen
	}
	return m
}

// cut ends all connections and refuses new ones.
func (p *proxies) cut() {
	for _, proxy := range p.all {
		proxy.Stop()
	}
}

// mend takes connections again.
func (p *proxies) mend() error {
	var errs []error
	for _, proxy := range p.all {
		errs = append(errs, proxy.Start())
	}
	return errors.Join(errs...)
}

// reset ends the connections to one broker once.
func (p *proxies) reset(broker int) error {
	p.all[broker].Stop()
	return p.all[broker].Start()
}

// silence takes everything, in both directions, and passes nothing on.
func (p *proxies) silence() error {
	return p.toxic(`{"type": "timeout", "stream": "upstream", "attributes": {"timeout": 0}}`,
		`{"type": "timeout", "stream": "downstream", "attributes": {"timeout": 0}}`)
}

// slow delays everything.
func (p *proxies) slow(by time.Duration) error {
	return p.toxic(fmt.Sprintf(`{"type": "latency", "stream": "downstream", "attributes": {"latency": %d, "jitter": %d}}`,
		by.Milliseconds(), by.Milliseconds()/2))
}

func (p *proxies) toxic(toxics ...string) error {
	var errs []error
	for _, proxy := range p.all {
		for _, t := range toxics {
			_, err := proxy.Toxics.AddToxicJson(strings.NewReader(t))
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// calm ends what is done to connections, and them too: some of what they carried is gone. It takes new proxies, at the
// same addresses, for to take a toxic from a proxy is to wait for what its ended connections still hold.
func (p *proxies) calm() error {
	p.cut()
	for i, old := range p.all {
		p.all[i] = toxiproxy.NewProxy(p.server, old.Name, old.Listen, old.Upstream)
	}
	return p.mend()
}

// stop ends the proxies for good.
func (p *proxies) stop() {
	for _, proxy := range p.all {
		proxy.Stop()
	}
}
