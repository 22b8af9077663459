package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/internal/config"
)

const (
	defaultConfigFile = "config.yaml"

	// connectTimeout bounds the wait for the first broker that answers, so that a wrong address ends in seconds.
	connectTimeout = 6 * time.Second
)

// load reads the configuration that -c names and tells its warnings.
func (p *program) load() (*config.Config, error) { return p.loadWith(config.Options{}) }

// loadEmbedded reads it for a process that brings its own broker.
func (p *program) loadEmbedded() (*config.Config, error) {
	return p.loadWith(config.Options{Embedded: true})
}

// read reads the configuration that -c names; "-" is standard input.
func (p *program) read(o config.Options) (*config.Config, error) {
	o.Lookup = p.getenv
	if p.configFile == "-" {
		return config.Read("standard input", p.in, o)
	}
	return config.Load(p.configFile, o)
}

func (p *program) loadWith(o config.Options) (*config.Config, error) {
	c, err := p.read(o)
	if err != nil {
		return nil, err
	}
	told := c.Warnings
	if p.notices {
		told = slices.Concat(told, c.Notices)
	}
	for _, w := range told {
		fmt.Fprintf(p.err, "%s:%d:%d: warning: %s\n", w.File, w.Line, w.Column, w.Message)
	}
	return c, nil
}

// addPipelineFlag gives a command --pipeline, which completes to the names in the configuration.
func (p *program) addPipelineFlag(cmd *cobra.Command) *string {
	name := cmd.Flags().String("pipeline", "", "the pipeline's `name`; may be left out when there is one")
	_ = cmd.RegisterFlagCompletionFunc("pipeline", p.completePipelines)
	return name
}

func (p *program) completePipelines(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	c, err := p.read(config.Options{Embedded: true})
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	return pipelineNames(c), cobra.ShellCompDirectiveNoFileComp
}

// pipeline returns the pipeline of that name, or the only one when the name is "".
func pipeline(c *config.Config, name string) (*config.Pipeline, error) {
	if name == "" && len(c.Pipelines) == 1 {
		return &c.Pipelines[0], nil
	}
	for i := range c.Pipelines {
		if c.Pipelines[i].Name == name {
			return &c.Pipelines[i], nil
		}
	}
	all := strings.Join(pipelineNames(c), ", ")
	if name == "" {
		return nil, usagef("%s has several pipelines: say --pipeline with one of %s", c.File, all)
	}
	return nil, usagef("%s has no pipeline %q; its pipelines are %s", c.File, name, all)
}

// pipelines returns the pipeline of that name, or all of them when the name is "".
func pipelines(c *config.Config, name string) ([]*config.Pipeline, error) {
	if name != "" {
		one, err := pipeline(c, name)
		return []*config.Pipeline{one}, err
	}
	var all []*config.Pipeline
	for i := range c.Pipelines {
		all = append(all, &c.Pipelines[i])
	}
	return all, nil
}

// eachPipeline calls do for each pipeline and goes on after one that fails: one whose topic is missing hides no other. It
// tells what failed and returns an error that says whether all did. what is what was to be done: "planned".
func (p *program) eachPipeline(ctx context.Context, chosen []*config.Pipeline, what string, do func(*config.Pipeline) error) error {
	var failed []string
	var errs []error
	for _, one := range chosen {
		err := do(one)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			failed = append(failed, one.Name)
			errs = append(errs, fmt.Errorf("pipeline %s: %w", one.Name, err))
		}
	}
	if len(failed) == len(chosen) {
		return errors.Join(errs...)
	}
	for _, err := range errs {
		fmt.Fprintln(p.err, err)
	}
	if len(failed) > 0 {
		return partlyf("not %s: %s", what, strings.Join(failed, ", "))
	}
	return nil
}

func clusterNames(c *config.Config) []string {
	var names []string
	for _, one := range c.Clusters {
		names = append(names, one.Name)
	}
	return names
}

func pipelineNames(c *config.Config) []string {
	var names []string
	for _, p := range c.Pipelines {
		names = append(names, p.Name)
	}
	return names
}

// connect makes a Kafka client from the configuration once a broker has answered. Its error, at most seconds later, says
// what was tried and what to do. The caller closes the client.
func (p *program) connect(ctx context.Context, c *config.Config, more ...kgo.Opt) (*kgo.Client, error) {
	opts, err := c.Kafka.ClientOptions()
	if err != nil {
		return nil, &exitError{status: exitUsage, err: err}
	}
	if err := probe(ctx, c.Kafka, cmp.Or(p.patience, connectTimeout)); err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, fmt.Errorf("no broker of kafka.brokers (%s) answers: %w; %s", strings.Join(c.Kafka.Brokers, ", "), err, connectRemedy(c, c.Kafka, "kafka", err))
	}
	client, err := kgo.NewClient(append(opts, more...)...)
	if err != nil {
		return nil, fmt.Errorf("make the Kafka client: %w", err)
	}
	return client, nil
}

