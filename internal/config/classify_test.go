package config

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/redeliver/redeliver/classify"
	"github.com/redeliver/redeliver/consumer"
)

// classifying has a rule for every condition, and treatments.
var classifying = inPipeline(`
breaker: {dependency: ledger}
classify:
  rules:
    - {match: "^boom", type: "*fmt.wrap*", class: system}
    - {status: [409, 5xx], tenant: [acme, b], class: permanent, severity: critical, handling: hold}
    - {grpc: UNAVAILABLE, topic: orders, class: network, notify: false}
    - {sqlstate: ["40001", "23"], dependency: ledger, class: transient, handling: drop}
    - {header: {region: "^eu", zone: "1$"}, class: validation}
    - {job_type: invoice, user: u, project: p, class: rate_limited}
    - when: |
        attempt > 2
          and error contains "late"
      class: authentication
  classes:
    network: {severity: critical, handling: hold, notify: true}
    validation: {handling: retry}
  notify: {url: "http://127.0.0.1:9000/notices", headers: {Authorization: "Bearer x"}}`)

type failure struct {
	text     string
	status   int
	sqlState string
	grpc     uint32
}

func (f failure) Error() string          { return f.text }
func (f failure) HTTPStatus() int        { return f.status }
func (f failure) SQLState() string       { return f.sqlState }
func (f failure) GRPCStatus() grpcStatus { return grpcStatus(f.grpc) }

type grpcStatus uint32

func (g grpcStatus) Code() uint32 { return uint32(g) }

func TestRulesOfTheFile(t *testing.T) {
	p := &mustParse(t, classifying, nil).Pipelines[0]
	c := p.Classifier()
	acme := classify.Context{Topic: "orders", Dependency: "ledger", Job: classify.Job{Tenant: "acme"}}
	headers := classify.Context{Header: func(name string) ([]byte, bool) { return []byte("eu-1"), name == "region" || name == "zone" }}
	for _, tt := range []struct {
		in   classify.Context
		err  error
		rule int
		want classify.Treatment
	}{
		{acme, fmt.Errorf("boom: %w", io.EOF), 1, classify.Treatment{Severity: classify.High}},
		{acme, errors.New("boom"), 0, classify.Treatment{Severity: classify.Low}},
		{acme, failure{text: "x", status: 503}, 2, classify.Treatment{Severity: classify.Critical, Handling: classify.Hold}},
		{classify.Context{}, failure{text: "x", status: 503}, 0, classify.Treatment{Severity: classify.Low}},
		{acme, failure{text: "x", grpc: 14}, 3, classify.Treatment{Severity: classify.Critical, Handling: classify.Hold}},
		{acme, failure{text: "x", sqlState: "23505"}, 4, classify.Treatment{Severity: classify.Low, Handling: classify.Drop}},
		{headers, errors.New("x"), 5, classify.Treatment{Severity: classify.Medium, Handling: classify.Retry}},
		{classify.Context{Job: classify.Job{Type: "invoice", User: "u", Project: "p"}}, errors.New("x"), 6, classify.Treatment{Severity: classify.Low}},
		{classify.Context{Attempt: 3}, errors.New("too late"), 7, classify.Treatment{Severity: classify.Critical}},
		{classify.Context{Attempt: 2}, errors.New("too late"), 0, classify.Treatment{Severity: classify.Low}},
		{acme, &net.OpError{Op: "read", Err: io.EOF}, 0, classify.Treatment{Severity: classify.Critical, Handling: classify.Hold, Notify: true}},
	} {
		got := c.ClassifyIn(&tt.in, tt.err)
		if got.UserRule != tt.rule || got.Treatment != tt.want {
			t.Errorf("%v: got rule %d (%s), %+v; want %d, %+v", tt.err, got.UserRule, got.Rule, got.Treatment, tt.rule, tt.want)
		}
	}
	all, err := mustParse(t, classifying, nil).Consumers(func(*Pipeline) (consumer.Handler, error) {
		return consumer.HandlerFunc(func(context.Context, *consumer.Record) error { return nil }), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	check(t, "rules of the engine", len(all[0].Classify), 7)
	check(t, "treatment of the engine", all[0].Classes[classify.Network], classify.Treatment{Severity: classify.Critical, Handling: classify.Hold, Notify: true})
}

// What `config show` prints means the same.
func TestRulesAreShownAsTheyAre(t *testing.T) {
	c := mustParse(t, classifying, nil)
	text, err := c.YAML()
	if err != nil {
		t.Fatal(err)
	}
	again := mustParse(t, text, nil)
	c.Pipelines[0].Classify.Notify.Headers["Authorization"] = masked // as it is shown
	if diff := cmp.Diff(c, again, sameConfig); diff != "" {
		t.Errorf("(-was +shown):\n%s\n%s", diff, text)
	}
	if err := schemaAccepts(t, resolved(t), classifying); err != nil {
		t.Error(err)
	}
}

// A mistake under defaults: is met in every pipeline, told once, and kept from what would be made of it.
func TestAMistakeInADefaultRuleIsToldOnce(t *testing.T) {
	_, err := Parse("config.yaml", []byte(`
kafka: {brokers: [a:9092]}
defaults: {classify: {rules: [{match: "(", class: network}, {grpc: nope, class: network}, {sqlstate: "1", class: network}, {when: "x ==", class: network}]}}
pipelines:
  - {name: a, topics: [a], handler: {http: {url: "http://h"}}}
  - {name: b, topics: [b], handler: {http: {url: "http://h"}}}
`), options(nil))
	if got := len(places(err)); got != 4 {
		t.Errorf("got %d problems: %v", got, err)
	}
}

func TestAnOverrideThatAHandlingKeepsFromItsClassIsWarnedAbout(t *testing.T) {
	c := mustParse(t, inPipeline("retry: {overrides: [{class: network, max_retries: 9}, {class: system, max_retries: 9}]}\nclassify: {classes: {network: {handling: hold}, system: {handling: retry}}}"), nil)
	if len(c.Warnings) != 1 || c.Warnings[0].Message != "classify.classes.network.handling: retry.overrides[0] does not apply to what is handled so: network is not retried" {
		t.Errorf("got %v", c.Warnings)
	}
}

// A type without its package can match an error that says its own type only.
func TestATypeWithoutItsPackageIsWarnedAbout(t *testing.T) {
	c := mustParse(t, inPipeline("classify: {rules: [{type: OpError, class: network}]}"), nil)
	if len(c.Warnings) != 1 || c.Warnings[0].Message != `classify.rules[0].type: "OpError" has no package, as Go types have; unless errors say so themselves, write it like *pkg.OpError` {
		t.Errorf("got %v", c.Warnings)
	}
}