// probe asks for an answer with a client of its own, which is less patient than one that is to work: a request whose
// connection never answers is not given up by a context, only by its own time-out, twice.
func probe(ctx context.Context, kafka config.Kafka, patience time.Duration) error {
	opts, err := kafka.ClientOptionsWithin(patience / 2)
	if err != nil {
		return err
	}
	client, err := kgo.NewClient(append(opts, kgo.RequestTimeoutOverhead(patience/2))...)
	if err != nil {
		return err
	}
	defer client.Close()
	bounded, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return client.Ping(bounded)
}

// reachCluster makes sure that the cluster which a replay writes to answers, "" for the queue's own, which has.
func (p *program) reachCluster(ctx context.Context, c *config.Config, name string) error {
	i := slices.IndexFunc(c.Clusters, func(one config.Cluster) bool { return one.Name == name })
	if i < 0 {
		return nil // which the queue refuses, where it is asked for
	}
	one := c.Clusters[i]
	if err := probe(ctx, one.Kafka, cmp.Or(p.patience, connectTimeout)); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return fmt.Errorf("no broker of cluster %s (%s) answers: %w; %s", name, strings.Join(one.Brokers, ", "), err, connectRemedy(c, one.Kafka, fmt.Sprintf("clusters[%d]", i), err))
	}
	return nil
}

// connectRemedy says what to look at after a connection failed; under is the path of the section that it is made by.
func connectRemedy(c *config.Config, k config.Kafka, under string, err error) string {
	var (
		dns       *net.DNSError
		record    tls.RecordHeaderError
		authority x509.UnknownAuthorityError
		hostname  x509.HostnameError
		invalid   x509.CertificateInvalidError
	)
	at := func(path string) string { return "see " + c.At(under+path) }
	switch {
	case errors.As(err, &dns):
		return "the host name is unknown, " + at(".brokers")
	case errors.As(err, &record):
		return "the broker does not speak TLS at this port: set " + under + ".tls.enabled to false or use its TLS port, " + at(".tls.enabled")
	case errors.As(err, &authority):
		return "name the authority that signed the broker's certificate in " + under + ".tls.ca_file, " + at(".tls.ca_file")
	case errors.As(err, &hostname):
		return "set " + under + ".tls.server_name to a name of the broker's certificate, " + at(".tls.server_name")
	case errors.As(err, &invalid):
		return "the broker's certificate is not valid (expired, or not yet), " + at(".tls")
	case errors.Is(err, kerr.SaslAuthenticationFailed):
		return "the broker refuses user or password, or the token, " + at(".sasl")
	case strings.Contains(err.Error(), "oauth response"): // what a broker says to a token that it does not take
		return "the broker refuses the token, " + at(".sasl")
	case strings.Contains(err.Error(), "remote error: tls:"):
		return "the broker refuses the client's certificate, or wants one: name one that its authority has signed in " + under + ".tls.cert_file and key_file, " + at(".tls")
	case strings.Contains(err.Error(), "tls alert"): // the client guesses it from the first bytes
		return "the broker speaks TLS at this port: set " + under + ".tls.enabled to true, " + at("")
	case errors.Is(err, kerr.IllegalSaslState):
		return "the broker wants no SASL at this port: remove " + under + ".sasl, or use the port that does, " + at(".sasl")
	case errors.Is(err, kerr.UnsupportedSaslMechanism):
		return "the broker wants another " + under + ".sasl.mechanism, " + at(".sasl.mechanism")
	case errors.Is(err, syscall.ECONNREFUSED) && under != "kafka": // nothing else brings a broker of that cluster along
		return "nothing listens there: start the broker, or correct " + c.At(under+".brokers")
	case errors.Is(err, syscall.ECONNREFUSED):
		return "nothing listens there: start the broker (redeliver run --embedded brings one along), or correct " + c.At(under+".brokers")
	case errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET):
		if k.TLS.Enabled || k.SASL.Mechanism != "" {
			return "the broker closed the connection: is this its port for tls and sasl of " + under + " as they are, and are user and password right? " + c.At(under)
		}
		return "the broker closed the connection: it may want " + under + ".tls or " + under + ".sasl, " + at("")
	case (errors.Is(err, context.DeadlineExceeded) || isTimeout(err)) && k.TLS.Enabled:
		return "nothing answers: is the address right, does the broker speak TLS at this port (" + under + ".tls.enabled), and is there a firewall between? " + c.At(under+".brokers")
	case errors.Is(err, context.DeadlineExceeded), isTimeout(err):
		return "nothing answers: is the address right and is there a firewall between? " + c.At(under+".brokers")
	}
	return at("")
}

func isTimeout(err error) bool {
	var timeout interface{ Timeout() bool }
	return errors.As(err, &timeout) && timeout.Timeout()
}
